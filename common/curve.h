/* curve: tcp connections of ours: CURVE (ZeroMQ's encryption and authentication) on both sides, and what a
 * network needs that a machine does not. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CURVE_H
#define OUTRIGGER_CURVE_H

#include "config.h"
#include "key.h"

/* What one side needs. Whoever has it wipes it with key_wipe as soon as its sockets are made. */
struct curve_keys {
    char public_key[KEY_LENGTH + 1]; /* ours */
    char secret_key[KEY_LENGTH + 1];
    char server_key[KEY_LENGTH + 1]; /* whom we connect to; "" on the side that listens */
};

/* True for an endpoint that leaves the machine's own sockets: those need keys. */
bool curve_needed(const char *endpoint);

/* Makes a new pair of keys; its name is the caller's. False when this libzmq has no CURVE. */
bool curve_new_pair(struct key_pair *pair);

/* The keys of the side that listens (broker.curve_secret_file), or of a worker that connects
 * (worker.curve_secret_file, worker.curve_server_key). False with a reason that names the parameter and says
 * what to do. */
bool curve_broker_keys(const struct config *config, struct curve_keys *keys, char *reason, size_t capacity);
bool curve_worker_keys(const struct config *config, struct curve_keys *keys, char *reason, size_t capacity);

/* Everything that a broker with tcp endpoints reads at its start: complains of what is wrong in it. */
void curve_check(const struct config *config, struct config_errors *errors);

/* Sets the options of a libzmq socket before it connects over tcp, or binds there. The side that listens asks
 * the context's ZAP handler about each peer, in the name of `domain`, and refuses all when there is none. 0,
 * or -1 with errno. */
int curve_connecting(void *socket, const struct curve_keys *keys);
int curve_listening(void *socket, const struct curve_keys *keys, const char *domain);

#endif
