/* client: the asking side of the wire. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CLIENT_H
#define OUTRIGGER_CLIENT_H

#include "loop.h"
#include "metrics.h"
#include "protocol.h"

struct client;
struct client_request;

/* What came back. Views are good during the call only. */
struct client_answer {
    enum failure failure;    /* FAILURE_NONE: payload holds tensors */
    struct text message;     /* why, for people; on failure */
    uint64_t retry_after_ms; /* on failure; 0: not said */
    struct text limit; /* the rate limit that refused it, or on success the tightest, as "key"; empty: none */
    uint64_t quota;    /* and how much it lets through, */
    uint64_t window_s; /* in so many seconds; on success */
    uint64_t left;     /* how much of that was left, */
    uint64_t whole_s;  /* and in how many seconds all of it is there again */
    struct text version;    /* who answered; on failure who was to, empty when nobody was yet */
    const uint8_t *payload; /* tensors (tensor.h); on success */
    size_t payload_bytes;
    uint64_t queue_us;
    uint64_t compute_us;
    uint32_t batch_rows;
    uint64_t age_us; /* since the answer was computed; 0: it was computed for this request */
    bool replayed;   /* it was given before, to a request of the same `once` */
    struct text tag; /* of that one, when its answer was a success */
    int64_t sent_at; /* when the request last went out; monotonic nanoseconds; 0: never */
};

/* Called exactly once for each sent request that is not cancelled; the request is freed afterwards. */
typedef void client_answered(void *owner, const struct client_answer *answer);
/* A CATALOG came: the entries (views, good during the call). */
typedef void client_catalog(void *self, const struct catalog_entry *entries, size_t count);

/* Connects to the broker's askers endpoint; never fails for a broker that is away. At most max_in_flight
 * requests at a time. `zmq_context` is libzmq's. */
struct client *client_new(void *zmq_context, struct loop *loop, const char *endpoint, size_t max_in_flight,
                          struct metrics *metrics, client_catalog *catalog, void *self);
void client_free(struct client *client);

/* True once a broker has answered the hello and was heard within the last 3 seconds. */
bool client_connected(const struct client *client);
/* True when max_in_flight requests wait, and this tenant may not have one of the places, a quarter more, that
 * are kept for tenants with less than their share of them: shed now. */
bool client_full(const struct client *client, uint64_t tenant);
/* True when there is no place for anybody. */
bool client_overwhelmed(const struct client *client);
size_t client_in_flight(const struct client *client);

/* A request with room for `payload_bytes`; the caller writes the tensors there (client_request_payload) and
 * then sends or discards it. May be made and filled in any thread, one at a time; all else belongs to the
 * loop's thread. */
struct client_request *client_request_new(size_t payload_bytes);
uint8_t *client_request_payload(struct client_request *request);
void client_request_discard(struct client_request *request);

/* What to send with the payload. The texts are copied. */
struct client_ask {
    struct text model;
    struct text version;
    bool version_optional; /* when the broker says UNKNOWN_VERSION or NOT_READY it is asked without, once */
    uint32_t rows;
    int64_t deadline; /* monotonic nanoseconds; the answer comes before it, or FAILURE_DEADLINE at it */
    uint8_t priority;
    uint64_t tenant;  /* who asks; 0: nobody known */
    uint64_t address; /* a number for its client's address; 0: unknown */
    struct text key;
    struct text tag;
    struct text
        once; /* empty, or PROTOCOL_ONCE_BYTES: the request is computed once, however often it comes */
    struct text trace; /* empty, or PROTOCOL_TRACE_BYTES */
};
/* Sends it (queues it while the broker is away, up to its deadline) and owns it from now on. `answered` may
 * be called before this returns only for FAILURE_OVERLOADED (client_full). */
void client_send(struct client *client, struct client_request *request, const struct client_ask *ask,
                 client_answered *answered, void *owner);
/* Nobody waits any more: tells the broker, frees the request; `answered` will not be called. */
void client_cancel(struct client *client, struct client_request *request);

#endif
