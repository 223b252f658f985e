/* stream_kafka_messages: what is there of a message, from librdkafka's queue until its answer is safe.
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

static void hold(struct kafka_message *message, size_t bytes)
{
    message->bytes_held += bytes;
    message->kafka->bytes_held += bytes;
}

static size_t headers_bytes(const struct stream_header *headers, size_t count)
{
    size_t bytes = count * sizeof *headers;
    for (size_t i = 0; i < count; i++)
        bytes += headers[i].name.length + headers[i].value.length;
    return bytes;
}

bool kafka_is_full(const struct kafka *kafka)
{
    return kafka->bytes_held >= (size_t)kafka->job->window_bytes ||
           kafka->unsettled >= (size_t)kafka->job->window + KAFKA_UNSETTLED_MAX;
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
    hold(message, sizeof *message + source->key_len + source->len +
                      headers_bytes(message->headers, message->message.header_count));
    return message;
}

static void answer_free(struct kafka_message *message)
{
    if (message->answer_headers != NULL)
        rd_kafka_headers_destroy(message->answer_headers);
    message->answer_headers = NULL;
    free(message->bytes);
    message->bytes = NULL;
}

void kafka_message_free(struct kafka *kafka, struct kafka_message *message)
{
    if (message->newer != NULL)
        message->newer->older = message->older;
    else
        kafka->all = message->older;
    if (message->older != NULL)
        message->older->newer = message->newer;
    kafka->bytes_held -= message->bytes_held;
    rd_kafka_event_destroy(message->event);
    answer_free(message);
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
    if (!message->is_tombstone)
        memcpy(message->bytes + answer->key.length, answer->value.at, answer->value.length);
    message->answer_headers = rd_kafka_headers_new(answer->header_count);
    for (size_t i = 0; i < answer->header_count; i++) {
        const struct stream_header *header = &answer->headers[i];
        rd_kafka_header_add(message->answer_headers, header->name.at, (ssize_t)header->name.length,
                            header->value.at, (ssize_t)header->value.length);
    }
    hold(message,
         answer->key.length + answer->value.length + headers_bytes(answer->headers, answer->header_count));
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
    ENSURE(message->state == KAFKA_TAKEN);
    kafka->unanswered--;
    message->outcome = answer->outcome;
    message->state = KAFKA_ANSWERED;
    if (message->partition == NULL) {
        settle(kafka, message, true);
        kafka_message_free(kafka, message);
        kafka_poke(kafka);
        return;
    }
    if (answer->outcome != STREAM_SKIPPED)
        keep_answer(message, answer);
    if (message->partition->unproduced == message && !message->is_given_back)
        kafka_release(kafka, message->partition);
}

/* The answer is taken apart, not copied, but for the list of its headers. */
void kafka_give_back(struct kafka *kafka, struct kafka_message *message)
{
    size_t count = rd_kafka_header_cnt(message->answer_headers), length;
    struct stream_header *headers = object_alloc((count + 1) * sizeof *headers);
    const char *name;
    const void *value;
    for (size_t i = 0; i < count; i++) {
        rd_kafka_header_get_all(message->answer_headers, i, &name, &value, &length);
        headers[i] = (struct stream_header){text_of(name), {value, length}};
    }
    struct kafka_message old = *message;
    struct stream_answer refused = {
        .outcome = old.outcome,
        .key = {old.bytes, old.key_length},
        .value = {old.is_tombstone ? NULL : old.bytes + old.key_length, old.value_length},
        .headers = headers,
        .header_count = count};
    message->bytes = NULL;
    message->answer_headers = NULL;
    message->state = KAFKA_TAKEN;
    message->alone = false;
    message->is_given_back = true;
    kafka->unanswered++;
    kafka->events->too_large(kafka->self, &message->message, &refused);
    message->is_given_back = false;
    answer_free(&old);
    free(headers);
}

/* ---- done ---- */

void kafka_settle_until(struct kafka *kafka, struct kafka_partition *partition,
                        const struct kafka_message *end)
{
    struct kafka_message *message;
    while ((message = partition->first) != NULL && message != end && message->state == KAFKA_ACKED) {
        partition->first = message->next;
        if (partition->first == NULL)
            partition->last = NULL;
        partition->done = message->offset + 1;
        settle(kafka, message, false);
        kafka_message_free(kafka, message);
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
            kafka_message_free(kafka, message);
    }
    partition->first = partition->last = partition->unproduced = NULL;
    if (kafka->quiet_for == partition)
        kafka->quiet_for = NULL;
}

void kafka_messages_free(struct kafka *kafka)
{
    while (kafka->all != NULL)
        kafka_message_free(kafka, kafka->all);
}
