/* golden_request: see golden_request.h. The frontend does the same for the requests of clients, faster and
 * with all faults at once; here one fault is enough. Whether tensors fit the model is left to the batch,
 * which looks at every request. SPDX-License-Identifier: MIT */
#include "golden_request.h"

#include "buffer.h"
#include "element.h"
#include "schema_fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_SHOWN = 64 /* bytes of a name in a complaint */ };

/* A request that becomes tensors. */
struct maker {
    const struct schema *schema;
    const struct layout *layout;
    struct tensor tensors[TENSOR_COUNT_MAX];
    struct buffer data[TENSOR_COUNT_MAX];
    size_t count;
    yyjson_val *standards; /* of the columns that may be left out; NULL: nothing is said of columns */
    char *complaint;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct maker *maker, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(maker->complaint, GOLDEN_TEXT_MAX, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- values ---- */

static size_t count_leaves(yyjson_val *data, int depth)
{
    size_t at, count, leaves = 0;
    yyjson_val *value;
    if (depth > TENSOR_RANK_MAX)
        return SIZE_MAX;
    if (!yyjson_is_arr(data))
        return 1;
    yyjson_arr_foreach(data, at, count, value)
    {
        if (__builtin_add_overflow(leaves, count_leaves(value, depth + 1), &leaves))
            return SIZE_MAX;
    }
    return leaves;
}

static yyjson_val **collect_leaves(yyjson_val *data, yyjson_val **next)
{
    size_t at, count;
    yyjson_val *value;
    if (!yyjson_is_arr(data)) {
        *next = data;
        return next + 1;
    }
    yyjson_arr_foreach(data, at, count, value)
    {
        next = collect_leaves(value, next);
    }
    return next;
}

yyjson_val **golden_flatten(yyjson_val *data, size_t *count)
{
    *count = yyjson_is_arr(data) ? count_leaves(data, 0) : SIZE_MAX;
    if (*count == SIZE_MAX)
        return NULL;
    yyjson_val **values = object_alloc((*count + 1) * sizeof *values);
    collect_leaves(data, values);
    return values;
}

/* Appends the value to the data of tensor `i`. False when it is of another datatype; `text` says how. */
static bool append(struct maker *maker, size_t i, yyjson_val *value, char text[ELEMENT_TEXT_MAX])
{
    enum datatype datatype = maker->tensors[i].datatype;
    uint8_t element[ELEMENT_BYTES_MAX];
    if (datatype == DATATYPE_BYTES && yyjson_is_str(value)) {
        uint32_t length = (uint32_t)yyjson_get_len(value);
        buffer_append(&maker->data[i], &length, sizeof length);
        buffer_append(&maker->data[i], yyjson_get_str(value), length);
        return true;
    }
    if (datatype == DATATYPE_BYTES || !element_write(datatype, value, maker->schema->allow_nan, element)) {
        element_explain(datatype, value, text);
        return false;
    }
    buffer_append(&maker->data[i], element, datatype_bytes(datatype));
    return true;
}

/* ---- rows: "features", "instances" ---- */

/* The values of a row in the order of the columns. `path` names the row. */
static bool order_row(struct maker *maker, yyjson_val *row, size_t width, const char *path,
                      yyjson_val **values)
{
    size_t at, count, column;
    yyjson_val *key, *value;
    if (yyjson_is_arr(row) && yyjson_arr_size(row) == width) {
        yyjson_arr_foreach(row, at, count, value)
        {
            values[at] = value;
        }
        return true;
    }
    if (yyjson_is_arr(row))
        return refuse(maker, "%s: expected %zu values, got %zu", path, width, yyjson_arr_size(row));
    if (!yyjson_is_obj(row) || maker->layout->names == NULL)
        return refuse(maker, "%s: expected an array of %zu values, got %s", path, width, element_kind(row));
    memset(values, 0, width * sizeof *values);
    yyjson_obj_foreach(row, at, count, key, value)
    {
        struct text name = {yyjson_get_str(key), yyjson_get_len(key)};
        if (!layout_find(maker->layout, name, &column))
            return refuse(maker, "%s.%.*s: the model has no such feature", path, NAME_SHOWN, name.at);
        values[column] = value;
    }
    for (column = 0; column < width; column++) {
        if (values[column] == NULL && maker->standards != NULL && maker->schema->fields[column].optional)
            values[column] = &maker->standards[column];
        if (values[column] == NULL)
            return refuse(maker, "%s.%.*s: is missing", path, NAME_SHOWN, maker->layout->names[column].at);
    }
    return true;
}

static bool append_row(struct maker *maker, yyjson_val *row, const char *path, yyjson_val **values)
{
    char text[ELEMENT_TEXT_MAX];
    for (size_t i = 0, column = 0; i < maker->count; i++) {
        size_t width =
            maker->layout->width == 0 ? (size_t)maker->tensors[i].shape[1] : maker->layout->inputs[i].width;
        for (size_t end = column + width; column < end; column++) {
            if (append(maker, i, values[column], text))
                continue;
            return yyjson_is_obj(row)
                       ? refuse(maker, "%s.%.*s: %s", path, NAME_SHOWN, maker->layout->names[column].at, text)
                       : refuse(maker, "%s[%zu]: %s", path, column, text);
        }
    }
    return true;
}

/* The tensors that so many rows of that width make. */
static void describe_rows(struct maker *maker, size_t rows, size_t width)
{
    maker->count = maker->schema->input_count;
    for (size_t i = 0; i < maker->count; i++) {
        const struct schema_tensor *input = &maker->schema->inputs[i];
        struct tensor *tensor = &maker->tensors[i];
        tensor->name = text_of(input->name);
        tensor->datatype = input->datatype;
        tensor->rank = input->rank;
        memcpy(tensor->shape, input->shape, sizeof tensor->shape);
        tensor->shape[0] = (int64_t)rows;
        if (maker->layout->width == 0)
            tensor->shape[1] = (int64_t)width;
    }
}

/* `list` is "instances", or the one row "features". */
static bool make_rows(struct maker *maker, yyjson_val *list, bool single)
{
    char path[32] = "features";
    size_t rows = single ? 1 : yyjson_arr_size(list);
    yyjson_val *row = single ? list : yyjson_arr_get_first(list);
    if (maker->layout == NULL)
        return refuse(maker, "rows cannot fill the inputs of this model: give \"inputs\"");
    if (rows == 0)
        return refuse(maker, "instances: expected an array of at least one row");
    size_t width = maker->layout->width == 0 ? yyjson_arr_size(row) : maker->layout->width;
    yyjson_val **values = object_alloc((width + 1) * sizeof(yyjson_val *));
    bool made = width > 0 || refuse(maker, "%s: expected an array of values", single ? path : "instances[0]");
    describe_rows(maker, rows, width);
    for (size_t i = 0; i < rows && made; i++) {
        if (!single)
            snprintf(path, sizeof path, "instances[%zu]", i);
        made = order_row(maker, row, width, path, values) && append_row(maker, row, path, values);
        row = unsafe_yyjson_get_next(row);
    }
    free(values);
    return made;
}

/* ---- "inputs": tensors as the Open Inference Protocol has them ---- */

static bool read_shape(struct maker *maker, size_t i, yyjson_val *shape)
{
    struct tensor *tensor = &maker->tensors[i];
    size_t at, count;
    yyjson_val *dimension;
    if (!yyjson_is_arr(shape) || yyjson_arr_size(shape) == 0 || yyjson_arr_size(shape) > TENSOR_RANK_MAX)
        return refuse(maker, "inputs[%zu].shape: expected an array of 1 to %d whole numbers", i,
                      TENSOR_RANK_MAX);
    yyjson_arr_foreach(shape, at, count, dimension)
    {
        if (!yyjson_is_uint(dimension) || yyjson_get_uint(dimension) > INT32_MAX)
            return refuse(maker, "inputs[%zu].shape[%zu]: expected a whole number", i, at);
        tensor->shape[at] = (int64_t)yyjson_get_uint(dimension);
    }
    tensor->rank = (uint32_t)count;
    return true;
}

static bool read_data(struct maker *maker, size_t i, yyjson_val *data)
{
    size_t count, elements;
    char text[ELEMENT_TEXT_MAX];
    yyjson_val **values = golden_flatten(data, &count);
    if (values == NULL)
        return refuse(maker, "inputs[%zu].data: expected an array", i);
    bool good = tensor_elements(&maker->tensors[i], &elements) && elements == count;
    if (!good)
        refuse(maker, "inputs[%zu].data: %zu values are not what the shape says", i, count);
    for (size_t at = 0; at < count && good; at++)
        good = append(maker, i, values[at], text) || refuse(maker, "inputs[%zu].data[%zu]: %s", i, at, text);
    free(values);
    return good;
}

static bool make_tensor(struct maker *maker, size_t i, yyjson_val *input)
{
    struct tensor *tensor = &maker->tensors[i];
    yyjson_val *name = yyjson_obj_get(input, "name"), *datatype = yyjson_obj_get(input, "datatype");
    if (!yyjson_is_str(name))
        return refuse(maker, "inputs[%zu].name: expected a text", i);
    tensor->name = (struct text){yyjson_get_str(name), yyjson_get_len(name)};
    if (!yyjson_is_str(datatype) ||
        !datatype_parse((struct text){yyjson_get_str(datatype), yyjson_get_len(datatype)}, &tensor->datatype))
        return refuse(maker, "inputs[%zu].datatype: expected a datatype like FP32", i);
    return read_shape(maker, i, yyjson_obj_get(input, "shape")) &&
           read_data(maker, i, yyjson_obj_get(input, "data"));
}

static bool make_tensors(struct maker *maker, yyjson_val *inputs)
{
    size_t at, count;
    yyjson_val *input;
    if (!yyjson_is_arr(inputs) || yyjson_arr_size(inputs) == 0 || yyjson_arr_size(inputs) > TENSOR_COUNT_MAX)
        return refuse(maker, "inputs: expected an array of 1 to %d tensors", TENSOR_COUNT_MAX);
    maker->count = yyjson_arr_size(inputs);
    yyjson_arr_foreach(inputs, at, count, input)
    {
        if (!make_tensor(maker, at, input))
            return false;
    }
    return true;
}

/* ---- all of it ---- */

/* The values of columns that are left out; those of others are of no use. */
static void find_standards(struct maker *maker)
{
    const struct schema *schema = maker->schema;
    if (schema->fields == NULL)
        return;
    maker->standards = object_alloc(schema->feature_count * sizeof *maker->standards);
    for (size_t i = 0; i < schema->feature_count; i++)
        maker->standards[i] = schema_value_json(&schema->fields[i].standard);
}

static uint8_t *encode(struct maker *maker, size_t *bytes)
{
    for (size_t i = 0; i < maker->count; i++) {
        maker->tensors[i].data = maker->data[i].bytes;
        maker->tensors[i].bytes = maker->data[i].length;
    }
    *bytes = tensors_encoded_size(maker->tensors, maker->count);
    uint8_t *payload = object_alloc(*bytes);
    ENSURE(tensors_encode(maker->tensors, maker->count, payload, *bytes, NULL) == *bytes);
    return payload;
}

uint8_t *golden_request_encode(const struct schema *schema, const struct layout *layout, yyjson_val *request,
                               size_t *bytes, char complaint[GOLDEN_TEXT_MAX])
{
    yyjson_val *features = yyjson_obj_get(request, "features"),
               *instances = yyjson_obj_get(request, "instances"), *inputs = yyjson_obj_get(request, "inputs");
    struct maker *maker = object_alloc(sizeof *maker);
    *maker = (struct maker){.schema = schema, .layout = layout, .complaint = complaint};
    bool made = false;
    find_standards(maker);
    if ((features != NULL) + (instances != NULL) + (inputs != NULL) != 1)
        refuse(maker, "expected one of features, instances and inputs");
    else if (inputs != NULL)
        made = make_tensors(maker, inputs);
    else
        made = make_rows(maker, features != NULL ? features : instances, features != NULL);
    uint8_t *payload = made ? encode(maker, bytes) : NULL;
    for (size_t i = 0; i < TENSOR_COUNT_MAX; i++)
        buffer_free(&maker->data[i]);
    free(maker->standards);
    free(maker);
    return payload;
}
