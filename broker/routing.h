/* routing: which version answers a request. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ROUTING_H
#define OUTRIGGER_ROUTING_H

#include "model.h"

/* Sets *version for the model and version that a request names (empty ones: the default model, the stable
 * version). Otherwise the failure to answer with: UNKNOWN_MODEL, UNKNOWN_VERSION, or NOT_READY for a version
 * that nobody serves and nobody is about to. */
enum failure route_choose(struct model_table *models, struct text model, struct text version,
                          struct version **chosen);

#endif
