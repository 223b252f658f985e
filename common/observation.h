/* observation: what processes show the collector of single answers, as STATS.md section 8 puts it on the
 * wire. Pure: no sockets, no memory of its own, safe on any bytes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OBSERVATION_H
#define OUTRIGGER_OBSERVATION_H

#include "protocol.h"
#include "wire.h"

enum {
    OBSERVATION_VERSION = 1,
    OBSERVATION_BYTES_MAX = 1 << 20, /* of one observation */
    OBSERVATION_FIELDS_MAX = 64      /* of a kind that we do not know */
};

enum observation_kind {
    OBSERVATION_UNKNOWN = 0, /* not on the wire: one of a kind that this build does not know */
    OBSERVATION_SHADOW = 1,  /* the answers of two versions to the same request */
    OBSERVATION_SPANS = 2,   /* what a request went through */
    OBSERVATION_ROWS = 3     /* what a version was asked, and its answer: some of them */
};

/* What model.conf says of the task. */
enum observation_task { TASK_BY_OUTPUTS, TASK_CLASSIFICATION, TASK_REGRESSION, TASK_LABELS };

/* One of any kind, not looked into. */
struct observation_any {
    uint64_t kind;    /* an observation_kind, or one that this build does not know */
    uint32_t fields;  /* of its array, but for the two that every kind has */
    struct text body; /* those fields, as they stand on the wire; a view */
};
/* Goes past the next of those that stand one behind the other in a frame. NULL, or what is wrong with it as a
 * constant part of a sentence: nothing behind it can be read then. */
const char *observation_next(struct wire_reader *reader, struct observation_any *any);

/* That of a shadow. Texts are views. */
struct observation {
    enum observation_kind kind;
    struct text model;
    struct text version; /* that answered the client */
    struct text shadow;  /* that got a copy */
    enum observation_task task;
    uint32_t tolerance_ppm; /* of a regression's agreement, in millionths of the larger value */
    enum failure failure;   /* of the shadow; FAILURE_NONE: it answered */
    struct text answer;     /* tensors; empty when the shadow failed */
    struct text shadow_answer;
};

/* Bytes that it needs at most. */
size_t observation_bound(const struct observation *observation);
/* Writes one; returns its length, 0 when `capacity` is too small. */
size_t observation_encode(const struct observation *observation, uint8_t *bytes, size_t capacity);
/* Looks into one of OBSERVATION_SHADOW. NULL, or what is wrong with it, likewise. */
const char *observation_shadow(const struct observation_any *any, struct observation *observation);
/* Both, of the next in a frame. Only the kind, OBSERVATION_UNKNOWN, is set of one of another kind. */
const char *observation_read(struct wire_reader *reader, struct observation *observation);

#endif
