/* stream_address: takes SCHEME:PLACE/NAME?OPTIONS apart, which people write on command lines and in job
 * files. Names are percent-decoded, since streams of Redis are often called a:b or a/b; places are not.
 * SPDX-License-Identifier: MIT */
#include "stream_address.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool refuse(char reason[STREAM_ADDRESS_REASON_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(char reason[STREAM_ADDRESS_REASON_MAX], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, STREAM_ADDRESS_REASON_MAX, format, arguments);
    va_end(arguments);
    return false;
}

static int hexadecimal(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* In place; false for a % that is none, and for a zero byte, which no name has. */
static bool decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++, to++) {
        *to = *from;
        if (*from != '%')
            continue;
        int high = hexadecimal(from[1]), low = high < 0 ? -1 : hexadecimal(from[2]);
        if (low < 0 || (high | low) == 0)
            return false;
        *to = (char)(high << 4 | low);
        from += 2;
    }
    *to = '\0';
    return true;
}

/* Cuts the text at the first such letter; what stands behind it, or NULL. */
static char *cut(char *text, char letter)
{
    char *at = strchr(text, letter);
    if (at != NULL)
        *at++ = '\0';
    return at;
}

static bool read_options(char *text, struct stream_address *address, char reason[STREAM_ADDRESS_REASON_MAX])
{
    while (text != NULL && *text != '\0') {
        char *next = cut(text, '&'), *value = cut(text, '=');
        if (value == NULL || *text == '\0' || !decode(value))
            return refuse(reason, "expected OPTION=VALUE, got \"%.80s\"", text);
        if (stream_address_option(address, text, NULL) != NULL)
            return refuse(reason, "%.40s is said twice", text);
        if (address->option_count == STREAM_OPTIONS_MAX)
            return refuse(reason, "more than %d options", STREAM_OPTIONS_MAX);
        address->options[address->option_count++] = (struct stream_option){text, value};
        text = next;
    }
    return true;
}

static bool read_name(char *name, struct stream_address *address, char reason[STREAM_ADDRESS_REASON_MAX])
{
    address->name = name;
    return (*name != '\0' && decode(name)) ||
           refuse(reason, "expected the name of a topic or stream, got \"%.80s\"", name);
}

/* `text` stands behind the scheme. */
static bool read_place(char *text, struct stream_address *address, char reason[STREAM_ADDRESS_REASON_MAX])
{
    if (strncmp(text, "//", 2) == 0)
        text += 2;
    char *slash = strrchr(text, '/');
    if (slash == NULL || slash == text)
        return refuse(reason, "expected SCHEME:HOST:PORT/NAME, got \"%s:%.80s\"", address->scheme, text);
    *slash = '\0';
    address->place = text;
    return read_name(slash + 1, address, reason);
}

static bool is_whole(const char *text, const struct stream_address *beside)
{
    size_t length = beside == NULL ? 0 : strlen(beside->scheme);
    return beside == NULL || (strncmp(text, beside->scheme, length) == 0 && text[length] == ':');
}

static bool read_all(const char *text, const struct stream_address *beside, struct stream_address *address,
                     char reason[STREAM_ADDRESS_REASON_MAX])
{
    char *own = address->memory, *options = cut(own, '?');
    if (!read_options(options, address, reason))
        return false;
    if (!is_whole(text, beside)) {
        address->scheme = beside->scheme;
        address->place = beside->place;
        return read_name(own, address, reason);
    }
    address->scheme = own;
    char *rest = cut(own, ':');
    if (rest == NULL)
        return refuse(reason, "expected SCHEME:HOST:PORT/NAME, got \"%.80s\"", text);
    if (!read_place(rest, address, reason))
        return false;
    return beside == NULL || strcmp(address->place, beside->place) == 0 ||
           refuse(reason, "expected the server of the source, %.60s, got %.60s", beside->place,
                  address->place);
}

bool stream_address_read(const char *text, const struct stream_address *beside,
                         struct stream_address *address, char reason[STREAM_ADDRESS_REASON_MAX])
{
    *address = (struct stream_address){.memory = object_strdup(text)};
    if (read_all(text, beside, address, reason))
        return true;
    stream_address_free(address);
    return false;
}

void stream_address_free(struct stream_address *address)
{
    free(address->memory);
    *address = (struct stream_address){0};
}

const char *stream_address_option(const struct stream_address *address, const char *name,
                                  const char *fallback)
{
    for (size_t i = 0; i < address->option_count; i++)
        if (strcmp(address->options[i].name, name) == 0)
            return address->options[i].value;
    return fallback;
}

int64_t stream_address_number(const struct stream_address *address, const char *name, int64_t fallback,
                              int64_t minimum, int64_t maximum, char reason[STREAM_ADDRESS_REASON_MAX])
{
    const char *text = stream_address_option(address, name, NULL);
    if (text == NULL)
        return fallback;
    size_t length = strlen(text);
    int64_t number =
        length > 0 && length <= 18 && text[strspn(text, "0123456789")] == '\0' ? strtoll(text, NULL, 10) : -1;
    if (number >= minimum && number <= maximum)
        return number;
    refuse(reason, "%.40s: expected a number, %lld to %lld, got \"%.40s\"", name, (long long)minimum,
           (long long)maximum, text);
    return -1;
}

const char *stream_address_unknown(const struct stream_address *address, const char *const *known)
{
    for (size_t i = 0; i < address->option_count; i++) {
        size_t j = 0;
        while (known[j] != NULL && strcmp(known[j], address->options[i].name) != 0)
            j++;
        if (known[j] == NULL)
            return address->options[i].name;
    }
    return NULL;
}
