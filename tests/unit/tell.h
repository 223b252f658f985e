/* tell: what a process might publish, as decoded snapshots for the tests of the collector. Include it in one
 * test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TELL_H
#define OUTRIGGER_TELL_H

#include "registry.h"

#include <check.h>
#include <stdlib.h>

/* A process that tells; its sequence goes on by itself. */
struct teller {
    const char *name;
    uint32_t pid;
    uint64_t start;
    uint64_t sequence;
    struct wire_writer writer;
    uint8_t bytes[1 << 17];
    struct snapshot snapshot;
};

/* A counter or gauge with up to three labels. */
static inline struct snapshot_series value(enum metric metric, const char *label, uint64_t number)
{
    return (struct snapshot_series){
        .metric = metric, .labels = {text_of(label), text_of(label), text_of(label)}, .numbers = {number}};
}

/* The next snapshot of the teller with these series; good until its next. */
static inline struct snapshot *tell(struct teller *teller, uint32_t interval_ms,
                                    const struct snapshot_series *series, size_t count)
{
    struct snapshot head = {.kind = text_of("worker"),
                            .name = text_of(teller->name),
                            .pid = teller->pid,
                            .start = teller->start,
                            .sequence = ++teller->sequence,
                            .interval_ms = interval_ms,
                            .series_count = (uint32_t)count};
    wire_writer_begin(&teller->writer, teller->bytes, sizeof teller->bytes);
    snapshot_write_head(&teller->writer, &head);
    for (size_t i = 0; i < count; i++)
        snapshot_write_series(&teller->writer, &series[i]);
    size_t length = wire_writer_end(&teller->writer);
    ck_assert_ptr_null(snapshot_decode(teller->bytes, length, &teller->snapshot));
    return &teller->snapshot;
}

static inline struct registry_process process_of(const struct teller *teller)
{
    struct registry_process process = {.kind = "worker", .pid = teller->pid, .start = teller->start};
    text_copy(text_of(teller->name), process.name, sizeof process.name);
    return process;
}

/* What the registry shows of one series. */
struct sought {
    const char *label; /* the first; NULL: any */
    bool found;
    uint64_t numbers[SNAPSHOT_NUMBERS_MAX];
    uint64_t retired;
};

static inline void seek(void *self, const struct registry_total *total)
{
    struct sought *sought = self;
    if (sought->label != NULL && strcmp(total->labels[0], sought->label) != 0)
        return;
    ck_assert_msg(!sought->found, "%s stands twice", metric_describe(total->metric)->name);
    sought->found = true;
    sought->retired = total->retired[0];
    memcpy(sought->numbers, total->numbers, snapshot_number_count(total->metric) * sizeof(uint64_t));
}

static inline struct sought look_up(const struct registry *registry, enum metric metric, const char *label)
{
    struct sought sought = {.label = label};
    registry_each(registry, metric, seek, &sought);
    return sought;
}

#endif
