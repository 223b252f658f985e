/* pipeline: a model that is made of others, as a version's model.pipeline says it: steps, each of which asks
 * a model or combines what earlier ones gave. model.pipeline(5) has the format. Pure, but for the reading of
 * the file. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PIPELINE_H
#define OUTRIGGER_PIPELINE_H

#include "config.h"

enum {
    PIPELINE_STEPS_MAX = 32,
    PIPELINE_LINKS_MAX = 64, /* inputs of a step, or outputs of the whole: as many as a payload has tensors */
    PIPELINE_STAGES_MAX = 8, /* models of a cascade */
    PIPELINE_NAME_MAX = 64,  /* bytes of a step's name */
    PIPELINE_DEPTH_MAX = 8,  /* pipelines within pipelines */
    PIPELINE_INPUT = UINT8_MAX /* as the step of a source: what the pipeline itself is asked with */
};

enum pipeline_kind {
    PIPELINE_MODEL,   /* asks a model */
    PIPELINE_CASCADE, /* asks models one after the other, each for the rows that were in doubt before */
    PIPELINE_AVERAGE, /* the mean of tensors, element by element */
    PIPELINE_VOTE     /* of labels, the one that comes most often, row by row */
};
/* The key of a step that says so: "model", "cascade", ... */
const char *pipeline_kind_name(enum pipeline_kind kind);

/* Where a tensor comes from. */
struct pipeline_source {
    size_t step;  /* an earlier one, or PIPELINE_INPUT */
    char *tensor; /* the name of its output, or of the pipeline's input */
};

struct pipeline_link {
    char *name; /* of an input of the step's model, or of an output of the pipeline; NULL: what is combined */
    struct pipeline_source from;
};

struct pipeline_part {
    char *model;
    char *version; /* "": the one that the model's route gives */
};

struct pipeline_step {
    char *name;
    enum pipeline_kind kind;
    struct pipeline_part parts[PIPELINE_STAGES_MAX]; /* the model, or those of the cascade */
    size_t part_count;
    struct pipeline_link *links; /* inputs by name, or what is combined */
    size_t link_count;           /* 0: by the names of the model (wiring.h) */
    double *weights;             /* one for each of what is combined; NULL: all the same */
    char *confidence;            /* CASCADE: the output that says how sure a row is, */
    double threshold;            /* and from when on it is sure enough */
};

struct pipeline {
    struct pipeline_step *steps;
    size_t step_count;
    struct pipeline_link *outputs;
    size_t output_count; /* 0: all of the last step */
};

/* By its name. */
bool pipeline_is_file(const char *path);
/* Reads a model.pipeline. NULL when anything is wrong: every fault is a complaint with its line. */
struct pipeline *pipeline_read(const char *file, struct config_errors *errors);
/* The same from its text, ended with a zero byte; `name` is the file's, for complaints. */
struct pipeline *pipeline_parse(const char *name, const char *text, struct config_errors *errors);
void pipeline_free(struct pipeline *pipeline); /* NULL is fine */

#endif
