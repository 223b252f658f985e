/* collector_scene: a process's way to the collector, which is played by the test: what is shown is received
 * as it would be there. Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_COLLECTOR_SCENE_H
#define OUTRIGGER_COLLECTOR_SCENE_H

#include "clock.h"
#include "observer.h"
#include "scratch_directory.h"
#include "suite.h"

#include <zmq.h>

static struct loop *loop;
static struct observer *observer;
static void *zmq_context, *collector;
static zmq_msg_t frame;
static struct loop_timer look_timer;

static inline void open_collector(void)
{
    char endpoint[256];
    scratch_make();
    const struct config where = {.runtime_directory = scratch_directory};
    zmq_context = zmq_ctx_new();
    collector = zmq_socket(zmq_context, ZMQ_PULL);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/observations.ipc", scratch_directory);
    ck_assert_int_eq(zmq_bind(collector, endpoint), 0);
    loop = loop_new();
    observer = observer_new(zmq_context, loop, &where);
    ck_assert_ptr_nonnull(observer);
    zmq_msg_init(&frame);
}

static inline void close_collector(void)
{
    observer_free(observer);
    zmq_msg_close(&frame);
    zmq_close(collector);
    zmq_ctx_term(zmq_context);
    loop_free(loop);
    scratch_remove();
}

static inline void look(void *self)
{
    (void)self;
    if (zmq_msg_recv(&frame, collector, ZMQ_DONTWAIT) != -1)
        loop_stop(loop);
    else
        loop_timer_set(loop, &look_timer, loop_now(loop) + MILLISECOND, look, NULL);
}

/* Runs the loop until a frame has come: what observations are in it. */
static inline struct wire_reader receive(void)
{
    loop_timer_set(loop, &look_timer, loop_now(loop), look, NULL);
    loop_run(loop);
    return wire_reader(zmq_msg_data(&frame), zmq_msg_size(&frame));
}

#endif
