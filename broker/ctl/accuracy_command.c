/* accuracy_command: `outrigger accuracy`: how right each version's answers were, as far as somebody has told.
 * SPDX-License-Identifier: MIT */
#include "ask.h"
#include "say.h"
#include "table.h"

#include <inttypes.h>

enum { ANSWER_TIMEOUT_MS = 5000 };

static void number_cell(struct table *table, yyjson_val *entry, const char *name, double factor,
                        const char *unit)
{
    yyjson_val *value = yyjson_obj_get(entry, name);
    if (value == NULL)
        table_cell(table, TONE_PLAIN, "-");
    else
        table_cell(table, TONE_PLAIN, "%.4g%s", factor * yyjson_get_num(value), unit);
}

static void text_cell(struct table *table, yyjson_val *entry, const char *name)
{
    table_cell(table, TONE_PLAIN, "%s", ask_text(entry, name));
}

static void add_row(struct table *table, yyjson_val *entry)
{
    text_cell(table, entry, "model");
    text_cell(table, entry, "version");
    table_cell(table, TONE_PLAIN, "%" PRIu64, yyjson_get_uint(yyjson_obj_get(entry, "count")));
    number_cell(table, entry, "accuracy", 100, " %");
    number_cell(table, entry, "auc", 1, "");
    number_cell(table, entry, "brier", 1, "");
    number_cell(table, entry, "mae", 1, "");
    number_cell(table, entry, "rmse", 1, "");
}

static int print(yyjson_doc *answer, const char *model)
{
    static const char *const heads[] = {"MODEL", "VERSION", ">KNOWN", ">ACCURACY",
                                        ">AUC",  ">BRIER",  ">MAE",   ">RMSE"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    yyjson_val *entry;
    size_t index, count, shown = 0;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(answer), "models"), index, count, entry)
    {
        if (model != NULL && !yyjson_equals_str(yyjson_obj_get(entry, "model"), model))
            continue;
        add_row(table, entry);
        shown++;
    }
    table_print(table, stdout, say_coloured());
    table_free(table);
    if (shown == 0)
        printf("nothing is known yet: POST /api/v1/feedback tells what turned out to be true\n");
    return CTL_GOOD;
}

int accuracy_command(const struct arguments *arguments)
{
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    int status;
    yyjson_doc *answer =
        ask_collector(arguments, config, ask_new("accuracy"), ANSWER_TIMEOUT_MS, "not known", &status);
    if (answer != NULL)
        status = arguments_has(arguments, OPTION_JSON) ? say_answer(answer)
                                                       : print(answer, arguments->operands[0]);
    yyjson_doc_free(answer);
    config_free(config);
    return status;
}
