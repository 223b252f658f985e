/* layout: worked out once for each schema, so that a request only follows it.
 *
 * A row of a request is a flat list of values: the columns of the first input, then those of the second, and
 * so on. An input of shape [-1, 28, 28] has 784 columns, row-major; one of shape [-1] has one. The catalog
 * of a frontend makes one for each version, a worker one for its golden requests. rows.c, csv_rows.c and
 * form.c of the frontend read it. SPDX-License-Identifier: MIT */
#include "layout.h"

#include <stdlib.h>
#include <uthash.h>

struct layout_name {
    size_t column;
    UT_hash_handle hh; /* its key is layout->names[column] */
};

/* Columns of an input; 0 when an inner dimension varies or the product is too large. */
static size_t input_width(const struct schema_tensor *input)
{
    size_t width = 1;
    for (uint32_t i = 1; i < input->rank; i++) {
        if (input->shape[i] < 1 || input->shape[i] > LAYOUT_WIDTH_MAX)
            return 0;
        width *= (size_t)input->shape[i];
        if (width > LAYOUT_WIDTH_MAX)
            return 0;
    }
    return width;
}

/* [-1, -1]: the request says how wide it is. */
static bool width_is_free(const struct schema *schema)
{
    return schema->input_count == 1 && schema->inputs[0].rank == 2 && schema->inputs[0].shape[1] == -1;
}

/* False when the inputs cannot be laid out. */
static bool place_inputs(struct layout *layout, const struct schema *schema)
{
    for (size_t i = 0; i < schema->input_count; i++) {
        const struct schema_tensor *input = &schema->inputs[i];
        size_t width = input_width(input);
        if (input->rank == 0 || (width == 0 && !width_is_free(schema)))
            return false;
        layout->inputs[i] = (struct layout_input){.tensor = input, .first = layout->width, .width = width};
        layout->width += width;
        layout->has_bytes |= input->datatype == DATATYPE_BYTES;
    }
    layout->single_float = schema->input_count == 1 && schema->inputs[0].datatype == DATATYPE_FP32;
    return layout->width <= LAYOUT_WIDTH_MAX;
}

/* Names are of use only when each column has one of its own. */
static void add_names(struct layout *layout, const struct schema *schema)
{
    if (schema->feature_count != layout->width || layout->width == 0)
        return;
    layout->names = object_alloc(layout->width * sizeof *layout->names);
    for (size_t i = 0; i < layout->width; i++) {
        layout->names[i] = text_of(schema->features[i]);
        struct layout_name *name;
        HASH_FIND(hh, layout->table, layout->names[i].at, layout->names[i].length, name);
        if (name == NULL) {
            name = object_alloc(sizeof *name);
            name->column = i;
            HASH_ADD_KEYPTR(hh, layout->table, layout->names[i].at, layout->names[i].length, name);
        }
    }
}

static void free_names(struct layout *layout)
{
    struct layout_name *name, *next;
    HASH_ITER(hh, layout->table, name, next)
    {
        HASH_DEL(layout->table, name);
        free(name);
    }
    free(layout->names);
    layout->names = NULL;
}

struct layout *layout_new(const struct schema *schema)
{
    if (schema->input_count == 0 || schema->input_count > TENSOR_COUNT_MAX)
        return NULL;
    struct layout *layout = object_alloc(sizeof *layout);
    layout->input_count = schema->input_count;
    layout->inputs = object_alloc(schema->input_count * sizeof *layout->inputs);
    if (!place_inputs(layout, schema)) {
        layout_free(layout);
        return NULL;
    }
    add_names(layout, schema);
    if (HASH_COUNT(layout->table) != layout->width)
        free_names(layout);
    return layout;
}

void layout_free(struct layout *layout)
{
    if (layout == NULL)
        return;
    free_names(layout);
    free(layout->inputs);
    free(layout);
}

enum datatype layout_datatype(const struct layout *layout, size_t column)
{
    size_t input = layout->input_count - 1;
    while (layout->inputs[input].first > column)
        input--;
    return layout->inputs[input].tensor->datatype;
}

void layout_tensors(const struct layout *layout, size_t count, size_t width,
                    struct tensor tensors[TENSOR_COUNT_MAX])
{
    for (size_t i = 0; i < layout->input_count; i++) {
        const struct schema_tensor *input = layout->inputs[i].tensor;
        struct tensor *tensor = &tensors[i];
        *tensor =
            (struct tensor){.name = text_of(input->name), .datatype = input->datatype, .rank = input->rank};
        memcpy(tensor->shape, input->shape, sizeof tensor->shape);
        tensor->shape[0] = (int64_t)count;
        if (tensor->rank > 1 && tensor->shape[1] == -1)
            tensor->shape[1] = (int64_t)width;
        tensor->bytes = count * layout_columns(layout, i, width) * datatype_bytes(input->datatype);
    }
}

bool layout_find(const struct layout *layout, struct text name, size_t *column)
{
    struct layout_name *found;
    HASH_FIND(hh, layout->table, name.at, name.length, found);
    if (found == NULL)
        return false;
    *column = found->column;
    return true;
}
