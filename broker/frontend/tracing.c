/* tracing: what a request went through, told when it is over. Called by api.c then.
 *
 * Whether a trace is recorded is known from its id when the request comes in; but that a request fails, or is
 * slow, only when it ends. So nothing is made before that: the figures of a request are noted anyway, and its
 * spans are made of them here, for the few that are recorded. The names are those of OpenTelemetry's semantic
 * conventions for HTTP servers; what is ours begins with "outrigger.". Paths and queries are no attributes:
 * anybody can write anything there. SPDX-License-Identifier: MIT */
#include "tracing.h"

#include "clock.h"

#include <stdio.h>

enum { ROUTE_MAX = 128 };

struct trace_sampling tracing_sampling(const struct config *config)
{
    if (*config->trace_endpoint == '\0')
        return (struct trace_sampling){0};
    return trace_sampling_of((uint64_t)config->trace_ratio_ppm, config->trace_trust_parent != 0);
}

/* ---- which are recorded ---- */

/* Those who only look whether we are there would be most of what is recorded. */
static bool is_probe(enum call call)
{
    return call == CALL_HEALTH || call == CALL_READY || call == CALL_METRICS || call == CALL_V2_LIVE ||
           call == CALL_V2_READY || call == CALL_V2_MODEL_READY;
}

static bool has_failed(const struct http_response *response)
{
    return response->status >= 500 ||
           (response->kind != NULL && strcmp(response->kind, failure_label(FAILURE_POISON)) == 0);
}

static bool is_recorded(struct tracer *tracer, const struct api_call *call,
                        const struct http_response *response)
{
    if (is_probe(call->call))
        return false;
    if (trace_sampled(&call->trace))
        return true;
    if (has_failed(response) || call->duration >= tracer_slow(tracer))
        return tracer_may_add(tracer);
    if (call->trace.limited)
        tracer_limited(tracer);
    return false;
}

/* ---- the spans ---- */

/* "/api/v1/models/{model}/versions/{version}/predict" of its pattern (calls.c), "{path}" for all that
 * follows.
 */
static void write_route(const char *pattern, char route[ROUTE_MAX])
{
    static const char *const names[] = {"{model}", "{version}"};
    size_t length = 0, name = 0;
    for (; *pattern != '\0' && length + sizeof "{version}" < ROUTE_MAX; pattern++) {
        if (*pattern != '*' || name == COUNT_OF(names)) {
            route[length++] = *pattern;
            continue;
        }
        bool all = pattern[1] == '*';
        length += (size_t)snprintf(route + length, ROUTE_MAX - length, "%s", all ? "{path}" : names[name++]);
        pattern += all;
    }
    route[length] = '\0';
}

static void add_http(struct span *span, const struct api_call *call, const struct http_response *response,
                     const char *route)
{
    span_add_text(span, "http.request.method", text_of(http_method_name(call->calling.method)));
    span_add_text(span, "http.route", text_of(route));
    span_add_number(span, "http.response.status_code", response->status);
    span_add_number(span, "http.request.body.size", (int64_t)call->calling.bytes);
    span_add_number(span, "http.response.body.size", (int64_t)http_response_bytes(response));
}

static void add_ours(struct span *span, const struct api_call *call)
{
    span_add_text(span, "outrigger.request_id", text_of(call->id));
    span_add_text(span, "outrigger.call", text_of(call_label(call->call)));
    if (call->model == NULL)
        return;
    span_add_text(span, "outrigger.model", text_of(call->model->name));
    span_add_text(span, "outrigger.version", text_of(api_call_version(call)));
    if (call->ask.rows > 0)
        span_add_number(span, "outrigger.rows", call->ask.rows);
    if (call->calling.batch_rows > 0)
        span_add_number(span, "outrigger.batch.rows", call->calling.batch_rows);
    if (call->calling.kept)
        span_add_text(span, "outrigger.cached", text_of("true"));
}

/* A part of the request's time. Never beyond its end: the broker's clock ticks are not ours. */
static void show_part(struct tracer *tracer, const struct span *whole, const char *name, int64_t start,
                      int64_t end)
{
    if (end > whole->end)
        end = whole->end;
    struct span part = tracer_part(tracer, whole, name, start < end ? start : end, end);
    tracer_show(tracer, &part);
}

static void show_parts(struct tracer *tracer, const struct span *whole, const struct api_call *call,
                       bool computed)
{
    const struct calling *calling = &call->calling;
    if (calling->sent_at == 0)
        return;
    show_part(tracer, whole, "validate", call->received, calling->sent_at);
    if (!computed || calling->kept)
        return;
    int64_t began = calling->sent_at + (int64_t)calling->queue_us * MICROSECOND;
    show_part(tracer, whole, "queue", calling->sent_at, began);
    show_part(tracer, whole, "compute", began, began + (int64_t)calling->compute_us * MICROSECOND);
}

bool tracing_end(struct tracer *tracer, const struct api_call *call, const struct http_response *response)
{
    if (tracer == NULL || *call->id == '\0' || !is_recorded(tracer, call, response))
        return false;
    char route[ROUTE_MAX] = "", name[ROUTE_MAX + 16];
    int64_t end = call->received + call->duration;
    if (call->calling.pattern != NULL)
        write_route(call->calling.pattern, route);
    snprintf(name, sizeof name, "%s%s%s", http_method_name(call->calling.method), *route == '\0' ? "" : " ",
             route);
    struct span span = tracer_span(tracer, &call->trace, SPAN_SERVER, name, call->received, end);
    span.state = text_of(call->calling.state == NULL ? "" : call->calling.state);
    add_http(&span, call, response, route);
    add_ours(&span, call);
    if (response->kind != NULL)
        span_add_text(&span, "error.type", text_of(response->kind));
    span.failed = has_failed(response);
    span.message = text_of(span.failed && response->kind != NULL ? response->kind : "");
    show_parts(tracer, &span, call, response->kind == NULL);
    tracer_show(tracer, &span);
    return true;
}
