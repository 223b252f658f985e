/* schema: what a model takes and gives; see schema.h. Made by the worker that has loaded the model and by
 * schema_wire.c, which writes it and reads it. SPDX-License-Identifier: MIT */
#include "schema_fields.h"

#include <stdlib.h>

struct schema *schema_new(void)
{
    struct schema *schema = object_alloc(sizeof *schema);
    schema->platform = object_strdup("");
    schema->description = object_strdup("");
    schema->digest = object_strdup("");
    return schema;
}

void schema_free_tensors(struct schema_tensor *tensors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(tensors[i].name);
    free(tensors);
}

void schema_free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

char **schema_copy_names(const char *const *names, size_t count)
{
    char **copies = object_alloc(count * sizeof *copies);
    for (size_t i = 0; i < count; i++)
        copies[i] = object_strdup(names[i]);
    return copies;
}

void schema_free(struct schema *schema)
{
    if (schema == NULL)
        return;
    schema_fields_free(schema->fields, schema->feature_count);
    free(schema->platform);
    free(schema->description);
    free(schema->digest);
    free(schema->parts);
    free(schema->part_texts);
    schema_free_tensors(schema->inputs, schema->input_count);
    schema_free_tensors(schema->outputs, schema->output_count);
    schema_free_names(schema->features, schema->feature_count);
    schema_free_names(schema->labels, schema->label_count);
    free(schema);
}

/* The values in one row of one tensor; 0 when that is not fixed. */
static size_t row_values(const struct schema_tensor *tensor)
{
    size_t values = tensor->rank == 0 ? 0 : 1;
    for (uint32_t i = 1; i < tensor->rank; i++)
        if (tensor->shape[i] < 0 || __builtin_mul_overflow(values, tensor->shape[i], &values))
            return 0;
    return values;
}

size_t schema_row_values(const struct schema *schema)
{
    size_t sum = 0;
    for (size_t i = 0; i < schema->input_count; i++) {
        size_t values = row_values(&schema->inputs[i]);
        if (values == 0 || __builtin_add_overflow(sum, values, &sum))
            return 0;
    }
    return sum;
}

static const char *const kinds[] = {
    [SCHEMA_PLAIN] = "", [SCHEMA_LABELS] = "multilabel", [SCHEMA_EMBEDDING] = "embedding"};

const char *schema_plain_task(const struct schema *schema)
{
    return schema->regression ? "regression" : "classification";
}

const char *schema_task(const struct schema *schema)
{
    return schema->kind == SCHEMA_PLAIN ? schema_plain_task(schema) : kinds[schema->kind];
}

enum schema_kind schema_kind_of(struct text name)
{
    return text_is(name, kinds[SCHEMA_LABELS])      ? SCHEMA_LABELS
           : text_is(name, kinds[SCHEMA_EMBEDDING]) ? SCHEMA_EMBEDDING
                                                    : SCHEMA_PLAIN;
}

bool schema_set_task(struct schema *schema, struct text name)
{
    schema->kind = schema_kind_of(name);
    schema->regression = schema->kind == SCHEMA_EMBEDDING || text_is(name, "regression");
    return schema->kind != SCHEMA_PLAIN || schema->regression || text_is(name, "classification");
}

/* ---- parts ---- */

static struct text keep_text(struct text text, char **place)
{
    struct text kept = {.at = *place, .length = text.length};
    if (text.length > 0)
        memcpy(*place, text.at, text.length);
    *place += text.length;
    return kept;
}

void schema_set_parts(struct schema *schema, const struct schema_part *parts, size_t count)
{
    size_t bytes = 0;
    ENSURE(schema->parts == NULL && count <= SCHEMA_PARTS_MAX);
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].step.length + parts[i].model.length + parts[i].version.length;
    char *place = schema->part_texts = object_alloc(bytes + 1);
    schema->parts = object_alloc(count * sizeof *schema->parts);
    for (; schema->part_count < count; schema->part_count++) {
        const struct schema_part *part = &parts[schema->part_count];
        schema->parts[schema->part_count] = (struct schema_part){
            keep_text(part->step, &place), keep_text(part->model, &place), keep_text(part->version, &place)};
    }
}
