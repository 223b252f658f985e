/* batching_view: what batches of each size take a model, and which size was chosen.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCHING_VIEW_H
#define OUTRIGGER_BATCHING_VIEW_H

#include "ctl.h"

#include <stdio.h>
#include <yyjson.h>

/* Asks the broker what it has learned of the model; the caller frees. NULL when none answers. */
yyjson_doc *batching_ask(const struct config *config, const char *model);
/* The answer as a table for each version of which anything is known. */
void batching_print(yyjson_doc *answer, FILE *out, bool coloured);
/* Puts "batching" into the answer of a supervisor: the list as the broker said it. Returns a new document. */
yyjson_doc *batching_join(yyjson_doc *models, yyjson_doc *batching);

#endif
