/* test_broker_repeating: the real broker and requests whose clients gave them a name: who is answered without
 * being computed, who is refused, and how much is kept. SPDX-License-Identifier: MIT */
#include "repeating_scene.h"
#include "suite.h"

START_TEST(what_is_sent_again_is_answered_as_before)
{
    start("");
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    ck_assert(!scene_letter->envelope.reply.replayed && scene_letter->envelope.reply.tag.length == 0);
    scene_kill(1); /* nobody is needed for it */
    for (uint64_t id = 2; id <= 3; id++) {
        ask(other, id, 'k', "q");
        expect_replay(other, id, "A");
        ck_assert(text_is(scene_letter->envelope.reply.tag, "first"));
    }
    ck_assert_uint_eq(replayed(), 2);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "none"), 1);
    ck_assert_uint_eq(scene_counter(METRIC_IDEMPOTENCY_KEYS, NULL, NULL, NULL), 1);
}
END_TEST

START_TEST(another_request_of_the_name_is_refused)
{
    start("");
    uint64_t batch = first_asks();
    ask(other, 2, 'k', "another");
    scene_expect_reject(other, 2, FAILURE_KEY_REUSED);
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    ask(other, 3, 'k', "another");
    scene_expect_reject(other, 3, FAILURE_KEY_REUSED);
    expect_no_batch();
    ck_assert_uint_eq(conflicts("reused"), 2);
    ask(other, 4, 'l', "another");
    scene_expect_batch(worker, "another");
}
END_TEST

START_TEST(one_that_comes_while_the_first_is_under_way_is_refused)
{
    start("");
    uint64_t batch = first_asks();
    ask(other, 2, 'k', "q");
    scene_expect_reject(other, 2, FAILURE_KEY_RUNNING);
    ask(asker, 3, 'w', "waits"); /* the worker is busy */
    ask(other, 4, 'w', "waits");
    scene_expect_reject(other, 4, FAILURE_KEY_RUNNING);
    ck_assert_uint_eq(conflicts("running"), 2);
    scene_result(worker, batch, "A");
    scene_result(worker, scene_expect_batch(worker, "waits"), "B");
    scene_expect_reply(asker, 1, "A");
    scene_expect_reply(asker, 3, "B");
    ask(other, 5, 'w', "waits");
    expect_replay(other, 5, "B");
}
END_TEST

START_TEST(what_is_wrong_with_the_request_is_kept)
{
    start("");
    refuse(first_asks(), FAILURE_INVALID);
    scene_expect_reject(asker, 1, FAILURE_INVALID);
    ck_assert(!scene_letter->envelope.reject.replayed);
    ask(other, 2, 'k', "q");
    scene_expect_reject(other, 2, FAILURE_INVALID);
    ck_assert(scene_letter->envelope.reject.replayed);
    ck_assert(text_is(scene_letter->envelope.reject.message, "why"));
    ck_assert(text_is(scene_letter->envelope.reject.version, "1")); /* whose failure it was */
    expect_no_batch();
    ck_assert_uint_eq(replayed(), 1);
}
END_TEST

START_TEST(any_other_failure_frees_the_name)
{
    static const enum failure failures[] = {FAILURE_MODEL_FAILED, FAILURE_INTERNAL, FAILURE_OVERLOADED,
                                            FAILURE_DEADLINE};
    start("");
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        ask_within(asker, 1, 'k', "q", failures[i] == FAILURE_DEADLINE ? 50000 : 30000000);
        uint64_t batch = scene_expect_batch(worker, "q");
        if (failures[i] == FAILURE_DEADLINE) /* the worker says so when it is over here, too */
            scene_expect_reject(asker, 1, FAILURE_DEADLINE);
        refuse(batch, failures[i]);
        if (failures[i] != FAILURE_DEADLINE)
            scene_expect_reject(asker, 1, failures[i]);
        else
            scene_expect_nothing(asker);
    }
    ask(other, 2, 'k', "another");
    scene_expect_batch(worker, "another");
    ck_assert_uint_eq(conflicts("running") + conflicts("reused") + replayed(), 0);
}
END_TEST

START_TEST(what_never_came_in_takes_no_name)
{
    start_with("queue: { max_rows = 1; };",
               (const char *const[]){"limit.address_rows_per_s=1", "limit.address_burst_s=1", NULL});
    uint64_t batch = first_asks();
    scene_ask(asker, 2, "waits");
    ask(asker, 3, 'f', "q");
    scene_expect_reject(asker, 3, FAILURE_OVERLOADED);
    struct envelope request = named(4, 'f', "q");
    request.request.version = text_of("9");
    end_send(asker, &request, "q");
    scene_expect_reject(asker, 4, FAILURE_UNKNOWN_VERSION);
    request.request.version = text_of("");
    request.request.address = 5;
    request.request.rows = 2;
    request.id = 5;
    end_send(asker, &request, "q"); /* more at once than its limit ever lets through */
    scene_expect_reject(asker, 5, FAILURE_TOO_LARGE);
    scene_result(worker, batch, "A");
    scene_result(worker, scene_expect_batch(worker, "waits"), "B");
    ask(asker, 6, 'f', "another");
    scene_expect_batch(worker, "another");
}
END_TEST

/* Nobody could read it: the frontends know the outputs of that version no more. */
START_TEST(what_a_version_answered_that_is_gone_is_refused)
{
    repository_add("m", "2");
    start("version = \"1\";");
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    ask(asker, 2, 'i', "q");
    refuse(scene_expect_batch(worker, "q"), FAILURE_INVALID);
    scene_expect_reject(asker, 2, FAILURE_INVALID);
    ck_assert_int_eq(unlink(scratch_path("m/1/model.echo")), 0);
    ck_assert_int_eq(rmdir(scratch_path("m/1")), 0);
    repository_configure("m", "version = \"2\";");
    broker_reload(scene_broker);
    ask(other, 3, 'k', "q"); /* its worker is still here */
    expect_replay(other, 3, "A");
    scene_kill(1);
    turn_loop(); /* until then its version is one that something may wait for */
    broker_reload(scene_broker);
    struct envelope ready = scene_ready(2);
    ready.ready.version = text_of("2");
    worker = scene_worker_with(&ready);
    ask(other, 4, 'k', "q");
    scene_expect_reject(other, 4, FAILURE_KEY_REUSED);
    ck_assert(
        text_is(scene_letter->envelope.reject.message,
                "the version that answered the request with this Idempotency-Key is not here any more"));
    ck_assert_uint_eq(conflicts("reused"), 1);
    ask(other, 5, 'i', "q"); /* a failure is no version's */
    scene_expect_reject(other, 5, FAILURE_INVALID);
    ck_assert(scene_letter->envelope.reject.replayed);
    expect_no_batch();
    ask(other, 6, 'n', "q"); /* under another name it is computed by the one that is here */
    scene_result(worker, scene_expect_batch(worker, "q"), "B");
    scene_expect_reply(other, 6, "B");
    ck_assert(text_is(scene_letter->envelope.reply.version, "2"));
}
END_TEST

/* ---- together with the model's own cache ---- */

#define CACHE "cache: { ttl_ms = 600000; };"

START_TEST(an_answer_of_the_cache_is_kept_for_the_name)
{
    start(CACHE);
    scene_ask(asker, 1, "q");
    scene_result(worker, scene_expect_batch(worker, "q"), "A");
    scene_expect_reply(asker, 1, "A");
    ask(asker, 2, 'k', "q");
    scene_expect_reply(asker, 2, "A");
    ck_assert(!scene_letter->envelope.reply.replayed);
    uint64_t age = scene_letter->envelope.reply.age_us;
    broker_reload(scene_broker); /* the cache is empty */
    ask(other, 3, 'k', "q");
    expect_replay(other, 3, "A");
    ck_assert_uint_ge(scene_letter->envelope.reply.age_us, age); /* it has not become younger */
    ask(other, 4, 'k', "another");
    scene_expect_reject(other, 4, FAILURE_KEY_REUSED);
}
END_TEST

START_TEST(those_who_share_a_computation_keep_their_names)
{
    start(CACHE);
    uint64_t batch = first_asks();
    ask(other, 2, 'f', "q");
    ask(other, 3, 'g', "q");
    WAIT_FOR(scene_counter(METRIC_CACHE_COALESCED, "m", NULL, NULL) == 2);
    ask(asker, 4, 'f', "q");
    scene_expect_reject(asker, 4, FAILURE_KEY_RUNNING);
    scene_cancel(asker, 1); /* its place goes to the first who follows, and its name is free */
    scene_cancel(other, 3);
    scene_expect_nothing(asker);
    scene_result(worker, batch, "A");
    scene_expect_reply(other, 2, "A");
    broker_reload(scene_broker);
    ask(other, 5, 'f', "q");
    expect_replay(other, 5, "A");
    ask(asker, 6, 'k', "another");
    scene_result(worker, scene_expect_batch(worker, "another"), "B");
    scene_expect_reply(asker, 6, "B");
    ask(asker, 7, 'g', "third");
    scene_expect_batch(worker, "third");
}
END_TEST

/* ---- bounds ---- */

START_TEST(the_oldest_goes)
{
    start_with("", (const char *const[]){"idempotency.keys=2", NULL});
    for (uint64_t id = 1; id <= 3; id++) {
        ask(asker, id, "bcd"[id - 1], "q");
        scene_result(worker, scene_expect_batch(worker, "q"), "A");
        scene_expect_reply(asker, id, "A");
    }
    ck_assert_uint_eq(scene_counter(METRIC_IDEMPOTENCY_EVICTIONS, NULL, NULL, NULL), 1);
    ask(asker, 4, 'b', "another");
    scene_expect_batch(worker, "another");
    ask(asker, 5, 'c', "q");
    expect_replay(asker, 5, "A");
}
END_TEST

START_TEST(the_oldest_of_the_tenant_with_the_most_goes)
{
    start_with("", (const char *const[]){"idempotency.keys=3", NULL});
    for (uint64_t id = 1; id <= 6; id++) {
        struct envelope request = named(id, (char)('a' + id), "q");
        request.request.tenant = id == 1 ? 7 : 8;
        end_send(asker, &request, "q");
        scene_result(worker, scene_expect_batch(worker, "q"), "A");
        scene_expect_reply(asker, id, "A");
    }
    ck_assert_uint_eq(scene_counter(METRIC_IDEMPOTENCY_EVICTIONS, NULL, NULL, NULL), 3);
    ask(asker, 7, 'b', "q");
    expect_replay(asker, 7, "A");
    ask(asker, 8, 'e', "another");
    scene_expect_batch(worker, "another");
}
END_TEST

START_TEST(all_go_in_time)
{
    start_with("", (const char *const[]){"idempotency.ttl_s=1", NULL});
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    WAIT_FOR(scene_counter(METRIC_IDEMPOTENCY_KEYS, NULL, NULL, NULL) == 0); /* nobody has to ask for that */
    ask(asker, 2, 'k', "another");
    scene_expect_batch(worker, "another");
}
END_TEST

START_TEST(names_may_be_off)
{
    start_with("", (const char *const[]){"idempotency.keys=0", NULL});
    for (uint64_t id = 1; id <= 2; id++) {
        ask(asker, id, 'k', "q");
        scene_result(worker, scene_expect_batch(worker, "q"), "A");
        scene_expect_reply(asker, id, "A");
        ck_assert(!scene_letter->envelope.reply.replayed);
    }
}
END_TEST

START_TEST(the_end_of_the_broker_frees_what_is_held)
{
    start("");
    first_asks();
    scene_cancel(asker, 1);
    ask(asker, 2, 'w', "waits");
    scene_expect_nothing(asker);
    broker_free(scene_broker);
    scene_broker = NULL;
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_is_sent_again_is_answered_as_before,
                                  another_request_of_the_name_is_refused,
                                  one_that_comes_while_the_first_is_under_way_is_refused,
                                  what_is_wrong_with_the_request_is_kept,
                                  any_other_failure_frees_the_name,
                                  what_never_came_in_takes_no_name,
                                  what_a_version_answered_that_is_gone_is_refused,
                                  an_answer_of_the_cache_is_kept_for_the_name,
                                  those_who_share_a_computation_keep_their_names,
                                  the_oldest_goes,
                                  the_oldest_of_the_tenant_with_the_most_goes,
                                  all_go_in_time,
                                  names_may_be_off,
                                  the_end_of_the_broker_frees_what_is_held};
    return SUITE_RUN("broker_repeating", scene_set_up, scene_tear_down, tests);
}
