/* redis_address: where a Redis is, as the configuration says it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REDIS_ADDRESS_H
#define OUTRIGGER_REDIS_ADDRESS_H

#include "object.h"

enum { REDIS_PREFIX_MAX = 128 /* bytes of what our keys there begin with */ };

struct redis_address {
    char host[64];  /* an address, IPv4 or IPv6; "": it is a Unix socket */
    int port;       /* 6379 when it is not said */
    char path[108]; /* of the socket */
    char user[64];  /* "": the default one */
    int database;
};

/* Reads redis://[USER@]ADDRESS[:PORT][/DATABASE], with an IPv6 address in brackets and localhost for
 * 127.0.0.1, or unix:///PATH, or a path. Names are no addresses: to look one up takes as long as it takes.
 * NULL, or what is wrong, a constant sentence part. */
const char *redis_address_read(const char *text, struct redis_address *address);

#endif
