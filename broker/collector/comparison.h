/* comparison: how the answers of a shadow version agree with those that the clients got.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_COMPARISON_H
#define OUTRIGGER_COMPARISON_H

#include "metrics.h"
#include "observation.h"

/* What two answers to the same request have in common. */
struct agreement {
    size_t rows;
    size_t agreed;   /* rows */
    size_t elements; /* finite numbers on both sides, of which the next two are */
    double sum;      /* of their absolute differences */
    double largest;
};

/* Compares the two answers of an observation whose shadow did not fail. NULL, or why they cannot be compared
 * as a constant part of a sentence. */
const char *comparison_of(const struct observation *observation, struct agreement *agreement);

/* Adds up. One thread may take while another publishes; neither waits for the other. */
struct comparison;
struct comparison *comparison_new(void);
void comparison_free(struct comparison *comparison); /* NULL is fine */
/* Takes one of OBSERVATION_SHADOW: an observing_kind's, with the comparison as `self`. */
const char *comparison_take(void *comparison, const struct observation_any *any);
/* Sets the counters of what was taken so far, always in the same `metrics`, which must outlive it. */
void comparison_publish(struct comparison *comparison, struct metrics *metrics);

#endif
