/* request: one prediction request while the broker has it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REQUEST_H
#define OUTRIGGER_REQUEST_H

#include "copies.h"
#include "heap.h"
#include "limit.h"
#include "port.h"

#include <uthash.h>

/*            +--------------------- its worker died ---+
 *            v                                         |
 *   new -> QUEUED -- dispatched --> SENT -- answered --> (freed)
 *    |       |                        |
 *    |       | deadline, cancel       | deadline, cancel
 *    |       v                        v
 *    |    (freed)                  ABANDONED -- its batch came back or died --> (freed)
 *    |
 *    +-> FOLLOWING, an identical one -- that was answered, deadline, cancel --> (freed)
 *
 * One that is followed and ends before its answer came stays what it is, in the name of its first follower
 * (request_swap). */
enum request_state { REQUEST_QUEUED, REQUEST_SENT, REQUEST_ABANDONED, REQUEST_FOLLOWING };

struct request_key {
    uint64_t id; /* the asker's */
    struct peer asker;
};

_Static_assert(sizeof(struct request_key) == sizeof(uint64_t) + sizeof(struct peer),
               "hashed whole: no padding");

struct version;
struct cache_entry;
struct idempotency_entry;

struct request {
    unsigned magic;
    enum request_state state;
    struct heap_node deadline; /* in the broker's heap unless ABANDONED */
    struct request_key key;
    struct version *version;
    uint32_t rows;
    size_t bytes; /* of its payload */
    uint8_t priority;
    bool named;             /* its version was asked for by name: no other may answer */
    uint64_t tenant;        /* who asks */
    struct heap_node order; /* among those of its tenant, while QUEUED */
    uint8_t kills;          /* workers that died of it, having nothing else in hand */
    bool alone;             /* a worker died that had it and others: never again in company */
    int64_t arrived_at;     /* monotonic ns */
    int64_t sent_at;
    int64_t expected_at;    /* of one that may be followed: when it is probably answered */
    struct limit_rest rest; /* what its answer tells of its rate limits */
    char tag[72];           /* the request id that people see, cut */
    bool traced;            /* its asker said where it stands in a trace: */
    uint8_t trace[PROTOCOL_TRACE_BYTES];
    struct payload payload;          /* none while FOLLOWING */
    struct copies *copies;           /* shadow.c: those that it stands for; NULL: it is somebody's request */
    struct cache_entry *entry;       /* cache.h: what it leads or follows; NULL: nothing */
    struct idempotency_entry *once;  /* idempotency.h: the name that it holds; NULL: none */
    struct request *previous, *next; /* in its queue by arrival, among followers, in the table's free list */
    UT_hash_handle hh;
};

/* It has time: nobody waits for it as clients do. */
static inline bool request_is_job(const struct request *request)
{
    return request->priority == PROTOCOL_PRIORITY_JOB;
}

/* All requests that the broker holds, by key, and the memory for them (reused, never returned). */
struct request_table;
struct request_table *request_table_new(size_t limit);
void request_table_free(struct request_table *table);
/* A new QUEUED request with that key, which must not be open; NULL when the limit is reached. */
struct request *request_new(struct request_table *table, const struct request_key *key);
struct request *request_find(struct request_table *table, const struct request_key *key);
/* Closes its payloads, too. */
void request_free(struct request_table *table, struct request *request);
size_t request_count(const struct request_table *table);
/* The two change places: key, tag, trace and rest, and whether the version was asked for by name, go to the
 * other one; all else stays. */
void request_swap(struct request_table *table, struct request *left, struct request *right);
/* The same asker says that it is another: its key, which must not be open, is the request's from now on. */
void request_rename(struct request_table *table, struct request *request, const struct request_key *key);
/* How many places are taken: open requests, and ABANDONED ones. */
size_t request_held(const struct request_table *table);
/* Calls `each` for every open request; it must not end any. */
typedef void request_visit(void *self, const struct request *request);
void request_each(const struct request_table *table, request_visit *each, void *self);
/* SENT -> ABANDONED: nobody waits for it; its key may be used again at once. */
void request_abandon(struct request_table *table, struct request *request);

#endif
