/* flow: requests on their way through the steps of a pipeline. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FLOW_H
#define OUTRIGGER_FLOW_H

#include "client.h"
#include "wiring.h"

struct flows; /* those of one pipeline */
struct flow;

/* What comes out; views, good during the call. */
struct flow_end {
    enum failure failure;         /* FAILURE_NONE: */
    const struct tensor *outputs; /* as many as the wiring has, by its names and in its order */
    const char *message; /* else why there are none, with the step; at most PROTOCOL_TEXT_MAX bytes */
};
/* Called exactly once for each flow that is not cancelled; that may be before flow_start returns. */
typedef void flow_ended(void *owner, const struct flow_end *end);

struct flow_ask {
    const struct tensor *inputs; /* by the wiring's; what they are views of stays until the flow ends */
    size_t rows;
    int64_t deadline; /* monotonic ns */
    uint8_t priority;
    struct text tag, trace; /* as REQUEST has them; copied */
};

/* `model` and `version` are the pipeline's, for its counters. All of it outlives the flows. */
struct flows *flows_new(const struct wiring *wiring, struct client *client, struct metrics *metrics,
                        const char *model, const char *version);
/* None may be under way. NULL is fine. */
void flows_free(struct flows *flows);

/* NULL when it has ended already. */
struct flow *flow_start(struct flows *flows, const struct flow_ask *ask, flow_ended *ended, void *owner);
/* Nobody waits any more: takes back what its models are asked. */
void flow_cancel(struct flow *flow);

#endif
