/* test_broker: the life of a request in the real broker: in, batched, out; and every way in which it may end
 * without a worker's fault. SPDX-License-Identifier: MIT */
#include "broker_scene.h"

/* ---- the plain way ---- */

START_TEST(a_request_becomes_a_batch_and_its_result_the_reply)
{
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    struct envelope request = scene_request(42);
    request.request.model = text_of("m");
    request.request.version = text_of("1");
    request.request.rows = 5;
    end_send(asker, &request, "question");
    uint64_t batch = scene_expect_batch(worker, "question");
    ck_assert_uint_eq(scene_letter->envelope.batch.rows, 5);
    ck_assert_uint_gt(scene_letter->envelope.batch.time_left_us, 0);
    ck_assert_uint_le(scene_letter->envelope.batch.time_left_us, 30000000);
    scene_result(worker, batch, "answer");
    scene_expect_reply(asker, 42, "answer");
    const struct envelope *reply = &scene_letter->envelope;
    ck_assert(text_is(reply->reply.version, "1"));
    ck_assert(reply->reply.batch_rows == 5 && reply->reply.compute_us == 77);
    ck_assert_uint_lt(reply->reply.queue_us, 30000000);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "none"), 1);
    ck_assert_uint_eq(scene_counter(METRIC_BATCHES, "m", "1", "idle"), 1);
}
END_TEST

START_TEST(requests_gather_while_the_worker_is_busy)
{
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    for (uint64_t id = 2; id <= 4; id++)
        scene_ask(asker, id, (const char *[]){"b", "c", "d"}[id - 2]);
    scene_expect_nothing(asker);
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    batch = scene_expect_batch(worker, "b c d");
    ck_assert_uint_eq(scene_letter->envelope.batch.rows, 3);
    scene_result(worker, batch, "B C D");
    scene_expect_reply(asker, 2, "B");
    scene_expect_reply(asker, 3, "C");
    scene_expect_reply(asker, 4, "D");
    ck_assert_uint_eq(scene_letter->envelope.reply.batch_rows, 3);
}
END_TEST

START_TEST(one_of_a_batch_may_fail_without_the_others)
{
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    scene_ask(asker, 2, "b");
    scene_ask(asker, 3, "c");
    scene_ask(asker, 4, "d");
    scene_expect_nothing(asker);
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    batch = scene_expect_batch(worker, "b c d");
    static char long_message[2000];
    memset(long_message, 'x', sizeof long_message);
    struct text payloads[] = {text_of("B"), text_of("wrong shape"), {long_message, sizeof long_message}};
    struct envelope result = {.verb = VERB_RESULT,
                              .id = batch,
                              .result = {3, 77, {(char[]){FAILURE_NONE, FAILURE_INVALID, (char)200}, 3}}};
    end_send_all(worker, &result, payloads, 3);
    scene_expect_reply(asker, 2, "B");
    scene_expect_reject(asker, 3, FAILURE_INVALID);
    ck_assert(text_is(scene_letter->envelope.reject.message, "wrong shape"));
    scene_expect_reject(asker, 4, (enum failure)200); /* of a later version of the wire: passed on */
    ck_assert_uint_eq(scene_letter->envelope.reject.message.length, PROTOCOL_TEXT_MAX);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "invalid"), 1);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "internal"), 1);
}
END_TEST

START_TEST(higher_priority_goes_first)
{
    repository_configure("m", "batching: { max_batch_rows = 1; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    scene_ask(asker, 2, "low");
    struct envelope request = scene_request(3);
    request.request.priority = 9;
    end_send(asker, &request, "high");
    scene_expect_nothing(asker);
    scene_result(worker, batch, "A");
    scene_result(worker, scene_expect_batch(worker, "high"), "H");
    scene_result(worker, scene_expect_batch(worker, "low"), "L");
    scene_expect_reply(asker, 1, "A");
    scene_expect_reply(asker, 3, "H");
    scene_expect_reply(asker, 2, "L");
}
END_TEST

START_TEST(a_request_larger_than_a_batch_goes_by_itself)
{
    scene_start(NULL);
    struct envelope ready = scene_ready(1);
    ready.ready.capacity_rows = 2;
    struct end *asker = scene_asker(), *worker = scene_worker_with(&ready);
    struct envelope request = scene_request(1);
    request.request.rows = 10;
    end_send(asker, &request, "large");
    uint64_t batch = scene_expect_batch(worker, "large");
    ck_assert_uint_eq(scene_letter->envelope.batch.rows, 10);
    scene_ask(asker, 2, "b");
    scene_ask(asker, 3, "c");
    scene_ask(asker, 4, "d");
    scene_expect_nothing(asker);
    scene_result(worker, batch, "L");
    scene_result(worker, scene_expect_batch(worker, "b c"), "B C"); /* no more than its capacity */
    scene_result(worker, scene_expect_batch(worker, "d"), "D");
    scene_expect_reply(asker, 1, "L");
    scene_expect_reply(asker, 2, "B");
    scene_expect_reply(asker, 3, "C");
    scene_expect_reply(asker, 4, "D");
}
END_TEST

START_TEST(askers_do_not_share_ids)
{
    scene_start(NULL);
    struct end *first = scene_asker(), *second = scene_asker(), *worker = scene_worker(1);
    scene_ask(first, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    scene_ask(second, 1, "b");
    scene_expect_nothing(second);
    scene_result(worker, batch, "A");
    scene_expect_reply(first, 1, "A");
    scene_result(worker, scene_expect_batch(worker, "b"), "B");
    scene_expect_reply(second, 1, "B");
    scene_expect_nothing(first);
}
END_TEST

START_TEST(a_request_waits_for_workers_that_are_still_loading)
{
    scene_start(NULL);
    struct end *asker = scene_asker();
    scene_ask(asker, 1, "a");
    scene_expect_nothing(asker);
    struct end *worker = scene_worker(1);
    scene_result(worker, scene_expect_batch(worker, "a"), "A");
    scene_expect_reply(asker, 1, "A");
}
END_TEST

START_TEST(several_requests_may_come_in_one_message)
{
    uint8_t room[3][PROTOCOL_ENVELOPE_MAX] = {0};
    struct text frames[7];
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    for (size_t i = 0; i < 3; i++) {
        struct envelope request = scene_request(1 + i);
        frames[2 * i] =
            (struct text){(const char *)room[i], protocol_encode(&request, room[i], sizeof room[i])};
        frames[2 * i + 1] = text_of((const char *[]){"a", "b", "c"}[i]);
    }
    frames[6] = text_of("rubbish"); /* ends what can be read of it */
    ck_assert(end_send_frames(asker, frames, 7));
    uint64_t batch = scene_expect_batch(worker, "a b c");
    scene_expect_nothing(asker); /* but the catalog */
    asker->zmq_messages = 0;
    scene_result(worker, batch, "A B C");
    scene_expect_reply(asker, 1, "A");
    scene_expect_reply(asker, 2, "B");
    scene_expect_reply(asker, 3, "C");
    ck_assert_int_eq(asker->zmq_messages, 1);
    ck_assert_uint_eq(scene_counter(METRIC_BAD_MESSAGES, "asker", NULL, NULL), 1);
    ck_assert(end_send_frames(asker, frames, 1)); /* a REQUEST without its payload */
    WAIT_FOR(scene_counter(METRIC_BAD_MESSAGES, "asker", NULL, NULL) == 2);
    scene_expect_nothing(asker);
}
END_TEST

/* ---- refused at the door ---- */

START_TEST(what_cannot_be_routed_is_refused)
{
    static const struct {
        const char *model, *version;
        enum failure failure;
    } cases[] = {{"x", "", FAILURE_UNKNOWN_MODEL},
                 {"m", "9", FAILURE_UNKNOWN_VERSION},
                 {"m", "1", FAILURE_NOT_READY},
                 {"empty", "", FAILURE_NOT_READY}};
    repository_add("m", "2");
    repository_configure("empty", "");
    scene_start((const char *const[]){"default_model=m", NULL});
    struct end *asker = scene_asker();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct envelope request = scene_request(1 + i);
        request.request.model = text_of(cases[i].model);
        request.request.version = text_of(cases[i].version);
        end_send(asker, &request, "a");
        uint64_t retry_after = scene_expect_reject(asker, 1 + i, cases[i].failure);
        ck_assert((retry_after > 0) == (cases[i].failure == FAILURE_NOT_READY));
    }
}
END_TEST

START_TEST(a_request_without_an_id_is_refused)
{
    scene_start(NULL);
    struct end *asker = scene_asker();
    scene_ask(asker, 0, "a");
    scene_expect_reject(asker, 0, FAILURE_BAD_MESSAGE);
    ck_assert_uint_eq(scene_counter(METRIC_BAD_MESSAGES, "asker", NULL, NULL), 1);
}
END_TEST

START_TEST(a_full_queue_says_when_to_come_back)
{
    repository_configure("m", "queue: { max_rows = 3; };");
    scene_start(NULL);
    struct end *asker = scene_asker();
    struct envelope large = scene_request(1);
    large.request.rows = 4;
    end_send(asker, &large, "never");
    ck_assert_uint_eq(scene_expect_reject(asker, 1, FAILURE_TOO_LARGE), 0);
    large.request.rows = 3;
    end_send(asker, &large, "all"); /* nobody serves: it waits */
    scene_ask(asker, 2, "b");
    ck_assert_uint_ge(scene_expect_reject(asker, 2, FAILURE_OVERLOADED), 100);
    scene_ask(asker, 1, "all"); /* sent again while the queue is full: the first counts, and is answered */
    scene_expect_nothing(asker);
    struct end *worker = scene_worker(1);
    scene_result(worker, scene_expect_batch(worker, "all"), "A");
    scene_expect_reply(asker, 1, "A");
    scene_ask(asker, 3, "c");
    scene_result(worker, scene_expect_batch(worker, "c"), "C");
    scene_expect_reply(asker, 3, "C");
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "too_large"), 1);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "overloaded"), 1);
}
END_TEST

START_TEST(the_time_to_come_back_follows_from_the_speed)
{
    repository_configure("m", "queue: { max_rows = 100000; }; batching: { max_batch_rows = 1; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    for (int i = 0; i < 3; i++) /* it takes some milliseconds a row */
        turn_loop();
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    struct envelope large = scene_request(2);
    large.request.rows = 50000;
    end_send(asker, &large, "b");
    scene_expect_batch(worker, "b");
    large.id = 3;
    large.request.rows = 99999;
    end_send(asker, &large, "c");
    large.id = 4;
    end_send(asker, &large, "d");
    ck_assert_uint_eq(scene_expect_reject(asker, 4, FAILURE_OVERLOADED), 60000); /* not more than a minute */
}
END_TEST

START_TEST(the_bytes_of_all_queues_have_a_bound)
{
    repository_add("n", "1");
    scene_start((const char *const[]){"broker.max_queue_bytes=1048576", NULL});
    struct end *asker = scene_asker();
    static char large[600001];
    memset(large, 'x', sizeof large - 1);
    struct envelope request = scene_request(1);
    request.request.model = text_of("m");
    end_send(asker, &request, large);
    request = scene_request(2);
    request.request.model = text_of("n");
    end_send(asker, &request, large);
    scene_expect_reject(asker, 2, FAILURE_OVERLOADED);
    scene_cancel(asker, 1);
    end_send(asker, &request, large); /* there is room again */
    scene_expect_nothing(asker);
}
END_TEST

START_TEST(the_requests_have_a_bound)
{
    scene_start((const char *const[]){"broker.max_requests=16", NULL});
    struct end *asker = scene_asker();
    for (uint64_t id = 1; id <= 17; id++)
        scene_ask(asker, id, "a");
    scene_expect_reject(asker, 17, FAILURE_OVERLOADED);
    scene_ask(asker, 5, "a"); /* again: open, so not refused */
    scene_expect_nothing(asker);
}
END_TEST

START_TEST(a_request_that_is_sent_again_is_computed_once)
{
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    scene_ask(asker, 1, "a"); /* while it is with the worker */
    scene_ask(asker, 2, "b");
    scene_ask(asker, 2, "b"); /* while it waits */
    scene_expect_nothing(asker);
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    scene_result(worker, scene_expect_batch(worker, "b"), "B");
    scene_expect_reply(asker, 2, "B");
    scene_ask(asker, 1, "c"); /* the id is free again */
    scene_result(worker, scene_expect_batch(worker, "c"), "C");
    scene_expect_reply(asker, 1, "C");
    scene_expect_nothing(asker);
}
END_TEST

/* ---- deadlines and cancels ---- */

/* An asker sees the deadline first, since its clock began to run first. */
START_TEST(a_cancel_at_the_end_of_the_time_counts_as_the_deadline)
{
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    struct envelope request = scene_request(1);
    request.request.time_left_us = 400000;
    end_send(asker, &request, "a");
    scene_expect_batch(worker, "a");
    int64_t last_tenth = clock_now() + 360 * MILLISECOND;
    WAIT_FOR(clock_now() >= last_tenth);
    scene_cancel(asker, 1);
    WAIT_FOR(scene_counter(METRIC_REQUESTS, "m", "1", "deadline") == 1);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "cancelled"), 0);
}
END_TEST

START_TEST(a_deadline_passes_in_the_queue)
{
    scene_start(NULL);
    struct end *asker = scene_asker();
    struct envelope request = scene_request(1);
    request.request.time_left_us = 20000;
    end_send(asker, &request, "short");
    scene_ask(asker, 2, "long");
    scene_expect_reject(asker, 1, FAILURE_DEADLINE);
    struct end *worker = scene_worker(1);
    scene_result(worker, scene_expect_batch(worker, "long"), "L"); /* nobody computes the other */
    scene_expect_reply(asker, 2, "L");
    request.id = 3;
    request.request.time_left_us = 0;
    end_send(asker, &request, "over");
    scene_expect_reject(asker, 3, FAILURE_DEADLINE);
    scene_expect_nothing(asker);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "deadline"), 2);
}
END_TEST

START_TEST(deadlines_pass_in_their_order)
{
    static const uint64_t times[] = {60000, 20000, 40000}; /* us, of the requests 1, 2, 3 */
    scene_start(NULL);
    struct end *asker = scene_asker();
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        struct envelope request = scene_request(1 + i);
        request.request.time_left_us = times[i];
        end_send(asker, &request, "a");
    }
    scene_expect_reject(asker, 2, FAILURE_DEADLINE);
    scene_expect_reject(asker, 3, FAILURE_DEADLINE);
    scene_expect_reject(asker, 1, FAILURE_DEADLINE);
}
END_TEST

START_TEST(a_deadline_passes_at_the_worker)
{
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    struct envelope request = scene_request(1);
    request.request.time_left_us = 20000;
    end_send(asker, &request, "slow");
    uint64_t batch = scene_expect_batch(worker, "slow");
    scene_expect_reject(asker, 1, FAILURE_DEADLINE);
    scene_ask(asker, 1, "again"); /* its id may be used again at once */
    scene_expect_nothing(asker);
    scene_result(worker, batch, "late");
    scene_result(worker, scene_expect_batch(worker, "again"), "A");
    scene_expect_reply(asker, 1, "A");
    scene_expect_nothing(asker);
    ck_assert_uint_eq(scene_counter(METRIC_STRAY_RESULTS, NULL, NULL, NULL), 0);
}
END_TEST

START_TEST(a_cancel_ends_a_request_wherever_it_is)
{
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    scene_ask(asker, 2, "b");
    scene_ask(asker, 3, "c");
    for (uint64_t id = 1; id <= 2; id++)
        scene_cancel(asker, id);
    scene_cancel(asker, 99); /* of none */
    scene_expect_nothing(asker);
    scene_result(worker, batch, "A");
    scene_result(worker, scene_expect_batch(worker, "c"), "C");
    scene_expect_reply(asker, 3, "C");
    scene_expect_nothing(asker);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "cancelled"), 2);
}
END_TEST

/* ---- held for company ---- */

START_TEST(each_model_holds_its_batches_for_its_own_time)
{
    repository_add("n", "1");
    repository_configure("m", "batching: { max_delay_us = 20000; max_batch_rows = 2; };");
    repository_configure("n", "batching: { max_delay_us = 60000; };");
    scene_start((const char *const[]){"default_model=m", NULL});
    struct envelope ready = scene_ready(2);
    ready.ready.model = text_of("n");
    struct end *asker = scene_asker(), *first = scene_worker(1), *second = scene_worker_with(&ready);
    struct envelope request = scene_request(1);
    request.request.model = text_of("n");
    end_send(asker, &request, "n"); /* nothing else will come for it, also after the timer of the other */
    scene_ask(asker, 2, "m");
    uint64_t batch = scene_expect_batch(first, "m");
    ck_assert_uint_eq(scene_counter(METRIC_BATCHES, "m", "1", "delay"), 1);
    scene_expect_batch(second, "n");
    ck_assert_uint_eq(scene_counter(METRIC_BATCHES, "n", "1", "delay"), 1);
    scene_result(first, batch, "M");
    scene_ask(asker, 3, "a");
    scene_ask(asker, 4, "b");
    scene_expect_batch(first, "a b"); /* full before the time is over, or the two at its end */
}
END_TEST

START_TEST(a_reload_releases_what_its_rule_does_not_hold)
{
    repository_configure("m", "batching: { max_delay_us = 10000000; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    scene_ask(asker, 1, "a");
    scene_expect_nothing(asker);
    repository_configure("m", "batching: { max_delay_us = 0; };");
    broker_reload(scene_broker);
    scene_expect_batch(worker, "a");
    ck_assert_uint_eq(scene_counter(METRIC_BATCHES, "m", "1", "delay"), 0);
    ck_assert_uint_eq(scene_counter(METRIC_BATCHES, "m", "1", "idle"), 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_request_becomes_a_batch_and_its_result_the_reply,
                                  requests_gather_while_the_worker_is_busy,
                                  one_of_a_batch_may_fail_without_the_others,
                                  higher_priority_goes_first,
                                  a_request_larger_than_a_batch_goes_by_itself,
                                  askers_do_not_share_ids,
                                  a_request_waits_for_workers_that_are_still_loading,
                                  several_requests_may_come_in_one_message,
                                  what_cannot_be_routed_is_refused,
                                  a_request_without_an_id_is_refused,
                                  a_full_queue_says_when_to_come_back,
                                  the_time_to_come_back_follows_from_the_speed,
                                  the_bytes_of_all_queues_have_a_bound,
                                  the_requests_have_a_bound,
                                  a_request_that_is_sent_again_is_computed_once,
                                  a_cancel_at_the_end_of_the_time_counts_as_the_deadline,
                                  a_deadline_passes_in_the_queue,
                                  deadlines_pass_in_their_order,
                                  a_deadline_passes_at_the_worker,
                                  a_cancel_ends_a_request_wherever_it_is,
                                  each_model_holds_its_batches_for_its_own_time,
                                  a_reload_releases_what_its_rule_does_not_hold};
    return SUITE_RUN("broker", scene_set_up, scene_tear_down, tests);
}
