/* network: what libzmq promises us, and no more than that.
 *
 * The broker's port and the askers' client are the real ones; they call the zmq_* functions below, which hold
 * a model of what the library does: messages of several frames taken whole or not at all; order kept within a
 * connection and nowhere else; a ROUTER that says EHOSTUNREACH once it knows that a peer is gone, and loses
 * what is sent in the moments before; a DEALER with IMMEDIATE, which has nowhere to send until it is
 * connected again, says hello to each new connection, and gets a new identity with it; high-water marks.
 * SPDX-License-Identifier: MIT */
#include "network.h"

#include "clock.h"
#include "connection.h"
#include "object.h"
#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>
#include <zmq.h>

enum {
    SOCKET_MAGIC = 0x510c4e70,
    IDENTITY_BYTES = 5, /* of a ROUTER's own making: a zero and a number */
    HIGH_WATER_DEFAULT = 1000
};

/* ---- sockets ---- */

void *network_new(void)
{
    struct network *network = object_alloc(sizeof *network);
    network->loop = loop_new();
    return network;
}

void network_free(void *self)
{
    struct network *network = self;
    ENSURE(network->sockets == NULL);
    for (size_t i = 0; i < network->connection_count; i++) {
        for (enum side side = AT_ROUTER; side <= AT_DEALER; side++)
            while (network->connections[i]->to[side].first != NULL)
                message_free(connection_take(network->connections[i], side));
        free(network->connections[i]);
    }
    free(network->connections);
    loop_free(network->loop);
    free(network);
}

void network_be_silent(void *self, int64_t silence)
{
    struct network *network = self;
    network->silence = silence;
}

int64_t network_arrival(const void *self)
{
    const struct socket *socket = self;
    const struct heap_node *first = heap_first(&socket->arrivals);
    return first == NULL || socket->dead ? INT64_MAX : first->at;
}

void network_attach(void *self, struct loop *loop)
{
    ((struct socket *)self)->loop = loop;
}

void *zmq_socket(void *context, int type)
{
    ENSURE(type == ZMQ_ROUTER || type == ZMQ_DEALER);
    struct socket *socket = object_alloc(sizeof *socket);
    socket->magic = SOCKET_MAGIC;
    socket->network = context;
    socket->type = type;
    socket->send_high_water = socket->receive_high_water = HIGH_WATER_DEFAULT;
    socket->linger = -1;
    socket->reconnect_ms = 100;
    DL_APPEND(socket->network->sockets, socket);
    return socket;
}

/* Only the options that the model knows; all else is settled by it (IMMEDIATE, ROUTER_MANDATORY) or has no
 * meaning in it. */
int zmq_setsockopt(void *self, int option, const void *value, size_t length)
{
    struct socket *socket = self;
    CHECK_OBJECT(socket, SOCKET_MAGIC);
    int number = 0;
    if (length == sizeof number)
        memcpy(&number, value, sizeof number);
    switch (option) {
    case ZMQ_SNDHWM:
        socket->send_high_water = number;
        return 0;
    case ZMQ_RCVHWM:
        socket->receive_high_water = number;
        return 0;
    case ZMQ_LINGER:
        socket->linger = number;
        return 0;
    case ZMQ_RECONNECT_IVL:
        socket->reconnect_ms = number;
        return 0;
    case ZMQ_PROBE_ROUTER:
        socket->hello = number != 0;
        return 0;
    case ZMQ_IMMEDIATE:
    case ZMQ_ROUTER_MANDATORY:
        ENSURE(number == 1);
        return 0;
    case ZMQ_RECONNECT_IVL_MAX:
    case ZMQ_MAXMSGSIZE:
    case ZMQ_AFFINITY:
        return 0;
    default:
        errno = EINVAL;
        return -1;
    }
}

static void set_endpoint(struct socket *socket, const char *endpoint)
{
    CHECK_OBJECT(socket, SOCKET_MAGIC);
    text_copy(text_of(endpoint), socket->endpoint, sizeof socket->endpoint);
}

int zmq_bind(void *self, const char *endpoint)
{
    struct socket *socket = self;
    set_endpoint(socket, endpoint);
    socket->bound = true;
    return 0;
}

int zmq_connect(void *self, const char *endpoint)
{
    struct socket *socket = self;
    set_endpoint(socket, endpoint);
    connection_attempt(socket, world_now() + chance_between(world_chance(), 50, 500) * MICROSECOND);
    return 0;
}

int zmq_close(void *self)
{
    struct socket *socket = self;
    CHECK_OBJECT(socket, SOCKET_MAGIC);
    if (!socket->dead)
        connection_leave(socket, socket->linger == 0 ? LOSE_SOME : LOSE_NOTHING);
    for (size_t i = 0; i < socket->written; i++)
        frame_drop(&socket->writing[i]);
    free(socket->writing);
    heap_free(&socket->arrivals);
    DL_DELETE(socket->network->sockets, socket);
    socket->magic = 0;
    free(socket);
    return 0;
}

void network_kill(void *self, const struct loop *process)
{
    struct network *network = self;
    struct socket *socket;
    DL_FOREACH(network->sockets, socket)
    {
        if (socket->loop != process || socket->dead)
            continue;
        socket->dead = true;
        connection_leave(socket, LOSE_SOME);
    }
}

void network_cut(void *self, const struct loop *process)
{
    struct network *network = self;
    struct socket *socket;
    DL_FOREACH(network->sockets, socket)
    {
        if (socket->loop == process && socket->connection != NULL)
            connection_break(socket->connection, LOSE_SOME, LOSE_SOME);
    }
}

/* ---- sending ---- */

static struct connection *find_connection(const struct network *network, const void *identity, size_t length)
{
    const uint8_t *bytes = identity;
    if (length != IDENTITY_BYTES)
        return NULL;
    uint32_t number =
        (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 8 | bytes[4];
    return number < network->connection_count ? network->connections[number] : NULL;
}

/* Sets where the message that begins now goes. */
static bool begin_message(struct socket *socket, struct connection *connection)
{
    enum side mine = side_of(socket);
    if (socket->dead || connection == NULL || connection->ends[mine] != socket ||
        connection_lost(connection, mine)) {
        errno = socket->type == ZMQ_ROUTER ? EHOSTUNREACH : EAGAIN;
        return false;
    }
    const struct socket *reader = connection->ends[other_side(socket)];
    size_t room = (size_t)socket->send_high_water + (size_t)(reader == NULL ? 0 : reader->receive_high_water);
    if (connection->to[other_side(socket)].length >= room) {
        errno = EAGAIN;
        return false;
    }
    socket->to = connection;
    return true;
}

static void end_message(struct socket *socket)
{
    struct connection *connection = socket->to;
    struct message *message = message_new(socket->writing, socket->written);
    socket->written = 0;
    socket->to = NULL;
    if (connection->broken) /* and nobody here knows it yet */
        message_free(message);
    else
        connection_put(connection, other_side(socket), message);
}

/* Takes the frame, unless the message cannot begin. */
static bool send_frame(struct socket *socket, struct frame frame, int flags)
{
    CHECK_OBJECT(socket, SOCKET_MAGIC);
    if (socket->to == NULL && socket->type == ZMQ_DEALER && !begin_message(socket, socket->connection))
        return false;
    if (socket->to == NULL) { /* the identity */
        ENSURE((flags & ZMQ_SNDMORE) != 0);
        if (!begin_message(socket, find_connection(socket->network, frame.buffer->bytes, frame.buffer->size)))
            return false;
        frame_drop(&frame);
        return true;
    }
    if (socket->written == socket->capacity) {
        socket->capacity = socket->capacity * 2 + 16;
        socket->writing = realloc(socket->writing, socket->capacity * sizeof *socket->writing);
        ENSURE(socket->writing != NULL);
    }
    socket->writing[socket->written++] = frame;
    if ((flags & ZMQ_SNDMORE) == 0)
        end_message(socket);
    return true;
}

int zmq_send(void *socket, const void *bytes, size_t length, int flags)
{
    struct frame frame = frame_new(bytes, length);
    if (send_frame(socket, frame, flags))
        return (int)length;
    frame_drop(&frame);
    return -1;
}

int zmq_msg_send(zmq_msg_t *message, void *socket, int flags)
{
    size_t length = zmq_msg_size(message);
    if (!send_frame(socket, *frame_of(message), flags))
        return -1;
    zmq_msg_init(message);
    return (int)length;
}

/* ---- receiving ---- */

static struct frame identity_of(uint32_t number)
{
    uint8_t bytes[IDENTITY_BYTES] = {0, (uint8_t)(number >> 24), (uint8_t)(number >> 16),
                                     (uint8_t)(number >> 8), (uint8_t)number};
    return frame_new(bytes, sizeof bytes);
}

/* Takes the next message up. False when none has arrived. */
static bool begin_reading(struct socket *socket)
{
    if (network_arrival(socket) > world_now())
        return false;
    struct pipe *pipe = (struct pipe *)heap_first(&socket->arrivals);
    struct connection *connection = socket->network->connections[pipe->connection];
    socket->reading = connection_take(connection, side_of(socket));
    socket->reading_from = connection->number;
    socket->read = 0;
    return true;
}

int zmq_msg_recv(zmq_msg_t *message, void *self, int flags)
{
    struct socket *socket = self;
    CHECK_OBJECT(socket, SOCKET_MAGIC);
    ENSURE((flags & ZMQ_DONTWAIT) != 0);
    bool begins = socket->reading == NULL;
    if (begins && !begin_reading(socket)) {
        errno = EAGAIN;
        return -1;
    }
    zmq_msg_close(message);
    struct frame *frame = frame_of(message);
    if (begins && socket->type == ZMQ_ROUTER) {
        *frame = identity_of(socket->reading_from);
        frame->more = true;
        return IDENTITY_BYTES;
    }
    *frame = socket->reading->frames[socket->read];
    socket->reading->frames[socket->read++] = (struct frame){0};
    frame->more = socket->read < socket->reading->count;
    if (!frame->more) {
        message_free(socket->reading);
        socket->reading = NULL;
    }
    return (int)zmq_msg_size(message);
}

/* ---- what is named in messages for people ---- */

int zmq_errno(void)
{
    return errno;
}
