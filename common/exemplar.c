/* exemplar: see exemplar.h. A cell is written between two steps of its turn (a sequence lock): its writer
 * waits for nobody, and a reader that finds another turn afterwards, or the odd one that a killed writer
 * left, has read nothing. Called by metrics.c. SPDX-License-Identifier: MIT */
#include "exemplar.h"

_Static_assert(sizeof(struct exemplar) % sizeof(uint64_t) == 0, "a cell holds whole words of it");

enum { SPREAD = 31, BUCKETS = 21 };

/* Buckets of one series never meet. */
static size_t cell_of(const struct exemplar *exemplar)
{
    return ((size_t)exemplar->slot * SPREAD + exemplar->bucket % BUCKETS) % EXEMPLAR_CELLS;
}

void exemplar_store_put(struct exemplar_store *store, const struct exemplar *exemplar)
{
    struct exemplar_cell *cell = &store->cells[cell_of(exemplar)];
    uint64_t words[COUNT_OF(cell->words)], odd = cell->turn | 1;
    memcpy(words, exemplar, sizeof words);
    (void)__atomic_exchange_n(&cell->turn, odd, __ATOMIC_ACQUIRE); /* before what follows */
    for (size_t i = 0; i < COUNT_OF(words); i++)
        __atomic_store_n(&cell->words[i], words[i], __ATOMIC_RELAXED);
    __atomic_store_n(&cell->number, ++store->count, __ATOMIC_RELAXED);
    __atomic_store_n(&cell->turn, odd + 1, __ATOMIC_RELEASE);
}

bool exemplar_store_get(const struct exemplar_store *store, size_t index, uint64_t since,
                        struct exemplar *exemplar)
{
    const struct exemplar_cell *cell = &store->cells[index];
    uint64_t words[COUNT_OF(cell->words)], turn = __atomic_load_n(&cell->turn, __ATOMIC_ACQUIRE);
    if (turn == 0 || turn % 2 == 1 || __atomic_load_n(&cell->number, __ATOMIC_RELAXED) <= since)
        return false;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        words[i] =
            __atomic_load_n(&cell->words[i], __ATOMIC_ACQUIRE); /* so that the turn is looked at last */
    memcpy(exemplar, words, sizeof *exemplar);
    return __atomic_load_n(&cell->turn, __ATOMIC_RELAXED) == turn;
}
