/* keys: pairs of keys in the scratch directory, and the configuration of a broker that lets them in over tcp.
 * Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TEST_KEYS_H
#define OUTRIGGER_TEST_KEYS_H

#include "curve.h"
#include "repository.h"

#include <arpa/inet.h>

/* Makes NAME.key and NAME.key_secret; the pair. */
static inline struct key_pair keys_make(const char *name)
{
    struct key_pair pair = {0};
    char reason[512];
    ck_assert(curve_new_pair(&pair));
    text_copy(text_of(name), pair.name, sizeof pair.name);
    ck_assert_msg(key_write(scratch_directory, &pair, reason, sizeof reason), "%s", reason);
    return pair;
}

/* An endpoint on the loopback that is free. */
static inline void keys_endpoint(char *endpoint, size_t capacity)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    snprintf(endpoint, capacity, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
}

#endif
