/* golden: requests whose answers are known, which a version answers before it says READY. The file is
 * described in model.conf(5). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_GOLDEN_H
#define OUTRIGGER_GOLDEN_H

#include "batch.h"

enum { GOLDEN_ERROR_MAX = 1024 /* bytes of an error with its terminator */ };

struct golden;

/* Reads VERSION_FOLDER/golden.json, else MODEL_FOLDER/golden.json, for the model with that schema (which
 * outlives it). NULL when neither is there (`error` is empty then), or when the file is wrong: `error` is one
 * line, "FILE: requests[3].features: expected 30 values, got 29". */
struct golden *golden_read(const char *version_folder, const char *model_folder, const struct schema *schema,
                           char error[GOLDEN_ERROR_MAX]);
/* The same from the text of a file that `path` names. */
struct golden *golden_parse(const char *path, const char *text, size_t length, const struct schema *schema,
                            char error[GOLDEN_ERROR_MAX]);
void golden_free(struct golden *golden);

/* How many requests; 0 for NULL. */
size_t golden_count(const struct golden *golden);
/* What request `i` asks, as a tensors payload. Good as long as `golden` is. */
struct text golden_payload(const struct golden *golden, size_t i);

/* Computes each request through `batch` and compares. False when any answer is another than expected: the
 * first fault is the error, "FILE: requests[3]: output probabilities[0][1]: expected 0.98, got 0.71
 * (tolerance 1e-05)", and some more are logged. */
bool golden_pass(const struct golden *golden, struct batch *batch, char error[GOLDEN_ERROR_MAX]);

#endif
