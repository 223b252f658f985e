/* buffer: see buffer.h. SPDX-License-Identifier: MIT */
#include "buffer.h"

#include "utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void buffer_free(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}

void buffer_grow(struct buffer *buffer, size_t bytes)
{
    buffer->room = 2 * (buffer->length + bytes);
    buffer->bytes = realloc(buffer->bytes, buffer->room);
    ENSURE(buffer->bytes != NULL);
}

static bool needs_quotes(struct text text, char delimiter)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.at[i] == delimiter || text.at[i] == '"' || text.at[i] == '\n' || text.at[i] == '\r')
            return true;
    return false;
}

void buffer_add_field(struct buffer *buffer, struct text text, char delimiter, bool quoted)
{
    if (!quoted && !needs_quotes(text, delimiter)) {
        buffer_add(buffer, text.at, text.length);
        return;
    }
    buffer_add_char(buffer, '"');
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] == '"')
            buffer_add_char(buffer, '"');
        buffer_add_char(buffer, text.at[i]);
    }
    buffer_add_char(buffer, '"');
}

static void add_escaped(struct buffer *buffer, unsigned char character)
{
    char words[8];
    snprintf(words, sizeof words, character == '"' || character == '\\' ? "\\%c" : "\\u%04x", character);
    buffer_add_string(buffer, words);
}

void buffer_add_json(struct buffer *buffer, struct text text)
{
    buffer_add_char(buffer, '"');
    while (text.length > 0) {
        size_t length = utf8_length(text.at, text.length);
        unsigned char first = (unsigned char)*text.at;
        if (length == 0)
            buffer_add_string(buffer, "\xef\xbf\xbd");
        else if (length == 1 && (first < 0x20 || first == '"' || first == '\\'))
            add_escaped(buffer, first);
        else
            buffer_add(buffer, text.at, length);
        length += length == 0;
        text = (struct text){text.at + length, text.length - length};
    }
    buffer_add_char(buffer, '"');
}

void buffer_add_integer(struct buffer *buffer, int64_t number)
{
    char words[24];
    buffer_add(buffer, words, (size_t)snprintf(words, sizeof words, "%" PRId64, number));
}
