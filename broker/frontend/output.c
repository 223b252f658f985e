/* output: what responses are written into.
 *
 * Answers are written straight as text, without a tree of JSON values between: a call owns one buffer, and in
 * the steady state nothing is allocated. Sizes come from our own tensors and texts, which were bounded on
 * their way in, so memory that cannot be had is an abort (object.h). SPDX-License-Identifier: MIT */
#include "output.h"

#include "number.h"
#include "utf8.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 512 };

void output_free(struct output *output)
{
    free(output->bytes);
    *output = (struct output){0};
}

void output_clear(struct output *output)
{
    if (output->capacity > OUTPUT_KEPT_MAX)
        output_free(output);
    output->length = 0;
}

void output_grow(struct output *output, size_t bytes)
{
    size_t needed = output->length + bytes;
    ENSURE(needed >= bytes && needed <= SIZE_MAX / 2);
    size_t capacity = output->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : output->capacity * 2;
    output->capacity = capacity < needed ? needed : capacity;
    output->bytes = realloc(output->bytes, output->capacity);
    ENSURE(output->bytes != NULL);
}

void output_add_unsigned(struct output *output, uint64_t value)
{
    char digits[NUMBER_TEXT_MAX];
    if (value < 10) { /* most are classes */
        output_add_char(output, (char)('0' + value));
        return;
    }
    output_add(output, digits, number_write_unsigned(value, digits));
}

void output_add_integer(struct output *output, int64_t value)
{
    if (value < 0)
        output_add_char(output, '-');
    output_add_unsigned(output, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

/* One of the ASCII characters that JSON does not take as they are. */
static void add_escaped(struct output *output, unsigned char character)
{
    static const char hexadecimal[] = "0123456789abcdef";
    switch (character) {
    case '\n':
        output_add(output, "\\n", 2);
        return;
    case '\t':
        output_add(output, "\\t", 2);
        return;
    case '"':
    case '\\':
        output_add_char(output, '\\');
        output_add_char(output, (char)character);
        return;
    default:
        output_add(output, "\\u00", 4);
        output_add_char(output, hexadecimal[character >> 4]);
        output_add_char(output, hexadecimal[character & 15]);
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

void output_add_json(struct output *output, struct text text)
{
    output_add_char(output, '"');
    size_t at = 0;
    while (at < text.length) {
        size_t plain = plain_length(text.at + at, text.length - at);
        output_add(output, text.at + at, plain);
        at += plain;
        if (at == text.length)
            break;
        unsigned char character = (unsigned char)text.at[at++];
        if (character < 0x80)
            add_escaped(output, character);
        else
            output_add_string(output, "\xef\xbf\xbd");
    }
    output_add_char(output, '"');
}
