/* chance: the one source of everything random in a simulation, so that a seed repeats it exactly.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CHANCE_H
#define OUTRIGGER_CHANCE_H

#include "splitmix.h"

#include <stdbool.h>

struct chance {
    uint64_t state;
};

static inline uint64_t chance_next(struct chance *chance)
{
    return splitmix_next(&chance->state);
}

/* 0 to limit - 1; limit is not 0. */
static inline uint64_t chance_below(struct chance *chance, uint64_t limit)
{
    return chance_next(chance) % limit;
}

/* Both ends included. */
static inline int64_t chance_between(struct chance *chance, int64_t low, int64_t high)
{
    return low + (int64_t)chance_below(chance, (uint64_t)(high - low) + 1);
}

/* True so often in a million times. */
static inline bool chance_hits(struct chance *chance, uint32_t in_a_million)
{
    return in_a_million > 0 && chance_below(chance, 1000000) < in_a_million;
}

#endif
