/* draft: text that grows, and how values stand in CSV and JSON. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_DRAFT_H
#define OUTRIGGER_BATCH_DRAFT_H

#include "object.h"

/* Zeroed = empty. Owns its memory. */
struct draft {
    char *bytes;
    size_t length, room;
};

void draft_free(struct draft *draft);
void draft_grow(struct draft *draft, size_t bytes);
/* A field of CSV, in quotes where it needs them (`quoted`: in any case). */
void draft_add_field(struct draft *draft, struct text text, char delimiter, bool quoted);
/* A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void draft_add_json(struct draft *draft, struct text text);
void draft_add_integer(struct draft *draft, int64_t number);

static inline void draft_add(struct draft *draft, const char *bytes, size_t length)
{
    if (length > draft->room - draft->length)
        draft_grow(draft, length);
    if (length > 0)
        memcpy(draft->bytes + draft->length, bytes, length);
    draft->length += length;
}

static inline void draft_add_string(struct draft *draft, const char *string)
{
    draft_add(draft, string, strlen(string));
}

static inline void draft_add_char(struct draft *draft, char character)
{
    draft_add(draft, &character, 1);
}

static inline struct text draft_text(const struct draft *draft)
{
    return (struct text){draft->bytes, draft->length};
}

#endif
