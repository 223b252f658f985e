/* media: Content-Type taken apart (RFC 9110 section 8.3): a type in any case, then parameters behind
 * semicolons. Called by predict.c for each body. SPDX-License-Identifier: MIT */
#include "media.h"

#include "cell.h"

#include <strings.h>

static bool is(struct text text, const char *word)
{
    return text.length == strlen(word) && strncasecmp(text.at, word, text.length) == 0;
}

static bool ends_with(struct text text, const char *end)
{
    size_t length = strlen(end);
    return text.length > length && strncasecmp(text.at + text.length - length, end, length) == 0;
}

/* Takes what stands before the next semicolon off the text. */
static struct text next_part(struct text *text)
{
    const char *semicolon = text->length == 0 ? NULL : memchr(text->at, ';', text->length);
    struct text part = {text->at, semicolon == NULL ? text->length : (size_t)(semicolon - text->at)};
    size_t taken = part.length + (semicolon != NULL);
    text->at += taken;
    text->length -= taken;
    return text_trim(part);
}

static enum csv_header read_header(struct text parameters)
{
    enum csv_header header = CSV_HEADER_UNKNOWN;
    while (parameters.length > 0) {
        struct text parameter = next_part(&parameters);
        if (is(parameter, "header=present") || is(parameter, "header=\"present\""))
            header = CSV_HEADER_PRESENT;
        else if (is(parameter, "header=absent") || is(parameter, "header=\"absent\""))
            header = CSV_HEADER_ABSENT;
    }
    return header;
}

enum media_type media_type(struct text content_type, enum csv_header *header)
{
    if (content_type.length == 0)
        return MEDIA_JSON;
    struct text type = next_part(&content_type);
    if (is(type, "application/json") || ends_with(type, "+json"))
        return MEDIA_JSON;
    if (is(type, "application/x-www-form-urlencoded"))
        return MEDIA_FORM;
    if (!is(type, "text/csv"))
        return MEDIA_OTHER;
    *header = read_header(content_type);
    return MEDIA_CSV;
}
