/* tracer: see tracer.h. Only what is recorded comes here, so a request that is not costs nothing. A flood of
 * failures does: hence the budget. Called by tracing.c of a frontend, and by batch_span.c of the broker.
 * SPDX-License-Identifier: MIT */
#include "tracer.h"

#include "budget.h"

#include <stdlib.h>

enum { TRACER_MAGIC = 0x74ace501 };

struct tracer {
    unsigned magic;
    struct observer *observer;
    const char *process;
    struct trace_ids ids;
    int64_t slow;
    struct budget unchosen;
    int64_t since_1970; /* what the wall's clock is ahead of the monotonic one, nanoseconds; 0: not known */
    int64_t looked_at;  /* when that was found, by the latter */
    struct series *shown, *unshown, *limited;
};

struct tracer *tracer_new(const struct config *config, struct metrics *metrics, struct observer *observer,
                          const char *process)
{
    if (*config->trace_endpoint == '\0')
        return NULL;
    struct tracer *tracer = object_alloc(sizeof *tracer);
    tracer->magic = TRACER_MAGIC;
    tracer->observer = observer;
    tracer->process = process;
    trace_ids_init(&tracer->ids);
    tracer->slow = config->trace_slow_ms == 0 ? INT64_MAX : config->trace_slow_ms * MILLISECOND;
    tracer->shown = metrics_series(metrics, METRIC_SPANS, "shown", NULL, NULL);
    tracer->unshown = metrics_series(metrics, METRIC_SPANS, "unshown", NULL, NULL);
    tracer->limited = metrics_series(metrics, METRIC_SPANS, "limited", NULL, NULL);
    return tracer;
}

void tracer_free(struct tracer *tracer)
{
    if (tracer == NULL)
        return;
    CHECK_OBJECT(tracer, TRACER_MAGIC);
    tracer->magic = 0;
    free(tracer);
}

struct trace_ids *tracer_ids(struct tracer *tracer)
{
    CHECK_OBJECT(tracer, TRACER_MAGIC);
    return &tracer->ids;
}

int64_t tracer_slow(const struct tracer *tracer)
{
    CHECK_OBJECT(tracer, TRACER_MAGIC);
    return tracer->slow;
}

bool tracer_may_add(struct tracer *tracer)
{
    CHECK_OBJECT(tracer, TRACER_MAGIC);
    bool may = budget_take(&tracer->unchosen, TRACER_UNCHOSEN_A_SECOND, clock_now());
    if (!may)
        tracer_limited(tracer);
    return may;
}

void tracer_limited(struct tracer *tracer)
{
    series_add(tracer->limited, 1);
}

/* All but its attributes, which are filled up to their count, and its number. */
static struct span new_span(const struct tracer *tracer, enum span_kind kind, const char *name, int64_t start,
                            int64_t end)
{
    CHECK_OBJECT(tracer, TRACER_MAGIC);
    struct span span;
    memset(&span, 0, offsetof(struct span, attributes));
    span.links = NULL;
    span.link_count = 0;
    span.links_left_out = 0;
    span.process = text_of(tracer->process);
    span.kind = kind;
    span.name = text_of(name);
    span.start = start;
    span.end = end < start ? start : end;
    return span;
}

struct span tracer_span(const struct tracer *tracer, const struct trace_context *trace, enum span_kind kind,
                        const char *name, int64_t start, int64_t end)
{
    struct span span = new_span(tracer, kind, name, start, end);
    memcpy(span.trace, trace->id, sizeof span.trace);
    memcpy(span.id, trace->span, sizeof span.id);
    memcpy(span.parent, trace->parent, sizeof span.parent);
    span.has_parent = span.remote_parent = trace->has_parent;
    span.flags = trace->flags | TRACE_SAMPLED;
    return span;
}

struct span tracer_part(struct tracer *tracer, const struct span *whole, const char *name, int64_t start,
                        int64_t end)
{
    struct span span = new_span(tracer, SPAN_INTERNAL, name, start, end);
    memcpy(span.trace, whole->trace, sizeof span.trace);
    trace_span_draw(&tracer->ids, span.id);
    memcpy(span.parent, whole->id, sizeof span.parent);
    span.has_parent = true;
    span.flags = whole->flags;
    return span;
}

/* From the monotonic clock to the wall's, for what was at `then`: looked at once a second. */
static int64_t since_1970(struct tracer *tracer, int64_t then)
{
    if (tracer->since_1970 == 0 || then - tracer->looked_at >= SECOND) {
        tracer->looked_at = then;
        tracer->since_1970 = clock_wall() - clock_now();
    }
    return tracer->since_1970;
}

void tracer_show(struct tracer *tracer, struct span *span)
{
    CHECK_OBJECT(tracer, TRACER_MAGIC);
    uint8_t bytes[SPAN_BYTES_MAX];
    int64_t offset = since_1970(tracer, span->end);
    span->start += offset;
    span->end += offset;
    size_t length = span_encode(span, bytes, sizeof bytes);
    ENSURE(length > 0);
    series_add(observer_put(tracer->observer, bytes, length) == OBSERVED ? tracer->shown : tracer->unshown,
               1);
}
