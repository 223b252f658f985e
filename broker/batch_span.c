/* batch_span: a batch belongs to many traces at once, so its span begins one of its own and links to all of
 * them, as OpenTelemetry has it for messages that are handled together. Who looks at a slow request finds by
 * the link in whose company it was. Called by serving.c and losing.c when a batch ends; where nobody traces,
 * and for a batch of whose traces none is recorded, it costs a look at each request. SPDX-License-Identifier:
 * MIT */
#include "batch_span.h"

#include "clock.h"
#include "model.h"

#include <stdio.h>

static bool is_ours(enum failure failure)
{
    return failure_http_status(failure) >= 500 || failure == FAILURE_POISON;
}

static bool has_failed(const struct batch_end *end)
{
    for (size_t i = 0; i < end->failures.length; i++)
        if (is_ours(failure_of(end->failures, i)))
            return true;
    return end->died;
}

/* How many have a trace, and how many of those are recorded. */
static size_t count_traces(const struct batch *batch, size_t *recorded)
{
    size_t traced = 0;
    *recorded = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct request *request = batch->requests[i];
        traced += request->traced;
        *recorded += request->traced && request->trace[TRACE_WIRE_BYTES - 1] & TRACE_SAMPLED;
    }
    return traced;
}

/* Links to the recorded ones, or to all. */
static void add_links(struct span *span, const struct batch *batch, bool all,
                      uint8_t links[SPAN_LINKS_MAX * SPAN_LINK_BYTES])
{
    span->links = links;
    for (size_t i = 0; i < batch->count; i++) {
        const struct request *request = batch->requests[i];
        if (!request->traced || !(all || request->trace[TRACE_WIRE_BYTES - 1] & TRACE_SAMPLED))
            continue;
        if (span->link_count == SPAN_LINKS_MAX)
            span->links_left_out++;
        else
            memcpy(links + span->link_count++ * SPAN_LINK_BYTES, request->trace, SPAN_LINK_BYTES);
    }
}

static uint64_t tried_before(const struct batch *batch)
{
    uint64_t count = 0;
    for (size_t i = 0; i < batch->count; i++)
        count += batch->requests[i]->alone;
    return count;
}

static void add_attributes(struct span *span, const struct batch_end *end)
{
    const struct version *version = end->worker->version;
    span_add_text(span, "outrigger.model", text_of(version->model->name));
    span_add_text(span, "outrigger.version", text_of(version->name));
    span_add_number(span, "outrigger.worker.pid", end->worker->pid);
    span_add_text(span, "outrigger.worker.host", text_of(end->worker->address));
    span_add_number(span, "outrigger.batch.rows", end->batch->rows);
    span_add_number(span, "outrigger.batch.requests", (int64_t)end->batch->count);
    span_add_text(span, "outrigger.batch.reason", text_of(release_label(end->batch->release)));
    span_add_number(span, "outrigger.batch.retries", (int64_t)tried_before(end->batch));
    if (end->cause != NULL)
        span_add_text(span, "outrigger.worker.lost", text_of(end->cause));
}

/* What is wrong with it as a whole, or with the first of its requests that failed. */
static void set_failure(struct span *span, const struct batch_end *end, char message[64])
{
    enum failure failure = FAILURE_NONE;
    for (size_t i = 0; i < end->failures.length && !is_ours(failure); i++)
        failure = failure_of(end->failures, i);
    snprintf(message, 64, "%s%s", end->died ? "the worker was lost: " : "",
             end->died ? end->cause : failure_label(failure));
    span->failed = true;
    span->message = text_of(message);
    span_add_text(span, "error.type", text_of(end->died ? "worker_lost" : failure_label(failure)));
}

static void show_compute(struct tracer *tracer, const struct span *batch, const struct batch_end *end)
{
    int64_t start = end->now - (int64_t)end->compute_us * MICROSECOND;
    struct span span = tracer_part(tracer, batch, "compute",
                                   start < end->batch->sent_at ? end->batch->sent_at : start, end->now);
    tracer_show(tracer, &span);
}

void batch_span_show(struct tracer *tracer, const struct batch_end *end)
{
    size_t recorded;
    if (tracer == NULL || batch_is_copies(end->batch) || count_traces(end->batch, &recorded) == 0)
        return;
    bool failed = has_failed(end);
    bool unchosen = failed || end->now - end->batch->sent_at >= tracer_slow(tracer);
    if (recorded == 0 && !(unchosen && tracer_may_add(tracer)))
        return;
    uint8_t links[SPAN_LINKS_MAX * SPAN_LINK_BYTES];
    char message[64];
    struct trace_context own;
    trace_context_begin(&own, NULL, tracer_ids(tracer), &(struct trace_sampling){0});
    struct span span = tracer_span(tracer, &own, SPAN_INTERNAL, "batch", end->batch->sent_at, end->now);
    add_attributes(&span, end);
    if (failed)
        set_failure(&span, end, message);
    add_links(&span, end->batch, unchosen, links);
    if (end->cause == NULL)
        show_compute(tracer, &span, end);
    tracer_show(tracer, &span);
}
