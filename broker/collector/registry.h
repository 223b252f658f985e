/* registry: the snapshots of all processes, added up. Pure: no sockets, no files, no clock.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REGISTRY_H
#define OUTRIGGER_REGISTRY_H

#include "snapshot.h"

struct registry;

/* One process for ever: a process that is started again is another one. */
struct registry_process {
    char kind[SNAPSHOT_KIND_MAX + 1];
    char name[SNAPSHOT_NAME_MAX + 1];
    uint32_t pid;
    uint64_t start;
};

/* What became of a snapshot. */
enum registry_answer {
    REGISTRY_TAKEN,
    REGISTRY_STALE, /* its sequence is not above the last one's */
    REGISTRY_FULL   /* one process too many */
};

/* What the registry has counted; all but the two first only grow. */
struct registry_counts {
    uint64_t series;    /* kept now */
    uint64_t processes; /* alive now: heard, not silent, not retired */
    uint64_t taken;     /* snapshots */
    uint64_t lost;      /* snapshots missing in sequences */
    uint64_t dropped;   /* series without room, each time they came */
    uint64_t retired;   /* processes */
};

/* The newest trace that stands for a bucket; value 0 and time 0: none. */
struct registry_exemplar {
    uint64_t value; /* nanoseconds */
    int64_t time;   /* nanoseconds since 1970 */
    uint8_t trace[TRACE_ID_BYTES];
};

/* A sum, as its visitors see it. */
struct registry_total {
    enum metric metric;
    const char *const *labels;
    const uint64_t *numbers;                   /* as in struct snapshot_series, over all processes */
    const uint64_t *retired;                   /* the part of those that ended; all 0 for a gauge */
    const struct registry_exemplar *exemplars; /* METRICS_BUCKETS + 1 of them; NULL: there are none */
};

/* Keeps at most `max_series` label sets. */
struct registry *registry_new(size_t max_series);
void registry_free(struct registry *registry);

/* Takes a decoded snapshot that came at `now` (monotonic nanoseconds). One that says that it is the last
 * retires its process. */
enum registry_answer registry_take(struct registry *registry, struct snapshot *snapshot, int64_t now);

/* Makes a process known that left a page but was never heard: as if it had been heard at `now`. False when
 * there is no room. Does nothing for one that is known. */
bool registry_notice(struct registry *registry, const struct registry_process *process, int64_t now);

/* The process ended: what it counted stays in the sums, its gauges go. Should it be heard again after all,
 * its first snapshot is only a new base line: nothing is counted twice. */
void registry_retire(struct registry *registry, const struct registry_process *process);
bool registry_is_retired(const struct registry *registry, const struct registry_process *process);

/* Takes the gauges of processes that were not heard for five of their intervals out of the sums, and calls
 * `silent` for each of them (and every time again while they are silent), which may take a snapshot of it or
 * retire it. */
typedef void registry_silent(void *self, const struct registry_process *process);
void registry_check(struct registry *registry, int64_t now, registry_silent *silent, void *self);

/* Calls for each process that is not retired. */
typedef void registry_visit_process(void *self, const struct registry_process *process, uint64_t sequence);
void registry_each_process(const struct registry *registry, registry_visit_process *visit, void *self);
/* Calls for each retired process that is still remembered, the oldest first. */
void registry_each_retired(const struct registry *registry, registry_visit_process *visit, void *self);
/* Calls for each series of the metric, the oldest first. */
typedef void registry_visit(void *self, const struct registry_total *total);
void registry_each(const struct registry *registry, enum metric metric, registry_visit *visit, void *self);

/* What a predecessor knew, before anything is taken: a retired process, and the sum of one series over all of
 * them. */
void registry_restore_process(struct registry *registry, const struct registry_process *process,
                              uint64_t sequence);
void registry_restore_series(struct registry *registry, const struct snapshot_series *series);

struct registry_counts registry_counts(const struct registry *registry);

#endif
