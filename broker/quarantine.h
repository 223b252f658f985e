/* quarantine: where the requests lie that workers died of. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_QUARANTINE_H
#define OUTRIGGER_QUARANTINE_H

#include "config.h"
#include "port.h"
#include "quarantined.h"

struct quarantine;

/* Keeps files below state_directory, broker.max_quarantine_bytes of them together. NULL when that is 0, or
 * (logged) when there can be no thread; NULL is fine for all functions here. */
struct quarantine *quarantine_new(const struct config *config);
/* Writes what waits, first. */
void quarantine_free(struct quarantine *quarantine);

/* Has the request written by and by. The texts of the record are copied, the payload (whose bytes the record
 * need not name) is taken: it is none then. Never waits; what there is no room for is dropped, counted
 * and logged. */
void quarantine_keep(struct quarantine *quarantine, const struct quarantined *record,
                     struct payload *payload);

/* What became of the requests so far. */
struct quarantine_counts {
    uint64_t kept;
    uint64_t dropped; /* too many waited to be written, or it was larger than the whole quarantine */
    uint64_t failed;  /* the file system refused */
};
struct quarantine_counts quarantine_counts(struct quarantine *quarantine);

#endif
