/* token_cache: a hash table and a list in the order of use, under one lock that is held for a copy.
 *
 * Tokens themselves are not kept: what lies in memory is no credential. The digest is computed by the caller,
 * outside of the lock. SPDX-License-Identifier: MIT */
#include "token_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

enum { CACHE_MAGIC = 0x70ca0001 };

struct entry {
    uint8_t digest[TOKEN_DIGEST_BYTES];
    struct token_known known;
    struct entry *prev, *next; /* the last used first */
    UT_hash_handle hh;
};

struct token_cache {
    unsigned magic;
    size_t capacity;
    pthread_mutex_t mutex; /* guards what follows */
    struct entry *table, *used;
};

struct token_cache *token_cache_new(size_t capacity)
{
    struct token_cache *cache = object_alloc(sizeof *cache);
    cache->magic = CACHE_MAGIC;
    cache->capacity = capacity;
    ENSURE(pthread_mutex_init(&cache->mutex, NULL) == 0);
    return cache;
}

static void drop(struct token_cache *cache, struct entry *entry)
{
    /* The analyzer does not know that one which is in the table alone has no other before or after it. */
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    HASH_DEL(cache->table, entry);
    DL_DELETE(cache->used, entry);
    free(entry);
}

void token_cache_free(struct token_cache *cache)
{
    if (cache == NULL)
        return;
    CHECK_OBJECT(cache, CACHE_MAGIC);
    while (cache->used != NULL)
        drop(cache, cache->used);
    pthread_mutex_destroy(&cache->mutex);
    cache->magic = 0;
    free(cache);
}

static struct entry *find(struct token_cache *cache, const uint8_t digest[TOKEN_DIGEST_BYTES])
{
    struct entry *entry;
    HASH_FIND(hh, cache->table, digest, TOKEN_DIGEST_BYTES, entry);
    return entry;
}

bool token_cache_get(struct token_cache *cache, const uint8_t digest[TOKEN_DIGEST_BYTES], int64_t now,
                     struct token_known *known)
{
    CHECK_OBJECT(cache, CACHE_MAGIC);
    pthread_mutex_lock(&cache->mutex);
    struct entry *entry = find(cache, digest);
    bool good = entry != NULL && now < entry->known.until;
    if (good) {
        *known = entry->known;
        DL_DELETE(cache->used, entry);
        DL_PREPEND(cache->used, entry);
    } else if (entry != NULL) {
        drop(cache, entry);
    }
    pthread_mutex_unlock(&cache->mutex);
    return good;
}

void token_cache_put(struct token_cache *cache, const uint8_t digest[TOKEN_DIGEST_BYTES],
                     const struct token_known *known)
{
    CHECK_OBJECT(cache, CACHE_MAGIC);
    pthread_mutex_lock(&cache->mutex);
    struct entry *entry = find(cache, digest);
    if (entry != NULL)
        drop(cache, entry);
    if (cache->used != NULL && HASH_COUNT(cache->table) >= cache->capacity)
        drop(cache, cache->used->prev); /* the head's is the tail */
    entry = object_alloc(sizeof *entry);
    memcpy(entry->digest, digest, TOKEN_DIGEST_BYTES);
    entry->known = *known;
    HASH_ADD(hh, cache->table, digest, TOKEN_DIGEST_BYTES, entry);
    DL_PREPEND(cache->used, entry);
    pthread_mutex_unlock(&cache->mutex);
}
