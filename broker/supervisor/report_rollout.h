/* report_rollout: what may be said of roll-outs to RUNTIME/supervisor.sock. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REPORT_ROLLOUT_H
#define OUTRIGGER_REPORT_ROLLOUT_H

#include "report.h"

void report_rollout(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply);
void report_rollout_status(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply);
void report_rollout_pause(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply);
void report_rollout_resume(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply);
void report_rollout_abort(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply);
/* True, and the command is refused, when it would change what a roll-out that is under way goes by. */
bool report_rollout_forbids(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply);

#endif
