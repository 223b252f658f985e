/* version: what is known of one version, asked by whoever needs it: whether it can answer, when a worker of
 * it should get the next batch and how large that is, how long what waits will wait (serving.c, asking.c,
 * limiting.c, gauges.c, admin.c); and what its workers say of it (broker.c, admin.c). model.c makes it and
 * owns its memory. SPDX-License-Identifier: MIT */
#include "model.h"

#include "clock.h"

#include <stdlib.h>
#include <utlist.h>

/* A busy worker gets its next batch so long before it has probably done the one that it has: the way there,
 * with all that the broker may be doing first, and by how much the estimate may be wrong. */
#define AHEAD       (2 * MILLISECOND)
#define AHEAD_SHARE 8 /* and an eighth of what the batch takes */

/* ---- whether it can answer ---- */

enum catalog_state version_workers_state(const struct version *version)
{
    if (version->worker_count == 0) {
        bool rests = version->model->may_rest && version->expected && version->schema != NULL;
        return version->failed ? CATALOG_FAILED : rests ? CATALOG_READY : CATALOG_LOADING;
    }
    const struct worker *worker;
    DL_FOREACH2(version->workers, worker, next)
    {
        if (worker->state != WORKER_DRAINING)
            return CATALOG_READY;
    }
    return CATALOG_DRAINING;
}

enum catalog_state version_state(const struct version *version)
{
    enum catalog_state state = version_workers_state(version);
    return state == CATALOG_READY && version->lacks[0] != '\0' ? CATALOG_LOADING : state;
}

/* ---- its workers and their batches ---- */

int64_t version_due(const struct version *version, const struct worker *worker)
{
    if (worker->in_flight == 0 || worker_is_concurrent(worker))
        return INT64_MIN;
    int64_t took = cost_of_batch(&version->cost, worker->batches[0].rows);
    return worker_began(worker) + took - took / AHEAD_SHARE - AHEAD;
}

int64_t version_busy(const struct version *version, int64_t now)
{
    int64_t busy = version->busy;
    const struct worker *worker;
    DL_FOREACH2(version->workers, worker, next)
    {
        if (worker->in_flight > 0 && now > worker_began(worker))
            busy += now - worker_began(worker);
    }
    return busy;
}

int64_t version_wait(const struct version *version)
{
    return cost_of_rows(&version->cost, version->queue.rows, version_batch_rows(version),
                        version->worker_count);
}

size_t version_free_workers(const struct version *version, int64_t now, struct worker **first)
{
    size_t count = 0;
    int64_t earliest = INT64_MAX;
    *first = NULL;
    struct worker *worker;
    DL_FOREACH2(version->workers, worker, next)
    {
        if (!worker_free_slot(worker))
            continue;
        int64_t due = version_due(version, worker);
        count += due <= now;
        if (*first != NULL && due >= earliest)
            continue;
        *first = worker;
        earliest = due;
    }
    return count;
}

/* ---- what its workers say ---- */

/* What the first of its workers measured is better than nothing. */
static void expect_costs(struct version *version, const struct schema_cost *costs, size_t count)
{
    sizing_expect(&version->sizing, costs, count, version->model->rule.max_batch_rows);
    if (cost_known(&version->cost))
        return;
    for (size_t i = 0; i < count; i++)
        cost_learn(&version->cost, costs[i].rows, costs[i].us * MICROSECOND);
}

static void take_parts(struct version *version)
{
    struct schema_part parts[SCHEMA_PARTS_MAX];
    version->part_count = schema_find_parts(version->schema, version->schema_length, parts);
    free(version->parts);
    version->parts = NULL;
    if (version->part_count == 0)
        return;
    version->parts = object_alloc(version->part_count * sizeof *parts);
    memcpy(version->parts, parts, version->part_count * sizeof *parts);
}

void version_set_schema(struct version *version, struct text schema)
{
    struct schema_cost costs[SCHEMA_COSTS_MAX];
    size_t length = schema.length;
    uint8_t *bytes = object_alloc(length);
    memcpy(bytes, schema.at, length);
    size_t count = schema_take_costs(bytes, &length, costs);
    bool changed =
        version->schema_length != length || (length > 0 && memcmp(version->schema, bytes, length) != 0);
    if (changed)
        version->sizing = (struct sizing){0}; /* that was another model */
    expect_costs(version, costs, count);
    free(version->schema);
    version->schema = bytes;
    version->schema_length = length;
    take_parts(version);
    if (!changed)
        return;
    cache_empty(version->model->cache, version); /* those were answers of another model */
    model_settle_arms(version->model);
}

void version_set_fault(struct version *version, struct text reason, bool all)
{
    size_t length = reason.length;
    if (length > PROTOCOL_TEXT_MAX) /* not within a character of UTF-8 */
        for (length = PROTOCOL_TEXT_MAX; length > 0 && ((unsigned char)reason.at[length] & 0xc0) == 0x80;)
            length--;
    text_copy((struct text){reason.at, length}, version->reason, sizeof version->reason);
    version->failed = all;
}
