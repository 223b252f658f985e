/* model_columns: see model_columns.h. Names that a model file brings are outside bytes: what a schema cannot
 * hold is refused here. Where model.conf names columns, too, it may call them otherwise, but not put one in
 * the place of another: such rows would be computed without a complaint, and wrongly.
 * SPDX-License-Identifier: MIT */
#include "model_columns.h"

#include "schema_fields.h"
#include "utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_BYTES_MAX = 512 /* of a feature or label; readers of the schema take no more */ };

/* ---- lists of names ---- */

bool model_columns_fit(const char *what, const char *const *names, size_t count, char *error)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) > NAME_BYTES_MAX || count > SCHEMA_NAMES_MAX) {
            snprintf(error, BACKEND_ERROR_MAX, "%s: at most %d names of at most %d bytes", what,
                     SCHEMA_NAMES_MAX, NAME_BYTES_MAX);
            return false;
        }
    return true;
}

/* ---- those of the model file ---- */

static int compare_columns(const void *a, const void *b)
{
    const struct backend_column *left = a, *right = b;
    return strcmp(left->name, right->name);
}

/* The file's columns by their names; must be freed. */
static struct backend_column *sort(const struct backend_description *description)
{
    size_t bytes = description->column_count * sizeof(struct backend_column);
    struct backend_column *sorted = object_alloc(bytes);
    if (bytes > 0)
        memcpy(sorted, description->columns, bytes);
    qsort(sorted, description->column_count, sizeof *sorted, compare_columns);
    return sorted;
}

static bool name_is_good(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length <= NAME_BYTES_MAX && utf8_ok((struct text){name, length});
}

static bool own_are_good(const struct backend_description *description, size_t values,
                         const struct backend_column *sorted, char *error)
{
    size_t count = description->column_count;
    if (count == 0)
        return true;
    if (count != values || count > SCHEMA_NAMES_MAX) {
        snprintf(error, BACKEND_ERROR_MAX, "it names %zu columns, but a row of it has %zu values", count,
                 values);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!name_is_good(sorted[i].name)) {
            snprintf(error, BACKEND_ERROR_MAX,
                     "the name of one of its columns is no text of 1 to %d bytes of UTF-8", NAME_BYTES_MAX);
            return false;
        }
        if (i > 0 && strcmp(sorted[i - 1].name, sorted[i].name) == 0) {
            snprintf(error, BACKEND_ERROR_MAX, "two of its columns have the name \"%.80s\"", sorted[i].name);
            return false;
        }
    }
    return true;
}

/* Inputs of one column each are called as their columns are. */
static void add_input_names(struct schema *schema)
{
    for (size_t i = 0; i < schema->input_count; i++) {
        const struct schema_tensor *input = &schema->inputs[i];
        if (input->rank > 2 || (input->rank == 2 && input->shape[1] != 1))
            return;
    }
    schema->features = object_alloc(schema->input_count * sizeof *schema->features);
    schema->feature_count = schema->input_count;
    for (size_t i = 0; i < schema->input_count; i++)
        schema->features[i] = object_strdup(schema->inputs[i].name);
}

/* Where model.conf allows NaN, and the model takes it for a missing value, any column may be left out. */
static void add_own(struct schema *schema, const struct backend_description *description)
{
    size_t count = description->column_count, typed = 0;
    bool optional = schema->allow_nan && description->takes_missing != 0;
    schema->features = object_alloc(count * sizeof *schema->features);
    schema->feature_count = count;
    for (size_t i = 0; i < count; i++) {
        schema->features[i] = object_strdup(description->columns[i].name);
        typed += description->columns[i].type != NULL;
    }
    if (count == 0 || (typed == 0 && !optional))
        return;
    schema->fields = object_alloc(count * sizeof *schema->fields);
    for (size_t i = 0; i < count; i++) {
        const char *type = description->columns[i].type;
        schema->fields[i].name = object_strdup(description->columns[i].name);
        schema->fields[i].optional = optional;
        schema->fields[i].standard.number = optional ? NAN : 0;
        if (type != NULL)
            schema_type_parse(text_of(type), &schema->fields[i].type);
    }
}

/* ---- those of model.conf ---- */

/* By one list or the other; its caller has seen that there is one. */
static const char *configured_name(const struct model_config *config, size_t column)
{
    return config->features.count > 0 ? config->features.names[column] : config->inputs[column].name;
}

/* False when model.conf gives a column the name that another one has in the file. */
static bool keep_places(const struct model_config *config, const struct backend_description *description,
                        const struct backend_column *sorted, char *error)
{
    for (size_t i = 0; i < description->column_count; i++) {
        const char *own = description->columns[i].name, *configured = configured_name(config, i);
        struct backend_column key = {.name = configured};
        if (strcmp(own, configured) == 0 ||
            bsearch(&key, sorted, description->column_count, sizeof *sorted, compare_columns) == NULL)
            continue;
        snprintf(error, BACKEND_ERROR_MAX,
                 "model.conf: %s: column %zu is \"%.80s\", but in the model file that is another column's "
                 "name, and this one is \"%.80s\"",
                 config->features.count > 0 ? "features" : "inputs", i + 1, configured, own);
        return false;
    }
    return true;
}

static bool add_configured(struct schema *schema, const struct model_config *config, char *error)
{
    size_t at;
    schema->features = schema_copy_names((const char *const *)config->features.names, config->features.count);
    schema->feature_count = config->features.count;
    if (config->input_count == 0)
        return true;
    schema->fields = schema_fields_copy(config->inputs, config->input_count);
    if (schema->feature_count == 0) {
        schema->features = realloc(schema->features, config->input_count * sizeof *schema->features);
        ENSURE(schema->features != NULL);
        for (; schema->feature_count < config->input_count; schema->feature_count++)
            schema->features[schema->feature_count] =
                object_strdup(config->inputs[schema->feature_count].name);
    }
    const char *misfit = schema_fields_misfit(schema, &at);
    if (misfit != NULL)
        snprintf(error, BACKEND_ERROR_MAX, "model.conf: inputs[%zu] (%.80s): %s", at,
                 at < config->input_count ? config->inputs[at].name : "", misfit);
    return misfit == NULL;
}

/* model.conf has one name for each value of a row. */
static bool counts_agree(const struct model_config *config, size_t values, char *error)
{
    if (config->features.count != 0 && values != 0 && config->features.count != values) {
        snprintf(error, BACKEND_ERROR_MAX,
                 "model.conf: features: %zu names, but a row of the model has %zu values",
                 config->features.count, values);
        return false;
    }
    if (config->input_count != 0 && config->input_count != values) {
        snprintf(error, BACKEND_ERROR_MAX,
                 values == 0 ? "model.conf: inputs: %zu columns, but the model takes rows of any length"
                             : "model.conf: inputs: %zu columns, but a row of the model has %zu values",
                 config->input_count, values);
        return false;
    }
    return true;
}

/* ---- both ---- */

bool model_columns_add(struct schema *schema, const struct model_config *config,
                       const struct backend_description *description, char *error)
{
    size_t values = schema_row_values(schema);
    bool configured = config != NULL && (config->features.count > 0 || config->input_count > 0);
    struct backend_column *sorted = sort(description);
    bool good = own_are_good(description, values, sorted, error) &&
                (!configured ||
                 (model_columns_fit("model.conf: features", (const char *const *)config->features.names,
                                    config->features.count, error) &&
                  counts_agree(config, values, error) && keep_places(config, description, sorted, error)));
    free(sorted);
    if (good && configured)
        return add_configured(schema, config, error);
    if (good && description->column_count > 0)
        add_own(schema, description);
    else if (good)
        add_input_names(schema);
    return good;
}
