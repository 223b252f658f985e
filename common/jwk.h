/* jwk: public keys that signatures of tokens are verified with: JSON Web Keys (RFC 7517, 7518, 8037), in sets
 * that never change. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_JWK_H
#define OUTRIGGER_JWK_H

#include "jwk_algorithm.h"

enum {
    JWK_SET_BYTES_MAX = 65536, /* of the JSON of a set */
    JWK_SET_KEYS_MAX = 20,
    JWK_KID_MAX = 256, /* bytes of a key's name */
    JWK_TYPE_MAX = 24,
    JWK_SIGNATURE_MAX = 1024, /* bytes: RSA of JWK_RSA_BITS_MAX */
    JWK_RSA_BITS_MIN = 2048,
    JWK_RSA_BITS_MAX = 8192, /* a verification must not take milliseconds */
    JWK_SECRET_BYTES_MIN = 32,
    JWK_DIGEST_BYTES = 32,
    JWK_LEFT_OUT_MAX = 1024
};

struct jwk {
    bool has_kid;
    char kid[JWK_KID_MAX + 1];
    char type[JWK_TYPE_MAX];          /* for people: "RSA 2048", "P-256", "Ed25519" */
    unsigned algorithms;              /* what it may verify: never more than its type is made for */
    size_t signature_bytes;           /* of every signature of it */
    uint8_t digest[JWK_DIGEST_BYTES]; /* of its numbers */
    void *key;                        /* jwk.c's */
};

struct jwk_set {
    unsigned magic;
    int references;
    size_t count;
    struct jwk keys[JWK_SET_KEYS_MAX];
    char left_out[JWK_LEFT_OUT_MAX]; /* "key 2: ..." for those that cannot be used, a line each */
};

/* Reads {"keys": [...]}. Keys that are not for signatures, or of types and algorithms beyond `algorithms`,
 * are left out, as RFC 7517 section 5 wants it; so are weak and broken ones, secret ones, and private ones.
 * NULL with a reason: it is no such set, it is too large, or no key is left. The caller releases it. */
struct jwk_set *jwk_set_read(struct text json, unsigned algorithms, char *reason, size_t capacity);
/* The same from a regular file. `reason` does not name it. */
struct jwk_set *jwk_set_read_file(const char *path, unsigned algorithms, char *reason, size_t capacity);
struct jwk_set *jwk_set_acquire(struct jwk_set *set); /* any thread */
void jwk_set_release(struct jwk_set *set);            /* any thread; NULL is fine */

/* True when both are the same key under the same name for the same algorithms. */
bool jwk_same(const struct jwk *left, const struct jwk *right);

/* The key for a token with that kid (`at` NULL: it has none) and algorithm. Names are compared exactly; a
 * token without one is for the only key of its algorithm, where there is just one. NULL: there is none. */
const struct jwk *jwk_set_find(const struct jwk_set *set, unsigned algorithm, struct text kid);

/* `token` is a compact JWS of three segments of strict base64url, which the caller has seen to. True when
 * `signature` is one of the key over its first two (RFC 7515 section 7.1), and is its third, decoded;
 * `signed_length` counts the bytes of those two with the dot between them. Any thread. */
bool jwk_verify(const struct jwk *key, unsigned algorithm, struct text token, size_t signed_length,
                const uint8_t *signature, size_t signature_length);
/* The same for HS256. Takes as long whatever the signature is. */
bool jwk_verify_secret(struct text secret, struct text signed_text, const uint8_t *signature,
                       size_t signature_length);

#endif
