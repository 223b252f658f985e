/* percentile: what a histogram of durations says of them. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PERCENTILE_H
#define OUTRIGGER_PERCENTILE_H

#include "metrics.h"

enum { PERCENTILE_BUCKETS = METRICS_BUCKETS + 1 };

/* The duration, in nanoseconds, that the share `q` (0 to 1) of what is in the buckets does not exceed; the
 * last bound when it is above all bounds; NaN: nothing is in them. The buckets are those of
 * metrics_duration_bounds, not cumulative. */
double percentile_of(const uint64_t buckets[PERCENTILE_BUCKETS], double q);
/* The share of them that took longer; NaN: nothing is in them. */
double percentile_above(const uint64_t buckets[PERCENTILE_BUCKETS], int64_t nanoseconds);

#endif
