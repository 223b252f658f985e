/* asker: asks the broker for many requests at a time, as one tenant, and waits where waiting helps.
 *
 * For jobs, and for commands that ask much, which have time. All of it belongs to the thread of the loop.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ASKER_H
#define OUTRIGGER_ASKER_H

#include "client.h"
#include "config.h"
#include "schema.h"

enum { ASKER_REASON_MAX = 512 };

struct asker;

struct asker_context {
    void *zmq; /* libzmq's context */
    struct loop *loop;
    struct metrics *metrics;
    const struct config *config; /* broker.askers */
    const char *tenant;          /* the name of the job: who asks, and the label of its series */
    uint8_t priority;            /* PROTOCOL_PRIORITY_JOB, unless somebody knows better */
    int64_t deadline;            /* of one try; nanoseconds */
    size_t at_a_time;            /* requests that may be open */
    bool follow; /* where no version was named: go over to a new stable one that takes the same rows */
    bool hasty;  /* a version that the broker does not know is not waited for; one that is not ready is */
    int64_t
        give_up;    /* nanoseconds without an answer to anything, after which it is asked no more; 0: never */
    int64_t remind; /* in which it says (as a warning) what it waits for, each time; 0: a minute */
};

/* Connects; a broker that is away is waited for. Never NULL. Texts are copied; all else outlives it. */
struct asker *asker_new(const struct asker_context *context);
/* NULL is fine. What is open is forgotten, and not answered (asker_stop does that). The loop must not run any
 * more afterwards. */
void asker_free(struct asker *asker);

/* Runs the loop until the broker tells of that version of the model and what it takes; `version` NULL or "":
 * the stable one; at most `wait` nanoseconds. From then on it is what is asked. The schema is the asker's and
 * stays as it is until asker_free. NULL, and `reason` says why. */
const struct schema *asker_version(struct asker *asker, const char *model, const char *version, int64_t wait,
                                   char reason[ASKER_REASON_MAX]);
/* The version that is asked now; "" before asker_version. */
const char *asker_version_name(const struct asker *asker);
/* What a version said of itself that was asked at some time; that of asker_version for another. */
const struct schema *asker_schema(const struct asker *asker, struct text version);
/* True when a broker was heard within the last seconds. */
bool asker_connected(const struct asker *asker);

/* True while fewer than at_a_time requests are open, those included that wait to be asked again. */
bool asker_room(const struct asker *asker);
size_t asker_open(const struct asker *asker);
/* How often a request was asked again. */
uint64_t asker_retries(const struct asker *asker);

/* What is asked, beside the payload. Texts are copied. */
struct asker_ask {
    uint32_t rows;
    struct text model,
        version;       /* empty: those of asker_version, which need not be called when both are named */
    struct text trace; /* empty, or PROTOCOL_TRACE_BYTES */
    struct text tag;   /* its request id; may be empty */
    int64_t deadline;  /* of one try; nanoseconds; 0: the asker's */
    bool once;         /* whatever is answered, it is not asked again */
};

/* Asks for the rows of a payload of tensors, when there is room. The payload is memory for free(), and the
 * asker's from now on.
 *
 * What is refused for lack of room or rate (OVERLOADED, RATE_LIMITED, NOT_READY), or because the broker is
 * away or stopping, is asked again: when the broker says, or else after 50 ms, which double to 2 s; for ever,
 * or until asker_context.give_up. So is what is not answered within the deadline, unless that was the third
 * time with the broker there, and it has several rows, or others that were asked later were answered: that is
 * DEADLINE. A payload of more than broker.max_message_bytes, for which the broker would end the connection,
 * is TOO_LARGE. These, and any other answer, go to `answered`, once, and never before this returns. */
void asker_send(struct asker *asker, uint8_t *payload, size_t bytes, const struct asker_ask *ask,
                client_answered *answered, void *owner);
/* Ends the waiting: all that is open, and all that is sent from now on, is answered with FAILURE_CANCELLED at
 * the end of this turn of the loop. */
void asker_stop(struct asker *asker);
/* True when nothing was answered for so long that the waiting has ended: as by asker_stop, but with
 * NOT_READY, whose message says who did not answer since when. */
bool asker_gave_up(const struct asker *asker);

#endif
