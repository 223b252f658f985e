/* metrics: the page of counters.
 *
 * Every process has one page and is its only writer, so that counting is an add to memory: no lock, no
 * message. The page is a shared mapping of a file, which outlives a kill -9: the collector reads what the
 * dead process had counted since its last snapshot (metrics_page_snapshot).
 *
 *     header | exemplars | one reserved slot for each metric | slots for label sets, taken in order; those of
 *                                                              gauges may be given back
 *
 * The reserved slot of a metric holds its only series when it has no labels, else the series with labels
 * "other", which takes what finds no slot any more. Strange label values can therefore cost detail, but
 * neither memory nor counts. The file is sparse, and disk or memory behind a slot is asked for before it is
 * written: a write to a mapped hole of a full file system would be a SIGBUS.
 *
 * The index from labels to slots is private memory: a search is one hash, and the page stays free of
 * pointers. What is told of a page is metrics_page.c's. SPDX-License-Identifier: MIT */
#include "metrics_page.h"

#include "clock.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

enum {
    METRICS_MAGIC = 0x6d650001,
    ALLOCATION_STEP = 32768 /* bytes that are asked for at a time: about 85 slots a system call */
};

struct index_entry {
    UT_hash_handle hh; /* by the slot's key */
    struct slot *slot;
};

struct metrics {
    unsigned magic;
    struct page *page;
    int fd;           /* -1: private memory */
    char *path;       /* NULL: private memory */
    size_t allocated; /* bytes of the file that are surely there */
    bool fixed;       /* and stay as many */
    size_t slot_count;
    uint16_t given_back[PAGE_FREE_SLOTS]; /* indices of slots */
    size_t given_back_count;
    uint32_t interval_ms;
    uint64_t exemplars_told; /* so many of those that were put are in snapshots already */
    struct index_entry *index;
};

/* ---- making a page ---- */

/* True when the bytes of the page up to `end` are backed. */
static bool back(struct metrics *metrics, size_t end)
{
    if (metrics->fd == -1 || end <= metrics->allocated)
        return true;
    if (metrics->fixed)
        return false;
    size_t target = metrics->allocated + ALLOCATION_STEP;
    if (target < end)
        target = end;
    if (target > sizeof(struct page))
        target = sizeof(struct page);
    if (posix_fallocate(metrics->fd, (off_t)metrics->allocated, (off_t)(target - metrics->allocated)) != 0)
        return false;
    metrics->allocated = target;
    return true;
}

static void add_to_index(struct metrics *metrics, struct slot *slot)
{
    struct index_entry *entry = object_alloc(sizeof *entry);
    entry->slot = slot;
    HASH_ADD_KEYPTR(hh, metrics->index, &slot->key, sizeof slot->key, entry);
}

static void reserve_slots(struct metrics *metrics)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        struct slot *slot = &metrics->page->slots[i];
        slot->key.metric = (uint32_t)i;
        for (size_t label = 0; label < metric_label_count((enum metric)i); label++)
            metrics_label(text_of("other"), slot->key.labels[label]);
        add_to_index(metrics, slot);
    }
    metrics->slot_count = METRIC_COUNT;
}

/* In a folder of another user, where we make a page as guests, he is to read it: the collector is. Who else
 * may come in there is his to say. */
static bool is_of_another(const char *path)
{
    char *copy = object_strdup(path);
    struct stat folder;
    bool other = stat(dirname(copy), &folder) == 0 && folder.st_uid != geteuid();
    free(copy);
    return other;
}

/* Makes and maps the file; the page or MAP_FAILED. */
static struct page *map_file(struct metrics *metrics, const char *path)
{
    unlink(path); /* of a predecessor with the same pid; a reader may still look at it */
    metrics->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (metrics->fd == -1)
        return MAP_FAILED;
    if (is_of_another(path) && fchmod(metrics->fd, 0644) == -1)
        return MAP_FAILED;
    if (ftruncate(metrics->fd, sizeof(struct page)) == -1)
        return MAP_FAILED;
    if (!back(metrics, offsetof(struct page, slots[METRIC_COUNT]))) {
        errno = ENOSPC;
        return MAP_FAILED;
    }
    return mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, metrics->fd, 0);
}

static void abandon_file(struct metrics *metrics, const char *path)
{
    int error = errno;
    if (metrics->fd != -1) {
        close(metrics->fd);
        unlink(path);
    }
    errno = error;
}

struct metrics *metrics_new(const char *path)
{
    struct metrics *metrics = object_alloc(sizeof *metrics);
    metrics->magic = METRICS_MAGIC;
    metrics->fd = -1;
    metrics->page = path != NULL ? map_file(metrics, path)
                                 : mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (metrics->page == MAP_FAILED) {
        abandon_file(metrics, path);
        free(metrics);
        return NULL;
    }
    metrics->path = path == NULL ? NULL : object_strdup(path);
    reserve_slots(metrics);
    metrics->page->head = (struct page_head){.magic = PAGE_MAGIC,
                                             .layout = PAGE_LAYOUT,
                                             .table = metrics_fingerprint(),
                                             .pid = (uint32_t)getpid(),
                                             .start = process_start_time(getpid())};
    return metrics;
}

void metrics_fix_size(struct metrics *metrics)
{
    CHECK_OBJECT(metrics, METRICS_MAGIC);
    (void)back(metrics, metrics->allocated + 1);
    metrics->fixed = true;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    CHECK_OBJECT(metrics, METRICS_MAGIC);
    struct index_entry *entry;
    struct index_entry *next;
    HASH_ITER(hh, metrics->index, entry, next)
    {
        HASH_DEL(metrics->index, entry);
        free(entry);
    }
    munmap(metrics->page, sizeof(struct page));
    if (metrics->path != NULL) {
        unlink(metrics->path);
        close(metrics->fd);
    }
    free(metrics->path);
    metrics->magic = 0;
    free(metrics);
}

const char *metrics_path(const struct metrics *metrics)
{
    CHECK_OBJECT(metrics, METRICS_MAGIC);
    return metrics->path;
}

/* ---- counting ---- */

static struct index_entry *find(struct metrics *metrics, const struct slot_key *key)
{
    struct index_entry *entry;
    HASH_FIND(hh, metrics->index, key, sizeof *key, entry);
    return entry;
}

/* NULL when there is no room. */
static struct slot *free_slot(struct metrics *metrics)
{
    if (metrics->given_back_count > 0)
        return &metrics->page->slots[metrics->given_back[--metrics->given_back_count]];
    if (metrics->slot_count == PAGE_SLOTS ||
        !back(metrics, offsetof(struct page, slots) + (metrics->slot_count + 1) * sizeof(struct slot)))
        return NULL;
    return &metrics->page->slots[metrics->slot_count++];
}

static struct slot *take_slot(struct metrics *metrics, const struct slot_key *key)
{
    struct slot *slot = free_slot(metrics);
    if (slot == NULL)
        return NULL;
    slot->key = *key;
    add_to_index(metrics, slot);
    return slot;
}

static struct slot_key key_of(enum metric metric, const char *const labels[METRICS_LABELS_MAX])
{
    struct slot_key key = {.metric = (uint32_t)metric};
    size_t label_count = metric_label_count(metric);
    ENSURE(label_count <= METRICS_LABELS_MAX);
    for (size_t i = 0; i < label_count; i++)
        metrics_label(text_of(labels[i]), key.labels[i]);
    return key;
}

static struct series *use(struct slot *slot)
{
    if (!slot_is_used(slot))
        __atomic_store_n(&slot->turn, slot->turn + 1, __ATOMIC_RELEASE);
    return &slot->series;
}

struct series *metrics_series(struct metrics *metrics, enum metric metric, const char *label1,
                              const char *label2, const char *label3)
{
    CHECK_OBJECT(metrics, METRICS_MAGIC);
    struct slot_key key = key_of(metric, (const char *const[]){label1, label2, label3});
    const struct index_entry *entry = find(metrics, &key);
    struct slot *slot = entry != NULL ? entry->slot : take_slot(metrics, &key);
    if (slot == NULL) {
        series_add(use(&metrics->page->slots[METRIC_SERIES_DROPPED]), 1);
        slot = &metrics->page->slots[metric];
    }
    return use(slot);
}

void metrics_forget(struct metrics *metrics, enum metric metric, const char *label1, const char *label2,
                    const char *label3)
{
    CHECK_OBJECT(metrics, METRICS_MAGIC);
    ENSURE(metric_describe(metric)->kind == GAUGE);
    struct slot_key key = key_of(metric, (const char *const[]){label1, label2, label3});
    struct index_entry *entry = find(metrics, &key);
    size_t index = entry == NULL ? 0 : (size_t)(entry->slot - metrics->page->slots);
    if (index < METRIC_COUNT)
        return; /* none, or a reserved one */
    /* Seen before another key stands there: what a thread does behind an exchange does not come before it. */
    (void)__atomic_exchange_n(&entry->slot->turn, entry->slot->turn + 1, __ATOMIC_SEQ_CST);
    series_set(&entry->slot->series, 0);
    metrics->given_back[metrics->given_back_count++] = (uint16_t)index;
    HASH_DEL(metrics->index, entry);
    free(entry);
}

static size_t bucket_of(const int64_t bounds[METRICS_BUCKETS], int64_t value)
{
    size_t bucket = 0;
    while (bucket < METRICS_BUCKETS && value > bounds[bucket])
        bucket++;
    return bucket;
}

size_t metrics_duration_bucket(int64_t nanoseconds)
{
    return bucket_of(metrics_duration_bounds, nanoseconds);
}

static void observe(struct series *series, const int64_t bounds[METRICS_BUCKETS], int64_t value)
{
    size_t bucket = bucket_of(bounds, value);
    uint64_t amount = value < 0 ? 0 : (uint64_t)value;
    __atomic_store_n(&series->buckets[bucket], series->buckets[bucket] + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&series->sum, series->sum + amount, __ATOMIC_RELAXED);
    series_add(series, 1);
}

void series_observe_duration(struct series *series, int64_t nanoseconds)
{
    observe(series, metrics_duration_bounds, nanoseconds);
}

void series_observe_size(struct series *series, int64_t count)
{
    observe(series, metrics_size_bounds, count);
}

static size_t slot_of(const struct metrics *metrics, const struct series *series)
{
    const char *slot = (const char *)series - offsetof(struct slot, series);
    size_t index = (size_t)((const struct slot *)(const void *)slot - metrics->page->slots);
    ENSURE(index < PAGE_SLOTS);
    return index;
}

void metrics_observe_traced(struct metrics *metrics, struct series *series, int64_t nanoseconds,
                            const uint8_t trace[TRACE_ID_BYTES])
{
    CHECK_OBJECT(metrics, METRICS_MAGIC);
    struct exemplar exemplar = {.slot = (uint32_t)slot_of(metrics, series),
                                .bucket = (uint32_t)metrics_duration_bucket(nanoseconds),
                                .value = nanoseconds < 0 ? 0 : (uint64_t)nanoseconds,
                                .time = clock_wall()};
    memcpy(exemplar.trace, trace, sizeof exemplar.trace);
    series_observe_duration(series, nanoseconds);
    exemplar_store_put(&metrics->page->exemplars, &exemplar);
}

/* ---- telling ---- */

void metrics_set_interval(struct metrics *metrics, uint32_t interval_ms)
{
    CHECK_OBJECT(metrics, METRICS_MAGIC);
    metrics->interval_ms = interval_ms;
}

uint8_t *metrics_snapshot(struct metrics *metrics, const char *kind, const char *name, size_t *length)
{
    CHECK_OBJECT(metrics, METRICS_MAGIC);
    struct page *page = metrics->page;
    struct metrics_telling telling = {.kind = kind,
                                      .name = name,
                                      .sequence = ++page->head.sequence,
                                      .interval_ms = metrics->interval_ms,
                                      .since = metrics->exemplars_told};
    metrics->exemplars_told = page->exemplars.count;
    return metrics_page_tell(page, metrics->slot_count, &telling, length);
}
