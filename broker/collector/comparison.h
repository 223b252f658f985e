/* comparison: how the answers of a shadow version agree with those that the clients got.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_COMPARISON_H
#define OUTRIGGER_COMPARISON_H

#include "comparing.h"
#include "metrics.h"
#include "observation.h"

/* Adds up. One thread may take while another publishes; neither waits for the other. */
struct comparison;
struct comparison *comparison_new(void);
void comparison_free(struct comparison *comparison); /* NULL is fine */
/* Takes one of OBSERVATION_SHADOW: an observing_kind's, with the comparison as `self`. */
const char *comparison_take(void *comparison, const struct observation_any *any);
/* Sets the counters of what was taken so far, always in the same `metrics`, which must outlive it. */
void comparison_publish(struct comparison *comparison, struct metrics *metrics);

#endif
