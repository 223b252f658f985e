/* report_rollout: the commands of roll-outs, and those of others that must wait for the end of one.
 *
 *   {"command":"rollout","model":M,"version":V,"steps":[percent,
 * ...],"every_ms","max_error_rate","max_p99_ms", "min_agreement","min_accuracy","min_requests"}   begins one;
 * all but model and version have defaults
 *   {"command":"rollout-status","model":M}   the last one of each model, or of that one
 *   {"command":"rollout-pause"|"rollout-resume"|"rollout-abort","model":M}
 *
 * SPDX-License-Identifier: MIT */
#include "report_rollout.h"

#include "rollout.h"

enum { REASON_BYTES = 1600 };

static const char *model_of(yyjson_val *request)
{
    return yyjson_get_str(yyjson_obj_get(request, "model"));
}

void report_rollout(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    char reason[REASON_BYTES];
    if (!rollouts_begin(report->rollouts, request, reason, sizeof reason))
        control_refuse(reply, "%s", reason);
}

void report_rollout_status(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    rollouts_status(report->rollouts, model_of(request), reply);
}

void report_rollout_pause(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    char reason[REASON_BYTES];
    if (!rollouts_pause(report->rollouts, model_of(request), reason, sizeof reason))
        control_refuse(reply, "%s", reason);
}

void report_rollout_resume(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    char reason[REASON_BYTES];
    if (!rollouts_resume(report->rollouts, model_of(request), reason, sizeof reason))
        control_refuse(reply, "%s", reason);
}

void report_rollout_abort(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    char reason[REASON_BYTES];
    if (!rollouts_abort(report->rollouts, model_of(request), reason, sizeof reason))
        control_refuse(reply, "%s", reason);
}

bool report_rollout_forbids(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    static const char *const commands[] = {"promote", "rollback", "route", "unload"};
    const char *model = model_of(request);
    yyjson_val *command = yyjson_obj_get(request, "command");
    bool meant = false;
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        meant = meant || yyjson_equals_str(command, commands[i]);
    if (yyjson_equals_str(command, "route") && yyjson_obj_get(request, "route") == NULL)
        return false; /* only looks */
    if (!meant || model == NULL || !rollouts_active(report->rollouts, model))
        return false;
    control_refuse(reply, "a roll-out of %s is under way: outrigger rollout abort %s", model, model);
    return true;
}
