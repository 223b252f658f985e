/* plan: see plan.h. SPDX-License-Identifier: MIT */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>

#define COMPLAIN(reason, ...) (snprintf((reason), PLAN_REASON_MAX, __VA_ARGS__), false)

static size_t count_of(const char *said)
{
    size_t count = 1;
    for (; *said != '\0'; said++)
        count += *said == ',';
    return count;
}

/* "a,b,c": the columns in their order. */
static bool list_columns(struct plan *plan, char *reason)
{
    char *rest = plan->renames;
    if (count_of(rest) != plan->width)
        return COMPLAIN(reason, "columns: the model takes %zu values, and %zu columns are named", plan->width,
                        count_of(rest));
    plan->columns = object_alloc(plan->width * sizeof *plan->columns);
    for (size_t i = 0; i < plan->width; i++) {
        plan->columns[i] = strsep(&rest, ",");
        if (*plan->columns[i] == '\0' || strchr(plan->columns[i], ':') != NULL)
            return COMPLAIN(reason,
                            "columns: the model's features have no names: expected the columns in their "
                            "order, as a,b,c, got \"%.60s\"",
                            plan->columns[i]);
    }
    return true;
}

/* "feature:column,...". */
static bool rename_columns(struct plan *plan, const struct layout *layout, char *reason)
{
    char *rest = plan->renames, *pair;
    while ((pair = strsep(&rest, ",")) != NULL) {
        char *colon = strchr(pair, ':');
        size_t at;
        if (colon == NULL || colon[1] == '\0')
            return COMPLAIN(reason, "columns: expected FEATURE:COLUMN, got \"%.60s\"", pair);
        if (!layout_find(layout, (struct text){pair, (size_t)(colon - pair)}, &at))
            return COMPLAIN(reason, "columns: the model has no feature \"%.*s\"", (int)(colon - pair), pair);
        plan->columns[at] = colon + 1;
    }
    return true;
}

static void copy_names(struct plan *plan, const struct layout *layout)
{
    plan->columns = object_alloc(plan->width * sizeof *plan->columns);
    plan->copies = object_alloc(plan->width * sizeof *plan->copies);
    for (size_t i = 0; i < plan->width; i++)
        plan->columns[i] = plan->copies[i] = strndup(layout->names[i].at, layout->names[i].length);
}

/* What columns of predictions are made as. */
static enum table_prediction prediction_of(const struct schema *schema)
{
    if (schema->regression)
        return TABLE_PREDICTION_NUMBER;
    for (size_t i = 0; i < schema->output_count; i++)
        if (schema->outputs[i].datatype == DATATYPE_BYTES)
            return TABLE_PREDICTION_TEXT;
    return TABLE_PREDICTION_CLASS;
}

static bool make(struct plan *plan, const struct layout *layout, const struct row_builder *builder,
                 char *reason)
{
    if (plan->width == 0)
        return COMPLAIN(reason, "the model takes rows of any number of values: name the columns, as in "
                                "columns=a,b,c");
    plan->optional = object_alloc(plan->width * sizeof *plan->optional);
    plan->is_text = object_alloc(plan->width * sizeof *plan->is_text);
    for (size_t i = 0; i < plan->width; i++) {
        plan->optional[i] = row_builder_optional(builder, i);
        plan->is_text[i] = layout_datatype(layout, i) == DATATYPE_BYTES;
    }
    if (layout->names != NULL)
        copy_names(plan, layout);
    if (plan->renames == NULL)
        return true;
    return layout->names != NULL ? rename_columns(plan, layout, reason) : list_columns(plan, reason);
}

bool plan_make(struct plan *plan, const struct schema *schema, const char *said, char reason[PLAN_REASON_MAX])
{
    *plan = (struct plan){.prediction = prediction_of(schema)};
    struct row_builder *builder = row_builder_new(schema, 1);
    if (builder == NULL)
        return COMPLAIN(reason, "the model does not take rows of values");
    const struct layout *layout = row_builder_layout(builder);
    plan->renames = said == NULL ? NULL : object_strdup(said);
    plan->width = layout->width;
    if (plan->width == 0 && said != NULL && row_builder_widen(builder, count_of(said)))
        plan->width = count_of(said);
    bool good = make(plan, layout, builder, reason);
    row_builder_free(builder);
    return good;
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; plan->copies != NULL && i < plan->width; i++)
        free(plan->copies[i]);
    free(plan->copies);
    free(plan->columns);
    free(plan->optional);
    free(plan->is_text);
    free(plan->renames);
    *plan = (struct plan){0};
}
