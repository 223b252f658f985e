/* golden_expected: see golden_expected.h.
 *
 * What is expected may be written as the service answers ("predictions", "probabilities", by the roles of the
 * outputs) or tensor by tensor ("outputs"). Either is a list of JSON values beside a tensor in the end, and
 * those are compared one by one: floats within the tolerance, everything else exactly.
 * SPDX-License-Identifier: MIT */
#include "golden_expected.h"

#include "element.h"
#include "roles.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NAME_SHOWN = 64,  /* bytes of a name in a complaint */
    VALUE_SHOWN = 48, /* bytes of a value in a complaint */
    PLACE_MAX = NAME_SHOWN + 16 + TENSOR_RANK_MAX * 22
};

static const char *const keys[] = {"prediction", "predictions", "probabilities", "outputs"};

/* ---- its form ---- */

static bool is_key(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strcmp(name, keys[i]) == 0)
            return true;
    return false;
}

static const char *outputs_fault(yyjson_val *outputs)
{
    size_t at, count;
    yyjson_val *output;
    if (!yyjson_is_arr(outputs))
        return "expected.outputs: expected an array of tensors";
    yyjson_arr_foreach(outputs, at, count, output)
    {
        if (!yyjson_is_str(yyjson_obj_get(output, "name")) || !yyjson_is_arr(yyjson_obj_get(output, "data")))
            return "expected.outputs: expected tensors with a name and data";
    }
    return NULL;
}

const char *golden_expected_fault(yyjson_val *expected)
{
    size_t at, count;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(expected) || yyjson_obj_size(expected) == 0)
        return "expected: expected an object of prediction, predictions, probabilities or outputs";
    yyjson_obj_foreach(expected, at, count, key, value)
    {
        if (!is_key(yyjson_get_str(key)))
            return "expected: another key than prediction, predictions, probabilities and outputs";
    }
    value = yyjson_obj_get(expected, "outputs");
    return value == NULL ? NULL : outputs_fault(value);
}

/* ---- one value ---- */

/* One element of a tensor, for its datatype; BYTES must be read one after the other. */
struct cursor {
    const struct tensor *tensor;
    size_t index;
    size_t offset; /* BYTES only */
    struct text string;
};

static void advance(struct cursor *cursor)
{
    if (cursor->tensor->datatype == DATATYPE_BYTES)
        cursor->string = value_bytes(cursor->tensor, &cursor->offset);
}

/* What a number is in the datatype: the tolerance is not used up by what the datatype cannot hold. */
static double rounded(enum datatype datatype, double number)
{
    double near = datatype == DATATYPE_FP32   ? (double)(float)number
                  : datatype == DATATYPE_FP16 ? (double)number_from_half(number_to_half(number))
                  : datatype == DATATYPE_BF16 ? (double)number_from_bfloat(number_to_bfloat(number))
                                              : number;
    return isfinite(near) ? near : number;
}

static double allowed(const struct golden_tolerance *tolerance, double expected)
{
    return tolerance->absolute + tolerance->relative * fabs(expected);
}

static bool floats_agree(double got, double expected, enum datatype datatype,
                         const struct golden_tolerance *tolerance)
{
    if (isnan(expected) || isnan(got))
        return isnan(expected) && isnan(got);
    if (!isfinite(expected) || !isfinite(got))
        return got == expected;
    return fabs(got - rounded(datatype, expected)) <= allowed(tolerance, expected);
}

static bool agrees(const struct cursor *cursor, yyjson_val *expected,
                   const struct golden_tolerance *tolerance)
{
    const struct tensor *tensor = cursor->tensor;
    uint8_t element[ELEMENT_BYTES_MAX];
    if (tensor->datatype == DATATYPE_BYTES)
        return yyjson_is_str(expected) && yyjson_get_len(expected) == cursor->string.length &&
               memcmp(yyjson_get_str(expected), cursor->string.at, cursor->string.length) == 0;
    if (value_is_float(tensor))
        return yyjson_is_num(expected) && floats_agree(value_float(tensor, cursor->index),
                                                       yyjson_get_num(expected), tensor->datatype, tolerance);
    size_t size = datatype_bytes(tensor->datatype);
    return element_write(tensor->datatype, expected, false, element) &&
           memcmp(element, tensor->data + cursor->index * size, size) == 0;
}

/* ---- saying what is wrong ---- */

/* Bytes from outside on a line of ours: cut, and without what would break the line. */
static void show_string(struct text string, char text[VALUE_SHOWN])
{
    size_t length = string.length < VALUE_SHOWN - 6 ? string.length : VALUE_SHOWN - 6;
    snprintf(text, VALUE_SHOWN, "\"%.*s%s\"", (int)length, string.at, length < string.length ? "..." : "");
    for (char *at = text; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
}

static void show_double(double number, enum datatype datatype, char text[VALUE_SHOWN])
{
    if (!isfinite(number)) {
        snprintf(text, VALUE_SHOWN, "%g", number);
        return;
    }
    size_t length = datatype == DATATYPE_FP64 ? number_write_double(number, text)
                                              : number_write_float((float)number, text);
    text[length] = '\0';
}

static void show_expected(yyjson_val *expected, char text[VALUE_SHOWN])
{
    if (yyjson_is_str(expected))
        show_string((struct text){yyjson_get_str(expected), yyjson_get_len(expected)}, text);
    else if (yyjson_is_real(expected))
        show_double(yyjson_get_real(expected), DATATYPE_FP64, text);
    else if (yyjson_is_sint(expected))
        snprintf(text, VALUE_SHOWN, "%" PRId64, yyjson_get_sint(expected));
    else if (yyjson_is_uint(expected))
        snprintf(text, VALUE_SHOWN, "%" PRIu64, yyjson_get_uint(expected));
    else
        snprintf(text, VALUE_SHOWN, "%s", element_kind(expected));
}

static void show_got(const struct cursor *cursor, char text[VALUE_SHOWN])
{
    const struct tensor *tensor = cursor->tensor;
    if (tensor->datatype == DATATYPE_BYTES)
        show_string(cursor->string, text);
    else if (value_is_float(tensor))
        show_double(value_float(tensor, cursor->index), tensor->datatype, text);
    else if (tensor->datatype == DATATYPE_BOOL)
        snprintf(text, VALUE_SHOWN, "%s", tensor->data[cursor->index] != 0 ? "true" : "false");
    else if (value_is_signed(tensor))
        snprintf(text, VALUE_SHOWN, "%" PRId64, (int64_t)value_integer(tensor, cursor->index));
    else
        snprintf(text, VALUE_SHOWN, "%" PRIu64, value_integer(tensor, cursor->index));
}

/* "probabilities[0][1]" */
static void show_place(const struct tensor *tensor, const char *name, size_t index, char place[PLACE_MAX])
{
    size_t length = (size_t)snprintf(place, PLACE_MAX, "%.*s", NAME_SHOWN + 16, name), below = 1;
    for (uint32_t i = 1; i < tensor->rank; i++)
        below *= (size_t)tensor->shape[i];
    for (uint32_t i = 0; i < tensor->rank; i++) {
        length += (size_t)snprintf(place + length, PLACE_MAX - length, "[%zu]", index / below);
        index %= below;
        if (i + 1 < tensor->rank)
            below /= (size_t)tensor->shape[i + 1];
    }
}

static void say_difference(const struct cursor *cursor, const char *name, yyjson_val *expected,
                           const struct golden_tolerance *tolerance, char complaint[GOLDEN_TEXT_MAX])
{
    char place[PLACE_MAX], wanted[VALUE_SHOWN], got[VALUE_SHOWN], within[40] = "";
    show_place(cursor->tensor, name, cursor->index, place);
    show_expected(expected, wanted);
    show_got(cursor, got);
    if (value_is_float(cursor->tensor) && isfinite(yyjson_get_num(expected)) && yyjson_is_num(expected))
        snprintf(within, sizeof within, " (tolerance %.3g)", allowed(tolerance, yyjson_get_num(expected)));
    snprintf(complaint, GOLDEN_TEXT_MAX, "%s: expected %s, got %s%s", place, wanted, got, within);
}

/* ---- a list of values beside a tensor ---- */

/* What is compared, and where complaints go. */
struct comparison {
    const struct golden_tolerance *tolerance;
    const struct schema *schema;
    struct tensor outputs[TENSOR_COUNT_MAX];
    size_t count;
    size_t rows;
    struct roles roles;
    char *complaint;
};

static bool compare_values(const struct comparison *comparison, const struct tensor *tensor, const char *name,
                           yyjson_val *const *values, size_t count)
{
    size_t elements;
    struct cursor cursor = {.tensor = tensor};
    if (!tensor_elements(tensor, &elements) || elements != count) {
        snprintf(comparison->complaint, GOLDEN_TEXT_MAX, "%s: expected %zu values, got %zu", name, count,
                 elements);
        return false;
    }
    for (; cursor.index < count; cursor.index++) {
        advance(&cursor);
        if (agrees(&cursor, values[cursor.index], comparison->tolerance))
            continue;
        say_difference(&cursor, name, values[cursor.index], comparison->tolerance, comparison->complaint);
        return false;
    }
    return true;
}

/* `data` is an array, nested or flat, or the only value. */
static bool compare(const struct comparison *comparison, const struct tensor *tensor, const char *name,
                    yyjson_val *data)
{
    size_t count;
    if (!yyjson_is_arr(data))
        return compare_values(comparison, tensor, name, &data, 1);
    yyjson_val **values = golden_flatten(data, &count);
    if (values == NULL) {
        snprintf(comparison->complaint, GOLDEN_TEXT_MAX, "%s: what is expected is nested too deep", name);
        return false;
    }
    bool same = compare_values(comparison, tensor, name, values, count);
    free(values);
    return same;
}

/* ---- by role ---- */

/* The classes that follow from probabilities or a score. */
static bool compare_classes(const struct comparison *comparison, yyjson_val *data, const char *name)
{
    uint64_t *classes = object_alloc(comparison->rows * sizeof *classes);
    struct tensor tensor = {.datatype = DATATYPE_UINT64,
                            .rank = 1,
                            .shape = {(int64_t)comparison->rows},
                            .data = (const uint8_t *)classes,
                            .bytes = comparison->rows * sizeof *classes};
    for (size_t row = 0; row < comparison->rows; row++)
        ENSURE(roles_class_index(&comparison->roles, false, row, &classes[row]));
    bool same = compare(comparison, &tensor, name, data);
    free(classes);
    return same;
}

/* The labels that follow from probabilities. */
static bool compare_labels(const struct comparison *comparison, yyjson_val *data, const char *name)
{
    const struct roles *roles = &comparison->roles;
    size_t labels = roles_label_count(roles);
    uint8_t *held = object_alloc(comparison->rows * labels);
    struct tensor tensor = {.datatype = DATATYPE_UINT8,
                            .rank = 2,
                            .shape = {(int64_t)comparison->rows, (int64_t)labels},
                            .data = held,
                            .bytes = comparison->rows * labels};
    for (size_t i = 0; i < tensor.bytes; i++)
        held[i] = roles_label_holds(roles, i / labels, i % labels);
    bool same = compare(comparison, &tensor, name, data);
    free(held);
    return same;
}

static bool compare_predictions(const struct comparison *comparison, yyjson_val *data, const char *name)
{
    const struct roles *roles = &comparison->roles;
    if (!roles_predict(roles)) {
        snprintf(comparison->complaint, GOLDEN_TEXT_MAX, "%s: no output of the model is a prediction", name);
        return false;
    }
    if (roles->class != NULL || roles->held != NULL)
        return compare(comparison, roles->class != NULL ? roles->class : roles->held, name, data);
    if (roles->labels)
        return compare_labels(comparison, data, name);
    if (!comparison->schema->regression)
        return compare_classes(comparison, data, name);
    return compare(comparison, roles->score != NULL ? roles->score : roles->probabilities, name, data);
}

static bool compare_probabilities(const struct comparison *comparison, yyjson_val *data, const char *name)
{
    const struct roles *roles = &comparison->roles;
    const struct tensor *tensor = roles->probabilities != NULL ? roles->probabilities : roles->score;
    if (tensor != NULL && !comparison->schema->regression)
        return compare(comparison, tensor, name, data);
    snprintf(comparison->complaint, GOLDEN_TEXT_MAX, "%s: the model gives none", name);
    return false;
}

/* ---- "outputs" ---- */

static bool same_shape(const struct tensor *tensor, yyjson_val *shape)
{
    size_t at, count;
    yyjson_val *dimension;
    if (yyjson_arr_size(shape) != tensor->rank)
        return false;
    yyjson_arr_foreach(shape, at, count, dimension)
    {
        if (!yyjson_is_int(dimension) || yyjson_get_sint(dimension) != tensor->shape[at])
            return false;
    }
    return true;
}

static bool compare_output(const struct comparison *comparison, yyjson_val *output)
{
    yyjson_val *name = yyjson_obj_get(output, "name"), *datatype = yyjson_obj_get(output, "datatype"),
               *shape = yyjson_obj_get(output, "shape");
    const struct tensor *tensor = NULL;
    char title[NAME_SHOWN + 16];
    snprintf(title, sizeof title, "output %.*s", NAME_SHOWN, yyjson_get_str(name));
    for (size_t i = 0; i < comparison->count && tensor == NULL; i++)
        if (text_is(comparison->outputs[i].name, yyjson_get_str(name)))
            tensor = &comparison->outputs[i];
    if (tensor == NULL)
        snprintf(comparison->complaint, GOLDEN_TEXT_MAX, "%s: the model has no such output", title);
    else if (datatype != NULL && !yyjson_equals_str(datatype, datatype_name(tensor->datatype)))
        snprintf(comparison->complaint, GOLDEN_TEXT_MAX, "%s: the model gives %s", title,
                 datatype_name(tensor->datatype));
    else if (shape != NULL && !same_shape(tensor, shape))
        snprintf(comparison->complaint, GOLDEN_TEXT_MAX, "%s: the model gives another shape", title);
    else
        return compare(comparison, tensor, title, yyjson_obj_get(output, "data"));
    return false;
}

static bool compare_outputs(const struct comparison *comparison, yyjson_val *outputs)
{
    size_t at, count;
    yyjson_val *output;
    yyjson_arr_foreach(outputs, at, count, output)
    {
        if (!compare_output(comparison, output))
            return false;
    }
    return true;
}

/* ---- all of it ---- */

static bool compare_key(const struct comparison *comparison, const char *name, yyjson_val *value)
{
    if (strcmp(name, "outputs") == 0)
        return compare_outputs(comparison, value);
    if (strcmp(name, "probabilities") == 0)
        return compare_probabilities(comparison, value, name);
    return compare_predictions(comparison, value, name);
}

bool golden_expected_met(yyjson_val *expected, const struct golden_tolerance *tolerance,
                         const struct schema *schema, const uint8_t *answer, size_t bytes,
                         char complaint[GOLDEN_TEXT_MAX])
{
    struct comparison comparison = {.tolerance = tolerance, .schema = schema, .complaint = complaint};
    size_t at, count;
    yyjson_val *key, *value;
    ENSURE(tensors_decode(answer, bytes, comparison.outputs, &comparison.count, &comparison.rows) == NULL);
    comparison.roles = roles_of(schema, comparison.outputs, comparison.count);
    yyjson_obj_foreach(expected, at, count, key, value)
    {
        if (!compare_key(&comparison, yyjson_get_str(key), value))
            return false;
    }
    return true;
}
