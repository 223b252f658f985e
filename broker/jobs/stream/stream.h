/* stream: what a stream is to the job, so that another one is one more file. SPDX-License-Identifier: MIT
 *
 * A stream of a kind brings messages, takes an answer for each, and sees to it that the message counts as
 * done when its answer is safe, not before (at least once), or exactly when it is (exactly once). All of it
 * lives on the thread and the loop of the job; nothing here waits, but for open, which may for a second.
 *
 *    open ─► message ─► ... ─► answer ─► settled          a message is of the stream: it, and all that it
 *             (job scores)      (produced, then            points to, stays until it is answered, which each
 *                                committed)                is exactly once, whatever became of its server,
 *                                                          partition or transaction meanwhile
 *
 * What is lost on the way (a connection, a partition, a transaction) the stream handles on its own: it tries
 * again, brings messages again that are not settled, and drops answers to those that another job has got.
 * What no trying mends (a password, a stream of another type) it tells by `failed`. */
#ifndef OUTRIGGER_STREAM_H
#define OUTRIGGER_STREAM_H

#include "loop.h"
#include "object.h"
#include "stream_address.h"
#include "stream_job.h"

enum {
    STREAM_REASON_MAX = 512,  /* bytes of why something failed, with the terminator */
    STREAM_POSITION_MAX = 512 /* bytes of where a message stands, with the terminator */
};

/* A header of Kafka, a field beside the value of an entry of Redis. Values are any bytes. */
struct stream_header {
    struct text name;
    struct text value;
};

/* One message. The kind embeds it as the first member of its own. */
struct stream_message {
    struct text key;   /* empty: none */
    struct text value; /* what is to be scored; at = NULL: there is none (a tombstone, no such field) */
    const struct stream_header *headers; /* as they came, traceparent and tracestate among them */
    size_t header_count;
    int64_t at_ms; /* when it was put there, by the server's clock: ms since 1970; 0: not known */
};

/* What a job ends with. */
enum stream_exit {
    STREAM_EXIT_DONE = 0,   /* stopped, and all that was in hand is done */
    STREAM_EXIT_FAILED = 1, /* the stream or the model cannot go on */
    STREAM_EXIT_USAGE = 2,  /* the job is wrong */
    STREAM_EXIT_NOTHING_RUNS = 3,
    STREAM_EXIT_BAD = 4,        /* a message cannot be scored, and there are no dead letters */
    STREAM_EXIT_INTERRUPTED = 5 /* stopped, and something was not done in time */
};

/* What becomes of a message. */
enum stream_outcome {
    STREAM_SCORED, /* the answer goes to the sink */
    STREAM_BAD,    /* the answer goes to the dead letters */
    STREAM_SKIPPED /* nothing is produced: it is only done */
};

/* Key, value and headers of what is produced; for STREAM_SKIPPED they do not matter. Views, good during the
 * call: the kind copies. */
struct stream_answer {
    enum stream_outcome outcome;
    struct text key;
    struct text value;
    const struct stream_header *headers;
    size_t header_count;
};

/* What a stream tells the job; `self` is the context's. None is called before open has returned. */
struct stream_events {
    /* A message, while the stream is not paused. It is answered later, or at once, within the call. */
    void (*message)(void *self, struct stream_message *message);
    /* An answer is safe and its message done. `at_ms` is the message's. Answers that the stream dropped
     * (another job has the message now, or it comes again) are told with `dropped`. */
    void (*settled)(void *self, enum stream_outcome outcome, int64_t at_ms, bool dropped);
    /* Messages of that partition ("": it has none) that are not done for this group yet; -1: not known.
     * Whenever it is known anew, and after `measure`. */
    void (*lag)(void *self, const char *partition, int64_t messages);
    /* The server is there (true) or away (false): for people and gauges. */
    void (*connected)(void *self, bool is);
    /* The sink or the dead letters, whichever `refused` is for, take nothing as large as it: the message is
     * to be answered anew, with less or to another place, within the call, unless the job ends. `refused` is
     * good during the call. */
    void (*too_large)(void *self, struct stream_message *message, const struct stream_answer *refused);
    /* It cannot go on, and trying again would not help. Nothing more is called but the end (close). */
    void (*failed)(void *self, const char *reason);
};

/* What a stream is made with; all outlives it. */
struct stream_context {
    struct loop *loop;
    const struct stream_job
        *job; /* source, sink, dead; exactly_once, window, window_bytes, user, password, kafka */
    const struct stream_events *events;
    void *self;
};

struct stream;

/* A kind of streams. */
struct stream_kind {
    const char *scheme; /* "kafka" */
    /* The names of options behind the ? of the source, and of sink and dead letters; NULL behind the last.
     * Others are refused before open. */
    const char *const *source_options;
    const char *const *sink_options;
    /* Begins: connects, joins the group (makes it where it is missing), brings messages. NULL with `reason`
     * when the addresses or the job are wrong; a server that is away is none. */
    struct stream *(*open)(const struct stream_context *context, char reason[STREAM_REASON_MAX]);
    /* No more messages are fetched until resume; those that the stream has got already may still come, within
     * job->window and job->window_bytes. Any number of times, in any order; a stream begins resumed. */
    void (*pause)(struct stream *stream);
    void (*resume)(struct stream *stream);
    /* The answer to a message, which must not be touched afterwards, unless the stream gives it back
     * (too_large). */
    void (*answer)(struct stream *stream, struct stream_message *message, const struct stream_answer *answer);
    /* Writes where the message stands, for people and for who wants to tell duplicates:
     * TOPIC/PARTITION@OFFSET, STREAM@ID. */
    void (*position)(const struct stream_message *message, char text[STREAM_POSITION_MAX]);
    /* Asks for the lag; `lag` is called, now or later. Once a second. */
    void (*measure)(struct stream *stream);
    /* What was gathered in this turn of the loop goes out; called at its end. May be NULL. */
    void (*flush)(struct stream *stream);
    /* The end: no more messages are brought; when all that were are answered and settled (or dropped), `done`
     * is called once, never within the call. What is not brought to the job yet is left to others. */
    void (*drain)(struct stream *stream, loop_call *done, void *self);
    /* Ends it, settled or not: what is not counts as not done. Messages that were not answered are gone, too.
     */
    void (*close)(struct stream *stream);
};

/* The first member of each kind's own struct. */
struct stream {
    const struct stream_kind *kind;
};

extern const struct stream_kind stream_redis;
extern const struct stream_kind stream_kafka;

/* The kind of that scheme; NULL: there is none such. */
const struct stream_kind *stream_kind_of(struct text scheme);

#endif
