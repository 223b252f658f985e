/* stream_kafka_hand: a thread that waits for transactions, so that the loop does not.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STREAM_KAFKA_HAND_H
#define OUTRIGGER_STREAM_KAFKA_HAND_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>

enum kafka_result {
    KAFKA_DONE,
    KAFKA_ABORT, /* the transaction must be aborted */
    KAFKA_FATAL  /* the producer is of no use any more */
};

struct kafka_hand;

/* `wake` (an eventfd) is written to when something is done. The producer must outlive it. NULL: no thread. */
struct kafka_hand *kafka_hand_new(rd_kafka_t *producer, int wake);
/* Ends what a process of the same transactional.id has left; nothing is produced before. Retried for ever. */
void kafka_hand_start(struct kafka_hand *hand);
/* Both are taken over. Retried while that helps. */
void kafka_hand_commit(struct kafka_hand *hand, rd_kafka_topic_partition_list_t *offsets,
                       rd_kafka_consumer_group_metadata_t *group);
void kafka_hand_abort(struct kafka_hand *hand);
/* One thing at a time: false while it is not done; once true with the result, and why when it is not
 * KAFKA_DONE. */
bool kafka_hand_result(struct kafka_hand *hand, enum kafka_result *result, char *reason, size_t capacity);
/* Ends the thread; false when it waits for a server and cannot be ended: then it, and the producer, stay. */
bool kafka_hand_free(struct kafka_hand *hand);

#endif
