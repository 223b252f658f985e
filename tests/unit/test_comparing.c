/* test_comparing: the thread that compares, on a real socket. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "comparing.h"
#include "observation.h"
#include "suite.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <zmq.h>

/* The thread gets what others leave: also under load there is some. */
#define WAIT_FOR(condition)                                                                                  \
    for (int64_t limit = clock_now() + 60 * SECOND; !(condition); zmq_poll(NULL, 0, 1))                      \
    ck_assert_msg(clock_now() < limit, "%s did not come", #condition)

static void *context, *broker, *socket_in;
static struct metrics *metrics;
static struct comparing *comparing;
static struct comparing_refused refused; /* in all */
static uint8_t frame[4096];

static void set_up(void)
{
    context = zmq_ctx_new();
    socket_in = zmq_socket(context, ZMQ_PULL);
    broker = zmq_socket(context, ZMQ_PUSH);
    ck_assert_int_eq(zmq_bind(socket_in, "inproc://observations"), 0);
    ck_assert_int_eq(zmq_connect(broker, "inproc://observations"), 0);
    metrics = metrics_new(NULL);
    comparing = comparing_new(socket_in);
    ck_assert_ptr_nonnull(comparing);
    refused = (struct comparing_refused){0};
}

static void tear_down(void)
{
    comparing_free(comparing);
    metrics_free(metrics);
    zmq_close(broker);
    zmq_close(socket_in);
    zmq_ctx_term(context);
}

static void look(void)
{
    struct comparing_refused more = comparing_publish(comparing, metrics);
    refused.frames += more.frames;
    refused.messages += more.messages;
    refused.wrong = more.wrong;
}

static uint64_t counter(enum metric metric)
{
    look();
    return metrics_series(metrics, metric, "m", "1", "2")->value;
}

/* Of a shadow that failed. */
static size_t write_observation(void)
{
    struct observation observation = {.kind = OBSERVATION_SHADOW,
                                      .model = text_of("m"),
                                      .version = text_of("1"),
                                      .shadow = text_of("2"),
                                      .failure = FAILURE_WORKER_DIED,
                                      .answer = {"", 0},
                                      .shadow_answer = {"", 0}};
    return observation_encode(&observation, frame, sizeof frame);
}

START_TEST(what_comes_is_counted)
{
    enum { COUNT = 1000 };
    size_t length = write_observation();
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(zmq_send(broker, frame, length, 0), (int)length);
    WAIT_FOR(counter(METRIC_SHADOW_FAILED) == COUNT);
    ck_assert_uint_eq(refused.frames + refused.messages, 0);
}
END_TEST

START_TEST(what_is_wrong_is_told_once)
{
    size_t length = write_observation();
    zmq_send(broker, "\xc1", 1, 0);
    zmq_send(broker, frame, length, ZMQ_SNDMORE);
    zmq_send(broker, frame, length, ZMQ_SNDMORE);
    zmq_send(broker, frame, length, 0);
    zmq_send(broker, frame, length, 0);
    WAIT_FOR(counter(METRIC_SHADOW_FAILED) == 1);
    ck_assert_uint_eq(refused.frames, 1);
    ck_assert_str_eq(refused.wrong, "it is no array that begins with two numbers");
    ck_assert_uint_eq(refused.messages, 1);
    look();
    ck_assert_uint_eq(refused.frames, 1);
    ck_assert_uint_eq(refused.messages, 1);
}
END_TEST

static bool over; /* atomic */

static void *send_without_end(void *length)
{
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED))
        zmq_send(broker, frame, *(const size_t *)length, ZMQ_DONTWAIT);
    return NULL;
}

/* Also while there is always something to do. What was done is told all the same. */
START_TEST(it_ends_when_it_is_told)
{
    size_t length = write_observation();
    pthread_t sender;
    ck_assert_int_eq(pthread_create(&sender, NULL, send_without_end, &length), 0);
    WAIT_FOR(counter(METRIC_SHADOW_FAILED) > 0);
    comparing_end(comparing);
    uint64_t compared = counter(METRIC_SHADOW_FAILED);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    pthread_join(sender, NULL);
    ck_assert_uint_gt(compared, 0);
    ck_assert_uint_eq(counter(METRIC_SHADOW_FAILED), compared);
}
END_TEST

static bool is_idle(const char *thread)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", thread);
    FILE *file = fopen(path, "r");
    char name[32] = "";
    if (file != NULL) {
        ck_assert_ptr_nonnull(fgets(name, sizeof name, file));
        fclose(file);
    }
    return strcmp(name, "comparing\n") == 0 && sched_getscheduler(atoi(thread)) == SCHED_IDLE;
}

static bool one_is_idle(void)
{
    bool found = false;
    DIR *tasks = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(tasks);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        found = found || is_idle(entry->d_name);
    closedir(tasks);
    return found;
}

START_TEST(it_takes_only_what_others_leave)
{
    WAIT_FOR(one_is_idle());
    ck_assert_int_ne(sched_getscheduler(0), SCHED_IDLE);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_comes_is_counted,
        what_is_wrong_is_told_once,
        it_ends_when_it_is_told,
        it_takes_only_what_others_leave,
    };
    return SUITE_RUN("comparing", set_up, tear_down, tests);
}
