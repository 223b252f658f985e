/* gauge: what a page of counters tells now, as whoever reads its snapshots sees it.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_GAUGE_H
#define OUTRIGGER_GAUGE_H

#include "snapshot.h"

#include <check.h>
#include <stdlib.h>

/* True when there is a series of that metric with those labels; NULL: any. Then *number is its value. */
static inline bool gauge_find(struct metrics *page, enum metric metric,
                              const char *const labels[METRICS_LABELS_MAX], int64_t *number)
{
    size_t length;
    struct snapshot snapshot;
    struct snapshot_series series;
    bool found = false;
    uint8_t *bytes = metrics_snapshot(page, "test", "test", &length);
    ck_assert_ptr_null(snapshot_decode(bytes, length, &snapshot));
    while (!found && snapshot_next(&snapshot, &series)) {
        found = series.metric == metric;
        for (size_t i = 0; i < METRICS_LABELS_MAX; i++)
            found = found && (labels[i] == NULL || text_is(series.labels[i], labels[i]));
        *number = (int64_t)series.numbers[0];
    }
    free(bytes);
    return found;
}

static inline bool gauge_is_told(struct metrics *page, enum metric metric, const char *label1,
                                 const char *label2, const char *label3)
{
    int64_t number;
    return gauge_find(page, metric, (const char *const[]){label1, label2, label3}, &number);
}

#endif
