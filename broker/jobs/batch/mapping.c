/* mapping: see mapping.h. SPDX-License-Identifier: MIT */
#include "mapping.h"

#include "prediction_list.h"

#include <stdio.h>
#include <stdlib.h>

#define COMPLAIN(reason, ...) (snprintf((reason), MAPPING_REASON_MAX, __VA_ARGS__), false)

static size_t count_of(const char *said)
{
    size_t count = 1;
    for (; *said != '\0'; said++)
        count += *said == ',';
    return count;
}

/* "a,b,c": the columns in their order. */
static bool list_columns(struct mapping *mapping, char *reason)
{
    char *rest = mapping->renames;
    if (count_of(rest) != mapping->width)
        return COMPLAIN(reason, "columns: the model takes %zu values, and %zu columns are named",
                        mapping->width, count_of(rest));
    mapping->columns = object_alloc(mapping->width * sizeof *mapping->columns);
    for (size_t i = 0; i < mapping->width; i++) {
        mapping->columns[i] = strsep(&rest, ",");
        if (*mapping->columns[i] == '\0' || strchr(mapping->columns[i], ':') != NULL)
            return COMPLAIN(reason,
                            "columns: the model's features have no names: expected the columns in their "
                            "order, as a,b,c, got \"%.60s\"",
                            mapping->columns[i]);
    }
    return true;
}

/* "feature:column,...". */
static bool rename_columns(struct mapping *mapping, const struct layout *layout, char *reason)
{
    char *rest = mapping->renames, *pair;
    while ((pair = strsep(&rest, ",")) != NULL) {
        char *colon = strchr(pair, ':');
        size_t at;
        if (colon == NULL || colon[1] == '\0')
            return COMPLAIN(reason, "columns: expected FEATURE:COLUMN, got \"%.60s\"", pair);
        if (!layout_find(layout, (struct text){pair, (size_t)(colon - pair)}, &at))
            return COMPLAIN(reason, "columns: the model has no feature \"%.*s\"", (int)(colon - pair), pair);
        mapping->columns[at] = colon + 1;
    }
    return true;
}

static void copy_names(struct mapping *mapping, const struct layout *layout)
{
    mapping->columns = object_alloc(mapping->width * sizeof *mapping->columns);
    mapping->copies = object_alloc(mapping->width * sizeof *mapping->copies);
    for (size_t i = 0; i < mapping->width; i++)
        mapping->columns[i] = mapping->copies[i] = strndup(layout->names[i].at, layout->names[i].length);
}

/* What columns of predictions are made as. */
static enum table_prediction prediction_of(const struct schema *schema)
{
    struct tensor outputs[TENSOR_COUNT_MAX];
    size_t count = roles_declared(schema, outputs);
    const struct roles roles = roles_of(schema, outputs, count);
    if (prediction_is_list(&roles, schema->regression))
        return TABLE_PREDICTION_TEXT;
    if (schema->regression)
        return TABLE_PREDICTION_NUMBER;
    return roles.class != NULL && roles.class->datatype == DATATYPE_BYTES ? TABLE_PREDICTION_TEXT
                                                                          : TABLE_PREDICTION_CLASS;
}

static bool make(struct mapping *mapping, const struct layout *layout, const struct row_builder *builder,
                 char *reason)
{
    if (mapping->width == 0)
        return COMPLAIN(reason, "the model takes rows of any number of values: name the columns, as in "
                                "columns=a,b,c");
    mapping->optional = object_alloc(mapping->width * sizeof *mapping->optional);
    mapping->is_text = object_alloc(mapping->width * sizeof *mapping->is_text);
    for (size_t i = 0; i < mapping->width; i++) {
        mapping->optional[i] = row_builder_optional(builder, i);
        mapping->is_text[i] = layout_datatype(layout, i) == DATATYPE_BYTES;
    }
    if (layout->names != NULL)
        copy_names(mapping, layout);
    if (mapping->renames == NULL)
        return true;
    return layout->names != NULL ? rename_columns(mapping, layout, reason) : list_columns(mapping, reason);
}

bool mapping_make(struct mapping *mapping, const struct schema *schema, const char *said,
                  char reason[MAPPING_REASON_MAX])
{
    *mapping = (struct mapping){.prediction = prediction_of(schema)};
    struct row_builder *builder = row_builder_new(schema, 1);
    if (builder == NULL)
        return COMPLAIN(reason, "the model does not take rows of values");
    const struct layout *layout = row_builder_layout(builder);
    mapping->renames = said == NULL ? NULL : object_strdup(said);
    mapping->width = layout->width;
    if (mapping->width == 0 && said != NULL && row_builder_widen(builder, count_of(said)))
        mapping->width = count_of(said);
    bool good = make(mapping, layout, builder, reason);
    row_builder_free(builder);
    return good;
}

void mapping_free(struct mapping *mapping)
{
    for (size_t i = 0; mapping->copies != NULL && i < mapping->width; i++)
        free(mapping->copies[i]);
    free(mapping->copies);
    free(mapping->columns);
    free(mapping->optional);
    free(mapping->is_text);
    free(mapping->renames);
    *mapping = (struct mapping){0};
}
