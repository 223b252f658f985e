/* lanes: the threads that take chunks from a source, have them scored and commit them to a sink.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_LANES_H
#define OUTRIGGER_BATCH_LANES_H

#include "desk.h"
#include "pace.h"
#include "table.h"

#include <stdatomic.h>

struct lanes;

struct lanes_context {
    struct loop *loop;
    struct desk *desk;
    struct pace *pace;
    const struct table *source;
    void *source_self;
    const struct table *sink; /* NULL: the source's, which is both; or nothing is written (dry) */
    void *sink_self;
    bool dry;
    atomic_bool *stop; /* set when they are to end, also by themselves */
    const struct schema *schema;
    size_t width;
    unsigned lanes;
    size_t batch_size;
    int64_t max_rejects;       /* -1: any number */
    void (*ended)(void *self); /* in the loop's thread, once: no lane runs any more */
    void *self;
};

enum lanes_end {
    LANES_FINISHED,    /* the source came to its end */
    LANES_LIMITED,     /* so many rows as were wanted */
    LANES_REJECTS,     /* more rejects than may be */
    LANES_INTERRUPTED, /* lanes_stop */
    LANES_FAILED
};

/* What was done until now. */
struct lanes_totals {
    uint64_t scored, rejected;           /* rows that are committed (dry: that would have been) */
    uint64_t lost;                       /* rows that somebody else had taken over: not counted above */
    struct series take, commit;          /* HISTOGRAM: the times in the source, and in the sink */
    char first_reject[CHUNK_REASON_MAX]; /* its reason; "" */
};

/* Starts them. NULL with `reason`: the model takes other rows. */
struct lanes *lanes_new(const struct lanes_context *context, char reason[TABLE_REASON_MAX]);
/* They take no more: what is on its way is still committed. From any thread, any number of times. */
void lanes_stop(struct lanes *lanes);
struct lanes_totals lanes_totals(struct lanes *lanes);
/* How it ended, once `ended` was called; `reason` of a failure. */
enum lanes_end lanes_end(struct lanes *lanes, const char **reason);
/* They must have ended. NULL is fine. */
void lanes_free(struct lanes *lanes);

#endif
