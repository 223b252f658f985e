/* shadowed: see shadowed.h. A collector that is away is no fault of whoever asks for a route.
 * SPDX-License-Identifier: MIT */
#include "shadowed.h"

#include "ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_TIMEOUT_MS = 2000 };

static uint64_t number_in(yyjson_val *entry, const char *name)
{
    return yyjson_get_uint(yyjson_obj_get(entry, name));
}

/* The newest pair with that shadow; NULL. */
static yyjson_val *find(yyjson_doc *answer, const char *model, const char *shadow)
{
    yyjson_val *entry, *found = NULL;
    size_t index, count;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(answer), "models"), index, count, entry)
    {
        if (yyjson_equals_str(yyjson_obj_get(entry, "model"), model) &&
            yyjson_equals_str(yyjson_obj_get(entry, "shadow"), shadow))
            found = entry;
    }
    return found;
}

char *shadowed_line(yyjson_doc *answer, const char *model, const char *shadow)
{
    yyjson_val *entry = find(answer, model, shadow);
    if (entry == NULL)
        return NULL;
    char *line, agreement[64] = "nothing compared yet";
    uint64_t compared = number_in(entry, "compared");
    if (compared > 0)
        snprintf(agreement, sizeof agreement, "%.4g %% of %" PRIu64 " predictions agree",
                 100 * (double)number_in(entry, "agreed") / (double)compared, compared);
    ENSURE(asprintf(&line,
                    "shadow %s of %s: %s; difference %.3g on average, %.3g at most; of %" PRIu64
                    " copies %" PRIu64 " failed, %" PRIu64 " were dropped",
                    shadow, yyjson_get_str(yyjson_obj_get(entry, "stable")), agreement,
                    yyjson_get_num(yyjson_obj_get(entry, "mean")),
                    yyjson_get_num(yyjson_obj_get(entry, "largest")), number_in(entry, "copies"),
                    number_in(entry, "failed"), number_in(entry, "dropped")) >= 0);
    return line;
}

void shadowed_print(const struct config *config, const char *model, yyjson_val *route, const char *before)
{
    const char *shadow = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(route, "shadow"), "version"));
    if (shadow == NULL || model == NULL)
        return;
    yyjson_doc *answer = ask(config, "collector.sock", "shadow", ANSWER_TIMEOUT_MS);
    char *line = shadowed_line(answer, model, shadow);
    if (line != NULL)
        printf("%s%s\n", before, line);
    free(line);
    yyjson_doc_free(answer);
}
