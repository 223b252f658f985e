/* inputs: a request's payload against what the model takes. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_INPUTS_H
#define OUTRIGGER_INPUTS_H

#include "schema.h"

/* Reads the tensors and puts them into `inputs` (schema->input_count of them, views of the payload) in the
 * order of the schema. False when they do not fit the model; `complaint` then says what was expected and what
 * came (it may hold bytes from outside). *rows is 1 to PROTOCOL_ROWS_MAX on success. */
bool inputs_read(const struct schema *schema, const uint8_t *payload, size_t bytes, struct tensor *inputs,
                 size_t *rows, char *complaint, size_t complaint_size);
/* The same of a payload that is like `known`, of the same length, from which `known_inputs` were read: the
 * same bytes around the values. Most of a batch are, and need not be understood one by one. False when it is
 * not, or might not be (strings have their lengths among them): then it has to be read. */
bool inputs_read_alike(const struct schema *schema, const uint8_t *known, const struct tensor *known_inputs,
                       const uint8_t *payload, size_t bytes, struct tensor *inputs);

#endif
