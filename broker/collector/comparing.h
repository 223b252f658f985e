/* comparing: the thread that compares the answers of shadow versions, when nobody else wants a processor.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_COMPARING_H
#define OUTRIGGER_COMPARING_H

#include "metrics.h"

struct comparing;

/* Starts the thread. `socket`, of ZeroMQ, which observations come from, is the thread's until it ends; it
 * stays the caller's to close. NULL with errno when there can be no thread. */
struct comparing *comparing_new(void *socket);
/* Ends the thread; what waits in the socket is not taken any more, what was compared can still be published.
 * NULL is fine. */
void comparing_end(struct comparing *comparing);
/* Ends it, too. NULL is fine. */
void comparing_free(struct comparing *comparing);

/* What was refused of what came since the call before: frames that broke the contract, with what is wrong
 * with one of them, and messages of several frames. */
struct comparing_refused {
    uint64_t frames;
    const char *wrong; /* constant */
    uint64_t messages;
};
/* Sets the counters of what has been compared so far, and tells what was refused. */
struct comparing_refused comparing_publish(struct comparing *comparing, struct metrics *metrics);

#endif
