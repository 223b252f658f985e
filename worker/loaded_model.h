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
    char *task;       /* as model.conf says; empty: by the outputs */
};

/* Loads the file with the backend and makes the schema from what the file says and what model.conf adds
 * (`config`, NULL: nothing). NULL when that fails; `error` (BACKEND_ERROR_MAX bytes) then says why, without
 * the path. */
struct loaded_model *loaded_model_open(const char *path, const struct backend *backend,
                                       const struct model_config *config, int threads, char *error);
void loaded_model_free(struct loaded_model *model);

/* Computes rows of zeros, in batches of 1, of most_rows and of something between, so that nothing is left to
 * be done for the first request. *one_row becomes the nanoseconds that a batch of one takes then. Fills in
 * the shapes of outputs that the file did not tell. False when the model cannot be served; `error` says why.
 */
bool loaded_model_warm_up(struct loaded_model *model, size_t most_rows, int64_t *one_row, char *error);

/* Prints {"platform", "inputs": [{"name", "datatype", "shape"}], "outputs": [..]} and a newline. */
void loaded_model_describe(const struct loaded_model *model, FILE *out);

#endif
