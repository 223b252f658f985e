/* stats_command: `outrigger stats`: what all processes have counted, as the collector adds it up now; with
 * --follow what each of them tells, as it comes (stats_follow.c). SPDX-License-Identifier: MIT */
#include "ask.h"
#include "say.h"
#include "stats_follow.h"
#include "table.h"

enum { ANSWER_TIMEOUT_MS = 5000, LABELS_BYTES = 512 };

static void number_cell(struct table *table, yyjson_val *entry, const char *name)
{
    yyjson_val *value = yyjson_obj_get(entry, name);
    if (value == NULL)
        table_cell(table, TONE_PLAIN, "-");
    else if (yyjson_is_real(value))
        table_cell(table, TONE_PLAIN, "%.6g", yyjson_get_real(value));
    else
        table_cell(table, TONE_PLAIN, "%lld", (long long)yyjson_get_sint(value));
}

/* "model=iris version=1" */
static void labels_cell(struct table *table, yyjson_val *entry)
{
    char text[LABELS_BYTES] = "";
    size_t length = 0, index, count;
    yyjson_val *name, *value;
    yyjson_obj_foreach(yyjson_obj_get(entry, "labels"), index, count, name, value)
    {
        int more = snprintf(text + length, sizeof text - length, "%s%s=%s", index == 0 ? "" : " ",
                            yyjson_get_str(name), yyjson_get_str(value));
        if (more < 0 || (size_t)more >= sizeof text - length)
            break;
        length += (size_t)more;
    }
    table_cell(table, TONE_PLAIN, "%s", text);
}

static const char *name_of(yyjson_val *entry)
{
    const char *name = yyjson_get_str(yyjson_obj_get(entry, "name"));
    return name == NULL ? "" : name;
}

static void add_row(struct table *table, yyjson_val *entry)
{
    static const char *const columns[] = {"mean", "p50", "p95", "p99"};
    table_cell(table, TONE_PLAIN, "%s", name_of(entry));
    labels_cell(table, entry);
    number_cell(table, entry, yyjson_obj_get(entry, "count") != NULL ? "count" : "value");
    for (size_t i = 0; i < COUNT_OF(columns); i++)
        number_cell(table, entry, columns[i]);
}

/* Whether `part` is in the name of an entry's metric; NULL is in all. */
static bool is_wanted(yyjson_val *entry, const char *part)
{
    return part == NULL || strstr(name_of(entry), part) != NULL;
}

/* The answer as it is, but for the metrics that are not wanted. */
static int print_json(yyjson_doc *answer, const char *part)
{
    yyjson_mut_doc *said = yyjson_doc_mut_copy(answer, NULL);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(said), *wanted = yyjson_mut_arr(said);
    yyjson_val *entry;
    size_t index, count;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(answer), "metrics"), index, count, entry)
    {
        if (is_wanted(entry, part))
            yyjson_mut_arr_append(wanted, yyjson_val_mut_copy(said, entry));
    }
    yyjson_mut_obj_put(root, yyjson_mut_str(said, "metrics"), wanted);
    say_json(said);
    return CTL_GOOD;
}

static int print(yyjson_doc *answer, const char *part)
{
    static const char *const heads[] = {"METRIC", "LABELS", ">VALUE", ">MEAN", ">P50", ">P95", ">P99"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    yyjson_val *entry, *root = yyjson_doc_get_root(answer);
    size_t index, count;
    yyjson_arr_foreach(yyjson_obj_get(root, "metrics"), index, count, entry)
    {
        if (is_wanted(entry, part))
            add_row(table, entry);
    }
    table_print(table, stdout, say_coloured());
    table_free(table);
    uint64_t left_out = yyjson_get_uint(yyjson_obj_get(root, "left_out"));
    if (left_out > 0)
        printf("and %llu series more\n", (unsigned long long)left_out);
    return CTL_GOOD;
}

static int show(const struct arguments *arguments, const struct config *config)
{
    int status;
    yyjson_doc *answer =
        ask_collector(arguments, config, ask_new("stats"), ANSWER_TIMEOUT_MS, "not known", &status);
    if (answer != NULL)
        status = arguments->json ? print_json(answer, arguments->operands[0])
                                 : print(answer, arguments->operands[0]);
    yyjson_doc_free(answer);
    return status;
}

int stats_command(const struct arguments *arguments)
{
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    int status =
        arguments_has(arguments, OPTION_FOLLOW) ? stats_follow(arguments, config) : show(arguments, config);
    config_free(config);
    return status;
}
