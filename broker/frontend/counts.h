/* counts: what a frontend counts of the API's calls. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_COUNTS_H
#define OUTRIGGER_COUNTS_H

#include "auth.h"
#include "calls.h"
#include "metrics.h"
#include "protocol.h"
#include "steering.h"

/* Keeps the series once they are found, so that counting is adding. For one thread. */
struct counts;
struct counts *counts_new(struct metrics *metrics);
void counts_free(struct counts *counts);

/* Any call: one HTTP request answered with that status. */
void counts_call(struct counts *counts, enum call call, int status);
/* Who asked, and what authentication said. */
void counts_auth(struct counts *counts, enum identity_kind kind, enum auth_outcome outcome);
/* One of an API key, answered with that status. */
void counts_key(struct counts *counts, const struct identity *identity, int status);
/* A prediction with success: rows, and nanoseconds from the request read to the answer ready. Names of the
 * catalog. `trace`: the id of its trace, when that is recorded,
 * stands for such durations from then on; NULL: it is not. */
void counts_prediction(struct counts *counts, const char *model, const char *version, uint64_t rows,
                       int64_t duration, const uint8_t *trace);
/* A header had to do with the choice of its version; not STEERED_NOT. */
void counts_steered(struct counts *counts, const char *model, enum steered steered);
/* A prediction without: `kind` is the label of what went wrong. "" for a model or version that is not known,
 * so that nobody outside can make up labels. */
void counts_error(struct counts *counts, const char *model, const char *version, const char *kind);

#endif
