/* structured: the grammar of RFC 8941 as far as a header needs it that is one String (once.c): section 4.2
 * for an Item, whose parameters may have values of any type. Nothing of them is kept, but a value that breaks
 * the grammar anywhere is none: it may have been cut, or joined from two headers.
 *
 * Each read_ function takes what it is called for from the front of *at, and says false where that is not;
 * *at is of no use then. SPDX-License-Identifier: MIT */
#include "structured.h"

#include <stdbool.h>
#include <string.h>

enum { INTEGER_MAX = 15, WHOLE_MAX = 12, FRACTION_MAX = 3 /* digits */ };

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

static bool is_lower(char character)
{
    return character >= 'a' && character <= 'z';
}

static bool is_letter(char character)
{
    return is_lower(character) || (character >= 'A' && character <= 'Z');
}

/* True when it is one of those; never for the NUL byte at the end. */
static bool is_of(char character, const char *those)
{
    return character != '\0' && strchr(those, character) != NULL;
}

static size_t read_digits(const char **at)
{
    size_t count = 0;
    for (; is_digit(**at); (*at)++)
        count++;
    return count;
}

static void skip_blanks(const char **at)
{
    while (**at == ' ')
        (*at)++;
}

/* Its length; what does not fit in the room is counted only. */
static bool read_string(const char **at, char *string, size_t room, size_t *length)
{
    *length = 0;
    if (*(*at)++ != '"')
        return false;
    for (; **at != '"'; (*at)++) {
        if (**at == '\\' && !is_of(*++*at, "\"\\"))
            return false;
        if (**at < 0x20 || **at > 0x7e)
            return false;
        if (*length < room)
            string[*length] = **at;
        ++*length;
    }
    ++*at;
    return true;
}

/* An Integer or a Decimal. */
static bool read_number(const char **at)
{
    *at += **at == '-';
    size_t digits = read_digits(at);
    if (digits == 0 || digits > INTEGER_MAX)
        return false;
    if (**at != '.')
        return true;
    ++*at;
    size_t fraction = read_digits(at);
    return digits <= WHOLE_MAX && fraction >= 1 && fraction <= FRACTION_MAX;
}

static bool read_token(const char **at)
{
    while (is_letter(**at) || is_digit(**at) || is_of(**at, "!#$%&'*+-.^_`|~:/"))
        ++*at;
    return true;
}

static bool read_bytes(const char **at)
{
    ++*at;
    while (is_letter(**at) || is_digit(**at) || is_of(**at, "+/="))
        ++*at;
    return *(*at)++ == ':';
}

static bool read_boolean(const char **at)
{
    ++*at;
    return is_of(*(*at)++, "01");
}

static bool read_any(const char **at)
{
    size_t length;
    if (**at == '"')
        return read_string(at, NULL, 0, &length);
    if (**at == '-' || is_digit(**at))
        return read_number(at);
    if (**at == '*' || is_letter(**at))
        return read_token(at);
    if (**at == ':')
        return read_bytes(at);
    return **at == '?' && read_boolean(at);
}

static bool read_name(const char **at)
{
    if (**at != '*' && !is_lower(**at))
        return false;
    while (is_lower(**at) || is_digit(**at) || is_of(**at, "_-.*"))
        ++*at;
    return true;
}

static bool read_parameters(const char **at)
{
    while (**at == ';') {
        ++*at;
        skip_blanks(at);
        if (!read_name(at))
            return false;
        if (**at != '=')
            continue;
        ++*at;
        if (!read_any(at))
            return false;
    }
    return true;
}

size_t structured_read_string(const char *value, char *string, size_t room)
{
    size_t length;
    skip_blanks(&value);
    if (!read_string(&value, string, room, &length) || !read_parameters(&value))
        return 0;
    skip_blanks(&value);
    return *value == '\0' && length <= room ? length : 0;
}
