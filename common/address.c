/* address: see address.h. Everything is IPv6 inside, so that nobody has to tell two kinds apart; what a web
 * server writes is read with inet_pton, which takes no strange forms (octal, hexadecimal, fewer than four
 * parts) that somebody else may read as another address. SPDX-License-Identifier: MIT */
#include "address.h"

#include "fnv.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool is_ipv4(const struct address *address)
{
    return memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

/* ---- one address ---- */

bool address_read(struct text text, struct address *address)
{
    char buffer[ADDRESS_TEXT_MAX];
    *address = (struct address){{0}};
    if (text.length == 0 || text.length >= sizeof buffer || memchr(text.at, '\0', text.length) != NULL)
        return false;
    text_copy(text, buffer, sizeof buffer);
    memcpy(address->bytes, mapped, sizeof mapped);
    if (inet_pton(AF_INET, buffer, address->bytes + sizeof mapped) == 1 ||
        inet_pton(AF_INET6, buffer, address->bytes) == 1)
        return true;
    *address = (struct address){{0}};
    return false;
}

bool address_known(const struct address *address)
{
    static const struct address none;
    return memcmp(address, &none, sizeof none) != 0;
}

bool address_is_loopback(const struct address *address)
{
    static const struct address loopback = {{[15] = 1}};
    return is_ipv4(address) ? address->bytes[12] == 127 : memcmp(address, &loopback, sizeof loopback) == 0;
}

char *address_text(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
    *text = '\0';
    if (is_ipv4(address))
        inet_ntop(AF_INET, address->bytes + sizeof mapped, text, ADDRESS_TEXT_MAX);
    else if (address_known(address))
        inet_ntop(AF_INET6, address->bytes, text, ADDRESS_TEXT_MAX);
    return text;
}

uint64_t address_number(const struct address *address)
{
    size_t length = is_ipv4(address) ? sizeof address->bytes : sizeof address->bytes / 2;
    return address_known(address) ? fnv_of((struct text){(const char *)address->bytes, length}) : 0;
}

/* ---- networks ---- */

/* Digits alone, at most three. */
static bool read_prefix(struct text text, unsigned most, unsigned *prefix)
{
    char digits[4];
    if (text.length == 0 || text.length >= sizeof digits || strspn(text.at, "0123456789") < text.length)
        return false;
    *prefix = (unsigned)strtoul(text_copy(text, digits, sizeof digits), NULL, 10);
    return *prefix <= most;
}

bool address_network_read(struct text text, struct address_network *network)
{
    const char *slash = text.at == NULL ? NULL : memchr(text.at, '/', text.length);
    size_t length = slash == NULL ? text.length : (size_t)(slash - text.at);
    *network = (struct address_network){.prefix = 0};
    if (!address_read((struct text){text.at, length}, &network->address))
        return false;
    /* ::ffff:10.0.0.0/104 is written as an IPv6 network is, with all its bits. */
    bool short_form = memchr(text.at, ':', length) == NULL;
    unsigned most = short_form ? 32 : 128, prefix = most;
    if (slash != NULL && !read_prefix((struct text){slash + 1, text.length - length - 1}, most, &prefix))
        return false;
    network->prefix = (uint8_t)(prefix + (short_form ? 96 : 0));
    for (unsigned bit = network->prefix; bit < 128; bit++)
        network->address.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    return true;
}

char *address_network_text(const struct address_network *network, char text[ADDRESS_NETWORK_MAX])
{
    bool ipv4 = network->prefix >= 96 && is_ipv4(&network->address);
    unsigned prefix = network->prefix - (ipv4 ? 96u : 0u), whole = ipv4 ? 32 : 128;
    inet_ntop(ipv4 ? AF_INET : AF_INET6, network->address.bytes + (ipv4 ? sizeof mapped : 0), text,
              ADDRESS_TEXT_MAX);
    size_t length = strlen(text);
    if (prefix != whole)
        snprintf(text + length, ADDRESS_NETWORK_MAX - length, "/%u", prefix);
    return text;
}

bool address_network_has(const struct address_network *network, const struct address *address)
{
    const uint8_t *left = address->bytes, *right = network->address.bytes;
    unsigned bytes = network->prefix / 8, bits = network->prefix % 8;
    if (memcmp(left, right, bytes) != 0)
        return false;
    return bits == 0 || ((left[bytes] ^ right[bytes]) >> (8 - bits)) == 0;
}

bool address_list_read(const char *text, struct address_list *list, char word[ADDRESS_WORD_MAX])
{
    static const char separators[] = ", \t\r\n";
    *list = (struct address_list){0};
    for (text += strspn(text, separators); *text != '\0'; text += strspn(text, separators)) {
        struct text part = {text, strcspn(text, separators)};
        list->networks = realloc(list->networks, (list->count + 1) * sizeof *list->networks);
        ENSURE(list->networks != NULL);
        if (!address_network_read(part, &list->networks[list->count++])) {
            text_copy(part, word, ADDRESS_WORD_MAX);
            address_list_free(list);
            return false;
        }
        text += part.length;
    }
    return true;
}

void address_list_free(struct address_list *list)
{
    free(list->networks);
    *list = (struct address_list){0};
}

bool address_list_has(const struct address_list *list, const struct address *address)
{
    for (size_t i = 0; i < list->count; i++)
        if (address_network_has(&list->networks[i], address))
            return true;
    return false;
}
