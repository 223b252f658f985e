/* audit_read: files are found anew whenever one ends, since their writer goes on meanwhile: the current one
 * gets a number, and another takes its name. Which is which is told by the inode, not by the name.
 * SPDX-License-Identifier: MIT */
#include "audit_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READER_MAGIC = 0x0a0d1ead, READ_BYTES = 1 << 18 };

struct audit_reader {
    unsigned magic;
    int folder;
    char *process;
    int fd; /* -1: none yet */
    dev_t device;
    ino_t inode;
    uint64_t number; /* of the last numbered file */
    char **files;
    size_t file_count;
    uint64_t lines; /* of this file */
    char *bytes;
    size_t start, end, capacity; /* what of them is not given yet */
    bool skipping;               /* the rest of a line that is too long */
    int error;
};

struct audit_reader *audit_reader_new(int folder, const char *process)
{
    struct audit_reader *reader = object_alloc(sizeof *reader);
    reader->magic = READER_MAGIC;
    reader->folder = folder;
    reader->process = object_strdup(process);
    reader->fd = -1;
    return reader;
}

void audit_reader_free(struct audit_reader *reader)
{
    if (reader == NULL)
        return;
    CHECK_OBJECT(reader, READER_MAGIC);
    if (reader->fd >= 0)
        close(reader->fd);
    for (size_t i = 0; i < reader->file_count; i++)
        free(reader->files[i]);
    free(reader->files);
    free(reader->bytes);
    free(reader->process);
    reader->magic = 0;
    free(reader);
}

size_t audit_reader_rest(const struct audit_reader *reader)
{
    return reader->end - reader->start;
}

int audit_reader_error(const struct audit_reader *reader)
{
    return reader->error;
}

const char *audit_reader_file(const struct audit_reader *reader, size_t index)
{
    return index < reader->file_count ? reader->files[index] : NULL;
}

/* ---- from file to file ---- */

static bool is_current(const struct audit_reader *reader, const char *name)
{
    struct stat status;
    return reader->fd >= 0 && fstatat(reader->folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           status.st_dev == reader->device && status.st_ino == reader->inode;
}

static int open_file(struct audit_reader *reader, const char *name)
{
    int fd = openat(reader->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno != ENOENT)
        reader->error = errno;
    return fd;
}

/* Reads on in this file. */
static void take_file(struct audit_reader *reader, int fd, const char *name)
{
    struct stat status = {0};
    if (reader->fd >= 0)
        close(reader->fd);
    fstat(fd, &status);
    reader->fd = fd;
    reader->device = status.st_dev;
    reader->inode = status.st_ino;
    reader->lines = 0;
    reader->start = reader->end = 0;
    reader->skipping = false;
    reader->files = realloc(reader->files, (reader->file_count + 1) * sizeof *reader->files);
    ENSURE(reader->files != NULL);
    reader->files[reader->file_count++] = object_strdup(name);
}

/* The first numbered file behind the one that was read. */
static bool open_numbered(struct audit_reader *reader, const uint64_t *numbers, size_t count)
{
    char name[AUDIT_NAME_MAX];
    size_t first = 0;
    for (size_t i = 0; i < count; i++)
        if (numbers[i] <= reader->number ||
            is_current(reader, audit_files_name(reader->process, numbers[i], name)))
            first = i + 1;
    for (; first < count; first++) {
        int fd = open_file(reader, audit_files_name(reader->process, numbers[first], name));
        reader->number = numbers[first];
        if (fd < 0)
            continue; /* taken away since, as the oldest are */
        take_file(reader, fd, name);
        return true;
    }
    return false;
}

/* The one without a number, unless it is the one that was read. 1, 0 when there is none, or -1: there is a
 * numbered one that comes first. */
static int open_unnumbered(struct audit_reader *reader, uint64_t highest)
{
    char name[AUDIT_NAME_MAX];
    uint64_t *numbers;
    if (is_current(reader, audit_files_name(reader->process, 0, name)))
        return 0;
    int fd = open_file(reader, name);
    size_t count = audit_files_numbers(reader->folder, reader->process, &numbers);
    bool is_late = count > 0 && numbers[count - 1] > highest;
    free(numbers);
    if (fd >= 0 && !is_late)
        take_file(reader, fd, name);
    else if (fd >= 0)
        close(fd);
    return is_late ? -1 : fd >= 0;
}

static bool next_file(struct audit_reader *reader)
{
    int found;
    do {
        uint64_t *numbers;
        size_t count = audit_files_numbers(reader->folder, reader->process, &numbers);
        uint64_t highest = count == 0 ? 0 : numbers[count - 1];
        found = open_numbered(reader, numbers, count);
        free(numbers);
        if (found == 0)
            found = open_unnumbered(reader, highest);
    } while (found < 0);
    return found > 0;
}

/* ---- lines ---- */

/* More bytes of this file. False at its end. */
static bool fill(struct audit_reader *reader)
{
    if (reader->fd < 0)
        return false;
    if (reader->start > 0) {
        memmove(reader->bytes, reader->bytes + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
    }
    if (reader->capacity - reader->end < READ_BYTES) {
        reader->capacity = reader->end + 2 * READ_BYTES;
        reader->bytes = realloc(reader->bytes, reader->capacity);
        ENSURE(reader->bytes != NULL);
    }
    ssize_t length = read(reader->fd, reader->bytes + reader->end, READ_BYTES);
    if (length < 0)
        reader->error = errno;
    if (length <= 0)
        return false;
    reader->end += (size_t)length;
    return true;
}

static bool give(struct audit_reader *reader, size_t length, size_t taken, struct audit_line *line)
{
    *line = (struct audit_line){.file = reader->files[reader->file_count - 1],
                                .file_index = reader->file_count - 1,
                                .number = ++reader->lines,
                                .text = {reader->bytes + reader->start, length}};
    reader->start += taken;
    return true;
}

/* A line of what was read. False: there is not a whole one. */
static bool line_at_hand(struct audit_reader *reader, struct audit_line *line)
{
    while (reader->end > reader->start) {
        const char *at = reader->bytes + reader->start;
        size_t left = reader->end - reader->start;
        const char *newline = memchr(at, '\n', left);
        size_t length = newline == NULL ? left : (size_t)(newline - at);
        if (reader->skipping) {
            reader->skipping = newline == NULL;
            reader->start += length + (newline != NULL);
            continue;
        }
        if (newline == NULL && length <= CHAIN_LINE_MAX)
            return false;
        reader->skipping = newline == NULL;
        return give(reader, length < CHAIN_LINE_MAX ? length : CHAIN_LINE_MAX, length + (newline != NULL),
                    line);
    }
    return false;
}

bool audit_reader_next(struct audit_reader *reader, struct audit_line *line)
{
    CHECK_OBJECT(reader, READER_MAGIC);
    char name[AUDIT_NAME_MAX];
    for (;;) {
        if (line_at_hand(reader, line))
            return true;
        if (fill(reader))
            continue;
        if (is_current(reader, audit_files_name(reader->process, 0, name)))
            return false;
        /* Nobody writes to it any more: what was added between that look and its getting a number is there.
         */
        if (fill(reader))
            continue;
        if (reader->end > reader->start && !reader->skipping)
            return give(reader, reader->end - reader->start, reader->end - reader->start, line);
        if (!next_file(reader))
            return false;
    }
}
