/* model_columns: what the columns of a model's rows are called, and what their values may be.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MODEL_COLUMNS_H
#define OUTRIGGER_MODEL_COLUMNS_H

#include "backend.h"
#include "config.h"
#include "schema.h"

/* Adds them to a schema whose inputs are known: as model.conf has them (`config`, NULL: it says nothing),
 * else as the model file does, where it names them. False when one of the two does not go together with the
 * model or with the other; `error` (BACKEND_ERROR_MAX bytes) then says why. */
bool model_columns_add(struct schema *schema, const struct model_config *config,
                       const struct backend_description *description, char *error);

/* False when a list of names is longer than a schema may have it; `error` says so of `what`. */
bool model_columns_fit(const char *what, const char *const *names, size_t count, char *error);

#endif
