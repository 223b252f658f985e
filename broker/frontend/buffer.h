/* buffer: memory that grows while an answer is written into it, and is kept for the next answer.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BUFFER_H
#define OUTRIGGER_BUFFER_H

#include "object.h"

/* Zeroed = empty. The memory belongs to the buffer. */
struct buffer {
    char *bytes;
    size_t length;
    size_t capacity;
};

/* Gives the memory back and empties it. */
void buffer_free(struct buffer *buffer);
/* Empties it. The memory is kept unless it is more than BUFFER_KEPT_MAX. */
void buffer_clear(struct buffer *buffer);
enum {
    BUFFER_KEPT_MAX = 65536
}; /* bytes: each open connection keeps one buffer, a rare large answer's is given back */

/* Room for at least `bytes` more; returns the end, where the caller writes and then adds to `length`. */
char *buffer_room(struct buffer *buffer, size_t bytes);
void buffer_add(struct buffer *buffer, const char *bytes, size_t length);
void buffer_add_string(struct buffer *buffer, const char *string);
void buffer_add_integer(struct buffer *buffer, int64_t value);
void buffer_add_unsigned(struct buffer *buffer, uint64_t value);
/* A JSON string with its quotes (RFC 8259 section 7). Bytes that are no UTF-8 become U+FFFD, so that what is
 * written is valid JSON whatever comes. */
void buffer_add_json(struct buffer *buffer, struct text text);

static inline void buffer_add_char(struct buffer *buffer, char character)
{
    *buffer_room(buffer, 1) = character;
    buffer->length++;
}

#endif
