/* observing: the thread that looks at what processes show of single requests (STATS.md section 8), when
 * nobody else wants a processor. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OBSERVING_H
#define OUTRIGGER_OBSERVING_H

#include "observation.h"

/* What becomes of the observations of one kind. */
struct observing_kind {
    uint64_t kind; /* an observation_kind */
    /* Takes one, in the thread. NULL, or what is wrong with it as a constant part of a sentence. */
    const char *(*take)(void *self, const struct observation_any *any);
    void *self;
};

/* Takes a frame of observations: those of each kind by its row, others are passed over. NULL, or what is
 * wrong: with the first that cannot be read, behind which nothing counts, or with one that can. `kinds` ends
 * with a row without a function. */
const char *observing_take(const struct observing_kind *kinds, struct text frame);

struct observing;

/* Starts the thread. `socket`, of ZeroMQ, which observations come from, is the thread's until it ends; it
 * stays the caller's to close. `kinds` is copied. NULL with errno when there can be no thread. */
struct observing *observing_new(void *socket, const struct observing_kind *kinds);
/* Ends the thread; what waits in the socket is not taken any more. NULL is fine. */
void observing_end(struct observing *observing);
/* Ends it, too. NULL is fine. */
void observing_free(struct observing *observing);

/* What was refused of what came since the call before: frames that broke the contract, with what is wrong
 * with one of them, and messages of several frames. */
struct observing_refused {
    uint64_t frames;
    const char *wrong; /* constant */
    uint64_t messages;
};
struct observing_refused observing_refusals(struct observing *observing);

#endif
