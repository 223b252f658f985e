/* stream_trace: messages in their traces. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STREAM_TRACE_H
#define OUTRIGGER_STREAM_TRACE_H

#include "config.h"
#include "stream.h"
#include "tracer.h"

struct stream_traces;

/* A message's place in its trace. */
struct stream_trace {
    bool recorded; /* false: there is nothing to be told of it, and its headers stay as they are */
    struct trace_context context;
    int64_t start;
    char text[TRACE_PARENT_TEXT + 1]; /* the traceparent of its answer */
};

/* NULL where no traces are exported (trace.endpoint), which all below take. `process` is the job's name; all
 * outlives it. */
struct stream_traces *stream_traces_new(void *zmq_context, struct loop *loop, const struct config *config,
                                        struct metrics *metrics, const char *process);
void stream_traces_free(struct stream_traces *traces);

/* The message is about to be scored: begins its span, in the trace that its traceparent names or a new one,
 * if that is recorded (trace.ratio_ppm, trace.trust_parent). */
void stream_trace_begin(struct stream_traces *traces, const struct stream_message *message,
                        struct stream_trace *trace);
/* What became of it: `failure` says why it is bad; NULL: it is scored. Nothing when it is not recorded. */
void stream_trace_end(struct stream_traces *traces, const struct stream_trace *trace,
                      const struct stream_job *job, const struct stream_message *message,
                      const char *failure);

#endif
