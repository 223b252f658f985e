/* buffer: memory that grows and is used again, and shrinks after an exceptional use.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BUFFER_H
#define OUTRIGGER_BUFFER_H

#include "object.h"

/* A zeroed struct is an empty buffer. */
struct buffer {
    uint8_t *bytes; /* aligned to 64, for the engine's sake */
    size_t length;
    size_t capacity;
};

/* Empties the buffer and makes room for `capacity` bytes. */
void buffer_begin(struct buffer *buffer, size_t capacity);
/* Appends, with more room when it is needed. */
void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
/* Gives the memory back and empties the struct. */
void buffer_free(struct buffer *buffer);

#endif
