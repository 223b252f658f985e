/* port: one of the broker's two sides, a ROUTER socket or two, and the payloads that pass through it
 * untouched. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PORT_H
#define OUTRIGGER_PORT_H

#include "loop.h"
#include "protocol.h"

struct gate;

/* Bytes of a ROUTER identity that we accept; ZeroMQ's own are 5. A struct peer is then 24 bytes, and a struct
 * that puts a number before it has no padding, which would be hashed and compared, too. */
enum { PEER_MAX = 22 };

/* Who is at the other end. Zero-padded, so that it can be compared and hashed whole. */
struct peer {
    uint8_t length;
    uint8_t remote; /* 1: it came over tcp, through the gate; its process is none of this host's, or may be */
    uint8_t bytes[PEER_MAX];
};

/* The bytes of one payload. Either held: memory that all holders share, counted, and given back by whoever
 * closes it last, in any thread. Or borrowed: a view of bytes of somebody else, good as long as those. All
 * bytes zero = none. */
struct payload {
    struct text bytes;
    struct payload_memory *memory; /* NULL: borrowed, or none */
};
/* Held memory of that many bytes, to be filled in. */
struct payload payload_new(size_t bytes);
/* Takes what is in `from`, which is none then; `to`, which must be none, holds it: borrowed bytes are copied.
 */
void payload_move(struct payload *to, struct payload *from);
/* The same bytes once more, held: borrowed ones are copied. Both are to be closed. */
struct payload payload_share(const struct payload *payload);
/* Gives it back; `payload` is none then. */
void payload_close(struct payload *payload);
struct text payload_bytes(const struct payload *payload); /* a view */
/* Held memory with the first `bytes` bytes of it, in its place. */
void payload_shorten(struct payload *payload, size_t bytes);

/* What came in, one of our messages at a time. Views and payloads are good during the call only: small
 * payloads are borrowed from the frame that they came in. Who needs one for longer moves it out or shares it.
 */
struct port_message {
    struct peer peer;
    bool hello; /* the empty message of a new connection: no envelope */
    struct envelope envelope;
    struct payload *payloads;
    size_t count;
    const void *frame; /* the first, of ZeroMQ: what the gate knows of its sender */
};

struct port;
typedef void port_received(void *self, struct port_message *message);
/* A message that breaks the protocol came and was dropped; `complaint` says why. */
typedef void port_refused(void *self, const struct peer *peer, const char *complaint);

/* Binds. `backlog_messages`: how many messages may wait for one peer. NULL with errno (another process may
 * hold the endpoint's address). */
struct port *port_new(void *zmq_context, struct loop *loop, const char *endpoint, int64_t max_frame_bytes,
                      int backlog_messages, port_received *received, port_refused *refused, void *self);
void port_free(struct port *port);
/* Binds a second socket, over tcp, whose peers the gate lets in; to the handlers they are like the others.
 * The gate outlives the port. False with errno. At most once. */
bool port_open(struct port *port, void *zmq_context, const char *endpoint, struct gate *gate, unsigned door);

/* Handles what has come in already, without waiting for the loop. Not from within `received`. */
void port_receive(struct port *port);

/* Sends; returns false when the peer is not there any more (errno EHOSTUNREACH), or takes nothing (EAGAIN):
 * nothing was sent then.
 * The payloads are copied or shared: they stay the caller's. NULL pointers and count 0 for none. */
bool port_send(struct port *port, const struct peer *peer, const struct envelope *envelope,
               struct payload *const *payloads, size_t count);

/* The same for a message that may wait for the end of the turn, where all that was posted to a peer goes
 * together. The payload (NULL: none), borrowed or held, stays the caller's. A peer that is not there any more
 * loses the message. */
void port_post(struct port *port, const struct peer *peer, const struct envelope *envelope,
               const struct payload *payload);
void port_flush(struct port *port);

#endif
