/* routing: which version answers a request. It owns no memory. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ROUTING_H
#define OUTRIGGER_ROUTING_H

#include "model.h"

/* Sets *version for the model and version that a request names: empty ones mean the default model, and the
 * version that the model's route gives to a request with that `key` (empty: to the next one). Otherwise the
 * failure to answer with: UNKNOWN_MODEL, UNKNOWN_VERSION, or NOT_READY for a version that nobody serves and
 * nobody is about to. */
enum failure route_choose(struct model_table *models, struct text model, struct text version, struct text key,
                          struct version **chosen);

/* The next point of an even sequence that begins at *turn: one of the numbers below ROUTE_WHOLE. */
uint32_t route_point(uint64_t *turn);

/* True when requests that the route led to this version may wait for its workers. */
bool route_holds(const struct version *version);

#endif
