/* accept: the ranges of an Accept header, of which the most specific one that fits decides, by its weight
 * being 0 or not. Called by api.c for calls that answer with JSON; a problem is sent to everybody.
 * SPDX-License-Identifier: MIT
 */
#include "accept.h"

#include <strings.h>

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
        return 3;
    if (range.length == main_length + 1 && range.at[main_length] == '*' &&
        strncasecmp(range.at, type, main_length) == 0)
        return 2;
    return same(range, "*/*", 3) ? 1 : 0;
}

/* q=0, q=0.0 and the like. */
static bool is_zero_weight(struct text parameter)
{
    if (parameter.length < 3 || strncasecmp(parameter.at, "q=", 2) != 0 || parameter.at[2] != '0')
        return false;
    for (size_t i = 3; i < parameter.length; i++)
        if (parameter.at[i] != '.' && parameter.at[i] != '0')
            return false;
    return true;
}

bool accept_allows(struct text accept, const char *type)
{
    int best = 0;
    bool allowed = true, any = false;
    while (accept.length > 0) {
        struct text element = next_part(&accept, ',');
        struct text range = next_part(&element, ';');
        bool refused = false;
        if (memchr(range.at, '/', range.length) == NULL)
            continue;
        any = true;
        while (element.length > 0)
            refused = is_zero_weight(next_part(&element, ';')) || refused;
        int fit = fit_of(range, type);
        if (fit > best) {
            best = fit;
            allowed = !refused;
        }
    }
    return !any || (best > 0 && allowed);
}
