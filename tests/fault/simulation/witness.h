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

struct broker;
/* The books of one life of one broker. */
struct witness;

/* Books are opened for the broker that is made after this; it is told to them with witness_knows. */
struct witness *witness_begin(struct ledger *ledger);
void witness_knows(struct witness *witness, const struct broker *broker);
/* From now on the broker leaves to its successor what it is asked. */
void witness_hand_over(struct witness *witness);
/* They are closed, after the broker has ended. */
void witness_end(struct witness *witness);
/* How many requests the broker has by them. */
size_t witness_open(const struct broker *broker);
const struct testimony *witness_testimony(const struct broker *broker);

#endif
