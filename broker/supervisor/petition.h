/* petition: whether what the operator wishes can be granted. Used by deploy.c alone.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PETITION_H
#define OUTRIGGER_PETITION_H

#include "deploy.h"

/* A wish, what it is checked against, and where its refusal goes. */
struct petition {
    const struct wish *wish;
    const struct plan_model *model;
    const struct model_config *config;
    const struct deployments *said; /* until now */
    char *reason;
    size_t capacity;
};

/* Checks the wish and writes into `said`, the model's own, what it says at once. False with the reason; then
 * `said` is good for nothing. */
bool petition_granted(const struct petition *petition, struct deployment *said);
/* Adds every version that the route names. */
void petition_route_versions(const struct route *route, struct config_names *list);

#endif
