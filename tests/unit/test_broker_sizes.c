/* test_broker_sizes: the real broker, with workers that tell what batches cost: how many rows go together
 * when many wait, and what the broker says of it. SPDX-License-Identifier: MIT */
#include "broker_scene.h"
#include "schema.h"
#include "suite.h"

/* A worker for batches of up to 64 rows, of which 4 pay: each size, and ms. */
static struct end *worker_that_tells(uint32_t pid)
{
    struct schema schema = {.platform = (char *)"",
                            .description = (char *)"",
                            .costs = {{1, 8000}, {2, 8400}, {4, 10000}, {8, 20000}, {16, 40000}},
                            .cost_count = 5};
    size_t length;
    uint8_t *bytes = schema_encode(&schema, &length);
    struct envelope ready = scene_ready(pid);
    struct text payload = {(const char *)bytes, length};
    struct end *worker = scene_connect(scene_config->broker_workers);
    scene_next(worker, VERB_BEAT);
    end_send_all(worker, &ready, &payload, 1);
    WAIT_FOR(pool_find_pid(broker_pool(scene_broker), pid) != NULL);
    free(bytes);
    return worker;
}

/* Ten requests that wait behind one that a worker has. Returns the worker. */
static struct end *let_wait(struct end *asker, struct end *worker)
{
    scene_ask(asker, 1, "a");
    uint64_t first = scene_expect_batch(worker, "a");
    for (uint64_t id = 2; id < 12; id++)
        scene_ask(asker, id, "b");
    scene_expect_nothing(asker);
    scene_result(worker, first, "x");
    return worker;
}

START_TEST(as_many_rows_go_together_as_pay)
{
    repository_configure("m", "batching: { learned = true; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = let_wait(asker, worker_that_tells(1));
    uint64_t batch = scene_expect_batch(worker, "b b b b");
    scene_result(worker, batch, "y y y y");
    batch = scene_expect_batch(worker, "b b b b");
    scene_result(worker, batch, "y y y y");
    scene_expect_batch(worker, "b b");
    ck_assert_uint_eq(scene_counter(METRIC_BATCHES, "m", "1", "full"), 2);
}
END_TEST

START_TEST(unless_it_is_not_to_be_learned)
{
    repository_configure("m", "batching: { learned = false; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = let_wait(asker, worker_that_tells(1));
    scene_expect_batch(worker, "b b b b b b b b b b");
    ck_assert_ptr_null(strstr(scene_command("{\"command\":\"batching\"}"), "\"batches\":1"));
    ck_assert_ptr_nonnull(strstr(scene_command("{\"command\":\"batching\"}"),
                                 "\"told_ns\":8000000,\"guessed\":false,\"ns\":8000000"));
}
END_TEST

START_TEST(max_batch_rows_is_the_bound)
{
    repository_configure("m", "batching: { learned = true; max_batch_rows = 3; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = let_wait(asker, worker_that_tells(1));
    scene_expect_batch(worker, "b b b");
}
END_TEST

START_TEST(a_worker_that_tells_nothing_gets_what_it_can_take)
{
    repository_configure("m", "batching: { learned = true; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = let_wait(asker, scene_worker(1));
    scene_expect_batch(worker, "b b b b b b b b b b");
}
END_TEST

START_TEST(who_is_held_back_for_company_gets_it)
{
    repository_configure("m", "batching: { learned = true; max_delay_us = 1; max_batch_rows = 10; };");
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = let_wait(asker, worker_that_tells(1));
    scene_expect_batch(worker, "b b b b b b b b b b");
}
END_TEST

START_TEST(the_curve_is_told)
{
    repository_configure("m", "batching: { learned = true; };");
    scene_start(NULL);
    ck_assert_str_eq(scene_command("{\"command\":\"batching\"}"),
                     "{\"ok\":true,\"models\":[{\"model\":\"m\",\"version\":\"1\",\"learned\":true,"
                     "\"max_batch_rows\":64,\"rows\":64,\"chosen\":0,\"sizes\":[]}]}");
    worker_that_tells(1);
    const char *text = scene_command("{\"command\":\"batching\",\"model\":\"m\"}");
    ck_assert_msg(
        strstr(text,
               "\"rows\":4,\"chosen\":4,\"sizes\":[{\"rows\":1,\"told_ns\":8000000,\"guessed\":false,\"ns\":"
               "8000000,\"batches\":0},") != NULL,
        "%s", text);
    ck_assert_msg(strstr(text, "{\"rows\":64,\"told_ns\":160000000,\"guessed\":true,") != NULL, "%s", text);
    ck_assert_str_eq(scene_command("{\"command\":\"batching\",\"model\":\"other\"}"),
                     "{\"ok\":true,\"models\":[]}");
}
END_TEST

START_TEST(other_files_have_another_curve)
{
    repository_configure("m", "batching: { learned = true; };");
    scene_start(NULL);
    worker_that_tells(1);
    ck_assert_ptr_nonnull(strstr(scene_command("{\"command\":\"batching\"}"), "\"rows\":4,"));
    scene_worker(2); /* whose schema is another */
    ck_assert_ptr_nonnull(
        strstr(scene_command("{\"command\":\"batching\"}"), "\"rows\":64,\"chosen\":0,\"sizes\":[]"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        as_many_rows_go_together_as_pay,      unless_it_is_not_to_be_learned,
        max_batch_rows_is_the_bound,          a_worker_that_tells_nothing_gets_what_it_can_take,
        who_is_held_back_for_company_gets_it, the_curve_is_told,
        other_files_have_another_curve};
    return SUITE_RUN("broker_sizes", scene_set_up, scene_tear_down, tests);
}
