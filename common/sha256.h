/* sha256: SHA-256 of libcrypto (FIPS 180-4), in the two ways that requests need it. SPDX-License-Identifier:
 * MIT */
#ifndef OUTRIGGER_SHA256_H
#define OUTRIGGER_SHA256_H

#include "object.h"

enum { SHA256_BYTES = 32 };

/* Of one text: the function is found once, as finding it costs more than what it does. Any number of threads
 * may use one. Never NULL. */
struct sha256;
struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *sha256); /* NULL is fine */
void sha256_of(const struct sha256 *sha256, struct text text, uint8_t digest[SHA256_BYTES]);

/* Of several things, one after the other. Whoever begins ends it, once. */
struct sha256_sum {
    struct evp_md_ctx_st *context; /* libcrypto's */
};
struct sha256_sum sha256_begin(void);
void sha256_add_bytes(struct sha256_sum *sum, const void *bytes, size_t length);
/* Its length first: no text ends where another begins. */
void sha256_add_text(struct sha256_sum *sum, struct text text);
void sha256_end(struct sha256_sum *sum, uint8_t digest[SHA256_BYTES]);

#endif
