/* protocol: the envelopes of common/PROTOCOL.md as C structs, and the two functions between them. Pure: no
 * sockets, no memory of its own, safe on any bytes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PROTOCOL_H
#define OUTRIGGER_PROTOCOL_H

#include "object.h"

#include <stddef.h>
#include <stdint.h>

enum {
    PROTOCOL_VERSION = 1,
    PROTOCOL_ENVELOPE_MAX = 4096, /* bytes of one envelope */
    PROTOCOL_NAME_MAX = 128,      /* bytes of a model's or a version's name */
    PROTOCOL_TEXT_MAX = 512,      /* bytes of a key, tag or message */
    PROTOCOL_ONCE_BYTES = 64,     /* of REQUEST's once: two digests */
    PROTOCOL_TRACE_BYTES = 25,    /* of REQUEST's trace: its id, the asker's span, flags */
    PROTOCOL_COUNT_MAX = 1024,    /* payloads of one message */
    PROTOCOL_ROWS_MAX = 1000000,  /* rows of one request */
    PROTOCOL_SCHEMA_MAX =
        8 << 20,               /* bytes of a version's schema: each goes to every asker with every CATALOG */
    PROTOCOL_SLOTS_MAX = 256,  /* batches of one worker */
    PROTOCOL_SLOTS_SERIAL = 2, /* up to so many it computes one after the other, with more side by side */
    PROTOCOL_PRIORITY_JOB = 0, /* of REQUEST: jobs, which have time, */
    PROTOCOL_PRIORITY_ONLINE = 1, /* and at least that of all who wait for an answer */
    PROTOCOL_PRIORITY_MAX = 9,
    PROTOCOL_ROUTE_MAX = 65536 /* bytes of a route as JSON: the longest that route.h allows fits */
};

/* The verbs, with their number on the wire. */
#define PROTOCOL_VERBS(X)                                                                                    \
    X(REQUEST, 1)                                                                                            \
    X(CANCEL, 2)                                                                                             \
    X(PING, 3)                                                                                               \
    X(REPLY, 16)                                                                                             \
    X(REJECT, 17)                                                                                            \
    X(PONG, 18)                                                                                              \
    X(CATALOG, 19)                                                                                           \
    X(READY, 32)                                                                                             \
    X(RESULT, 33)                                                                                            \
    X(HEARTBEAT, 34)                                                                                         \
    X(BYE, 35)                                                                                               \
    X(BATCH, 48)                                                                                             \
    X(DRAIN, 49)                                                                                             \
    X(BEAT, 50)

enum verb {
#define X(name, number) VERB_##name = number,
    PROTOCOL_VERBS(X)
#undef X
};

/* The kinds of failure: name, number on the wire, HTTP status, label of the counter. */
#define FAILURES(X)                                                                                          \
    X(NONE, 0, 200, "none")                                                                                  \
    X(INVALID, 1, 400, "invalid")                                                                            \
    X(UNKNOWN_MODEL, 2, 404, "unknown_model")                                                                \
    X(UNKNOWN_VERSION, 3, 404, "unknown_version")                                                            \
    X(TOO_LARGE, 4, 413, "too_large")                                                                        \
    X(OVERLOADED, 5, 503, "overloaded")                                                                      \
    X(NOT_READY, 6, 503, "not_ready")                                                                        \
    X(DEADLINE, 7, 504, "deadline")                                                                          \
    X(POISON, 8, 422, "poison")                                                                              \
    X(WORKER_DIED, 9, 502, "worker_died")                                                                    \
    X(MODEL_FAILED, 10, 500, "model_failed")                                                                 \
    X(STOPPING, 11, 503, "stopping")                                                                         \
    X(CANCELLED, 12, 499, "cancelled")                                                                       \
    X(INTERNAL, 13, 500, "internal")                                                                         \
    X(BAD_MESSAGE, 14, 400, "bad_message")                                                                   \
    X(RATE_LIMITED, 15, 429, "rate_limited")                                                                 \
    X(KEY_RUNNING, 16, 409, "idempotency_key_running")                                                       \
    X(KEY_REUSED, 17, 422, "idempotency_key_reused")

enum failure {
#define X(name, number, http, label) FAILURE_##name = number,
    FAILURES(X)
#undef X
};

/* One envelope. Which member of the union counts is said by `verb`. Text members are views: of the caller's
 * memory when encoding, of the decoded bytes when decoding. */
struct envelope {
    enum verb verb;
    uint64_t id;
    union {
        struct {
            struct text model;   /* empty: the default model */
            struct text version; /* empty: the route decides */
            uint32_t rows;
            uint64_t time_left_us;
            uint8_t priority;  /* 0 to 9, higher goes first; 0: a job's */
            uint64_t tenant;   /* who asks: tenants have their turns one after the other; 0: nobody known */
            struct text key;   /* what A/B routing hashes */
            struct text tag;   /* the request id that people see */
            uint64_t address;  /* a number for the client's; 0: unknown */
            bool again;        /* a broker has had it before: it counts towards no limit any more */
            struct text once;  /* empty, or what names the request and what is asked: two digests */
            struct text trace; /* empty, or PROTOCOL_TRACE_BYTES: trace_context.h */
        } request;
        struct {
            struct text version; /* the one that answered */
            uint64_t queue_us;
            uint64_t compute_us;
            uint32_t batch_rows;
            uint64_t age_us;   /* since the answer was computed; 0: it was computed for this request */
            struct text limit; /* the tightest rate limit, as "key"; empty: there is none */
            uint64_t quota;    /* how much it lets through, */
            uint64_t window_s; /* in so many seconds, */
            uint64_t left;     /* how much of that was left, */
            uint64_t whole_s;  /* and in how many seconds all of it is there again */
            bool replayed;     /* it was given before, to a request of the same `once` */
            struct text tag;   /* of that one; empty unless replayed */
        } reply;
        struct {
            enum failure failure;
            uint64_t retry_after_ms;
            struct text message;
            struct text limit;   /* RATE_LIMITED: which one, as "key"; empty: not said */
            uint64_t quota;      /* and how much it lets through, */
            uint64_t window_s;   /* in so many seconds */
            bool replayed;       /* as REPLY's */
            struct text version; /* the one that it was for; empty: it was for none, or is not said */
        } reject;
        struct {
            uint64_t epoch;
        } pong, beat;
        struct {
            uint32_t count;
        } catalog;
        struct {
            struct text model;
            struct text version;
            uint32_t capacity_rows;
            uint32_t slots;
            uint32_t heartbeat_ms;
            uint32_t pid;
            struct text token;
            uint64_t instance; /* what HEARTBEATs name the worker by; 0: it is mute while it computes */
        } ready;
        struct {
            uint64_t instance; /* READY's; 0: whose connection this is */
        } heartbeat;
        struct {
            uint32_t count;
            uint64_t compute_us;
            struct text failures; /* empty, or `count` bytes of enum failure: see failure_of */
        } result;
        struct {
            uint32_t count;
            uint32_t rows;
            uint64_t time_left_us;
            bool told;         /* the rest stands there: for workers that compute side by side */
            uint8_t priority;  /* of its request: such a worker gets one at a time, or copies */
            struct text tag;   /* likewise, as REQUEST's */
            struct text trace; /* likewise */
        } batch;
        struct {
            struct text message;
        } drain;
    };
};

/* Writes the envelope as msgpack. Returns its length in bytes, 0 when it does not fit `capacity`
 * (PROTOCOL_ENVELOPE_MAX always does for members within their bounds). */
size_t protocol_encode(const struct envelope *envelope, uint8_t *bytes, size_t capacity);

/* Reads one envelope; all of the bytes must belong to it. Returns NULL, or what is wrong as a constant
 * sentence part ("rows is out of bounds"); `envelope` is then unspecified. */
const char *protocol_decode(const uint8_t *bytes, size_t length, struct envelope *envelope);

/* The same for one that stands at the beginning of the bytes: `used` is its length then. */
const char *protocol_decode_first(const uint8_t *bytes, size_t length, struct envelope *envelope,
                                  size_t *used);

/* How many payloads follow the envelope (PROTOCOL.md section 3). */
uint32_t protocol_payload_count(const struct envelope *envelope);

/* True for a model's or version's name: 1 to 128 of A-Z a-z 0-9 . _ -, not starting with a dot. */
bool protocol_name_ok(struct text name);

/* "REQUEST"; "?" for a number that is no verb. */
const char *protocol_verb_name(enum verb verb);
/* Of one payload of a RESULT, by its `failures`. */
static inline enum failure failure_of(struct text failures, size_t index)
{
    return failures.length == 0 ? FAILURE_NONE : (enum failure)(uint8_t)failures.at[index];
}
/* "overloaded"; "internal" for a number that is no failure. */
const char *failure_label(enum failure failure);
/* 503; 500 for a number that is no failure. */
int failure_http_status(enum failure failure);

/* One model version as CATALOG tells it. */
/* The reason of a version of a model that somebody has unloaded: nobody waits for its workers. */
#define CATALOG_UNLOADED "the model is unloaded (outrigger models load)"
enum catalog_state { CATALOG_LOADING, CATALOG_READY, CATALOG_DRAINING, CATALOG_FAILED };
struct catalog_entry {
    struct text model;
    struct text version; /* empty: the model has no version at all */
    enum catalog_state state;
    uint32_t workers; /* ready ones */
    bool stable;
    bool required;      /* the model: a service that lacks it is not ready */
    struct text schema; /* READY's payload; empty while unknown */
    struct text reason; /* why its workers do not start; empty: they do, or nobody has said */
    struct text route;  /* the model's, as JSON (route.h), in the entry of its stable version */
};

/* Bytes that catalog_entry_encode writes at most, for a schema of that length. */
size_t catalog_entry_bound(const struct catalog_entry *entry);
size_t catalog_entry_encode(const struct catalog_entry *entry, uint8_t *bytes, size_t capacity);
const char *catalog_entry_decode(const uint8_t *bytes, size_t length, struct catalog_entry *entry);

#endif
