/* sampler: see sampler.h. The rows of the table say which metric is which number of the history; a metric
 * that has no label `version` is one of the model as a whole. Called by chronicle.c, once a second.
 * SPDX-License-Identifier: MIT */
#include "sampler.h"

#include "protocol.h"

#include <stdlib.h>

#define NO_MODEL "?" /* no model is called so */

/* Adds one total to the sample. */
typedef void take_total(struct history *history, const struct registry_total *total, const char *model,
                        const char *version);

static void take_durations(struct history *history, const struct registry_total *total, const char *model,
                           const char *version)
{
    const uint64_t *buckets = total->numbers + 2;
    for (size_t i = 0; i < HISTORY_BUCKETS; i++) {
        history_set(history, model, version, HISTORY_BUCKET + (enum history_number)i, buckets[i]);
        history_set(history, model, version, HISTORY_OK, buckets[i]);
    }
}

static void take_rows(struct history *history, const struct registry_total *total, const char *model,
                      const char *version)
{
    history_set(history, model, version, HISTORY_ROWS, total->numbers[0]);
}

static int status_of_kind(const char *kind)
{
#define X(name, number, http, label)                                                                         \
    if (strcmp(kind, label) == 0)                                                                            \
        return http;
    FAILURES(X)
#undef X
    return 500; /* of a later build */
}

static void take_error(struct history *history, const struct registry_total *total, const char *model,
                       const char *version)
{
    enum history_number outcome = sampler_outcome(status_of_kind(total->labels[2]));
    /* What was refused before its model was known is an error of the service all the same. What was asked for
     * a model that there is not is none, and no part of what is held against the objectives. */
    if (*model == '\0' && outcome == HISTORY_CLIENT)
        return;
    history_set(history, *model == '\0' ? NO_MODEL : model, version, outcome, total->numbers[0]);
}

static void take_batches(struct history *history, const struct registry_total *total, const char *model,
                         const char *version)
{
    history_set(history, model, version, HISTORY_BATCHES, total->numbers[0]);
    history_set(history, model, version, HISTORY_BATCH_ROWS, total->numbers[1]);
}

static uint64_t gauge_of(const struct registry_total *total)
{
    int64_t value = (int64_t)total->numbers[0];
    return value < 0 ? 0 : (uint64_t)value;
}

static void take_queue(struct history *history, const struct registry_total *total, const char *model,
                       const char *version)
{
    history_set(history, model, version, HISTORY_QUEUE_ROWS, gauge_of(total));
}

/* Each model's, and the host's. */
static void take_workers(struct history *history, const struct registry_total *total, const char *model,
                         const char *version)
{
    history_set(history, model, version, HISTORY_WORKERS, gauge_of(total));
    history_set(history, "", "", HISTORY_WORKERS, gauge_of(total));
}

static void take_answers(struct history *history, const struct registry_total *total, const char *model,
                         const char *version)
{
    (void)model;
    (void)version;
    history_set(history, "", "", sampler_outcome(atoi(total->labels[1])), total->numbers[0]);
}

static void take_connections(struct history *history, const struct registry_total *total, const char *model,
                             const char *version)
{
    history_set(history, model, version, HISTORY_CONNECTIONS, gauge_of(total));
}

static void take_restarts(struct history *history, const struct registry_total *total, const char *model,
                          const char *version)
{
    history_set(history, model, version, HISTORY_RESTARTS, total->numbers[0]);
}

static const struct {
    enum metric metric;
    take_total *take;
    bool of_model; /* its first label is `model` */
} taken[] = {
    {METRIC_PREDICTION_DURATION, take_durations, true},
    {METRIC_PREDICTIONS, take_rows, true},
    {METRIC_PREDICTION_ERRORS, take_error, true},
    {METRIC_BATCH_ROWS, take_batches, true},
    {METRIC_QUEUE_ROWS, take_queue, true},
    {METRIC_WORKERS, take_workers, true},
    {METRIC_HTTP_REQUESTS, take_answers, false},
    {METRIC_CONNECTIONS, take_connections, false},
    {METRIC_PROCESS_RESTARTS, take_restarts, false},
};

struct sample {
    struct history *history;
    size_t row;
    bool versions; /* the metric has a label `version` */
};

static void take(void *self, const struct registry_total *total)
{
    const struct sample *sample = self;
    const char *model = taken[sample->row].of_model ? total->labels[0] : "";
    taken[sample->row].take(sample->history, total, model, sample->versions ? total->labels[1] : "");
}

enum history_number sampler_outcome(int status)
{
    if (status < 400)
        return HISTORY_OK;
    if (status == 429)
        return HISTORY_LIMITED;
    if (status < 500)
        return HISTORY_CLIENT;
    if (status == 503)
        return HISTORY_UNAVAILABLE;
    return status == 504 ? HISTORY_LATE : HISTORY_FAILED;
}

bool sampler_take(struct history *history, const struct registry *registry, int64_t now_ms, int64_t steady_ms)
{
    if (!history_begin(history, now_ms, steady_ms))
        return true;
    for (size_t row = 0; row < COUNT_OF(taken); row++) {
        const char *labels = metric_describe(taken[row].metric)->labels;
        struct sample sample = {history, row, strncmp(labels, "model,version", 13) == 0};
        registry_each(registry, taken[row].metric, take, &sample);
    }
    return history_end(history);
}
