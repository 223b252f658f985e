/* openapi_model: what one model adds to the OpenAPI document: its paths and its schemas.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OPENAPI_MODEL_H
#define OUTRIGGER_OPENAPI_MODEL_H

#include "catalog.h"
#include "output.h"

/* Members of objects of JSON, each with a comma behind it. Zeroed = empty. */
struct openapi_parts {
    struct output paths;         /* of "paths" */
    struct output schemas;       /* of "components.schemas" */
    struct output single, batch; /* elements: the bodies of the paths that name no model */
};
void openapi_parts_free(struct openapi_parts *parts);

/* How far they are. */
struct openapi_mark {
    size_t paths, schemas, single, batch;
};
struct openapi_mark openapi_mark(const struct openapi_parts *parts);
void openapi_back_to(struct openapi_parts *parts, const struct openapi_mark *mark);
size_t openapi_bytes(const struct openapi_parts *parts);

/* Adds the model; requests that name none get it when it is the `standard` one. */
void openapi_model(struct openapi_parts *parts, const struct catalog_model *model, bool standard);
/* Adds the paths that name no model; and, when some models were left out, those that take any name. */
void openapi_general(struct openapi_parts *parts, size_t left_out);

#endif
