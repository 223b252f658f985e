/* fields: see fields.h.
 *
 * Rows are written first and checked then, as the tensors that the model will see: one loop over the floats
 * of nearly every request, four at a time, which asks only whether all is well. Who is refused has the time
 * for a second look (rows.c, record.c), which asks for one value after the other. Numbers are compared in
 * their input's datatype (schema_fields.h). SPDX-License-Identifier: MIT */
#include "fields.h"

#include "roles.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Four floats, or what a comparison of them says of each: 0 or -1. */
typedef float floats __attribute__((vector_size(16)));
typedef int32_t words __attribute__((vector_size(16)));
enum { LANES = sizeof(floats) / sizeof(float) };

#define WHOLE_FROM 8388608.0f /* 2^23: floats from here on are whole numbers */

struct fields {
    const struct schema_field *list;
    const struct layout *layout;
    size_t width;
    double *low, *high;  /* of each column, as it is in its datatype; infinities where nothing is said */
    float *lows, *highs; /* the same as floats */
    int32_t *wholes;     /* -1 where only whole numbers are allowed, else 0 */
    size_t *listed;      /* the columns whose values are listed one by one */
    size_t listed_count;
    bool bounded, any_whole, optional;
    yyjson_val *standards; /* of each column */
};

/* ---- making ---- */

static bool is_whole(const struct schema_field *field)
{
    return field->type == SCHEMA_INTEGER || field->type == SCHEMA_BOOLEAN;
}

static bool says_anything(const struct schema_field *field)
{
    return is_whole(field) || field->has_minimum || field->has_maximum || field->allowed_count > 0 ||
           field->optional;
}

static void take_column(struct fields *fields, size_t column, enum datatype datatype)
{
    const struct schema_field *field = &fields->list[column];
    double low = field->has_minimum ? field->minimum : -INFINITY;
    double high = field->has_maximum ? field->maximum : INFINITY;
    if (field->type == SCHEMA_BOOLEAN) {
        low = 0;
        high = 1;
    }
    fields->low[column] = schema_number_in(datatype, low);
    fields->high[column] = schema_number_in(datatype, high);
    fields->lows[column] = (float)low;
    fields->highs[column] = (float)high;
    fields->wholes[column] = is_whole(field) ? -1 : 0;
    fields->bounded |= isfinite(low) || isfinite(high) || is_whole(field);
    fields->any_whole |= is_whole(field);
    fields->optional |= field->optional;
    if (field->allowed_count > 0)
        fields->listed[fields->listed_count++] = column;
    fields->standards[column] = schema_value_json(&field->standard);
}

struct fields *fields_new(const struct schema *schema, const struct layout *layout)
{
    bool any = false;
    for (size_t i = 0; schema->fields != NULL && i < schema->feature_count; i++)
        any = any || says_anything(&schema->fields[i]);
    if (!any || layout == NULL || layout->width != schema->feature_count)
        return NULL;
    size_t width = layout->width;
    struct fields *fields = object_alloc(sizeof *fields);
    fields->list = schema->fields;
    fields->layout = layout;
    fields->width = width;
    fields->low = object_alloc(width * sizeof *fields->low);
    fields->high = object_alloc(width * sizeof *fields->high);
    fields->lows = object_alloc(width * sizeof *fields->lows);
    fields->highs = object_alloc(width * sizeof *fields->highs);
    fields->wholes = object_alloc(width * sizeof *fields->wholes);
    fields->listed = object_alloc(width * sizeof *fields->listed);
    fields->standards = object_alloc(width * sizeof *fields->standards);
    for (size_t i = 0; i < layout->input_count; i++) {
        const struct layout_input *input = &layout->inputs[i];
        for (size_t column = input->first; column < input->first + input->width; column++)
            take_column(fields, column, input->tensor->datatype);
    }
    return fields;
}

void fields_free(struct fields *fields)
{
    if (fields == NULL)
        return;
    free(fields->low);
    free(fields->high);
    free(fields->lows);
    free(fields->highs);
    free(fields->wholes);
    free(fields->listed);
    free(fields->standards);
    free(fields);
}

/* ---- one value ---- */

yyjson_val *fields_standard(const struct fields *fields, size_t column)
{
    return fields != NULL && column < fields->width && fields->list[column].optional
               ? &fields->standards[column]
               : NULL;
}

bool fields_optional(const struct fields *fields)
{
    return fields != NULL && fields->optional;
}

bool fields_boolean(const struct fields *fields, size_t column)
{
    return fields != NULL && column < fields->width && fields->list[column].type == SCHEMA_BOOLEAN &&
           layout_datatype(fields->layout, column) != DATATYPE_BOOL;
}

yyjson_val *fields_settle(const struct fields *fields, size_t column, yyjson_val *value)
{
    static yyjson_val truths[] = {{.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT, .uni.u64 = 0},
                                  {.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT, .uni.u64 = 1}};
    if (fields == NULL)
        return value;
    if ((value == NULL || yyjson_is_null(value)) && fields_standard(fields, column) != NULL)
        return fields_standard(fields, column);
    if (yyjson_is_bool(value) && fields_boolean(fields, column))
        return &truths[yyjson_is_true(value)];
    return value;
}

enum datatype fields_datatype(const struct fields *fields, size_t column, enum datatype datatype)
{
    bool floating = datatype == DATATYPE_FP16 || datatype == DATATYPE_FP32 || datatype == DATATYPE_FP64;
    if (fields == NULL || column >= fields->width)
        return datatype;
    if (fields->list[column].type == SCHEMA_BOOLEAN)
        return DATATYPE_BOOL;
    return fields->list[column].type == SCHEMA_INTEGER && floating ? DATATYPE_INT64 : datatype;
}

const char *fields_fault(const struct fields *fields, size_t column, const uint8_t *element,
                         char text[SCHEMA_FAULT_MAX])
{
    if (fields == NULL || column >= fields->width)
        return NULL;
    const struct tensor tensor = {.datatype = layout_datatype(fields->layout, column), .data = element};
    return schema_field_number_fault(&fields->list[column], tensor.datatype, value_number(&tensor, 0), text);
}

const char *fields_text_fault(const struct fields *fields, size_t column, struct text value,
                              char text[SCHEMA_FAULT_MAX])
{
    if (fields == NULL || column >= fields->width)
        return NULL;
    return schema_field_text_fault(&fields->list[column], value, text);
}

/* ---- floats ---- */

static inline words beyond(floats values, floats low, floats high)
{
    return (values < low) | (values > high);
}

/* Which are no whole numbers, where only those are allowed. NaN is none of them, but stands for nothing. */
static inline words broken(floats values, words whole)
{
    words bits = (words)values & INT32_MAX; /* the magnitude */
    words small = (floats)bits < (floats){WHOLE_FROM, WHOLE_FROM, WHOLE_FROM, WHOLE_FROM};
    floats part = (floats)((words)values & small); /* the others are 0 */
    floats cut = __builtin_convertvector(__builtin_convertvector(part, words), floats);
    return whole & (cut != part);
}

static inline floats load(const void *place, size_t count, float otherwise)
{
    floats values = {otherwise, otherwise, otherwise, otherwise};
    memcpy(&values, place, count * sizeof(float));
    return values;
}

/* What is wrong with `count` values of a row, from column `at` on. */
static inline words check_lanes(const struct fields *fields, const uint8_t *row, size_t first, size_t at,
                                size_t count, bool whole)
{
    floats values = load(row + at * sizeof(float), count, 0);
    words wrong = beyond(values, load(fields->lows + first + at, count, -INFINITY),
                         load(fields->highs + first + at, count, INFINITY));
    if (whole) {
        words mask = {0};
        memcpy(&mask, fields->wholes + first + at, count * sizeof(int32_t));
        wrong |= broken(values, mask);
    }
    return wrong;
}

static inline bool floats_hold(const struct fields *fields, const uint8_t *data, size_t rows, size_t first,
                               size_t width, bool whole)
{
    words wrong = {0};
    for (size_t row = 0; row < rows; row++, data += width * sizeof(float)) {
        for (size_t at = 0; at + LANES <= width; at += LANES)
            wrong |= check_lanes(fields, data, first, at, LANES, whole);
        if (width >= LANES && width % LANES != 0) /* the last ones, some for the second time */
            wrong |= check_lanes(fields, data, first, width - LANES, LANES, whole);
        else if (width < LANES)
            wrong |= check_lanes(fields, data, first, 0, width, whole);
    }
    return (wrong[0] | wrong[1] | wrong[2] | wrong[3]) == 0;
}

/* ---- other tensors ---- */

static bool numbers_hold(const struct fields *fields, const struct tensor *tensor, size_t rows, size_t first,
                         size_t width)
{
    bool good = true;
    for (size_t i = 0; i < rows * width; i++) {
        size_t column = first + i % width;
        double number = value_number(tensor, i);
        good &= !(number < fields->low[column]) & !(number > fields->high[column]);
        good &= fields->wholes[column] == 0 || isnan(number) || trunc(number) == number;
    }
    return good;
}

/* The listed columns of an input; *count of them. */
static const size_t *listed_of(const struct fields *fields, size_t first, size_t width, size_t *count)
{
    size_t from = 0, to;
    while (from < fields->listed_count && fields->listed[from] < first)
        from++;
    for (to = from; to < fields->listed_count && fields->listed[to] < first + width;)
        to++;
    *count = to - from;
    return fields->listed + from;
}

static bool listed_numbers_hold(const struct fields *fields, const struct tensor *tensor, size_t rows,
                                size_t first, size_t width)
{
    char ignored[SCHEMA_FAULT_MAX];
    size_t count;
    const size_t *listed = listed_of(fields, first, width, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t row = 0; row < rows; row++) {
            double number = value_number(tensor, row * width + listed[i] - first);
            if (schema_field_number_fault(&fields->list[listed[i]], tensor->datatype, number, ignored) !=
                NULL)
                return false;
        }
    return true;
}

static bool strings_hold(const struct fields *fields, const struct tensor *tensor, size_t rows, size_t first,
                         size_t width)
{
    char ignored[SCHEMA_FAULT_MAX];
    size_t count, offset = 0;
    listed_of(fields, first, width, &count);
    for (size_t i = 0; count > 0 && i < rows * width; i++) {
        struct text text = value_bytes(tensor, &offset);
        if (schema_field_text_fault(&fields->list[first + i % width], text, ignored) != NULL)
            return false;
    }
    return true;
}

static bool tensor_holds(const struct fields *fields, size_t input, const struct tensor *tensor)
{
    const struct layout_input *place = &fields->layout->inputs[input];
    size_t rows = (size_t)tensor->shape[0], first = place->first, width = place->width;
    if (tensor->datatype == DATATYPE_BYTES)
        return strings_hold(fields, tensor, rows, first, width);
    if (!listed_numbers_hold(fields, tensor, rows, first, width))
        return false;
    if (!fields->bounded)
        return true;
    if (tensor->datatype != DATATYPE_FP32)
        return numbers_hold(fields, tensor, rows, first, width);
    return fields->any_whole ? floats_hold(fields, tensor->data, rows, first, width, true)
                             : floats_hold(fields, tensor->data, rows, first, width, false);
}

bool fields_hold(const struct fields *fields, const struct tensor *tensors, uint8_t *const *data)
{
    bool good = true;
    for (size_t i = 0; fields != NULL && good && i < fields->layout->input_count; i++) {
        struct tensor tensor = tensors[i];
        tensor.data = data[i];
        good = tensor_holds(fields, i, &tensor);
    }
    return good;
}

/* ---- tensors that came as such ---- */

static void list_fault(const struct fields *fields, size_t column, size_t row, size_t width, size_t first,
                       struct text name, const char *fault, struct problem_faults *faults)
{
    enum { NAME_SHOWN = 56 };
    char path[PROBLEM_FIELD_MAX];
    int length = (int)(name.length < NAME_SHOWN ? name.length : NAME_SHOWN);
    const char *called = fields->list[column].name;
    if (width == 1)
        snprintf(path, sizeof path, "%.*s[%zu]", length, name.at, row);
    else
        snprintf(path, sizeof path, "%.*s[%zu][%zu]", length, name.at, row, column - first);
    if (text_is(name, called))
        problem_fault(faults, path, "%s", fault);
    else
        problem_fault(faults, path, "%.64s: %s", called, fault);
}

static void list_faults(const struct fields *fields, size_t input, const struct tensor *tensor,
                        struct problem_faults *faults)
{
    const struct layout_input *place = &fields->layout->inputs[input];
    size_t first = place->first, width = place->width, offset = 0;
    for (size_t i = 0; i < (size_t)tensor->shape[0] * width && !problem_faults_full(faults); i++) {
        char text[SCHEMA_FAULT_MAX];
        const struct schema_field *field = &fields->list[first + i % width];
        const char *fault =
            tensor->datatype == DATATYPE_BYTES
                ? schema_field_text_fault(field, value_bytes(tensor, &offset), text)
                : schema_field_number_fault(field, tensor->datatype, value_number(tensor, i), text);
        if (fault != NULL)
            list_fault(fields, first + i % width, i / width, width, first, tensor->name, fault, faults);
    }
}

bool fields_check_values(const struct schema *schema, const struct tensor *tensors, size_t count,
                         struct problem_faults *faults)
{
    bool good = true;
    if (schema->fields == NULL)
        return true;
    struct layout *layout = layout_new(schema);
    struct fields *fields = fields_new(schema, layout);
    for (size_t i = 0; fields != NULL && i < count; i++)
        for (size_t input = 0; input < schema->input_count; input++) {
            if (!text_is(tensors[i].name, schema->inputs[input].name) ||
                tensor_holds(fields, input, &tensors[i]))
                continue;
            list_faults(fields, input, &tensors[i], faults);
            good = false;
        }
    fields_free(fields);
    layout_free(layout);
    return good;
}
