/* oip_describe: the server and its models in the words of the Open Inference Protocol.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OIP_DESCRIBE_H
#define OUTRIGGER_OIP_DESCRIBE_H

#include "auth.h"
#include "config.h"
#include "output.h"

/* {"name": ..., "version": ..., "extensions": [...]} */
void oip_describe_server(struct output *out, const struct config *config);
/* {"models": [name, ...]} */
void oip_describe_models(struct output *out, const struct catalog *catalog, const struct identity *identity);
/* The metadata of a version whose schema is known: name, versions, platform, inputs, outputs. */
void oip_describe_model(struct output *out, const struct catalog_model *model,
                        const struct catalog_version *version);
/* Its configuration, as far as clients go by it; max_rows: of one request. */
void oip_describe_config(struct output *out, const struct catalog_model *model,
                         const struct catalog_version *version, int64_t max_rows);

#endif
