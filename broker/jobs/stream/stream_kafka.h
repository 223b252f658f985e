/* stream_kafka: what the files of Kafka share: a client's state, partitions, messages.
 * SPDX-License-Identifier: MIT
 *
 * Messages of a partition leave in the order in which they came, whatever order their answers come in: so the
 * offset that is committed is that of all before it, and an aborted transaction can be written anew.
 *
 *    taken ──► answered ──► produced ──► acked ──► settled (and freed)
 *                 ▲             │          │
 *                 └─────────────┴──────────┘  the transaction was aborted
 *
 * A message keeps its bytes until it is settled: an answer that no topic takes, as it is too large, goes back
 * to the job, and the message is taken again.
 *
 * A partition that goes to another consumer is let go when all that was taken of it is done and committed, or
 * at once when it is lost: then its messages are dropped, and are freed when they come back, from the job or
 * from librdkafka. */
#ifndef OUTRIGGER_STREAM_KAFKA_H
#define OUTRIGGER_STREAM_KAFKA_H

#include "clock.h"
#include "log.h"
#include "stream.h"
#include "stream_kafka_hand.h"

#include <librdkafka/rdkafka.h>

enum {
    KAFKA_INSTANCE_MAX = 192, /* bytes of an instance's name, with the terminator */
    KAFKA_UNSETTLED_MAX =
        10000, /* messages beyond the job's window whose answers wait to be safe: two transactions */
    KAFKA_TRANSACTION_MAX = 5000 /* messages of one: librdkafka is made for thousands */
};

enum kafka_state { KAFKA_TAKEN, KAFKA_ANSWERED, KAFKA_PRODUCED, KAFKA_ACKED };

struct kafka_message {
    struct stream_message message; /* first: the job hands it back */
    struct kafka *kafka;
    struct kafka_partition *partition;   /* NULL: it was dropped */
    struct kafka_message *next;          /* of the partition, by offset */
    struct kafka_message *newer, *older; /* of all */
    rd_kafka_event_t *event; /* its bytes; kept until it is settled, for an answer may be too large */
    size_t bytes_held;       /* of all that is here */
    int32_t number;          /* of the partition */
    int64_t offset;
    enum kafka_state state;
    enum stream_outcome outcome;
    char *bytes; /* of the answer: key, then value */
    size_t key_length, value_length;
    bool is_tombstone; /* it has no value, not an empty one */
    bool alone;        /* something was too large that it went with: it goes with nothing else */
    bool is_given_back;
    rd_kafka_headers_t *answer_headers;
    struct stream_header headers[]; /* message.headers */
};

struct kafka_partition {
    struct kafka_partition *next;
    int32_t number;
    struct kafka_message *first, *last,
        *unproduced;  /* NULL: none; unproduced: the first that is not produced */
    int64_t expected; /* the lowest offset that may come; 0: any */
    int64_t produced; /* the offset behind the last that is produced; -1: none is */
    int64_t done;     /* what may be committed, and what is; -1: nothing since the partition came */
    int64_t committed;
    bool leaving; /* it goes when it is clean */
    bool paused;  /* at Kafka */
};

/* The transaction's life; at least once has none. */
enum kafka_transaction {
    KAFKA_NONE,
    KAFKA_STARTING, /* the last one of our predecessor is ended */
    KAFKA_READY,    /* none is open */
    KAFKA_OPEN,
    KAFKA_COMMITTING,
    KAFKA_ABORTING
};

struct kafka {
    struct stream stream; /* first */
    struct loop *loop;
    const struct stream_job *job;
    const struct stream_events *events;
    void *self;
    char instance[KAFKA_INSTANCE_MAX];
    int instance_lock; /* -1: the instance was given */

    rd_kafka_t *consumer, *producer;
    rd_kafka_queue_t *of_consumer, *of_messages, *of_producer;
    int wake; /* an eventfd that all of them, and the hand, write to */
    struct loop_timer timer;
    int64_t timer_at; /* 0: not set */

    struct kafka_partition *partitions;
    struct kafka_message *all;
    size_t unanswered; /* messages that the job has */
    size_t unsettled;
    size_t bytes_held;                 /* of all messages and answers */
    size_t in_flight;                  /* messages of which librdkafka has not reported yet */
    bool alone;                        /* one of them is, and is to be, the only one */
    struct kafka_partition *quiet_for; /* nothing is produced but by this one; NULL: all may */

    bool paused;      /* by the job */
    int64_t pause_at; /* then partitions are paused at Kafka, too; 0: they are, or need not be */
    bool connected;
    bool failed;
    rd_kafka_event_t *held; /* a rebalance that waits for leaving partitions; NULL: none */
    int64_t held_until;
    rd_kafka_event_t
        *coming; /* partitions that are given to us, but it is not known yet from where on; NULL: none */

    bool committing;   /* at least once: offsets are on their way */
    int64_t commit_at; /* when they last were */

    struct kafka_hand *hand; /* exactly once */
    enum kafka_transaction transaction;
    size_t transaction_count; /* messages in it */
    int64_t transaction_at;   /* when it began */
    int64_t again_at;         /* not before this is another begun */
    bool spoiled;             /* it must be aborted */

    loop_call *drained; /* NULL: it is not drained */
    void *drained_self;
    bool drained_told;
};

/* ---- stream_kafka.c ---- */

/* It cannot go on: told once. */
void kafka_fail(struct kafka *kafka, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* on_timer comes at `at` at the latest. */
void kafka_call_at(struct kafka *kafka, int64_t at);
/* The loop comes round again soon. */
void kafka_poke(struct kafka *kafka);
/* What waits for messages to be done (a rebalance, the end) goes on if they are. */
void kafka_progress(struct kafka *kafka);

/* ---- stream_kafka_conf.c: settings ---- */

/* Makes both clients; false with `reason` when a setting is wrong. */
bool kafka_clients_new(struct kafka *kafka, char reason[STREAM_REASON_MAX]);

/* ---- stream_kafka_messages.c: from taken to settled ---- */

/* A message of the queue of messages, or what is wrong with the partition: the event is taken over. */
void kafka_take(struct kafka *kafka, rd_kafka_event_t *event);
void kafka_answer(struct stream *stream, struct stream_message *message, const struct stream_answer *answer);
/* Nothing more is taken for now, though the job would. */
bool kafka_is_full(const struct kafka *kafka);
/* The answer is too large for where it was to go: the job answers anew, or ends. */
void kafka_give_back(struct kafka *kafka, struct kafka_message *message);
/* Takes what is safe from the partition's beginning, up to `end`. */
void kafka_settle_until(struct kafka *kafka, struct kafka_partition *partition,
                        const struct kafka_message *end);
void kafka_message_free(struct kafka *kafka, struct kafka_message *message);
/* The messages of the partition are not ours any more. */
void kafka_drop(struct kafka *kafka, struct kafka_partition *partition);
void kafka_messages_free(struct kafka *kafka);

/* ---- stream_kafka_producing.c: from answered to safe ---- */

/* Produces what is answered and next in its partition, as far as that is possible now. */
void kafka_release(struct kafka *kafka, struct kafka_partition *partition);
void kafka_release_all(struct kafka *kafka);
/* librdkafka's reports on what was produced. */
void kafka_delivered(struct kafka *kafka, rd_kafka_event_t *event);
/* All that is produced is safe, or (aborted) has to be produced again. */
void kafka_settle_produced(struct kafka *kafka);
void kafka_unproduce(struct kafka *kafka);

/* ---- stream_kafka_group.c: partitions ---- */

/* Joins the group. */
void kafka_subscribe(struct kafka *kafka);
struct kafka_partition *kafka_partition_of(struct kafka *kafka, int32_t number);
/* Nothing of it is in hand, and all that is done is committed. */
bool kafka_partition_clean(const struct kafka_partition *partition);
void kafka_rebalance(struct kafka *kafka, rd_kafka_event_t *event); /* the event is taken over */
/* A rebalance that waited goes on if it can, or must. */
void kafka_rebalance_settle(struct kafka *kafka);
/* It goes on now, if there is one. */
void kafka_rebalance_end(struct kafka *kafka);
/* Pauses at Kafka what the job has paused for long, or resumes it. */
void kafka_pause_partitions(struct kafka *kafka, bool pause);
void kafka_partitions_free(struct kafka *kafka);
void kafka_tell_lag(struct kafka *kafka);

/* ---- stream_kafka_commit.c: offsets, transactions ---- */

/* Whether something may be produced now; begins a transaction if there is none. */
bool kafka_may_produce(struct kafka *kafka);
/* Commits when there is something, and it is time, or somebody waits for it. */
void kafka_commit(struct kafka *kafka);
void kafka_committed(struct kafka *kafka, rd_kafka_event_t *event);
/* The transaction, if one is open, is of no use any more. */
void kafka_spoil(struct kafka *kafka);
/* What the hand has done. */
void kafka_hand_done(struct kafka *kafka);

#endif
