/* jwks: the issuer's public keys, from a file or from the issuer himself, kept fresh.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_JWKS_H
#define OUTRIGGER_JWKS_H

#include "config.h"
#include "fetch.h"
#include "jwk.h"

struct jwks;

/* token.jwks_file or token.jwks_url. NULL with a reason: the file holds no keys (a URL may come to answer
 * later). `fetcher` may be NULL with a file. On the loop's thread. */
struct jwks *jwks_new(const struct config *config, struct loop *loop, struct fetcher *fetcher, char *reason,
                      size_t capacity);
void jwks_free(struct jwks *jwks);

/* The keys of this moment, which the caller releases; NULL: none came yet. `generation` becomes another
 * number with every other set. Any thread. */
struct jwk_set *jwks_acquire(struct jwks *jwks, uint64_t *generation);
/* That number alone. Any thread. */
uint64_t jwks_generation(const struct jwks *jwks);

enum jwks_hope {
    JWKS_CHANGED, /* there are others than those of `generation` already */
    JWKS_WAIT,    /* they are being asked for */
    JWKS_AWAY,    /* they were asked for, and did not come */
    JWKS_NONE     /* these are all */
};
/* The wanted key is not among those of `generation`: may it come? Asks the issuer unless that was done less
 * than token.jwks_floor_s ago. Any thread. */
enum jwks_hope jwks_hope(struct jwks *jwks, uint64_t generation);

#endif
