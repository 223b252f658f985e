/* stream_kafka_producing: answers on their way: in the order of their messages, as far as that is possible;
 * again when they did not arrive, alone when they were too large together, and back to the job when one is
 * too large alone. SPDX-License-Identifier: MIT */
#include "stream_kafka.h"

/* ---- produced ---- */

static const char *topic_of(const struct kafka *kafka, const struct kafka_message *message)
{
    return message->outcome == STREAM_BAD ? kafka->job->dead.name : kafka->job->sink.name;
}

/* Why a message was not produced, when trying again would not help. */
static bool is_permanent(rd_kafka_resp_err_t error)
{
    switch ((int)error) {
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

/* It is not produced now; true when it is answered anew. */
static bool refused(struct kafka *kafka, struct kafka_message *message, rd_kafka_resp_err_t error)
{
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        kafka_give_back(kafka, message);
        return true;
    }
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        kafka_call_at(kafka, loop_now(kafka->loop) + 10 * MILLISECOND);
    else if (kafka->transaction == KAFKA_OPEN && !is_permanent(error))
        kafka_spoil(kafka);
    else
        fail_to_produce(kafka, message, error);
    return false;
}

/* True when it is produced, or answered anew. It may have to be produced again, so it keeps its headers. */
static bool produce(struct kafka *kafka, struct kafka_message *message)
{
    if (message->outcome == STREAM_SKIPPED) {
        message->state = KAFKA_ACKED;
        kafka->transaction_count++;
        return true;
    }
    rd_kafka_headers_t *headers = rd_kafka_headers_copy(message->answer_headers);
    char *key = message->key_length > 0 ? message->bytes : NULL;
    char *value = message->is_tombstone ? NULL : message->bytes + message->key_length;
    rd_kafka_resp_err_t error = rd_kafka_producev(
        kafka->producer, RD_KAFKA_V_TOPIC(topic_of(kafka, message)), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(key, message->key_length), RD_KAFKA_V_VALUE(value, message->value_length),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(message), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_headers_destroy(headers);
        return refused(kafka, message, error);
    }
    message->state = KAFKA_PRODUCED;
    kafka->transaction_count++;
    kafka->in_flight++;
    kafka->alone = message->alone;
    return true;
}

/* One that goes alone goes when nothing else is in flight, for which all others wait. */
static bool may_go(struct kafka *kafka, const struct kafka_message *message)
{
    if (!kafka_may_produce(kafka) || kafka->alone ||
        (kafka->quiet_for != NULL && kafka->quiet_for != message->partition))
        return false;
    bool waits = message->alone && kafka->in_flight > 0;
    kafka->quiet_for = waits ? message->partition : NULL;
    return !waits;
}

void kafka_release(struct kafka *kafka, struct kafka_partition *partition)
{
    struct kafka_message *message;
    while ((message = partition->unproduced) != NULL && message->state != KAFKA_TAKEN) {
        if (message->state == KAFKA_ANSWERED) {
            if (!may_go(kafka, message) || !produce(kafka, message))
                break;
            continue; /* it may have been answered anew */
        }
        partition->unproduced = message->next;
        if (partition->produced <= message->offset)
            partition->produced = message->offset + 1;
    }
    if (!kafka->job->exactly_once)
        kafka_settle_until(kafka, partition, partition->unproduced);
    kafka_commit(kafka);
}

void kafka_release_all(struct kafka *kafka)
{
    for (struct kafka_partition *p = kafka->partitions; p != NULL && !kafka->failed; p = p->next)
        if (p->unproduced != NULL && p->unproduced->state == KAFKA_ANSWERED)
            kafka_release(kafka, p);
}

/* ---- acked ---- */

/* It is produced again, though what came after it is safe already. */
static void produce_again(struct kafka *kafka, struct kafka_message *message)
{
    struct kafka_partition *partition = message->partition;
    if (kafka->job->exactly_once)
        kafka_spoil(kafka); /* then all of the transaction is */
    else if (partition->unproduced == NULL || message->offset < partition->unproduced->offset)
        partition->unproduced = message;
}

/* A broker says so of a batch: any message may be the one, or all of them together. So each goes alone, and
 * the one that is too large all the same is known. */
static void was_too_large(struct kafka *kafka, struct kafka_message *message)
{
    static long long last;
    if (message->alone) {
        kafka_give_back(kafka, message);
        produce_again(kafka, message);
        return;
    }
    if (log_allowed(&last, 10))
        log_warning(
            "kafka: a message, or several together, are too large for %s: each is sent alone; where "
            "that is said often, kafka's batch.size should be less than the topic's max.message.bytes",
            topic_of(kafka, message));
    message->alone = true;
    produce_again(kafka, message);
}

static void not_delivered(struct kafka *kafka, struct kafka_message *message, rd_kafka_resp_err_t error)
{
    static long long last;
    message->state = KAFKA_ANSWERED;
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        was_too_large(kafka, message);
        return;
    }
    if (!kafka->job->exactly_once || is_permanent(error)) {
        fail_to_produce(kafka, message, error);
        return;
    }
    if (error != RD_KAFKA_RESP_ERR__PURGE_QUEUE && error != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT &&
        log_allowed(&last, 10))
        log_warning("kafka: %s: %s", topic_of(kafka, message), rd_kafka_err2str(error));
    kafka_spoil(kafka);
}

static void delivered(struct kafka *kafka, const rd_kafka_message_t *report)
{
    struct kafka_message *message = report->_private;
    if (--kafka->in_flight == 0)
        kafka->alone = false;
    if (message->partition == NULL) { /* dropped meanwhile */
        kafka_message_free(kafka, message);
    } else if (report->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        not_delivered(kafka, message, report->err);
    } else {
        message->state = KAFKA_ACKED;
        if (!kafka->job->exactly_once)
            kafka_settle_until(kafka, message->partition, message->partition->unproduced);
    }
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
        kafka_settle_until(kafka, p, p->unproduced);
        p->committed = p->done;
    }
}

void kafka_unproduce(struct kafka *kafka)
{
    for (struct kafka_partition *p = kafka->partitions; p != NULL; p = p->next) {
        for (struct kafka_message *m = p->first; m != p->unproduced; m = m->next)
            if (m->state != KAFKA_TAKEN)
                m->state = KAFKA_ANSWERED;
        p->unproduced = p->first;
        p->produced = p->done;
    }
}
