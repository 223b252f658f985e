/* test_broker_end: a broker that ends: drained, handing over to the next one, or at once.
 * SPDX-License-Identifier: MIT */
#include "broker_scene.h"

#include <errno.h>

static int drained;

static void on_drained(void *self)
{
    ck_assert_ptr_eq(self, &drained);
    drained++;
}

START_TEST(draining_finishes_what_is_open_and_refuses_what_comes)
{
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    scene_ask(asker, 2, "b");
    scene_expect_nothing(asker);
    broker_drain(scene_broker, on_drained, &drained);
    scene_ask(asker, 3, "c");
    ck_assert_uint_gt(scene_expect_reject(asker, 3, FAILURE_STOPPING), 0);
    scene_ask(asker, 1, "a"); /* again: it is open, and will be answered */
    scene_expect_nothing(asker);
    ck_assert_int_eq(drained, 0);
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    ck_assert_int_eq(drained, 0);
    scene_result(worker, scene_expect_batch(worker, "b"), "B");
    WAIT_FOR(drained == 1);
    broker_free(scene_broker); /* at once, as main does: the last answer goes out all the same */
    scene_broker = NULL;
    int64_t limit = clock_now() + 30 * SECOND;
    while (!end_take_verb(asker, scene_letter, VERB_REPLY))
        ck_assert(clock_now() < limit);
    ck_assert_uint_eq(scene_letter->envelope.id, 2);
}
END_TEST

START_TEST(handing_over_finishes_what_workers_have_and_leaves_the_rest)
{
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    broker_hand_over(scene_broker, on_drained, &drained);
    broker_hand_over(scene_broker, on_drained, &drained); /* once is enough */
    scene_ask(asker, 2, "b");
    scene_expect_nothing(asker);
    ck_assert_int_eq(drained, 0);
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    WAIT_FOR(drained == 1);
    scene_expect_nothing(asker); /* neither answered nor refused: the next broker gets it again */
}
END_TEST

START_TEST(a_batch_that_takes_long_does_not_hold_up_the_handing_over)
{
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    scene_ask(asker, 1, "a");
    scene_expect_batch(worker, "a");
    broker_hand_over(scene_broker, on_drained, &drained);
    WAIT_FOR(drained == 1);
}
END_TEST

START_TEST(what_must_be_computed_once_holds_up_the_handing_over)
{
    repository_configure("m", "idempotent = false;");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    broker_hand_over(scene_broker, on_drained, &drained);
    int64_t later = clock_now() + 2 * SECOND; /* than an idempotent one would be waited for */
    WAIT_FOR(clock_now() >= later);
    ck_assert_int_eq(drained, 0);
    int64_t answered = clock_now();
    scene_result(worker, batch, "A");
    WAIT_FOR(drained == 1);
    ck_assert_int_ge(clock_now() - answered, 250 * MILLISECOND); /* for the asker to read it */
}
END_TEST

/* It reads that we are there after it has sent a request, and sends it again. */
START_TEST(what_must_be_computed_once_may_be_asked_again)
{
    repository_configure("m", "idempotent = false;");
    scene_start(NULL);
    struct end *asker = scene_asker(), *other = scene_asker(), *worker = scene_worker(1);
    for (int round = 0; round < 3; round++) {
        scene_ask(asker, 1, "a");
        if (round == 0) {
            scene_result(worker, scene_expect_batch(worker, "a"), "A");
            scene_expect_reply(asker, 1, "A");
        }
        scene_expect_nothing(asker);
    }
    scene_ask(other, 1, "b"); /* the id is another's */
    scene_result(worker, scene_expect_batch(worker, "b"), "B");
    scene_expect_reply(other, 1, "B");
    scene_ask(asker, 2, "c");
    uint64_t batch = scene_expect_batch(worker, "c");
    scene_cancel(asker, 2);
    scene_ask(asker, 2, "d"); /* what was taken back is no answer */
    scene_expect_nothing(asker);
    scene_result(worker, batch, "C");
    scene_result(worker, scene_expect_batch(worker, "d"), "D");
    scene_expect_reply(asker, 2, "D");
}
END_TEST

/* Refused for its version, the asker asks without it, and must not get both computed when the version has
 * come before what it sent again. */
START_TEST(what_must_be_computed_once_is_not_taken_in_after_it_was_refused_for_its_version)
{
    repository_configure("m", "idempotent = false; version = \"1\";");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    struct envelope wish = scene_request(1);
    wish.request.version = text_of("2");
    end_send(asker, &wish, "a");
    scene_expect_reject(asker, 1, FAILURE_UNKNOWN_VERSION);
    repository_add("m", "2");
    broker_reload(scene_broker);
    struct envelope ready = scene_ready(2);
    ready.ready.version = text_of("2");
    struct end *second = scene_worker_with(&ready);
    end_send(asker, &wish, "a");
    scene_ask(asker, 2, "a");
    scene_result(worker, scene_expect_batch(worker, "a"), "A");
    scene_expect_reply(asker, 2, "A");
    scene_expect_nothing(asker);
    ck_assert(!end_take_verb(second, scene_letter, VERB_BATCH));
    wish.id = 3;
    end_send(asker, &wish, "b"); /* another request */
    scene_result(second, scene_expect_batch(second, "b"), "B");
    scene_expect_reply(asker, 3, "B");
}
END_TEST

START_TEST(an_idle_broker_is_drained_at_once)
{
    scene_start(NULL);
    broker_drain(scene_broker, on_drained, &drained);
    ck_assert_int_eq(drained, 1);
}
END_TEST

START_TEST(the_end_of_the_broker_frees_requests_in_every_state)
{
    static char large[100000];
    memset(large, 'x', sizeof large - 1);
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    struct envelope request = scene_request(1);
    request.request.time_left_us = 10000;
    end_send(asker, &request, large);
    scene_next(worker, VERB_BATCH);
    scene_expect_reject(asker, 1, FAILURE_DEADLINE); /* abandoned */
    struct envelope ready = scene_ready(2);
    struct end *other = scene_worker_with(&ready);
    scene_ask(asker, 2, large); /* sent */
    scene_next(other, VERB_BATCH);
    scene_ask(asker, 3, large); /* queued */
    scene_expect_nothing(asker);
}
END_TEST

START_TEST(an_endpoint_that_cannot_be_bound_is_named)
{
    const char *endpoint = NULL;
    scene_config = repository_config((const char *const[]){"broker.askers=ipc:///nowhere/askers.ipc", NULL});
    ck_assert_ptr_null(broker_new(scene_context, letters_loop, scene_config, scene_metrics, &endpoint));
    ck_assert_int_ne(errno, 0);
    ck_assert_str_eq(endpoint, "ipc:///nowhere/askers.ipc");
    config_free(scene_config);
    scene_config =
        repository_config((const char *const[]){"broker.workers=ipc:///nowhere/workers.ipc", NULL});
    ck_assert_ptr_null(broker_new(scene_context, letters_loop, scene_config, scene_metrics, &endpoint));
    ck_assert_str_eq(endpoint, "ipc:///nowhere/workers.ipc");
    broker_free(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        draining_finishes_what_is_open_and_refuses_what_comes,
        handing_over_finishes_what_workers_have_and_leaves_the_rest,
        a_batch_that_takes_long_does_not_hold_up_the_handing_over,
        what_must_be_computed_once_holds_up_the_handing_over,
        what_must_be_computed_once_may_be_asked_again,
        what_must_be_computed_once_is_not_taken_in_after_it_was_refused_for_its_version,
        an_idle_broker_is_drained_at_once,
        the_end_of_the_broker_frees_requests_in_every_state,
        an_endpoint_that_cannot_be_bound_is_named};
    return SUITE_RUN("broker_end", scene_set_up, scene_tear_down, tests);
}
