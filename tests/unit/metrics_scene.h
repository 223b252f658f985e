/* metrics_scene: what is in a snapshot of metrics, and as many label sets as a page keeps apart. Include it
 * in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_METRICS_SCENE_H
#define OUTRIGGER_METRICS_SCENE_H

#include "metrics_page.h"
#include "scratch_directory.h"
#include "snapshot.h"
#include "suite.h"

enum { LABEL_SETS = 1024 }; /* that one page keeps apart, as STATS.md says */

/* The series with that metric and first label in a snapshot; fails the test when there is none. */
static inline struct snapshot_series find(const uint8_t *bytes, size_t length, enum metric metric,
                                          const char *label)
{
    struct snapshot snapshot;
    struct snapshot_series series;
    ck_assert_ptr_null(snapshot_decode(bytes, length, &snapshot));
    while (snapshot_next(&snapshot, &series))
        if (series.metric == metric && (label == NULL || text_is(series.labels[0], label)))
            return series;
    ck_abort_msg("%s{%s} is not in the snapshot", metric_describe(metric)->name, label);
    return series;
}

static inline struct snapshot head_of(const uint8_t *bytes, size_t length)
{
    struct snapshot snapshot;
    ck_assert_ptr_null(snapshot_decode(bytes, length, &snapshot));
    return snapshot;
}

/* A counter in each of so many label sets. */
static inline void fill(struct metrics *metrics, int label_sets)
{
    for (int i = 0; i < label_sets; i++) {
        char label[16];
        snprintf(label, sizeof label, "%d", i);
        series_add(metrics_series(metrics, METRIC_RETRIES, label, NULL, NULL), 1);
    }
}

#endif
