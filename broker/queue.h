/* queue: the requests of one model version that wait for a worker. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_QUEUE_H
#define OUTRIGGER_QUEUE_H

#include "request.h"

enum {
    QUEUE_PRIORITIES = 10,
    QUEUE_QUANTUM_ROWS = 16, /* what a tenant may take in its turn, before it is the next one's */
    QUEUE_LOAN_ROWS = 128,   /* what one that had nothing waiting may take before all turns */
    QUEUE_LOANS_MAX = 64,    /* tenants of a line who may have such a loan at a time */
};

struct flow;

/* Those of one priority. */
struct line {
    struct flow *flows; /* by tenant: those who have something here, or a debt */
    struct flow *turn;  /* whose turn it is; the others follow in a ring */
    struct flow *first; /* those who are before all turns, and not in the ring; in order */
    size_t first_count;
    size_t waiting; /* flows that have something here */
    uint64_t rows;
};

/* Zeroed but for the bounds = empty. */
struct queue {
    struct line lines[QUEUE_PRIORITIES];
    struct request *arrivals; /* all of them, the oldest first */
    struct flow *spare;       /* used again */
    size_t spare_count;
    uint64_t rows;
    uint64_t bytes;
    size_t requests;
    size_t flows; /* in all lines, that have something there */
    uint64_t max_rows;
    uint64_t max_bytes;
    int64_t pushed; /* how many ever were: keeps those of one deadline in their order */
    int64_t put_back;
};

/* Gives back the memory; the requests are their owner's. */
void queue_free(struct queue *queue);

/* FAILURE_NONE when a request of that size may come in, OVERLOADED when it must come later, TOO_LARGE when it
 * never fits. A quarter more than the bounds is kept for tenants that have less than their share of the rows:
 * however full others make the queue, they still come in. Jobs come in until half of it is taken, or when
 * nothing is. */
enum failure queue_admits(const struct queue *queue, uint64_t tenant, uint8_t priority, uint32_t rows,
                          size_t bytes);
/* How many rows will be taken before the last of `rows` new ones of that tenant: those of higher priorities,
 * and of the same priority what the tenant has, and of each other tenant as much at most; for one that may go
 * before all turns, only what others have there. */
uint64_t queue_rows_ahead(const struct queue *queue, uint64_t tenant, uint8_t priority, uint32_t rows);

/* Among the requests of its priority and tenant the one whose deadline is the earliest comes first (to 65 us;
 * the order of arrival within that). `request->deadline.at` must be set. */
void queue_push(struct queue *queue, struct request *request);
/* Puts back, before all others of its tenant, what was taken before: a retry does not wait again. Not
 * bounded: it was admitted once. */
void queue_push_front(struct queue *queue, struct request *request);
void queue_remove(struct queue *queue, struct request *request);
/* Takes, highest priority first, and of it those who go first and then the tenants in turn, as many requests
 * as fit `max_rows` rows and `max_count`, at least one when there is any (it may alone be larger). A request
 * that must be alone ends the batch before it, or is the batch; those of jobs are never together with others,
 * whose answers would take longer for it. Returns how many; *rows = their sum. */
size_t queue_take(struct queue *queue, uint32_t max_rows, size_t max_count, struct request **taken,
                  uint32_t *rows);
/* Rows of those that may go together next: what somebody waits for, if any of it is there, else those of
 * jobs.
 */
uint64_t queue_rows_together(const struct queue *queue);
/* How many rows those have who will be taken before all turns. */
uint64_t queue_rows_first(const struct queue *queue);
/* When the oldest request arrived (monotonic ns); INT64_MAX when none waits. */
int64_t queue_oldest(const struct queue *queue);
/* The request that would be taken next, NULL when none waits. Who has the turn may change. */
struct request *queue_head(struct queue *queue);

#endif
