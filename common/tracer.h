/* tracer: how a process shows its spans: their numbers, the clock that they are told by, and how many of
 * those that nobody chose. For the loop's thread. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TRACER_H
#define OUTRIGGER_TRACER_H

#include "metrics.h"
#include "observer.h"
#include "span.h"

/* Spans of a second that are recorded only because they failed or were slow; under a flood of those the first
 * say what all do. */
enum { TRACER_UNCHOSEN_A_SECOND = 100 };

struct tracer;

/* NULL: there is no trace.endpoint. `process` and `observer` (which may be NULL: then nothing arrives)
 * outlive it. */
struct tracer *tracer_new(const struct config *config, struct metrics *metrics, struct observer *observer,
                          const char *process);
/* NULL is fine. */
void tracer_free(struct tracer *tracer);

struct trace_ids *tracer_ids(struct tracer *tracer);
/* From so many nanoseconds on something is slow. */
int64_t tracer_slow(const struct tracer *tracer);
/* True when another one may be recorded though its trace was not chosen; else it is counted as limited. */
bool tracer_may_add(struct tracer *tracer);
/* Counts one that is not recorded since there were too many of its kind. */
void tracer_limited(struct tracer *tracer);

/* The span that `trace` is, whose parent is somebody else's; the process is filled in. Times are monotonic,
 * in nanoseconds, here and below. */
struct span tracer_span(const struct tracer *tracer, const struct trace_context *trace, enum span_kind kind,
                        const char *name, int64_t start, int64_t end);
/* A new one, of a part of `whole`. */
struct span tracer_part(struct tracer *tracer, const struct span *whole, const char *name, int64_t start,
                        int64_t end);
/* Shows it: its times become those of the wall clock. Never waits. */
void tracer_show(struct tracer *tracer, struct span *span);

#endif
