/* test_broker_fairness: the real broker under more than it can do: who waits, who is refused, and with what
 * words. SPDX-License-Identifier: MIT */
#include "broker_scene.h"
#include "suite.h"

static void ask_as(struct end *asker, uint64_t id, uint64_t tenant, uint32_t rows, const char *payload)
{
    struct envelope request = scene_request(id);
    request.request.tenant = tenant;
    request.request.rows = rows;
    end_send(asker, &request, payload);
}

START_TEST(a_flood_waits_for_itself)
{
    repository_configure("m", "batching: { max_batch_rows = 16; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    ask_as(asker, 1, 1, 1, "busy");
    uint64_t busy = scene_expect_batch(worker, "busy");
    for (uint64_t id = 2; id < 10; id++)
        ask_as(asker, id, 1, 16, "flood");
    ask_as(asker, 10, 2, 1, "quiet");
    scene_expect_nothing(asker);
    scene_result(worker, busy, "x");
    scene_expect_reply(asker, 1, "x");
    uint64_t first = scene_expect_batch(worker, "quiet");
    scene_result(worker, first, "y");
    scene_expect_reply(asker, 10, "y");
    uint64_t second = scene_expect_batch(worker, "flood");
    scene_result(worker, second, "x");
    scene_expect_reply(asker, 2, "x");
}
END_TEST

/* The version "1" of "m", of which it is known that a batch of one row takes so long. */
static struct version *teach(int64_t took)
{
    struct version *version =
        model_version(model_find(broker_models(scene_broker), text_of("m")), text_of("1"));
    version->cost = (struct cost){0};
    cost_learn(&version->cost, 1, took);
    return version;
}

START_TEST(what_a_busy_worker_does_not_need_yet_can_be_overtaken)
{
    repository_configure("m", "batching: { max_batch_rows = 1; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker_with_slots(1, 2);
    const struct worker *known = pool_find_pid(broker_pool(scene_broker), 1);
    ask_as(asker, 1, 1, 1, "begun");
    uint64_t batch = scene_expect_batch(worker, "begun");
    teach(10 * SECOND);
    ask_as(asker, 2, 1, 1, "flood");
    ask_as(asker, 3, 2, 1, "quiet");
    scene_expect_nothing(asker);
    ck_assert_uint_eq(known->in_flight, 1);
    scene_result(worker, batch, "B");
    scene_expect_batch(worker, "quiet");
    ck_assert_uint_eq(known->in_flight, 1);
}
END_TEST

START_TEST(a_busy_worker_gets_the_next_batch_before_it_is_done)
{
    repository_configure("m", "batching: { max_batch_rows = 1; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker_with_slots(1, 2);
    ask_as(asker, 1, 1, 1, "begun");
    scene_expect_batch(worker, "begun");
    int64_t due = version_due(teach(40 * MILLISECOND), pool_find_pid(broker_pool(scene_broker), 1));
    ask_as(asker, 2, 1, 1, "next");
    scene_expect_batch(worker, "next"); /* though nobody said a word */
    ck_assert_int_ge(clock_now(), due);
}
END_TEST

/* Batches of 1 and 16 rows are known to take `one` and `sixteen`; what then goes with a quiet request? */
static void expect_beside_a_flood(int64_t one, int64_t sixteen, const char *expected)
{
    scene_start(NULL);
    struct end *asker = scene_asker();
    ask_as(asker, 1, 1, 15, "flood");
    ask_as(asker, 2, 2, 1, "quiet");
    scene_expect_nothing(asker);
    cost_learn(&teach(one)->cost, 16, sixteen);
    struct end *worker = scene_worker(1);
    scene_expect_batch(worker, expected);
}

START_TEST(who_goes_first_has_no_company_that_takes_long)
{
    expect_beside_a_flood(MILLISECOND, 10 * MILLISECOND, "quiet");
}
END_TEST

START_TEST(company_that_hardly_costs_goes_along)
{
    expect_beside_a_flood(6 * MILLISECOND, 10 * MILLISECOND, "quiet flood");
}
END_TEST

START_TEST(small_batches_are_not_made_smaller)
{
    expect_beside_a_flood(MILLISECOND / 10, MILLISECOND, "quiet flood");
}
END_TEST

static void ask_within(struct end *asker, uint64_t id, int64_t time, const char *payload)
{
    struct envelope request = scene_request(id);
    request.request.time_left_us = (uint64_t)(time / MICROSECOND);
    end_send(asker, &request, payload);
}

START_TEST(what_would_be_too_late_is_not_computed)
{
    repository_configure("m", "batching: { max_batch_rows = 1; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    ask_within(asker, 1, 3600 * SECOND, "begun");
    uint64_t batch = scene_expect_batch(worker, "begun");
    ask_within(asker, 2, 100 * SECOND, "late");
    ask_within(asker, 3, 110 * SECOND, "late, too");
    ask_within(asker, 4, 3600 * SECOND, "in time");
    ask_within(asker, 5, 3600 * SECOND, "last");
    scene_expect_nothing(asker);
    teach(3000 * SECOND);
    scene_result(worker, batch, "B"); /* at once: half as long is then expected */
    scene_expect_reply(asker, 1, "B");
    scene_expect_reject(asker, 2, FAILURE_DEADLINE);
    scene_expect_reject(asker, 3, FAILURE_DEADLINE);
    scene_expect_batch(worker, "in time");
}
END_TEST

START_TEST(the_last_that_waits_is_tried_though_it_may_be_too_late)
{
    repository_configure("m", "batching: { max_batch_rows = 1; };");
    scene_start(NULL);
    struct end *asker = scene_asker();
    ask_within(asker, 1, 100 * SECOND, "late");
    ask_within(asker, 2, 101 * SECOND, "last");
    scene_expect_nothing(asker);
    teach(3600 * SECOND);
    struct end *worker = scene_worker(1);
    scene_expect_reject(asker, 1, FAILURE_DEADLINE);
    scene_expect_batch(worker, "last");
}
END_TEST

/* What takes 20 s by what is known is not promised within 21. */
START_TEST(what_would_just_be_in_time_is_refused)
{
    repository_configure("m", "batching: { max_batch_rows = 1; };");
    scene_start(NULL);
    struct end *asker = scene_asker();
    ask_within(asker, 1, 3600 * SECOND, "a");
    scene_expect_nothing(asker);
    teach(10 * SECOND);
    ask_within(asker, 2, 21 * SECOND, "b");
    scene_expect_reject(asker, 2, FAILURE_OVERLOADED);
    ask_within(asker, 3, 23 * SECOND, "c");
    scene_expect_nothing(asker);
}
END_TEST

START_TEST(a_full_queue_has_room_for_another_tenant)
{
    repository_configure("m", "queue: { max_rows = 8; };");
    scene_start(NULL);
    struct end *asker = scene_asker();
    ask_as(asker, 1, 1, 8, "flood"); /* nobody serves: it waits */
    ask_as(asker, 2, 1, 1, "flood");
    scene_expect_reject(asker, 2, FAILURE_OVERLOADED);
    ask_as(asker, 3, 2, 2, "quiet");
    scene_expect_nothing(asker);
    ask_as(asker, 4, 2, 1, "quiet"); /* the room for that has an end, too */
    scene_expect_reject(asker, 4, FAILURE_OVERLOADED);
}
END_TEST

START_TEST(a_flood_at_one_model_leaves_room_for_another)
{
    repository_add("n", "1");
    scene_start((const char *const[]){"broker.max_requests=16", NULL});
    struct end *asker = scene_asker();
    struct envelope request = scene_request(0);
    request.request.model = text_of("m");
    for (request.id = 1; request.id <= 16; request.id++)
        end_send(asker, &request, "flood");
    end_send(asker, &request, "flood");
    scene_expect_reject(asker, 17, FAILURE_OVERLOADED);
    request.request.model = text_of("n");
    for (request.id = 18; request.id < 22; request.id++)
        end_send(asker, &request, "quiet");
    scene_expect_nothing(asker);
    end_send(asker, &request, "quiet"); /* a quarter more, and then no more */
    scene_expect_reject(asker, 22, FAILURE_OVERLOADED);
}
END_TEST

START_TEST(what_cannot_be_in_time_is_refused_at_once)
{
    repository_configure("m", "batching: { max_batch_rows = 1; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    int64_t begin = clock_now();
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    while (clock_now() - begin < 20 * MILLISECOND) /* that is what a batch costs */
        turn_loop();
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    scene_ask(asker, 2, "b");
    scene_expect_batch(worker, "b");
    scene_ask(asker, 3, "c"); /* waits behind it */
    struct envelope hasty = scene_request(4);
    hasty.request.time_left_us = 30000; /* there is one in hand, one before it, and itself */
    end_send(asker, &hasty, "d");
    ck_assert_uint_ge(scene_expect_reject(asker, 4, FAILURE_OVERLOADED), 100);
    ck_assert(memmem(scene_letter->envelope.reject.message.at, scene_letter->envelope.reject.message.length,
                     "deadline", 8) != NULL);
    hasty.id = 5;
    hasty.request.time_left_us = 30000000;
    end_send(asker, &hasty, "e");
    scene_expect_nothing(asker);
}
END_TEST

START_TEST(what_is_known_of_the_cost_never_shuts_the_door)
{
    repository_configure("m", "batching: { max_batch_rows = 1; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    int64_t begin = clock_now();
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    while (clock_now() - begin < 20 * MILLISECOND)
        turn_loop();
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    struct envelope hasty = scene_request(2); /* less than what the last one took: but it may go faster now */
    hasty.request.time_left_us = 10000;
    end_send(asker, &hasty, "b");
    scene_expect_batch(worker, "b");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_flood_waits_for_itself,
                                  what_a_busy_worker_does_not_need_yet_can_be_overtaken,
                                  a_busy_worker_gets_the_next_batch_before_it_is_done,
                                  who_goes_first_has_no_company_that_takes_long,
                                  company_that_hardly_costs_goes_along,
                                  small_batches_are_not_made_smaller,
                                  what_would_be_too_late_is_not_computed,
                                  the_last_that_waits_is_tried_though_it_may_be_too_late,
                                  what_would_just_be_in_time_is_refused,
                                  a_flood_at_one_model_leaves_room_for_another,
                                  a_full_queue_has_room_for_another_tenant,
                                  what_cannot_be_in_time_is_refused_at_once,
                                  what_is_known_of_the_cost_never_shuts_the_door};
    return SUITE_RUN("broker_fairness", scene_set_up, scene_tear_down, tests);
}
