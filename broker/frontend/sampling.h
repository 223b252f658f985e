/* sampling: some of the rows that are answered are shown to the collector, which tells from them whether a
 * model's inputs and scores drift (STATS.md section 8, kind 3). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SAMPLING_H
#define OUTRIGGER_SAMPLING_H

#include "client.h"
#include "config.h"
#include "metrics.h"
#include "observer.h"
#include "sampled.h"
#include "schema.h"

struct sampling;

/* Of this process's share of drift.rows_per_s. What is pointed to must live as long. Never NULL. */
struct sampling *sampling_new(struct loop *loop, const struct config *config, struct metrics *metrics,
                              struct observer *observer);
void sampling_free(struct sampling *sampling); /* NULL is fine */

/* Which rows of one model are taken; the loop's thread's. It lives as long as the sampling. */
struct sampler;
/* That of the model; NULL: none of its rows are taken. `sampling` may be NULL. */
struct sampler *sampling_of(struct sampling *sampling, const char *model);

/* Rows of one request that were taken: a copy of their inputs. */
struct taken;
/* Takes some of the rows of a request that is about to be sent; NULL: none, as nearly always. Any rows, an
 * equal share of all. Loop's thread; `sampler` may be NULL. */
struct taken *sampling_take(struct sampler *sampler, const uint8_t *payload, size_t bytes, uint32_t rows);
/* So many rows of the model were answered, taken or not. Loop's thread; `sampler` may be NULL. */
void sampling_answered(struct sampler *sampler, uint32_t rows);
/* The answer has come: takes their scores out of it. Any thread. */
void taken_answered(struct taken *taken, const struct schema *schema, const uint8_t *payload, size_t bytes);
/* Shows them, and frees them. Without an answer they are counted as dropped. Loop's thread. */
void taken_show(struct taken *taken, struct text model, struct text version);
/* There is no answer: counts them as dropped, and frees them; others may be taken in their place. NULL is
 * fine. Loop's thread. */
void taken_drop(struct taken *taken);

#endif
