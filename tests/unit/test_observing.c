/* test_observing: the thread that looks at observations, on a real socket. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "comparison.h"
#include "observing.h"
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
static struct comparison *comparison;
static struct observing *observing;
static struct observing_refused refused; /* in all */
static uint8_t frame[4096];

/* One of another kind than that of shadows. */
enum { LATER_KIND = 9 };
static struct later {
    uint64_t taken; /* atomic */
    uint32_t fields;
    size_t bytes;
} later;

static const char *take_later(void *self, const struct observation_any *any)
{
    struct later *one = self;
    one->fields = any->fields;
    one->bytes = any->body.length;
    __atomic_add_fetch(&one->taken, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void set_up(void)
{
    context = zmq_ctx_new();
    socket_in = zmq_socket(context, ZMQ_PULL);
    broker = zmq_socket(context, ZMQ_PUSH);
    ck_assert_int_eq(zmq_bind(socket_in, "inproc://observations"), 0);
    ck_assert_int_eq(zmq_connect(broker, "inproc://observations"), 0);
    metrics = metrics_new(NULL);
    comparison = comparison_new();
    later = (struct later){0};
    const struct observing_kind kinds[] = {
        {OBSERVATION_SHADOW, comparison_take, comparison}, {LATER_KIND, take_later, &later}, {0}};
    observing = observing_new(socket_in, kinds);
    ck_assert_ptr_nonnull(observing);
    refused = (struct observing_refused){0};
}

static void tear_down(void)
{
    observing_free(observing);
    comparison_free(comparison);
    metrics_free(metrics);
    zmq_close(broker);
    zmq_close(socket_in);
    zmq_ctx_term(context);
}

static void look(void)
{
    struct observing_refused more = observing_refusals(observing);
    comparison_publish(comparison, metrics);
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

/* Each kind has its function; one that has none is passed over. */
START_TEST(kinds_are_taken_by_their_rows)
{
    static const uint8_t of_nobody[] = {0x93, 1, 8, 0xa1, 'x'},
                         of_later[] = {0x94, 1, LATER_KIND, 0xa1, 'x', 7};
    size_t length = write_observation();
    memcpy(frame + length, of_nobody, sizeof of_nobody);
    memcpy(frame + length + sizeof of_nobody, of_later, sizeof of_later);
    length += sizeof of_nobody + sizeof of_later;
    ck_assert_int_eq(zmq_send(broker, frame, length, 0), (int)length);
    WAIT_FOR(__atomic_load_n(&later.taken, __ATOMIC_ACQUIRE) == 1);
    ck_assert_uint_eq(later.fields, 2);
    ck_assert_uint_eq(later.bytes, 3);
    ck_assert_uint_eq(counter(METRIC_SHADOW_FAILED), 1);
    ck_assert_uint_eq(refused.frames, 0);
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
    observing_end(observing);
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
    return strcmp(name, "observing\n") == 0 && sched_getscheduler(atoi(thread)) == SCHED_IDLE;
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
        what_comes_is_counted,   kinds_are_taken_by_their_rows,   what_is_wrong_is_told_once,
        it_ends_when_it_is_told, it_takes_only_what_others_leave,
    };
    return SUITE_RUN("observing", set_up, tear_down, tests);
}
