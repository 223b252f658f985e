/* inventory: every model with its versions, for people and programs. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_INVENTORY_H
#define OUTRIGGER_INVENTORY_H

#include "fleet.h"

#include <yyjson.h>

/* Adds {"model", "stable", "wanted", "previous", "pinned", "stopped", "policy", "route", "instances",
 * "versions"} to the list for each model, or for the one that is named. False when there is none of that
 * name. */
bool inventory_add(const struct fleet *fleet, const char *model, yyjson_mut_doc *reply, yyjson_mut_val *list);
/* Adds the route that holds for the model, as an object. */
void inventory_add_route(const struct fleet *fleet, const struct plan_model *model, yyjson_mut_doc *reply,
                         yyjson_mut_val *object);

#endif
