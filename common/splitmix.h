/* splitmix: the generator SplitMix64 (Steele, Lea, Flood 2014), for numbers that need to be spread and not to
 * be secret: one addition and a few shifts, the same on every machine. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SPLITMIX_H
#define OUTRIGGER_SPLITMIX_H

#include <stdint.h>

#define SPLITMIX_STEP UINT64_C(0x9e3779b97f4a7c15)

/* Its output function, a bijection: a state that moves on by SPLITMIX_STEP never gives a number twice. */
static inline uint64_t splitmix_of(uint64_t state)
{
    state = (state ^ state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    state = (state ^ state >> 27) * UINT64_C(0x94d049bb133111eb);
    return state ^ state >> 31;
}

/* The next number. */
static inline uint64_t splitmix_next(uint64_t *state)
{
    return splitmix_of(*state += SPLITMIX_STEP);
}

/* A state to begin with, from the kernel. Early in a boot, when it has no randomness yet, one that differs
 * between processes, which is all that is needed. */
uint64_t splitmix_seed(void);

#endif
