/* output: text that grows while an answer is written, in memory that is kept for the next answer.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OUTPUT_H
#define OUTRIGGER_OUTPUT_H

#include "object.h"

enum {
    OUTPUT_KEPT_MAX = 65536
}; /* bytes: each request under way has an output; a rare large one is given back */

/* Zeroed = empty. Owns its memory. */
struct output {
    char *bytes;
    size_t length;
    size_t capacity;
};

/* Gives the memory back and empties it. */
void output_free(struct output *output);
/* Empties it; keeps the memory unless it is more than OUTPUT_KEPT_MAX bytes. */
void output_clear(struct output *output);

/* Makes room for at least `bytes` more than there are. */
void output_grow(struct output *output, size_t bytes);
void output_add_integer(struct output *output, int64_t value);
void output_add_unsigned(struct output *output, uint64_t value);
/* A JSON string with its quotes (RFC 8259 section 7). Bytes that are no UTF-8 become U+FFFD, so that what is
 * written is valid JSON whatever comes. */
void output_add_json(struct output *output, struct text text);

/* What follows is called for every few bytes of an answer, mostly with lengths that are known: so it is
 * inline.
 */

/* Room for at least `bytes` more; returns the end, where the caller writes and then adds to `length`. */
static inline char *output_room(struct output *output, size_t bytes)
{
    if (__builtin_expect(bytes > output->capacity - output->length, 0))
        output_grow(output, bytes);
    return output->bytes + output->length;
}

static inline void output_add_char(struct output *output, char character)
{
    *output_room(output, 1) = character;
    output->length++;
}

static inline void output_add(struct output *output, const char *bytes, size_t length)
{
    if (length == 0)
        return;
    memcpy(output_room(output, length), bytes, length);
    output->length += length;
}

static inline void output_add_string(struct output *output, const char *string)
{
    output_add(output, string, strlen(string));
}

#endif
