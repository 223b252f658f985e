/* batch_span: the span of a batch, which links to those of the requests that it carried.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_SPAN_H
#define OUTRIGGER_BATCH_SPAN_H

#include "dispatch.h"
#include "pool.h"
#include "tracer.h"

/* A batch that has ended. */
struct batch_end {
    const struct worker *worker;
    const struct batch *batch;
    int64_t now;          /* monotonic nanoseconds */
    struct text failures; /* RESULT's; empty: all went well */
    uint64_t compute_us;
    const char *cause; /* why the worker was lost that had it; NULL: it answered */
    bool died;         /* that was a failure: it did not leave in peace */
};

/* Shows the span, and that of the computation, if a trace of the batch is recorded, or it was slow, or failed
 * by no fault of who asked. `tracer` NULL: does nothing. The requests must still be those of the batch. */
void batch_span_show(struct tracer *tracer, const struct batch_end *end);

#endif
