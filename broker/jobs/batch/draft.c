/* draft: see draft.h. SPDX-License-Identifier: MIT */
#include "draft.h"

#include "utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void draft_free(struct draft *draft)
{
    free(draft->bytes);
    *draft = (struct draft){0};
}

void draft_grow(struct draft *draft, size_t bytes)
{
    draft->room = 2 * (draft->length + bytes);
    draft->bytes = realloc(draft->bytes, draft->room);
    ENSURE(draft->bytes != NULL);
}

static bool needs_quotes(struct text text, char delimiter)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.at[i] == delimiter || text.at[i] == '"' || text.at[i] == '\n' || text.at[i] == '\r')
            return true;
    return false;
}

void draft_add_field(struct draft *draft, struct text text, char delimiter, bool quoted)
{
    if (!quoted && !needs_quotes(text, delimiter)) {
        draft_add(draft, text.at, text.length);
        return;
    }
    draft_add_char(draft, '"');
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] == '"')
            draft_add_char(draft, '"');
        draft_add_char(draft, text.at[i]);
    }
    draft_add_char(draft, '"');
}

static void add_escaped(struct draft *draft, unsigned char character)
{
    char words[8];
    snprintf(words, sizeof words, character == '"' || character == '\\' ? "\\%c" : "\\u%04x", character);
    draft_add_string(draft, words);
}

void draft_add_json(struct draft *draft, struct text text)
{
    draft_add_char(draft, '"');
    while (text.length > 0) {
        size_t length = utf8_length(text.at, text.length);
        unsigned char first = (unsigned char)*text.at;
        if (length == 0)
            draft_add_string(draft, "\xef\xbf\xbd");
        else if (length == 1 && (first < 0x20 || first == '"' || first == '\\'))
            add_escaped(draft, first);
        else
            draft_add(draft, text.at, length);
        length += length == 0;
        text = (struct text){text.at + length, text.length - length};
    }
    draft_add_char(draft, '"');
}

void draft_add_integer(struct draft *draft, int64_t number)
{
    char words[24] = "";
    snprintf(words, sizeof words, "%" PRId64, number);
    draft_add_string(draft, words);
}
