/* metrics_page: what is told of a page of counters, one's own or that of another process.
 *
 * A page is read without its writer's help, who may be dead, or go on: the supervisor looks at those of
 * frontends that serve. A slot may be read while its place passes to another label set. So each passing is
 * counted in the slot, and what was read counts only where that number was the same before and after: no
 * number is told of whom it does not belong to. Called by metrics.c (one's own), the collector and the
 * supervisor. SPDX-License-Identifier: MIT */
#include "metrics_page.h"

#include "snapshot.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void write_slot(struct wire_writer *writer, const struct slot *slot)
{
    struct snapshot_series series = {.metric = (enum metric)slot->key.metric};
    for (size_t i = 0; i < METRICS_LABELS_MAX; i++)
        series.labels[i] = text_of(slot->key.labels[i]);
    series.numbers[0] = slot->series.value;
    series.numbers[1] = slot->series.sum;
    memcpy(&series.numbers[2], slot->series.buckets, sizeof slot->series.buckets);
    snapshot_write_series(writer, &series);
}

static struct text cut(const char *text, size_t maximum)
{
    struct text whole = text_of(text);
    return (struct text){.at = whole.at, .length = whole.length < maximum ? whole.length : maximum};
}

/* Those that came after the first `since`, of series that the snapshot tells. The page may be anybody's. */
static size_t collect_exemplars(const struct page *page, size_t slot_count, uint64_t since,
                                struct snapshot_exemplar exemplars[EXEMPLAR_CELLS])
{
    uint32_t places[PAGE_SLOTS], place = 0; /* of slots among the series */
    size_t count = 0;
    struct exemplar exemplar;
    for (size_t i = 0; i < slot_count; i++) {
        places[i] = place;
        place += slot_is_used(&page->slots[i]);
    }
    for (size_t cell = 0; cell < EXEMPLAR_CELLS; cell++) {
        if (!exemplar_store_get(&page->exemplars, cell, since, &exemplar) || exemplar.slot >= slot_count ||
            !slot_is_used(&page->slots[exemplar.slot]) || exemplar.value > INT64_MAX || exemplar.time < 0 ||
            exemplar.bucket != metrics_duration_bucket((int64_t)exemplar.value))
            continue;
        exemplars[count] = (struct snapshot_exemplar){.series = places[exemplar.slot],
                                                      .bucket = exemplar.bucket,
                                                      .value = exemplar.value,
                                                      .time = exemplar.time};
        memcpy(exemplars[count++].trace, exemplar.trace, sizeof exemplar.trace);
    }
    return count;
}

uint8_t *metrics_page_tell(const struct page *page, size_t slot_count, const struct metrics_telling *telling,
                           size_t *length)
{
    struct snapshot_exemplar exemplars[EXEMPLAR_CELLS];
    struct snapshot snapshot = {.kind = cut(telling->kind, SNAPSHOT_KIND_MAX),
                                .name = cut(telling->name, SNAPSHOT_NAME_MAX),
                                .pid = page->head.pid,
                                .start = page->head.start,
                                .sequence = telling->sequence,
                                .interval_ms = telling->interval_ms};
    for (size_t i = 0; i < slot_count; i++)
        snapshot.series_count += slot_is_used(&page->slots[i]);
    snapshot.exemplar_count = (uint32_t)collect_exemplars(page, slot_count, telling->since, exemplars);
    size_t capacity = snapshot_bound(snapshot.series_count);
    uint8_t *bytes = object_alloc(capacity);
    struct wire_writer writer;
    wire_writer_begin(&writer, bytes, capacity);
    snapshot_write_head(&writer, &snapshot);
    for (size_t i = 0; i < slot_count; i++)
        if (slot_is_used(&page->slots[i]))
            write_slot(&writer, &page->slots[i]);
    snapshot_write_exemplars(&writer, exemplars, snapshot.exemplar_count);
    *length = wire_writer_end(&writer);
    ENSURE(*length > 0);
    return bytes;
}

/* ---- reading the page of another ---- */

static int open_page(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* With pread: a mapping of a file that somebody cuts short would be a SIGBUS. */
static bool read_page(int fd, void *memory, size_t bytes)
{
    return pread(fd, memory, bytes, 0) == (ssize_t)bytes;
}

static bool readable(const struct page_head *head)
{
    return head->magic == PAGE_MAGIC && head->layout == PAGE_LAYOUT && head->table == metrics_fingerprint() &&
           head->pid <= INT32_MAX;
}

bool metrics_page_owner(const char *path, uint32_t *pid, uint64_t *start)
{
    struct page_head head;
    int fd = open_page(path);
    bool good = fd != -1 && read_page(fd, &head, sizeof head) && readable(&head);
    if (fd != -1)
        close(fd);
    if (!good)
        return false;
    *pid = head.pid;
    *start = head.start;
    return true;
}

/* Takes slots out of use that no process of ours can have written. */
static void sanitise(struct page *page)
{
    for (size_t i = 0; i < PAGE_SLOTS; i++) {
        struct slot *slot = &page->slots[i];
        slot->turn = slot_is_used(slot) && slot->key.metric < METRIC_COUNT;
        for (size_t label = 0; label < METRICS_LABELS_MAX; label++)
            slot->key.labels[label][METRICS_LABEL_BYTES - 1] = '\0';
    }
}

/* Takes slots out of use that may have passed to another while the page was read: those that `other`, read
 * before or after it, has in another turn. */
static void compare_turns(struct page *page, const struct page *other)
{
    for (size_t i = 0; i < PAGE_SLOTS; i++)
        if (page->slots[i].turn != other->slots[i].turn)
            page->slots[i].turn = 0;
}

/* The page as it was at one time or another, each slot by itself. */
static bool read_consistently(int fd, struct page *page)
{
    struct page *other = object_alloc(sizeof *other);
    bool good = read_page(fd, other, sizeof *other) && read_page(fd, page, sizeof *page);
    compare_turns(page, other);
    good = good && read_page(fd, other, sizeof *other);
    compare_turns(page, other);
    free(other);
    return good;
}

uint8_t *metrics_page_snapshot(const char *path, const char *kind, const char *name, size_t *length)
{
    int fd = open_page(path);
    if (fd == -1)
        return NULL;
    struct page *page = object_alloc(sizeof *page);
    uint8_t *bytes = NULL;
    if (read_consistently(fd, page) && readable(&page->head)) {
        sanitise(page);
        struct metrics_telling telling = {.kind = kind, .name = name, .sequence = page->head.sequence + 1};
        bytes = metrics_page_tell(page, PAGE_SLOTS, &telling, length);
    }
    free(page);
    close(fd);
    return bytes;
}
