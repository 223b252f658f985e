/* loaded_model: one version of one model, loaded. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LOADED_MODEL_H
#define OUTRIGGER_LOADED_MODEL_H

#include "backend.h"
#include "config.h"
#include "schema.h"

#include <stdio.h>

struct loaded_model {
    const struct backend *backend;
    void *state; /* the backend's */
    struct schema *schema;
    size_t call_rows; /* the rows that every call must have; 0: any number */
    char *task;       /* as model.conf says, else the model file; empty: by the outputs */
};

/* Loads the file with the backend and makes the schema from what the file says and what model.conf adds
 * (`config`, NULL: nothing). NULL when that fails; `error` (BACKEND_ERROR_MAX bytes) then says why, without
 * the path. */
struct loaded_model *loaded_model_open(const char *path, const struct backend *backend,
                                       const struct model_config *config, int threads, char *error);
/* The same for what the backend has opened already; its state is the model's from now on, and closed when
 * that fails. */
struct loaded_model *loaded_model_take(const struct backend *backend, void *state,
                                       const struct backend_description *description,
                                       const struct model_config *config, char *error);
void loaded_model_free(struct loaded_model *model);

/* Completes what the schema says of the outputs by those of one call, in the order of the schema: their
 * shapes count, no more. `first`: the first call; a later one finds out which columns vary. False when the
 * model cannot be served; `error` says why. */
bool loaded_model_learn(struct loaded_model *model, const struct tensor *outputs, bool first, char *error);
/* The same by a call of as few rows of zeros as the model takes. Also true when the engine cannot compute
 * them and the outputs are known without. */
bool loaded_model_learn_from_zeros(struct loaded_model *model, char *error);
/* The rank of each output is known. */
bool loaded_model_knows_outputs(const struct loaded_model *model);

/* A tensors payload of so many rows of zeros and empty strings, `*bytes` long, which the caller frees. NULL
 * when they are more than `most_bytes`. */
uint8_t *loaded_model_zeros(const struct loaded_model *model, size_t rows, size_t most_bytes, size_t *bytes);

/* Prints {"platform", "inputs": [{"name", "datatype", "shape"}], "outputs": [..], "golden", "digest",
 * "signed"} and a newline; `golden` is how many golden requests it has passed, left out when there are none,
 * as are a digest that is not known, and `is_signed` when it was not asked. */
void loaded_model_describe(const struct loaded_model *model, size_t golden, bool is_signed, FILE *out);

#endif
