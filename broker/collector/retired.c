/* retired: crash-only for the sums that no living process tells any more.
 *
 * A counter of a living process comes back within one interval after the collector was killed. What ended
 * processes had counted is only in the collector's memory, so it is written down whenever a process retires,
 * which is rare, and before the page of that process is removed. The names of retired processes are written
 * too: a page that was not yet removed when the collector died must not be counted again.
 *
 *     msgpack [ 1, [ [kind, name, pid, start, sequence] ... ], [ series as in STATS.md ... ] ]
 *
 * Called by reaper.c. SPDX-License-Identifier: MIT */
#include "retired.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    RETIRED_VERSION = 1,
    PROCESS_BYTES_MAX = SNAPSHOT_KIND_MAX + SNAPSHOT_NAME_MAX + 5 + 3 * 9 + 8,
    FILE_BYTES_MAX = 1 << 30 /* a million series, the bound of collector.max_series, make about 500 MB */
};

/* ---- encoding ---- */

struct encoding {
    struct wire_writer *writer; /* NULL while counting */
    size_t count;
};

static void encode_process(void *self, const struct registry_process *process, uint64_t sequence)
{
    struct encoding *encoding = self;
    encoding->count++;
    if (encoding->writer == NULL)
        return;
    wire_write_array(encoding->writer, 5);
    wire_write_str(encoding->writer, process->kind);
    wire_write_str(encoding->writer, process->name);
    wire_write_uint(encoding->writer, process->pid);
    wire_write_uint(encoding->writer, process->start);
    wire_write_uint(encoding->writer, sequence);
}

static bool has_retired(const struct registry_total *total)
{
    for (size_t i = 0; i < snapshot_number_count(total->metric); i++)
        if (total->retired[i] != 0)
            return true;
    return false;
}

static void encode_total(void *self, const struct registry_total *total)
{
    struct encoding *encoding = self;
    struct snapshot_series series = {.metric = total->metric};
    if (!has_retired(total))
        return;
    encoding->count++;
    if (encoding->writer == NULL)
        return;
    for (size_t i = 0; i < metric_label_count(total->metric); i++)
        series.labels[i] = text_of(total->labels[i]);
    memcpy(series.numbers, total->retired, snapshot_number_count(total->metric) * sizeof(uint64_t));
    snapshot_write_series(encoding->writer, &series);
}

static size_t each_total(const struct registry *registry, struct wire_writer *writer)
{
    struct encoding encoding = {.writer = writer};
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        registry_each(registry, (enum metric)metric, encode_total, &encoding);
    return encoding.count;
}

static size_t each_process(const struct registry *registry, struct wire_writer *writer)
{
    struct encoding encoding = {.writer = writer};
    registry_each_retired(registry, encode_process, &encoding);
    return encoding.count;
}

uint8_t *retired_encode(const struct registry *registry, size_t *length)
{
    size_t process_count = each_process(registry, NULL);
    size_t series_count = each_total(registry, NULL);
    size_t capacity = snapshot_bound(series_count) + process_count * PROCESS_BYTES_MAX;
    uint8_t *bytes = object_alloc(capacity);
    struct wire_writer writer;
    wire_writer_begin(&writer, bytes, capacity);
    wire_write_array(&writer, 3);
    wire_write_uint(&writer, RETIRED_VERSION);
    wire_write_array(&writer, process_count);
    each_process(registry, &writer);
    wire_write_array(&writer, series_count);
    each_total(registry, &writer);
    *length = wire_writer_end(&writer);
    ENSURE(*length > 0);
    return bytes;
}

/* ---- decoding ---- */

static bool read_process(struct wire_reader *reader, struct registry_process *process, uint64_t *sequence)
{
    uint32_t count;
    uint64_t pid;
    struct text kind;
    struct text name;
    if (!wire_read_array(reader, &count) || count != 5 || !wire_read_str(reader, SNAPSHOT_KIND_MAX, &kind) ||
        !wire_read_str(reader, SNAPSHOT_NAME_MAX, &name) || !wire_read_uint(reader, INT32_MAX, &pid) ||
        !wire_read_uint(reader, UINT64_MAX, &process->start) || !wire_read_uint(reader, UINT64_MAX, sequence))
        return false;
    text_copy(kind, process->kind, sizeof process->kind);
    text_copy(name, process->name, sizeof process->name);
    process->pid = (uint32_t)pid;
    return snapshot_name_ok(kind, SNAPSHOT_KIND_MAX) && snapshot_name_ok(name, SNAPSHOT_NAME_MAX);
}

/* Reads everything; into the registry when there is one. */
static const char *read_all(const uint8_t *bytes, size_t length, struct registry *registry)
{
    struct wire_reader reader = wire_reader(bytes, length);
    struct registry_process process = {0};
    struct snapshot_series series;
    uint64_t number;
    uint32_t count;
    if (!wire_read_array(&reader, &count) || count != 3)
        return "it is no array of 3";
    if (!wire_read_uint(&reader, UINT64_MAX, &number) || number != RETIRED_VERSION)
        return "its version is not ours";
    if (!wire_read_array(&reader, &count))
        return "the processes are no array";
    for (uint32_t i = 0; i < count; i++) {
        if (!read_process(&reader, &process, &number))
            return "a process is none";
        if (registry != NULL)
            registry_restore_process(registry, &process, number);
    }
    if (!wire_read_array(&reader, &count))
        return "the series are no array";
    for (uint32_t i = 0; i < count; i++) {
        const char *wrong = snapshot_read_series(&reader, &series);
        if (wrong != NULL)
            return wrong;
        if (registry != NULL)
            registry_restore_series(registry, &series);
    }
    return wire_finished(&reader) ? NULL : "bytes are left over";
}

const char *retired_decode(struct registry *registry, const uint8_t *bytes, size_t length)
{
    const char *wrong = read_all(bytes, length, NULL);
    return wrong != NULL ? wrong : read_all(bytes, length, registry);
}

/* ---- the file ---- */

static bool write_whole(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written <= 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

static int replace_file(const char *path, const uint8_t *bytes, size_t length)
{
    char *fresh;
    ENSURE(asprintf(&fresh, "%s.new", path) != -1);
    unlink(fresh); /* of one that was killed, or of a worker, who may make files here, too */
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool good = fd != -1 && write_whole(fd, bytes, length) && fsync(fd) == 0;
    int error = errno;
    if (fd != -1)
        close(fd);
    if (good && rename(fresh, path) == -1) {
        good = false;
        error = errno;
    }
    if (!good && fd != -1)
        unlink(fresh);
    free(fresh);
    errno = error;
    return good ? 0 : -1;
}

int retired_save(const struct registry *registry, const char *path)
{
    size_t length;
    uint8_t *bytes = retired_encode(registry, &length);
    int result = replace_file(path, bytes, length);
    int error = errno;
    free(bytes);
    errno = error;
    return result;
}

static uint8_t *read_file(int fd, size_t *length)
{
    struct stat status;
    if (fstat(fd, &status) == -1 || !S_ISREG(status.st_mode) || status.st_size > FILE_BYTES_MAX)
        return NULL;
    uint8_t *bytes = object_alloc((size_t)status.st_size);
    ssize_t got = pread(fd, bytes, (size_t)status.st_size, 0);
    *length = got < 0 ? 0 : (size_t)got;
    return bytes;
}

const char *retired_load(struct registry *registry, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd == -1)
        return errno == ENOENT ? NULL : "it cannot be opened";
    size_t length;
    uint8_t *bytes = read_file(fd, &length);
    close(fd);
    if (bytes == NULL)
        return "it is no file of a sensible size";
    const char *wrong = retired_decode(registry, bytes, length);
    free(bytes);
    return wrong;
}
