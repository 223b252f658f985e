/* snapshot: the counters of one process as STATS.md puts them on the wire. Pure: no sockets, no memory of its
 * own, safe on any bytes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SNAPSHOT_H
#define OUTRIGGER_SNAPSHOT_H

#include "metrics.h"
#include "wire.h"

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_BYTES_MAX = 4 << 20, /* bytes of one body; a full page of ours makes less than 512 KB */
    SNAPSHOT_SERIES_MAX = 4096,   /* series of one body; a page of ours has about 1,100 */
    SNAPSHOT_KIND_MAX = 31,       /* bytes of the kind of a process, "worker" */
    SNAPSHOT_NAME_MAX = 300, /* bytes of its name: "worker.", a model and a version of 128 each, a number */
    SNAPSHOT_INTERVAL_MAX = 60000, /* ms; collector.interval_ms has the same bound */
    SNAPSHOT_TOPIC_BYTES =
        SNAPSHOT_KIND_MAX + SNAPSHOT_NAME_MAX + 13, /* with two dots, a pid and a terminator */
    SNAPSHOT_NUMBERS_MAX = 2 + METRICS_BUCKETS + 1,
    SNAPSHOT_EXEMPLARS_MAX = 512 /* of one body */
};

/* The head of a snapshot. Texts are views. */
struct snapshot {
    struct text kind;
    struct text name;
    uint32_t pid;
    uint64_t start;       /* clock ticks since boot; with the pid it names one process for ever */
    uint64_t sequence;    /* 1, 2, ... in the life of the process */
    uint32_t interval_ms; /* until the next one is due; 0: this is the last */
    uint32_t series_count;
    struct wire_reader series; /* when decoded: what snapshot_next reads */
    uint32_t exemplar_count;
    struct wire_reader exemplars; /* likewise: snapshot_next_exemplar */
};

/* One series of it. */
struct snapshot_series {
    enum metric metric; /* METRIC_COUNT: one that this build does not know; nothing else is set then */
    struct text labels[METRICS_LABELS_MAX];
    /* COUNTER: the value. GAUGE: an int64_t. HISTOGRAM and SIZES: count, sum, buckets (not cumulative). */
    uint64_t numbers[SNAPSHOT_NUMBERS_MAX];
};

/* A trace that stands for a bucket of a series. */
struct snapshot_exemplar {
    uint32_t series; /* which of the snapshot's series, from 0 */
    uint32_t bucket;
    uint64_t value; /* nanoseconds; in that bucket */
    int64_t time;   /* nanoseconds since 1970 */
    uint8_t trace[TRACE_ID_BYTES];
};

/* How many of the numbers a metric has: 1, or SNAPSHOT_NUMBERS_MAX. */
size_t snapshot_number_count(enum metric metric);

/* True for 1 to `maximum` bytes of A-Z a-z 0-9 . _ -: the kind (without dots) and the name of a process. */
bool snapshot_name_ok(struct text name, size_t maximum);

/* Writes "KIND.NAME.PID" with a terminator; returns its length. The texts must be within their bounds. */
size_t snapshot_topic(const struct snapshot *snapshot, char topic[SNAPSHOT_TOPIC_BYTES]);

/* Bytes that a snapshot of so many series and SNAPSHOT_EXEMPLARS_MAX exemplars needs at most. */
size_t snapshot_bound(size_t series_count);
/* Writes the head; exactly snapshot->series_count calls of snapshot_write_series must follow. */
void snapshot_write_head(struct wire_writer *writer, const struct snapshot *snapshot);
void snapshot_write_series(struct wire_writer *writer, const struct snapshot_series *series);
/* Then this one, with the snapshot's exemplar_count. */
void snapshot_write_exemplars(struct wire_writer *writer, const struct snapshot_exemplar *exemplars,
                              uint32_t count);

/* Reads a whole snapshot, checking every series and that all bytes belong to it. Returns NULL, or what is
 * wrong as a constant sentence part; `snapshot` is then unspecified. Its texts and series are views of
 * `bytes`. */
const char *snapshot_decode(const uint8_t *bytes, size_t length, struct snapshot *snapshot);
/* The next series of a decoded snapshot; false after the last. */
bool snapshot_next(struct snapshot *snapshot, struct snapshot_series *series);
/* The next exemplar likewise. Its series may be of any kind. */
bool snapshot_next_exemplar(struct snapshot *snapshot, struct snapshot_exemplar *exemplar);
/* Reads one series by itself; NULL, or what is wrong. */
const char *snapshot_read_series(struct wire_reader *reader, struct snapshot_series *series);

#endif
