/* test_broker_cache: the real broker with a model whose answers are kept: who is answered without a worker,
 * and when no more. SPDX-License-Identifier: MIT */
#include "broker_cache_scene.h"
#include "suite.h"

START_TEST(what_was_asked_before_is_answered_without_a_worker)
{
    start(CACHE);
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    ck_assert_uint_eq(scene_letter->envelope.reply.age_us, 0);
    ck_assert_uint_eq(scene_letter->envelope.reply.compute_us, 77);
    for (uint64_t id = 2; id <= 3; id++) {
        scene_ask(other, id, "q");
        scene_expect_reply(other, id, "A");
        const struct envelope *reply = &scene_letter->envelope;
        ck_assert_uint_ge(reply->reply.age_us, 1);
        ck_assert(text_is(reply->reply.version, "1"));
        ck_assert(reply->reply.batch_rows == 0 && reply->reply.compute_us == 0 && reply->reply.queue_us == 0);
    }
    expect_no_batch();
    ck_assert_uint_eq(counter(METRIC_CACHE_HITS), 2);
    ck_assert_uint_eq(counter(METRIC_CACHE_MISSES), 1);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "none"), 3);
    scene_ask(asker, 4, "Q");
    scene_expect_batch(worker, "Q");
}
END_TEST

START_TEST(nothing_is_kept_or_shared_unless_it_is_wanted)
{
    start("");
    uint64_t batch = first_asks();
    scene_ask(other, 2, "q");
    scene_expect_nothing(other);
    scene_result(worker, batch, "A");
    scene_result(worker, scene_expect_batch(worker, "q"), "B");
    scene_expect_reply(other, 2, "B");
    scene_ask(other, 3, "q");
    scene_expect_batch(worker, "q");
    ck_assert_uint_eq(counter(METRIC_CACHE_MISSES), 0);
}
END_TEST

START_TEST(a_kept_answer_needs_no_worker_and_no_room)
{
    start(CACHE "queue: { max_rows = 1; };");
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    scene_kill(1);
    scene_ask(asker, 2, "waits");
    scene_ask(asker, 3, "too many");
    scene_expect_reject(asker, 3, FAILURE_OVERLOADED);
    scene_ask(asker, 4, "q");
    scene_expect_reply(asker, 4, "A");
    ask_within(asker, 5, "q", 0);
    scene_expect_reject(asker, 5, FAILURE_OVERLOADED); /* no time is no time: it is like any other then */
}
END_TEST

START_TEST(answers_age)
{
    start("cache: { ttl_ms = 200; };");
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    ck_assert_uint_gt(counter(METRIC_CACHE_BYTES), 0);
    WAIT_FOR(counter(METRIC_CACHE_BYTES) == 0); /* nobody has to ask for that */
    scene_ask(asker, 2, "q");
    scene_expect_batch(worker, "q");
}
END_TEST

START_TEST(failures_are_not_kept)
{
    start(CACHE);
    refuse(first_asks(), FAILURE_INVALID);
    scene_expect_reject(asker, 1, FAILURE_INVALID);
    scene_ask(asker, 2, "q");
    scene_result(worker, scene_expect_batch(worker, "q"), "A");
    scene_expect_reply(asker, 2, "A");
}
END_TEST

START_TEST(versions_and_models_share_nothing)
{
    repository_add("m", "2");
    repository_add("n", "1");
    repository_configure("n", CACHE);
    repository_configure("m", CACHE "version = \"1\";");
    scene_start((const char *const[]){"default_model=m", NULL});
    asker = scene_asker();
    struct envelope ready[2] = {scene_ready(2), scene_ready(3)};
    ready[0].ready.version = text_of("2");
    ready[1].ready.model = text_of("n");
    worker = scene_worker(1);
    struct end *workers[] = {scene_worker_with(&ready[0]), scene_worker_with(&ready[1])};
    struct envelope requests[2] = {scene_request(2), scene_request(3)};
    requests[0].request.version = text_of("2");
    requests[1].request.model = text_of("n");
    uint64_t batch = first_asks();
    for (size_t i = 0; i < 2; i++) {
        end_send(asker, &requests[i], "q");
        scene_result(workers[i], scene_expect_batch(workers[i], "q"), i == 0 ? "B" : "C");
        scene_expect_reply(asker, 2 + i, i == 0 ? "B" : "C");
    }
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    for (size_t i = 0; i < 2; i++) {
        end_send(asker, &requests[i], "q");
        scene_expect_reply(asker, 2 + i, i == 0 ? "B" : "C");
    }
    struct envelope by_name = scene_request(4); /* the same version by its name and as the stable one */
    by_name.request.model = text_of("m");
    by_name.request.version = text_of("1");
    end_send(asker, &by_name, "q");
    scene_expect_reply(asker, 4, "A");
    ck_assert_uint_eq(scene_counter(METRIC_CACHE_HITS, "m", NULL, NULL), 2);
    ck_assert_uint_eq(scene_counter(METRIC_CACHE_HITS, "n", NULL, NULL), 1);
}
END_TEST

START_TEST(a_reload_empties_and_may_end_it)
{
    start(CACHE);
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    broker_reload(scene_broker);
    scene_ask(asker, 2, "q");
    uint64_t batch = scene_expect_batch(worker, "q");
    scene_ask(other, 3, "q");
    WAIT_FOR(counter(METRIC_CACHE_COALESCED) == 1);
    repository_configure("m", "");
    broker_reload(scene_broker);
    scene_ask(asker, 4, "q");
    scene_expect_nothing(asker);
    scene_result(worker, batch, "B"); /* for those who asked before the reload */
    scene_expect_reply(asker, 2, "B");
    scene_expect_reply(other, 3, "B");
    scene_result(worker, scene_expect_batch(worker, "q"), "C");
    scene_expect_reply(asker, 4, "C");
    scene_ask(asker, 5, "q");
    scene_expect_batch(worker, "q");
}
END_TEST

START_TEST(a_reload_empties_what_is_in_the_repository_no_more)
{
    start(CACHE);
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    nftw(scratch_path("m"), suite_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    broker_reload(scene_broker);
    struct envelope request = scene_request(2);
    request.request.model = text_of("m");
    end_send(asker, &request, "q");
    scene_result(worker, scene_expect_batch(worker, "q"), "B");
    scene_expect_reply(asker, 2, "B");
}
END_TEST

START_TEST(another_schema_empties_the_version)
{
    start(CACHE);
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    scene_worker(2); /* of the same schema */
    scene_ask(asker, 2, "q");
    scene_expect_reply(asker, 2, "A");
    struct end *third = scene_connect(scene_config->broker_workers);
    struct envelope ready = scene_ready(3);
    scene_next(third, VERB_BEAT);
    end_send(third, &ready, "SCHEMA");
    SCENE_WAIT_FOR_WORKERS(3);
    ck_assert_uint_eq(counter(METRIC_CACHE_BYTES), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_was_asked_before_is_answered_without_a_worker,
                                  nothing_is_kept_or_shared_unless_it_is_wanted,
                                  a_kept_answer_needs_no_worker_and_no_room,
                                  answers_age,
                                  failures_are_not_kept,
                                  versions_and_models_share_nothing,
                                  a_reload_empties_and_may_end_it,
                                  a_reload_empties_what_is_in_the_repository_no_more,
                                  another_schema_empties_the_version};
    return SUITE_RUN("broker_cache", scene_set_up, scene_tear_down, tests);
}
