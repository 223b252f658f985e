/* inspect: what a model file takes and gives, asked of the worker that would serve it.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_INSPECT_H
#define OUTRIGGER_INSPECT_H

#include "config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <yyjson.h>

/* Runs `outrigger-worker --describe file folder`, with what the configuration says of the sandbox and of
 * signatures. It loads the model of that folder, has it answer its golden requests and prints {"inputs":
 * [{"name", "datatype", "shape"}], "outputs": [...], "golden": N, "digest", "signed": true}. The caller frees
 * the document with yyjson_doc_free. NULL when it cannot be run, does not load the model within a minute, or
 * says nothing sensible; `reason` tells. */
yyjson_doc *inspect_model(const struct config *config, const char *file, const char *folder, char *reason,
                          size_t capacity);

/* Prints "x FP32[-1,30], y INT64[-1]" for such an array. */
void inspect_print_tensors(yyjson_val *tensors, FILE *out);

#endif
