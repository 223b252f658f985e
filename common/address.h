/* address: the address of a client, and networks of them. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ADDRESS_H
#define OUTRIGGER_ADDRESS_H

#include "object.h"

enum { ADDRESS_TEXT_MAX = 46 /* bytes of one as text, with its terminator */ };

/* An IPv6 address; one of IPv4 stands in it as ::ffff:a.b.c.d. All zero: not known. */
struct address {
    uint8_t bytes[16];
};

/* Reads IPv4 or IPv6, without brackets, port or zone. False (and all zero) when it is neither. */
bool address_read(struct text text, struct address *address);
bool address_known(const struct address *address);
/* 127.0.0.0/8 and ::1. */
bool address_is_loopback(const struct address *address);
/* As people write it, IPv4 with its dots; "" when it is not known. Returns `text`. */
char *address_text(const struct address *address, char text[ADDRESS_TEXT_MAX]);
/* What limits count by: a hash of the IPv4 address, or of the first 64 bits of an IPv6 one (a customer has so
 * many), the same in every process; 0 for one that is not known. */
uint64_t address_number(const struct address *address);

/* One of IPv4 has a prefix of 96 bits more than is written. */
struct address_network {
    struct address address; /* 0 behind the prefix */
    uint8_t prefix;         /* bits, 0 to 128 */
};

/* Reads "10.0.0.0/8" or "::1"; what stands behind the prefix is cleared. */
bool address_network_read(struct text text, struct address_network *network);
/* As it would be read; without the prefix when that is one address. Returns `text`. */
enum { ADDRESS_NETWORK_MAX = ADDRESS_TEXT_MAX + 4 };
char *address_network_text(const struct address_network *network, char text[ADDRESS_NETWORK_MAX]);
bool address_network_has(const struct address_network *network, const struct address *address);

/* Some of them; zeroed = none. */
struct address_list {
    struct address_network *networks;
    size_t count;
};
/* Reads networks parted by commas or blanks; freed with address_list_free. False, and an empty list, when a
 * part is none: it is copied to `word`. */
enum { ADDRESS_WORD_MAX = 64 };
bool address_list_read(const char *text, struct address_list *list, char word[ADDRESS_WORD_MAX]);
void address_list_free(struct address_list *list);
bool address_list_has(const struct address_list *list, const struct address *address);

#endif
