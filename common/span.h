/* span: one piece of work of a trace, as processes show it to the collector (STATS.md section 8, kind 2).
 * Pure, safe on any bytes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SPAN_H
#define OUTRIGGER_SPAN_H

#include "observation.h"
#include "trace_context.h"

enum {
    SPAN_TEXT_MAX = 512,      /* bytes of any text of it */
    SPAN_ATTRIBUTES_MAX = 24, /* more are not taken */
    SPAN_LINKS_MAX = 128,     /* OpenTelemetry's bound */
    SPAN_LINK_BYTES = TRACE_ID_BYTES + TRACE_SPAN_BYTES,
    SPAN_BYTES_MAX = 32768 /* that span_encode never exceeds */
};

/* As OTLP numbers them. */
enum span_kind { SPAN_INTERNAL = 1, SPAN_SERVER = 2, SPAN_CONSUMER = 5 };

struct span_attribute {
    struct text key;
    bool is_number;
    struct text text;
    int64_t number;
};

/* Texts, and links, are views. */
struct span {
    struct text process; /* who did it, as "frontend.1" */
    uint8_t trace[TRACE_ID_BYTES];
    uint8_t id[TRACE_SPAN_BYTES];
    uint8_t parent[TRACE_SPAN_BYTES];
    bool has_parent;
    bool remote_parent; /* the parent is somebody else's: a client's */
    uint8_t flags;      /* TRACE_FLAGS */
    enum span_kind kind;
    struct text name;
    int64_t start, end; /* nanoseconds since 1970 */
    bool failed;
    struct text message; /* why, for people; failed alone */
    struct text state;   /* the client's tracestate */
    size_t attribute_count;
    struct span_attribute attributes[SPAN_ATTRIBUTES_MAX];
    const uint8_t *links; /* link_count times SPAN_LINK_BYTES: trace, span */
    size_t link_count;
    uint64_t links_left_out; /* that there were no places for */
};

/* Adds an attribute; one without a text, and one for which there is no place, is left out. */
void span_add_text(struct span *span, const char *key, struct text text);
void span_add_number(struct span *span, const char *key, int64_t number);

/* Writes it, its texts cut at SPAN_TEXT_MAX. Returns its length, 0 when `capacity` is too small
 * (SPAN_BYTES_MAX is enough). */
size_t span_encode(const struct span *span, uint8_t *bytes, size_t capacity);
/* Looks into an observation of OBSERVATION_SPANS. NULL, or what is wrong with it as a constant part of a
 * sentence. */
const char *span_decode(const struct observation_any *any, struct span *span);

#endif
