/* buffer: see buffer.h. Batches differ in length all the time, so a buffer keeps what it has; but one request
 * of 30 MB must not cost 30 MB for ever. SPDX-License-Identifier: MIT */
#include "buffer.h"

#include <stdlib.h>

enum {
    ALIGNMENT = 64,       /* a cache line, and enough for every vector unit */
    KEEP_BYTES = 1 << 20, /* a larger buffer is given back when it is asked for so much less */
    MUCH_LESS = 8
};

/* Room for `capacity` bytes; what is in it stays. */
static void resize(struct buffer *buffer, size_t capacity)
{
    size_t rounded = (capacity / ALIGNMENT + 1) * ALIGNMENT;
    uint8_t *bytes = aligned_alloc(ALIGNMENT, rounded);
    ENSURE(bytes != NULL);
    if (buffer->length > 0)
        memcpy(bytes, buffer->bytes, buffer->length);
    free(buffer->bytes);
    buffer->bytes = bytes;
    buffer->capacity = rounded;
}

void buffer_begin(struct buffer *buffer, size_t capacity)
{
    buffer->length = 0;
    /* Rows of no bytes have an address, too: engines need not be told that there is none. */
    if (buffer->bytes == NULL || buffer->capacity < capacity ||
        (buffer->capacity > KEEP_BYTES && capacity < buffer->capacity / MUCH_LESS))
        resize(buffer, capacity);
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
    if (length == 0)
        return;
    if (buffer->capacity - buffer->length < length)
        resize(buffer, (buffer->length + length) * 2);
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}
