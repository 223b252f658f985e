/* spool: see spool.h. Each connection has one while a request comes in pieces (connection.c). It grows with
 * what is in it, so a slow peer costs 4 KB and a large body up to four times what it is, until it has come.
 * The budget is what keeps a thousand large ones from taking all memory: the one that finds it used up is
 * refused, the others go on. SPDX-License-Identifier: MIT */
#include "spool.h"

#include <stdlib.h>

enum {
    SPOOL_BEGIN = 4096,  /* bytes: nearly every single request fits */
    SPOOL_LARGE = 65536, /* what has come so far is probably the smaller part */
};

static bool affords(const struct spool *spool, const struct spool_budget *budget, size_t capacity)
{
    return budget->used - spool->capacity <= budget->limit &&
           capacity <= budget->limit - (budget->used - spool->capacity);
}

static bool grow(struct spool *spool, struct spool_budget *budget, size_t wanted)
{
    size_t capacity = spool->capacity == 0 ? SPOOL_BEGIN : spool->capacity;
    while (capacity < wanted)
        capacity *= 2;
    if (!affords(spool, budget, capacity))
        return false;
    while (wanted >= SPOOL_LARGE && capacity < 4 * wanted && affords(spool, budget, 2 * capacity))
        capacity *= 2;
    uint8_t *grown = realloc(spool->bytes, capacity);
    ENSURE(grown != NULL);
    spool->bytes = grown;
    budget->used += capacity - spool->capacity;
    spool->capacity = capacity;
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

uint8_t *spool_room(struct spool *spool, struct spool_budget *budget, size_t *room)
{
    if (spool->length == spool->capacity && !grow(spool, budget, spool->length + 1))
        return NULL;
    *room = spool->capacity - spool->length;
    return spool->bytes + spool->length;
}

void spool_cut(struct spool *spool, struct spool_budget *budget, size_t length)
{
    size_t capacity = SPOOL_BEGIN;
    ENSURE(length <= spool->length);
    while (capacity < length)
        capacity *= 2;
    spool->length = length;
    if (capacity >= spool->capacity)
        return;
    uint8_t *shrunk = realloc(spool->bytes, capacity);
    ENSURE(shrunk != NULL);
    spool->bytes = shrunk;
    budget->used -= spool->capacity - capacity;
    spool->capacity = capacity;
}

void spool_drop(struct spool *spool, struct spool_budget *budget)
{
    budget->used -= spool->capacity;
    free(spool->bytes);
    *spool = (struct spool){0};
}
