/* pace: how many rows may be taken, and when: the limit of a run and its rate. All of it may be called by any
 * thread. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_PACE_H
#define OUTRIGGER_BATCH_PACE_H

#include <stddef.h>
#include <stdint.h>

struct pace;

/* `limit` rows altogether, `rate` rows a second; 0: no bound. */
struct pace *pace_new(uint64_t limit, uint64_t rate);
void pace_free(struct pace *pace); /* NULL is fine */

/* Grants at most `most` rows; 0 when the limit is reached. With a rate they are no more than a quarter of a
 * second's, and *at (monotonic nanoseconds) is when they may be taken: before that the caller waits. */
size_t pace_grant(struct pace *pace, size_t most, int64_t *at);
/* Gives back rows that were granted and not taken. */
void pace_return(struct pace *pace, size_t rows);

#endif
