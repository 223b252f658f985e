/* drift_command: `outrigger drift`: how far what models are asked, and answer, is from what they were
 * profiled with. SPDX-License-Identifier: MIT */
#include "ask.h"
#include "say.h"
#include "table.h"

#include <inttypes.h>

enum { ANSWER_TIMEOUT_MS = 5000 };

static void number_cell(struct table *table, yyjson_val *line, const char *name, double factor,
                        const char *format)
{
    yyjson_val *value = yyjson_obj_get(line, name);
    char text[32];
    snprintf(text, sizeof text, "-");
    if (value != NULL)
        snprintf(text, sizeof text, "%.*f%s", factor == 1 ? 4 : 2, factor * yyjson_get_num(value), format);
    table_cell(table, TONE_PLAIN, "%s", text);
}

static enum tone tone_of(const char *verdict)
{
    return strcmp(verdict, "drifted") == 0    ? TONE_BAD
           : strcmp(verdict, "moderate") == 0 ? TONE_BUSY
           : strcmp(verdict, "stable") == 0   ? TONE_GOOD
                                              : TONE_PLAIN;
}

static void add_line(struct table *table, yyjson_val *line)
{
    const char *verdict = ask_text(line, "verdict");
    table_cell(table, TONE_PLAIN, "%s", ask_text(line, "name"));
    number_cell(table, line, "psi", 1, "");
    number_cell(table, line, "ks", 1, "");
    number_cell(table, line, "missing", 100, " %");
    number_cell(table, line, "out_of_range", 100, " %");
    table_cell(table, tone_of(verdict), "%s", strcmp(verdict, "few") == 0 ? "too few rows" : verdict);
}

static void print_version(yyjson_val *version)
{
    static const char *const heads[] = {"FEATURE", ">PSI", ">KS", ">MISSING", ">OUT OF RANGE", "VERDICT"};
    yyjson_val *line, *baseline = yyjson_obj_get(version, "baseline");
    size_t index, count;
    printf("%s %s: %" PRIu64 " rows in the window", ask_text(version, "model"), ask_text(version, "version"),
           yyjson_get_uint(yyjson_obj_get(version, "rows")));
    if (yyjson_obj_get(version, "problem") != NULL) {
        printf("; %s\n", ask_text(version, "problem"));
        return;
    }
    printf(", against the %" PRIu64 " of %s\n", yyjson_get_uint(yyjson_obj_get(baseline, "rows")),
           ask_text(baseline, "created"));
    struct table *table = table_new(heads, COUNT_OF(heads));
    yyjson_arr_foreach(yyjson_obj_get(version, "features"), index, count, line)
    {
        add_line(table, line);
    }
    add_line(table, yyjson_obj_get(version, "score"));
    table_print(table, stdout, say_coloured());
    table_free(table);
}

static int print(yyjson_doc *answer)
{
    yyjson_val *version, *models = yyjson_obj_get(yyjson_doc_get_root(answer), "models");
    size_t index, count;
    yyjson_arr_foreach(models, index, count, version)
    {
        if (index > 0)
            putchar('\n');
        print_version(version);
    }
    if (yyjson_arr_size(models) == 0)
        puts("no rows have been looked at: none were answered, or drift.rows_per_s is 0");
    return CTL_GOOD;
}

int drift_command(const struct arguments *arguments)
{
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    int status;
    yyjson_mut_doc *question = ask_new("drift");
    ask_add_text(question, "model", arguments->operands[0]);
    yyjson_doc *answer = ask_collector(arguments, config, question, ANSWER_TIMEOUT_MS, "not known", &status);
    if (answer != NULL)
        status = arguments->json ? say_answer(answer) : print(answer);
    yyjson_doc_free(answer);
    config_free(config);
    return status;
}
