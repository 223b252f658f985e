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

/* Networks, as "10.0.0.0/8, ::1". */
struct address_list;
/* NULL with a reason when a part of the text (parted by commas or blanks) is neither address nor network. The
 * caller frees it; "" makes an empty one. */
struct address_list *address_list_read(const char *text, char *reason, size_t capacity);
void address_list_free(struct address_list *list); /* NULL is fine */
bool address_list_has(const struct address_list *list, const struct address *address);

#endif
