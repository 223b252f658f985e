/* stream_kafka_group: the partitions that the group gives us and takes away. A partition that is taken away
 * waits until what was taken of it is done and committed, so that its next owner begins behind it; the group
 * waits for us so long. One that is lost already has another owner: its messages are dropped.
 * SPDX-License-Identifier: MIT */
#include "stream_kafka.h"

#include <stdlib.h>

static const int64_t patience =
    30 * SECOND; /* with what is in hand: the group has max.poll.interval.ms, 5 minutes */

static const int64_t come_again = 100 * MILLISECOND;
enum { OFFSETS_MS = 500 /* the loop waits so long, at most, for what was committed */ };

void kafka_subscribe(struct kafka *kafka)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, kafka->job->source.name, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = rd_kafka_subscribe(kafka->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        kafka_fail(kafka, "%s cannot be subscribed to: %s", kafka->job->source.name, rd_kafka_err2str(error));
}

struct kafka_partition *kafka_partition_of(struct kafka *kafka, int32_t number)
{
    struct kafka_partition *partition = kafka->partitions;
    while (partition != NULL && partition->number != number)
        partition = partition->next;
    return partition;
}

bool kafka_partition_clean(const struct kafka_partition *partition)
{
    return partition->first == NULL && partition->committed >= partition->done;
}

/* Its messages come by a queue of their own: what the group says is heard while they wait. */
static void partition_add(struct kafka *kafka, int32_t number)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(kafka->consumer, kafka->job->source.name, number);
    if (queue != NULL) {
        rd_kafka_queue_forward(queue, kafka->of_messages);
        rd_kafka_queue_destroy(queue);
    }
    struct kafka_partition *partition = object_alloc(sizeof *partition);
    partition->number = number;
    partition->produced = partition->done = partition->committed = -1;
    partition->next = kafka->partitions;
    kafka->partitions = partition;
}

static void tell_lag(struct kafka *kafka, int32_t number, int64_t lag)
{
    char name[16];
    snprintf(name, sizeof name, "%d", number);
    kafka->events->lag(kafka->self, name, lag);
}

/* With what is in hand of it. What a transaction holds of it must not be committed. */
static void partition_remove(struct kafka *kafka, int32_t number)
{
    struct kafka_partition **at = &kafka->partitions;
    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    struct kafka_partition *partition = *at;
    if (partition == NULL)
        return;
    if (kafka->job->exactly_once && partition->produced > partition->committed)
        kafka_spoil(kafka);
    kafka_drop(kafka, partition);
    if (!kafka->failed)
        tell_lag(kafka, number, -1);
    *at = partition->next;
    free(partition);
}

void kafka_partitions_free(struct kafka *kafka)
{
    while (kafka->partitions != NULL) {
        struct kafka_partition *partition = kafka->partitions;
        kafka->partitions = partition->next;
        free(partition);
    }
}

static bool is_cooperative(const struct kafka *kafka)
{
    return strcmp(rd_kafka_rebalance_protocol(kafka->consumer), "COOPERATIVE") == 0;
}

/* NULL: all go. */
static void tell_librdkafka(struct kafka *kafka, const rd_kafka_topic_partition_list_t *list, bool come)
{
    char why[256] = "";
    if (is_cooperative(kafka)) {
        rd_kafka_error_t *error = come ? rd_kafka_incremental_assign(kafka->consumer, list)
                                       : rd_kafka_incremental_unassign(kafka->consumer, list);
        if (error != NULL)
            snprintf(why, sizeof why, "%s", rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    } else {
        rd_kafka_resp_err_t error = rd_kafka_assign(kafka->consumer, come ? list : NULL);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
            snprintf(why, sizeof why, "%s", rd_kafka_err2str(error));
    }
    if (*why != '\0')
        kafka_fail(kafka, "partitions cannot be %s: %s", come ? "taken" : "let go", why);
}

/* Where to begin: asked for here, since librdkafka, whose own question comes in between when a transaction of
 * the predecessor is not ended yet and the group changes meanwhile, would begin as if nothing had ever been
 * committed. False: it is not known yet. */
static bool find_offsets(struct kafka *kafka, rd_kafka_topic_partition_list_t *list)
{
    bool latest = strcmp(stream_address_option(&kafka->job->source, "offset", "earliest"), "latest") == 0;
    if (list->cnt == 0)
        return true;
    if (rd_kafka_committed(kafka->consumer, list, OFFSETS_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return false;
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].offset < 0)
            list->elems[i].offset = latest ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
    return true;
}

static void come(struct kafka *kafka)
{
    rd_kafka_event_t *event = kafka->coming;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_copy(rd_kafka_event_topic_partition_list(event));
    if (find_offsets(kafka, list) || rd_kafka_assignment_lost(kafka->consumer)) {
        kafka->coming = NULL;
        for (int i = 0; i < list->cnt; i++) {
            partition_remove(kafka, list->elems[i].partition); /* it cannot be there */
            partition_add(kafka, list->elems[i].partition);
        }
        log_info("kafka: %d partitions of %s come to %s", list->cnt, kafka->job->source.name,
                 kafka->instance);
        tell_librdkafka(kafka, list, true);
        rd_kafka_event_destroy(event);
    } else {
        kafka_call_at(kafka, loop_now(kafka->loop) + come_again);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

void kafka_rebalance_end(struct kafka *kafka)
{
    if (kafka->coming != NULL) {
        tell_librdkafka(kafka, rd_kafka_event_topic_partition_list(kafka->coming), true);
        rd_kafka_event_destroy(kafka->coming);
        kafka->coming = NULL;
    }
    if (kafka->held == NULL)
        return;
    rd_kafka_event_t *event = kafka->held;
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    kafka->held = NULL;
    for (int i = 0; i < list->cnt; i++)
        partition_remove(kafka, list->elems[i].partition);
    log_info("kafka: %d partitions of %s leave %s", list->cnt, kafka->job->source.name, kafka->instance);
    tell_librdkafka(kafka, list, false);
    rd_kafka_event_destroy(event);
}

/* The messages that it still has are not taken any more (kafka_take). */
static void hold(struct kafka *kafka, rd_kafka_event_t *event)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    kafka_rebalance_end(kafka); /* librdkafka has one at a time */
    for (int i = 0; i < list->cnt; i++) {
        struct kafka_partition *partition = kafka_partition_of(kafka, list->elems[i].partition);
        if (partition != NULL)
            partition->leaving = true;
    }
    kafka->held = event;
    kafka->held_until = loop_now(kafka->loop) + (rd_kafka_assignment_lost(kafka->consumer) ? 0 : patience);
    kafka_call_at(kafka, kafka->held_until);
    kafka_commit(kafka);
}

static void take_partitions(struct kafka *kafka, rd_kafka_event_t *event)
{
    if (kafka->coming != NULL) /* librdkafka has one at a time */
        rd_kafka_event_destroy(kafka->coming);
    kafka->coming = event;
    come(kafka);
}

void kafka_rebalance(struct kafka *kafka, rd_kafka_event_t *event)
{
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        take_partitions(kafka, event);
    else
        hold(kafka, event);
}

static bool is_held(const struct kafka *kafka)
{
    for (const struct kafka_partition *p = kafka->partitions; p != NULL; p = p->next)
        if (p->leaving && !kafka_partition_clean(p))
            return true;
    return false;
}

void kafka_rebalance_settle(struct kafka *kafka)
{
    if (kafka->coming != NULL && !kafka->failed)
        come(kafka);
    if (kafka->held != NULL && !kafka->failed &&
        (!is_held(kafka) || loop_now(kafka->loop) >= kafka->held_until ||
         rd_kafka_assignment_lost(kafka->consumer)))
        kafka_rebalance_end(kafka);
}

/* librdkafka forgets what it has fetched ahead of a paused partition, and goes on behind the last message
 * that it handed out; if it has handed out none, behind the last that it fetched, and those would be lost:
 * such a partition is not paused. */
void kafka_pause_partitions(struct kafka *kafka, bool pause)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (struct kafka_partition *p = kafka->partitions; p != NULL; p = p->next)
        if (p->paused != pause && p->expected > 0) {
            rd_kafka_topic_partition_list_add(list, kafka->job->source.name, p->number);
            p->paused = pause;
        }
    if (list->cnt > 0 && pause)
        rd_kafka_pause_partitions(kafka->consumer, list);
    else if (list->cnt > 0)
        rd_kafka_resume_partitions(kafka->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Up to the high watermark as it was told with the last fetch; of a partition from which nothing was taken
 * yet, all that it has, if anything of any waits here. */
static int64_t lag_of(const struct kafka *kafka, const struct kafka_partition *partition, bool waits)
{
    int64_t low, high;
    if (rd_kafka_get_watermark_offsets(kafka->consumer, kafka->job->source.name, partition->number, &low,
                                       &high) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        high < 0)
        return -1;
    int64_t from = partition->done >= 0       ? partition->done
                   : partition->first != NULL ? partition->first->offset
                   : waits                    ? low
                                              : high;
    return high > from ? high - from : 0;
}

void kafka_tell_lag(struct kafka *kafka)
{
    bool waits = rd_kafka_queue_length(kafka->of_messages) > 0;
    for (const struct kafka_partition *p = kafka->partitions; p != NULL && !kafka->failed; p = p->next)
        tell_lag(kafka, p->number, lag_of(kafka, p, waits));
}
