/* latency: a log-linear histogram of times: eight parts an octave, so that a value is known to an eighth of
 * itself, from a microsecond to a minute in 1.7 KB. To count one value costs a shift and an add.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LATENCY_H
#define OUTRIGGER_LATENCY_H

#include "object.h"

enum {
    LATENCY_PART_BITS = 3,  /* eight parts an octave */
    LATENCY_FIRST_BIT = 10, /* what is below 1.024 us is counted in the first part */
    LATENCY_OCTAVES = 26,   /* and what is above 2^36 ns = 68.7 s in the last */
    LATENCY_BUCKETS = LATENCY_OCTAVES << LATENCY_PART_BITS
};

/* Zeroed = nothing was counted. */
struct latency {
    uint64_t counts[LATENCY_BUCKETS];
};

/* Where a time in nanoseconds is counted. */
static inline size_t latency_bucket(int64_t nanoseconds)
{
    if (nanoseconds < INT64_C(1) << LATENCY_FIRST_BIT)
        return 0;
    unsigned bit = 63u - (unsigned)__builtin_clzll((unsigned long long)nanoseconds);
    if (bit >= LATENCY_FIRST_BIT + LATENCY_OCTAVES)
        return LATENCY_BUCKETS - 1;
    size_t part = (size_t)(nanoseconds >> (bit - LATENCY_PART_BITS)) & ((1u << LATENCY_PART_BITS) - 1);
    return ((size_t)(bit - LATENCY_FIRST_BIT) << LATENCY_PART_BITS) + part;
}

static inline void latency_add(struct latency *latency, int64_t nanoseconds)
{
    latency->counts[latency_bucket(nanoseconds)]++;
}

/* The times of a bucket are below this, in nanoseconds, and not below that of the bucket before it. */
int64_t latency_bound(size_t bucket);
/* How many were counted. */
uint64_t latency_total(const struct latency *latency);
/* The time, in nanoseconds, that a share of `quantile` (0 to 1) does not exceed, taken as the bound of its
 * bucket, and so an eighth too much at most; 0 when nothing was counted. */
int64_t latency_quantile(const struct latency *latency, double quantile);

#endif
