/* sandbox_sealed: the addresses that a process may connect to, and the file that it may remove, on pages that
 * it cannot change any more. For sandbox*.c alone.
 *
 * seccomp sees the arguments of a call but not what they point to, and what they point to could be changed
 * after anybody had looked. So connect is allowed with exactly these pointers; and no call that would change
 * the pages is allowed. They lie at the lowest address that there is, so that whatever reaches them from
 * below begins below their end, and one comparison tells. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SANDBOX_SEALED_H
#define OUTRIGGER_SANDBOX_SEALED_H

#include "sandbox.h"

#include <sys/socket.h>

enum { SEALED_ADDRESSES_MAX = 4 * SANDBOX_PEERS_MAX, SEALED_PATH_MAX = 4096 };

struct sealed_address {
    socklen_t length;
    struct sockaddr_storage address;
};

struct sealed {
    size_t count;
    struct sealed_address addresses[SEALED_ADDRESSES_MAX];
    char remove[SEALED_PATH_MAX]; /* "": nothing */
};

/* Makes the pages of the process. NULL with `reason` when an endpoint cannot be understood or the pages
 * cannot be had. They stay for its life. */
const struct sealed *sealed_new(const struct sandbox *sandbox, char *reason, size_t capacity);
/* The first address behind them. */
const void *sealed_end(const struct sealed *sealed);
/* The one that is the same place as `address`; NULL: there is none. */
const struct sealed_address *sealed_find(const struct sealed *sealed, const struct sockaddr *address,
                                         socklen_t length);

#endif
