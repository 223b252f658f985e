/* failures: how many wrong credentials have come from an address of late. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FAILURES_H
#define OUTRIGGER_FAILURES_H

#include "object.h"

/* A table that is bounded, and the same for all frontends of a host: any process and thread. */
struct failures;
/* `path` is the file that they share; NULL, or one that cannot be made (that is logged): a table of our own.
 * Never NULL. */
struct failures *failures_new(const char *path);
void failures_free(struct failures *failures); /* the file stays, for the others */

/* Counts one more of that address (address_number) at `now`, monotonic nanoseconds. Returns 0, or, when there
 * have been more than `limit` (0: no bound) since the first of this minute, in how many whole seconds it is
 * over. */
uint64_t failures_add(struct failures *failures, uint64_t address, int64_t now, int64_t limit);

#endif
