/* gate: who may come in over tcp. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_GATE_H
#define OUTRIGGER_GATE_H

#include "allow.h"
#include "loop.h"
#include "metrics.h"

struct config;
struct gate;

/* Reads the broker's key and its list of allowed ones, and answers ZeroMQ's question about each peer that
 * knocks, in the loop, from now on; at most one gate a ZeroMQ context. NULL after a complaint in the log. */
struct gate *gate_new(void *zmq_context, struct loop *loop, const struct config *config,
                      struct metrics *metrics);
/* After the sockets that it guards. */
void gate_free(struct gate *gate);

/* Makes a libzmq socket listen at a tcp endpoint, with CURVE and the broker's key, behind this gate. The
 * socket is only used in the loop's thread. Where strangers hold half of all the descriptors that the process
 * may have the endpoint is closed, with all who came in there, for a second: local peers must always find
 * one. 0, or -1 with errno. */
int gate_bind(struct gate *gate, void *socket, enum key_door door, const char *endpoint);
/* Before a socket that gate_bind was called for is closed, whatever that returned. */
void gate_unbind(struct gate *gate, void *socket);
/* All sockets are made: the broker's secret is wiped. */
void gate_close_ring(struct gate *gate);

/* What a list that was read again takes from those who may be inside. */
struct gate_change {
    bool removed; /* somebody is not allowed any more */
    bool serving; /* a worker may not serve any more, or not the same models */
};

/* Reads the list again. False when it cannot be read: the old one holds, and `reason` says why. */
bool gate_reload(struct gate *gate, struct gate_change *change, char *reason, size_t capacity);

/* Of a message (zmq_msg_t) that came through a guarded socket: the public key of its sender, and its address;
 * "" when it has none. Good as long as the message. */
const char *gate_key(const void *message);
const char *gate_address(const void *message);
/* Whose key that is; "" when the list does not say. */
const char *gate_name(const struct gate *gate, const char *key, enum key_door door);
/* True when a worker with that key may serve the model; false also for a key that is not in the list. */
bool gate_serves(const struct gate *gate, const char *key, struct text model);
/* True for a message whose sender's key was taken out of the list while he was inside: it counts for nothing.
 * Nothing is looked up as long as no key is barred. */
bool gate_bars_message(const struct gate *gate, const void *message, enum key_door door);
/* A message of such a sender was dropped: counts it. */
void gate_barred(struct gate *gate, const char *key);

#endif
