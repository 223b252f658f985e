/* broker_shadow_scene: the real broker with a model whose requests are copied for a shadow version, and the
 * collector played by the test. Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BROKER_SHADOW_SCENE_H
#define OUTRIGGER_BROKER_SHADOW_SCENE_H

#include "broker_scene.h"
#include "observation.h"

#define SHADOW(percent) "version = \"1\"; route = { shadow = { version = \"2\"; percent = " #percent "; }; };"

static struct end *asker;
static void *collector;
static uint8_t frame[4 << 20];
static struct wire_reader frame_reader;

static inline void collector_binds(void)
{
    char endpoint[160];
    int zero = 0;
    snprintf(endpoint, sizeof endpoint, "ipc://%s", scratch_path("observations.ipc"));
    collector = zmq_socket(scene_context, ZMQ_PULL);
    zmq_setsockopt(collector, ZMQ_LINGER, &zero, sizeof zero);
    ck_assert_int_eq(zmq_bind(collector, endpoint), 0);
}

static inline void set_up(void)
{
    scene_set_up();
    frame_reader = wire_reader(frame, 0);
    collector_binds();
}

static inline void tear_down(void)
{
    zmq_close(collector);
    scene_tear_down();
}

static inline struct end *worker_that_takes(const char *version, uint32_t pid, uint32_t rows)
{
    struct envelope ready = scene_ready(pid);
    ready.ready.version = text_of(version);
    ready.ready.capacity_rows = rows;
    return scene_worker_with(&ready);
}

static inline struct end *worker_of(const char *version, uint32_t pid)
{
    return worker_that_takes(version, pid, 64);
}

static struct end *stable, *shadow;

/* The model m with the versions 1 (stable) and 2, and a worker of each. */
static inline void start_with(const char *model_conf, const char *const *settings)
{
    repository_add("m", "2");
    repository_configure("m", model_conf);
    scene_start(settings);
    asker = scene_asker();
    stable = worker_of("1", 1);
    shadow = worker_of("2", 2);
}

static inline void start(const char *model_conf)
{
    start_with(model_conf, NULL);
}

/* The stable version answers it. */
static inline void serve(uint64_t id, const char *question, const char *answer)
{
    scene_ask(asker, id, question);
    scene_result(stable, scene_expect_batch(stable, question), answer);
    scene_expect_reply(asker, id, answer);
}

static inline bool frame_came(void)
{
    if (wire_finished(&frame_reader)) {
        int length = zmq_recv(collector, frame, sizeof frame, ZMQ_DONTWAIT);
        ck_assert_int_le(length, (int)sizeof frame);
        frame_reader = wire_reader(frame, length < 0 ? 0 : (size_t)length);
    }
    return !wire_finished(&frame_reader);
}

static inline void expect_observed_of(const char *version, const char *answer, const char *shadow_answer,
                                      enum failure failure)
{
    struct observation observation;
    WAIT_FOR(frame_came());
    ck_assert_ptr_null(observation_read(&frame_reader, &observation));
    ck_assert_int_eq(observation.kind, OBSERVATION_SHADOW);
    ck_assert(text_is(observation.model, "m"));
    ck_assert(text_is(observation.version, version));
    ck_assert(text_is(observation.shadow, "2"));
    ck_assert_int_eq(observation.failure, failure);
    ck_assert_msg(text_is(observation.answer, answer), "%.*s, not %s", (int)observation.answer.length,
                  observation.answer.at, answer);
    ck_assert(text_is(observation.shadow_answer, shadow_answer));
}

static inline void expect_observed(const char *answer, const char *shadow_answer, enum failure failure)
{
    expect_observed_of("1", answer, shadow_answer, failure);
}

static inline uint64_t copies(void)
{
    return scene_counter(METRIC_SHADOW_COPIES, "m", "1", "2");
}

static inline uint64_t dropped(const char *reason)
{
    return scene_counter(METRIC_SHADOW_DROPPED, "m", "2", reason);
}

static inline struct model *model(void)
{
    return model_find(broker_models(scene_broker), text_of("m"));
}

static inline void expect_none_open(void)
{
    ck_assert_uint_eq(model()->shadow.open, 0);
    ck_assert_uint_eq(model()->shadow.bytes, 0);
    for (struct version *version = model()->versions; version != NULL; version = version->next) {
        ck_assert_ptr_null(version->copies);
        ck_assert_uint_eq(version->copied_rows, 0);
        ck_assert_uint_eq(version->copied_from, 0);
    }
}

#endif
