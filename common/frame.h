/* frame: messages over a pipe or a stream socket between two processes of ours that have nobody between them:
 * four bytes of length (little-endian, of all that follows), one byte that says what it is, and the rest.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FRAME_H
#define OUTRIGGER_FRAME_H

#include "object.h"

enum { FRAME_BYTES_MAX = 1 << 28 /* of one: the rows of a whole file go in pieces */ };

/* Zeroed = none yet; its memory is used again for the next one. */
struct frame {
    char kind;
    uint8_t *bytes; /* behind the kind; good until the next frame_read or frame_free */
    size_t length;
    size_t capacity; /* frame_read's own */
};

/* False with errno when it cannot be written as a whole. */
bool frame_write(int fd, char kind, const void *bytes, size_t length);
/* False when there is none: the other side has ended (errno is 0 then), has said what is no frame
 * (EBADMSG), or reading failed. */
bool frame_read(int fd, struct frame *frame);
void frame_free(struct frame *frame);

#endif
