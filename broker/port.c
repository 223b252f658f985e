/* port: frames in, structs out, and back; the only file of the broker that knows ZeroMQ.
 *
 * broker.c has two, one for askers and one for workers. Each has a socket for this host (ipc, which the modes
 * of files guard) and may have one for others (tcp, which the gate guards: CURVE is a matter of a whole
 * socket); a peer says which of them it is at, and nobody else needs to know. Everything that depends on
 * ZeroMQ's ways is settled here: MANDATORY, so that a peer that went is an answer and not a silent loss; a
 * bound on the size of a frame; messages read whole before anyone looks at them. A frame costs more than a
 * small request, so small payloads share one with their envelopes, and with other messages (train.h): they
 * are borrowed from the frame they came in, and copied once, to where they go or to where they are kept.
 * Large ones are counted by reference, so that a request that may have to be sent again costs no copy.
 * SPDX-License-Identifier: MIT */
#include "port.h"

#include "gate.h"
#include "train.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

enum {
    PORT_MAGIC = 0x09047001,
    MESSAGES_A_CALL = 256, /* then others have their turn, whoever floods this port */
    CALLS_MAX = 64,       /* of what is read at once because it counts: more than all workers can have said */
    OUTGOING_MAX = 32,    /* peers that are posted to between two flushes; more just flush earlier */
    RECEIVE_BUFFER = 8192 /* bytes that ZeroMQ reads at a time; smaller frames are views of such a buffer,
                             and each keeps the whole of it */
};

/* How long the last answers may take to leave at the end. Without it they are lost, and computed again. */
enum { LAST_WORDS_MS = 300 };

/* What was posted to one peer since the last flush. */
struct outgoing {
    struct peer peer;
    struct train train;
};

/* One ROUTER. */
struct door {
    struct port *port;
    void *socket; /* NULL: there is none */
    bool remote;
};

enum { LOCAL, REMOTE, DOORS };

struct port {
    unsigned magic;
    struct door doors[DOORS];
    struct gate *gate; /* of the remote one */
    unsigned gate_door;
    int64_t max_frame_bytes;
    int backlog_messages;
    struct loop *loop;
    port_received *received;
    port_refused *refused;
    void *self;
    /* the message that is being read */
    void *from; /* the socket it came in at */
    bool more;  /* frames of its ZeroMQ message are left */
    size_t frame_count;
    zmq_msg_t frames[PROTOCOL_COUNT_MAX]; /* of payloads that did not travel inside */
    struct text views[PROTOCOL_COUNT_MAX];
    struct payload payloads[PROTOCOL_COUNT_MAX];
    /* what goes out */
    struct train train; /* of port_send */
    size_t outgoing_count;
    struct outgoing outgoing[OUTGOING_MAX];
};

/* ---- payloads ---- */

/* Memory of payloads: our own for those that travel inside a frame, a ZeroMQ frame for larger ones, so that
 * they come in and go out without a copy. The count is atomic because the quarantine writes in a thread. */
struct payload_memory {
    unsigned holders;
    bool is_frame;
    _Alignas(zmq_msg_t) char bytes[]; /* or the frame */
};

static zmq_msg_t *frame_of(struct payload_memory *memory)
{
    return (zmq_msg_t *)(void *)memory->bytes;
}

static struct payload_memory *memory_new(bool is_frame, size_t bytes)
{
    struct payload_memory *memory = malloc(sizeof *memory + bytes);
    ENSURE(memory != NULL);
    memory->holders = 1;
    memory->is_frame = is_frame;
    return memory;
}

/* Takes the frame. */
static struct payload hold_frame(zmq_msg_t *frame)
{
    struct payload_memory *memory = memory_new(true, sizeof *frame);
    zmq_msg_init(frame_of(memory));
    zmq_msg_move(frame_of(memory), frame);
    return (struct payload){{zmq_msg_data(frame_of(memory)), zmq_msg_size(frame_of(memory))}, memory};
}

struct payload payload_new(size_t bytes)
{
    zmq_msg_t frame;
    if (bytes <= TRAIN_INSIDE_MAX) {
        struct payload_memory *memory = memory_new(false, bytes);
        return (struct payload){{memory->bytes, bytes}, memory};
    }
    ENSURE(zmq_msg_init_size(&frame, bytes) == 0);
    return hold_frame(&frame);
}

static struct payload copy_of(struct text bytes)
{
    struct payload copy = payload_new(bytes.length);
    if (bytes.length > 0)
        memcpy((char *)copy.bytes.at, bytes.at, bytes.length);
    return copy;
}

void payload_shorten(struct payload *payload, size_t bytes)
{
    struct payload shorter = copy_of((struct text){payload->bytes.at, bytes});
    payload_close(payload);
    *payload = shorter;
}

void payload_move(struct payload *to, struct payload *from)
{
    *to = from->memory == NULL ? copy_of(from->bytes) : *from;
    *from = (struct payload){0};
}

struct payload payload_share(const struct payload *payload)
{
    if (payload->memory == NULL)
        return copy_of(payload->bytes);
    __atomic_add_fetch(&payload->memory->holders, 1, __ATOMIC_RELAXED);
    return *payload;
}

void payload_close(struct payload *payload)
{
    struct payload_memory *memory = payload->memory;
    *payload = (struct payload){0};
    if (memory == NULL || __atomic_sub_fetch(&memory->holders, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (memory->is_frame)
        zmq_msg_close(frame_of(memory));
    free(memory);
}

struct text payload_bytes(const struct payload *payload)
{
    return payload->bytes;
}

/* ---- receiving ---- */

/* Nobody, when the identity is too long. */
static void peer_set(struct peer *peer, const void *bytes, size_t length)
{
    if (length > PEER_MAX)
        return;
    peer->length = (uint8_t)length;
    memcpy(peer->bytes, bytes, length);
}

static int set_option(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

/* The next frame of the ZeroMQ message, for a payload. */
static bool next_frame(void *self, struct text *bytes)
{
    struct port *port = self;
    if (!port->more)
        return false;
    zmq_msg_t *next = &port->frames[port->frame_count++];
    zmq_msg_init(next);
    port->more = zmq_msg_recv(next, port->from, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(next);
    *bytes = (struct text){zmq_msg_data(next), zmq_msg_size(next)};
    return true;
}

/* The payloads that were frames are the last ones. Small ones are borrowed, wherever they stand. */
static void receive_payloads(struct port *port, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_frame = i + port->frame_count >= count;
        port->payloads[i] = is_frame && port->views[i].length > RECEIVE_BUFFER
                                ? hold_frame(&port->frames[i + port->frame_count - count])
                                : (struct payload){.bytes = port->views[i]};
    }
}

static void close_message(struct port *port, size_t count)
{
    for (size_t i = 0; i < count; i++)
        payload_close(&port->payloads[i]);
    for (size_t i = 0; i < port->frame_count; i++)
        zmq_msg_close(&port->frames[i]);
    port->frame_count = 0;
}

/* Our messages that begin in this frame. NULL, or why one cannot be read. */
static const char *receive_train(struct port *port, struct port_message *message, zmq_msg_t *head)
{
    struct text bytes = {zmq_msg_data(head), zmq_msg_size(head)};
    struct train_reader reader = train_reader(bytes, next_frame, port);
    const char *complaint;
    do {
        complaint = train_read(&reader, &message->envelope, port->views, &message->count);
        if (complaint != NULL)
            message->count = 0;
        receive_payloads(port, message->count);
        if (complaint == NULL)
            port->received(port->self, message);
        close_message(port, message->count);
    } while (complaint == NULL && !train_ended(&reader));
    return complaint;
}

/* True when its sender is not allowed any more: the message counts for nothing then. */
static bool is_barred(struct port *port, const zmq_msg_t *frame)
{
    bool barred = gate_bars_message(port->gate, frame, port->gate_door);
    if (barred)
        gate_barred(port->gate, gate_key(frame));
    return barred;
}

/* The frames of a ZeroMQ message behind the identity: one or more of ours. NULL, or why they cannot be read
 * from somewhere on. */
static const char *receive_frames(struct port *port, struct port_message *message)
{
    const char *complaint = NULL;
    zmq_msg_t head;
    zmq_msg_init(&head);
    bool barred = false;
    if (message->peer.length == 0)
        complaint = "the routing id is too long; leave it to ZeroMQ";
    for (bool first = true; port->more; first = false) {
        if (zmq_msg_recv(&head, port->from, ZMQ_DONTWAIT) < 0)
            break;
        port->more = zmq_msg_more(&head);
        message->hello = first && !port->more && zmq_msg_size(&head) == 0;
        message->frame = &head;
        if (first && message->peer.remote)
            barred = is_barred(port, &head);
        if (complaint != NULL || barred)
            continue;
        if (message->hello)
            port->received(port->self, message);
        else
            complaint = receive_train(port, message, &head);
    }
    zmq_msg_close(&head);
    return complaint;
}

/* One ZeroMQ message. False when none waits. */
static bool receive(const struct door *door)
{
    struct port *port = door->port;
    struct port_message message = {.payloads = port->payloads, .peer = {.remote = door->remote}};
    zmq_msg_t identity;
    zmq_msg_init(&identity);
    port->from = door->socket;
    bool there = zmq_msg_recv(&identity, port->from, ZMQ_DONTWAIT) >= 0;
    if (there) {
        port->more = zmq_msg_more(&identity);
        peer_set(&message.peer, zmq_msg_data(&identity), zmq_msg_size(&identity));
        const char *complaint = receive_frames(port, &message);
        if (complaint != NULL)
            port->refused(port->self, &message.peer, complaint);
    }
    zmq_msg_close(&identity);
    return there;
}

/* True when there may be more. */
static bool receive_some(const struct door *door)
{
    for (int i = 0; i < MESSAGES_A_CALL; i++)
        if (!receive(door))
            return false;
    return true;
}

static void readable(void *self)
{
    const struct door *door = self;
    if (receive_some(door))
        loop_zmq_touch(door->port->loop, door->socket);
}

void port_receive(struct port *port)
{
    CHECK_OBJECT(port, PORT_MAGIC);
    for (size_t i = 0; i < DOORS; i++) {
        const struct door *door = &port->doors[i];
        int calls = 0;
        while (door->socket != NULL && receive_some(door) && ++calls < CALLS_MAX)
            continue;
        if (door->socket != NULL)
            loop_zmq_touch(port->loop, door->socket);
    }
}

/* ---- sockets ---- */

/* A ROUTER with our ways, not bound yet; NULL with errno. */
static void *new_router(void *zmq_context, const struct port *port)
{
    void *socket = zmq_socket(zmq_context, ZMQ_ROUTER);
    if (socket == NULL)
        return NULL;
    if (set_option(socket, ZMQ_ROUTER_MANDATORY, 1) == 0 && set_option(socket, ZMQ_LINGER, 0) == 0 &&
        set_option(socket, ZMQ_SNDHWM, port->backlog_messages) == 0 &&
        set_option(socket, ZMQ_RCVHWM, port->backlog_messages) == 0 &&
        zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &port->max_frame_bytes, sizeof port->max_frame_bytes) == 0)
        return socket;
    int reason = errno;
    zmq_close(socket);
    errno = reason;
    return NULL;
}

static void begin_door(struct port *port, size_t index, void *socket)
{
    struct door *door = &port->doors[index];
    *door = (struct door){.port = port, .socket = socket, .remote = index == REMOTE};
    ENSURE(loop_zmq_add(port->loop, socket, readable, door) == 0);
}

struct port *port_new(void *zmq_context, struct loop *loop, const char *endpoint, int64_t max_frame_bytes,
                      int backlog_messages, port_received *received, port_refused *refused, void *self)
{
    struct port *port = object_alloc(sizeof *port);
    port->magic = PORT_MAGIC;
    port->max_frame_bytes = max_frame_bytes;
    port->backlog_messages = backlog_messages;
    port->loop = loop;
    port->received = received;
    port->refused = refused;
    port->self = self;
    const uint64_t first = 1; /* ZeroMQ's thread of what is on this host; the gate takes another */
    void *socket = new_router(zmq_context, port);
    if (socket != NULL && zmq_setsockopt(socket, ZMQ_AFFINITY, &first, sizeof first) == 0 &&
        zmq_bind(socket, endpoint) == 0) {
        begin_door(port, LOCAL, socket);
        return port;
    }
    int reason = errno;
    if (socket != NULL)
        zmq_close(socket);
    free(port);
    errno = reason;
    return NULL;
}

bool port_open(struct port *port, void *zmq_context, const char *endpoint, struct gate *gate, unsigned door)
{
    CHECK_OBJECT(port, PORT_MAGIC);
    ENSURE(port->doors[REMOTE].socket == NULL);
    void *socket = new_router(zmq_context, port);
    if (socket == NULL)
        return false;
    port->gate = gate;
    port->gate_door = door;
    if (gate_bind(gate, socket, door, endpoint) == 0) {
        begin_door(port, REMOTE, socket);
        return true;
    }
    int reason = errno;
    gate_unbind(gate, socket);
    zmq_close(socket);
    errno = reason;
    return false;
}

static void end_door(struct port *port, struct door *door)
{
    if (door->socket == NULL)
        return;
    if (door->remote)
        gate_unbind(port->gate, door->socket);
    loop_zmq_remove(port->loop, door->socket);
    set_option(door->socket, ZMQ_LINGER, LAST_WORDS_MS);
    zmq_close(door->socket);
}

void port_free(struct port *port)
{
    if (port == NULL)
        return;
    CHECK_OBJECT(port, PORT_MAGIC);
    port_flush(port);
    for (size_t i = 0; i < DOORS; i++)
        end_door(port, &port->doors[i]);
    for (size_t i = 0; i < OUTGOING_MAX; i++)
        train_free(&port->outgoing[i].train);
    train_free(&port->train);
    port->magic = 0;
    free(port);
}

/* ---- sending ---- */

static void *socket_of(const struct port *port, const struct peer *peer)
{
    return port->doors[peer->remote ? REMOTE : LOCAL].socket;
}

/* Begins a ZeroMQ message to that peer with the train as its first frame. False when it cannot be sent; once
 * it is begun the rest of it is taken, too. */
static bool send_frame(struct port *port, const struct peer *peer, const struct train *train, bool more)
{
    void *socket = socket_of(port, peer);
    loop_zmq_touch(port->loop, socket);
    if (zmq_send(socket, peer->bytes, peer->length, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return false;
    zmq_send(socket, train->bytes, train->length, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    return true;
}

/* A payload as a frame: held by ZeroMQ, too, where it is one already. */
static void send_payload(void *socket, const struct payload *payload, bool more)
{
    int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
    if (payload->memory == NULL || !payload->memory->is_frame) {
        zmq_send(socket, payload->bytes.at, payload->bytes.length, flags);
        return;
    }
    zmq_msg_t shared;
    zmq_msg_init(&shared);
    zmq_msg_copy(&shared, frame_of(payload->memory));
    if (zmq_msg_send(&shared, socket, flags) < 0)
        zmq_msg_close(&shared);
}

static bool add_inside(struct train *train, struct text payload)
{
    if (!train_takes(train, payload.length))
        return false;
    uint8_t *place = train_add_payload(train, payload.length);
    if (payload.length > 0)
        memcpy(place, payload.at, payload.length);
    return true;
}

bool port_send(struct port *port, const struct peer *peer, const struct envelope *envelope,
               struct payload *const *payloads, size_t count)
{
    CHECK_OBJECT(port, PORT_MAGIC);
    ENSURE(count <= PROTOCOL_COUNT_MAX);
    size_t sent = 0;
    train_clear(&port->train);
    train_add(&port->train, envelope);
    while (sent < count && add_inside(&port->train, payloads[sent]->bytes))
        sent++;
    if (!send_frame(port, peer, &port->train, sent < count))
        return false;
    for (; sent < count; sent++)
        send_payload(socket_of(port, peer), payloads[sent], sent + 1 < count);
    return true;
}

/* ---- posting: one ZeroMQ message a peer and turn, as long as all that is posted is small ---- */

static struct outgoing *outgoing_to(struct port *port, const struct peer *peer)
{
    for (size_t i = 0; i < port->outgoing_count; i++)
        if (memcmp(&port->outgoing[i].peer, peer, sizeof *peer) == 0)
            return &port->outgoing[i];
    if (port->outgoing_count == OUTGOING_MAX)
        port_flush(port);
    struct outgoing *outgoing = &port->outgoing[port->outgoing_count++];
    outgoing->peer = *peer;
    return outgoing;
}

/* Sends what was posted, and behind it (unless that is NULL) the payload of the last message. */
static void send_posted(struct port *port, struct outgoing *outgoing, const struct payload *payload)
{
    if (outgoing->train.length > 0 && send_frame(port, &outgoing->peer, &outgoing->train, payload != NULL) &&
        payload != NULL)
        send_payload(socket_of(port, &outgoing->peer), payload, false);
    train_clear(&outgoing->train);
}

void port_post(struct port *port, const struct peer *peer, const struct envelope *envelope,
               const struct payload *payload)
{
    CHECK_OBJECT(port, PORT_MAGIC);
    struct outgoing *outgoing = outgoing_to(port, peer);
    train_add(&outgoing->train, envelope);
    bool inside = payload == NULL || add_inside(&outgoing->train, payload->bytes);
    if (!inside || train_full(&outgoing->train))
        send_posted(port, outgoing, inside ? NULL : payload);
}

void port_flush(struct port *port)
{
    for (size_t i = 0; i < port->outgoing_count; i++)
        send_posted(port, &port->outgoing[i], NULL);
    port->outgoing_count = 0;
}
