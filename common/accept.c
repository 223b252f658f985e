/* accept: the ranges of an Accept header, of which the most specific one that fits decides, by its weight.
 * Called by the frontend's api.c for calls that answer with JSON (a problem is sent to everybody), and by the
 * collector's pages.c to choose between formats. SPDX-License-Identifier: MIT */
#include "accept.h"

#include <strings.h>

enum { WHOLE = 1000, NAMED = 3 };

/* What stands before the next `separator` outside quotes; *rest begins behind it. */
static struct text next_part(struct text *rest, char separator)
{
    bool quoted = false;
    size_t length = 0;
    while (length < rest->length && (quoted || rest->at[length] != separator)) {
        if (rest->at[length] == '"')
            quoted = !quoted;
        else if (quoted && rest->at[length] == '\\' && length + 1 < rest->length)
            length++;
        length++;
    }
    struct text part = {rest->at, length};
    size_t taken = length < rest->length ? length + 1 : length;
    rest->at += taken;
    rest->length -= taken;
    return text_trim(part);
}

static bool same(struct text one, const char *other, size_t length)
{
    return one.length == length && strncasecmp(one.at, other, length) == 0;
}

/* 0: it does not fit; else the more the more exactly. */
static int fit_of(struct text range, const char *type)
{
    size_t main_length = strcspn(type, "/") + 1;
    if (same(range, type, strlen(type)))
        return NAMED;
    if (range.length == main_length + 1 && range.at[main_length] == '*' &&
        strncasecmp(range.at, type, main_length) == 0)
        return 2;
    return same(range, "*/*", 3) ? 1 : 0;
}

/* Thousandths (RFC 9110 section 12.4.2); of a parameter that is no weight, and of one that cannot be read,
 * all. */
static int weight_of(struct text parameter)
{
    int weight = 0, scale = WHOLE;
    if (parameter.length < 3 || strncasecmp(parameter.at, "q=", 2) != 0)
        return WHOLE;
    for (size_t i = 2; i < parameter.length; i++) {
        char digit = parameter.at[i];
        if (i == 3 && digit == '.')
            continue;
        if (digit < '0' || digit > '9')
            return WHOLE;
        weight += (digit - '0') * scale;
        scale /= 10;
    }
    return weight < WHOLE ? weight : WHOLE;
}

struct liking {
    bool any; /* it says something */
    int fit;
    int weight;
};

static struct liking find(struct text accept, const char *type)
{
    struct liking best = {0};
    while (accept.length > 0) {
        struct text element = next_part(&accept, ',');
        struct text range = next_part(&element, ';');
        int weight = WHOLE;
        if (memchr(range.at, '/', range.length) == NULL)
            continue;
        best.any = true;
        while (element.length > 0) {
            int said = weight_of(next_part(&element, ';'));
            weight = said < weight ? said : weight;
        }
        int fit = fit_of(range, type);
        if (fit > best.fit || (fit > 0 && fit == best.fit && weight > best.weight)) {
            best.fit = fit;
            best.weight = weight;
        }
    }
    return best;
}

bool accept_allows(struct text accept, const char *type)
{
    struct liking liking = find(accept, type);
    return !liking.any || liking.weight > 0;
}

int accept_weight(struct text accept, const char *type, bool named)
{
    struct liking liking = find(accept, type);
    return named && liking.fit < NAMED ? 0 : liking.weight;
}
