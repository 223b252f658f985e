/* latency: what is asked of a histogram of times. What is counted, is counted in the header: it is on the
 * path of each request. Called by the supervisor (judge.c, rollout.c) and the command's top.c.
 * SPDX-License-Identifier: MIT */
#include "latency.h"

int64_t latency_bound(size_t bucket)
{
    ENSURE(bucket < LATENCY_BUCKETS);
    unsigned octave = (unsigned)(bucket >> LATENCY_PART_BITS);
    int64_t part = (int64_t)(bucket & ((1u << LATENCY_PART_BITS) - 1));
    return ((INT64_C(1) << LATENCY_PART_BITS) + part + 1) << (LATENCY_FIRST_BIT + octave - LATENCY_PART_BITS);
}

uint64_t latency_total(const struct latency *latency)
{
    uint64_t total = 0;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++)
        total += latency->counts[i];
    return total;
}

int64_t latency_quantile(const struct latency *latency, double quantile)
{
    uint64_t total = latency_total(latency), sum = 0;
    double wanted = quantile * (double)total;
    for (size_t i = 0; total > 0 && i < LATENCY_BUCKETS; i++) {
        sum += latency->counts[i];
        if (sum > 0 && (double)sum >= wanted)
            return latency_bound(i);
    }
    return 0;
}
