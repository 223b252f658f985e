/* askers_scene: the real broker, two askers and a worker. Include it in one test program's only .c.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ASKERS_SCENE_H
#define OUTRIGGER_ASKERS_SCENE_H

#include "broker_scene.h"

static struct end *asker, *other, *worker;

static inline void start_with(const char *configuration, const char *const *settings)
{
    repository_configure("m", configuration);
    scene_start(settings);
    asker = scene_asker();
    other = scene_asker();
    worker = scene_worker(1);
}

static inline void start(const char *configuration)
{
    start_with(configuration, NULL);
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
