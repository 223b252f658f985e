/* witness: keeps books of its own of what passes through the broker's ports. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_WITNESS_H
#define OUTRIGGER_WITNESS_H

#include "ledger.h"

/* What one life of a broker took in and gave out. */
struct testimony {
    uint64_t requests; /* that were not open already */
    uint64_t again;    /* that were */
    uint64_t cancels;  /* that ended one */
    uint64_t replies;
    uint64_t rejects;  /* of requests that found their version */
    uint64_t unrouted; /* answered before a version was chosen */
    uint64_t batches, batch_requests;
    uint64_t observed; /* copies whose end was to be told to the collector, who took that */
};

/* The books of the next broker are opened; it is made after this. */
void witness_begin(struct ledger *ledger);
/* From now on the broker leaves to its successor what it is asked. */
void witness_hand_over(void);
/* They are closed. */
void witness_end(void);
/* How many requests the broker has by them. */
size_t witness_open(void);
const struct testimony *witness_testimony(void);

#endif
