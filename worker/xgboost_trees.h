/* xgboost_trees: whether the trees of an XGBoost model are trees. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_XGBOOST_TREES_H
#define OUTRIGGER_XGBOOST_TREES_H

#include "object.h"

/* Looks through a model in JSON. False when the library would be led out of its memory, or around in a
 * circle, by loading or computing it: `error` (`capacity` bytes) then says by what. Pure. */
bool xgboost_trees_ok(const char *json, size_t length, char *error, size_t capacity);

#endif
