/* tracer: see tracer.h. Only what is recorded comes here, so a request that is not costs nothing. A flood of
 * failures does: hence the budget, a bucket that a second fills. SPDX-License-Identifier: MIT */
#include "tracer.h"

#include "clock.h"

#include <stdlib.h>

enum { TRACER_MAGIC = 0x74ace501 };

struct tracer {
    unsigned magic;
    struct observer *observer;
    const char *process;
    struct trace_ids ids;
    int64_t slow;
    int64_t second; /* when the budget was filled */
    unsigned left;  /* of it */
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
    int64_t now = clock_now();
    if (tracer->second == 0 || now - tracer->second >= SECOND) {
        tracer->second = now;
        tracer->left = TRACER_UNCHOSEN_A_SECOND;
    }
    if (tracer->left == 0) {
        series_add(tracer->limited, 1);
        return false;
    }
    tracer->left--;
    return true;
}

struct span tracer_span(struct tracer *tracer, const uint8_t trace[TRACE_ID_BYTES], enum span_kind kind,
                        const char *name, int64_t start, int64_t end)
{
    CHECK_OBJECT(tracer, TRACER_MAGIC);
    struct span span;
    memset(&span, 0, offsetof(struct span, attributes)); /* they are filled up to their count */
    span.links = NULL;
    span.link_count = 0;
    span.links_left_out = 0;
    span.process = text_of(tracer->process);
    memcpy(span.trace, trace, sizeof span.trace);
    trace_span_draw(&tracer->ids, span.id);
    span.flags = TRACE_SAMPLED;
    span.kind = kind;
    span.name = text_of(name);
    span.start = start;
    span.end = end < start ? start : end;
    return span;
}

void tracer_show(struct tracer *tracer, struct span *span)
{
    CHECK_OBJECT(tracer, TRACER_MAGIC);
    uint8_t bytes[SPAN_BYTES_MAX];
    int64_t since_1970 = clock_wall() - clock_now();
    span->start += since_1970;
    span->end += since_1970;
    size_t length = span_encode(span, bytes, sizeof bytes);
    ENSURE(length > 0);
    series_add(observer_put(tracer->observer, bytes, length) == OBSERVED ? tracer->shown : tracer->unshown,
               1);
}
