/* queue: bounded by rows and bytes; ordered by priority, fairly among tenants, by deadline within a tenant.
 *
 * Each model version has one; the broker pushes what route chose, dispatch takes what a worker can have.
 * Limits count rows and not requests, since a request of a thousand rows costs a worker what a thousand
 * requests do.
 *
 * Within a priority the tenants (who asks: an API key; 0 for all who show none) take turns by deficit round
 * robin counted in rows (Shreedhar and Varghese 1995): each turn adds a quantum to what a tenant may take,
 * what it does not use it keeps while it has something waiting, and a request that needs more waits for so
 * many turns. So one that floods waits for itself, and the others hardly notice.
 *
 * One that had nothing waiting, as those who ask little mostly have, need not even wait for the turns of
 * others: it may take some rows before them, as a loan on its own next turns. The debt stays in the ring when
 * nothing else of the tenant does, until it is paid, so that in the long run nobody gets more than with turns
 * alone; it is forgotten when nobody waits. Within a tenant the earliest deadline goes first: what can still
 * be answered in time is. SPDX-License-Identifier: MIT */
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
    int64_t allowance; /* rows that it may take in this turn: the deficit counter; below 0: its debt */
    bool first;        /* in the line's list `first`, else in the ring */
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

static bool has_requests(const struct flow *flow)
{
    return flow->requests.count > 0;
}

static struct flow *new_flow(struct queue *queue, struct line *line, uint64_t tenant)
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
    return flow;
}

static void free_flow(struct flow *flow)
{
    heap_free(&flow->requests);
    free(flow);
}

/* Out of the ring, or of those who go first. */
static void unlink_flow(struct line *line, struct flow *flow)
{
    if (flow->first) {
        DL_DELETE2(line->first, flow, previous, next);
        line->first_count--;
        flow->first = false;
    } else {
        CDL_DELETE2(line->turn, flow, previous, next);
    }
}

/* It has nothing more here, nor a debt. */
static void drop_flow(struct queue *queue, struct line *line, struct flow *flow)
{
    HASH_DEL(line->flows, flow);
    unlink_flow(line, flow);
    if (queue->spare_count == SPARE_MAX) {
        free_flow(flow);
        return;
    }
    flow->next = queue->spare;
    queue->spare = flow;
    queue->spare_count++;
}

/* Nobody waits, so nobody is owed anything. */
static void forget_debts(struct queue *queue, struct line *line)
{
    struct flow *flow, *next;
    HASH_ITER(hh, line->flows, flow, next)
    {
        drop_flow(queue, line, flow);
    }
}

/* ---- loans ---- */

/* How many rows it may owe at most allows these, too. */
static bool is_within_loan(const struct flow *flow, uint32_t rows)
{
    return (flow == NULL ? 0 : flow->allowance) - (int64_t)rows >= -QUEUE_LOAN_ROWS;
}

/* True when a tenant that has nothing waiting, and that flow or none, may take so many rows before all turns.
 */
static bool may_borrow(const struct line *line, const struct flow *flow, uint32_t rows)
{
    size_t in_debt = HASH_COUNT(line->flows) - line->waiting - (flow == NULL ? 0 : 1);
    return line->waiting > 0 && line->first_count + in_debt < QUEUE_LOANS_MAX && is_within_loan(flow, rows);
}

static void put_first(struct line *line, struct flow *flow)
{
    unlink_flow(line, flow);
    flow->allowance = flow->allowance > 0 ? 0 : flow->allowance; /* that was for its turn */
    flow->first = true;
    line->first_count++;
    DL_APPEND2(line->first, flow, previous, next);
}

static void put_into_ring(struct line *line, struct flow *flow)
{
    unlink_flow(line, flow);
    CDL_APPEND2(line->turn, flow, previous, next);
}

/* ---- turns ---- */

static struct request *first_of(const struct flow *flow)
{
    return (struct request *)(void *)((char *)heap_first(&flow->requests) - offsetof(struct request, order));
}

/* How many turns a flow still has to wait; one that only has a debt waits for ever. */
static uint64_t turns_to_wait(const struct flow *flow)
{
    if (!has_requests(flow))
        return UINT64_MAX;
    int64_t missing = first_of(flow)->rows - flow->allowance;
    return missing <= 0 ? 0 : ((uint64_t)missing + QUEUE_QUANTUM_ROWS - 1) / QUEUE_QUANTUM_ROWS;
}

/* The next one has its turn, or what it has of it pays the last of its debt and it is gone. */
static void pass_turn(struct queue *queue, struct line *line)
{
    struct flow *next = line->turn->next;
    next->allowance += QUEUE_QUANTUM_ROWS;
    if (!has_requests(next) && next->allowance >= 0)
        drop_flow(queue, line, next);
    else
        line->turn = next;
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
    if (rounds < 2)
        return;
    CDL_FOREACH2(line->turn, flow, next)
    {
        flow->allowance += (int64_t)(rounds - 1) * QUEUE_QUANTUM_ROWS;
    }
}

/* Moves the turn on to the first that may take its first request. Somebody in the ring must have one. */
static struct flow *whose_turn(struct queue *queue, struct line *line)
{
    size_t round = HASH_COUNT(line->flows);
    while (turns_to_wait(line->turn) > 0) {
        pass_turn(queue, line);
        if (--round > 0)
            continue;
        skip_rounds(line);
        round = HASH_COUNT(line->flows);
    }
    return line->turn;
}

/* Its last request is gone. */
static void emptied(struct queue *queue, struct line *line, struct flow *flow)
{
    bool had_turn = line->turn == flow;
    line->waiting--;
    queue->flows--;
    if (line->waiting == 0) {
        forget_debts(queue, line);
    } else if (flow->allowance < 0) {
        if (flow->first)
            put_into_ring(line, flow);
    } else {
        drop_flow(queue, line, flow);
        if (had_turn && line->turn != NULL)
            line->turn->allowance += QUEUE_QUANTUM_ROWS; /* the next one's */
    }
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
        line->turn = line->first = NULL;
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
    if (priority == PROTOCOL_PRIORITY_JOB && queue->requests > 0)
        return within(queue->rows, rows, queue->max_rows / 2, false) &&
                       within(queue->bytes, bytes, queue->max_bytes / 2, false)
                   ? FAILURE_NONE
                   : FAILURE_OVERLOADED;
    if (within(queue->rows, rows, queue->max_rows, false) &&
        within(queue->bytes, bytes, queue->max_bytes, false))
        return FAILURE_NONE;
    ENSURE(priority < QUEUE_PRIORITIES);
    const struct flow *flow = find_flow(&queue->lines[priority], tenant);
    bool waits = flow != NULL && has_requests(flow);
    uint64_t share = queue->max_rows / (queue->flows + !waits);
    bool below = (waits ? flow->rows : 0) + rows <= share && queue->flows > waits;
    return within(queue->rows, rows, queue->max_rows, below) &&
                   within(queue->bytes, bytes, queue->max_bytes, below)
               ? FAILURE_NONE
               : FAILURE_OVERLOADED;
}

/* What those have who go first. */
static uint64_t rows_first(const struct line *line)
{
    uint64_t rows = 0;
    const struct flow *flow;
    DL_FOREACH2(line->first, flow, next)
    {
        rows += flow->rows;
    }
    return rows;
}

uint64_t queue_rows_ahead(const struct queue *queue, uint64_t tenant, uint8_t priority, uint32_t rows)
{
    ENSURE(priority < QUEUE_PRIORITIES);
    const struct line *line = &queue->lines[priority];
    const struct flow *flow = find_flow(line, tenant);
    bool waits = flow != NULL && has_requests(flow);
    uint64_t own = waits ? flow->rows : 0;
    uint64_t debt = flow == NULL || flow->allowance > 0 ? 0 : (uint64_t)-flow->allowance;
    uint64_t others = line->rows - own;
    uint64_t turns = (debt + own + rows + QUEUE_QUANTUM_ROWS - 1) / QUEUE_QUANTUM_ROWS * QUEUE_QUANTUM_ROWS;
    uint64_t overtaking = (line->waiting - waits) * turns;
    if (!waits && may_borrow(line, flow, rows))
        overtaking = rows_first(line);
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
    bool waits = flow != NULL && has_requests(flow);
    bool borrows = !waits && may_borrow(line, flow, request->rows);
    if (flow == NULL)
        flow = new_flow(queue, line, request->tenant);
    if (!waits) {
        if (borrows)
            put_first(line, flow);
        line->waiting++;
        queue->flows++;
    }
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
    if (!has_requests(flow))
        emptied(queue, line, flow);
}

static struct flow *next_flow(struct queue *queue)
{
    for (size_t i = QUEUE_PRIORITIES; i-- > 0;) {
        struct line *line = &queue->lines[i];
        /* One whose next request is more than it may borrow goes where it has turns. */
        while (line->first != NULL && !is_within_loan(line->first, first_of(line->first)->rows))
            put_into_ring(line, line->first);
        if (line->first != NULL)
            return line->first;
        if (line->waiting > 0)
            return whose_turn(queue, line);
    }
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
        if (count > 0 && (request->alone || (uint64_t)*rows + request->rows > max_rows ||
                          request_is_job(request) != request_is_job(taken[0])))
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

uint64_t queue_rows_together(const struct queue *queue)
{
    uint64_t jobs = queue->lines[PROTOCOL_PRIORITY_JOB].rows;
    return queue->rows > jobs ? queue->rows - jobs : jobs;
}

uint64_t queue_rows_first(const struct queue *queue)
{
    for (size_t i = QUEUE_PRIORITIES; i-- > 0;)
        if (queue->lines[i].waiting > 0)
            return rows_first(&queue->lines[i]);
    return 0;
}

int64_t queue_oldest(const struct queue *queue)
{
    return queue->arrivals == NULL ? INT64_MAX : queue->arrivals->arrived_at;
}
