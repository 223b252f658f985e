/* reading_file: see reading_file.h. SPDX-License-Identifier: MIT */
#include "reading_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { READING_MAGIC = 0x4ead0001, SKIP_BYTES = 1 << 16, UNPACK_BYTES = 1 << 18, LOOK_MS = 50 };

struct reading_file {
    unsigned magic;
    int fd;
    gzFile packed; /* NULL: it is not; else it has the descriptor */
    double size;   /* 0: none */
    bool waits;    /* no file, whose bytes are there: a pipe, a terminal */
    uint64_t offset;
    bool (*stopping)(void *self);
    void *self;
    _Atomic int64_t read; /* bytes of the file itself, where it is packed */
};

#define COMPLAIN(reason, ...) (snprintf((reason), READING_REASON_MAX, __VA_ARGS__), false)

static bool begin(struct reading_file *file, const char *path, bool packed, char *reason)
{
    struct stat status;
    /* A pipe whose other end nobody has opened yet is waited for by poll. */
    file->fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                      : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd == -1 || fstat(file->fd, &status) != 0)
        return COMPLAIN(reason, "%s: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return COMPLAIN(reason, "%s: it is a folder", path);
    file->size = S_ISREG(status.st_mode) ? (double)status.st_size : 0;
    file->waits = !S_ISREG(status.st_mode);
    if (strcmp(path, "-") != 0)
        (void)fcntl(file->fd, F_SETFL, O_RDONLY);
    if (!packed)
        return true;
    file->packed = gzdopen(file->fd, "rb");
    ENSURE(file->packed != NULL);
    gzbuffer(file->packed, UNPACK_BYTES);
    return true;
}

struct reading_file *reading_open(const char *path, bool packed, bool (*stopping)(void *self), void *self,
                                  char reason[READING_REASON_MAX])
{
    struct reading_file *file = object_alloc(sizeof *file);
    *file = (struct reading_file){.magic = READING_MAGIC, .stopping = stopping, .self = self};
    if (begin(file, path, packed, reason))
        return file;
    reading_free(file);
    return NULL;
}

void reading_free(struct reading_file *file)
{
    if (file == NULL)
        return;
    CHECK_OBJECT(file, READING_MAGIC);
    if (file->packed != NULL)
        gzclose(file->packed);
    else if (file->fd != -1)
        close(file->fd);
    file->magic = 0;
    free(file);
}

static bool stopping(const struct reading_file *file)
{
    return file->stopping != NULL && file->stopping(file->self);
}

/* False, with the reason "", when it is not waited for any longer. */
static bool wait_for_bytes(const struct reading_file *file, char *reason)
{
    struct pollfd one = {.fd = file->fd, .events = POLLIN};
    *reason = '\0';
    while (file->waits && poll(&one, 1, LOOK_MS) <= 0)
        if (stopping(file))
            return false;
    return true;
}

static ssize_t unpack(struct reading_file *file, char *at, size_t bytes, char *reason)
{
    int code = Z_OK;
    int length = gzread(file->packed, at, (unsigned)bytes);
    const char *words = length > 0 ? "" : gzerror(file->packed, &code);
    atomic_store_explicit(&file->read, gzoffset(file->packed), memory_order_relaxed);
    if (length > 0 || code == Z_OK)
        return length;
    (void)COMPLAIN(reason, "the gzip is broken, or cut off: %s", code == Z_ERRNO ? strerror(errno) : words);
    return -1;
}

ssize_t reading_read(struct reading_file *file, char *at, size_t bytes, char reason[READING_REASON_MAX])
{
    CHECK_OBJECT(file, READING_MAGIC);
    ssize_t length;
    if (!wait_for_bytes(file, reason))
        return -1;
    if (file->packed != NULL)
        length = unpack(file, at, bytes, reason);
    else {
        while ((length = read(file->fd, at, bytes)) == -1 && errno == EINTR)
            ;
        if (length == -1)
            (void)COMPLAIN(reason, "%s", strerror(errno));
    }
    if (length > 0)
        file->offset += (uint64_t)length;
    return length;
}

bool reading_seek(struct reading_file *file, uint64_t offset, char reason[READING_REASON_MAX])
{
    CHECK_OBJECT(file, READING_MAGIC);
    if (file->packed == NULL && lseek(file->fd, (off_t)offset, SEEK_SET) != -1) {
        if (file->size > 0 && (double)offset > file->size)
            return COMPLAIN(reason, "it is shorter than it was");
        file->offset = offset;
        return true;
    }
    char *skipped = object_alloc(SKIP_BYTES);
    ssize_t length = 1;
    *reason = '\0';
    while (file->offset < offset && length > 0) {
        uint64_t left = offset - file->offset;
        if (stopping(file))
            break;
        length = reading_read(file, skipped, left < SKIP_BYTES ? (size_t)left : SKIP_BYTES, reason);
    }
    free(skipped);
    if (length == 0)
        (void)COMPLAIN(reason, "it is shorter than it was");
    return file->offset == offset;
}

uint64_t reading_offset(const struct reading_file *file)
{
    CHECK_OBJECT(file, READING_MAGIC);
    return file->offset;
}

double reading_part(const struct reading_file *file, uint64_t offset)
{
    CHECK_OBJECT(file, READING_MAGIC);
    double at = (double)offset;
    if (file->packed != NULL)
        at = (double)atomic_load_explicit(&file->read, memory_order_relaxed);
    return file->size > 0 ? (at < file->size ? at / file->size : 1) : 0;
}
