/* encoding: see encoding.h. SPDX-License-Identifier: MIT */
#include "encoding.h"

#include <strings.h>

static const char *const names[] = {[ENCODING_GZIP] = "gzip", [ENCODING_DEFLATE] = "deflate"};

static bool is(struct text text, const char *name)
{
    return text.length == strlen(name) && strncasecmp(text.at, name, text.length) == 0;
}

const char *encoding_name(enum encoding encoding)
{
    return (size_t)encoding < COUNT_OF(names) ? names[encoding] : NULL;
}

static enum encoding named(struct text name)
{
    if (is(name, "gzip") || is(name, "x-gzip"))
        return ENCODING_GZIP;
    return is(name, "deflate") ? ENCODING_DEFLATE : ENCODING_UNKNOWN;
}

enum encoding encoding_of(struct text header)
{
    return header.length == 0 || is(header, "identity") ? ENCODING_IDENTITY : named(header);
}

/* ---- Accept-Encoding ---- */

/* What is before the character, which is taken out of *rest with it. */
static struct text cut(struct text *rest, char character)
{
    const char *end = rest->length == 0 ? NULL : memchr(rest->at, character, rest->length);
    struct text part = {rest->at, end == NULL ? rest->length : (size_t)(end - rest->at)};
    size_t taken = part.length + (end != NULL);
    rest->at += taken;
    rest->length -= taken;
    return text_trim(part);
}

/* A weight in thousandths (RFC 9110 section 12.4.2); one that cannot be read likes nothing. */
static int weight_of(struct text parameter)
{
    int weight = 0, scale = 1000;
    if (parameter.length == 0)
        return 1000;
    if (parameter.length < 3 || (parameter.at[0] != 'q' && parameter.at[0] != 'Q') || parameter.at[1] != '=')
        return 0;
    for (size_t i = 2; i < parameter.length && scale > 0; i++) {
        char digit = parameter.at[i];
        if (i == 3 && digit == '.')
            continue;
        if (digit < '0' || digit > '9')
            return 0;
        weight += (digit - '0') * scale;
        scale /= 10;
    }
    return weight > 1000 ? 1000 : weight;
}

enum encoding encoding_accepted(struct text header)
{
    int weights[COUNT_OF(names)] = {-1, -1, -1}, others = 0;
    while (header.length > 0) {
        struct text rest = cut(&header, ',');
        struct text name = cut(&rest, ';');
        int weight = weight_of(text_trim(rest));
        enum encoding encoding = named(name);
        if (is(name, "*"))
            others = weight;
        else if (encoding != ENCODING_UNKNOWN)
            weights[encoding] = weight;
    }
    int gzip = weights[ENCODING_GZIP] < 0 ? others : weights[ENCODING_GZIP];
    int deflate = weights[ENCODING_DEFLATE] < 0 ? others : weights[ENCODING_DEFLATE];
    if (gzip <= 0 && deflate <= 0)
        return ENCODING_IDENTITY;
    return gzip >= deflate ? ENCODING_GZIP : ENCODING_DEFLATE;
}
