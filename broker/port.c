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

enum { PORT_MAGIC = 0x90470001 };

_Static_assert(sizeof(struct payload) == sizeof(zmq_msg_t), "a payload is a zmq_msg_t");

struct port {
    unsigned magic;
    void *socket;
    struct loop *loop;
    port_received *received;
    port_refused *refused;
    void *self;
    size_t count; /* payloads of the message that is being read */
    struct payload payloads[PROTOCOL_COUNT_MAX];
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

static int set_option(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

/* Receives the frames behind the envelope. More than a message may have are read and dropped; `false` says
 * so. */
static bool receive_payloads(struct port *port, bool more)
{
    bool fits = true;
    port->count = 0;
    while (more) {
        struct payload payload;
        zmq_msg_init(frame(&payload));
        if (zmq_msg_recv(frame(&payload), port->socket, ZMQ_DONTWAIT) < 0)
            return false;
        more = zmq_msg_more(frame(&payload));
        if (port->count < PROTOCOL_COUNT_MAX) {
            payload_move(&port->payloads[port->count++], &payload);
        } else {
            fits = false;
            zmq_msg_close(frame(&payload));
        }
    }
    return fits;
}

static const char *understand(struct port_message *message, zmq_msg_t *identity, zmq_msg_t *envelope,
                              bool fits)
{
    message->peer = (struct peer){0};
    if (zmq_msg_size(identity) == 0 || zmq_msg_size(identity) > PEER_MAX)
        return "the routing id is too long; leave it to ZeroMQ";
    message->peer.length = (uint8_t)zmq_msg_size(identity);
    memcpy(message->peer.bytes, zmq_msg_data(identity), message->peer.length);
    message->hello = zmq_msg_size(envelope) == 0 && message->count == 0;
    if (message->hello)
        return NULL;
    if (!fits)
        return "more than 1024 payload frames";
    return protocol_decode(zmq_msg_data(envelope), zmq_msg_size(envelope), &message->envelope);
}

static bool receive(struct port *port)
{
    zmq_msg_t identity, envelope;
    zmq_msg_init(&identity);
    if (zmq_msg_recv(&identity, port->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&identity);
        return false;
    }
    zmq_msg_init(&envelope);
    bool more = zmq_msg_more(&identity) && zmq_msg_recv(&envelope, port->socket, ZMQ_DONTWAIT) >= 0 &&
                zmq_msg_more(&envelope);
    bool fits = receive_payloads(port, more);
    struct port_message message = {.payloads = port->payloads, .count = port->count};
    const char *complaint = understand(&message, &identity, &envelope, fits);
    if (complaint == NULL)
        port->received(port->self, &message);
    else
        port->refused(port->self, &message.peer, complaint);
    for (size_t i = 0; i < port->count; i++)
        zmq_msg_close(frame(&port->payloads[i]));
    zmq_msg_close(&envelope);
    zmq_msg_close(&identity);
    return true;
}

static void readable(void *self)
{
    while (receive(self))
        ;
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
    loop_zmq_remove(port->loop, port->socket);
    zmq_close(port->socket);
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
