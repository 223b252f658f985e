/* token_cache: what is known of tokens already, by their SHA-256. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TOKEN_CACHE_H
#define OUTRIGGER_TOKEN_CACHE_H

#include "identity.h"

enum { TOKEN_DIGEST_BYTES = 32 };

struct token_cache;

struct token_known {
    enum token_verdict verdict;
    const char *why;     /* constant; NULL with TOKEN_GOOD */
    uint64_t generation; /* of the keys that it was verified with; the caller's to compare */
    int64_t until;       /* monotonic nanoseconds */
    struct identity identity;
};

/* Keeps at most so many; the one that was not asked for the longest goes first. */
struct token_cache *token_cache_new(size_t capacity);
void token_cache_free(struct token_cache *cache);

/* What was put last for it, if that is good at `now`. Any thread. */
bool token_cache_get(struct token_cache *cache, const uint8_t digest[TOKEN_DIGEST_BYTES], int64_t now,
                     struct token_known *known);
/* Any thread. */
void token_cache_put(struct token_cache *cache, const uint8_t digest[TOKEN_DIGEST_BYTES],
                     const struct token_known *known);

#endif
