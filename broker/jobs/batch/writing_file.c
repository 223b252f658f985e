/* writing_file: see writing_file.h. SPDX-License-Identifier: MIT */
#include "writing_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { WRITING_MAGIC = 0x417e0001, GZIP_WINDOW = 15 + 16, MEMORY_LEVEL = 8, PACK_LEVEL = 4 };
enum { LOOK_MS = 50, LAST_LOOKS = 10 /* for who reads, when the job is to end */ };

struct writing_file {
    unsigned magic;
    int fd;
    bool is_stream, packed;
    uint64_t length;
    char *member; /* the one that is written */
    size_t room;
    bool (*stopping)(void *self);
    void *self;
};

#define COMPLAIN(reason, ...) (snprintf((reason), WRITING_REASON_MAX, __VA_ARGS__), false)

static bool begin(struct writing_file *file, const char *path, char *reason)
{
    struct stat status;
    file->fd = strcmp(path, "-") == 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                                      : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file->fd == -1 || fstat(file->fd, &status) != 0)
        return COMPLAIN(reason, "%s: %s", path, strerror(errno));
    file->is_stream = strcmp(path, "-") == 0 || !S_ISREG(status.st_mode);
    file->length = file->is_stream ? 0 : (uint64_t)status.st_size;
    if (file->is_stream || flock(file->fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    return COMPLAIN(reason, "%s: %s", path,
                    errno == EWOULDBLOCK ? "another job is writing to it" : strerror(errno));
}

struct writing_file *writing_open(const char *path, bool packed, bool (*stopping)(void *self), void *self,
                                  char reason[WRITING_REASON_MAX])
{
    struct writing_file *file = object_alloc(sizeof *file);
    *file =
        (struct writing_file){.magic = WRITING_MAGIC, .packed = packed, .stopping = stopping, .self = self};
    if (begin(file, path, reason))
        return file;
    writing_free(file);
    return NULL;
}

void writing_free(struct writing_file *file)
{
    if (file == NULL)
        return;
    CHECK_OBJECT(file, WRITING_MAGIC);
    if (file->fd != -1)
        close(file->fd);
    free(file->member);
    file->magic = 0;
    free(file);
}

bool writing_is_stream(const struct writing_file *file)
{
    CHECK_OBJECT(file, WRITING_MAGIC);
    return file->is_stream;
}

uint64_t writing_length(const struct writing_file *file)
{
    CHECK_OBJECT(file, WRITING_MAGIC);
    return file->length;
}

bool writing_cut(struct writing_file *file, uint64_t length, char reason[WRITING_REASON_MAX])
{
    CHECK_OBJECT(file, WRITING_MAGIC);
    if (length > file->length)
        return COMPLAIN(reason, "it has %llu bytes, and should have %llu", (unsigned long long)file->length,
                        (unsigned long long)length);
    if (file->is_stream)
        return true;
    if (ftruncate(file->fd, (off_t)length) != 0)
        return COMPLAIN(reason, "%s", strerror(errno));
    file->length = length;
    return true;
}

/* Until a stream takes a piece of PIPE_BUF bytes. */
static bool wait_for_room(const struct writing_file *file, char *reason)
{
    struct pollfd one = {.fd = file->fd, .events = POLLOUT};
    *reason = '\0';
    for (int looks = 0; poll(&one, 1, LOOK_MS) <= 0;)
        if (file->stopping != NULL && file->stopping(file->self) && ++looks > LAST_LOOKS)
            return false;
    return true;
}

static bool write_all(struct writing_file *file, const char *bytes, size_t length, char *reason)
{
    while (length > 0) {
        if (file->is_stream && !wait_for_room(file, reason))
            return false;
        ssize_t written = file->is_stream ? write(file->fd, bytes, length < PIPE_BUF ? length : PIPE_BUF)
                                          : pwrite(file->fd, bytes, length, (off_t)file->length);
        if (written == -1 && errno == EINTR)
            continue;
        if (written == -1)
            return COMPLAIN(reason, "%s", strerror(errno));
        bytes += written;
        length -= (size_t)written;
        file->length += (uint64_t)written;
    }
    return true;
}

static bool pack(struct writing_file *file, const char *bytes, size_t length, size_t *packed, char *reason)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)length};
    if (length > UINT32_MAX / 2 ||
        deflateInit2(&stream, PACK_LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return COMPLAIN(reason, "%zu bytes cannot be packed", length);
    size_t bound = deflateBound(&stream, length);
    if (bound > file->room) {
        free(file->member);
        file->member = object_alloc(file->room = bound);
    }
    stream.next_out = (Bytef *)file->member;
    stream.avail_out = (uInt)file->room;
    int code = deflate(&stream, Z_FINISH);
    *packed = stream.total_out;
    deflateEnd(&stream);
    return code == Z_STREAM_END || COMPLAIN(reason, "zlib does not pack it: %d", code);
}

bool writing_add(struct writing_file *file, const char *bytes, size_t length, char reason[WRITING_REASON_MAX])
{
    CHECK_OBJECT(file, WRITING_MAGIC);
    char words[WRITING_REASON_MAX];
    uint64_t before = file->length;
    if (length > 0 && file->packed) {
        if (!pack(file, bytes, length, &length, reason))
            return false;
        bytes = file->member;
    }
    if (write_all(file, bytes, length, reason))
        return true;
    size_t said = strlen(reason);
    if (!writing_cut(file, before, words)) /* whoever goes on cuts it then: file->length tells the truth */
        snprintf(reason + said, WRITING_REASON_MAX - said, "; nor can it be cut off again: %s", words);
    return false;
}

bool writing_sync(struct writing_file *file, char reason[WRITING_REASON_MAX])
{
    CHECK_OBJECT(file, WRITING_MAGIC);
    return file->is_stream || fdatasync(file->fd) == 0 || COMPLAIN(reason, "%s", strerror(errno));
}
