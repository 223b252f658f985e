/* stream_kafka_hand: librdkafka's calls for transactions wait, for milliseconds when all is well and for a
 * minute when brokers are away. They are made here, one at a time, while the loop goes on (as it must: what
 * was produced counts as delivered only when the loop has taken the report). SPDX-License-Identifier: MIT */
#include "stream_kafka_hand.h"

#include "object.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    HAND_MAGIC = 0x6b68616e,
    REASON_MAX = 400,
    START_MS = 500,    /* a wait of the start, which is tried again */
    OFFSETS_MS = 5000, /* a wait for the group's coordinator, which is tried again */
    PAUSE_MS = 100     /* before another try */
};

enum work { NOTHING, START, COMMIT, ABORT, END };

struct kafka_hand {
    unsigned magic;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t given;
    rd_kafka_t *producer;
    int wake;
    enum work work; /* what is to be done; NOTHING: it is done */
    rd_kafka_topic_partition_list_t *offsets;
    rd_kafka_consumer_group_metadata_t *group;
    bool told; /* the result has been asked for */
    enum kafka_result result;
    char reason[REASON_MAX];
    atomic_bool ending;
};

/* What an error means; it is destroyed. True when the call shall be made again. */
static bool again(struct kafka_hand *hand, rd_kafka_error_t *error, const char *what,
                  enum kafka_result *result)
{
    *result = KAFKA_DONE;
    if (error == NULL)
        return false;
    bool retriable = rd_kafka_error_is_retriable(error);
    if (rd_kafka_error_txn_requires_abort(error))
        *result = KAFKA_ABORT;
    else if (!retriable)
        *result = KAFKA_FATAL;
    snprintf(hand->reason, sizeof hand->reason, "%s: %s", what, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    if (*result != KAFKA_DONE)
        return false;
    *result = KAFKA_ABORT; /* for who ends while it still fails */
    if (hand->ending)
        return false;
    poll(NULL, 0, PAUSE_MS);
    return true;
}

static enum kafka_result start(struct kafka_hand *hand)
{
    enum kafka_result result;
    while (
        again(hand, rd_kafka_init_transactions(hand->producer, START_MS), "starting transactions", &result))
        ;
    return result;
}

/* Without an end of their own: librdkafka's advice for the two that follow. */
static enum kafka_result commit(struct kafka_hand *hand)
{
    enum kafka_result result;
    while (again(hand,
                 rd_kafka_send_offsets_to_transaction(hand->producer, hand->offsets, hand->group, OFFSETS_MS),
                 "offsets of a transaction", &result))
        ;
    if (result != KAFKA_DONE)
        return result;
    while (again(hand, rd_kafka_commit_transaction(hand->producer, -1), "committing a transaction", &result))
        ;
    return result;
}

static enum kafka_result roll_back(struct kafka_hand *hand)
{
    enum kafka_result result;
    while (again(hand, rd_kafka_abort_transaction(hand->producer, -1), "aborting a transaction", &result))
        ;
    return result == KAFKA_ABORT ? KAFKA_FATAL : result;
}

static enum kafka_result carry_out(struct kafka_hand *hand, enum work work)
{
    return work == START ? start(hand) : work == COMMIT ? commit(hand) : roll_back(hand);
}

static void *run(void *self)
{
    struct kafka_hand *hand = self;
    const uint64_t one = 1;
    pthread_mutex_lock(&hand->lock);
    while (hand->work != END) {
        if (hand->work == NOTHING) {
            pthread_cond_wait(&hand->given, &hand->lock);
            continue;
        }
        enum work work = hand->work;
        pthread_mutex_unlock(&hand->lock);
        enum kafka_result result = carry_out(hand, work);
        pthread_mutex_lock(&hand->lock);
        hand->result = result;
        hand->told = false;
        if (hand->work == work)
            hand->work = NOTHING;
        while (write(hand->wake, &one, sizeof one) < 0 && errno == EINTR)
            ;
    }
    pthread_mutex_unlock(&hand->lock);
    return NULL;
}

struct kafka_hand *kafka_hand_new(rd_kafka_t *producer, int wake)
{
    struct kafka_hand *hand = object_alloc(sizeof *hand);
    hand->magic = HAND_MAGIC;
    hand->producer = producer;
    hand->wake = wake;
    hand->told = true;
    pthread_mutex_init(&hand->lock, NULL);
    pthread_cond_init(&hand->given, NULL);
    if (pthread_create(&hand->thread, NULL, run, hand) == 0)
        return hand;
    pthread_cond_destroy(&hand->given);
    pthread_mutex_destroy(&hand->lock);
    free(hand);
    return NULL;
}

static void release(struct kafka_hand *hand)
{
    if (hand->offsets != NULL)
        rd_kafka_topic_partition_list_destroy(hand->offsets);
    if (hand->group != NULL)
        rd_kafka_consumer_group_metadata_destroy(hand->group);
    hand->offsets = NULL;
    hand->group = NULL;
}

static void give(struct kafka_hand *hand, enum work work)
{
    CHECK_OBJECT(hand, HAND_MAGIC);
    pthread_mutex_lock(&hand->lock);
    ENSURE(hand->work == NOTHING && hand->told);
    hand->work = work;
    pthread_cond_signal(&hand->given);
    pthread_mutex_unlock(&hand->lock);
}

void kafka_hand_start(struct kafka_hand *hand)
{
    give(hand, START);
}

void kafka_hand_commit(struct kafka_hand *hand, rd_kafka_topic_partition_list_t *offsets,
                       rd_kafka_consumer_group_metadata_t *group)
{
    release(hand);
    hand->offsets = offsets;
    hand->group = group;
    give(hand, COMMIT);
}

void kafka_hand_abort(struct kafka_hand *hand)
{
    give(hand, ABORT);
}

bool kafka_hand_result(struct kafka_hand *hand, enum kafka_result *result, char *reason, size_t capacity)
{
    CHECK_OBJECT(hand, HAND_MAGIC);
    pthread_mutex_lock(&hand->lock);
    bool is = hand->work == NOTHING && !hand->told;
    if (is) {
        hand->told = true;
        *result = hand->result;
        snprintf(reason, capacity, "%s", hand->reason);
    }
    pthread_mutex_unlock(&hand->lock);
    return is;
}

bool kafka_hand_free(struct kafka_hand *hand)
{
    if (hand == NULL)
        return true;
    CHECK_OBJECT(hand, HAND_MAGIC);
    atomic_store(&hand->ending, true);
    pthread_mutex_lock(&hand->lock);
    bool waits = hand->work == COMMIT || hand->work == ABORT; /* for as long as it takes */
    hand->work = END;
    pthread_cond_signal(&hand->given);
    pthread_mutex_unlock(&hand->lock);
    if (waits) {
        pthread_detach(hand->thread);
        return false;
    }
    pthread_join(hand->thread, NULL);
    release(hand);
    pthread_cond_destroy(&hand->given);
    pthread_mutex_destroy(&hand->lock);
    hand->magic = 0;
    free(hand);
    return true;
}
