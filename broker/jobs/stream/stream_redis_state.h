/* stream_redis_state: what the rooms of the Redis stream share. SPDX-License-Identifier: MIT
 *
 * Two connections: on the reader XREADGROUP waits for new entries, on the writer goes all else, so that what
 * Redis says there is in the order in which it was asked. An entry is in hand from its coming until its
 * answer is settled; in between it is known by its id, and not brought again, however often Redis shows it.
 */
#ifndef OUTRIGGER_STREAM_REDIS_STATE_H
#define OUTRIGGER_STREAM_REDIS_STATE_H

#include "clock.h"
#include "stream.h"
#include "stream_redis_link.h"
#include "stream_redis_words.h"

#include <uthash.h>

enum {
    REDIS_ID_MAX = 42,   /* bytes of an entry's id, with the terminator: two numbers and a dash */
    REDIS_SHA_BYTES = 40 /* of a script, as Redis says */
};

#define REDIS_WAIT     (2 * SECOND) /* for which XREADGROUP waits, */
#define REDIS_PATIENCE (3 * SECOND) /* and how much longer the answer may take */

/* An entry in hand. */
struct redis_message {
    struct stream_message message; /* first member */
    struct redis_stream *stream;
    char id[REDIS_ID_MAX];
    uint8_t id_length;
    uint8_t outcome; /* enum stream_outcome, once it is answered */
    size_t bytes;
    struct redis_message *next; /* in its batch */
    UT_hash_handle hh;          /* by id */
};

/* Answers on their way, as one call of the script. It is kept until Redis has answered. */
struct redis_batch {
    struct redis_stream *stream;
    struct redis_words words;
    struct redis_message *first, *last;
    size_t count;
    struct redis_batch *prev, *next; /* utlist.h */
};

struct redis_stream {
    struct stream stream; /* first member */
    const struct stream_context *context;
    struct redis_place place;
    struct secret *password;
    struct redis_link *reader, *writer;
    const char *group, *field;
    char consumer[256];
    const char *start;
    int64_t claim_ms;
    int64_t limits[2]; /* MAXLEN of sink and dead letters; 0: none */

    /* reading */
    struct redis_message *in_hand;
    size_t bytes_in_hand, largest; /* bytes of all, of the largest one so far */
    bool has_group;                /* of the writer's connection: the group is there */
    bool fetching;                 /* XREADGROUP waits */
    bool recalling;                /* entries that are ours already are asked for */
    bool recall_due;               /* and are to be: some may have been lost on the way */
    char recall_from[REDIS_ID_MAX];
    bool claiming;
    char claim_from[REDIS_ID_MAX];
    struct loop_timer claim;
    bool paused, draining;

    /* writing */
    struct redis_batch *gathering; /* NULL: none */
    struct redis_batch *sent;      /* and to be sent again when the connection is new */
    struct redis_batch *spare;
    char sha[REDIS_SHA_BYTES + 1];

    /* the whole */
    bool connected, failed;
    struct loop_timer end;
    loop_call *drained;
    void *drained_self;
};

/* stream_redis.c */
/* Tells the job that it cannot go on. */
void redis_stream_fail(struct redis_stream *stream, const char *reason);
/* An error of Redis: gives the connection up and tries again, or fails, when that would not help. */
void redis_stream_error(struct redis_stream *stream, struct redis_link *link, const char *error);
/* After whatever changed: fetches, recalls, ends. */
void redis_stream_next(struct redis_stream *stream);

/* stream_redis_reading.c */
void redis_reading_next(struct redis_stream *stream);
/* What is ours in Redis and not in hand is to be brought before anything else. */
void redis_reading_recall(struct redis_stream *stream);
void redis_reading_ignore(void *self, const redisReply *reply);
/* Takes those over that others leave, from now on. */
void redis_reading_begin(struct redis_stream *stream);
void redis_reading_end(struct redis_stream *stream);
void redis_message_free(struct redis_message *message);

/* stream_redis_writing.c */
void redis_writing_greet(struct redis_stream *stream); /* the connection is new */
void redis_writing_add(struct redis_stream *stream, struct redis_message *message,
                       const struct stream_answer *answer);
void redis_writing_flush(struct redis_stream *stream);
void redis_writing_end(struct redis_stream *stream);

#endif
