/* entity_tag: the content's own SHA-256, cut to 128 bits, is its tag: nothing is to be counted or kept, and
 * all processes say the same. Called by the frontend's etag.c and the collector's pages.c.
 * SPDX-License-Identifier: MIT */
#include "entity_tag.h"

#include "hex.h"
#include "sha256.h"

enum { TAG_BYTES = 16 };

void entity_tag_make(struct text content, char tag[ENTITY_TAG_MAX])
{
    uint8_t digest[SHA256_BYTES];
    struct sha256_sum sum = sha256_begin();
    sha256_add_bytes(&sum, content.at, content.length);
    sha256_end(&sum, digest);
    strcpy(tag, "W/\"");
    hex_write(tag + 3, digest, TAG_BYTES);
    strcpy(tag + 3 + 2 * TAG_BYTES, "\"");
}

/* What is left behind so many characters. */
static struct text behind(struct text text, size_t count)
{
    return (struct text){text.at + count, text.length - count};
}

static struct text without_separators(struct text text)
{
    while (text.length > 0 && strchr(", \t", text.at[0]) != NULL && text.at[0] != '\0')
        text = behind(text, 1);
    return text;
}

static size_t length_to(struct text text, char character)
{
    const char *end = text.length == 0 ? NULL : memchr(text.at, character, text.length);
    return end == NULL ? text.length : (size_t)(end - text.at);
}

/* The length of the tag that stands first; commas inside the quotes are the tag's. */
static size_t first_tag(struct text list)
{
    if (list.length > 0 && list.at[0] == '"') {
        size_t closed = length_to(behind(list, 1), '"') + 2;
        if (closed <= list.length)
            return closed;
    }
    return length_to(list, ',');
}

/* Whether it is weak is no part of what is compared. */
static struct text without_weakness(struct text tag)
{
    return tag.length >= 2 && memcmp(tag.at, "W/", 2) == 0 ? behind(tag, 2) : tag;
}

bool entity_tag_matches(struct text if_none_match, struct text tag)
{
    struct text list = text_trim(if_none_match);
    tag = without_weakness(tag);
    if (list.length > 0 && list.at[0] == '*')
        return true;
    for (list = without_separators(list); list.length > 0; list = without_separators(list)) {
        list = without_weakness(list);
        if (tag.length > 0 && list.length >= tag.length && memcmp(list.at, tag.at, tag.length) == 0)
            return true;
        list = behind(list, first_tag(list));
    }
    return false;
}
