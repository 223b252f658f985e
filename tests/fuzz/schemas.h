/* schemas: the inputs of models that fuzz targets make, in a line each. Included by targets alone, each of
 * which uses all of it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FUZZ_SCHEMAS_H
#define OUTRIGGER_FUZZ_SCHEMAS_H

#include "fields.h"
#include "schema.h"

/* The schema has room for it. A rank of 1 has no width. */
static void add_input(struct schema *schema, const char *name, enum datatype datatype, uint32_t rank,
                      int64_t width)
{
    struct schema_tensor *input = &schema->inputs[schema->input_count++];
    *input = (struct schema_tensor){
        .name = object_strdup(name), .datatype = datatype, .rank = rank, .shape = {-1, width}};
}

/* Features of one letter each. */
static void add_names(struct schema *schema, const char *names, size_t count)
{
    schema->features = object_alloc(count * sizeof *schema->features);
    for (size_t i = 0; i < count; i++)
        schema->features[schema->feature_count++] = object_strdup((const char[]){names[i], '\0'});
}

/* What column `i` may be: bounds, a list or a type in turn, and every other one may be left out. */
static void say_field(struct schema_field *field, size_t i, enum datatype datatype)
{
    bool text = datatype == DATATYPE_BYTES, truth = datatype == DATATYPE_BOOL;
    field->optional = i % 2 == 1;
    if (text || i % 3 == 1) {
        field->allowed = object_alloc(2 * sizeof *field->allowed);
        field->allowed_count = 2;
        for (size_t j = 0; j < 2; j++)
            field->allowed[j] =
                (struct schema_value){text ? object_strdup(j == 0 ? "a" : "") : NULL, (double)j};
        field->standard.text = text ? object_strdup("a") : NULL;
    } else if (!truth && i % 3 == 0) {
        field->type = SCHEMA_INTEGER;
        field->has_minimum = field->has_maximum = true;
        field->maximum = 100;
    } else {
        field->type = SCHEMA_BOOLEAN;
    }
    if (truth)
        field->type = SCHEMA_BOOLEAN;
}

/* Of every column; names are a, b, c, ... where there were none. Not for a model whose width is free. */
static inline void add_fields(struct schema *schema)
{
    size_t width = schema_row_values(schema), column = 0, at;
    if (schema->feature_count == 0)
        add_names(schema, "abcdefghijklm", width);
    schema->fields = object_alloc(width * sizeof *schema->fields);
    for (size_t i = 0; i < schema->input_count; i++)
        for (int64_t j = 0; j < (schema->inputs[i].rank == 1 ? 1 : schema->inputs[i].shape[1]);
             j++, column++) {
            schema->fields[column].name = object_strdup(schema->features[column]);
            say_field(&schema->fields[column], column, schema->inputs[i].datatype);
        }
    ENSURE(column == width && schema_fields_misfit(schema, &at) == NULL);
}

/* What was let through is what the columns may be, also in the eyes of who gets it as tensors. */
static inline void check_fields(const struct schema *schema, const struct tensor *tensors, size_t count)
{
    struct problem_faults faults = {.count = 0};
    ENSURE(fields_check_values(schema, tensors, count, &faults) && faults.count == 0);
}

#endif
