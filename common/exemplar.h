/* exemplar: traces that stand for what a histogram counted: the newest of each bucket, beside the series in
 * the page of counters. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_EXEMPLAR_H
#define OUTRIGGER_EXEMPLAR_H

#include "trace_context.h"

enum {
    EXEMPLAR_CELLS = 512 /* a few buckets of about a hundred series; what meets in a cell the newer one has */
};

struct exemplar {
    uint32_t slot;                 /* of the page: whose series it is */
    uint32_t bucket;               /* of its histogram */
    uint64_t value;                /* nanoseconds: what was observed */
    int64_t time;                  /* nanoseconds since 1970: when */
    uint8_t trace[TRACE_ID_BYTES]; /* of what */
};

/* Part of a page: a single writer, and readers who may come at any moment, after its death, too. Zeroed =
 * empty. */
struct exemplar_store {
    uint64_t count; /* of those that were put */
    struct exemplar_cell {
        uint64_t turn;                                              /* odd: it is being written; 0: empty */
        uint64_t number;                                            /* the how manieth it was */
        uint64_t words[sizeof(struct exemplar) / sizeof(uint64_t)]; /* the exemplar */
    } cells[EXEMPLAR_CELLS];
};

void exemplar_store_put(struct exemplar_store *store, const struct exemplar *exemplar);
/* Gives what the cell has, if it came after the first `since` that were put; false: nothing, or half of
 * something. */
bool exemplar_store_get(const struct exemplar_store *store, size_t cell, uint64_t since,
                        struct exemplar *exemplar);

#endif
