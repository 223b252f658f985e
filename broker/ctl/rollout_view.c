/* rollout_view: one paragraph for each roll-out: how far it is, both versions beside each other, what it
 * waits for, what was decided. SPDX-License-Identifier: MIT */
#include "rollout_view.h"

#include "table.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

static const char *text(yyjson_val *object, const char *name)
{
    const char *value = yyjson_get_str(yyjson_obj_get(object, name));
    return value == NULL ? "?" : value;
}

static double number(yyjson_val *object, const char *name)
{
    return yyjson_get_num(yyjson_obj_get(object, name));
}

/* "2m05s", in one of two buffers that take turns. */
static const char *duration(double milliseconds)
{
    static char buffers[2][32];
    static unsigned next;
    char *buffer = buffers[next++ % 2];
    int64_t seconds = (int64_t)(milliseconds / 1000);
    if (milliseconds < 10000 && fmod(milliseconds, 1000) != 0)
        snprintf(buffer, sizeof buffers[0], "%.1f s", milliseconds / 1000);
    else if (seconds < 60)
        snprintf(buffer, sizeof buffers[0], "%" PRId64 " s", seconds);
    else if (seconds < 3600)
        snprintf(buffer, sizeof buffers[0], "%" PRId64 "m%02d", seconds / 60, (int)(seconds % 60));
    else
        snprintf(buffer, sizeof buffers[0], "%" PRId64 "h%02d", seconds / 3600, (int)(seconds % 3600 / 60));
    return buffer;
}

bool rollout_view_ended(yyjson_val *rollout, bool *good)
{
    *good = yyjson_equals_str(yyjson_obj_get(rollout, "state"), "done");
    return yyjson_get_sint(yyjson_obj_get(rollout, "ended_ms")) != 0;
}

static void print_head(yyjson_val *rollout, FILE *out)
{
    bool good, ended = rollout_view_ended(rollout, &good);
    yyjson_val *steps = yyjson_obj_get(rollout, "steps");
    fprintf(out, "%s: %s -> %s  %s%s", text(rollout, "model"), text(rollout, "stable"),
            text(rollout, "version"), text(rollout, "state"),
            !ended && yyjson_get_bool(yyjson_obj_get(rollout, "paused")) ? ", paused" : "");
    if (ended)
        fprintf(out, " after %s and %.0f requests",
                duration(number(rollout, "ended_ms") - number(rollout, "began_ms")),
                number(rollout, "requests"));
    else if (!yyjson_equals_str(yyjson_obj_get(rollout, "state"), "loading"))
        fprintf(out, "  step %.0f of %zu, %g %%  %s of %s", number(rollout, "step") + 1,
                yyjson_arr_size(steps), number(rollout, "share"), duration(number(rollout, "watched_ms")),
                duration(number(rollout, "every_ms")));
    fputc('\n', out);
}

static void print_bounds(yyjson_val *rollout, FILE *out)
{
    size_t index, count;
    yyjson_val *step;
    fputs("  steps ", out);
    yyjson_arr_foreach(yyjson_obj_get(rollout, "steps"), index, count, step)
    {
        fprintf(out, "%s%g", index == 0 ? "" : ", ", yyjson_get_num(step));
    }
    fprintf(out, " %%; errors at most %g %%", 100 * number(rollout, "max_error_rate"));
    if (number(rollout, "max_p99_ms") > 0)
        fprintf(out, ", p99 at most %g ms", number(rollout, "max_p99_ms"));
    if (number(rollout, "min_agreement") > 0)
        fprintf(out, ", agreement at least %g %%", 100 * number(rollout, "min_agreement"));
    if (number(rollout, "min_accuracy") > 0)
        fprintf(out, ", accuracy at least %g %%", 100 * number(rollout, "min_accuracy"));
    fprintf(out, "; at least %.0f requests a step\n", number(rollout, "min_requests"));
}

static void add_side(struct table *table, const char *role, const char *version, yyjson_val *side)
{
    enum tone tone = number(side, "errors") > 0 ? TONE_BUSY : TONE_PLAIN;
    table_cell(table, TONE_PLAIN, "  %s %s", role, version);
    table_cell(table, TONE_PLAIN, "%.0f", number(side, "requests"));
    table_cell(table, tone, "%.0f", number(side, "errors"));
    table_cell(table, tone, "%.3g %%", 100 * number(side, "error_rate"));
    table_cell(table, TONE_PLAIN, "%.0f", number(side, "unserved"));
    table_cell(table, TONE_PLAIN, "%.3g ms", number(side, "p50_ms"));
    table_cell(table, TONE_PLAIN, "%.3g ms", number(side, "p99_ms"));
}

static void print_sides(yyjson_val *rollout, FILE *out, bool coloured)
{
    static const char *const heads[] = {"  THIS STEP", ">REQUESTS", ">ERRORS", ">RATE",
                                        ">NOT SERVED", ">P50",      ">P99"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    add_side(table, "candidate", text(rollout, "version"), yyjson_obj_get(rollout, "candidate"));
    add_side(table, "stable", text(rollout, "stable"), yyjson_obj_get(rollout, "stable_version"));
    table_print(table, out, coloured);
    table_free(table);
    if (yyjson_obj_get(rollout, "compared") != NULL)
        fprintf(out, "  agreed: %.0f of %.0f\n", number(rollout, "agreed"), number(rollout, "compared"));
    if (yyjson_obj_get(rollout, "known") != NULL)
        fprintf(out, "  right: %.0f of %.0f whose truth is known\n", number(rollout, "right"),
                number(rollout, "known"));
}

void rollout_view_decisions(yyjson_val *rollout, FILE *out, int64_t *after)
{
    size_t index, count;
    yyjson_val *decision;
    int64_t last = *after;
    yyjson_arr_foreach(yyjson_obj_get(rollout, "decisions"), index, count, decision)
    {
        char stamp[32] = "?";
        int64_t at = yyjson_get_sint(yyjson_obj_get(decision, "time_ms"));
        time_t seconds = (time_t)(at / 1000);
        struct tm parts;
        if (at <= *after)
            continue;
        if (localtime_r(&seconds, &parts) != NULL)
            strftime(stamp, sizeof stamp, "%F %T", &parts);
        fprintf(out, "  %s  %-9s %5g %%  %s\n", stamp, text(decision, "decision"), number(decision, "share"),
                text(decision, "reason"));
        last = at;
    }
    *after = last;
}

static void print_one(yyjson_val *rollout, FILE *out, bool coloured)
{
    int64_t after = 0;
    bool good;
    print_head(rollout, out);
    print_bounds(rollout, out);
    print_sides(rollout, out, coloured);
    if (!rollout_view_ended(rollout, &good))
        fprintf(out, "  now: %s\n", text(rollout, "reason"));
    fputs("  decisions:\n", out);
    rollout_view_decisions(rollout, out, &after);
}

void rollout_view_print(yyjson_val *answer, FILE *out, bool coloured)
{
    size_t index, count;
    yyjson_val *rollout, *list = yyjson_obj_get(answer, "rollouts");
    if (yyjson_arr_size(list) == 0)
        fputs("no roll-out\n", out);
    yyjson_arr_foreach(list, index, count, rollout)
    {
        if (index > 0)
            fputc('\n', out);
        print_one(rollout, out, coloured);
    }
}
