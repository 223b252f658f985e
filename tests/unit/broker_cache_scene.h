/* broker_cache_scene: the real broker with a model that keeps its answers, two askers and a worker. Include
 * it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BROKER_CACHE_SCENE_H
#define OUTRIGGER_BROKER_CACHE_SCENE_H

#include "broker_scene.h"

#define CACHE "cache: { ttl_ms = 600000; };"

static struct end *asker, *other, *worker;

static inline void start(const char *configuration)
{
    repository_configure("m", configuration);
    scene_start(NULL);
    asker = scene_asker();
    other = scene_asker();
    worker = scene_worker(1);
}

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

static inline void cancel(struct end *end, uint64_t id)
{
    end_send(end, &(struct envelope){.verb = VERB_CANCEL, .id = id}, NULL);
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

static inline void refuse(uint64_t batch, enum failure failure)
{
    struct envelope result = {
        .verb = VERB_RESULT, .id = batch, .result = {1, 77, {(char[]){(char)failure}, 1}}};
    end_send(worker, &result, "why");
}

static inline void expect_no_batch(void)
{
    scene_expect_nothing(asker); /* the broker has done all that it was told */
    ck_assert(!end_take_verb(worker, scene_letter, VERB_BATCH));
}

#endif
