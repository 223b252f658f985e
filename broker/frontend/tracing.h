/* tracing: the spans of a request, in a frontend. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TRACING_H
#define OUTRIGGER_TRACING_H

#include "api.h"
#include "tracer.h"

/* Which requests of a process are recorded from the start. */
struct trace_sampling tracing_sampling(const struct config *config);
/* The call is answered: shows its spans, if its trace is recorded, or it failed by no fault of who asked, or
 * was slow. True when it is recorded. `tracer` NULL: nothing is. The loop's thread. */
bool tracing_end(struct tracer *tracer, const struct api_call *call, const struct http_response *response);

#endif
