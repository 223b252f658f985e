/* cache_scene: a cache of a model, and what an asker does. Include it in one test program's only .c.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CACHE_SCENE_H
#define OUTRIGGER_CACHE_SCENE_H

#include "cache.h"
#include "clock.h"
#include "suite.h"

#define TTL (10 * SECOND)
enum { MAX_BYTES = 100000 };

/* The cache looks at versions as at addresses. */
struct version {
    const char *name;
};

static struct metrics *metrics;
static struct cache *cache;
static int64_t now;

static inline void set_up(void)
{
    metrics = metrics_new(NULL);
    cache = cache_new("m", metrics);
    cache_set_rule(cache, TTL, MAX_BYTES);
    now = 1000 * SECOND;
}

static inline void tear_down(void)
{
    cache_free(cache);
    metrics_free(metrics);
}

static inline uint64_t counter(enum metric metric)
{
    return metrics_series(metrics, metric, "m", NULL, NULL)->value;
}

static inline struct payload payload_of(struct text text)
{
    struct payload payload = payload_new(text.length);
    if (text.length > 0)
        memcpy((char *)payload_bytes(&payload).at, text.at, text.length);
    return payload;
}

/* ---- what an asker does ---- */

static inline struct cache_entry *look(struct version *version, const char *question)
{
    struct cache_key key = cache_key(cache, version->name, text_of(question));
    return cache_find(cache, &key, version, text_of(question), now);
}

/* A request that has become the leader of its question, unless that was taken. */
static inline void lead(struct request *request, struct version *version, const char *question)
{
    struct cache_key key = cache_key(cache, version->name, text_of(question));
    *request = (struct request){.version = version, .payload = payload_of(text_of(question))};
    cache_lead(cache, &key, request);
}

static inline void answer(struct request *request, const char *text)
{
    struct payload payload = payload_of(text_of(text));
    cache_store(request, &payload, now);
    payload_close(&payload);
    payload_close(&request->payload);
    ck_assert_ptr_null(request->entry);
}

static inline void keep(struct version *version, const char *question, const char *text)
{
    struct request request;
    lead(&request, version, question);
    ck_assert_ptr_nonnull(request.entry);
    answer(&request, text);
}

#endif
