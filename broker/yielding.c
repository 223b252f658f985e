/* yielding: see yielding.h.
 *
 * In the queue a client goes before every job; what is in the hands of workers can no longer be overtaken. So
 * while clients come, no worker has two batches of jobs, and one of the workers, or the only one, gets short
 * ones: a client waits there for half as long again as his own request takes, or for what he does not notice
 * beside the way through all processes. The others compute as large ones as ever, for that is what makes them
 * quick. A job's requests are small (scorer.c), so that a batch can be. While no clients come, jobs are
 * treated as clients are: nothing is kept for nobody. SPDX-License-Identifier: MIT */
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

/* Rows of a short batch, at most `rows`. */
static uint32_t short_rows(const struct version *version, uint32_t rows)
{
    int64_t most = SHORT + cost_of_batch(&version->cost, 1) / 2;
    while (rows > 1 && cost_of_batch(&version->cost, rows) > most)
        rows /= 2;
    return rows;
}

static bool has_long_batch(const struct worker *worker)
{
    for (uint32_t i = 0; i < worker->in_flight; i++) {
        const struct batch *batch = &worker->batches[i];
        if (!batch_is_copies(batch) && request_is_job(batch->requests[0]) &&
            batch->rows > short_rows(worker->version, batch->rows))
            return true;
    }
    return false;
}

/* True when one more worker may get a batch that is not short. */
static bool may_be_long(const struct version *version)
{
    size_t taking = 0, with_long = 0;
    const struct worker *worker;
    DL_FOREACH2(version->workers, worker, next)
    {
        taking += worker->state != WORKER_DRAINING;
        with_long += has_long_batch(worker);
    }
    return with_long + 1 < taking;
}

size_t yielding_free_workers(const struct version *version, const struct request *head, int64_t now,
                             struct worker **first)
{
    if (!yielding_is_called_for(version, now))
        return version_free_workers(version, now, first);
    size_t idle = 0;
    struct worker *worker;
    *first = NULL;
    DL_FOREACH2(version->workers, worker, next)
    {
        if (worker->in_flight > 0 || !worker_free_slot(worker))
            continue;
        idle++;
        if (*first == NULL)
            *first = worker;
    }
    bool too_long = version->worker_count > 1 && head->rows > short_rows(version, head->rows);
    if (too_long && !may_be_long(version)) {
        *first = NULL;
        return 0;
    }
    return idle;
}

uint32_t yielding_rows(const struct version *version, uint32_t rows, int64_t now)
{
    return !yielding_is_called_for(version, now) || may_be_long(version) ? rows : short_rows(version, rows);
}
