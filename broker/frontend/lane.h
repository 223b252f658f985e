/* lane: a few threads beside the loop, for work that would delay everybody. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LANE_H
#define OUTRIGGER_LANE_H

#include "exchange.h"
#include "loop.h"

struct lane;

/* One piece of work; embedded by its owner, who leaves it alone until `done`. */
struct lane_job {
    void (*work)(struct lane_job *job, struct exchange_tools *tools); /* on a thread of the lane */
    void (*done)(struct lane_job *job);                               /* on the loop's thread */
    struct lane_job *previous, *next;
};

struct lane *lane_new(struct loop *loop, struct api *api, size_t threads);
/* Waits for the work that runs; `done` of what was finished or not begun is not called. */
void lane_free(struct lane *lane);
/* First come, first served. Any number may wait: each has a request's bytes in the spool, which is bounded.
 */
void lane_submit(struct lane *lane, struct lane_job *job);

/* How it is with it at the moment. */
struct lane_load {
    size_t threads;
    size_t busy;    /* of them, with a piece of work */
    size_t waiting; /* pieces of work without a thread */
};
struct lane_load lane_load(struct lane *lane);

#endif
