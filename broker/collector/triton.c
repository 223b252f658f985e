/* triton: see triton.h. Nothing is counted for it: each of its families is one of ours in other units. Where
 * Triton tells the time of a batch once for each request in it we tell it once, and what it calls input and
 * output is one thing here, the way to the worker and back. Its counters have no _total, which OpenMetrics
 * wants of counters: there they are of an unknown type. Called by prometheus.c. SPDX-License-Identifier: MIT
 */
#include "triton.h"

#include "prometheus.h"

#include <inttypes.h>

enum part { VALUE, COUNT, MICROSECONDS };

static const struct family {
    const char *name;
    const char *help;
    enum metric metric;
    enum part part;
    const char *labels[METRICS_LABELS_MAX];
} families[] = {
    {"nv_inference_request_success",
     "Prediction requests answered with success.",
     METRIC_PREDICTION_DURATION,
     COUNT,
     {"model", "version"}},
    {"nv_inference_request_failure",
     "Prediction requests not answered with success, by reason.",
     METRIC_PREDICTION_ERRORS,
     VALUE,
     {"model", "version", "reason"}},
    {"nv_inference_count",
     "Predictions (rows) answered with success.",
     METRIC_PREDICTIONS,
     VALUE,
     {"model", "version"}},
    {"nv_inference_exec_count", "Calls of the engine.", METRIC_COMPUTE_DURATION, COUNT, {"model", "version"}},
    {"nv_inference_request_duration_us",
     "From the whole request read to its answer ready.",
     METRIC_PREDICTION_DURATION,
     MICROSECONDS,
     {"model", "version"}},
    {"nv_inference_queue_duration_us",
     "From arrival at the broker to the batch.",
     METRIC_QUEUE_DURATION,
     MICROSECONDS,
     {"model", "version"}},
    {"nv_inference_compute_input_duration_us",
     "The way of batches to their workers and back.",
     METRIC_BATCH_WAIT,
     MICROSECONDS,
     {"model", "version"}},
    {"nv_inference_compute_infer_duration_us",
     "Calls of the engine.",
     METRIC_COMPUTE_DURATION,
     MICROSECONDS,
     {"model", "version"}},
    {"nv_inference_pending_request_count",
     "Requests that wait for a worker.",
     METRIC_QUEUE_REQUESTS,
     VALUE,
     {"model"}},
};

struct writing {
    FILE *out;
    const struct family *family;
    bool open;
    bool headed;
};

static void write_head(const struct writing *writing)
{
    const struct family *family = writing->family;
    bool gauge = metric_describe(family->metric)->kind == GAUGE;
    fprintf(writing->out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
            gauge           ? "gauge"
            : writing->open ? "unknown"
                            : "counter");
}

static void write_total(void *self, const struct registry_total *total)
{
    struct writing *writing = self;
    const struct family *family = writing->family;
    FILE *out = writing->out;
    if (!writing->headed)
        write_head(writing);
    writing->headed = true;
    fputs_unlocked(family->name, out);
    for (size_t i = 0; i < METRICS_LABELS_MAX && family->labels[i] != NULL; i++) {
        fprintf(out, "%s%s=\"", i == 0 ? "{" : ",", family->labels[i]);
        prometheus_write_label(out, total->labels[i]);
        putc_unlocked('"', out);
    }
    uint64_t number = total->numbers[family->part == MICROSECONDS ? 1 : 0];
    fprintf(out, "} %" PRIu64 "\n", family->part == MICROSECONDS ? number / 1000 : number);
}

void triton_write(FILE *out, const struct registry *registry, bool open)
{
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        struct writing writing = {.out = out, .family = &families[i], .open = open};
        registry_each(registry, families[i].metric, write_total, &writing);
    }
}
