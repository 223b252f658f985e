/* wiring: a pipeline held against what its models take and give: which tensor goes where, and of what kind
 * each is. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_WIRING_H
#define OUTRIGGER_WIRING_H

#include "pipeline.h"
#include "schema.h"

enum { WIRING_REASON_MAX = 512 };

/* A tensor, by where it comes from. */
struct wire_end {
    size_t step;   /* PIPELINE_INPUT: of the pipeline's inputs */
    size_t tensor; /* which of its outputs, or of those inputs */
};

struct wired_step {
    const struct pipeline_step *said;
    struct schema_tensor *inputs; /* as its models call them; none where it combines */
    size_t input_count;
    struct wire_end *sources; /* of each of them, or of what it combines */
    size_t source_count;
    struct schema_tensor *outputs;
    size_t output_count;
    size_t own_outputs; /* the last ones of those, which no model gives: of a vote or cascade, for who asks */
    size_t confidence;  /* CASCADE: which output says it */
    bool needed;        /* somebody takes an output */
    char **labels;      /* of the classes that it gives; NULL: none are known */
    size_t label_count;
    bool regression;
    enum schema_kind kind;
};

/* One that the pipeline gives. */
struct wired_output {
    char *name;
    struct wire_end from;
};

struct wiring {
    const struct pipeline *pipeline;
    struct wired_step *steps; /* pipeline->step_count */
    struct schema_tensor *inputs;
    size_t input_count;
    struct wired_output *outputs;
    size_t output_count;
    bool allow_nan; /* all models that get the pipeline's inputs take NaN */
    /* Of the columns, where one model gets all inputs as they are: as its schema has them. */
    char **features;
    size_t feature_count;
    struct schema_field *fields;
};

/* What that part takes and gives, good until the next call; NULL, and `reason` says why that is not known. */
typedef const struct schema *wiring_find(void *self, const struct pipeline_part *part,
                                         char reason[WIRING_REASON_MAX]);

/* NULL when they do not fit: `reason` is one line that names the step, what was expected and what came. The
 * pipeline outlives the wiring. */
struct wiring *wiring_new(const struct pipeline *pipeline, wiring_find *find, void *self,
                          char reason[WIRING_REASON_MAX]);
void wiring_free(struct wiring *wiring); /* NULL is fine */

/* The tensor at that end. */
const struct schema_tensor *wiring_tensor(const struct wiring *wiring, struct wire_end end);

#endif
