/* spool: see spool.h. Each connection has one while a request comes in pieces (connection.c); it doubles as
 * it grows, so a slow peer costs 4 KB and a large body about what it is. The budget is what keeps a thousand
 * large ones from taking all memory: the one that finds it used up is refused, the others go on.
 * SPDX-License-Identifier: MIT */
#include "spool.h"

#include <stdlib.h>

enum { SPOOL_BEGIN = 4096 }; /* bytes: nearly every single request fits */

static bool grow(struct spool *spool, struct spool_budget *budget, size_t wanted)
{
    size_t capacity = spool->capacity == 0 ? SPOOL_BEGIN : spool->capacity;
    while (capacity < wanted)
        capacity *= 2;
    size_t more = capacity - spool->capacity;
    if (more > budget->limit || budget->used > budget->limit - more)
        return false;
    uint8_t *grown = realloc(spool->bytes, capacity);
    ENSURE(grown != NULL);
    spool->bytes = grown;
    spool->capacity = capacity;
    budget->used += more;
    return true;
}

bool spool_add(struct spool *spool, struct spool_budget *budget, const uint8_t *bytes, size_t length)
{
    size_t wanted = spool->length + length;
    if (wanted > spool->capacity && !grow(spool, budget, wanted))
        return false;
    memcpy(spool->bytes + spool->length, bytes, length);
    spool->length = wanted;
    return true;
}

void spool_drop(struct spool *spool, struct spool_budget *budget)
{
    budget->used -= spool->capacity;
    free(spool->bytes);
    *spool = (struct spool){0};
}
