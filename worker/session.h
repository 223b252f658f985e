/* session: a worker's side of the wire. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SESSION_H
#define OUTRIGGER_SESSION_H

#include "loaded_model.h"
#include "loop.h"
#include "metrics.h"

struct curve_keys;
struct flows;
struct session;

/* What READY says, and where. The texts must outlive the session. */
struct session_options {
    const char *endpoint;          /* the broker's, for workers */
    const struct curve_keys *keys; /* for tcp; NULL: none. Only looked at while the session is made */
    const char *model;
    const char *version;
    uint32_t capacity_rows; /* also the most rows of one call of the engine */
    uint32_t slots;
    uint32_t heartbeat_ms;
    struct text token;        /* to show to the broker (worker_token.h); empty: none */
    uint64_t instance;        /* by which its thread of heartbeats (heartbeat.h) names it; 0: there is none */
    size_t max_message_bytes; /* a longer frame is neither taken nor sent */
    struct flows *flows;      /* a pipeline's, which outlive the session; NULL: the model's engine computes */
    int64_t most_time;        /* ns, that one of its requests may take */
};

/* Connects and serves the model (which outlives the session) from now on, whenever a broker is there. NULL
 * with ZeroMQ's errno when the endpoint is none. `zmq_context` is libzmq's. */
struct session *session_new(void *zmq_context, struct loop *loop, const struct session_options *options,
                            const struct loaded_model *model, struct metrics *metrics);
void session_free(struct session *session);

/* Why the broker has sent it away, good until session_free; "" when it has not. */
const char *session_sent_away(const struct session *session);

/* Answers what has come in already, says BYE and stops the loop. The broker's DRAIN does the same. */
void session_leave(struct session *session);

#endif
