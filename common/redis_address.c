/* redis_address: see redis_address.h. Read by config (to check it) and by the broker's limit_redis. Pure.
 * SPDX-License-Identifier: MIT */
#include "redis_address.h"

#include <arpa/inet.h>
#include <stdlib.h>

static bool take_prefix(struct text *text, const char *prefix)
{
    size_t length = strlen(prefix);
    if (text->length < length || memcmp(text->at, prefix, length) != 0)
        return false;
    text->at += length;
    text->length -= length;
    return true;
}

/* Cuts off what stands before the first such letter; false when there is none. */
static bool cut(struct text *text, char letter, struct text *before)
{
    const char *at = memchr(text->at, letter, text->length);
    if (at == NULL)
        return false;
    *before = (struct text){text->at, (size_t)(at - text->at)};
    text->length -= before->length + 1;
    text->at = at + 1;
    return true;
}

static bool take_number(struct text text, int maximum, int *number)
{
    char digits[8];
    if (text.length == 0 || text.length >= sizeof digits)
        return false;
    text_copy(text, digits, sizeof digits);
    if (digits[strspn(digits, "0123456789")] != '\0')
        return false;
    *number = atoi(digits);
    return *number <= maximum;
}

static const char *read_unix(struct text path, struct redis_address *address)
{
    if (path.length == 0 || path.at[0] != '/' || path.length >= sizeof address->path)
        return "expected the absolute path of a socket, of at most 107 bytes";
    text_copy(path, address->path, sizeof address->path);
    return NULL;
}

static const char *read_host(struct text text, struct redis_address *address)
{
    struct in6_addr parsed; /* large enough for both families */
    struct text host = text, rest = text;
    bool bracketed = take_prefix(&rest, "[");
    if (bracketed && !cut(&rest, ']', &host))
        return "the bracket of the address is not closed";
    if (bracketed)
        text = rest;
    bool with_port = cut(&text, ':', &rest);
    if (with_port && !bracketed)
        host = rest;
    if (bracketed && (with_port ? rest.length : text.length) > 0)
        return "something stands behind the bracket";
    if (with_port && (!take_number(text, 65535, &address->port) || address->port == 0))
        return "expected a port, 1 to 65535, behind the colon";
    if (!bracketed && text_is(host, "localhost"))
        host = text_of("127.0.0.1");
    if (host.length >= sizeof address->host)
        return "the address is too long";
    text_copy(host, address->host, sizeof address->host);
    if (inet_pton(bracketed ? AF_INET6 : AF_INET, address->host, &parsed) != 1)
        return "expected an address, as 10.0.0.1 or [::1] (a name is none)";
    return NULL;
}

const char *redis_address_read(const char *string, struct redis_address *address)
{
    struct text text = text_of(string), part, database;
    *address = (struct redis_address){.port = 6379};
    if (take_prefix(&text, "unix://") || *string == '/')
        return read_unix(text, address);
    if (!take_prefix(&text, "redis://"))
        return "expected redis://ADDRESS:PORT/DATABASE or unix:///PATH";
    if (cut(&text, '@', &part)) {
        if (part.length == 0 || part.length >= sizeof address->user ||
            memchr(part.at, ':', part.length) != NULL)
            return "expected a user of at most 63 bytes before the @; a password does not stand here";
        text_copy(part, address->user, sizeof address->user);
    }
    struct text host = text;
    if (cut(&text, '/', &part)) {
        host = part;
        database = text;
        if (database.length > 0 && !take_number(database, 65535, &address->database))
            return "expected the number of a database behind the /";
    }
    return read_host(host, address);
}
