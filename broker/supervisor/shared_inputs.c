/* shared_inputs: see shared_inputs.h. A frontend checks a request against the stable version, and the broker
 * chooses who answers it, so an arm whose inputs differ would get what it was never checked for. The broker
 * leads nothing there in any case (likeness.c); here the operator is told before it comes so far.
 * SPDX-License-Identifier: MIT */
#include "shared_inputs.h"

#include <stdio.h>

enum { HOW_BYTES = 512 };

static bool fits(struct broker_view *view, const char *model, const char *version, const char *stable,
                 char *why, size_t capacity)
{
    char how[HOW_BYTES];
    if (strcmp(version, stable) == 0 ||
        broker_view_same_inputs(view, model, stable, version, how, sizeof how))
        return true;
    snprintf(why, capacity,
             "version %s of %s takes other inputs than version %s, so they cannot share a route: %s", version,
             model, stable, how);
    return false;
}

bool shared_inputs_fit(struct broker_view *view, const char *model, const struct route *route,
                       const char *stable, char *why, size_t capacity)
{
    if (route == NULL || stable == NULL)
        return true;
    for (size_t i = 0; i < route->arm_count; i++)
        if (!fits(view, model, route->arms[i].version, stable, why, capacity))
            return false;
    return route->shadow.version == NULL || fits(view, model, route->shadow.version, stable, why, capacity);
}
