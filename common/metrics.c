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
 * pointers. SPDX-License-Identifier: MIT */
#include "metrics.h"

#include "clock.h"
#include "exemplar.h"
#include "process.h"
#include "snapshot.h"

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
    PAGE_MAGIC = 0x4f555452, /* "OUTR" */
    PAGE_LAYOUT = 2,         /* grows with any change to the structs below */
    /* Label sets of one process. A frontend makes about 5 for each model version; the page stays under 500
       KB. */
    PAGE_FREE_SLOTS = 1024,
    PAGE_SLOTS = METRIC_COUNT + PAGE_FREE_SLOTS,
    ALLOCATION_STEP = 32768 /* bytes that are asked for at a time: about 85 slots a system call */
};

struct slot_key {
    uint32_t metric;
    char labels[METRICS_LABELS_MAX][METRICS_LABEL_BYTES]; /* zero-filled */
};

struct slot {
    struct slot_key key;
    uint32_t used; /* set last, so that a reader never sees half a key */
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

/* ---- the table ---- */

static const struct metric_description descriptions[METRIC_COUNT] = {
#define METRIC(identifier, kind, name, labels, help) {kind, name, labels, help},
#include "metrics.def"
#undef METRIC
};

/* A prediction of a small model takes well under a millisecond, with a slow one or a queue it takes seconds:
 * so 1, 2.5, 5 in each decade, and twice as many between 0.5 and 10 ms where most answers lie; 200 ms in the
 * place of 250, since that is what most objectives say, and a share is only exact at a bound. */
const int64_t metrics_duration_bounds[METRICS_BUCKETS] = {
    100000,    250000,    500000,     750000,     1000000,    1500000,    2000000,
    3000000,   5000000,   7500000,    10000000,   25000000,   50000000,   100000000,
    200000000, 500000000, 1000000000, 2500000000, 5000000000, 10000000000};

const int64_t metrics_size_bounds[METRICS_BUCKETS] = {1,     2,     4,     8,      16,     32,    64,
                                                      128,   256,   512,   1024,   2048,   4096,  8192,
                                                      16384, 32768, 65536, 131072, 262144, 524288};

const struct metric_description *metric_describe(enum metric metric)
{
    ENSURE((unsigned)metric < METRIC_COUNT);
    return &descriptions[metric];
}

size_t metric_label_count(enum metric metric)
{
    const char *labels = metric_describe(metric)->labels;
    size_t count = labels[0] == '\0' ? 0 : 1;
    for (const char *at = labels; *at != '\0'; at++)
        count += *at == ',';
    return count;
}

void metrics_label(struct text value, char label[METRICS_LABEL_BYTES])
{
    size_t length = value.length < METRICS_LABEL_BYTES ? value.length : METRICS_LABEL_BYTES - 1;
    memset(label, 0, METRICS_LABEL_BYTES);
    for (size_t i = 0; i < length; i++)
        label[i] = value.at[i] >= ' ' && value.at[i] <= '~' ? value.at[i] : '?';
}

static uint32_t hash_text(uint32_t hash, const char *text)
{
    do {
        hash = (hash ^ (uint8_t)*text) * 16777619; /* FNV-1a */
    } while (*text++ != '\0');
    return hash;
}

static uint32_t table_fingerprint(void)
{
    uint32_t hash = 2166136261;
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        hash = hash_text(hash, descriptions[i].name);
        hash = hash_text(hash, descriptions[i].labels);
        hash = (hash ^ descriptions[i].kind) * 16777619;
    }
    return hash;
}

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
                                             .table = table_fingerprint(),
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
    __atomic_store_n(&slot->used, 1, __ATOMIC_RELEASE);
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
    (void)__atomic_exchange_n(&entry->slot->used, 0, __ATOMIC_ACQ_REL);
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
        place += page->slots[i].used;
    }
    for (size_t cell = 0; cell < EXEMPLAR_CELLS; cell++) {
        if (!exemplar_store_get(&page->exemplars, cell, since, &exemplar) || exemplar.slot >= slot_count ||
            !page->slots[exemplar.slot].used || exemplar.value > INT64_MAX || exemplar.time < 0 ||
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

struct telling {
    const char *kind;
    const char *name;
    uint64_t sequence;
    uint32_t interval_ms;
    uint64_t since; /* so many exemplars have been told */
};

static uint8_t *write_snapshot(const struct page *page, size_t slot_count, const struct telling *telling,
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
        snapshot.series_count += page->slots[i].used;
    snapshot.exemplar_count = (uint32_t)collect_exemplars(page, slot_count, telling->since, exemplars);
    size_t capacity = snapshot_bound(snapshot.series_count);
    uint8_t *bytes = object_alloc(capacity);
    struct wire_writer writer;
    wire_writer_begin(&writer, bytes, capacity);
    snapshot_write_head(&writer, &snapshot);
    for (size_t i = 0; i < slot_count; i++)
        if (page->slots[i].used)
            write_slot(&writer, &page->slots[i]);
    snapshot_write_exemplars(&writer, exemplars, snapshot.exemplar_count);
    *length = wire_writer_end(&writer);
    ENSURE(*length > 0);
    return bytes;
}

void metrics_set_interval(struct metrics *metrics, uint32_t interval_ms)
{
    CHECK_OBJECT(metrics, METRICS_MAGIC);
    metrics->interval_ms = interval_ms;
}

uint8_t *metrics_snapshot(struct metrics *metrics, const char *kind, const char *name, size_t *length)
{
    CHECK_OBJECT(metrics, METRICS_MAGIC);
    struct page *page = metrics->page;
    struct telling telling = {.kind = kind,
                              .name = name,
                              .sequence = ++page->head.sequence,
                              .interval_ms = metrics->interval_ms,
                              .since = metrics->exemplars_told};
    metrics->exemplars_told = page->exemplars.count;
    return write_snapshot(page, metrics->slot_count, &telling, length);
}

/* ---- reading the page of another ---- */

/* Reads `bytes` bytes of the file, with read(2): a mapping of a file that somebody cuts short would be a
 * SIGBUS. */
static bool read_page(const char *path, void *memory, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd == -1)
        return false;
    ssize_t got = pread(fd, memory, bytes, 0);
    close(fd);
    return got == (ssize_t)bytes;
}

static bool readable(const struct page_head *head)
{
    return head->magic == PAGE_MAGIC && head->layout == PAGE_LAYOUT && head->table == table_fingerprint() &&
           head->pid <= INT32_MAX;
}

bool metrics_page_owner(const char *path, uint32_t *pid, uint64_t *start)
{
    struct page_head head;
    if (!read_page(path, &head, sizeof head) || !readable(&head))
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
        slot->used = slot->used == 1 && slot->key.metric < METRIC_COUNT;
        for (size_t label = 0; label < METRICS_LABELS_MAX; label++)
            slot->key.labels[label][METRICS_LABEL_BYTES - 1] = '\0';
    }
}

uint8_t *metrics_page_snapshot(const char *path, const char *kind, const char *name, size_t *length)
{
    struct page *page = object_alloc(sizeof *page);
    uint8_t *bytes = NULL;
    if (read_page(path, page, sizeof *page) && readable(&page->head)) {
        sanitise(page);
        struct telling telling = {.kind = kind, .name = name, .sequence = page->head.sequence + 1};
        bytes = write_snapshot(page, PAGE_SLOTS, &telling, length);
    }
    free(page);
    return bytes;
}
