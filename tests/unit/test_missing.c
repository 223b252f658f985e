/* test_missing: who is taken for hung because the broker does not know it. The fleet's processes are shell
 * scripts, and what the broker says is written by the test, so that no look waits for anything.
 * SPDX-License-Identifier: MIT */
#include "missing.h"

#include "members_scene.h"
#include "unix_socket.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

/* With the settings below: 2 batches of 100 ms and 3 beats of 50 ms. */
enum { BOUND_MS = 350, LOOK_MS = 100, WORKERS = 2 };

static struct broker_view *view;
static struct member *broker;
static struct member *workers[WORKERS];

/* ---- the broker ---- */

static int listener;
static pthread_t speaker;
static atomic_int known_pids[4]; /* 0: none */
static atomic_int far_pid;       /* of a worker of another host, which the broker knows, too */
static atomic_bool mute;

static size_t say_workers(char *text, size_t capacity)
{
    size_t length = (size_t)snprintf(text, capacity, "{\"ok\":true,\"workers\":[");
    int count = 0;
    for (size_t i = 0; i < COUNT_OF(known_pids); i++)
        if (known_pids[i] != 0)
            length += (size_t)snprintf(text + length, capacity - length, "%s{\"pid\":%d}",
                                       count++ == 0 ? "" : ",", known_pids[i]);
    if (far_pid != 0)
        length += (size_t)snprintf(text + length, capacity - length, "%s{\"pid\":%d,\"managed\":false}",
                                   count == 0 ? "" : ",", far_pid);
    return length + (size_t)snprintf(text + length, capacity - length,
                                     "],\"models\":[{\"model\":\"m\",\"version\":\"1\",\"workers\":%d,"
                                     "\"unmanaged\":%d}]}\n",
                                     count + (far_pid != 0), far_pid != 0);
}

static void *speak(void *self)
{
    int fd;
    (void)self;
    while ((fd = accept(listener, NULL, NULL)) != -1) {
        char line[256], text[1024];
        ssize_t length = recv(fd, line, sizeof line, 0);
        if (length > 0 && !mute)
            (void)send(fd, text, say_workers(text, sizeof text), MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

/* ---- the fleet ---- */

static bool all_run(void)
{
    return members_count(&members, ROLE_BROKER, NULL, true) == 1 &&
           members_count(&members, ROLE_WORKER, NULL, true) == WORKERS;
}

static void start(const char *worker_script)
{
    add_program("bin/outrigger-worker", worker_script);
    members_have(&members, ROLE_BROKER, NULL, 1);
    members_have(&members, ROLE_WORKER, &plan->models[0].versions[0], WORKERS);
    run_until(all_run);
    broker = members.first;
    workers[0] = broker->next;
    workers[1] = workers[0]->next;
}

static void set_up(void)
{
    set_up_members("instances = 2; limits: { compute_timeout_ms = 100; };", "worker.heartbeat_ms=50");
    view = broker_view_new(config);
    add_program("bin/outrigger-broker", SERVER);
    listener = unix_listen(scratch_path("broker.sock"), 0600, (gid_t)-1, 8);
    ck_assert_int_ne(listener, -1);
    ck_assert_int_eq(fcntl(listener, F_SETFL, 0), 0); /* its own thread may wait */
    ck_assert_int_eq(pthread_create(&speaker, NULL, speak, NULL), 0);
}

static void tear_down(void)
{
    shutdown(listener, SHUT_RDWR);
    pthread_join(speaker, NULL);
    close(listener);
    broker_view_free(view);
    tear_down_members();
}

/* ---- what happens ---- */

static pid_t pid_of(const struct member *member)
{
    return service_pid(member->service);
}

static void look(void)
{
    broker_view_forget(view);
    missing_look(&members, plan, view, LOOK_MS);
}

static void look_often(void)
{
    for (int i = 0; i < 100; i++)
        look();
}

/* The broker knows both, and has been asked. */
static void start_known(void)
{
    start(SERVER);
    known_pids[0] = pid_of(workers[1]); /* in any order */
    known_pids[1] = pid_of(workers[0]);
    look();
    ck_assert(workers[0]->was_known && workers[1]->was_known);
}

static struct member *awaited_member;

static bool has_stopped(void)
{
    return service_state(awaited_member->service) == SERVICE_STOPPED;
}

/* Nobody has killed it: it ends as we tell it to. */
static void expect_unharmed(struct member *member)
{
    awaited_member = member;
    service_event(member->service, SERVICE_ON_STOP);
    run_until(has_stopped);
    ck_assert_str_eq(service_cause(member->service), "killed by signal 15");
    ck_assert_uint_eq(service_restarts(member->service), 0);
}

static bool has_come_back(void)
{
    return service_restarts(awaited_member->service) == 1 &&
           service_state(awaited_member->service) == SERVICE_RUNNING;
}

static void expect_replaced(struct member *member)
{
    awaited_member = member;
    run_until(has_come_back);
    ck_assert_str_eq(service_cause(member->service), "killed because it hung");
    ck_assert_uint_eq(
        metrics_series(metrics, METRIC_PROCESS_RESTARTS, member->command->name, "hung", NULL)->value, 1);
}

START_TEST(who_is_missed_for_too_long_is_killed_and_started_again)
{
    start_known();
    ck_assert_int_eq(missing_bound_ms(&plan->models[0], config), BOUND_MS);
    known_pids[1] = 0;
    look(); /* since when it is missing nobody knows: from here on */
    for (int64_t missing = LOOK_MS; missing <= BOUND_MS; missing += LOOK_MS) {
        look();
        ck_assert_int_eq(workers[0]->missing_ms, missing);
    }
    look();
    expect_replaced(workers[0]);
    expect_unharmed(workers[1]);
    ck_assert(!workers[0]->missing); /* the new one has its own time */
    known_pids[0] = 0;
    look();
    ck_assert(workers[0]->missing);
    ck_assert_int_eq(workers[0]->missing_ms, 0);
}
END_TEST

START_TEST(who_comes_back_in_time_is_missed_no_more)
{
    start_known();
    for (int round = 0; round < 3; round++) {
        known_pids[1] = 0;
        for (int64_t missing = 0; missing <= BOUND_MS; missing += LOOK_MS)
            look();
        known_pids[1] = pid_of(workers[0]);
        look();
    }
    expect_unharmed(workers[0]);
}
END_TEST

START_TEST(a_broker_that_does_not_answer_misses_nobody)
{
    start_known();
    known_pids[1] = 0;
    look();
    look();
    mute = true;
    look_often();
    mute = false;
    look();
    ck_assert_int_eq(workers[0]->missing_ms, 2 * LOOK_MS); /* the time between did not count */
    expect_unharmed(workers[0]);
}
END_TEST

START_TEST(a_broker_that_finishes_is_not_asked)
{
    start_known();
    known_pids[0] = known_pids[1] = 0;
    service_event(broker->service, SERVICE_ON_RESTART);
    ck_assert_int_eq(service_state(broker->service), SERVICE_DRAINING);
    look_often();
    expect_unharmed(workers[0]);
    expect_unharmed(workers[1]);
}
END_TEST

START_TEST(with_another_broker_it_begins_anew)
{
    start_known();
    known_pids[1] = 0;
    look();
    look();
    look();
    ck_assert_int_gt(workers[0]->missing_ms, 0);
    awaited_member = broker;
    kill(pid_of(broker), SIGKILL);
    run_until(has_come_back);
    look();
    ck_assert(workers[0]->missing);
    ck_assert_int_eq(workers[0]->missing_ms, 0);
    expect_unharmed(workers[0]);
}
END_TEST

START_TEST(who_goes_anyway_is_left_alone)
{
    start("#!/bin/sh\ntrap '' TERM; echo ready >&3; exec 3>&-; exec sleep 600\n");
    known_pids[0] = pid_of(workers[0]);
    known_pids[1] = pid_of(workers[1]);
    look();
    known_pids[0] = known_pids[1] = 0;
    member_drain(workers[0]);
    members_succeed(&members, workers[1], &plan->models[0].versions[0], "test");
    look_often();
    ck_assert_int_eq(service_state(workers[0]->service), SERVICE_DRAINING);
    for (int i = 0; i < WORKERS; i++)
        ck_assert(!workers[i]->missing);
}
END_TEST

/* The interpreter of a worker may start another process that says READY. */
START_TEST(who_was_never_known_is_missed_when_the_broker_has_too_few)
{
    start(SERVER);
    known_pids[0] = 1;
    known_pids[1] = 2;
    look_often();
    ck_assert(!workers[0]->missing && !workers[1]->missing);
    known_pids[0] = pid_of(workers[1]);
    known_pids[1] = 0;
    look_often();
    expect_replaced(workers[0]);
    expect_unharmed(workers[1]);
}
END_TEST

/* Of all numbers it has that of the worker here that hangs. */
START_TEST(a_worker_of_another_host_hides_nobody)
{
    start_known();
    far_pid = pid_of(workers[0]);
    known_pids[1] = 0;
    look_often();
    expect_replaced(workers[0]);
    expect_unharmed(workers[1]);
}
END_TEST

START_TEST(a_worker_of_another_host_is_not_counted_for_one_of_ours)
{
    start(SERVER);
    known_pids[0] = pid_of(workers[1]);
    far_pid = 1;
    look_often(); /* the broker has two of the version, as many as run here */
    expect_replaced(workers[0]);
    expect_unharmed(workers[1]);
}
END_TEST

START_TEST(a_model_that_is_not_wanted_is_nobodys_business)
{
    start_known();
    known_pids[0] = known_pids[1] = 0;
    plan->model_count = 0;
    look_often();
    plan->model_count = 1;
    expect_unharmed(workers[0]);
    expect_unharmed(workers[1]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {who_is_missed_for_too_long_is_killed_and_started_again,
                                  who_comes_back_in_time_is_missed_no_more,
                                  a_broker_that_does_not_answer_misses_nobody,
                                  a_broker_that_finishes_is_not_asked,
                                  with_another_broker_it_begins_anew,
                                  who_goes_anyway_is_left_alone,
                                  who_was_never_known_is_missed_when_the_broker_has_too_few,
                                  a_worker_of_another_host_hides_nobody,
                                  a_worker_of_another_host_is_not_counted_for_one_of_ours,
                                  a_model_that_is_not_wanted_is_nobodys_business};
    return SUITE_RUN("missing", set_up, tear_down, tests);
}
