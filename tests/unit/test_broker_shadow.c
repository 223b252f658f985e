/* test_broker_shadow: copies for a shadow version in the real broker: who gets one and when, what becomes of
 * them, what the collector hears, and that clients never notice. What they come to when what is around them
 * changes or ends is in test_broker_shadow_ends.c. SPDX-License-Identifier: MIT */
#include "broker_shadow_scene.h"

static struct figures *figures_of(const char *version)
{
    return &model_version(model(), text_of(version))->figures;
}

START_TEST(both_answers_go_to_the_collector)
{
    start(SHADOW(100));
    serve(1, "question", "ANSWER");
    scene_result(shadow, scene_expect_batch(shadow, "question"), "other");
    expect_observed("ANSWER", "other", FAILURE_NONE);
    scene_expect_nothing(asker);
    ck_assert_uint_eq(copies(), 1);
    expect_none_open();
}
END_TEST

/* In its own counters only. */
START_TEST(copies_are_not_among_the_requests)
{
    start(SHADOW(100));
    serve(1, "question", "ANSWER");
    ck_assert_uint_eq(model_version(model(), text_of("2"))->queue.requests, 0);
    scene_result(shadow, scene_expect_batch(shadow, "question"), "other");
    expect_observed("ANSWER", "other", FAILURE_NONE);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "2", "none"), 0);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "none"), 1);
    ck_assert_uint_eq(scene_counter(METRIC_QUEUE_DURATION, "m", "1", NULL), 1);
    ck_assert_uint_eq(scene_counter(METRIC_BATCHES, "m", "2", "shadow"), 1);
    ck_assert_uint_eq(figures_of("2")->outcomes[FAILURE_NONE], 0);
    ck_assert_uint_eq(figures_of("1")->outcomes[FAILURE_NONE], 1);
}
END_TEST

START_TEST(copies_wait_for_company)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    serve(2, "b", "B");
    uint64_t batch = scene_expect_batch(shadow, "a b");
    scene_result(shadow, batch, "x y");
    expect_observed("A", "x", FAILURE_NONE);
    expect_observed("B", "y", FAILURE_NONE);
}
END_TEST

START_TEST(a_full_batch_goes_at_once)
{
    start(SHADOW(100) "batching = { max_batch_rows = 1; };");
    for (uint64_t id = 1; id <= 3; id++)
        serve(id, "a", "A");
    for (int i = 0; i < 3; i++) {
        scene_result(shadow, scene_expect_batch(shadow, "a"), "x");
        expect_observed("A", "x", FAILURE_NONE);
    }
}
END_TEST

START_TEST(a_worker_that_takes_less_gets_less)
{
    start(SHADOW(100));
    scene_kill(2);
    shadow = worker_that_takes("2", 3, 2);
    serve(1, "a", "A");
    serve(2, "b", "B");
    uint64_t batch = scene_expect_batch(shadow, "a b");
    for (uint64_t id = 3; id <= 5; id++)
        serve(id, "c", "C");
    scene_result(shadow, batch, "x y");
    batch = scene_expect_batch(shadow, "c c");
    scene_result(shadow, batch, "x y");
    scene_result(shadow, scene_expect_batch(shadow, "c"), "x");
}
END_TEST

/* What was put together for a worker that takes more does not fit, and is not put together anew. */
START_TEST(the_next_worker_may_take_less)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    scene_expect_batch(shadow, "a");
    serve(2, "b", "B");
    serve(3, "c", "C");
    scene_kill(2);
    shadow = worker_that_takes("2", 3, 1);
    WAIT_FOR(dropped("left") == 2);
    serve(4, "d", "D");
    scene_result(shadow, scene_expect_batch(shadow, "d"), "x");
    expect_observed("", "", FAILURE_WORKER_DIED);
    expect_observed("D", "x", FAILURE_NONE);
    expect_none_open();
}
END_TEST

/* They wait for one that takes them all, if there is one. */
START_TEST(a_smaller_worker_beside_is_passed_over)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    uint64_t batch = scene_expect_batch(shadow, "a");
    serve(2, "b", "B");
    serve(3, "c", "C");
    struct end *small = worker_that_takes("2", 3, 1);
    serve(4, "d", "D");
    scene_expect_nothing(asker);
    ck_assert(!end_take_verb(small, scene_letter, VERB_BATCH));
    ck_assert_uint_eq(dropped("left"), 0);
    scene_result(shadow, batch, "x");
    scene_result(shadow, scene_expect_batch(shadow, "b c"), "y z");
}
END_TEST

START_TEST(a_share_is_exact)
{
    start(SHADOW(30));
    for (uint64_t id = 1; id <= 100; id++)
        serve(id, "a", "A");
    ck_assert_uint_eq(copies(), 30);
}
END_TEST

static void ask_named(uint64_t id, const char *version, const char *payload)
{
    struct envelope request = scene_request(id);
    request.request.version = text_of(version);
    end_send(asker, &request, payload);
}

/* Nor one that the stable version could not answer. */
START_TEST(who_chose_a_version_is_not_copied)
{
    start(SHADOW(100));
    ask_named(1, "1", "a");
    scene_result(stable, scene_expect_batch(stable, "a"), "A");
    scene_expect_reply(asker, 1, "A");
    ask_named(2, "2", "b");
    scene_result(shadow, scene_expect_batch(shadow, "b"), "B");
    scene_expect_reply(asker, 2, "B");
    ck_assert_uint_eq(figures_of("2")->outcomes[FAILURE_NONE], 1);
    scene_ask(asker, 3, "c");
    uint64_t batch = scene_expect_batch(stable, "c");
    struct text reason = text_of("no");
    char failed = FAILURE_INVALID;
    struct envelope result = {.verb = VERB_RESULT, .id = batch, .result = {1, 77, {&failed, 1}}};
    end_send_all(stable, &result, &reason, 1);
    scene_expect_reject(asker, 3, FAILURE_INVALID);
    ck_assert_uint_eq(copies(), 0);
}
END_TEST

/* Kept answers make no work, and a leader is copied for all. */
START_TEST(what_is_shared_is_copied_once)
{
    start(SHADOW(100) "cache = { ttl_ms = 60000; };");
    scene_ask(asker, 1, "a");
    scene_ask(asker, 2, "a");
    scene_result(stable, scene_expect_batch(stable, "a"), "A");
    for (int i = 0; i < 2; i++)
        scene_next(asker, VERB_REPLY);
    scene_ask(asker, 3, "a");
    scene_expect_reply(asker, 3, "A");
    ck_assert_uint_eq(copies(), 1);
    scene_result(shadow, scene_expect_batch(shadow, "a"), "x");
    expect_observed("A", "x", FAILURE_NONE);
}
END_TEST

START_TEST(beyond_the_bound_copies_are_dropped)
{
    const char *const settings[] = {"broker.max_shadow_requests=2", NULL};
    start_with(SHADOW(100), settings);
    for (uint64_t id = 1; id <= 5; id++)
        serve(id, "a", "A");
    ck_assert_uint_eq(copies(), 5);
    ck_assert_uint_eq(dropped("full"), 3);
    scene_result(shadow, scene_expect_batch(shadow, "a a"), "x y");
    expect_observed("A", "x", FAILURE_NONE);
    expect_observed("A", "y", FAILURE_NONE);
    serve(6, "b", "B");
    ck_assert_uint_eq(dropped("full"), 3);
}
END_TEST

START_TEST(bytes_are_bounded_as_well)
{
    static char large[40000];
    const char *const settings[] = {"broker.max_shadow_bytes=65536", NULL};
    memset(large, 'x', sizeof large - 1);
    start_with(SHADOW(100), settings);
    for (uint64_t id = 1; id <= 2; id++) {
        scene_ask(asker, id, large);
        scene_result(stable, scene_next(stable, VERB_BATCH)->id, "A");
        scene_expect_reply(asker, id, "A");
    }
    ck_assert_uint_eq(copies(), 2);
    ck_assert_uint_eq(dropped("full"), 1);
}
END_TEST

START_TEST(without_a_worker_there_is_no_copy)
{
    start(SHADOW(100));
    scene_kill(2);
    serve(1, "a", "A");
    ck_assert_uint_eq(dropped("absent"), 1);
    expect_none_open();
}
END_TEST

/* Nobody is blamed, and nothing is tried again: the next worker begins with what is new. */
START_TEST(a_copy_that_kills_has_failed)
{
    start(SHADOW(100));
    serve(1, "poison", "A");
    serve(2, "innocent", "B");
    scene_expect_batch(shadow, "poison innocent");
    scene_kill(2);
    expect_observed("", "", FAILURE_WORKER_DIED);
    expect_observed("", "", FAILURE_WORKER_DIED);
    expect_none_open();
    ck_assert_uint_eq(figures_of("2")->deaths, 0);
    ck_assert_uint_eq(scene_counter(METRIC_RETRIES, "m", NULL, NULL), 0);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "2", "poison"), 0);
    shadow = worker_of("2", 3);
    serve(3, "next", "C");
    scene_result(shadow, scene_expect_batch(shadow, "next"), "x");
    expect_observed("C", "x", FAILURE_NONE);
}
END_TEST

START_TEST(a_worker_that_leaves_takes_its_copies_with_it)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    scene_expect_batch(shadow, "a");
    end_send(shadow, &(struct envelope){.verb = VERB_BYE}, NULL);
    WAIT_FOR(dropped("left") == 1);
    expect_none_open();
}
END_TEST

START_TEST(a_failure_of_the_shadow_is_told)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    uint64_t batch = scene_expect_batch(shadow, "a");
    struct text reason = text_of("no");
    char failed = (char)200; /* of a later version of the wire: passed on */
    struct envelope result = {.verb = VERB_RESULT, .id = batch, .result = {1, 77, {&failed, 1}}};
    end_send_all(shadow, &result, &reason, 1);
    expect_observed("", "", (enum failure)200);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "2", "internal"), 0);
}
END_TEST

/* They would be the first of all others in the worker's hands. */
START_TEST(requests_go_before_copies)
{
    start(SHADOW(100) "batching = { max_batch_rows = 1; };");
    ask_named(1, "2", "own");
    uint64_t batch = scene_expect_batch(shadow, "own");
    serve(2, "copied", "A");
    ask_named(3, "2", "next");
    scene_expect_nothing(asker);
    scene_result(shadow, batch, "x");
    scene_expect_reply(asker, 1, "x");
    scene_result(shadow, scene_expect_batch(shadow, "next"), "y");
    scene_expect_reply(asker, 3, "y");
    scene_result(shadow, scene_expect_batch(shadow, "copied"), "z");
    expect_observed("A", "z", FAILURE_NONE);
}
END_TEST

/* A client's request that was with the worker which a copy killed is tried alone, and answered. */
START_TEST(requests_survive_a_copy_that_kills)
{
    start(SHADOW(100) "limits = { max_kills = 1; };");
    serve(1, "poison", "A");
    scene_expect_batch(shadow, "poison");
    ask_named(2, "2", "own");
    scene_expect_nothing(asker);
    scene_kill(2);
    shadow = worker_of("2", 3);
    scene_result(shadow, scene_expect_batch(shadow, "own"), "x");
    scene_expect_reply(asker, 2, "x");
}
END_TEST

static int64_t overdue_in(uint32_t pid)
{
    const struct worker *worker = pool_find_pid(broker_pool(scene_broker), pid);
    return worker->batches[0].overdue_at - worker->batches[0].sent_at;
}

/* It computes in the background: it may take longer than a worker for whom clients wait. */
START_TEST(workers_of_copies_have_more_time)
{
    start(SHADOW(100));
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(stable, "a");
    int64_t usual = overdue_in(1);
    scene_result(stable, batch, "A");
    scene_expect_batch(shadow, "a");
    ck_assert_int_gt(overdue_in(2), usual);
}
END_TEST

START_TEST(not_where_clients_are_served_as_well)
{
    start("version = \"1\"; route = { arms = ( { version = \"2\"; percent = 1; } );"
          "shadow = { version = \"2\"; percent = 100; }; };");
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(stable, "a");
    int64_t usual = overdue_in(1);
    scene_result(stable, batch, "A");
    scene_expect_batch(shadow, "a");
    ck_assert_int_eq(overdue_in(2), usual);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        both_answers_go_to_the_collector,
        copies_are_not_among_the_requests,
        copies_wait_for_company,
        a_full_batch_goes_at_once,
        a_worker_that_takes_less_gets_less,
        the_next_worker_may_take_less,
        a_smaller_worker_beside_is_passed_over,
        a_share_is_exact,
        who_chose_a_version_is_not_copied,
        what_is_shared_is_copied_once,
        beyond_the_bound_copies_are_dropped,
        bytes_are_bounded_as_well,
        without_a_worker_there_is_no_copy,
        a_copy_that_kills_has_failed,
        a_worker_that_leaves_takes_its_copies_with_it,
        a_failure_of_the_shadow_is_told,
        requests_go_before_copies,
        requests_survive_a_copy_that_kills,
        workers_of_copies_have_more_time,
        not_where_clients_are_served_as_well,
    };
    return SUITE_RUN("broker_shadow", set_up, tear_down, tests);
}
