/* cache: one table of questions, each in flight or answered.
 *
 * Each model whose configuration wants it has one; asking.c asks it after the route and before the queue, and
 * tells it how each request ended. That a question is in flight and that it is answered are two states of one
 * entry, so a request that is neither costs one look-up. The first to ask leads: it is queued and computed
 * like any other request. Those who ask the same meanwhile follow it and cost nothing but their place in the
 * table of requests.
 *
 * The key finds the entry, and the bytes of the question are compared before it is used: XXH3 is not made to
 * withstand somebody who looks for two questions of the same key, and no such pair may bring one asker the
 * answer of another. It is seeded at random, so that nobody can fill one bucket of the table either. Payloads
 * are held by reference where they are large.
 *
 * Answers stand in the order of their last use. The one unused longest goes first when room is needed. That
 * order serves for ageing, too: what has expired and is behind others that have not goes at most one ttl
 * later. SPDX-License-Identifier: MIT */
#include "cache.h"

#include <stdlib.h>
#include <sys/random.h>
#include <utlist.h>
#ifdef __x86_64__
#include <xxh_x86dispatch.h> /* the widest vectors that the processor has: six times faster on large payloads */
#else
#include <xxhash.h>
#endif

enum {
    CACHE_MAGIC = 0x0cac4e01,
    ENTRY_MAGIC = 0x0cac4e02,
    EXPIRED_A_CALL = 1000, /* about 0.1 ms of freeing, then requests have their turn */
    FRAME_OVERHEAD = 64    /* what ZeroMQ and malloc add to the bytes of a frame */
};

struct cache_entry {
    unsigned magic;
    struct cache_key key;
    struct cache *cache;
    const struct version *version;
    bool detached;             /* out of the table: emptied while it was in flight */
    struct request *leader;    /* whose payload is the question; NULL: answered */
    struct request *followers; /* who wait for its answer, first come first */
    struct payload question;
    struct payload answer;
    uint64_t bytes; /* what keeping it costs */
    int64_t answered_at;
    struct cache_entry *previous, *next; /* in the cache's flights or answers */
    UT_hash_handle hh;
};

struct cache {
    unsigned magic;
    const char *model;
    uint64_t seed;
    XXH3_state_t *state;
    int64_t ttl;
    uint64_t max_bytes;
    uint64_t bytes;
    struct cache_entry *table;   /* by key */
    struct cache_entry *flights; /* also those that are detached */
    struct cache_entry *answers; /* the last used first */
    struct series *hits, *misses, *coalesced, *evictions, *size;
};

/* ---- entries ---- */

static struct cache_entry *find(struct cache *cache, const struct cache_key *key)
{
    struct cache_entry *entry;
    HASH_FIND_BYHASHVALUE(hh, cache->table, key, sizeof *key, (unsigned)key->low, entry);
    return entry;
}

static void count_bytes(struct cache *cache, uint64_t bytes)
{
    cache->bytes = bytes;
    series_set(cache->size, (int64_t)bytes);
}

static void detach(struct cache_entry *entry)
{
    if (!entry->detached)
        HASH_DEL(entry->cache->table, entry);
    entry->detached = true;
}

static void drop(struct cache_entry *entry)
{
    CHECK_OBJECT(entry, ENTRY_MAGIC);
    struct cache *cache = entry->cache;
    detach(entry);
    if (entry->leader != NULL) {
        DL_DELETE2(cache->flights, entry, previous, next);
    } else {
        DL_DELETE2(cache->answers, entry, previous, next);
        count_bytes(cache, cache->bytes - entry->bytes);
        payload_close(&entry->question);
        payload_close(&entry->answer);
    }
    entry->magic = 0;
    free(entry);
}

static struct cache_entry *least_used(const struct cache *cache)
{
    return cache->answers == NULL ? NULL : cache->answers->previous;
}

/* ---- life ---- */

struct cache *cache_new(const char *model, struct metrics *metrics)
{
    struct cache *cache = object_alloc(sizeof *cache);
    cache->magic = CACHE_MAGIC;
    cache->model = model;
    cache->state = XXH3_createState();
    ENSURE(cache->state != NULL);
    ENSURE(getrandom(&cache->seed, sizeof cache->seed, 0) == sizeof cache->seed);
    cache->hits = metrics_series(metrics, METRIC_CACHE_HITS, model, NULL, NULL);
    cache->misses = metrics_series(metrics, METRIC_CACHE_MISSES, model, NULL, NULL);
    cache->coalesced = metrics_series(metrics, METRIC_CACHE_COALESCED, model, NULL, NULL);
    cache->evictions = metrics_series(metrics, METRIC_CACHE_EVICTIONS, model, NULL, NULL);
    cache->size = metrics_series(metrics, METRIC_CACHE_BYTES, model, NULL, NULL);
    return cache;
}

void cache_free(struct cache *cache)
{
    if (cache == NULL)
        return;
    CHECK_OBJECT(cache, CACHE_MAGIC);
    while (cache->flights != NULL)
        drop(cache->flights);
    while (cache->answers != NULL)
        drop(cache->answers);
    XXH3_freeState(cache->state);
    cache->magic = 0;
    free(cache);
}

void cache_set_rule(struct cache *cache, int64_t ttl, uint64_t max_bytes)
{
    CHECK_OBJECT(cache, CACHE_MAGIC);
    cache_empty(cache, NULL);
    cache->ttl = ttl;
    cache->max_bytes = max_bytes;
}

void cache_empty(struct cache *cache, const struct version *version)
{
    if (cache == NULL)
        return;
    CHECK_OBJECT(cache, CACHE_MAGIC);
    struct cache_entry *entry, *next;
    DL_FOREACH2(cache->flights, entry, next)
    {
        if (version == NULL || entry->version == version)
            detach(entry);
    }
    DL_FOREACH_SAFE2(cache->answers, entry, next, next)
    {
        if (version == NULL || entry->version == version)
            drop(entry);
    }
}

bool cache_is_on(const struct cache *cache)
{
    return cache != NULL && cache->ttl > 0;
}

uint64_t cache_bytes(const struct cache *cache)
{
    return cache->bytes;
}

void cache_expire(struct cache *cache, int64_t now)
{
    if (cache == NULL)
        return;
    CHECK_OBJECT(cache, CACHE_MAGIC);
    struct cache_entry *last;
    for (int i = 0; i < EXPIRED_A_CALL; i++) {
        if ((last = least_used(cache)) == NULL || now - last->answered_at < cache->ttl)
            return;
        drop(last);
    }
}

/* ---- a question comes ---- */

struct cache_key cache_key(struct cache *cache, const char *version, struct text question)
{
    CHECK_OBJECT(cache, CACHE_MAGIC);
    XXH3_128bits_reset_withSeed(cache->state, cache->seed);
    /* with the zero bytes that end them, which are in no name: a1 b is not a 1b */
    XXH3_128bits_update(cache->state, cache->model, strlen(cache->model) + 1);
    XXH3_128bits_update(cache->state, version, strlen(version) + 1);
    XXH3_128bits_update(cache->state, question.at, question.length);
    XXH128_hash_t hash = XXH3_128bits_digest(cache->state);
    return (struct cache_key){.high = hash.high64, .low = hash.low64};
}

static bool asks(struct cache_entry *entry, const struct version *version, struct text question)
{
    struct text own = payload_bytes(entry->leader == NULL ? &entry->question : &entry->leader->payload);
    return entry->version == version && own.length == question.length &&
           memcmp(own.at, question.at, own.length) == 0;
}

struct cache_entry *cache_find(struct cache *cache, const struct cache_key *key,
                               const struct version *version, struct text question, int64_t now)
{
    CHECK_OBJECT(cache, CACHE_MAGIC);
    struct cache_entry *entry = find(cache, key);
    if (entry != NULL && entry->leader == NULL && now - entry->answered_at >= cache->ttl) {
        drop(entry);
        entry = NULL;
    }
    if (entry != NULL && asks(entry, version, question))
        return entry;
    series_add(cache->misses, 1);
    return NULL;
}

bool cache_answer(struct cache_entry *entry, int64_t now, struct payload *answer, int64_t *age)
{
    CHECK_OBJECT(entry, ENTRY_MAGIC);
    if (entry->leader != NULL)
        return false;
    struct cache *cache = entry->cache;
    DL_DELETE2(cache->answers, entry, previous, next);
    DL_PREPEND2(cache->answers, entry, previous, next);
    series_add(cache->hits, 1);
    *answer = payload_share(&entry->answer);
    *age = now - entry->answered_at;
    return true;
}

/* ---- in flight ---- */

void cache_lead(struct cache *cache, const struct cache_key *key, struct request *request)
{
    CHECK_OBJECT(cache, CACHE_MAGIC);
    if (find(cache, key) != NULL)
        return;
    struct cache_entry *entry = object_alloc(sizeof *entry);
    entry->magic = ENTRY_MAGIC;
    entry->key = *key;
    entry->cache = cache;
    entry->version = request->version;
    entry->leader = request;
    request->entry = entry;
    HASH_ADD_BYHASHVALUE(hh, cache->table, key, sizeof entry->key, (unsigned)key->low, entry);
    DL_APPEND2(cache->flights, entry, previous, next);
}

const struct request *cache_leader(const struct cache_entry *entry)
{
    CHECK_OBJECT(entry, ENTRY_MAGIC);
    return entry->leader;
}

struct request *cache_join(struct cache_entry *entry, struct request *request)
{
    CHECK_OBJECT(entry, ENTRY_MAGIC);
    ENSURE(entry->leader != NULL && !entry->detached);
    DL_APPEND2(entry->followers, request, previous, next);
    request->entry = entry;
    series_add(entry->cache->coalesced, 1);
    return entry->leader;
}

struct request *cache_follower(const struct request *request)
{
    const struct cache_entry *entry = request->entry;
    return entry != NULL && entry->leader == request ? entry->followers : NULL;
}

int64_t cache_deadline(const struct request *request)
{
    int64_t latest = request->deadline.at;
    const struct request *follower;
    DL_FOREACH2(cache_follower(request), follower, next)
    {
        if (follower->deadline.at > latest)
            latest = follower->deadline.at;
    }
    return latest;
}

void cache_leave(struct request *request)
{
    struct cache_entry *entry = request->entry;
    if (entry == NULL)
        return;
    CHECK_OBJECT(entry, ENTRY_MAGIC);
    request->entry = NULL;
    if (entry->leader != request) {
        DL_DELETE2(entry->followers, request, previous, next);
        return;
    }
    ENSURE(entry->followers == NULL);
    drop(entry);
}

/* ---- an answer comes ---- */

void cache_store(struct request *request, const struct payload *answer, int64_t now)
{
    struct cache_entry *entry = request->entry;
    if (entry == NULL)
        return;
    CHECK_OBJECT(entry, ENTRY_MAGIC);
    ENSURE(entry->leader == request && entry->followers == NULL);
    struct cache *cache = entry->cache;
    uint64_t bytes = payload_bytes(&request->payload).length + payload_bytes(answer).length + sizeof *entry +
                     2 * FRAME_OVERHEAD;
    if (entry->detached || bytes > cache->max_bytes) {
        cache_leave(request);
        return;
    }
    while (cache->bytes + bytes > cache->max_bytes) {
        drop(least_used(cache));
        series_add(cache->evictions, 1);
    }
    request->entry = NULL;
    DL_DELETE2(cache->flights, entry, previous, next);
    DL_PREPEND2(cache->answers, entry, previous, next);
    entry->leader = NULL;
    entry->question = payload_share(&request->payload);
    entry->answer = payload_share(answer);
    entry->answered_at = now;
    entry->bytes = bytes;
    count_bytes(cache, cache->bytes + bytes);
}
