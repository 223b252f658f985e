/* test_broker_yielding: jobs beside clients at the real broker: what is left to clients while they come, and
 * that nothing is when they do not. SPDX-License-Identifier: MIT */
#include "suite.h"
#include "workers_scene.h"

static void ask_as(uint8_t priority, uint64_t id, const char *payload, uint32_t rows)
{
    struct envelope request = scene_request(id);
    request.request.priority = priority;
    request.request.rows = rows;
    end_send(asker, &request, payload);
}

static void ask_job(uint64_t id, const char *payload)
{
    ask_as(PROTOCOL_PRIORITY_JOB, id, payload, 1);
}

/* A client was there, and was answered. */
static void have_client(struct end *worker)
{
    ask_as(PROTOCOL_PRIORITY_ONLINE, 1000, "client", 1);
    scene_result(worker, scene_expect_batch(worker, "client"), "C");
    scene_expect_reply(asker, 1000, "C");
}

START_TEST(a_job_alone_is_treated_as_a_client)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *worker = scene_worker_with_slots(1, 2);
    ask_job(1, "a");
    scene_expect_batch(worker, "a");
    ask_job(2, "b");
    scene_expect_batch(worker, "b");
}
END_TEST

START_TEST(beside_clients_a_worker_has_one_batch_of_a_job)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *worker = scene_worker_with_slots(1, 2);
    have_client(worker);
    ask_job(1, "a");
    uint64_t first = scene_expect_batch(worker, "a");
    ask_job(2, "b");
    scene_expect_nothing(asker);
    scene_result(worker, first, "A");
    scene_expect_reply(asker, 1, "A");
    scene_expect_batch(worker, "b");
}
END_TEST

START_TEST(a_client_goes_behind_the_batch_that_runs_and_before_all_others)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *worker = scene_worker_with_slots(1, 2);
    have_client(worker);
    ask_job(1, "a");
    uint64_t first = scene_expect_batch(worker, "a");
    ask_job(2, "b");
    scene_expect_nothing(asker);
    ask_as(PROTOCOL_PRIORITY_ONLINE, 3, "client", 1);
    scene_result(worker, scene_expect_batch(worker, "client"), "C"); /* alone, beside the job's */
    scene_expect_reply(asker, 3, "C");
    scene_result(worker, first, "A");
    scene_expect_reply(asker, 1, "A");
    scene_expect_batch(worker, "b");
}
END_TEST

START_TEST(of_several_workers_one_is_left_to_clients)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *workers[] = {scene_worker(1), scene_worker(2)};
    have_client(workers[1]); /* the newest goes first, and is then the one used last */
    ask_job(1, "a");
    uint64_t first = scene_expect_batch(workers[0], "a");
    ask_job(2, "b");
    scene_expect_nothing(asker);
    ask_as(PROTOCOL_PRIORITY_ONLINE, 3, "client", 1);
    scene_expect_batch(workers[1], "client");
    scene_result(workers[0], first, "A");
    scene_expect_reply(asker, 1, "A");
    scene_expect_batch(workers[0], "b");
}
END_TEST

/* Though nothing else happens meanwhile. */
START_TEST(when_clients_have_gone_all_workers_are_used)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *workers[] = {scene_worker(1), scene_worker(2)};
    have_client(workers[1]);
    ask_job(1, "a");
    scene_expect_batch(workers[0], "a");
    ask_job(2, "b");
    scene_expect_batch(workers[1], "b");
}
END_TEST

START_TEST(jobs_are_refused_while_clients_come_in)
{
    repository_configure("m", "queue: { max_rows = 100; };");
    scene_start(NULL);
    asker = scene_asker();
    ask_as(PROTOCOL_PRIORITY_ONLINE, 1, "a", 50);
    ask_as(PROTOCOL_PRIORITY_JOB, 2, "b", 1);
    scene_expect_reject(asker, 2, FAILURE_OVERLOADED);
    ask_as(PROTOCOL_PRIORITY_ONLINE, 3, "c", 50);
    scene_expect_nothing(asker);
}
END_TEST

/* What a job waits says nothing of the version. */
START_TEST(the_figures_of_a_version_are_those_of_clients)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *worker = scene_worker(1);
    ask_job(1, "a");
    scene_result(worker, scene_expect_batch(worker, "a"), "A");
    scene_expect_reply(asker, 1, "A");
    const char *status = scene_command("{\"command\":\"figures\"}");
    ck_assert_msg(strstr(status, "\"requests\":1") != NULL && strstr(status, "\"latency_ns\":[]") != NULL,
                  "%s", status);
    have_client(worker);
    status = scene_command("{\"command\":\"figures\"}");
    ck_assert_msg(strstr(status, "\"requests\":2") != NULL && strstr(status, "\"latency_ns\":[[") != NULL,
                  "%s", status);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_job_alone_is_treated_as_a_client,
                                  beside_clients_a_worker_has_one_batch_of_a_job,
                                  a_client_goes_behind_the_batch_that_runs_and_before_all_others,
                                  of_several_workers_one_is_left_to_clients,
                                  when_clients_have_gone_all_workers_are_used,
                                  jobs_are_refused_while_clients_come_in,
                                  the_figures_of_a_version_are_those_of_clients};
    return SUITE_RUN("broker_yielding", scene_set_up, scene_tear_down, tests);
}
