/* pool: who computes, and what they have in hand.
 *
 * serving.c adds a worker at READY; losing.c removes it at BYE, at a death told by the supervisor, or when
 * worker_failing says so. A worker is judged by its heartbeats, which come from a thread of their own and
 * say that the process runs, and by its batch's own time, which says that it gets somewhere. One that has no
 * such thread (instance 0) is mute while it computes and then judged by its batch alone. A result counts
 * only for a batch that this very worker has (worker_batch), so a late answer of one that was given up cannot
 * be taken for another's. SPDX-License-Identifier: MIT */
#include "pool.h"

#include <stdlib.h>

enum { POOL_MAGIC = 0x09001001, WORKER_MAGIC = 0x09001002 };

struct pool {
    unsigned magic;
    struct worker *workers;   /* by peer */
    struct worker *instances; /* those that have one, by it */
};

const char *worker_state_name(enum worker_state state)
{
    static const char *const names[WORKER_STATES] = {
        [WORKER_IDLE] = "idle", [WORKER_BUSY] = "busy", [WORKER_DRAINING] = "draining"};
    return names[state];
}

struct pool *pool_new(void)
{
    struct pool *pool = object_alloc(sizeof *pool);
    pool->magic = POOL_MAGIC;
    return pool;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    CHECK_OBJECT(pool, POOL_MAGIC);
    struct worker *worker, *next;
    HASH_ITER(hh, pool->workers, worker, next)
    {
        pool_remove(pool, worker);
    }
    pool->magic = 0;
    free(pool);
}

size_t pool_count(const struct pool *pool)
{
    return HASH_COUNT(pool->workers);
}

struct worker *pool_add(struct pool *pool, const struct peer *peer, struct version *version)
{
    CHECK_OBJECT(pool, POOL_MAGIC);
    if (HASH_COUNT(pool->workers) >= POOL_WORKERS_MAX)
        return NULL;
    struct worker *worker = object_alloc(sizeof *worker);
    worker->magic = WORKER_MAGIC;
    worker->peer = *peer;
    worker->version = version;
    pool_set_slots(worker, 1);
    HASH_ADD(hh, pool->workers, peer, sizeof worker->peer, worker);
    return worker;
}

void pool_set_slots(struct worker *worker, uint32_t slots)
{
    CHECK_OBJECT(worker, WORKER_MAGIC);
    ENSURE(slots >= worker->slots && slots <= PROTOCOL_SLOTS_MAX);
    worker->batches = reallocarray(worker->batches, slots, sizeof *worker->batches);
    ENSURE(worker->batches != NULL);
    for (; worker->slots < slots; worker->slots++)
        worker->batches[worker->slots] = (struct batch){0};
}

struct worker *pool_find(struct pool *pool, const struct peer *peer)
{
    struct worker *worker;
    HASH_FIND(hh, pool->workers, peer, sizeof *peer, worker);
    return worker;
}

void pool_name(struct pool *pool, struct worker *worker, uint64_t instance)
{
    CHECK_OBJECT(worker, WORKER_MAGIC);
    ENSURE(worker->instance == 0 && pool_find_instance(pool, instance) == NULL);
    worker->instance = instance;
    if (instance != 0)
        HASH_ADD(by_instance, pool->instances, instance, sizeof instance, worker);
}

struct worker *pool_find_instance(struct pool *pool, uint64_t instance)
{
    struct worker *worker;
    HASH_FIND(by_instance, pool->instances, &instance, sizeof instance, worker);
    return worker;
}

struct worker *pool_find_pid(struct pool *pool, uint32_t pid)
{
    struct worker *found = NULL;
    for (struct worker *worker = pool->workers; worker != NULL; worker = worker->hh.next)
        if (worker->pid == pid && !worker->remote && (found == NULL || worker->pass != 0))
            found = worker;
    return found;
}

void pool_remove(struct pool *pool, struct worker *worker)
{
    CHECK_OBJECT(worker, WORKER_MAGIC);
    HASH_DEL(pool->workers, worker);
    if (worker->instance != 0)
        HASH_DELETE(by_instance, pool->instances, worker);
    for (size_t i = 0; i < worker->slots; i++)
        free(worker->batches[i].requests);
    free(worker->batches);
    worker->magic = 0;
    free(worker);
}

void pool_each(struct pool *pool, pool_visit *each, void *self)
{
    struct worker *worker, *next;
    HASH_ITER(hh, pool->workers, worker, next)
    {
        each(self, worker);
    }
}

bool worker_free_slot(const struct worker *worker)
{
    return worker->state != WORKER_DRAINING && worker->in_flight < worker->slots &&
           (worker->in_flight == 0 || !worker->batches[0].alone);
}

struct batch *worker_assign(struct worker *worker, uint64_t batch_id, struct request *const *requests,
                            size_t count, uint32_t rows, int64_t now, int64_t overdue_at)
{
    CHECK_OBJECT(worker, WORKER_MAGIC);
    ENSURE(worker_free_slot(worker) && count > 0);
    struct batch *batch = &worker->batches[worker->in_flight++];
    if (batch->capacity < count) {
        batch->requests = realloc(batch->requests, count * sizeof(struct request *));
        ENSURE(batch->requests != NULL);
        batch->capacity = count;
    }
    memcpy(batch->requests, requests, count * sizeof(struct request *));
    batch->id = batch_id;
    batch->sent_at = now;
    batch->overdue_at = overdue_at;
    batch->rows = rows;
    batch->count = count;
    batch->alone = requests[0]->alone;
    worker->state = WORKER_BUSY;
    return batch;
}

struct batch *worker_batch(struct worker *worker, uint64_t batch_id)
{
    for (uint32_t i = 0; i < worker->in_flight; i++)
        if (worker->batches[i].id == batch_id)
            return &worker->batches[i];
    return NULL;
}

bool batch_is_copies(const struct batch *batch)
{
    return batch->requests[0]->copies != NULL;
}

size_t batch_payloads(const struct batch *batch)
{
    return batch_is_copies(batch) ? batch->requests[0]->copies->count : batch->count;
}

bool worker_has_requests(const struct worker *worker)
{
    for (uint32_t i = 0; i < worker->in_flight; i++)
        if (!batch_is_copies(&worker->batches[i]))
            return true;
    return false;
}

int64_t worker_began(const struct worker *worker)
{
    ENSURE(worker->in_flight > 0);
    int64_t sent_at = worker->batches[0].sent_at;
    return sent_at > worker->result_at ? sent_at : worker->result_at;
}

void worker_release(struct worker *worker, struct batch *batch)
{
    size_t index = (size_t)(batch - worker->batches);
    ENSURE(index < worker->in_flight);
    struct batch released = *batch; /* its array of requests stays for reuse, behind the batches in flight */
    worker->in_flight--;
    for (size_t i = index; i < worker->in_flight; i++)
        worker->batches[i] = worker->batches[i + 1];
    released.count = 0;
    worker->batches[worker->in_flight] = released;
    if (worker->in_flight == 0 && worker->state == WORKER_BUSY)
        worker->state = WORKER_IDLE;
}

void worker_drain(struct worker *worker)
{
    worker->state = WORKER_DRAINING;
}

void worker_forgive(struct worker *worker, int64_t nanoseconds)
{
    worker->heard_at += nanoseconds;
    for (uint32_t i = 0; i < worker->in_flight; i++)
        worker->batches[i].overdue_at += nanoseconds;
}

const char *worker_failing(const struct worker *worker, int64_t now)
{
    if (worker->in_flight > 0 && now >= worker->batches[0].overdue_at)
        return "overdue";
    bool mute = worker->in_flight > 0 && worker->instance == 0;
    return !mute && now - worker->heard_at >= worker->silence ? "silent" : NULL;
}
