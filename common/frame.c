/* frame: see frame.h. Used by `outrigger optimize` (ctl/measured.c) and by the worker that it measures
 * (worker/measuring.c). A worker may be confined: nothing but read and write is needed.
 * SPDX-License-Identifier: MIT */
#include "frame.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static bool write_all(int fd, const void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t written = write(fd, (const char *)bytes + done, length - done);
        if (written < 0 && errno != EINTR)
            return false;
        done += written < 0 ? 0 : (size_t)written;
    }
    return true;
}

/* False at the end, with what was read so far in *done, and errno of 0. */
static bool read_all(int fd, void *bytes, size_t length, size_t *done)
{
    for (*done = 0; *done < length;) {
        ssize_t got = read(fd, (char *)bytes + *done, length - *done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = 0;
        if (got <= 0)
            return false;
        *done += (size_t)got;
    }
    return true;
}

bool frame_write(int fd, char kind, const void *bytes, size_t length)
{
    uint8_t head[sizeof(uint32_t) + 1];
    if (length >= FRAME_BYTES_MAX) {
        errno = EMSGSIZE;
        return false;
    }
    uint32_t size = htole32((uint32_t)length + 1);
    memcpy(head, &size, sizeof size);
    head[sizeof size] = (uint8_t)kind;
    return write_all(fd, head, sizeof head) && write_all(fd, bytes, length);
}

bool frame_read(int fd, struct frame *frame)
{
    uint32_t size;
    size_t done;
    if (!read_all(fd, &size, sizeof size, &done)) {
        errno = done > 0 && errno == 0 ? EBADMSG : errno;
        return false;
    }
    size = le32toh(size);
    if (size == 0 || size > FRAME_BYTES_MAX) {
        errno = EBADMSG;
        return false;
    }
    frame->length = size - 1;
    if (frame->capacity < frame->length) {
        free(frame->bytes);
        frame->bytes = object_alloc(frame->length);
        frame->capacity = frame->length;
    }
    bool read = read_all(fd, &frame->kind, 1, &done) && read_all(fd, frame->bytes, frame->length, &done);
    errno = read || errno != 0 ? errno : EBADMSG;
    return read;
}

void frame_free(struct frame *frame)
{
    free(frame->bytes);
    *frame = (struct frame){0};
}
