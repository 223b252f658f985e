/* batching_view: see batching_view.h. Called by models_command for one model. A broker that is away is no
 * fault of whoever asks for a model. SPDX-License-Identifier: MIT */
#include "batching_view.h"

#include "ask.h"
#include "table.h"

#include <inttypes.h>

enum { ANSWER_TIMEOUT_MS = 2000 };

static uint64_t number_in(yyjson_val *entry, const char *name)
{
    return yyjson_get_uint(yyjson_obj_get(entry, name));
}

yyjson_doc *batching_ask(const struct config *config, const char *model)
{
    yyjson_mut_doc *question = ask_new("batching");
    ask_add_text(question, "model", model);
    char *line = yyjson_mut_write(question, YYJSON_WRITE_NOFLAG, NULL);
    yyjson_doc *answer = ask_line(config, "broker.sock", line, ANSWER_TIMEOUT_MS);
    free(line);
    yyjson_mut_doc_free(question);
    if (answer != NULL && ask_refusal(answer) == NULL)
        return answer;
    yyjson_doc_free(answer);
    return NULL;
}

static void add_size(struct table *table, yyjson_val *size, uint64_t chosen)
{
    uint64_t rows = number_in(size, "rows");
    double us = (double)number_in(size, "ns") / 1000;
    bool is_chosen = rows == chosen;
    enum tone tone = is_chosen ? TONE_GOOD : TONE_PLAIN;
    table_cell(table, tone, "%" PRIu64, rows);
    table_cell(table, tone, "%.1f", us);
    table_cell(table, tone, "%.2f", us / (double)(rows == 0 ? 1 : rows));
    if (yyjson_get_bool(yyjson_obj_get(size, "guessed")))
        table_cell(table, tone, "-");
    else
        table_cell(table, tone, "%.1f", (double)number_in(size, "told_ns") / 1000);
    table_cell(table, tone, "%s", is_chosen ? "best" : "");
}

static void print_version(yyjson_val *version, FILE *out, bool coloured)
{
    static const char *const heads[] = {">ROWS", ">US", ">US A ROW", ">AT LOAD", "PAYS"};
    bool learned = yyjson_get_bool(yyjson_obj_get(version, "learned"));
    yyjson_val *sizes = yyjson_obj_get(version, "sizes"), *size;
    size_t index, count;
    if (yyjson_arr_size(sizes) == 0)
        return;
    fprintf(out, "batches of version %s: up to %" PRIu64 " rows%s\n",
            yyjson_get_str(yyjson_obj_get(version, "version")), number_in(version, "rows"),
            learned ? "" : " (batching.learned is off, or max_delay_us is set)");
    struct table *table = table_new(heads, COUNT_OF(heads));
    yyjson_arr_foreach(sizes, index, count, size)
    {
        add_size(table, size, number_in(version, "chosen"));
    }
    table_print(table, out, coloured);
    table_free(table);
    fputc('\n', out);
}

void batching_print(yyjson_doc *answer, FILE *out, bool coloured)
{
    size_t index, count;
    yyjson_val *version;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(answer), "models"), index, count, version)
    {
        print_version(version, out, coloured);
    }
}

yyjson_doc *batching_join(yyjson_doc *models, yyjson_doc *batching)
{
    yyjson_mut_doc *joined = yyjson_doc_mut_copy(models, NULL);
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(batching), "models");
    if (list != NULL)
        yyjson_mut_obj_add_val(joined, yyjson_mut_doc_get_root(joined), "batching",
                               yyjson_val_mut_copy(joined, list));
    yyjson_doc *answer = yyjson_mut_doc_imut_copy(joined, NULL);
    yyjson_mut_doc_free(joined);
    return answer;
}
