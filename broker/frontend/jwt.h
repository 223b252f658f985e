/* jwt: signed tokens (RFC 7519 as a compact JWS, RFC 7515): their form, and whose signature it is. Pure.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_JWT_H
#define OUTRIGGER_JWT_H

#include "jwk.h"

#include <yyjson.h>

enum { JWT_BYTES_MAX = 8192 /* of a token: web servers take no longer headers */ };

struct jwt_policy {
    unsigned algorithms;        /* that are taken, jwk_algorithm's bits */
    const struct jwk_set *keys; /* NULL: none (yet) */
    struct text secret;         /* of HS256; empty: none */
    bool require_typ;           /* only typ at+jwt (RFC 9068 section 2.1) */
};

enum jwt_result {
    JWT_GOOD,       /* the signature is right; the claims are still to be looked at */
    JWT_BAD,        /* never will be */
    JWT_UNKNOWN_KEY /* it is made with a key that is not among these */
};

/* True for three segments: what else a token may be, it is no JWS. */
bool jwt_is_compact(struct text token);

/* JWT_GOOD: *claims is the object of the claims, which the caller frees. Otherwise *why is a constant. Any
 * thread. */
enum jwt_result jwt_verify(const struct jwt_policy *policy, struct text token, yyjson_doc **claims,
                           const char **why);

#endif
