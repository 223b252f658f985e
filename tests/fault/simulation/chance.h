/* chance: the one source of everything random in a simulation, so that a seed repeats it exactly. SplitMix64
 * (Steele, Lea, Flood 2014): one addition and a few shifts, the same on every machine.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CHANCE_H
#define OUTRIGGER_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

struct chance {
    uint64_t state;
};

static inline uint64_t chance_next(struct chance *chance)
{
    uint64_t mixed = chance->state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
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
