/* trace_context: who traces a request, and under which numbers: W3C Trace Context (level 2) in and out. Pure
 * but for the seed and a clock. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TRACE_CONTEXT_H
#define OUTRIGGER_TRACE_CONTEXT_H

#include "object.h"

enum {
    TRACE_ID_BYTES = 16,
    TRACE_SPAN_BYTES = 8,
    TRACE_PARENT_TEXT = 55,                                   /* bytes of a traceparent (section 3.2) */
    TRACE_STATE_MAX = 512,                                    /* bytes of a tracestate that is kept */
    TRACE_STATE_MEMBERS = 32,                                 /* section 3.3.1.1 */
    TRACE_WIRE_BYTES = TRACE_ID_BYTES + TRACE_SPAN_BYTES + 1, /* REQUEST's trace (PROTOCOL.md) */
    TRACE_SAMPLED = 1,                                        /* flag: it is recorded */
    TRACE_RANDOM = 2,                                         /* flag: the id's low 56 bits are random */
    TRACE_FLAGS = TRACE_SAMPLED | TRACE_RANDOM                /* those that there are */
};

/* One request's place in its trace. Zeroed = none. */
struct trace_context {
    /* What goes to the broker, in the order that it has there. */
    uint8_t id[TRACE_ID_BYTES];
    uint8_t span[TRACE_SPAN_BYTES]; /* ours */
    uint8_t flags;                  /* TRACE_SAMPLED is our own decision */

    uint8_t parent[TRACE_SPAN_BYTES]; /* whose child ours is; zeros: nobody's */
    bool has_parent;
    bool limited; /* its id would have it recorded, but clients have named too many such */
};
_Static_assert(offsetof(struct trace_context, span) == TRACE_ID_BYTES &&
                   offsetof(struct trace_context, flags) == TRACE_WIRE_BYTES - 1,
               "its beginning is what goes to the broker");

/* Where numbers come from, and what others' numbers have done: for one thread. */
struct trace_ids {
    uint64_t high, low; /* from the kernel */
    uint64_t count;
    int64_t since;          /* monotonic nanoseconds; since then: */
    uint64_t named, chosen; /* traces that clients named, and those of them that their ids had recorded */
};
void trace_ids_init(struct trace_ids *ids);

/* Whoever names a trace chooses its id, and with that whether it is recorded. So of those that are named in a
 * second only so many are for their id, or twice as many as chance would have it, where that is more. */
enum { TRACE_CHOSEN_A_SECOND = 100 };

/* Which traces are recorded. Zeroed: none. */
struct trace_sampling {
    bool on;
    bool trust_parent; /* one whose parent is recorded is, too */
    uint64_t least;    /* of the low 56 bits of a trace's id; TRACE_NEVER: no id has that much */
};
#define TRACE_NEVER (UINT64_C(1) << 56)
/* Sampling by a ratio in millionths: whoever decides by the same ratio, or a larger one, in the way that
 * OpenTelemetry's consistent sampling has it, records the same traces, or those and more. */
struct trace_sampling trace_sampling_of(uint64_t ratio_ppm, bool trust_parent);

/* A span of ours in the trace that `parent` (the text of a traceparent, blanks around it allowed) names, or
 * in a new one when that is NULL or not valid. */
void trace_context_begin(struct trace_context *context, const char *parent, struct trace_ids *ids,
                         const struct trace_sampling *sampling);
/* A number for another span, never all zeros. */
void trace_span_draw(struct trace_ids *ids, uint8_t span[TRACE_SPAN_BYTES]);
static inline bool trace_sampled(const struct trace_context *context)
{
    return context->flags & TRACE_SAMPLED;
}

/* Writes the traceparent that says who we are, terminated. */
void trace_context_text(const struct trace_context *context, char text[TRACE_PARENT_TEXT + 1]);
/* Writes the id in hexadecimal, terminated. */
void trace_id_text(const uint8_t id[TRACE_ID_BYTES], char text[2 * TRACE_ID_BYTES + 1]);

/* Trace, span and flags as they go to the broker: a view of the context. */
struct text trace_context_wire(const struct trace_context *context);
/* Copies what came there, but for flags that there are not; false: it is no such thing (another length, or
 * the trace or the span is all zeros). */
bool trace_wire_read(struct text wire, uint8_t bytes[TRACE_WIRE_BYTES]);

/* A tracestate without the blanks around it (a view), or an empty text: there is none, it is not valid
 * (section 3.3.1), or it has more than TRACE_STATE_MAX bytes. Several headers are given as one, joined by
 * commas, as web servers do. */
struct text trace_state(const char *value);

#endif
