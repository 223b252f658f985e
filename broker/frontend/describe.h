/* describe: the models as the JSON of /api/v1/models. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DESCRIBE_H
#define OUTRIGGER_DESCRIBE_H

#include "catalog.h"
#include "identity.h"
#include "output.h"

/* {"models": [...]}: what there is that `identity` may use, and whether it is ready. */
void describe_models(struct output *out, const struct catalog *catalog, const struct identity *identity);
/* {"id": ..., "versions": [...], "inputs": [...], ...}: all that is known of one. */
void describe_model(struct output *out, const struct catalog_model *model);

#endif
