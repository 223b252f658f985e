/* heartbeat: one small thread, a socket of its own, a message now and then.
 *
 * The session's thread computes and cannot speak meanwhile; this one tells a long inference from a process
 * that was stopped (SIGSTOP, a debugger, a machine out of memory), which the broker then gives up. It shares
 * nothing with the session, so that the path of a batch costs what it did. That a batch gets nowhere though
 * the process runs is not said here but found by the batch's own time (compute_timeout_ms).
 * SPDX-License-Identifier: MIT */
#include "heartbeat.h"

#include "curve.h"
#include "protocol.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

enum {
    HEARTBEAT_MAGIC = 0x4ea47b01,
    RECONNECT_MS = 5,
    RECONNECT_TCP_MS = 50,
    LOST_BEATS = 3,          /* beats that nobody took, over tcp: ZeroMQ may have given up (session.c) */
    HIGH_WATER_MARK = 4,     /* beats that nobody takes are of no use later */
    STACK_BYTES = 256 * 1024 /* libzmq's logging of an abort is the largest that it may hold */
};

struct heartbeat {
    unsigned magic;
    void *socket; /* the thread's alone once it runs */
    int stop_fd;
    int every_ms;
    const char *endpoint;
    bool remote; /* over tcp */
    uint8_t message[64];
    size_t length;
    pthread_t thread;
};

static void *beat(void *self)
{
    struct heartbeat *heartbeat = self;
    struct pollfd stop = {.fd = heartbeat->stop_fd, .events = POLLIN};
    int lost = 0;
    while (poll(&stop, 1, heartbeat->every_ms) <= 0) {
        bool taken = zmq_send(heartbeat->socket, heartbeat->message, heartbeat->length, ZMQ_DONTWAIT) >= 0;
        lost = taken || !heartbeat->remote ? 0 : lost + 1;
        if (lost < LOST_BEATS)
            continue;
        lost = 0;
        zmq_disconnect(heartbeat->socket, heartbeat->endpoint);
        zmq_connect(heartbeat->socket, heartbeat->endpoint);
    }
    return NULL;
}

static void *open_socket(void *zmq_context, const char *endpoint, const struct curve_keys *keys)
{
    const struct {
        int option, value;
    } settings[] = {{ZMQ_IMMEDIATE, 1},
                    {ZMQ_LINGER, 0},
                    {ZMQ_RECONNECT_IVL, keys == NULL ? RECONNECT_MS : RECONNECT_TCP_MS},
                    {ZMQ_SNDHWM, HIGH_WATER_MARK},
                    {ZMQ_RCVHWM, HIGH_WATER_MARK}};
    void *socket = zmq_socket(zmq_context, ZMQ_DEALER);
    ENSURE(socket != NULL);
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        ENSURE(zmq_setsockopt(socket, settings[i].option, &settings[i].value, sizeof(int)) == 0);
    ENSURE(keys == NULL || curve_connecting(socket, keys) == 0);
    ENSURE(zmq_connect(socket, endpoint) == 0); /* the session's socket has shown that it is an endpoint */
    return socket;
}

struct heartbeat *heartbeat_new(void *zmq_context, const char *endpoint, const struct curve_keys *keys,
                                uint64_t instance, uint32_t every_ms)
{
    struct heartbeat *heartbeat = object_alloc(sizeof *heartbeat);
    struct envelope envelope = {.verb = VERB_HEARTBEAT, .heartbeat = {.instance = instance}};
    heartbeat->magic = HEARTBEAT_MAGIC;
    heartbeat->every_ms = every_ms < INT_MAX ? (int)every_ms : INT_MAX;
    heartbeat->length = protocol_encode(&envelope, heartbeat->message, sizeof heartbeat->message);
    ENSURE(instance != 0 && heartbeat->length > 0);
    heartbeat->stop_fd = eventfd(0, EFD_CLOEXEC);
    ENSURE(heartbeat->stop_fd >= 0);
    heartbeat->endpoint = endpoint;
    heartbeat->remote = keys != NULL;
    heartbeat->socket = open_socket(zmq_context, endpoint, keys);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    ENSURE(pthread_create(&heartbeat->thread, &attributes, beat, heartbeat) == 0);
    pthread_attr_destroy(&attributes);
    return heartbeat;
}

void heartbeat_free(struct heartbeat *heartbeat)
{
    if (heartbeat == NULL)
        return;
    CHECK_OBJECT(heartbeat, HEARTBEAT_MAGIC);
    const uint64_t one = 1;
    ENSURE(write(heartbeat->stop_fd, &one, sizeof one) == sizeof one);
    pthread_join(heartbeat->thread, NULL);
    zmq_close(heartbeat->socket);
    close(heartbeat->stop_fd);
    heartbeat->magic = 0;
    free(heartbeat);
}
