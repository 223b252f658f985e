/* test_exporter: what comes of spans by what the receiver says, with a receiver of the test's own. Nothing
 * waits for a clock but the exporter itself, whose waits are set to some milliseconds.
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "exporter.h"
#include "log.h"
#include "suite.h"

#include <pthread.h>
#include <unistd.h>

enum { ANSWERS_MAX = 64, MOST = 600, AWAY = -1, DIES = -2 };

static struct receiver {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int statuses[ANSWERS_MAX]; /* of the answers, in their order; beyond them 200; AWAY, DIES: there is none
                                */
    size_t asked;              /* requests */
    size_t spans[ANSWERS_MAX];
    uint64_t retry_after_ms, rejected;
    int64_t asked_at[ANSWERS_MAX];
    bool holds;       /* it does not answer */
    bool interrupted; /* nobody asks any more */
} receiver;

static struct exporter *exporter;
static struct metrics *metrics;

/* Spans in a request, by their trace ids. */
static size_t count_spans(const void *bytes, size_t length)
{
    size_t count = 0;
    const char *at = bytes, *end = at + length;
    while ((at = memmem(at, (size_t)(end - at), "\x0a\x10TTTTTTTTTTTTTTTT", 18)) != NULL) {
        count++;
        at += 18;
    }
    return count;
}

static bool post(void *self, const void *bytes, size_t length, struct export_answer *answer)
{
    ck_assert_ptr_eq(self, &receiver);
    pthread_mutex_lock(&receiver.mutex);
    size_t number = receiver.asked++;
    ck_assert_uint_lt(number, ANSWERS_MAX);
    receiver.spans[number] = count_spans(bytes, length);
    receiver.asked_at[number] = clock_now();
    answer->died = receiver.statuses[number] == DIES;
    answer->status = receiver.statuses[number] == 0  ? 200
                     : receiver.statuses[number] < 0 ? 0
                                                     : receiver.statuses[number];
    answer->retry_after_ms = receiver.retry_after_ms;
    answer->rejected = receiver.rejected;
    strcpy(answer->complaint, "nobody is there");
    pthread_cond_broadcast(&receiver.changed);
    while (receiver.holds && !receiver.interrupted)
        pthread_cond_wait(&receiver.changed, &receiver.mutex);
    bool there = !receiver.interrupted;
    pthread_mutex_unlock(&receiver.mutex);
    return there;
}

static void interrupt(void *self)
{
    ck_assert_ptr_eq(self, &receiver);
    pthread_mutex_lock(&receiver.mutex);
    receiver.interrupted = true;
    pthread_cond_broadcast(&receiver.changed);
    pthread_mutex_unlock(&receiver.mutex);
}

static void start(int64_t give_up)
{
    exporter_free(exporter);
    exporter = exporter_new(&(struct exporter_context){.sender = {"outrigger", "1", "host"},
                                                       .most = MOST,
                                                       .gather = MILLISECOND,
                                                       .first_wait = MILLISECOND,
                                                       .give_up = give_up,
                                                       .post = post,
                                                       .interrupt = interrupt,
                                                       .self = &receiver});
    ck_assert_ptr_nonnull(exporter);
}

static void set_up(void)
{
    log_open("test", "error");
    metrics = metrics_new(NULL);
    pthread_mutex_init(&receiver.mutex, NULL);
    pthread_cond_init(&receiver.changed, NULL);
    start(3600 * SECOND);
}

static void tear_down(void)
{
    exporter_free(exporter);
    metrics_free(metrics);
}

static void take(int count)
{
    uint8_t bytes[SPAN_BYTES_MAX];
    struct observation_any any;
    struct span span = {.process = text_of("p"), .kind = SPAN_SERVER, .name = text_of("n"), .end = 1};
    memset(span.trace, 'T', sizeof span.trace);
    memset(span.id, 'I', sizeof span.id);
    size_t length = span_encode(&span, bytes, sizeof bytes);
    struct wire_reader reader = wire_reader(bytes, length);
    ck_assert_ptr_null(observation_next(&reader, &any));
    for (int i = 0; i < count; i++)
        ck_assert_ptr_null(exporter_take(exporter, &any));
}

static uint64_t counted(enum metric metric, const char *label)
{
    exporter_publish(exporter, metrics);
    return metrics_series(metrics, metric, label, NULL, NULL)->value;
}

/* What the receiver saw and shall do is the exporter's thread's, too: read and set under its lock. */
static size_t requests_seen(void)
{
    pthread_mutex_lock(&receiver.mutex);
    size_t asked = receiver.asked;
    pthread_mutex_unlock(&receiver.mutex);
    return asked;
}

static size_t spans_seen(size_t request)
{
    pthread_mutex_lock(&receiver.mutex);
    size_t spans = receiver.spans[request];
    pthread_mutex_unlock(&receiver.mutex);
    return spans;
}

static void answer_with(size_t first, const int *statuses, size_t count)
{
    pthread_mutex_lock(&receiver.mutex);
    memcpy(receiver.statuses + first, statuses, count * sizeof *statuses);
    pthread_mutex_unlock(&receiver.mutex);
}

static void wants_to_be_asked_later(void)
{
    pthread_mutex_lock(&receiver.mutex);
    receiver.statuses[0] = 503;
    receiver.retry_after_ms = 120;
    pthread_mutex_unlock(&receiver.mutex);
}

/* The first two. */
static int64_t time_between_requests(void)
{
    pthread_mutex_lock(&receiver.mutex);
    int64_t time = receiver.asked_at[1] - receiver.asked_at[0];
    pthread_mutex_unlock(&receiver.mutex);
    return time;
}

static void reject(uint64_t spans)
{
    pthread_mutex_lock(&receiver.mutex);
    receiver.rejected = spans;
    pthread_mutex_unlock(&receiver.mutex);
}

static void hold(bool holds)
{
    pthread_mutex_lock(&receiver.mutex);
    receiver.holds = holds;
    pthread_cond_broadcast(&receiver.changed);
    pthread_mutex_unlock(&receiver.mutex);
}

/* Waits until it has so much of that. */
static void wait_for(enum metric metric, const char *label, uint64_t number)
{
    while (counted(metric, label) != number)
        usleep(1000);
}

START_TEST(spans_go_to_the_receiver)
{
    take(3);
    wait_for(METRIC_SPANS, "exported", 3);
    ck_assert_uint_eq(counted(METRIC_SPANS_BUFFERED, NULL), 0);
    ck_assert_uint_eq(counted(METRIC_SPANS, "failed"), 0);
    take(1);
    wait_for(METRIC_SPANS, "exported", 4);
}
END_TEST

START_TEST(what_is_busy_or_away_is_tried_again)
{
    static const int busy[] = {429, 502, 503, 504, AWAY, 503};
    answer_with(0, busy, COUNT_OF(busy));
    take(2);
    wait_for(METRIC_SPANS, "exported", 2);
    ck_assert_uint_eq(counted(METRIC_TRACE_EXPORTS, "again"), 5);
    ck_assert_uint_eq(counted(METRIC_TRACE_EXPORTS, "unreachable"), 1);
    ck_assert_uint_eq(counted(METRIC_TRACE_EXPORTS, "taken"), 1);
    for (size_t i = 0; i < 7; i++)
        ck_assert_uint_eq(spans_seen(i), spans_seen(0));
}
END_TEST

START_TEST(the_receiver_says_when)
{
    wants_to_be_asked_later();
    int64_t began = clock_now();
    take(1);
    wait_for(METRIC_SPANS, "exported", 1);
    ck_assert_int_ge(clock_now() - began, 120 * MILLISECOND);
}
END_TEST

/* Also when that is later than spans are tried for: they are tried once more then. */
START_TEST(the_receiver_may_want_to_be_asked_late)
{
    start(20 * MILLISECOND);
    wants_to_be_asked_later();
    take(1);
    wait_for(METRIC_SPANS, "exported", 1);
    ck_assert_int_ge(time_between_requests(), 120 * MILLISECOND);
    ck_assert_uint_eq(counted(METRIC_SPANS, "failed"), 0);
}
END_TEST

/* Those that were given up do not make room for others before it wants to be asked. */
START_TEST(the_next_spans_wait_for_the_receiver_too)
{
    start(0);
    wants_to_be_asked_later();
    take(1);
    wait_for(METRIC_TRACE_EXPORTS, "again", 1);
    take(1);
    wait_for(METRIC_SPANS, "exported", 1);
    ck_assert_uint_eq(counted(METRIC_SPANS, "failed"), 1);
    ck_assert_int_ge(time_between_requests(), 120 * MILLISECOND);
}
END_TEST

START_TEST(what_was_with_somebody_who_died_is_tried_again)
{
    answer_with(0, &(const int){DIES}, 1);
    take(2);
    wait_for(METRIC_SPANS, "exported", 2);
    ck_assert_uint_eq(counted(METRIC_TRACE_EXPORTS, "died"), 1);
    ck_assert_uint_eq(counted(METRIC_TRACE_EXPORTS, "unreachable"), 0);
}
END_TEST

START_TEST(any_other_status_is_final)
{
    static const int final[] = {400, 401, 404, 413, 500, 301};
    for (size_t i = 0; i < COUNT_OF(final); i++) {
        answer_with(i, &final[i], 1);
        take(1);
        wait_for(METRIC_SPANS, "failed", i + 1);
    }
    ck_assert_uint_eq(counted(METRIC_TRACE_EXPORTS, "refused"), COUNT_OF(final));
    ck_assert_uint_eq(requests_seen(), COUNT_OF(final));
}
END_TEST

START_TEST(some_may_be_rejected)
{
    reject(2);
    take(2);
    wait_for(METRIC_SPANS, "rejected", 2);
    reject(UINT64_MAX); /* it says more than it got */
    take(1);
    wait_for(METRIC_SPANS, "rejected", 3);
    ck_assert_uint_eq(counted(METRIC_SPANS, "exported"), 0);
}
END_TEST

/* One request is with the receiver, some wait, and the others are dropped; nobody waited. */
START_TEST(a_receiver_that_is_silent_costs_the_buffer)
{
    hold(true);
    take(1);
    pthread_mutex_lock(&receiver.mutex);
    while (receiver.asked == 0)
        pthread_cond_wait(&receiver.changed, &receiver.mutex);
    pthread_mutex_unlock(&receiver.mutex);
    take(MOST + 50);
    ck_assert_uint_eq(counted(METRIC_SPANS_BUFFERED, NULL), MOST);
    ck_assert_uint_eq(counted(METRIC_SPANS, "full"), 50);
    hold(false);
    wait_for(METRIC_SPANS, "exported", MOST + 1);
    ck_assert_uint_eq(spans_seen(1), EXPORTER_SPANS_A_REQUEST);
    ck_assert_uint_eq(spans_seen(2), MOST - EXPORTER_SPANS_A_REQUEST);
}
END_TEST

START_TEST(the_end_waits_a_moment_for_what_is_there)
{
    take(5);
    exporter_end(exporter);
    ck_assert_uint_eq(counted(METRIC_SPANS, "exported"), 5);
    exporter_end(NULL);
    exporter_free(NULL);
}
END_TEST

START_TEST(the_end_does_not_wait_for_ever)
{
    hold(true);
    take(5);
    exporter_end(exporter);
    ck_assert(receiver.interrupted);
    ck_assert_uint_eq(counted(METRIC_SPANS, "failed"), 5);
}
END_TEST

START_TEST(a_frame_that_is_no_span_is_refused)
{
    struct observation_any any = {.kind = OBSERVATION_SPANS, .fields = 1, .body = text_of("\x01")};
    ck_assert_ptr_nonnull(exporter_take(exporter, &any));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {spans_go_to_the_receiver,
                            what_is_busy_or_away_is_tried_again,
                            the_receiver_says_when,
                            the_receiver_may_want_to_be_asked_late,
                            the_next_spans_wait_for_the_receiver_too,
                            what_was_with_somebody_who_died_is_tried_again,
                            any_other_status_is_final,
                            some_may_be_rejected,
                            a_receiver_that_is_silent_costs_the_buffer,
                            the_end_waits_a_moment_for_what_is_there,
                            the_end_does_not_wait_for_ever,
                            a_frame_that_is_no_span_is_refused};
    return SUITE_RUN("exporter", set_up, tear_down, tests);
}
