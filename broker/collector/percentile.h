/* percentile: what a histogram says of what it has counted. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PERCENTILE_H
#define OUTRIGGER_PERCENTILE_H

#include "metrics.h"

enum { PERCENTILE_BUCKETS = METRICS_BUCKETS + 1 };

/* The number that the share `q` (0 to 1) of what is in the buckets does not exceed; the last bound when it is
 * above all bounds; NaN: nothing is in them. The buckets have these bounds, and are not cumulative. */
double percentile_of(const int64_t bounds[METRICS_BUCKETS], const uint64_t buckets[PERCENTILE_BUCKETS],
                     double q);
/* Of durations (metrics_duration_bounds), the share of them that took longer; NaN: nothing is in them. */
double percentile_above(const uint64_t buckets[PERCENTILE_BUCKETS], int64_t nanoseconds);

#endif
