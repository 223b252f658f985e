/* openapi_answer: JSON Schemas of what a model answers. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OPENAPI_ANSWER_H
#define OUTRIGGER_OPENAPI_ANSWER_H

#include "catalog.h"
#include "output.h"

/* The object of an answer. `labels_fixed`: no other version may answer. */
void openapi_prediction(struct output *out, const struct catalog_version *version, const char *model,
                        bool batch, bool labels_fixed);

#endif
