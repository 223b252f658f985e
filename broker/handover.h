/* handover: what a broker that makes room leaves to the next one. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HANDOVER_H
#define OUTRIGGER_HANDOVER_H

#include "idempotency.h"

/* Writes the answers that may be asked for again to a file in the runtime directory. What is wrong with it
 * goes to the log: the next broker begins without them then. */
void handover_leave(const struct config *config, const struct idempotency *names, int64_t now);
/* Takes what the broker before has left just now, if it left anything, into the table, which must be empty.
 * The file is gone afterwards. */
void handover_take(const struct config *config, struct idempotency *names, int64_t now);
/* The same from the bytes of such a file, whatever they are. Returns how many answers were in them; those
 * before the first that is broken. */
size_t handover_read(struct idempotency *names, struct text bytes, int64_t now);

#endif
