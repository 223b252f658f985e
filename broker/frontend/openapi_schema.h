/* openapi_schema: JSON Schemas of the rows that a model takes.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OPENAPI_SCHEMA_H
#define OUTRIGGER_OPENAPI_SCHEMA_H

#include "catalog.h"
#include "output.h"

enum { OPENAPI_COLUMNS_MAX = 1024 /* described one by one; of more only what they have in common is said */ };

/* {"anyOf": [by position, by name], "x-columns": [names]}; or what stands for a row that nobody knows. */
void openapi_row(struct output *out, const struct catalog_version *version);
/* A row that the schema allows, by name or by position. False, and nothing is written, when there is none
 * to show. */
bool openapi_example(struct output *out, const struct catalog_version *version, bool by_name);
/* The same as lines of CSV, as a JSON string. */
bool openapi_example_csv(struct output *out, const struct catalog_version *version, bool batch);

#endif
