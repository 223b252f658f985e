/* metrics: the page of counters of one process. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_METRICS_H
#define OUTRIGGER_METRICS_H

#include "trace_context.h"

enum metric_kind { COUNTER, GAUGE, HISTOGRAM, SIZES };

enum metric {
#define METRIC(identifier, ...) METRIC_##identifier,
#include "metrics.def"
#undef METRIC
    METRIC_COUNT
};

/* One row of metrics.def. */
struct metric_description {
    enum metric_kind kind;
    const char *name;
    const char *labels; /* "model,version" */
    const char *help;
};
const struct metric_description *metric_describe(enum metric metric);
/* The number of its labels, 0 to METRICS_LABELS_MAX. */
size_t metric_label_count(enum metric metric);

enum {
    METRICS_LABELS_MAX = 3,
    METRICS_LABEL_BYTES = 64, /* a value with its terminator */
    METRICS_BUCKETS = 20
};
/* Upper bounds of the buckets in nanoseconds (HISTOGRAM: 100 us to 10 s; what is above goes to +Inf) and in
 * counts (SIZES: 1, 2, 4, ...). METRICS_BUCKETS of each. */
extern const int64_t metrics_duration_bounds[METRICS_BUCKETS];
extern const int64_t metrics_size_bounds[METRICS_BUCKETS];

/* What a label's value is told as: cut at 63 bytes, with '?' for what is no printable ASCII; the rest of the
 * label is filled with zeros. */
void metrics_label(struct text value, char label[METRICS_LABEL_BYTES]);

/* A page: a mapping of a file of its own (single writer, survives the process's kill -9), or private memory.
 */
struct metrics;
/* `path` NULL: private memory. NULL with errno when the file cannot be made. */
struct metrics *metrics_new(const char *path);
/* Makes room in the file for about 85 more series, and for no more from now on: for a process that gives up
 * the right to let it grow. */
void metrics_fix_size(struct metrics *metrics);
/* Unmaps; removes the file. */
void metrics_free(struct metrics *metrics);
/* The file that metrics_free removes; NULL: there is none. It is the metrics' own. */
const char *metrics_path(const struct metrics *metrics);

/* One series: a metric with its label values. Find it once (metrics_series is a search), keep the pointer,
 * add to it for ever, or until metrics_forget. Labels in the order of the metric's row; NULL for those it
 * does not have. When the page is full the metric's series with labels "other" is given, and the drop is
 * counted. Never NULL. Values are told as metrics_label has it. */
struct series {
    uint64_t value; /* COUNTER; GAUGE as int64_t (nanoseconds where the name says seconds); count of
                       observations otherwise */
    uint64_t sum;   /* HISTOGRAM (ns), SIZES */
    uint64_t buckets[METRICS_BUCKETS + 1]; /* not cumulative; the last is +Inf */
};
struct series *metrics_series(struct metrics *metrics, enum metric metric, const char *label1,
                              const char *label2, const char *label3);

/* A gauge of which there is nothing to say any more: it is not told from the next snapshot on, and its place
 * is free for others; pointers to it are none any more. Does nothing when there is no such gauge. */
void metrics_forget(struct metrics *metrics, enum metric metric, const char *label1, const char *label2,
                    const char *label3);

/* Single writer: plain adds, made visible to readers of the page without a lock. */
static inline void series_add(struct series *series, uint64_t amount)
{
    __atomic_store_n(&series->value, series->value + amount, __ATOMIC_RELAXED);
}
static inline void series_set(struct series *series, int64_t value)
{
    __atomic_store_n(&series->value, (uint64_t)value, __ATOMIC_RELAXED);
}
/* The bucket of a HISTOGRAM that an observation falls in. */
size_t metrics_duration_bucket(int64_t nanoseconds);
/* Adds one observation: nanoseconds for a HISTOGRAM, a count for SIZES. */
void series_observe_duration(struct series *series, int64_t nanoseconds);
void series_observe_size(struct series *series, int64_t count);
/* The same as series_observe_duration, of a series of this page, with the trace that stands for its bucket
 * from now on.
 */
void metrics_observe_traced(struct metrics *metrics, struct series *series, int64_t nanoseconds,
                            const uint8_t trace[TRACE_ID_BYTES]);

/* Writes the snapshot that STATS.md describes. The caller frees; *length in bytes. */
uint8_t *metrics_snapshot(struct metrics *metrics, const char *kind, const char *name, size_t *length);
/* What snapshots say from now on of when the next one is due, in milliseconds; 0 (as at the beginning):
 * never. */
void metrics_set_interval(struct metrics *metrics, uint32_t interval_ms);

/* Whose page a file is: the pid and the start time (process_start_time) of its writer. False when it is no
 * page that this build can read. */
bool metrics_page_owner(const char *path, uint32_t *pid, uint64_t *start);
/* The snapshot that the writer of a page would have published next, had it not died: its last. NULL when the
 * file is no page that this build can read. The caller frees. */
uint8_t *metrics_page_snapshot(const char *path, const char *kind, const char *name, size_t *length);

#endif
