/* optimize_view: see optimize_view.h. Called by optimize_command.c. What is worse than before is shown as
 * that, also where something was to be gained. SPDX-License-Identifier: MIT */
#include "optimize_view.h"

#include "table.h"

#include <inttypes.h>
#include <math.h>

static void add_number(struct table *table, enum tone tone, const char *format, double number)
{
    char text[64] = "-";
    if (!isnan(number)) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, format, number);
#pragma GCC diagnostic pop
    }
    table_cell(table, isnan(number) ? TONE_PLAIN : tone, "%s", text);
}

/* `better` is above 0 when it is so much better than before. */
static enum tone tone_of(double better, double margin)
{
    return better > margin ? TONE_GOOD : better < -margin ? TONE_BAD : TONE_PLAIN;
}

static void add_row(struct table *table, const struct candidate *candidate, const struct candidate *before)
{
    bool regression = candidate->answers->schema->regression;
    const struct figures *own = &candidate->figures, *first = &before->figures;
    table_cell(table, TONE_PLAIN, "%s", candidate->name);
    table_cell(table, tone_of((double)(before->bytes - candidate->bytes), 0), "%" PRId64, candidate->bytes);
    for (size_t i = 0; i < OPTIMIZE_BATCHES; i++)
        add_number(table, tone_of(before->us[i] - candidate->us[i], before->us[i] / 20), "%.2f",
                   candidate->us[i]);
    if (regression) {
        add_number(table, tone_of(own->r2 - first->r2, 0), "%.4f", own->r2);
        add_number(table, tone_of(first->rmse - own->rmse, 0), "%.6g", own->rmse);
    } else {
        add_number(table, tone_of(own->accuracy - first->accuracy, 0), "%.4f", own->accuracy);
        add_number(table, tone_of(own->auc - first->auc, 0), "%.5f", own->auc);
    }
    add_number(table, TONE_PLAIN, "%.3g", candidate->difference);
    add_number(table, TONE_PLAIN, "%.2f %%", 100 * candidate->share);
    add_number(table, TONE_PLAIN, "%.3g", candidate->alone);
}

void optimize_print_table(const struct candidate *candidates, size_t count, FILE *out, bool coloured)
{
    bool regression = candidates[0].answers->schema->regression;
    const char *const heads[] = {"MODEL",
                                 ">BYTES",
                                 ">US/ROW, 1",
                                 ">8",
                                 ">32",
                                 ">128",
                                 regression ? ">R2" : ">ACCURACY",
                                 regression ? ">RMSE" : ">AUC",
                                 ">DIFFERENCE",
                                 ">SAME",
                                 ">ALONE"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    for (size_t i = 0; i < count; i++)
        add_row(table, &candidates[i], &candidates[0]);
    table_print(table, out, coloured);
    table_free(table);
}

/* ---- for programs ---- */

static void add_real(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, double number)
{
    if (!isnan(number))
        yyjson_mut_obj_add_real(document, object, name, number);
}

static void fill(yyjson_mut_doc *document, yyjson_mut_val *object, const struct candidate *candidate)
{
    char name[16];
    yyjson_mut_obj_add_strcpy(document, object, "name", candidate->name);
    yyjson_mut_obj_add_sint(document, object, "bytes", candidate->bytes);
    yyjson_mut_val *us = yyjson_mut_obj_add_obj(document, object, "us_per_row");
    for (size_t i = 0; i < OPTIMIZE_BATCHES; i++) {
        snprintf(name, sizeof name, "%zu", optimize_batches[i]);
        if (!isnan(candidate->us[i]))
            yyjson_mut_obj_add_val(document, us, yyjson_mut_get_str(yyjson_mut_strcpy(document, name)),
                                   yyjson_mut_real(document, candidate->us[i]));
    }
    add_real(document, object, "accuracy", candidate->figures.accuracy);
    add_real(document, object, "auc", candidate->figures.auc);
    add_real(document, object, "r2", candidate->figures.r2);
    add_real(document, object, "rmse", candidate->figures.rmse);
    add_real(document, object, "largest_difference", candidate->difference);
    add_real(document, object, "same", candidate->share);
    add_real(document, object, "largest_difference_alone", candidate->alone);
}

void optimize_add_json(yyjson_mut_doc *document, yyjson_mut_val *object, const struct candidate *candidates,
                       size_t count)
{
    fill(document, yyjson_mut_obj_add_obj(document, object, "before"), &candidates[0]);
    yyjson_mut_val *after = yyjson_mut_obj_add_arr(document, object, "after");
    for (size_t i = 1; i < count; i++)
        fill(document, yyjson_mut_arr_add_obj(document, after), &candidates[i]);
}
