/* yielding: see yielding.h.
 *
 * In the queue a client goes before every job; what is in the hands of workers can no longer be overtaken. So
 * while clients come, jobs have one worker less than there are, if there are several, and with each of theirs
 * one batch and not two, which is short where that is to be had. A job's requests are small (scorer.c), so
 * that a batch can be. While no clients come, jobs are treated as clients are: nothing is kept for nobody.
 * SPDX-License-Identifier: MIT */
#include "yielding.h"

#include "clock.h"

#include <utlist.h>

/* Who came so long ago has probably gone. */
#define LATELY (2 * SECOND)
/* What a batch of a job may take then: less than what a request costs on its way through all processes. */
#define SHORT (250 * MICROSECOND)

bool yielding_is_called_for(const struct version *version, int64_t now)
{
    return version->clients_at != 0 && now - version->clients_at < LATELY;
}

/* Batches of clients go to workers that jobs have nothing with: those are not kept free, but used. */
static bool has_job(const struct worker *worker)
{
    for (uint32_t i = 0; i < worker->in_flight; i++)
        if (!batch_is_copies(&worker->batches[i]) && request_is_job(worker->batches[i].requests[0]))
            return true;
    return false;
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
        with_job += has_job(worker);
        if (worker->in_flight > 0 || !worker_free_slot(worker))
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
    if (!yielding_is_called_for(version, now) || !cost_known(&version->cost))
        return rows;
    while (rows > 1 && cost_of_batch(&version->cost, rows) > SHORT)
        rows /= 2;
    return rows;
}
