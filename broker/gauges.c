/* gauges: see gauges.h. Called once a second before the page is told (broker.c), and by model.c for those
 * that it forgets.
 *
 * A version that is gone is still in the repository for as long as its folder is there, and then its zeros
 * would be told for years. One that is to have workers and has none keeps its zeros: they are what an alert
 * looks for. SPDX-License-Identifier: MIT */
#include "gauges.h"

#include <utlist.h>

static void forget(struct metrics *metrics, const struct version *version)
{
    const char *model = version->model->name;
    metrics_forget(metrics, METRIC_ROUTE_SHARE, model, version->name, NULL);
    metrics_forget(metrics, METRIC_BATCH_CHOSEN, model, version->name, NULL);
    for (size_t i = 0; i < WORKER_STATES; i++)
        metrics_forget(metrics, METRIC_WORKERS, model, version->name,
                       worker_state_name((enum worker_state)i));
}

void gauges_forget_version(struct metrics *metrics, struct version *version)
{
    if (version->shown)
        forget(metrics, version);
    version->shown = false;
}

void gauges_forget_model(struct metrics *metrics, const struct model *model)
{
    static const enum metric of_model[] = {METRIC_QUEUE_ROWS,     METRIC_QUEUE_REQUESTS,  METRIC_QUEUE_BYTES,
                                           METRIC_QUEUE_MAX_ROWS, METRIC_MODEL_IN_FLIGHT, METRIC_CACHE_BYTES};
    for (size_t i = 0; i < COUNT_OF(of_model); i++)
        metrics_forget(metrics, of_model[i], model->name, NULL, NULL);
}

static bool is_gone(const struct version *version)
{
    return version->worker_count == 0 && version->weight == 0 && !version->expected &&
           version->queue.requests == 0;
}

static void show(struct metrics *metrics, struct version *version)
{
    const char *model = version->model->name;
    int64_t counts[WORKER_STATES] = {0};
    const struct worker *worker;
    DL_FOREACH2(version->workers, worker, next)
    {
        counts[worker->state]++;
    }
    for (size_t i = 0; i < WORKER_STATES; i++)
        series_set(metrics_series(metrics, METRIC_WORKERS, model, version->name,
                                  worker_state_name((enum worker_state)i)),
                   counts[i]);
    series_set(metrics_series(metrics, METRIC_ROUTE_SHARE, model, version->name, NULL), version->weight);
    series_set(metrics_series(metrics, METRIC_BATCH_CHOSEN, model, version->name, NULL),
               version_batch_rows(version));
    version->shown = true;
}

/* Requests that its workers have. */
static uint64_t requests_sent(const struct version *version)
{
    uint64_t requests = 0;
    const struct worker *worker;
    DL_FOREACH2(version->workers, worker, next)
    {
        for (size_t i = 0; i < worker->in_flight; i++)
            requests += batch_is_copies(&worker->batches[i]) ? 0 : worker->batches[i].count;
    }
    return requests;
}

void gauges_measure(struct metrics *metrics, struct model *model)
{
    uint64_t rows = 0, requests = 0, bytes = 0, most = 0, sent = 0;
    for (struct version *version = model->versions; version != NULL; version = version->next) {
        rows += version->queue.rows;
        requests += version->queue.requests;
        bytes += version->queue.bytes;
        sent += requests_sent(version);
        most += version->worker_count > 0 || version->queue.requests > 0 ? version->queue.max_rows : 0;
        if (is_gone(version))
            gauges_forget_version(metrics, version);
        else
            show(metrics, version);
    }
    series_set(model->queue_rows, (int64_t)rows);
    series_set(model->queue_requests, (int64_t)requests);
    series_set(model->queue_bytes, (int64_t)bytes);
    series_set(model->queue_max_rows, (int64_t)most);
    series_set(model->in_flight, (int64_t)(requests + sent));
}
