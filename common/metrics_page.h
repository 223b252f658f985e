/* metrics_page: the page of counters as it lies in a file: what metrics.c writes, and what is told of it.
 * For metrics.c, metrics_page.c and metrics_table.c alone. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_METRICS_PAGE_H
#define OUTRIGGER_METRICS_PAGE_H

#include "exemplar.h"
#include "metrics.h"

enum {
    PAGE_MAGIC = 0x4f555452, /* "OUTR" */
    PAGE_LAYOUT = 3,         /* grows with any change to the structs below */
    /* Label sets of one process. A frontend makes about 5 for each model version; the page stays under 500
       KB. */
    PAGE_FREE_SLOTS = 1024,
    PAGE_SLOTS = METRIC_COUNT + PAGE_FREE_SLOTS
};

struct slot_key {
    uint32_t metric;
    char labels[METRICS_LABELS_MAX][METRICS_LABEL_BYTES]; /* zero-filled */
};

struct slot {
    struct slot_key key;
    uint32_t turn; /* odd while a label set has it; grows when one takes it, last, and gives it back, first */
    struct series series;
};

struct page_head {
    uint32_t magic;
    uint32_t layout;
    uint32_t table; /* fingerprint of metrics.def: equal for builds that mean the same by a slot */
    uint32_t pid;
    uint64_t start;
    uint64_t sequence; /* of the last snapshot */
};

struct page {
    struct page_head head;
    struct exemplar_store exemplars;
    struct slot slots[PAGE_SLOTS];
};

static inline bool slot_is_used(const struct slot *slot)
{
    return slot->turn % 2 == 1;
}

/* What a snapshot says beside the series. */
struct metrics_telling {
    const char *kind;
    const char *name;
    uint64_t sequence;
    uint32_t interval_ms;
    uint64_t since; /* so many exemplars have been told */
};

/* The snapshot (STATS.md) of the first `slot_count` slots. The caller frees. */
uint8_t *metrics_page_tell(const struct page *page, size_t slot_count, const struct metrics_telling *telling,
                           size_t *length);
/* The same for two builds whose rows of metrics.def are the same. */
uint32_t metrics_fingerprint(void);

#endif
