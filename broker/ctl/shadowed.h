/* shadowed: how a shadow version agrees with the one that takes the traffic, in a line.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SHADOWED_H
#define OUTRIGGER_SHADOWED_H

#include "ctl.h"

#include <yyjson.h>

/* Of the answer of a collector to {"command":"shadow"}: "shadow 4: 99.2 % of 1000 predictions agree, ...";
 * the caller frees. NULL when it says nothing of that shadow of the model. */
char *shadowed_line(yyjson_doc *answer, const char *model, const char *shadow);
/* Asks the collector and prints that line, with what is to stand before it; nothing when there is none.
 * `route` is the JSON form of the model's route. */
void shadowed_print(const struct config *config, const char *model, yyjson_val *route, const char *before);

#endif
