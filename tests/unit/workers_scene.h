/* workers_scene: the real broker with an asker and a worker that has a batch of its requests. Include it in
 * one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_WORKERS_SCENE_H
#define OUTRIGGER_WORKERS_SCENE_H

#include "broker_scene.h"

static struct end *asker;

/* Gives one batch with these three requests, of ids 1, 2, 3, to a worker, whose pid is 1. Returns the batch's
 * id. */
static inline uint64_t three_with(struct end **worker)
{
    asker = scene_asker();
    scene_ask(asker, 1, "a");
    scene_ask(asker, 2, "b");
    scene_ask(asker, 3, "c");
    scene_expect_nothing(asker);
    *worker = scene_worker(1);
    return scene_expect_batch(*worker, "a b c");
}

/* How many workers were lost so. */
static inline uint64_t lost(const char *cause)
{
    return scene_counter(METRIC_WORKERS_LOST, "m", cause, NULL);
}

#endif
