/* cache: the answers of one model that may be given again, and the requests that wait for the same answer.
 * Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CACHE_H
#define OUTRIGGER_CACHE_H

#include "metrics.h"
#include "request.h"

/*   (nothing) -- a request leads --> IN FLIGHT -- its answer came --> ANSWERED -- ttl, room, emptied -->
 * (gone) |  ^ others join | the last of them ended without an answer
 *                                       v
 *                                     (gone)                                                              */
struct cache;
struct cache_entry;

/* The model's name is for the labels of its counters, and part of every key; it must outlive the cache. The
 * cache is off until cache_set_rule. */
struct cache *cache_new(const char *model, struct metrics *metrics);
/* Requests that are still in flight are not looked at. NULL: nothing. */
void cache_free(struct cache *cache);
/* How long an answer is kept (ns; 0: none is, the cache is off) and how many bytes all may have together.
 * Empties it. */
void cache_set_rule(struct cache *cache, int64_t ttl, uint64_t max_bytes);
/* Forgets the answers of the version (NULL: of all). Requests in flight are answered all the same, but nobody
 * joins them any more and their answer is not kept. */
void cache_empty(struct cache *cache, const struct version *version);
/* False for NULL, too. */
bool cache_is_on(const struct cache *cache);
/* What the answers have, with what it takes to keep them. */
uint64_t cache_bytes(const struct cache *cache);

/* The name of a question: XXH3 with 128 bits over model, version and payload. */
struct cache_key {
    uint64_t high, low;
};
struct cache_key cache_key(struct cache *cache, const char *version, struct text question);

/* The entry for exactly this question to this version, in flight or answered not longer than ttl ago; NULL
 * when the question must be computed, which is counted as a miss. */
struct cache_entry *cache_find(struct cache *cache, const struct cache_key *key,
                               const struct version *version, struct text question, int64_t now);
/* False when it is in flight. Else *answer = the answer (shared, the caller closes it), *age = ns since it
 * came; counted as a hit. */
bool cache_answer(struct cache_entry *entry, int64_t now, struct payload *answer, int64_t *age);

/* The request, whose payload is the question, is about to be computed: others may join it from now on. Does
 * nothing when the key is taken (by another question, or one that was answered since). */
void cache_lead(struct cache *cache, const struct cache_key *key, struct request *request);
/* Whose answer those who join now would wait for; NULL when the entry is answered. */
const struct request *cache_leader(const struct cache_entry *entry);
/* The request waits for the entry's leader, which is returned; it must be in flight. Counted. */
struct request *cache_join(struct cache_entry *entry, struct request *request);
/* Who waits longest for the answer of this request; NULL when nobody does or it leads nothing. */
struct request *cache_follower(const struct request *request);
/* The latest deadline among the request and those who wait for its answer (monotonic ns). */
int64_t cache_deadline(const struct request *request);
/* The request ends without giving an answer to others: it must have no followers. Does nothing for one that
 * has no part in a cache. */
void cache_leave(struct request *request);
/* The answer of a request that nobody follows (any more): kept for those who ask the same later, when it
 * leads and there is room. Both payloads stay the caller's. */
void cache_store(struct request *request, const struct payload *answer, int64_t now);

/* Lets go of some that are too old to be given again: called now and then, it returns the memory of what
 * nobody asks for any more. */
void cache_expire(struct cache *cache, int64_t now);

#endif
