/* limit_redis: rate limits that the brokers of several hosts share. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LIMIT_REDIS_H
#define OUTRIGGER_LIMIT_REDIS_H

#include "limit.h"
#include "loop.h"

struct limit_redis;

/* Begins to connect to limit.redis, which is configured, and does so for ever; who asks is told whether it is
 * there. NULL after a complaint in the log: the password cannot be read. */
struct limit_redis *limit_redis_new(struct loop *loop, const struct config *config, struct metrics *metrics);
/* Questions that are open are not answered. */
void limit_redis_free(struct limit_redis *redis);

/* What came of a question. */
enum limit_verdict {
    LIMIT_GRANTED, /* it is counted */
    LIMIT_REFUSED, /* it is not, by any limit */
    LIMIT_UNKNOWN  /* Redis did not say, or not in time: who asked is to decide */
};

struct limit_answer {
    enum limit_verdict verdict;
    const struct limit_list *list; /* that was asked for; good during the call */
    const struct limit *refuses;   /* LIMIT_REFUSED: the one of them that lets it through last, */
    int64_t wait;                  /* in so many ns */
    struct limit_rest rest;        /* LIMIT_GRANTED: by what all hosts have counted */
    enum limit_by by;
};

typedef void limit_answered(void *self, const struct limit_answer *answer);

struct limit_question;

/* False, with the reason in *by, while it is not there to be asked. */
bool limit_redis_ready(const struct limit_redis *redis, enum limit_by *by);
/* Asks for all limits of the list at once: all let the request through and count it, or none does. `answered`
 * is called once, after limit.redis_timeout_ms or at the deadline (monotonic ns) at the latest, and never
 * before this returns. NULL when the connection is just about to end. Only while it is ready. */
struct limit_question *limit_redis_ask(struct limit_redis *redis, const struct limit_list *list,
                                       int64_t deadline, limit_answered *answered, void *self);
/* Nobody waits for the answer any more; it may be counted all the same. */
void limit_redis_forget(struct limit_redis *redis, struct limit_question *question);
/* Sends what was asked in this turn; at its end. */
void limit_redis_flush(struct limit_redis *redis);
/* "ready", "late" or "away". */
const char *limit_redis_state(const struct limit_redis *redis);

#endif
