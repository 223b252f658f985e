/* port: frames in, structs out, and back; the only file of the broker that knows ZeroMQ.
 *
 * broker.c has two, one for askers and one for workers. Everything that depends on ZeroMQ's ways is settled
 * here: MANDATORY, so that a peer that went is an answer and not a silent loss; a bound on the size of a
 * frame; messages read whole before anyone looks at them; payloads counted by reference, so that a request
 * that may have to be sent again costs no copy. SPDX-License-Identifier: MIT */
#include "port.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

enum {
    PORT_MAGIC = 0x09047001,
    MESSAGES_A_CALL = 256, /* then others have their turn, whoever floods this port */
    OUTGOING_MAX = 32,     /* peers that are posted to between two flushes; more just flush earlier */
    FRAMES_KEPT = 16384,   /* frames that a flush may carry for one peer; more just flush earlier */
    RECEIVE_BUFFER = 8192, /* bytes that ZeroMQ reads at a time; smaller frames are views of such a buffer,
                              and each keeps the whole of it */
};

/* How long the last answers may take to leave at the end. Without it they are lost, and computed again. */
enum { LAST_WORDS_MS = 300 };

_Static_assert(sizeof(struct payload) == sizeof(zmq_msg_t), "a payload is a zmq_msg_t");

/* What was posted to one peer since the last flush. */
struct outgoing {
    struct peer peer;
    struct payload *frames; /* envelopes and payloads as they go out */
    size_t count, capacity;
};

struct port {
    unsigned magic;
    void *socket;
    struct loop *loop;
    port_received *received;
    port_refused *refused;
    void *self;
    size_t count; /* payloads of the message that is being read */
    struct payload payloads[PROTOCOL_COUNT_MAX];
    size_t outgoing_count;
    struct outgoing outgoing[OUTGOING_MAX];
};

static zmq_msg_t *frame(struct payload *payload)
{
    return (zmq_msg_t *)(void *)payload->opaque;
}

static bool is_none(const struct payload *payload)
{
    static const struct payload none;
    return memcmp(payload, &none, sizeof none) == 0;
}

struct payload payload_new(size_t bytes)
{
    struct payload payload;
    ENSURE(zmq_msg_init_size(frame(&payload), bytes) == 0);
    return payload;
}

void payload_shorten(struct payload *payload, size_t bytes)
{
    struct payload shorter = payload_new(bytes);
    memcpy(zmq_msg_data(frame(&shorter)), zmq_msg_data(frame(payload)), bytes);
    payload_close(payload);
    *payload = shorter;
}

void payload_move(struct payload *to, struct payload *from)
{
    zmq_msg_init(frame(to));
    zmq_msg_move(frame(to), frame(from));
}

struct payload payload_share(struct payload *payload)
{
    struct payload shared;
    zmq_msg_init(frame(&shared));
    zmq_msg_copy(frame(&shared), frame(payload));
    return shared;
}

struct payload payload_keep(struct payload *payload)
{
    struct text bytes = payload_bytes(payload);
    if (bytes.length > RECEIVE_BUFFER)
        return payload_share(payload);
    struct payload kept = payload_new(bytes.length);
    memcpy(zmq_msg_data(frame(&kept)), bytes.at, bytes.length);
    return kept;
}

void payload_close(struct payload *payload)
{
    if (is_none(payload))
        return;
    zmq_msg_close(frame(payload));
    memset(payload, 0, sizeof *payload);
}

struct text payload_bytes(struct payload *payload)
{
    return (struct text){.at = zmq_msg_data(frame(payload)), .length = zmq_msg_size(frame(payload))};
}

static bool peer_set(struct peer *peer, const void *bytes, size_t length)
{
    if (length == 0 || length > PEER_MAX)
        return false;
    peer->length = (uint8_t)length;
    memcpy(peer->bytes, bytes, length);
    return true;
}

static int set_option(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

/* Receives the payload frames of one envelope. False when the ZeroMQ message ends before the last. */
static bool receive_payloads(struct port *port, size_t wanted, bool *more)
{
    for (port->count = 0; port->count < wanted && *more; port->count++) {
        zmq_msg_t *next = frame(&port->payloads[port->count]);
        zmq_msg_init(next);
        *more = zmq_msg_recv(next, port->socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(next);
    }
    return port->count == wanted;
}

/* One of our messages: the envelope is there, its payload frames follow. NULL, or why what follows cannot be
 * read. */
static const char *receive_one(struct port *port, struct port_message *message, zmq_msg_t *envelope,
                               bool *more)
{
    message->hello = zmq_msg_size(envelope) == 0;
    message->payloads = port->payloads;
    message->count = 0;
    if (!message->hello) {
        const char *complaint =
            protocol_decode(zmq_msg_data(envelope), zmq_msg_size(envelope), &message->envelope);
        if (complaint != NULL)
            return complaint;
        bool whole = receive_payloads(port, protocol_payload_count(&message->envelope), more);
        message->count = port->count;
        if (!whole)
            return "payload frames are missing";
    }
    port->received(port->self, message);
    return NULL;
}

static void close_payloads(struct port *port)
{
    for (size_t i = 0; i < port->count; i++)
        zmq_msg_close(frame(&port->payloads[i]));
    port->count = 0;
}

/* One ZeroMQ message: who, then one or more of ours. False when none waits. */
static bool receive(struct port *port)
{
    struct port_message message = {0};
    const char *complaint = NULL;
    zmq_msg_t part;
    zmq_msg_init(&part);
    if (zmq_msg_recv(&part, port->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&part);
        return false;
    }
    if (!peer_set(&message.peer, zmq_msg_data(&part), zmq_msg_size(&part)))
        complaint = "the routing id is too long; leave it to ZeroMQ";
    bool more = zmq_msg_more(&part);
    while (more && zmq_msg_recv(&part, port->socket, ZMQ_DONTWAIT) >= 0) {
        more = zmq_msg_more(&part);
        if (complaint == NULL)
            complaint = receive_one(port, &message, &part, &more);
        close_payloads(port);
    }
    if (complaint != NULL)
        port->refused(port->self, &message.peer, complaint);
    zmq_msg_close(&part);
    return true;
}

static void readable(void *self)
{
    struct port *port = self;
    for (int i = 0; i < MESSAGES_A_CALL; i++)
        if (!receive(port))
            return;
    loop_zmq_touch(port->loop, port->socket);
}

void port_receive(struct port *port)
{
    CHECK_OBJECT(port, PORT_MAGIC);
    readable(port);
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
        free(port->outgoing[i].frames);
    port->magic = 0;
    free(port);
}

static bool send_payload(struct port *port, struct payload *payload, int flags)
{
    zmq_msg_t shared;
    zmq_msg_init(&shared);
    zmq_msg_copy(&shared, frame(payload));
    if (zmq_msg_send(&shared, port->socket, flags) >= 0)
        return true;
    zmq_msg_close(&shared);
    return false;
}

bool port_send(struct port *port, const struct peer *peer, const struct envelope *envelope,
               struct payload *const *payloads, size_t count)
{
    CHECK_OBJECT(port, PORT_MAGIC);
    uint8_t bytes[PROTOCOL_ENVELOPE_MAX];
    size_t length = protocol_encode(envelope, bytes, sizeof bytes);
    ENSURE(length > 0 && count <= PROTOCOL_COUNT_MAX);
    loop_zmq_touch(port->loop, port->socket);
    if (zmq_send(port->socket, peer->bytes, peer->length, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return false;
    /* Once the identity is accepted the rest of the message is, too: a multipart message is taken whole. */
    zmq_send(port->socket, bytes, length, ZMQ_DONTWAIT | (count > 0 ? ZMQ_SNDMORE : 0));
    for (size_t i = 0; i < count; i++)
        send_payload(port, payloads[i], ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0));
    return true;
}

/* ---- posting: one ZeroMQ message a peer and turn ---- */

static struct outgoing *outgoing_to(struct port *port, const struct peer *peer)
{
    for (size_t i = 0; i < port->outgoing_count; i++)
        if (memcmp(&port->outgoing[i].peer, peer, sizeof *peer) == 0 && port->outgoing[i].count < FRAMES_KEPT)
            return &port->outgoing[i];
    if (port->outgoing_count == OUTGOING_MAX)
        port_flush(port);
    struct outgoing *outgoing = &port->outgoing[port->outgoing_count++];
    outgoing->peer = *peer;
    return outgoing;
}

static zmq_msg_t *next_frame(struct outgoing *outgoing)
{
    if (outgoing->count == outgoing->capacity) {
        outgoing->capacity = outgoing->capacity == 0 ? 64 : outgoing->capacity * 2;
        outgoing->frames = realloc(outgoing->frames, outgoing->capacity * sizeof *outgoing->frames);
        ENSURE(outgoing->frames != NULL);
    }
    return frame(&outgoing->frames[outgoing->count++]);
}

void port_post(struct port *port, const struct peer *peer, const struct envelope *envelope,
               struct payload *payload)
{
    CHECK_OBJECT(port, PORT_MAGIC);
    uint8_t bytes[PROTOCOL_ENVELOPE_MAX];
    size_t length = protocol_encode(envelope, bytes, sizeof bytes);
    ENSURE(length > 0);
    struct outgoing *outgoing = outgoing_to(port, peer);
    zmq_msg_t *head = next_frame(outgoing);
    ENSURE(zmq_msg_init_size(head, length) == 0);
    memcpy(zmq_msg_data(head), bytes, length);
    if (payload == NULL)
        return;
    zmq_msg_t *body = next_frame(outgoing);
    zmq_msg_init(body);
    zmq_msg_move(body, frame(payload));
}

static void flush_one(struct port *port, struct outgoing *outgoing)
{
    bool there =
        zmq_send(port->socket, outgoing->peer.bytes, outgoing->peer.length, ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0;
    for (size_t i = 0; i < outgoing->count; i++) {
        zmq_msg_t *next = frame(&outgoing->frames[i]);
        int more = i + 1 < outgoing->count ? ZMQ_SNDMORE : 0;
        if (!there || zmq_msg_send(next, port->socket, ZMQ_DONTWAIT | more) < 0)
            zmq_msg_close(next);
    }
    outgoing->count = 0;
}

void port_flush(struct port *port)
{
    if (port->outgoing_count == 0)
        return;
    loop_zmq_touch(port->loop, port->socket);
    for (size_t i = 0; i < port->outgoing_count; i++)
        flush_one(port, &port->outgoing[i]);
    port->outgoing_count = 0;
}
