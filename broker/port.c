/* port: frames in, structs out, and back; the only file of the broker that knows ZeroMQ.
 *
 * broker.c has two, one for askers and one for workers. Everything that depends on ZeroMQ's ways is settled
 * here: MANDATORY, so that a peer that went is an answer and not a silent loss; a bound on the size of a
 * frame; messages read whole before anyone looks at them. A frame costs more than a small request, so small
 * payloads share one with their envelopes, and with other messages (train.h): they are borrowed from the
 * frame they came in, and copied once, to where they go or to where they are kept. Large ones are counted by
 * reference, so that a request that may have to be sent again costs no copy. SPDX-License-Identifier: MIT */
#include "port.h"

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

struct port {
    unsigned magic;
    void *socket;
    struct loop *loop;
    port_received *received;
    port_refused *refused;
    void *self;
    /* the message that is being read */
    bool more; /* frames of its ZeroMQ message are left */
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
    port->more = zmq_msg_recv(next, port->socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(next);
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

/* The frames of a ZeroMQ message behind the identity: one or more of ours. NULL, or why they cannot be read
 * from somewhere on. */
static const char *receive_frames(struct port *port, struct port_message *message)
{
    const char *complaint = NULL;
    zmq_msg_t head;
    zmq_msg_init(&head);
    if (message->peer.length == 0)
        complaint = "the routing id is too long; leave it to ZeroMQ";
    for (bool first = true; port->more; first = false) {
        if (zmq_msg_recv(&head, port->socket, ZMQ_DONTWAIT) < 0)
            break;
        port->more = zmq_msg_more(&head);
        message->hello = first && !port->more && zmq_msg_size(&head) == 0;
        if (complaint != NULL)
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
static bool receive(struct port *port)
{
    struct port_message message = {.payloads = port->payloads};
    zmq_msg_t identity;
    zmq_msg_init(&identity);
    bool there = zmq_msg_recv(&identity, port->socket, ZMQ_DONTWAIT) >= 0;
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
static bool receive_some(struct port *port)
{
    for (int i = 0; i < MESSAGES_A_CALL; i++)
        if (!receive(port))
            return false;
    return true;
}

static void readable(void *self)
{
    struct port *port = self;
    if (receive_some(port))
        loop_zmq_touch(port->loop, port->socket);
}

void port_receive(struct port *port)
{
    CHECK_OBJECT(port, PORT_MAGIC);
    int calls = 0;
    while (receive_some(port) && ++calls < CALLS_MAX)
        continue;
    loop_zmq_touch(port->loop, port->socket);
}

struct port *port_new(void *zmq_context, struct loop *loop, const char *endpoint, int64_t max_frame_bytes,
                      int backlog_messages, port_received *received, port_refused *refused, void *self)
{
    void *socket = zmq_socket(zmq_context, ZMQ_ROUTER);
    if (socket == NULL)
        return NULL;
    if (set_option(socket, ZMQ_ROUTER_MANDATORY, 1) != 0 || set_option(socket, ZMQ_LINGER, 0) != 0 ||
        set_option(socket, ZMQ_SNDHWM, backlog_messages) != 0 ||
        set_option(socket, ZMQ_RCVHWM, backlog_messages) != 0 ||
        zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_frame_bytes, sizeof max_frame_bytes) != 0 ||
        zmq_bind(socket, endpoint) != 0) {
        int reason = errno;
        zmq_close(socket);
        errno = reason;
        return NULL;
    }
    struct port *port = object_alloc(sizeof *port);
    port->magic = PORT_MAGIC;
    port->socket = socket;
    port->loop = loop;
    port->received = received;
    port->refused = refused;
    port->self = self;
    ENSURE(loop_zmq_add(loop, socket, readable, port) == 0);
    return port;
}

void port_free(struct port *port)
{
    if (port == NULL)
        return;
    CHECK_OBJECT(port, PORT_MAGIC);
    port_flush(port);
    loop_zmq_remove(port->loop, port->socket);
    set_option(port->socket, ZMQ_LINGER, LAST_WORDS_MS);
    zmq_close(port->socket);
    for (size_t i = 0; i < OUTGOING_MAX; i++)
        train_free(&port->outgoing[i].train);
    train_free(&port->train);
    port->magic = 0;
    free(port);
}

/* ---- sending ---- */

/* Begins a ZeroMQ message to that peer with the train as its first frame. False when it cannot be sent; once
 * it is begun the rest of it is taken, too. */
static bool send_frame(struct port *port, const struct peer *peer, const struct train *train, bool more)
{
    loop_zmq_touch(port->loop, port->socket);
    if (zmq_send(port->socket, peer->bytes, peer->length, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return false;
    zmq_send(port->socket, train->bytes, train->length, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    return true;
}

/* A payload as a frame: held by ZeroMQ, too, where it is one already. */
static void send_payload(struct port *port, const struct payload *payload, bool more)
{
    int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
    if (payload->memory == NULL || !payload->memory->is_frame) {
        zmq_send(port->socket, payload->bytes.at, payload->bytes.length, flags);
        return;
    }
    zmq_msg_t shared;
    zmq_msg_init(&shared);
    zmq_msg_copy(&shared, frame_of(payload->memory));
    if (zmq_msg_send(&shared, port->socket, flags) < 0)
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
        send_payload(port, payloads[sent], sent + 1 < count);
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
        send_payload(port, payload, false);
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
