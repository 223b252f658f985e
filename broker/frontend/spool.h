/* spool: the bytes of a request that is still coming in, within a bound for all of them together. Pure.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SPOOL_H
#define OUTRIGGER_SPOOL_H

#include "object.h"

/* What all spools of a process may take. */
struct spool_budget {
    size_t used;
    size_t limit; /* bytes */
};

/* Zeroed = empty, without memory. */
struct spool {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
};

/* Appends; false, and nothing is changed, when the budget is used up. */
bool spool_add(struct spool *spool, struct spool_budget *budget, const uint8_t *bytes, size_t length);
/* Room behind what is there, at least 1 byte, to be read into; `spool->length` is then moved on by the
 * caller. NULL when the budget is used up. */
uint8_t *spool_room(struct spool *spool, struct spool_budget *budget, size_t *room);
/* Keeps the first `length` bytes, and gives back the memory that they do not need. */
void spool_cut(struct spool *spool, struct spool_budget *budget, size_t length);
/* Gives all memory back. */
void spool_drop(struct spool *spool, struct spool_budget *budget);

#endif
