/* observer: see observer.h.
 *
 * Nobody waits for observations, so they are gathered for a quarter of a second and go together as one frame:
 * to send each by itself would wake ZeroMQ's thread, and the collector, for each, which takes their time from
 * those whom clients wait for. What the collector does not take stays in the one buffer there is; when that
 * is full, what comes is refused. So a collector that is slow, stopped or gone costs two megabytes, and a
 * short absence costs nothing. Called by tracer.c, the frontend's sampling.c and the broker's shadow.c.
 * SPDX-License-Identifier: MIT */
#include "observer.h"

#include "clock.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    OBSERVER_MAGIC = 0x0b5e0001,
    GATHERED_BYTES = 256 << 10,                   /* go at once */
    BUFFER_BYTES_MAX = 2 * OBSERVATION_BYTES_MAX, /* two of the largest */
    FRAMES_WAITING_MAX = 4,                       /* in ZeroMQ, likewise with the collector */
    RECONNECT_MS = 10
};
#define GATHER_TIME (250 * MILLISECOND)

struct observer {
    unsigned magic;
    struct loop *loop;
    void *socket;
    uint8_t *bytes;
    size_t length, capacity;
    struct loop_timer timer;
};

static bool set_option(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

struct observer *observer_new(void *zmq_context, struct loop *loop, const struct config *config)
{
    char endpoint[512];
    snprintf(endpoint, sizeof endpoint, "ipc://%s/observations.ipc", config->runtime_directory);
    void *socket = zmq_socket(zmq_context, ZMQ_PUSH);
    if (socket == NULL || !set_option(socket, ZMQ_IMMEDIATE, 1) || !set_option(socket, ZMQ_LINGER, 0) ||
        !set_option(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) ||
        !set_option(socket, ZMQ_SNDHWM, FRAMES_WAITING_MAX) || zmq_connect(socket, endpoint) != 0) {
        log_warning("%s: %s; nothing that is observed reaches the collector", endpoint,
                    zmq_strerror(zmq_errno()));
        if (socket != NULL)
            zmq_close(socket);
        return NULL;
    }
    struct observer *observer = object_alloc(sizeof *observer);
    observer->magic = OBSERVER_MAGIC;
    observer->loop = loop;
    observer->socket = socket;
    return observer;
}

void observer_free(struct observer *observer)
{
    if (observer == NULL)
        return;
    CHECK_OBJECT(observer, OBSERVER_MAGIC);
    loop_timer_cancel(observer->loop, &observer->timer);
    zmq_close(observer->socket);
    free(observer->bytes);
    observer->magic = 0;
    free(observer);
}

static void send_gathered(void *self)
{
    struct observer *observer = self;
    if (zmq_send(observer->socket, observer->bytes, observer->length, ZMQ_DONTWAIT) != -1)
        observer->length = 0;
    else /* nobody is there, or he has enough */
        loop_timer_set(observer->loop, &observer->timer, loop_now(observer->loop) + GATHER_TIME,
                       send_gathered, observer);
}

static bool make_room(struct observer *observer, size_t bytes)
{
    if (observer->capacity - observer->length >= bytes)
        return true;
    if (observer->length + bytes > BUFFER_BYTES_MAX)
        return false;
    size_t capacity = observer->capacity == 0 ? 2 * GATHERED_BYTES : observer->capacity;
    while (capacity - observer->length < bytes)
        capacity *= 2;
    observer->bytes = realloc(observer->bytes, capacity);
    ENSURE(observer->bytes != NULL);
    observer->capacity = capacity;
    return true;
}

static enum observed reserve(struct observer *observer, size_t bytes)
{
    if (bytes > OBSERVATION_BYTES_MAX)
        return OBSERVED_TOO_LARGE;
    if (observer == NULL)
        return OBSERVED_FULL;
    CHECK_OBJECT(observer, OBSERVER_MAGIC);
    return make_room(observer, bytes) ? OBSERVED : OBSERVED_FULL;
}

/* `length` bytes more have been written behind what had been gathered. */
static void gathered(struct observer *observer, size_t length)
{
    bool first = observer->length == 0, was_less = observer->length < GATHERED_BYTES;
    observer->length += length;
    if (was_less && observer->length >= GATHERED_BYTES)
        loop_timer_set(observer->loop, &observer->timer, loop_now(observer->loop), send_gathered, observer);
    else if (first)
        loop_timer_set(observer->loop, &observer->timer, loop_now(observer->loop) + GATHER_TIME,
                       send_gathered, observer);
}

enum observed observer_show(struct observer *observer, const struct observation *observation)
{
    enum observed observed = reserve(observer, observation_bound(observation));
    if (observed != OBSERVED)
        return observed;
    size_t length = observation_encode(observation, observer->bytes + observer->length,
                                       observer->capacity - observer->length);
    ENSURE(length > 0);
    gathered(observer, length);
    return OBSERVED;
}

enum observed observer_put(struct observer *observer, const void *bytes, size_t length)
{
    enum observed observed = reserve(observer, length);
    if (observed != OBSERVED || length == 0)
        return observed;
    memcpy(observer->bytes + observer->length, bytes, length);
    gathered(observer, length);
    return OBSERVED;
}
