/* stream_kafka: topics of Apache Kafka, by librdkafka: its queues into our loop, the job's calls into them.
 * Everything is done on the loop's thread, but for the waits of transactions (stream_kafka_hand).
 * SPDX-License-Identifier: MIT */
#include "stream_kafka.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TAKE_AT_A_TIME = 256 /* messages, then the loop looks around */ };

static const int64_t pause_after = SECOND; /* what is fetched ahead is lost by a pause: not for short ones */

void kafka_fail(struct kafka *kafka, const char *format, ...)
{
    char reason[STREAM_REASON_MAX];
    va_list arguments;
    if (kafka->failed)
        return;
    kafka->failed = true;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    kafka->events->failed(kafka->self, reason);
}

void kafka_poke(struct kafka *kafka)
{
    const uint64_t one = 1;
    while (write(kafka->wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* ---- what librdkafka tells ---- */

static void tell_connected(struct kafka *kafka, bool is)
{
    if (kafka->connected == is)
        return;
    kafka->connected = is;
    kafka->events->connected(kafka->self, is);
}

static bool is_final(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
           error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
           error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           error == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}

/* librdkafka has said so by itself. */
static bool is_logged(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__RESOLVE ||
           error == RD_KAFKA_RESP_ERR__TIMED_OUT;
}

static void take_error(struct kafka *kafka, rd_kafka_t *client, rd_kafka_event_t *event)
{
    static long long last;
    char why[256];
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    if (rd_kafka_event_error_is_fatal(event)) {
        rd_kafka_resp_err_t first = rd_kafka_fatal_error(client, why, sizeof why);
        kafka_fail(kafka, "%s%s", why,
                   first == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID || first == RD_KAFKA_RESP_ERR__FENCED
                       ? ": another job runs as the same instance (from's ?instance=), or Kafka was away for "
                         "longer than a transaction may take"
                       : "");
    } else if (is_final(error)) {
        kafka_fail(kafka, "%s: %s", kafka->job->source.place, rd_kafka_event_error_string(event));
    } else {
        if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
            tell_connected(kafka, false);
        if (!is_logged(error) && log_allowed(&last, 10))
            log_warning("kafka: %s", rd_kafka_event_error_string(event));
    }
}

static void take_event(struct kafka *kafka, rd_kafka_t *client, rd_kafka_event_t *event)
{
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_FETCH:
        kafka_take(kafka, event);
        return;
    case RD_KAFKA_EVENT_DR:
        kafka_delivered(kafka, event);
        return;
    case RD_KAFKA_EVENT_REBALANCE:
        tell_connected(kafka, true);
        kafka_rebalance(kafka, event);
        return;
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
        kafka_committed(kafka, event);
        return;
    case RD_KAFKA_EVENT_ERROR:
        take_error(kafka, client, event);
        break;
    default:
        break;
    }
    rd_kafka_event_destroy(event);
}

static void serve(struct kafka *kafka, rd_kafka_t *client, rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event;
    while (!kafka->failed && (event = rd_kafka_queue_poll(queue, 0)) != NULL)
        take_event(kafka, client, event);
}

/* ---- messages ---- */

static bool may_take(const struct kafka *kafka)
{
    return !kafka->failed && !kafka->paused && kafka->drained == NULL &&
           kafka->unanswered < (size_t)kafka->job->window && !kafka_is_full(kafka);
}

static void serve_messages(struct kafka *kafka)
{
    for (int i = 0; may_take(kafka); i++) {
        if (i == TAKE_AT_A_TIME) {
            kafka_poke(kafka);
            return;
        }
        rd_kafka_event_t *event = rd_kafka_queue_poll(kafka->of_messages, 0);
        if (event == NULL)
            return;
        tell_connected(kafka, true);
        take_event(kafka, kafka->consumer, event);
    }
}

/* The queue does not wake us for what it had when we stopped asking. */
static void take_again(struct kafka *kafka)
{
    if (may_take(kafka) && rd_kafka_queue_length(kafka->of_messages) > 0)
        kafka_poke(kafka);
}

/* ---- the loop ---- */

static void check_drained(struct kafka *kafka)
{
    if (kafka->drained == NULL || kafka->drained_told || kafka->unanswered > 0 || kafka->unsettled > 0)
        return;
    for (const struct kafka_partition *p = kafka->partitions; p != NULL; p = p->next)
        if (!kafka_partition_clean(p))
            return;
    kafka->drained_told = true;
    kafka->drained(kafka->drained_self);
}

void kafka_progress(struct kafka *kafka)
{
    if (kafka->failed)
        return;
    kafka_release_all(kafka);
    kafka_commit(kafka);
    kafka_rebalance_settle(kafka);
    check_drained(kafka);
}

static void on_wake(void *self, int fd, uint32_t events)
{
    (void)events;
    struct kafka *kafka = self;
    uint64_t count;
    if (read(fd, &count, sizeof count) < 0 || kafka->failed)
        return;
    kafka_hand_done(kafka);
    serve(kafka, kafka->producer, kafka->of_producer);
    serve(kafka, kafka->consumer, kafka->of_consumer);
    serve_messages(kafka);
    kafka_progress(kafka);
    take_again(kafka);
}

static void pause_when_due(struct kafka *kafka)
{
    if (!kafka->paused || kafka->pause_at == 0)
        return;
    if (loop_now(kafka->loop) < kafka->pause_at) {
        kafka_call_at(kafka, kafka->pause_at);
        return;
    }
    kafka->pause_at = 0;
    kafka_pause_partitions(kafka, true);
}

static void on_timer(void *self)
{
    struct kafka *kafka = self;
    kafka->timer_at = 0;
    if (kafka->failed)
        return;
    pause_when_due(kafka);
    kafka_progress(kafka);
    take_again(kafka);
}

void kafka_call_at(struct kafka *kafka, int64_t at)
{
    if (kafka->timer_at != 0 && kafka->timer_at <= at)
        return;
    kafka->timer_at = at;
    loop_timer_set(kafka->loop, &kafka->timer, at, on_timer, kafka);
}

/* ---- the kind ---- */

static void kafka_pause(struct stream *stream)
{
    struct kafka *kafka = (struct kafka *)stream;
    if (kafka->paused)
        return;
    kafka->paused = true;
    kafka->pause_at = loop_now(kafka->loop) + pause_after;
    kafka_call_at(kafka, kafka->pause_at);
}

static void kafka_resume(struct stream *stream)
{
    struct kafka *kafka = (struct kafka *)stream;
    if (!kafka->paused)
        return;
    kafka->paused = false;
    kafka_pause_partitions(kafka, false);
    kafka_poke(kafka);
}

static void kafka_position(const struct stream_message *of, char text[STREAM_POSITION_MAX])
{
    const struct kafka_message *message = (const struct kafka_message *)of;
    snprintf(text, STREAM_POSITION_MAX, "%s/%d@%lld", message->kafka->job->source.name, message->number,
             (long long)message->offset);
}

/* Once a second, which also shows librdkafka that we live. */
static void kafka_measure(struct stream *stream)
{
    struct kafka *kafka = (struct kafka *)stream;
    kafka_poke(kafka);
    kafka_tell_lag(kafka);
}

static void kafka_drain(struct stream *stream, loop_call *done, void *self)
{
    struct kafka *kafka = (struct kafka *)stream;
    kafka->drained = done;
    kafka->drained_self = self;
    kafka_poke(kafka);
}

static rd_kafka_queue_t *wake_by(struct kafka *kafka, rd_kafka_queue_t *queue)
{
    const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue, kafka->wake, &one, sizeof one);
    return queue;
}

static void open_queues(struct kafka *kafka)
{
    rd_kafka_poll_set_consumer(kafka->consumer);
    kafka->of_consumer = wake_by(kafka, rd_kafka_queue_get_consumer(kafka->consumer));
    kafka->of_messages = wake_by(kafka, rd_kafka_queue_new(kafka->consumer));
    kafka->of_producer = wake_by(kafka, rd_kafka_queue_get_main(kafka->producer));
    kafka_poke(kafka); /* what is in them already does not wake us */
}

static void close_queue(rd_kafka_queue_t *queue)
{
    if (queue == NULL)
        return;
    rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
    rd_kafka_queue_destroy(queue);
}

/* Leaves the group. A rebalance that was held must be answered before; what comes while it leaves, librdkafka
 * answers itself. */
static void close_consumer(struct kafka *kafka)
{
    kafka_rebalance_end(kafka);
    close_queue(kafka->of_messages);
    close_queue(kafka->of_consumer);
    if (kafka->consumer != NULL) {
        rd_kafka_consumer_close(kafka->consumer);
        rd_kafka_destroy(kafka->consumer);
    }
}

static void close_producer(struct kafka *kafka)
{
    bool free = kafka_hand_free(kafka->hand);
    close_queue(kafka->of_producer);
    if (kafka->producer == NULL || !free)
        return;
    rd_kafka_purge(kafka->producer,
                   RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    rd_kafka_destroy(kafka->producer);
}

static void kafka_close(struct stream *stream)
{
    struct kafka *kafka = (struct kafka *)stream;
    kafka->failed = true; /* nothing is told any more */
    loop_timer_cancel(kafka->loop, &kafka->timer);
    kafka_messages_free(kafka);
    kafka_partitions_free(kafka);
    close_producer(kafka);
    close_consumer(kafka);
    if (kafka->wake >= 0) {
        loop_remove(kafka->loop, kafka->wake);
        close(kafka->wake);
    }
    if (kafka->instance_lock >= 0)
        close(kafka->instance_lock);
    free(kafka);
}

static bool begin(struct kafka *kafka, char reason[STREAM_REASON_MAX])
{
    if (loop_add(kafka->loop, kafka->wake, EPOLLIN, on_wake, kafka) != 0) {
        snprintf(reason, STREAM_REASON_MAX, "kafka: %s", strerror(errno));
        return false;
    }
    if (!kafka_clients_new(kafka, reason))
        return false;
    open_queues(kafka);
    if (!kafka->job->exactly_once) {
        kafka_subscribe(kafka);
        return true;
    }
    kafka->hand = kafka_hand_new(kafka->producer, kafka->wake);
    if (kafka->hand == NULL) {
        snprintf(reason, STREAM_REASON_MAX, "kafka: there is no thread for transactions");
        return false;
    }
    kafka->transaction = KAFKA_STARTING;
    kafka_hand_start(kafka->hand);
    return true;
}

static struct stream *kafka_open(const struct stream_context *context, char reason[STREAM_REASON_MAX])
{
    struct kafka *kafka = object_alloc(sizeof *kafka);
    kafka->stream.kind = &stream_kafka;
    kafka->loop = context->loop;
    kafka->job = context->job;
    kafka->events = context->events;
    kafka->self = context->self;
    kafka->instance_lock = -1;
    kafka->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (kafka->wake >= 0 && begin(kafka, reason))
        return &kafka->stream;
    kafka_close(&kafka->stream);
    return NULL;
}

static const char *const source_options[] = {"group", "instance", "membership", "offset", NULL};
static const char *const sink_options[] = {NULL};

const struct stream_kind stream_kafka = {.scheme = "kafka",
                                         .source_options = source_options,
                                         .sink_options = sink_options,
                                         .open = kafka_open,
                                         .pause = kafka_pause,
                                         .resume = kafka_resume,
                                         .answer = kafka_answer,
                                         .position = kafka_position,
                                         .measure = kafka_measure,
                                         .drain = kafka_drain,
                                         .close = kafka_close};
