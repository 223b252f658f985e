/* percentile: see percentile.h. What is in a bucket is taken to be spread evenly over it, as Prometheus'
 * histogram_quantile takes it, so that the dashboard, `outrigger stats` and a rule say the same of the
 * same numbers. Called by figures.c and totals.c. SPDX-License-Identifier: MIT */
#include "percentile.h"

#include <math.h>

static double sum_of(const uint64_t buckets[PERCENTILE_BUCKETS])
{
    double sum = 0;
    for (size_t i = 0; i < PERCENTILE_BUCKETS; i++)
        sum += (double)buckets[i];
    return sum;
}

static double lower_bound(const int64_t bounds[METRICS_BUCKETS], size_t bucket)
{
    return bucket == 0 ? 0 : (double)bounds[bucket - 1];
}

double percentile_of(const int64_t bounds[METRICS_BUCKETS], const uint64_t buckets[PERCENTILE_BUCKETS],
                     double q)
{
    double rank = q * sum_of(buckets);
    double before = 0;
    if (rank <= 0)
        return NAN;
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        double inside = (double)buckets[i];
        if (inside > 0 && before + inside >= rank)
            return lower_bound(bounds, i) +
                   ((double)bounds[i] - lower_bound(bounds, i)) * (rank - before) / inside;
        before += inside;
    }
    return (double)bounds[METRICS_BUCKETS - 1]; /* above it no bound is known */
}

double percentile_above(const uint64_t buckets[PERCENTILE_BUCKETS], int64_t nanoseconds)
{
    double all = sum_of(buckets);
    double above = (double)buckets[METRICS_BUCKETS];
    if (all <= 0)
        return NAN;
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        double bound = (double)metrics_duration_bounds[i], lower = lower_bound(metrics_duration_bounds, i);
        if (lower >= (double)nanoseconds)
            above += (double)buckets[i];
        else if (bound > (double)nanoseconds)
            above += (double)buckets[i] * (bound - (double)nanoseconds) / (bound - lower);
    }
    return above / all;
}
