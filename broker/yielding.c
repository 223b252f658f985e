/* yielding: see yielding.h.
 *
 * In the queue a client goes before every job; what is in the hands of workers can no longer be overtaken. So
 * while clients come, one worker is left to them, if there are several, and none of the others has two
 * batches of jobs. A worker that is the only one gets short ones, so that a client waits for half as long
 * again as his own request takes, or for what he does not notice beside the way through all processes. A
 * job's requests are small (scorer.c), so that a batch can be. While no clients come, jobs are treated as
 * clients are: nothing is kept for nobody. SPDX-License-Identifier: MIT */
#include "yielding.h"

#include "clock.h"

#include <utlist.h>

/* Who came so long ago has probably gone. */
#define LATELY (2 * SECOND)
/* What a batch of a job may take beside half of what a client's takes. */
#define SHORT (250 * MICROSECOND)

int64_t yielding_until(const struct version *version)
{
    return version->clients_at == 0 ? 0 : version->clients_at + LATELY;
}

bool yielding_is_called_for(const struct version *version, int64_t now)
{
    return now < yielding_until(version);
}

/* Batches of clients go to workers that jobs have nothing with: those are not kept free, but used. */
static bool has_job(const struct worker *worker)
{
    for (uint32_t i = 0; i < worker->in_flight; i++)
        if (!batch_is_copies(&worker->batches[i]) && request_is_job(worker->batches[i].requests[0]))
            return true;
    return false;
}

/* One that computes side by side leaves half of its slots to clients: what it asks for a job yields in the
 * queues of the models that it asks. */
static bool may_take_job(const struct worker *worker)
{
    if (!worker_free_slot(worker))
        return false;
    return worker->in_flight == 0 || (worker_is_concurrent(worker) && worker->in_flight < worker->slots / 2);
}

size_t yielding_free_workers(const struct version *version, int64_t now, struct worker **first)
{
    if (!yielding_is_called_for(version, now))
        return version_free_workers(version, now, first);
    size_t taking = 0, with_job = 0, idle = 0;
    struct worker *worker;
    *first = NULL;
    DL_FOREACH2(version->workers, worker, next)
    {
        taking += worker->state != WORKER_DRAINING;
        with_job += !worker_is_concurrent(worker) && has_job(worker);
        if (!may_take_job(worker))
            continue;
        idle++;
        if (*first == NULL)
            *first = worker;
    }
    size_t most = taking > 1 ? taking - 1 : 1;
    size_t left = most > with_job ? most - with_job : 0;
    if (left == 0)
        *first = NULL;
    return idle < left ? idle : left;
}

uint32_t yielding_rows(const struct version *version, uint32_t rows, int64_t now)
{
    if (!yielding_is_called_for(version, now) || version->worker_count > 1)
        return rows;
    int64_t most = SHORT + cost_of_batch(&version->cost, 1) / 2;
    while (rows > 1 && cost_of_batch(&version->cost, rows) > most)
        rows /= 2;
    return rows;
}
