/* test_figures: what the broker counts for each version, asked over its admin socket's command.
 * SPDX-License-Identifier: MIT */
#include "figures.h"

#include "broker_scene.h"
#include "suite.h"

static yyjson_doc *answer;

static void tear_down(void)
{
    yyjson_doc_free(answer);
    scene_tear_down();
}

static yyjson_val *ask(void)
{
    const char *text = scene_command("{\"command\":\"figures\"}");
    yyjson_doc_free(answer);
    answer = yyjson_read(text, strlen(text), 0);
    return yyjson_doc_get_root(answer);
}

/* The only version of the only model. */
static yyjson_val *version(void)
{
    yyjson_val *model = yyjson_arr_get_first(yyjson_obj_get(ask(), "models"));
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(model, "model")), "m");
    yyjson_val *found = yyjson_arr_get_first(yyjson_obj_get(model, "versions"));
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(found, "version")), "1");
    return found;
}

static uint64_t number(const char *name)
{
    yyjson_val *value = yyjson_obj_get(version(), name);
    ck_assert_msg(yyjson_is_uint(value), "%s", name);
    return yyjson_get_uint(value);
}

static uint64_t outcome(enum failure failure)
{
    return yyjson_get_uint(yyjson_obj_get(yyjson_obj_get(version(), "outcomes"), failure_label(failure)));
}

static uint64_t latencies(void)
{
    size_t index, count;
    yyjson_val *part;
    uint64_t sum = 0;
    yyjson_arr_foreach(yyjson_obj_get(version(), "latency_ns"), index, count, part)
    {
        ck_assert_int_eq(yyjson_get_sint(yyjson_arr_get(part, 0)),
                         latency_bound(latency_bucket(yyjson_get_sint(yyjson_arr_get(part, 0)) - 1)));
        sum += yyjson_get_uint(yyjson_arr_get(part, 1));
    }
    return sum;
}

static void start_with_cache(void)
{
    char text[] = "cache = { ttl_ms = 60000; };";
    repository_configure("m", text);
    scene_start(NULL);
}

START_TEST(an_answer_is_counted_with_its_time)
{
    scene_start(NULL);
    yyjson_val *root = ask();
    ck_assert_uint_eq(yyjson_get_uint(yyjson_obj_get(root, "epoch")), broker_epoch(scene_broker));
    ck_assert_int_gt(yyjson_get_sint(yyjson_obj_get(root, "now_ms")), 0);
    ck_assert_uint_eq(number("requests") + latencies(), 0);
    struct end *asker = scene_asker(), *worker = scene_worker(7);
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    ck_assert_uint_eq(number("in_flight"), 1);
    scene_result(worker, batch, "x");
    scene_expect_reply(asker, 1, "x");
    ck_assert_uint_eq(number("requests"), 1);
    ck_assert_uint_eq(outcome(FAILURE_NONE), 1);
    ck_assert_uint_eq(latencies(), 1);
    ck_assert_uint_eq(number("in_flight"), 0);
    yyjson_val *workers = yyjson_obj_get(version(), "workers");
    ck_assert_uint_eq(yyjson_arr_size(workers), 1);
    ck_assert_uint_eq(yyjson_get_uint(yyjson_obj_get(yyjson_arr_get_first(workers), "pid")), 7);
}
END_TEST

START_TEST(a_failure_has_its_outcome_and_no_time)
{
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(7);
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    static const char failures[] = {FAILURE_MODEL_FAILED};
    struct envelope result = {
        .verb = VERB_RESULT, .id = batch, .result = {1, 77, {failures, sizeof failures}}};
    struct text word = text_of("broken");
    end_send_all(worker, &result, &word, 1);
    scene_expect_reject(asker, 1, FAILURE_MODEL_FAILED);
    ck_assert_uint_eq(outcome(FAILURE_MODEL_FAILED), 1);
    ck_assert_uint_eq(number("requests"), 1);
    scene_ask(asker, 2, "a");
    result.id = scene_expect_batch(worker, "a");
    result.result.failures.at = "\xc8"; /* of a later version of the wire */
    end_send_all(worker, &result, &word, 1);
    scene_expect_reject(asker, 2, (enum failure)200);
    ck_assert_uint_eq(outcome(FAILURE_INTERNAL), 1);
    ck_assert_uint_eq(number("requests"), 2);
    ck_assert_uint_eq(latencies(), 0);
}
END_TEST

START_TEST(a_deadline_is_the_versions_own_only_while_it_computes)
{
    scene_start(NULL);
    struct end *asker = scene_asker();
    struct envelope request = scene_request(1);
    request.request.time_left_us = 1000;
    end_send(asker, &request, "a"); /* no worker yet: it passes in the queue */
    scene_expect_reject(asker, 1, FAILURE_DEADLINE);
    ck_assert_uint_eq(outcome(FAILURE_DEADLINE), 1);
    ck_assert_uint_eq(number("late_computing"), 0);
    struct end *worker = scene_worker(7);
    request.id = 2;
    request.request.time_left_us = 300000;
    end_send(asker, &request, "b");
    scene_expect_batch(worker, "b");
    scene_expect_reject(asker, 2, FAILURE_DEADLINE);
    ck_assert_uint_eq(outcome(FAILURE_DEADLINE), 2);
    ck_assert_uint_eq(number("late_computing"), 1);
}
END_TEST

START_TEST(a_death_counts_once_however_many_it_had_in_hand)
{
    scene_start(NULL);
    struct end *asker = scene_asker();
    for (uint64_t id = 1; id <= 3; id++)
        scene_ask(asker, id, "a");
    scene_expect_nothing(asker);
    scene_expect_batch(scene_worker(7), "a a a");
    scene_kill(7);
    ck_assert_uint_eq(number("deaths"), 1);
    scene_worker(8);
    scene_kill(8); /* whatever it has by now: it had at most one of them in hand */
    scene_worker(9);
    ck_assert_uint_le(number("deaths"), 2);
    ck_assert_uint_eq(number("requests"), 0);
}
END_TEST

START_TEST(what_another_computed_is_shared_and_has_no_time)
{
    start_with_cache();
    struct end *asker = scene_asker(), *worker = scene_worker(7);
    scene_ask(asker, 1, "a");
    scene_ask(asker, 2, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    scene_expect_nothing(asker);
    scene_result(worker, batch, "x");
    scene_expect_reply(asker, 2, "x");
    scene_expect_reply(asker, 1, "x");
    scene_ask(asker, 3, "a");
    scene_expect_reply(asker, 3, "x");
    ck_assert_uint_eq(outcome(FAILURE_NONE), 3);
    ck_assert_uint_eq(number("shared"), 2);
    ck_assert_uint_eq(latencies(), 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_answer_is_counted_with_its_time,
        a_failure_has_its_outcome_and_no_time,
        a_deadline_is_the_versions_own_only_while_it_computes,
        a_death_counts_once_however_many_it_had_in_hand,
        what_another_computed_is_shared_and_has_no_time,
    };
    return SUITE_RUN("figures", scene_set_up, tear_down, tests);
}
