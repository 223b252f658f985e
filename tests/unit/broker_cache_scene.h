/* broker_cache_scene: two askers of a model that keeps its answers. Include it in one test program's only .c.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BROKER_CACHE_SCENE_H
#define OUTRIGGER_BROKER_CACHE_SCENE_H

#include "askers_scene.h"

#define CACHE "cache: { ttl_ms = 600000; };"

static inline uint64_t counter(enum metric metric)
{
    return scene_counter(metric, "m", NULL, NULL);
}

/* Like scene_ask, with so many microseconds. */
static inline void ask_within(struct end *end, uint64_t id, const char *payload, uint64_t time_left_us)
{
    struct envelope request = scene_request(id);
    request.request.time_left_us = time_left_us;
    end_send(end, &request, payload);
}

/* The first waits for "q" with the worker; returns the batch. */
static inline uint64_t first_asks(void)
{
    scene_ask(asker, 1, "q");
    return scene_expect_batch(worker, "q");
}

/* So many follow it, from the second on, all of the other asker. */
static inline void others_follow(uint64_t count)
{
    uint64_t before = counter(METRIC_CACHE_COALESCED);
    for (uint64_t id = 2; id < 2 + count; id++)
        scene_ask(other, id, "q");
    WAIT_FOR(counter(METRIC_CACHE_COALESCED) == before + count);
}

#endif
