/* rollout_view: roll-outs as people read them. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ROLLOUT_VIEW_H
#define OUTRIGGER_ROLLOUT_VIEW_H

#include "object.h"

#include <stdio.h>
#include <yyjson.h>

/* Prints the roll-outs of an answer to "rollout-status"; `coloured` as table.h. */
void rollout_view_print(yyjson_val *answer, FILE *out, bool coloured);
/* Prints the decisions of one roll-out from `*after` on (milliseconds since 1970, not included), and moves
 * *after behind them. */
void rollout_view_decisions(yyjson_val *rollout, FILE *out, int64_t *after);
/* True when it has ended; *good: the candidate is the stable version. */
bool rollout_view_ended(yyjson_val *rollout, bool *good);

#endif
