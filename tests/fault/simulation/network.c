/* network: what libzmq promises us, and no more than that.
 *
 * The broker's port and the askers' client are the real ones; they call the zmq_* functions below, which hold
 * a model of what the library does: messages of several frames taken whole or not at all; order kept within a
 * connection and nowhere else; a ROUTER that says EHOSTUNREACH once it knows that a peer is gone, and loses
 * what is sent in the moments before; a DEALER with IMMEDIATE, which has nowhere to send until it is
 * connected again, says hello to each new connection, and gets a new identity with it; high-water marks. Each
 * message takes a time of its own. A process that is killed leaves behind what its kernel had taken: a part
 * of what it sent, never what came before less than what came after.
 *
 * A frame is a counted buffer, freed with its last reader, so that a sanitizer sees a view that is used too
 * long. SPDX-License-Identifier: MIT */
#include "network.h"

#include "clock.h"
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

struct buffer {
    size_t references;
    size_t size;
    uint8_t bytes[];
};

/* What stands in a zmq_msg_t. All zero: an empty frame, or none. */
struct frame {
    struct buffer *buffer;
    bool more;
};
_Static_assert(sizeof(struct frame) <= sizeof(zmq_msg_t), "a frame stands in a zmq_msg_t");

struct message {
    struct message *next;
    int64_t arrives_at;
    size_t count;
    struct frame frames[];
};

/* One direction of a connection. */
struct pipe {
    struct heap_node arrival; /* first member; in the receiver's heap while anything is under way or unread */
    struct message *first, *last;
    size_t length;
    int64_t last_arrival;
    uint32_t connection;
};

enum side { AT_ROUTER, AT_DEALER };

struct connection {
    uint32_t number;
    struct socket *ends[2]; /* by side; NULL: closed */
    struct pipe to[2];      /* by the side that reads */
    bool broken;
    int64_t noticed_at[2]; /* when that side knows */
};

struct socket {
    unsigned magic;
    struct network *network;
    int type;  /* ZMQ_ROUTER or ZMQ_DEALER */
    bool dead; /* of a killed process */
    struct loop *loop;
    char endpoint[256]; /* bound or connected to */
    bool bound;
    int send_high_water, receive_high_water, linger, reconnect_ms;
    bool hello; /* PROBE_ROUTER */
    struct heap arrivals;
    struct message *reading; /* the rest of it is to be received */
    uint32_t reading_from;   /* ROUTER: the identity comes first */
    size_t read;             /* frames of it */
    struct frame *writing;   /* frames of the message that is being sent */
    size_t written, capacity;
    struct connection *to;         /* ROUTER: where that goes */
    struct connection *connection; /* DEALER */
    struct loop_timer reconnect;   /* DEALER */
    struct socket *prev, *next;
};

struct network {
    struct loop *loop; /* of the threads that connect */
    struct socket *sockets;
    struct connection **connections; /* by number; kept to the end: late frames may name them */
    size_t connection_count, connection_capacity;
};

/* ---- frames ---- */

static struct frame *frame_of(zmq_msg_t *message)
{
    return (struct frame *)(void *)message;
}

static struct frame new_frame(const void *bytes, size_t size)
{
    struct buffer *buffer = malloc(sizeof *buffer + size);
    ENSURE(buffer != NULL);
    buffer->references = 1;
    buffer->size = size;
    if (bytes != NULL && size > 0)
        memcpy(buffer->bytes, bytes, size);
    return (struct frame){.buffer = buffer};
}

static void drop_frame(struct frame *frame)
{
    if (frame->buffer != NULL && --frame->buffer->references == 0)
        free(frame->buffer);
    *frame = (struct frame){0};
}

int zmq_msg_init(zmq_msg_t *message)
{
    memset(message, 0, sizeof *message);
    return 0;
}

int zmq_msg_init_size(zmq_msg_t *message, size_t size)
{
    zmq_msg_init(message);
    *frame_of(message) = new_frame(NULL, size);
    return 0;
}

void *zmq_msg_data(zmq_msg_t *message)
{
    static uint8_t nothing;
    struct buffer *buffer = frame_of(message)->buffer;
    return buffer == NULL ? &nothing : buffer->bytes;
}

size_t zmq_msg_size(const zmq_msg_t *message)
{
    const struct buffer *buffer = ((const struct frame *)(const void *)message)->buffer;
    return buffer == NULL ? 0 : buffer->size;
}

int zmq_msg_more(const zmq_msg_t *message)
{
    return ((const struct frame *)(const void *)message)->more;
}

int zmq_msg_close(zmq_msg_t *message)
{
    drop_frame(frame_of(message));
    return 0;
}

int zmq_msg_move(zmq_msg_t *to, zmq_msg_t *from)
{
    drop_frame(frame_of(to));
    *frame_of(to) = *frame_of(from);
    zmq_msg_init(from);
    return 0;
}

int zmq_msg_copy(zmq_msg_t *to, zmq_msg_t *from)
{
    drop_frame(frame_of(to));
    *frame_of(to) = *frame_of(from);
    if (frame_of(to)->buffer != NULL)
        frame_of(to)->buffer->references++;
    return 0;
}

static void free_message(struct message *message)
{
    if (message == NULL)
        return;
    for (size_t i = 0; i < message->count; i++)
        drop_frame(&message->frames[i]);
    free(message);
}

/* ---- pipes ---- */

/* Most take tens of microseconds, some a millisecond, a few much longer. */
static int64_t draw_delay(void)
{
    struct chance *chance = world_chance();
    uint64_t dice = chance_below(chance, 10000);
    return dice == 0    ? chance_between(chance, 0, 20 * MILLISECOND)
           : dice < 100 ? chance_between(chance, 0, 2 * MILLISECOND)
                        : chance_between(chance, 15 * MICROSECOND, 60 * MICROSECOND);
}

/* The receiver's heap knows when the first of the pipe is there. */
static void note_arrival(struct connection *connection, enum side reader)
{
    struct socket *socket = connection->ends[reader];
    struct pipe *pipe = &connection->to[reader];
    if (socket == NULL)
        return;
    if (pipe->first == NULL)
        heap_remove(&socket->arrivals, &pipe->arrival);
    else
        heap_set(&socket->arrivals, &pipe->arrival, pipe->first->arrives_at);
    if (socket->loop != NULL)
        loop_expect(socket->loop);
}

static void put(struct connection *connection, enum side reader, struct message *message)
{
    struct pipe *pipe = &connection->to[reader];
    int64_t at = world_now() + draw_delay();
    message->arrives_at = at > pipe->last_arrival ? at : pipe->last_arrival;
    pipe->last_arrival = message->arrives_at;
    bool was_empty = pipe->first == NULL;
    if (was_empty)
        pipe->first = message;
    else
        pipe->last->next = message;
    pipe->last = message;
    pipe->length++;
    if (was_empty)
        note_arrival(connection, reader);
}

static struct message *take(struct connection *connection, enum side reader)
{
    struct pipe *pipe = &connection->to[reader];
    struct message *message = pipe->first;
    pipe->first = message->next;
    pipe->length--;
    message->next = NULL;
    note_arrival(connection, reader);
    return message;
}

enum loss { LOSE_NOTHING, LOSE_SOME, LOSE_ALL };

/* What has arrived stays to be read; what is under way is lost from some message on. */
static void lose(struct connection *connection, enum side reader, enum loss loss)
{
    struct pipe *pipe = &connection->to[reader];
    size_t keep = 0, under_way = 0;
    for (struct message *message = pipe->first; message != NULL; message = message->next)
        if (message->arrives_at > world_now())
            under_way++;
        else
            keep++;
    keep += loss == LOSE_ALL       ? 0
            : loss == LOSE_NOTHING ? under_way
                                   : chance_below(world_chance(), under_way + 1);
    struct message **link = &pipe->first;
    pipe->last = NULL;
    for (size_t i = 0; i < keep; i++) {
        pipe->last = *link;
        link = &(*link)->next;
    }
    struct message *lost = *link;
    *link = NULL;
    pipe->length = keep;
    while (lost != NULL) {
        struct message *next = lost->next;
        free_message(lost);
        lost = next;
    }
    note_arrival(connection, reader);
}

/* ---- connections ---- */

static void try_connect(void *self);

static void connect_later(struct socket *dealer, int64_t at)
{
    loop_timer_set(dealer->network->loop, &dealer->reconnect, at, try_connect, dealer);
}

static int64_t draw_reconnect(const struct socket *dealer)
{
    return chance_between(world_chance(), 1, 2 * dealer->reconnect_ms) * MILLISECOND / 2;
}

static void notice(struct connection *connection, enum side side)
{
    int64_t last = connection->to[side].first == NULL ? 0 : connection->to[side].last->arrives_at;
    int64_t at = world_now() + chance_between(world_chance(), 50 * MICROSECOND, 5 * MILLISECOND);
    connection->noticed_at[side] = at > last ? at : last;
}

/* How much of what is under way to each side is lost. */
static void break_connection(struct connection *connection, enum loss to_router, enum loss to_dealer)
{
    if (connection->broken)
        return;
    connection->broken = true;
    lose(connection, AT_ROUTER, to_router);
    lose(connection, AT_DEALER, to_dealer);
    notice(connection, AT_ROUTER);
    notice(connection, AT_DEALER);
    struct socket *dealer = connection->ends[AT_DEALER];
    if (dealer != NULL && !dealer->dead)
        connect_later(dealer, connection->noticed_at[AT_DEALER] + draw_reconnect(dealer));
}

static bool knows_loss(const struct connection *connection, enum side side)
{
    return connection->broken && world_now() >= connection->noticed_at[side];
}

static struct connection *add_connection(struct network *network)
{
    if (network->connection_count == network->connection_capacity) {
        network->connection_capacity = network->connection_capacity * 2 + 64;
        network->connections =
            realloc(network->connections, network->connection_capacity * sizeof(struct connection *));
        ENSURE(network->connections != NULL);
    }
    struct connection *connection = object_alloc(sizeof *connection);
    connection->number = (uint32_t)network->connection_count;
    for (enum side side = AT_ROUTER; side <= AT_DEALER; side++)
        connection->to[side].connection = connection->number;
    network->connections[network->connection_count++] = connection;
    return connection;
}

static struct socket *find_bound(struct network *network, const char *endpoint)
{
    struct socket *socket;
    DL_FOREACH(network->sockets, socket)
    {
        if (socket->bound && !socket->dead && strcmp(socket->endpoint, endpoint) == 0)
            return socket;
    }
    return NULL;
}

static void try_connect(void *self)
{
    struct socket *dealer = self;
    struct socket *router = find_bound(dealer->network, dealer->endpoint);
    if (router == NULL || router->loop == NULL || loop_paused(router->loop) ||
        (dealer->loop != NULL && loop_paused(dealer->loop))) {
        connect_later(dealer, world_now() + draw_reconnect(dealer));
        return;
    }
    struct connection *connection = add_connection(dealer->network);
    connection->ends[AT_ROUTER] = router;
    connection->ends[AT_DEALER] = dealer;
    dealer->connection = connection;
    if (!dealer->hello)
        return;
    struct message *hello = object_alloc(sizeof *hello + sizeof(struct frame));
    hello->count = 1;
    put(connection, AT_ROUTER, hello);
}

static enum side side_of(const struct socket *socket)
{
    return socket->type == ZMQ_ROUTER ? AT_ROUTER : AT_DEALER;
}

/* Breaks all its connections; nobody reads what is in them for it. */
static void leave(struct socket *socket, enum loss of_what_it_sent)
{
    struct network *network = socket->network;
    enum side mine = side_of(socket);
    loop_timer_cancel(network->loop, &socket->reconnect);
    for (size_t i = 0; i < network->connection_count; i++) {
        struct connection *connection = network->connections[i];
        if (connection->ends[mine] != socket)
            continue;
        if (mine == AT_ROUTER)
            break_connection(connection, LOSE_ALL, of_what_it_sent);
        else
            break_connection(connection, of_what_it_sent, LOSE_ALL);
        while (connection->to[mine].first != NULL)
            free_message(take(connection, mine));
        connection->ends[mine] = NULL;
    }
    loop_timer_cancel(network->loop, &socket->reconnect);
    socket->connection = NULL;
    free_message(socket->reading);
    socket->reading = NULL;
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
        leave(socket, LOSE_SOME);
    }
}

void network_cut(void *self, const struct loop *process)
{
    struct network *network = self;
    struct socket *socket;
    DL_FOREACH(network->sockets, socket)
    {
        if (socket->loop == process && socket->connection != NULL)
            break_connection(socket->connection, LOSE_SOME, LOSE_SOME);
    }
}

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
                free_message(take(network->connections[i], side));
        free(network->connections[i]);
    }
    free(network->connections);
    loop_free(network->loop);
    free(network);
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
    connect_later(socket, world_now() + chance_between(world_chance(), 50, 500) * MICROSECOND);
    return 0;
}

int zmq_close(void *self)
{
    struct socket *socket = self;
    CHECK_OBJECT(socket, SOCKET_MAGIC);
    if (!socket->dead)
        leave(socket, socket->linger == 0 ? LOSE_SOME : LOSE_NOTHING);
    for (size_t i = 0; i < socket->written; i++)
        drop_frame(&socket->writing[i]);
    free(socket->writing);
    heap_free(&socket->arrivals);
    DL_DELETE(socket->network->sockets, socket);
    socket->magic = 0;
    free(socket);
    return 0;
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

static enum side other_side(const struct socket *socket)
{
    return socket->type == ZMQ_ROUTER ? AT_DEALER : AT_ROUTER;
}

/* Sets where the message that begins now goes. */
static bool begin_message(struct socket *socket, struct connection *connection)
{
    enum side mine = side_of(socket);
    if (socket->dead || connection == NULL || connection->ends[mine] != socket ||
        knows_loss(connection, mine)) {
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
    struct message *message = object_alloc(sizeof *message + socket->written * sizeof(struct frame));
    message->count = socket->written;
    memcpy(message->frames, socket->writing, socket->written * sizeof(struct frame));
    socket->written = 0;
    socket->to = NULL;
    if (connection->broken) /* and nobody here knows it yet */
        free_message(message);
    else
        put(connection, other_side(socket), message);
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
        drop_frame(&frame);
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
    struct frame frame = new_frame(bytes, length);
    if (send_frame(socket, frame, flags))
        return (int)length;
    drop_frame(&frame);
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
    return new_frame(bytes, sizeof bytes);
}

/* Takes the next message up. False when none has arrived. */
static bool begin_reading(struct socket *socket)
{
    if (network_arrival(socket) > world_now())
        return false;
    struct pipe *pipe = (struct pipe *)heap_first(&socket->arrivals);
    struct connection *connection = socket->network->connections[pipe->connection];
    socket->reading = take(connection, side_of(socket));
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
        free_message(socket->reading);
        socket->reading = NULL;
    }
    return (int)zmq_msg_size(message);
}

/* ---- what is named in messages for people ---- */

int zmq_errno(void)
{
    return errno;
}
