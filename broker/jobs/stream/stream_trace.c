/* stream_trace: what a message is to OpenTelemetry: a span of a consumer, whose parent is whoever produced
 * the message, and which is the parent of whoever takes the answer. The names are those of its conventions
 * for messaging. SPDX-License-Identifier: MIT */
#include "stream_trace.h"

#include "clock.h"
#include "observer.h"

#include <stdio.h>
#include <stdlib.h>

struct stream_traces {
    struct observer *observer;
    struct tracer *tracer;
    struct trace_sampling sampling;
};

struct stream_traces *stream_traces_new(void *zmq_context, struct loop *loop, const struct config *config,
                                        struct metrics *metrics, const char *process)
{
    if (*config->trace_endpoint == '\0')
        return NULL;
    struct stream_traces *traces = object_alloc(sizeof *traces);
    traces->observer = observer_new(zmq_context, loop, config);
    traces->tracer = tracer_new(config, metrics, traces->observer, process);
    traces->sampling = trace_sampling_of((uint64_t)config->trace_ratio_ppm, config->trace_trust_parent != 0);
    return traces;
}

void stream_traces_free(struct stream_traces *traces)
{
    if (traces == NULL)
        return;
    tracer_free(traces->tracer);
    observer_free(traces->observer);
    free(traces);
}

static struct text find_header(const struct stream_message *message, const char *name)
{
    for (size_t i = 0; i < message->header_count; i++)
        if (text_is(message->headers[i].name, name))
            return message->headers[i].value;
    return (struct text){0};
}

void stream_trace_begin(struct stream_traces *traces, const struct stream_message *message,
                        struct stream_trace *trace)
{
    char parent[2 * TRACE_PARENT_TEXT];
    trace->recorded = false;
    if (traces == NULL)
        return;
    text_copy(find_header(message, "traceparent"), parent, sizeof parent);
    trace_context_begin(&trace->context, parent, tracer_ids(traces->tracer), &traces->sampling);
    trace->recorded = trace_sampled(&trace->context);
    trace->start = clock_now();
    if (trace->recorded)
        trace_context_text(&trace->context, trace->text);
}

void stream_trace_end(struct stream_traces *traces, const struct stream_trace *trace,
                      const struct stream_job *job, const struct stream_message *message, const char *failure)
{
    char name[128], state[TRACE_STATE_MAX + 1], position[STREAM_POSITION_MAX];
    if (traces == NULL || !trace->recorded)
        return;
    const struct trace_context *context = &trace->context;
    snprintf(name, sizeof name, "process %.100s", job->source.name);
    struct span span = tracer_span(traces->tracer, context, SPAN_CONSUMER, name, trace->start, clock_now());
    text_copy(find_header(message, "tracestate"), state, sizeof state);
    span.state = trace_state(state);
    job->kind->position(message, position);
    span_add_text(&span, "messaging.system", text_of(job->source.scheme));
    span_add_text(&span, "messaging.operation.type", text_of("process"));
    span_add_text(&span, "messaging.destination.name", text_of(job->source.name));
    span_add_text(&span, "messaging.message.id", text_of(position));
    span.failed = failure != NULL;
    span.message = text_of(failure == NULL ? "" : failure);
    tracer_show(traces->tracer, &span);
}
