/* batch: many requests through one call of the engine, and their answers apart again.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_H
#define OUTRIGGER_BATCH_H

#include "loaded_model.h"
#include "protocol.h"

struct batch;

/* Reused for all batches of the model (which outlives it). The engine gets at most `slice_rows` rows a call;
 * an answer longer than `max_answer_bytes` is a failure of the model. */
struct batch *batch_new(const struct loaded_model *model, size_t slice_rows, size_t max_answer_bytes);
void batch_free(struct batch *batch);

/* Forgets all requests. */
void batch_clear(struct batch *batch);
/* Adds a request: a tensors payload, which must stay where it is until batch_run has returned. One that does
 * not fit the model is kept as failed. */
void batch_add(struct batch *batch, const uint8_t *payload, size_t bytes);
/* Computes all requests that can be; each ends with an answer or a failure of its own. Work that has not
 * begun at `deadline` (monotonic nanoseconds) is not done. */
void batch_run(struct batch *batch, int64_t deadline);

size_t batch_count(const struct batch *batch);
/* Rows of all requests that have an answer. */
size_t batch_rows(const struct batch *batch);
/* FAILURE_NONE: there is an answer; else batch_message says why there is none (at most PROTOCOL_TEXT_MAX
 * bytes of printable ASCII; good until batch_clear). */
enum failure batch_failure(const struct batch *batch, size_t request);
const char *batch_message(const struct batch *batch, size_t request);
/* The answer as a tensors payload: its length, and its bytes (`capacity` at least that length). */
size_t batch_answer_bytes(const struct batch *batch, size_t request);
void batch_answer(const struct batch *batch, size_t request, uint8_t *bytes, size_t capacity);

#endif
