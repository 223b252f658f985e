/* exemplar: see exemplar.h. A cell is written between two steps of its turn (a sequence lock): its writer
 * waits for nobody, and a reader that finds another turn afterwards, or the odd one that a killed writer
 * left, has read nothing. SPDX-License-Identifier: MIT */
#include "exemplar.h"

enum { SPREAD = 31, BUCKETS = 21 };

/* Buckets of one series never meet. */
static size_t cell_of(const struct exemplar *exemplar)
{
    return ((size_t)exemplar->slot * SPREAD + exemplar->bucket % BUCKETS) % EXEMPLAR_CELLS;
}

void exemplar_store_put(struct exemplar_store *store, const struct exemplar *exemplar)
{
    struct exemplar_cell *cell = &store->cells[cell_of(exemplar)];
    uint64_t turn = cell->turn;
    __atomic_store_n(&cell->turn, turn | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    cell->exemplar = *exemplar;
    cell->number = ++store->count;
    __atomic_store_n(&cell->turn, (turn | 1) + 1, __ATOMIC_RELEASE);
}

bool exemplar_store_get(const struct exemplar_store *store, size_t index, uint64_t since,
                        struct exemplar *exemplar)
{
    const struct exemplar_cell *cell = &store->cells[index];
    uint64_t turn = __atomic_load_n(&cell->turn, __ATOMIC_ACQUIRE);
    if (turn == 0 || turn % 2 == 1 || cell->number <= since)
        return false;
    *exemplar = cell->exemplar;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&cell->turn, __ATOMIC_RELAXED) == turn;
}
