/* queue: bounded by rows and bytes; ordered by priority, fairly among tenants, by deadline within a tenant.
 *
 * Each model version has one; the broker pushes what route chose, dispatch takes what a worker can have.
 * Limits count rows and not requests, since a request of a thousand rows costs a worker what a thousand
 * requests do.
 *
 * Within a priority the tenants (who asks: an API key; 0 for all who show none) take turns by deficit round
 * robin counted in rows (Shreedhar and Varghese 1995): each turn adds a quantum to what a tenant may take,
 * what it does not use it keeps while it has something waiting, and a request that needs more waits for so
 * many turns. So one that floods waits for itself, and the others hardly notice. Within a tenant the earliest
 * deadline goes first: what can still be answered in time is. SPDX-License-Identifier: MIT */
#include "queue.h"

#include <stdlib.h>
#include <utlist.h>

enum { SPARE_MAX = 64 }; /* flows that are kept for the next tenant: one comes and goes with each request */

/* Deadlines are compared to 65 us; in the bits below stands the order of arrival. */
#define ORDER_BITS 16
/* What was put back comes before every deadline, and the one put back last first. */
#define BEFORE_ALL (INT64_MIN / 2)

/* What one tenant has waiting in one line. */
struct flow {
    uint64_t tenant;
    struct heap requests;
    uint64_t rows;
    uint64_t allowance; /* rows that it may take in this turn: the deficit counter */
    struct flow *previous, *next;
    UT_hash_handle hh;
};

/* ---- flows ---- */

static struct line *line_of(struct queue *queue, uint8_t priority)
{
    ENSURE(priority < QUEUE_PRIORITIES);
    return &queue->lines[priority];
}

static struct flow *find_flow(const struct line *line, uint64_t tenant)
{
    struct flow *flow;
    HASH_FIND(hh, line->flows, &tenant, sizeof tenant, flow);
    return flow;
}

static struct flow *add_flow(struct queue *queue, struct line *line, uint64_t tenant)
{
    struct flow *flow = queue->spare;
    if (flow == NULL) {
        flow = object_alloc(sizeof *flow);
    } else {
        queue->spare = flow->next;
        queue->spare_count--;
    }
    flow->tenant = tenant;
    flow->allowance = line->turn == NULL ? QUEUE_QUANTUM_ROWS : 0;
    HASH_ADD(hh, line->flows, tenant, sizeof flow->tenant, flow);
    CDL_APPEND2(line->turn, flow, previous, next);
    queue->flows++;
    return flow;
}

static void free_flow(struct flow *flow)
{
    heap_free(&flow->requests);
    free(flow);
}

static void give_turn(struct line *line, struct flow *flow)
{
    line->turn = flow;
    flow->allowance += QUEUE_QUANTUM_ROWS;
}

/* It has nothing more here. */
static void remove_flow(struct queue *queue, struct line *line, struct flow *flow)
{
    struct flow *heir = line->turn == flow && flow->next != flow ? flow->next : NULL;
    HASH_DEL(line->flows, flow);
    CDL_DELETE2(line->turn, flow, previous, next);
    if (heir != NULL)
        give_turn(line, heir);
    queue->flows--;
    if (queue->spare_count == SPARE_MAX) {
        free_flow(flow);
        return;
    }
    flow->next = queue->spare;
    queue->spare = flow;
    queue->spare_count++;
}

static struct request *first_of(const struct flow *flow)
{
    return (struct request *)(void *)((char *)heap_first(&flow->requests) - offsetof(struct request, order));
}

/* How many turns a flow still has to wait. */
static uint64_t turns_to_wait(const struct flow *flow)
{
    uint64_t rows = first_of(flow)->rows;
    return rows <= flow->allowance ? 0
                                   : (rows - flow->allowance + QUEUE_QUANTUM_ROWS - 1) / QUEUE_QUANTUM_ROWS;
}

/* Nobody may take what it wants within the next round: the rounds in which nothing would happen are had at
 * once. */
static void skip_rounds(struct line *line)
{
    uint64_t rounds = UINT64_MAX;
    struct flow *flow;
    CDL_FOREACH2(line->turn, flow, next)
    {
        if (turns_to_wait(flow) < rounds)
            rounds = turns_to_wait(flow);
    }
    CDL_FOREACH2(line->turn, flow, next)
    {
        flow->allowance += (rounds - 1) * QUEUE_QUANTUM_ROWS;
    }
}

/* Moves the turn on to the first that may take its first request. */
static struct flow *whose_turn(struct line *line)
{
    const struct flow *begin = line->turn;
    while (turns_to_wait(line->turn) > 0) {
        give_turn(line, line->turn->next);
        if (line->turn == begin && turns_to_wait(line->turn) > 0)
            skip_rounds(line);
    }
    return line->turn;
}

void queue_free(struct queue *queue)
{
    for (size_t i = 0; i < QUEUE_PRIORITIES; i++) {
        struct line *line = &queue->lines[i];
        struct flow *flow, *next;
        HASH_ITER(hh, line->flows, flow, next)
        {
            HASH_DEL(line->flows, flow);
            free_flow(flow);
        }
        line->turn = NULL;
    }
    while (queue->spare != NULL) {
        struct flow *flow = queue->spare;
        queue->spare = flow->next;
        free_flow(flow);
    }
}

/* ---- admission ---- */

/* True when `used` and `more` stay within the bound, or within what is kept for those below their share. */
static bool within(uint64_t used, uint64_t more, uint64_t bound, bool below_share)
{
    if (below_share)
        bound += bound / 4;
    return used <= bound && more <= bound - used;
}

enum failure queue_admits(const struct queue *queue, uint64_t tenant, uint8_t priority, uint32_t rows,
                          size_t bytes)
{
    if (rows > queue->max_rows || bytes > queue->max_bytes)
        return FAILURE_TOO_LARGE;
    if (within(queue->rows, rows, queue->max_rows, false) &&
        within(queue->bytes, bytes, queue->max_bytes, false))
        return FAILURE_NONE;
    ENSURE(priority < QUEUE_PRIORITIES);
    const struct flow *flow = find_flow(&queue->lines[priority], tenant);
    uint64_t share = queue->max_rows / (queue->flows + (flow == NULL));
    bool below = (flow == NULL ? 0 : flow->rows) + rows <= share && queue->flows > (flow != NULL);
    return within(queue->rows, rows, queue->max_rows, below) &&
                   within(queue->bytes, bytes, queue->max_bytes, below)
               ? FAILURE_NONE
               : FAILURE_OVERLOADED;
}

uint64_t queue_rows_ahead(const struct queue *queue, uint64_t tenant, uint8_t priority, uint32_t rows)
{
    ENSURE(priority < QUEUE_PRIORITIES);
    const struct line *line = &queue->lines[priority];
    const struct flow *flow = find_flow(line, tenant);
    uint64_t own = flow == NULL ? 0 : flow->rows;
    uint64_t others = line->rows - own;
    uint64_t turns = (own + rows + QUEUE_QUANTUM_ROWS - 1) / QUEUE_QUANTUM_ROWS * QUEUE_QUANTUM_ROWS;
    uint64_t overtaking = (HASH_COUNT(line->flows) - (flow != NULL)) * turns;
    uint64_t ahead = own + (others < overtaking ? others : overtaking);
    for (size_t i = (size_t)priority + 1; i < QUEUE_PRIORITIES; i++)
        ahead += queue->lines[i].rows;
    return ahead;
}

/* ---- in and out ---- */

static void insert(struct queue *queue, struct request *request, int64_t order)
{
    struct line *line = line_of(queue, request->priority);
    struct flow *flow = find_flow(line, request->tenant);
    if (flow == NULL)
        flow = add_flow(queue, line, request->tenant);
    heap_set(&flow->requests, &request->order, order);
    flow->rows += request->rows;
    line->rows += request->rows;
    queue->rows += request->rows;
    queue->bytes += request->bytes;
    queue->requests++;
}

void queue_push(struct queue *queue, struct request *request)
{
    const int64_t low = (INT64_C(1) << ORDER_BITS) - 1;
    DL_APPEND2(queue->arrivals, request, previous, next);
    insert(queue, request, (request->deadline.at & ~low) | (queue->pushed++ & low));
}

static int by_arrival(const struct request *one, const struct request *other)
{
    return (one->arrived_at > other->arrived_at) - (one->arrived_at < other->arrived_at);
}

void queue_push_front(struct queue *queue, struct request *request)
{
    /* It is older than nearly all: its place is found at once. */
    DL_INSERT_INORDER2(queue->arrivals, request, by_arrival, previous, next);
    insert(queue, request, BEFORE_ALL - queue->put_back++);
}

void queue_remove(struct queue *queue, struct request *request)
{
    struct line *line = line_of(queue, request->priority);
    struct flow *flow = find_flow(line, request->tenant);
    ENSURE(flow != NULL);
    DL_DELETE2(queue->arrivals, request, previous, next);
    heap_remove(&flow->requests, &request->order);
    flow->rows -= request->rows;
    line->rows -= request->rows;
    queue->rows -= request->rows;
    queue->bytes -= request->bytes;
    queue->requests--;
    if (flow->requests.count == 0)
        remove_flow(queue, line, flow);
}

static struct flow *next_flow(struct queue *queue)
{
    for (size_t i = QUEUE_PRIORITIES; i-- > 0;)
        if (queue->lines[i].turn != NULL)
            return whose_turn(&queue->lines[i]);
    return NULL;
}

struct request *queue_head(struct queue *queue)
{
    struct flow *flow = queue->requests == 0 ? NULL : next_flow(queue);
    return flow == NULL ? NULL : first_of(flow);
}

size_t queue_take(struct queue *queue, uint32_t max_rows, size_t max_count, struct request **taken,
                  uint32_t *rows)
{
    size_t count = 0;
    struct flow *flow;
    *rows = 0;
    while (count < max_count && queue->requests > 0 && (flow = next_flow(queue)) != NULL) {
        struct request *request = first_of(flow);
        if (count > 0 && (request->alone || (uint64_t)*rows + request->rows > max_rows))
            break;
        flow->allowance -= request->rows;
        queue_remove(queue, request);
        taken[count++] = request;
        *rows += request->rows;
        if (request->alone)
            break;
    }
    return count;
}

int64_t queue_oldest(const struct queue *queue)
{
    return queue->arrivals == NULL ? INT64_MAX : queue->arrivals->arrived_at;
}
