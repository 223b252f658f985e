/* dispatch: when a batch is released, and how large it is. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DISPATCH_H
#define OUTRIGGER_DISPATCH_H

#include "queue.h"

/* Why a batch went: counted, so that an operator sees what the batching does. */
#define RELEASES(X)                                                                                          \
    X(IDLE, "idle")     /* a worker had nothing to do */                                                     \
    X(FULL, "full")     /* as many rows as a batch may have waited */                                        \
    X(DELAY, "delay")   /* the oldest had waited max_delay for company */                                    \
    X(ALONE, "alone")   /* its last batch's worker died: tried in isolation */                               \
    X(SHADOW, "shadow") /* copies, which nobody waits for: see shadow.c */

enum release {
#define X(name, label) RELEASE_##name,
    RELEASES(X)
#undef X
        RELEASE_COUNT,
    RELEASE_WAIT = RELEASE_COUNT /* not now */
};
const char *release_label(enum release release);

struct dispatch_rule {
    uint32_t max_batch_rows;
    int64_t max_delay; /* ns that a request may wait for company while a worker is idle */
};

struct dispatch_decision {
    enum release release;
    uint32_t rows;    /* take up to so many rows */
    int64_t again_at; /* RELEASE_WAIT: decide again then (monotonic ns); INT64_MAX: when something changes */
};

/* Decides for one queue (whose turns may move on) at `now`, with `free_workers` workers that could take a
 * batch and `capacity_rows` the most rows that the one first in line takes, or fewer if more hardly pay. */
struct dispatch_decision dispatch_decide(struct queue *queue, const struct dispatch_rule *rule,
                                         size_t free_workers, uint32_t capacity_rows, int64_t now);

#endif
