/* buffer: text that grows, and how values stand in CSV and JSON. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_BUFFER_H
#define OUTRIGGER_BATCH_BUFFER_H

#include "object.h"

/* Zeroed = empty. Owns its memory. */
struct buffer {
    char *bytes;
    size_t length, room;
};

void buffer_free(struct buffer *buffer);
void buffer_grow(struct buffer *buffer, size_t bytes);
/* A field of CSV, in quotes where it needs them (`quoted`: in any case). */
void buffer_add_field(struct buffer *buffer, struct text text, char delimiter, bool quoted);
/* A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void buffer_add_json(struct buffer *buffer, struct text text);
void buffer_add_integer(struct buffer *buffer, int64_t number);

static inline void buffer_add(struct buffer *buffer, const char *bytes, size_t length)
{
    if (length > buffer->room - buffer->length)
        buffer_grow(buffer, length);
    if (length > 0)
        memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

static inline void buffer_add_string(struct buffer *buffer, const char *string)
{
    buffer_add(buffer, string, strlen(string));
}

static inline void buffer_add_char(struct buffer *buffer, char character)
{
    buffer_add(buffer, &character, 1);
}

static inline struct text buffer_text(const struct buffer *buffer)
{
    return (struct text){buffer->bytes, buffer->length};
}

#endif
