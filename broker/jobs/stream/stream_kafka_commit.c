/* stream_kafka_commit: when a message counts as done. At least once: its partition's offset is committed a
 * moment after its answer was acknowledged. Exactly once: answers and offsets are one transaction.
 *
 *    starting ──► ready ──► open ──► committing ──► ready
 *                            │           │
 *                            └───────────┴──► aborting ──► ready
 *
 * An abort makes answers unproduced, not undone: they are kept until their transaction is committed, and go
 * into the next one. SPDX-License-Identifier: MIT */
#include "stream_kafka.h"

static const int64_t commit_every = 100 * MILLISECOND;     /* at least once */
static const int64_t commit_soon = 10 * MILLISECOND;       /* when somebody waits for it */
static const int64_t transaction_most = 200 * MILLISECOND; /* under load: the longer, the fewer commits */
static const int64_t transaction_least = 10 * MILLISECOND; /* when nothing else is under way */
static const int64_t abort_pause = 100 * MILLISECOND;      /* what went wrong may do so again */

/* Somebody waits for what is done to be committed. */
static bool is_urgent(const struct kafka *kafka)
{
    return kafka->held != NULL || kafka->drained != NULL;
}

/* ---- at least once ---- */

static rd_kafka_topic_partition_list_t *list_done(const struct kafka *kafka)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (const struct kafka_partition *p = kafka->partitions; p != NULL; p = p->next)
        if (p->done > p->committed)
            rd_kafka_topic_partition_list_add(list, kafka->job->source.name, p->number)->offset = p->done;
    return list;
}

static bool is_something_done(const struct kafka *kafka)
{
    for (const struct kafka_partition *p = kafka->partitions; p != NULL; p = p->next)
        if (p->done > p->committed)
            return true;
    return false;
}

static void commit_offsets(struct kafka *kafka)
{
    int64_t now = loop_now(kafka->loop);
    int64_t due = kafka->commit_at + (is_urgent(kafka) ? commit_soon : commit_every);
    if (kafka->committing || !is_something_done(kafka))
        return;
    if (now < due) {
        kafka_call_at(kafka, due);
        return;
    }
    rd_kafka_topic_partition_list_t *list = list_done(kafka);
    kafka->committing = rd_kafka_commit_queue(kafka->consumer, list, kafka->of_consumer, NULL, NULL) ==
                        RD_KAFKA_RESP_ERR_NO_ERROR;
    kafka->commit_at = now;
    if (!kafka->committing)
        kafka_call_at(kafka, now + commit_every);
    rd_kafka_topic_partition_list_destroy(list);
}

void kafka_committed(struct kafka *kafka, rd_kafka_event_t *event)
{
    static long long last;
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    kafka->committing = false;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR && log_allowed(&last, 10))
        log_warning("kafka: offsets are not committed yet: %s", rd_kafka_event_error_string(event));
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        struct kafka_partition *partition = kafka_partition_of(kafka, list->elems[i].partition);
        if (partition != NULL && error == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].err == error &&
            list->elems[i].offset > partition->committed && list->elems[i].offset <= partition->done)
            partition->committed = list->elems[i].offset;
    }
    rd_kafka_event_destroy(event);
    kafka_commit(kafka);
}

/* ---- exactly once ---- */

static bool begin(struct kafka *kafka)
{
    rd_kafka_error_t *error = rd_kafka_begin_transaction(kafka->producer);
    if (error != NULL) {
        kafka_fail(kafka, "beginning a transaction: %s", rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        return false;
    }
    kafka->transaction = KAFKA_OPEN;
    kafka->transaction_count = 0;
    kafka->transaction_at = loop_now(kafka->loop);
    kafka->spoiled = false;
    kafka_call_at(kafka, kafka->transaction_at + transaction_least);
    return true;
}

bool kafka_may_produce(struct kafka *kafka)
{
    if (kafka->failed)
        return false;
    if (!kafka->job->exactly_once)
        return true;
    if (kafka->transaction == KAFKA_READY) {
        if (loop_now(kafka->loop) >= kafka->again_at)
            return begin(kafka);
        kafka_call_at(kafka, kafka->again_at);
        return false;
    }
    return kafka->transaction == KAFKA_OPEN && !kafka->spoiled &&
           kafka->transaction_count < KAFKA_TRANSACTION_MAX;
}

static rd_kafka_topic_partition_list_t *list_produced(const struct kafka *kafka)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (const struct kafka_partition *p = kafka->partitions; p != NULL; p = p->next)
        if (p->produced > p->committed)
            rd_kafka_topic_partition_list_add(list, kafka->job->source.name, p->number)->offset = p->produced;
    return list;
}

static bool is_time(struct kafka *kafka)
{
    int64_t age = loop_now(kafka->loop) - kafka->transaction_at;
    if (kafka->transaction_count >= KAFKA_TRANSACTION_MAX || is_urgent(kafka) || age >= transaction_most)
        return true;
    if (kafka->unanswered == 0 && age >= transaction_least &&
        (kafka_is_full(kafka) || rd_kafka_queue_length(kafka->of_messages) == 0))
        return true;
    kafka_call_at(kafka,
                  kafka->transaction_at + (age < transaction_least ? transaction_least : transaction_most));
    return false;
}

static void roll_back(struct kafka *kafka)
{
    kafka->transaction = KAFKA_ABORTING;
    kafka_hand_abort(kafka->hand);
}

/* The group's generation is asked for first: had we been thrown out of the group before that, the assignment
 * would be lost by now, and a commit without a generation would be taken from anybody. */
static void commit_transaction(struct kafka *kafka)
{
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(kafka->consumer);
    if (group == NULL || rd_kafka_assignment_lost(kafka->consumer)) {
        if (group != NULL)
            rd_kafka_consumer_group_metadata_destroy(group);
        roll_back(kafka);
        return;
    }
    kafka->transaction = KAFKA_COMMITTING;
    kafka_hand_commit(kafka->hand, list_produced(kafka), group);
}

static void commit_when_due(struct kafka *kafka)
{
    if (kafka->transaction != KAFKA_OPEN)
        return;
    if (kafka->spoiled)
        roll_back(kafka);
    else if (kafka->transaction_count > 0 && is_time(kafka))
        commit_transaction(kafka);
}

void kafka_spoil(struct kafka *kafka)
{
    kafka->spoiled = true; /* also of one that is being committed: that fails on its own */
    kafka_poke(kafka);
}

static void aborted(struct kafka *kafka)
{
    kafka_unproduce(kafka);
    kafka->again_at = loop_now(kafka->loop) + abort_pause;
}

void kafka_hand_done(struct kafka *kafka)
{
    static long long last;
    enum kafka_result result;
    char reason[STREAM_REASON_MAX];
    if (kafka->hand == NULL || !kafka_hand_result(kafka->hand, &result, reason, sizeof reason))
        return;
    if (result == KAFKA_FATAL) {
        kafka_fail(kafka, "%s", reason);
        return;
    }
    if (result == KAFKA_ABORT && kafka->transaction == KAFKA_COMMITTING) {
        if (log_allowed(&last, 1))
            log_warning("kafka: a transaction is aborted and made again: %s", reason);
        roll_back(kafka);
        return;
    }
    if (kafka->transaction == KAFKA_STARTING)
        kafka_subscribe(kafka);
    else if (kafka->transaction == KAFKA_COMMITTING)
        kafka_settle_produced(kafka);
    else if (kafka->transaction == KAFKA_ABORTING)
        aborted(kafka);
    kafka->transaction = KAFKA_READY;
    kafka_release_all(kafka);
}

void kafka_commit(struct kafka *kafka)
{
    if (kafka->failed)
        return;
    if (kafka->job->exactly_once)
        commit_when_due(kafka);
    else
        commit_offsets(kafka);
}
