/* buffer: what responses are written into.
 *
 * Answers are written straight as text, without a tree of JSON values between: a call owns one buffer, and in
 * the steady state nothing is allocated. Sizes come from our own tensors and texts, which were bounded on
 * their way in, so memory that cannot be had is an abort (object.h). SPDX-License-Identifier: MIT */
#include "buffer.h"

#include "utf8.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 512, INTEGER_MAX = 20 /* digits of 2^64 */ };

void buffer_free(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer)
{
    if (buffer->capacity > BUFFER_KEPT_MAX)
        buffer_free(buffer);
    buffer->length = 0;
}

char *buffer_room(struct buffer *buffer, size_t bytes)
{
    if (__builtin_expect(bytes > buffer->capacity - buffer->length, 0)) {
        size_t needed = buffer->length + bytes;
        ENSURE(needed >= bytes && needed <= SIZE_MAX / 2);
        size_t capacity = buffer->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : buffer->capacity * 2;
        buffer->capacity = capacity < needed ? needed : capacity;
        buffer->bytes = realloc(buffer->bytes, buffer->capacity);
        ENSURE(buffer->bytes != NULL);
    }
    return buffer->bytes + buffer->length;
}

void buffer_add(struct buffer *buffer, const char *bytes, size_t length)
{
    if (length == 0)
        return;
    memcpy(buffer_room(buffer, length), bytes, length);
    buffer->length += length;
}

void buffer_add_string(struct buffer *buffer, const char *string)
{
    buffer_add(buffer, string, strlen(string));
}

void buffer_add_unsigned(struct buffer *buffer, uint64_t value)
{
    char digits[INTEGER_MAX];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buffer_add(buffer, digits + at, sizeof digits - at);
}

void buffer_add_integer(struct buffer *buffer, int64_t value)
{
    if (value < 0)
        buffer_add_char(buffer, '-');
    buffer_add_unsigned(buffer, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

/* One of the ASCII characters that JSON does not take as they are. */
static void add_escaped(struct buffer *buffer, unsigned char character)
{
    static const char hexadecimal[] = "0123456789abcdef";
    switch (character) {
    case '\n':
        buffer_add(buffer, "\\n", 2);
        return;
    case '\t':
        buffer_add(buffer, "\\t", 2);
        return;
    case '"':
    case '\\':
        buffer_add_char(buffer, '\\');
        buffer_add_char(buffer, (char)character);
        return;
    default:
        buffer_add(buffer, "\\u00", 4);
        buffer_add_char(buffer, hexadecimal[character >> 4]);
        buffer_add_char(buffer, hexadecimal[character & 15]);
    }
}

/* How many bytes from `at` on can be copied as they are. */
static size_t plain_length(const char *at, size_t left)
{
    size_t plain = 0;
    while (plain < left) {
        unsigned char character = (unsigned char)at[plain];
        if (character < 0x20 || character == '"' || character == '\\' || character == 0x7f)
            break;
        size_t length = utf8_length(at + plain, left - plain);
        if (length == 0)
            break;
        plain += length;
    }
    return plain;
}

void buffer_add_json(struct buffer *buffer, struct text text)
{
    buffer_add_char(buffer, '"');
    size_t at = 0;
    while (at < text.length) {
        size_t plain = plain_length(text.at + at, text.length - at);
        buffer_add(buffer, text.at + at, plain);
        at += plain;
        if (at == text.length)
            break;
        unsigned char character = (unsigned char)text.at[at++];
        if (character < 0x80)
            add_escaped(buffer, character);
        else
            buffer_add_string(buffer, "\xef\xbf\xbd");
    }
    buffer_add_char(buffer, '"');
}
