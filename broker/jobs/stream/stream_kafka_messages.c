/* stream_kafka_messages: the life of a message, from librdkafka's queue to the answer that is safe.
 * SPDX-License-Identifier: MIT */
#include "stream_kafka.h"

#include <stdlib.h>

/* ---- taken ---- */

static size_t count_headers(rd_kafka_headers_t *headers)
{
    return headers == NULL ? 0 : rd_kafka_header_cnt(headers);
}

static rd_kafka_headers_t *headers_of(const rd_kafka_message_t *source)
{
    rd_kafka_headers_t *headers = NULL;
    return rd_kafka_message_headers(source, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR ? headers : NULL;
}

static void view_headers(struct kafka_message *message, rd_kafka_headers_t *headers)
{
    const char *name;
    const void *value;
    size_t length, count = count_headers(headers);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_header_get_all(headers, i, &name, &value, &length);
        message->headers[i] = (struct stream_header){text_of(name), {value, length}};
    }
    message->message.headers = message->headers;
    message->message.header_count = count;
}

static struct kafka_message *message_new(struct kafka *kafka, rd_kafka_event_t *event,
                                         const rd_kafka_message_t *source)
{
    rd_kafka_headers_t *headers = headers_of(source);
    rd_kafka_timestamp_type_t kind;
    int64_t at_ms = rd_kafka_message_timestamp(source, &kind);
    struct kafka_message *message =
        object_alloc(sizeof *message + count_headers(headers) * sizeof *message->headers);
    view_headers(message, headers);
    message->message.key = (struct text){source->key, source->key_len};
    message->message.value = (struct text){source->payload, source->len};
    message->message.at_ms = at_ms > 0 ? at_ms : 0;
    message->kafka = kafka;
    message->event = event;
    message->number = source->partition;
    message->offset = source->offset;
    message->older = kafka->all;
    if (kafka->all != NULL)
        kafka->all->newer = message;
    kafka->all = message;
    return message;
}

static void message_free(struct kafka *kafka, struct kafka_message *message)
{
    if (message->newer != NULL)
        message->newer->older = message->older;
    else
        kafka->all = message->older;
    if (message->older != NULL)
        message->older->newer = message->newer;
    rd_kafka_event_destroy(message->event);
    if (message->answer_headers != NULL)
        rd_kafka_headers_destroy(message->answer_headers);
    free(message->bytes);
    free(message);
}

static void append(struct kafka_partition *partition, struct kafka_message *message)
{
    message->partition = partition;
    if (partition->last != NULL)
        partition->last->next = message;
    else
        partition->first = message;
    partition->last = message;
    if (partition->unproduced == NULL)
        partition->unproduced = message;
}

/* A partition that cannot be read says so in place of a message. */
static void complain(struct kafka *kafka, const rd_kafka_message_t *source)
{
    static long long last;
    if (source->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
        source->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
        kafka_fail(kafka, "%s: %s", kafka->job->source.name, rd_kafka_message_errstr(source));
    else if (log_allowed(&last, 10))
        log_warning("kafka: %s: %s", kafka->job->source.name, rd_kafka_message_errstr(source));
}

void kafka_take(struct kafka *kafka, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *source = rd_kafka_event_message_next(event);
    struct kafka_partition *partition = source == NULL ? NULL : kafka_partition_of(kafka, source->partition);
    if (source != NULL && source->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        complain(kafka, source);
    /* What comes of a partition that goes, comes to its next owner; what came before is not taken twice. */
    if (source == NULL || source->err != RD_KAFKA_RESP_ERR_NO_ERROR || partition == NULL ||
        partition->leaving || source->offset < partition->expected) {
        rd_kafka_event_destroy(event);
        return;
    }
    struct kafka_message *message = message_new(kafka, event, source);
    append(partition, message);
    partition->expected = message->offset + 1;
    kafka->unanswered++;
    kafka->unsettled++;
    kafka->events->message(kafka->self, &message->message);
}

/* ---- answered ---- */

static void keep_answer(struct kafka_message *message, const struct stream_answer *answer)
{
    message->key_length = answer->key.length;
    message->value_length = answer->value.length;
    message->is_tombstone = answer->value.at == NULL;
    message->bytes = object_alloc(answer->key.length + answer->value.length + 1);
    if (answer->key.length > 0)
        memcpy(message->bytes, answer->key.at, answer->key.length);
    if (answer->value.length > 0)
        memcpy(message->bytes + answer->key.length, answer->value.at, answer->value.length);
    message->answer_headers = rd_kafka_headers_new(answer->header_count);
    for (size_t i = 0; i < answer->header_count; i++) {
        const struct stream_header *header = &answer->headers[i];
        rd_kafka_header_add(message->answer_headers, header->name.at, (ssize_t)header->name.length,
                            header->value.at, (ssize_t)header->value.length);
    }
}

static void settle(struct kafka *kafka, struct kafka_message *message, bool dropped)
{
    kafka->unsettled--;
    if (!kafka->failed)
        kafka->events->settled(kafka->self, message->outcome, message->message.at_ms, dropped);
}

void kafka_answer(struct stream *stream, struct stream_message *of, const struct stream_answer *answer)
{
    struct kafka *kafka = (struct kafka *)stream;
    struct kafka_message *message = (struct kafka_message *)of;
    ENSURE(message->state == KAFKA_TAKEN && message->event != NULL);
    kafka->unanswered--;
    message->outcome = answer->outcome;
    message->state = KAFKA_ANSWERED;
    if (message->partition == NULL) {
        settle(kafka, message, true);
        message_free(kafka, message);
        kafka_poke(kafka);
        return;
    }
    if (answer->outcome != STREAM_SKIPPED)
        keep_answer(message, answer);
    rd_kafka_event_destroy(message->event);
    message->event = NULL;
    if (message->partition->unproduced == message)
        kafka_release(kafka, message->partition);
}

/* ---- produced ---- */

static const char *topic_of(const struct kafka *kafka, const struct kafka_message *message)
{
    return message->outcome == STREAM_BAD ? kafka->job->dead.name : kafka->job->sink.name;
}

/* Why a message was not produced, when trying again would not help. */
static bool is_permanent(rd_kafka_resp_err_t error)
{
    switch ((int)error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR__FATAL:
        return true;
    default:
        return false;
    }
}

static void fail_to_produce(struct kafka *kafka, const struct kafka_message *message,
                            rd_kafka_resp_err_t error)
{
    kafka_fail(kafka, "the answer to %s/%d@%lld cannot be produced to %s: %s", kafka->job->source.name,
               message->number, (long long)message->offset, topic_of(kafka, message),
               rd_kafka_err2str(error));
}

static bool refused(struct kafka *kafka, const struct kafka_message *message, rd_kafka_resp_err_t error)
{
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        kafka_call_at(kafka, loop_now(kafka->loop) + 10 * MILLISECOND);
    else if (kafka->transaction == KAFKA_OPEN && !is_permanent(error))
        kafka_spoil(kafka);
    else
        fail_to_produce(kafka, message, error);
    return false;
}

static bool produce(struct kafka *kafka, struct kafka_message *message)
{
    if (message->outcome == STREAM_SKIPPED) {
        message->state = KAFKA_ACKED;
        return true;
    }
    /* What may be produced again keeps its own. */
    rd_kafka_headers_t *headers =
        kafka->job->exactly_once ? rd_kafka_headers_copy(message->answer_headers) : message->answer_headers;
    char *key = message->key_length > 0 ? message->bytes : NULL;
    char *value = message->is_tombstone ? NULL : message->bytes + message->key_length;
    rd_kafka_resp_err_t error = rd_kafka_producev(
        kafka->producer, RD_KAFKA_V_TOPIC(topic_of(kafka, message)), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(key, message->key_length), RD_KAFKA_V_VALUE(value, message->value_length),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(message), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        message->state = KAFKA_PRODUCED;
        if (headers == message->answer_headers)
            message->answer_headers = NULL;
        return true;
    }
    if (headers != message->answer_headers)
        rd_kafka_headers_destroy(headers);
    return refused(kafka, message, error);
}

/* Takes what is safe from the partition's beginning, up to `end`. */
static void settle_until(struct kafka *kafka, struct kafka_partition *partition,
                         const struct kafka_message *end)
{
    while (partition->first != end && partition->first->state == KAFKA_ACKED) {
        struct kafka_message *message = partition->first;
        partition->first = message->next;
        if (partition->first == NULL)
            partition->last = NULL;
        partition->done = message->offset + 1;
        settle(kafka, message, false);
        message_free(kafka, message);
    }
}

void kafka_release(struct kafka *kafka, struct kafka_partition *partition)
{
    struct kafka_message *message;
    while ((message = partition->unproduced) != NULL && message->state == KAFKA_ANSWERED &&
           kafka_may_produce(kafka) && produce(kafka, message)) {
        partition->unproduced = message->next;
        partition->produced = message->offset + 1;
        kafka->transaction_count++;
    }
    if (!kafka->job->exactly_once)
        settle_until(kafka, partition, partition->unproduced);
    kafka_commit(kafka);
}

void kafka_release_all(struct kafka *kafka)
{
    for (struct kafka_partition *p = kafka->partitions; p != NULL && !kafka->failed; p = p->next)
        if (p->unproduced != NULL && p->unproduced->state == KAFKA_ANSWERED)
            kafka_release(kafka, p);
}

/* ---- acked ---- */

static void delivered(struct kafka *kafka, const rd_kafka_message_t *report)
{
    static long long last;
    struct kafka_message *message = report->_private;
    if (message->partition == NULL) { /* dropped meanwhile */
        message_free(kafka, message);
        return;
    }
    if (report->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        message->state = KAFKA_ACKED;
        if (!kafka->job->exactly_once)
            settle_until(kafka, message->partition, message->partition->unproduced);
        return;
    }
    if (!kafka->job->exactly_once || is_permanent(report->err)) {
        fail_to_produce(kafka, message, report->err);
        return;
    }
    if (report->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE && report->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT &&
        log_allowed(&last, 10))
        log_warning("kafka: %s: %s", topic_of(kafka, message), rd_kafka_err2str(report->err));
    kafka_spoil(kafka);
}

void kafka_delivered(struct kafka *kafka, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *report;
    while ((report = rd_kafka_event_message_next(event)) != NULL)
        delivered(kafka, report);
    rd_kafka_event_destroy(event);
    kafka_release_all(kafka); /* there may be room now */
    kafka_commit(kafka);
}

void kafka_settle_produced(struct kafka *kafka)
{
    for (struct kafka_partition *p = kafka->partitions; p != NULL; p = p->next) {
        settle_until(kafka, p, p->unproduced);
        p->committed = p->done;
    }
}

void kafka_unproduce(struct kafka *kafka)
{
    for (struct kafka_partition *p = kafka->partitions; p != NULL; p = p->next) {
        for (struct kafka_message *m = p->first; m != p->unproduced; m = m->next)
            m->state = KAFKA_ANSWERED;
        p->unproduced = p->first;
        p->produced = p->done;
    }
}

/* ---- dropped ---- */

void kafka_drop(struct kafka *kafka, struct kafka_partition *partition)
{
    struct kafka_message *message, *next;
    for (message = partition->first; message != NULL; message = next) {
        next = message->next;
        message->partition = NULL;
        message->next = NULL;
        if (message->state == KAFKA_TAKEN) /* the job gives it back */
            continue;
        settle(kafka, message, true);
        if (message->state != KAFKA_PRODUCED) /* else librdkafka does */
            message_free(kafka, message);
    }
    partition->first = partition->last = partition->unproduced = NULL;
}

void kafka_messages_free(struct kafka *kafka)
{
    while (kafka->all != NULL)
        message_free(kafka, kafka->all);
}
