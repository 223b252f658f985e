/* loop: one thread, one poll, one deadline heap. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LOOP_H
#define OUTRIGGER_LOOP_H

#include "heap.h"

#include <stdint.h>

struct loop;

/* A descriptor is ready. `events` are epoll's (EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR). */
typedef void loop_ready(void *self, int fd, uint32_t events);
/* A timer fired, a signal arrived, a ZeroMQ socket may have messages, or a turn of the loop ends. */
typedef void loop_call(void *self);

/* Embedded by its owner; zero it before use. It must be cancelled before its memory goes. */
struct loop_timer {
    struct heap_node node; /* first member: the heap hands it back */
    loop_call *call;
    void *self;
};

/* NULL with errno when the kernel refuses. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Runs until loop_stop; may be run again afterwards. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* The time (monotonic nanoseconds) at which this turn woke, or last went round its ZeroMQ sockets: what was
 * sent at the end of a turn may be answered before it sleeps, and took time. */
int64_t loop_now(const struct loop *loop);

/* Watches a descriptor for `events` (EPOLLET, EPOLLEXCLUSIVE allowed). Returns 0, or -1 with errno. */
int loop_add(struct loop *loop, int fd, uint32_t events, loop_ready *ready, void *self);
int loop_modify(struct loop *loop, int fd, uint32_t events);
/* Stops watching. Call it before close(fd). Safe inside callbacks, also for descriptors that are ready in
 * this same turn: their callback is not called any more. */
void loop_remove(struct loop *loop, int fd);

/* Blocks the signal and delivers it as a call between other callbacks (signalfd). Call before threads start.
 */
int loop_signal(struct loop *loop, int signal_number, loop_call *call, void *self);

/* Fires once at `at` (monotonic nanoseconds); setting again moves it. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at, loop_call *call, void *self);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

/* Watches a ZeroMQ socket (void * of libzmq) for incoming messages. `call` must receive with ZMQ_DONTWAIT
 * until EAGAIN, or say loop_zmq_touch when it has had enough for once: it is called again soon. The loop
 * follows the edge-triggered rules of ZMQ_FD: after any send on the socket, say loop_zmq_touch, since a send
 * may swallow the wake-up of a message that came in. Returns 0 or -1. */
int loop_zmq_add(struct loop *loop, void *socket, loop_call *call, void *self);
void loop_zmq_touch(struct loop *loop, void *socket);
void loop_zmq_remove(struct loop *loop, void *socket);

/* Called at the end of every turn before the loop sleeps, and again whenever that made ZeroMQ bring something
 * in: the place to flush what the turn gathered. At most 4 of them. */
void loop_each_turn(struct loop *loop, loop_call *call, void *self);

#endif
