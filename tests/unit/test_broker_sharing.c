/* test_broker_sharing: the real broker and identical requests that share one computation: whose place they
 * have, and what ends one of them or all. SPDX-License-Identifier: MIT */
#include "broker_cache_scene.h"
#include "suite.h"

/* ---- shared ---- */

START_TEST(identical_requests_share_one_computation)
{
    start(CACHE);
    uint64_t batch = first_asks();
    others_follow(3);
    scene_ask(other, 2, "q"); /* again: it is open */
    scene_expect_nothing(other);
    scene_ask(asker, 9, "another");
    scene_expect_nothing(asker);
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    for (uint64_t id = 2; id <= 4; id++) {
        scene_expect_reply(other, id, "A");
        const struct envelope *reply = &scene_letter->envelope;
        ck_assert(reply->reply.age_us == 0 && reply->reply.compute_us == 77 && reply->reply.batch_rows == 1);
        ck_assert_uint_eq(reply->reply.queue_us, 0); /* it never waited for a worker */
    }
    scene_result(worker, scene_expect_batch(worker, "another"), "B");
    scene_expect_nothing(other);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "none"), 5);
    ck_assert_uint_eq(counter(METRIC_CACHE_MISSES), 2);
    scene_ask(other, 8, "q");
    scene_expect_reply(other, 8, "A");
    ck_assert_uint_ge(scene_letter->envelope.reply.age_us, 1);
}
END_TEST

START_TEST(identical_requests_share_a_place_in_the_queue)
{
    start(CACHE "queue: { max_rows = 1; };");
    uint64_t batch = first_asks();
    scene_ask(asker, 2, "next");
    scene_ask(other, 3, "next"); /* there would be no room for it */
    WAIT_FOR(counter(METRIC_CACHE_COALESCED) == 1);
    scene_result(worker, batch, "A");
    scene_result(worker, scene_expect_batch(worker, "next"), "N");
    scene_expect_reply(other, 3, "N");
    scene_expect_reply(asker, 1, "A");
    scene_expect_reply(asker, 2, "N");
}
END_TEST

START_TEST(the_most_urgent_says_how_urgent_they_all_are)
{
    start(CACHE "batching: { max_batch_rows = 1; };");
    uint64_t batch = first_asks();
    scene_ask(asker, 2, "waits");
    scene_ask(asker, 3, "also");
    scene_expect_nothing(asker); /* they are there before the other */
    struct envelope urgent = scene_request(4);
    urgent.request.priority = 5;
    end_send(other, &urgent, "also");
    WAIT_FOR(counter(METRIC_CACHE_COALESCED) == 1);
    scene_result(worker, batch, "A");
    scene_result(worker, scene_expect_batch(worker, "also"), "B");
    scene_expect_reply(other, 4, "B");
    scene_expect_batch(worker, "waits");
}
END_TEST

START_TEST(the_earliest_deadline_is_that_of_all)
{
    start(CACHE "batching: { max_batch_rows = 1; };");
    uint64_t batch = first_asks();
    ask_within(asker, 2, "waits", 20000000);
    ask_within(asker, 3, "also", 25000000);
    scene_expect_nothing(asker);
    ask_within(other, 4, "also", 27000000);
    ask_within(other, 5, "also", 15000000);
    WAIT_FOR(counter(METRIC_CACHE_COALESCED) == 2);
    scene_cancel(other, 5); /* the place stays as good as it was */
    scene_expect_nothing(other);
    scene_result(worker, batch, "A");
    scene_result(worker, scene_expect_batch(worker, "also"), "B");
    scene_expect_reply(asker, 1, "A");
    scene_expect_reply(asker, 3, "B");
    scene_expect_reply(other, 4, "B");
    scene_expect_batch(worker, "waits");
}
END_TEST

/* Of a tenant that has asked so much before that its next would wait for two batches of 16 rows. */
static uint64_t flood(uint64_t tenant)
{
    uint64_t batch = first_asks();
    struct envelope request = scene_request(0);
    request.request.tenant = tenant;
    for (request.id = 100; request.id < 140; request.id++) {
        char payload[8];
        snprintf(payload, sizeof payload, "%d", (int)request.id);
        end_send(asker, &request, payload);
    }
    return batch;
}

START_TEST(who_follows_a_flood_does_not_wait_for_its_turn)
{
    start(CACHE "batching: { max_batch_rows = 16; };");
    uint64_t batch = flood(1);
    struct envelope request = scene_request(2);
    request.request.tenant = 1;
    end_send(asker, &request, "hot");
    scene_expect_nothing(asker);
    request.request.tenant = 2;
    end_send(other, &request, "hot");
    WAIT_FOR(counter(METRIC_CACHE_COALESCED) == 1);
    scene_cancel(asker, 2);
    scene_expect_nothing(asker);
    scene_result(worker, batch, "A");
    batch = scene_next(worker, VERB_BATCH)->id;
    ck_assert(text_is(letter_payload(scene_letter, 0), "hot"));
    scene_result(worker, batch, "H b c d e f g h i j k l m n o p");
    scene_expect_reply(other, 2, "H");
}
END_TEST

START_TEST(who_follows_one_that_was_sent_before_stands_in_front_with_it)
{
    start(CACHE "batching: { max_batch_rows = 1; };");
    first_asks();
    ask_within(asker, 5, "waits", 10000000);
    scene_expect_nothing(asker);
    scene_kill(1);
    ask_within(other, 2, "q", 20000000);
    WAIT_FOR(counter(METRIC_CACHE_COALESCED) == 1);
    worker = scene_worker(2);
    scene_result(worker, scene_expect_batch(worker, "q"), "A");
    scene_expect_reply(asker, 1, "A");
    scene_expect_reply(other, 2, "A");
    scene_expect_batch(worker, "waits");
}
END_TEST

enum { CLIENT = PROTOCOL_PRIORITY_ONLINE, URGENT };

/* Asks for one that is there before: true when it follows, false when it is refused at once. */
static bool may_follow(uint64_t id, const char *payload, uint64_t time_left_us, uint8_t priority)
{
    uint64_t before = counter(METRIC_CACHE_COALESCED);
    struct envelope request = scene_request(id);
    request.request.time_left_us = time_left_us;
    request.request.priority = priority;
    end_send(other, &request, payload);
    bool refused = false;
    WAIT_FOR((refused = end_take_verb(other, scene_letter, VERB_REJECT)) ||
             counter(METRIC_CACHE_COALESCED) > before);
    ck_assert(!refused || (scene_letter->envelope.id == id &&
                           scene_letter->envelope.reject.failure == FAILURE_OVERLOADED));
    return !refused;
}

START_TEST(who_would_be_answered_too_late_does_not_follow)
{
    start(CACHE "batching: { max_batch_rows = 1; };");
    int64_t begin = clock_now();
    uint64_t batch = first_asks();
    WAIT_FOR(clock_now() - begin >= 40 * MILLISECOND); /* that is what a batch costs */
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    scene_ask(asker, 2, "sent");
    scene_expect_batch(worker, "sent");
    struct envelope request = scene_request(3);
    request.request.time_left_us = UINT64_C(3600000000);
    end_send(asker, &request, "next");
    for (request.id = 10; request.id < 510; request.id++) {
        char payload[8];
        snprintf(payload, sizeof payload, "%d", (int)request.id);
        end_send(asker, &request, payload);
    }
    scene_expect_nothing(asker);
    const uint64_t seconds = 1000000, hasty = 10 * seconds; /* all of them take twice as long */
    ck_assert(!may_follow(2000, "509", hasty, CLIENT));
    ck_assert(memmem(scene_letter->envelope.reject.message.at, scene_letter->envelope.reject.message.length,
                     "deadline", 8) != NULL);
    ck_assert(
        may_follow(2001, "sent", hasty, CLIENT)); /* at the end of the queue it would be too late, too */
    ck_assert(may_follow(2002, "next", hasty, CLIENT));
    ck_assert(!may_follow(2003, "508", hasty, CLIENT));
    ck_assert(may_follow(2004, "508", hasty, URGENT)); /* which makes it the next */
    ck_assert(may_follow(2005, "508", hasty, CLIENT));
    ck_assert(may_follow(2006, "507", 3600 * seconds, CLIENT));
    ck_assert(!may_follow(2007, "507", hasty, CLIENT));
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "overloaded"), 3);
}
END_TEST

START_TEST(a_follower_needs_a_place_in_the_table)
{
    start_with(CACHE, (const char *const[]){"broker.max_requests=16", NULL});
    uint64_t batch = first_asks();
    others_follow(15);
    scene_ask(other, 99, "q");
    scene_expect_reject(other, 99, FAILURE_OVERLOADED);
    scene_result(worker, batch, "A");
    for (uint64_t id = 2; id <= 16; id++)
        scene_expect_reply(other, id, "A");
}
END_TEST

/* ---- one of them ends ---- */

START_TEST(a_follower_ends_by_itself)
{
    start(CACHE);
    uint64_t batch = first_asks();
    others_follow(2);
    scene_cancel(other, 2);
    ask_within(other, 4, "q", 20000);
    scene_expect_reject(other, 4, FAILURE_DEADLINE);
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    scene_expect_reply(other, 3, "A");
    scene_expect_nothing(other);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "cancelled"), 1);
}
END_TEST

START_TEST(a_leader_that_is_cancelled_in_the_queue_leaves_its_place)
{
    start(CACHE);
    uint64_t batch = first_asks();
    scene_ask(asker, 5, "next");
    scene_ask(other, 6, "next");
    scene_ask(other, 7, "next");
    WAIT_FOR(counter(METRIC_CACHE_COALESCED) == 2);
    scene_cancel(asker, 5);
    scene_cancel(other, 6);
    scene_expect_nothing(asker);
    scene_expect_nothing(other);
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    scene_result(worker, scene_expect_batch(worker, "next"), "N");
    scene_expect_reply(other, 7, "N");
    scene_expect_nothing(asker);
    expect_no_batch();
    ck_assert_uint_eq(counter(METRIC_QUEUE_BYTES), 0);
}
END_TEST

START_TEST(a_leader_that_is_cancelled_at_the_worker_leaves_its_place)
{
    start(CACHE);
    uint64_t batch = first_asks();
    others_follow(2);
    scene_cancel(asker, 1);
    scene_ask(asker, 1, "b"); /* its id may be used again at once */
    scene_cancel(other, 2);
    scene_expect_nothing(other);
    scene_result(worker, batch, "A");
    scene_expect_reply(other, 3, "A");
    scene_result(worker, scene_expect_batch(worker, "b"), "B");
    scene_expect_reply(asker, 1, "B");
    scene_ask(asker, 4, "q");
    scene_expect_reply(asker, 4, "A");
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "cancelled"), 2);
}
END_TEST

START_TEST(all_may_be_cancelled)
{
    start(CACHE);
    uint64_t batch = first_asks();
    others_follow(2);
    scene_cancel(asker, 1);
    scene_cancel(other, 2);
    scene_cancel(other, 3);
    scene_expect_nothing(asker);
    scene_expect_nothing(other);
    scene_ask(asker, 4, "q"); /* nobody is there any more whom it could follow */
    scene_expect_nothing(asker);
    scene_result(worker, batch, "A");
    scene_result(worker, scene_expect_batch(worker, "q"), "B");
    scene_expect_reply(asker, 4, "B");
}
END_TEST

START_TEST(the_deadline_of_the_leader_is_its_own)
{
    start(CACHE);
    uint64_t busy = first_asks();
    ask_within(asker, 2, "next", 300000);
    ask_within(other, 3, "next", 20000000);
    WAIT_FOR(counter(METRIC_CACHE_COALESCED) == 1);
    scene_result(worker, busy, "A");
    uint64_t batch = scene_expect_batch(worker, "next");
    ck_assert_uint_gt(scene_letter->envelope.batch.time_left_us, 1000000); /* the latest of all */
    scene_expect_reply(asker, 1, "A");
    scene_expect_reject(asker, 2, FAILURE_DEADLINE);
    scene_result(worker, batch, "N");
    scene_expect_reply(other, 3, "N");
    scene_expect_nothing(asker);
}
END_TEST

START_TEST(a_worker_that_gives_up_at_a_deadline_tries_again_for_who_has_time)
{
    start(CACHE);
    uint64_t batch = first_asks();
    others_follow(1);
    scene_cancel(asker, 1);
    scene_expect_nothing(asker);
    refuse(batch, FAILURE_DEADLINE); /* that of those who waited when it got the batch */
    scene_result(worker, scene_expect_batch(worker, "q"), "A");
    scene_expect_reply(other, 2, "A");
    scene_expect_nothing(other);
}
END_TEST

/* ---- it fails ---- */

START_TEST(a_leader_that_fails_does_not_take_its_followers_with_it)
{
    start(CACHE);
    uint64_t batch = first_asks();
    others_follow(3);
    refuse(batch, FAILURE_MODEL_FAILED);
    scene_expect_reject(asker, 1, FAILURE_MODEL_FAILED);
    refuse(scene_expect_batch(worker, "q"), FAILURE_INTERNAL);
    scene_expect_reject(other, 2, FAILURE_INTERNAL);
    scene_result(worker, scene_expect_batch(worker, "q"), "A");
    scene_expect_reply(other, 4, "A"); /* who leads is answered last */
    scene_expect_reply(other, 3, "A");
    scene_expect_nothing(other);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "model_failed"), 1);
}
END_TEST

START_TEST(what_is_wrong_with_the_bytes_is_wrong_for_all)
{
    start(CACHE);
    uint64_t batch = first_asks();
    others_follow(2);
    refuse(batch, FAILURE_INVALID);
    scene_expect_reject(asker, 1, FAILURE_INVALID);
    scene_expect_reject(other, 2, FAILURE_INVALID);
    ck_assert(text_is(scene_letter->envelope.reject.message, "why"));
    scene_expect_reject(other, 3, FAILURE_INVALID);
    expect_no_batch();
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "invalid"), 3);
}
END_TEST

START_TEST(the_death_of_a_worker_costs_none_of_them)
{
    start(CACHE);
    first_asks();
    others_follow(2);
    scene_kill(1);
    scene_cancel(asker, 1);
    scene_expect_nothing(asker);
    worker = scene_worker(2);
    scene_result(worker, scene_expect_batch(worker, "q"), "A");
    scene_expect_reply(other, 3, "A"); /* who leads is answered last */
    scene_expect_reply(other, 2, "A");
    ck_assert_uint_eq(counter(METRIC_RETRIES), 1);
}
END_TEST

START_TEST(poison_kills_no_more_workers_however_many_send_it)
{
    start(CACHE "limits: { max_kills = 2; };");
    first_asks();
    others_follow(3);
    scene_kill(1);
    scene_cancel(asker, 1); /* what it cost stays with the bytes */
    scene_expect_nothing(asker);
    worker = scene_worker(2);
    scene_expect_batch(worker, "q");
    scene_kill(2);
    for (uint64_t id = 3; id <= 5; id++) /* who leads is answered last */
        scene_expect_reject(other, id <= 4 ? id : 2, FAILURE_POISON);
    worker = scene_worker(3);
    expect_no_batch();
}
END_TEST

START_TEST(a_model_that_is_idempotent_no_more_fails_all_of_them)
{
    start(CACHE);
    first_asks();
    others_follow(1);
    repository_configure("m", "idempotent = false;");
    broker_reload(scene_broker);
    scene_kill(1);
    scene_expect_reject(asker, 1, FAILURE_WORKER_DIED);
    scene_expect_reject(other, 2, FAILURE_WORKER_DIED);
}
END_TEST

START_TEST(a_version_that_cannot_start_refuses_all_of_them)
{
    start(CACHE);
    first_asks();
    others_follow(2);
    scene_kill(1);
    ck_assert(broker_worker_failed(scene_broker, text_of("m"), text_of("1"), text_of("why"), true));
    scene_expect_reject(asker, 1, FAILURE_NOT_READY);
    scene_expect_reject(other, 2, FAILURE_NOT_READY);
    scene_expect_reject(other, 3, FAILURE_NOT_READY);
}
END_TEST

/* ---- the end ---- */

static int drained;

static void on_drained(void *self)
{
    ++*(int *)self;
}

START_TEST(draining_waits_for_followers)
{
    start(CACHE);
    uint64_t batch = first_asks();
    others_follow(1);
    broker_drain(scene_broker, on_drained, &drained);
    scene_cancel(asker, 1);
    scene_ask(asker, 5, "q");
    scene_expect_reject(asker, 5, FAILURE_STOPPING);
    ck_assert_int_eq(drained, 0);
    scene_result(worker, batch, "A");
    scene_expect_reply(other, 2, "A");
    ck_assert_int_eq(drained, 1);
}
END_TEST

START_TEST(the_end_of_the_broker_frees_those_who_share)
{
    start(CACHE);
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    scene_ask(asker, 2, "b");
    scene_expect_batch(worker, "b");
    scene_ask(other, 3, "b");
    scene_ask(asker, 4, "c");
    scene_ask(other, 5, "c");
    WAIT_FOR(counter(METRIC_CACHE_COALESCED) == 2);
    broker_reload(scene_broker); /* detached */
    scene_ask(asker, 6, "c");
    scene_ask(other, 7, "c");
    WAIT_FOR(counter(METRIC_CACHE_COALESCED) == 3);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {identical_requests_share_one_computation,
                                  identical_requests_share_a_place_in_the_queue,
                                  the_most_urgent_says_how_urgent_they_all_are,
                                  the_earliest_deadline_is_that_of_all,
                                  who_follows_a_flood_does_not_wait_for_its_turn,
                                  who_follows_one_that_was_sent_before_stands_in_front_with_it,
                                  who_would_be_answered_too_late_does_not_follow,
                                  a_follower_needs_a_place_in_the_table,
                                  a_follower_ends_by_itself,
                                  a_leader_that_is_cancelled_in_the_queue_leaves_its_place,
                                  a_leader_that_is_cancelled_at_the_worker_leaves_its_place,
                                  all_may_be_cancelled,
                                  the_deadline_of_the_leader_is_its_own,
                                  a_worker_that_gives_up_at_a_deadline_tries_again_for_who_has_time,
                                  a_leader_that_fails_does_not_take_its_followers_with_it,
                                  what_is_wrong_with_the_bytes_is_wrong_for_all,
                                  the_death_of_a_worker_costs_none_of_them,
                                  poison_kills_no_more_workers_however_many_send_it,
                                  a_model_that_is_idempotent_no_more_fails_all_of_them,
                                  a_version_that_cannot_start_refuses_all_of_them,
                                  draining_waits_for_followers,
                                  the_end_of_the_broker_frees_those_who_share};
    return SUITE_RUN("broker_sharing", scene_set_up, scene_tear_down, tests);
}
