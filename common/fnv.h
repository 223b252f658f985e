/* fnv: a hash that is the same in every process and on every machine, for texts that nobody gains by making
 * two alike: labels, ids, tenants. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FNV_H
#define OUTRIGGER_FNV_H

#include "object.h"

#define FNV_START UINT64_C(0xcbf29ce484222325)

/* FNV-1a (RFC 9923), 64 bits; goes on from `hash`, which is FNV_START at the beginning. */
static inline uint64_t fnv_add(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Of one text; never 0, which means nobody, or nothing. */
static inline uint64_t fnv_of(struct text text)
{
    uint64_t hash = fnv_add(FNV_START, text.at, text.length);
    return hash == 0 ? 1 : hash;
}

#endif
