/* oip_tensors: from the inputs of a request to the payload that goes to the broker.
 *
 * The tensors are written in the order of the schema, whatever order the request has, so that the same
 * question makes the same bytes (the broker keeps answers by them). A binary tensor is copied once, from the
 * body into the message; one of JSON is written there element by element. Values are checked as those of the
 * service's own API are: NaN and infinities only where the model allows them. SPDX-License-Identifier: MIT */
#include "oip_tensors.h"

#include "element.h"

#include <endian.h>
#include <stdio.h>

enum {
    BLOCK = 32,
    LENGTH_PREFIX = 4, /* in front of each element of BYTES */
    SHOWN_MAX = 128,   /* bytes of a client's text in a complaint */
    NAMES_MAX = 256,   /* bytes of a list of names in one */
    SHAPE_TEXT_MAX = TENSOR_RANK_MAX * 21 + 3
};

#define SHOWN(text) (int)((text).length < SHOWN_MAX ? (text).length : SHOWN_MAX), (text).at

#define REFUSE(response, ...) (problem_kind(response, FAILURE_INVALID, __VA_ARGS__), false)

/* ---- which input is which ---- */

static bool same(struct text text, const char *name)
{
    return text_is(text, name);
}

static const struct oip_input *input_named(const struct oip_request *request, const char *name)
{
    for (size_t i = 0; i < request->input_count; i++)
        if (same(request->inputs[i].name, name))
            return &request->inputs[i];
    return NULL;
}

static bool declares(const struct schema *schema, struct text name)
{
    for (size_t i = 0; i < schema->input_count; i++)
        if (same(name, schema->inputs[i].name))
            return true;
    return false;
}

/* Appends "'name'" to a list; what does not fit is left out. */
static void list_name(char list[NAMES_MAX], struct text name)
{
    size_t length = strlen(list);
    snprintf(list + length, NAMES_MAX - length, "%s'%.*s'", length == 0 ? "" : ",", SHOWN(name));
}

static bool refuse_count(const struct oip_target *target, const struct oip_request *request,
                         struct http_response *response)
{
    char got[NAMES_MAX] = "", missing[NAMES_MAX] = "";
    for (size_t i = 0; i < request->input_count; i++)
        list_name(got, request->inputs[i].name);
    for (size_t i = 0; i < target->schema->input_count; i++)
        if (input_named(request, target->schema->inputs[i].name) == NULL)
            list_name(missing, text_of(target->schema->inputs[i].name));
    return REFUSE(response,
                  "expected %zu inputs but got %zu inputs for model '%s'. Got input(s) [%s], but missing "
                  "required input(s) [%s]. Please provide all required input(s).",
                  target->schema->input_count, request->input_count, target->model, got, missing);
}

/* Each of the model's is there, and no other. (A request has each name once.) */
static bool find_inputs(const struct oip_target *target, const struct oip_request *request,
                        struct oip_tensors *tensors, struct http_response *response)
{
    const struct schema *schema = target->schema;
    for (size_t i = 0; i < request->input_count; i++)
        if (!declares(schema, request->inputs[i].name))
            return REFUSE(response, "unexpected inference input '%.*s' for model '%s'",
                          SHOWN(request->inputs[i].name), target->model);
    if (request->input_count != schema->input_count || schema->input_count > TENSOR_COUNT_MAX)
        return refuse_count(target, request, response);
    tensors->count = schema->input_count;
    for (size_t i = 0; i < schema->input_count; i++)
        tensors->inputs[i] = input_named(request, schema->inputs[i].name);
    return true;
}

/* ---- datatype and shape ---- */

/* "[-1,16]" */
static const char *print_shape(const int64_t *shape, uint32_t rank, bool rows_vary, char text[SHAPE_TEXT_MAX])
{
    size_t length = (size_t)snprintf(text, SHAPE_TEXT_MAX, "[");
    for (uint32_t i = 0; i < rank; i++)
        length += (size_t)snprintf(text + length, SHAPE_TEXT_MAX - length, "%s%lld", i > 0 ? "," : "",
                                   (long long)(i == 0 && rows_vary ? -1 : shape[i]));
    snprintf(text + length, SHAPE_TEXT_MAX - length, "]");
    return text;
}

static bool shape_fits(const struct schema_tensor *declared, const struct oip_input *input)
{
    if (input->rank != declared->rank || input->elements == 0)
        return false;
    for (uint32_t i = 1; i < declared->rank; i++)
        if (declared->shape[i] != -1 && declared->shape[i] != input->shape[i])
            return false;
    return true;
}

static bool check_type(const struct oip_target *target, const struct schema_tensor *declared,
                       const struct oip_input *input, struct http_response *response)
{
    char expected[SHAPE_TEXT_MAX], got[SHAPE_TEXT_MAX];
    if (!same(input->datatype, datatype_name(declared->datatype)))
        return REFUSE(response, "inference input '%s' data-type is '%.*s', but model '%s' expects '%s'",
                      declared->name, SHOWN(input->datatype), target->model,
                      datatype_name(declared->datatype));
    if (!shape_fits(declared, input))
        return REFUSE(response, "unexpected shape for input '%s' for model '%s'. Expected %s, got %s. ",
                      declared->name, target->model,
                      print_shape(declared->shape, declared->rank, true, expected),
                      print_shape(input->shape, input->rank, false, got));
    return true;
}

static bool check_rows(const struct oip_target *target, struct oip_tensors *tensors,
                       struct http_response *response)
{
    tensors->rows = (size_t)tensors->inputs[0]->shape[0];
    for (size_t i = 1; i < tensors->count; i++)
        if ((size_t)tensors->inputs[i]->shape[0] != tensors->rows)
            return REFUSE(response, "input '%s' batch size does not match other inputs for '%s'",
                          target->schema->inputs[i].name, target->model);
    if (tensors->rows > target->max_rows)
        return REFUSE(response, "inference request batch-size must be <= %zu for '%s'", target->max_rows,
                      target->model);
    return true;
}

/* ---- sizes ---- */

static size_t count_values(yyjson_val *value)
{
    size_t at, count, values = 0;
    yyjson_val *member;
    if (!yyjson_is_arr(value))
        return 1;
    if (unsafe_yyjson_arr_is_flat(value))
        return yyjson_arr_size(value);
    yyjson_arr_foreach(value, at, count, member)
    {
        values += count_values(member);
    }
    return values;
}

/* Bytes of the elements that are texts; the others are refused when they are written. */
static size_t measure_texts(yyjson_val *value)
{
    size_t at, count, bytes = 0;
    yyjson_val *member;
    if (!yyjson_is_arr(value))
        return yyjson_is_str(value) ? LENGTH_PREFIX + yyjson_get_len(value) : 0;
    yyjson_arr_foreach(value, at, count, member)
    {
        bytes += measure_texts(member);
    }
    return bytes;
}

static bool measure_data(const struct oip_input *input, struct tensor *tensor, struct http_response *response)
{
    size_t values = count_values(input->data);
    if (tensor->datatype == DATATYPE_FP16 || tensor->datatype == DATATYPE_BF16)
        return REFUSE(response,
                      "receiving %s data via JSON is not supported. Please use the binary data "
                      "format for input %.*s",
                      datatype_name(tensor->datatype), SHOWN(input->name));
    if (values < input->elements)
        return REFUSE(response, "Failed to parse 'data' field: shape does not match true shape");
    if (values > input->elements)
        return REFUSE(response, "Unable to parse 'data': Shape does not match true shape of 'data' field");
    tensor->bytes = tensor->datatype == DATATYPE_BYTES ? measure_texts(input->data)
                                                       : values * datatype_bytes(tensor->datatype);
    return true;
}

static bool measure_binary(const struct oip_target *target, const struct oip_input *input,
                           struct tensor *tensor, bool raw, struct http_response *response)
{
    size_t expected = input->elements * datatype_bytes(tensor->datatype);
    tensor->bytes = raw ? LENGTH_PREFIX + input->binary.length : input->binary.length;
    tensor->data = raw ? NULL : (const uint8_t *)input->binary.at;
    if (tensor->datatype == DATATYPE_BYTES) {
        const char *complaint = raw ? NULL : tensor_check(tensor);
        return complaint == NULL || REFUSE(response,
                                           "unexpected elements of inference input '%.*s' for model "
                                           "'%s': %s",
                                           SHOWN(input->name), target->model, complaint);
    }
    if (expected == input->binary.length)
        return true;
    return REFUSE(response, "input byte size mismatch for input '%.*s' for model '%s'. Expected %zu, got %zu",
                  SHOWN(input->name), target->model, expected, input->binary.length);
}

static bool measure_input(const struct oip_target *target, const struct schema_tensor *declared,
                          const struct oip_input *input, struct tensor *tensor, bool raw,
                          struct http_response *response)
{
    *tensor =
        (struct tensor){.name = text_of(declared->name), .datatype = declared->datatype, .rank = input->rank};
    memcpy(tensor->shape, input->shape, sizeof tensor->shape);
    bool good = input->data != NULL ? measure_data(input, tensor, response)
                                    : measure_binary(target, input, tensor, raw, response);
    if (good && tensor->bytes > UINT32_MAX)
        return REFUSE(response, "byte size overflow for input '%.*s'", SHOWN(input->name));
    return good;
}

size_t oip_tensors_measure(const struct oip_target *target, const struct oip_request *request, bool raw,
                           struct oip_tensors *tensors, struct http_response *response)
{
    const struct schema *schema = target->schema;
    if (!find_inputs(target, request, tensors, response))
        return 0;
    for (size_t i = 0; i < tensors->count; i++)
        if (!check_type(target, &schema->inputs[i], tensors->inputs[i], response))
            return 0;
    if (!check_rows(target, tensors, response))
        return 0;
    tensors->allow_nan = schema->allow_nan;
    tensors->raw = raw && schema->inputs[0].datatype == DATATYPE_BYTES;
    for (size_t i = 0; i < tensors->count; i++)
        if (!measure_input(target, &schema->inputs[i], tensors->inputs[i], &tensors->tensors[i], tensors->raw,
                           response))
            return 0;
    return tensors_encoded_size(tensors->tensors, tensors->count);
}

/* ---- values of JSON ---- */

/* Where the next value goes. */
struct cursor {
    const struct oip_tensors *tensors;
    const struct tensor *tensor;
    uint8_t *place;
    size_t index;
    struct http_response *response;
};

static bool write_text(struct cursor *cursor, yyjson_val *value)
{
    uint32_t length = htole32((uint32_t)yyjson_get_len(value));
    memcpy(cursor->place, &length, LENGTH_PREFIX);
    memcpy(cursor->place + LENGTH_PREFIX, yyjson_get_str(value), yyjson_get_len(value));
    cursor->place += LENGTH_PREFIX + yyjson_get_len(value);
    return true;
}

static bool write_value(struct cursor *cursor, yyjson_val *value)
{
    char why[ELEMENT_TEXT_MAX];
    uint8_t element[ELEMENT_BYTES_MAX];
    const struct tensor *tensor = cursor->tensor;
    size_t index = cursor->index++;
    if (tensor->datatype == DATATYPE_BYTES && yyjson_is_str(value))
        return write_text(cursor, value);
    if (!element_write(tensor->datatype, value, cursor->tensors->allow_nan, element))
        return REFUSE(cursor->response, "Unable to parse 'data' of input '%.*s': element %zu: %s",
                      SHOWN(tensor->name), index, element_explain(tensor->datatype, value, why));
    memcpy(cursor->place, element, datatype_bytes(tensor->datatype));
    cursor->place += datatype_bytes(tensor->datatype);
    return true;
}

static bool write_values(struct cursor *cursor, yyjson_val *value)
{
    size_t at, count;
    yyjson_val *member;
    if (!yyjson_is_arr(value))
        return write_value(cursor, value);
    count = yyjson_arr_size(value);
    if (cursor->tensor->datatype == DATATYPE_FP32 && unsafe_yyjson_arr_is_flat(value) && count > 0 &&
        element_write_floats(unsafe_yyjson_get_first(value), count, cursor->tensors->allow_nan,
                             cursor->place)) {
        cursor->place += count * sizeof(float);
        cursor->index += count;
        return true;
    }
    yyjson_arr_foreach(value, at, count, member)
    {
        if (!write_values(cursor, member))
            return false;
    }
    return true;
}

/* ---- values of binary tensors ---- */

/* The first of `count` values of so many bytes in which all bits of `mask` are set; `count`: none is. Nearly
 * always there is none: so blocks are looked at, whose values the compiler takes many at a time, and only one
 * that has some is looked at again. */
#define FIND_SPECIAL(type, data, count, mask, at)                                                            \
    do {                                                                                                     \
        type bits[BLOCK];                                                                                    \
        for (at = 0; at + BLOCK <= (count); at += BLOCK) {                                                   \
            type found = 0;                                                                                  \
            memcpy(bits, (data) + at * sizeof bits[0], sizeof bits);                                         \
            for (size_t i = 0; i < BLOCK; i++)                                                               \
                found |= (type)((bits[i] & (mask)) == (mask));                                               \
            if (found)                                                                                       \
                break;                                                                                       \
        }                                                                                                    \
        for (; at < (count); at++) {                                                                         \
            memcpy(bits, (data) + at * sizeof bits[0], sizeof bits[0]);                                      \
            if ((bits[0] & (mask)) == (mask))                                                                \
                break;                                                                                       \
        }                                                                                                    \
    } while (0)

/* A NaN or an infinity has all bits of its exponent set. */
static size_t find_infinite(const struct tensor *tensor)
{
    size_t count = tensor->bytes / datatype_bytes(tensor->datatype), at;
    if (tensor->datatype == DATATYPE_FP32)
        FIND_SPECIAL(uint32_t, tensor->data, count, UINT32_C(0x7f800000), at);
    else if (tensor->datatype == DATATYPE_FP64)
        FIND_SPECIAL(uint64_t, tensor->data, count, UINT64_C(0x7ff0000000000000), at);
    else if (tensor->datatype == DATATYPE_FP16)
        FIND_SPECIAL(uint16_t, tensor->data, count, (uint16_t)0x7c00, at);
    else
        FIND_SPECIAL(uint16_t, tensor->data, count, (uint16_t)0x7f80, at);
    return at;
}

static bool check_binary(const struct oip_tensors *tensors, const struct tensor *tensor,
                         struct http_response *response)
{
    if (!datatype_is_float(tensor->datatype) || tensors->allow_nan)
        return true;
    size_t at = find_infinite(tensor);
    return at == tensor->bytes / datatype_bytes(tensor->datatype) ||
           REFUSE(response, "input '%.*s': element %zu is not a finite number", SHOWN(tensor->name), at);
}

/* Any byte is a truth to Triton, and so to clients that measure it; engines know of 0 and 1 alone. */
static void settle_truths(const struct tensor *tensor, uint8_t *place)
{
    if (tensor->datatype == DATATYPE_BOOL)
        for (size_t i = 0; i < tensor->bytes; i++)
            place[i] = place[i] != 0;
}

static void write_raw(const struct oip_input *input, uint8_t *place)
{
    uint32_t length = htole32((uint32_t)input->binary.length);
    memcpy(place, &length, LENGTH_PREFIX);
    memcpy(place + LENGTH_PREFIX, input->binary.at, input->binary.length);
}

bool oip_tensors_write(const struct oip_tensors *tensors, uint8_t *payload, size_t bytes,
                       struct http_response *response)
{
    uint8_t *places[TENSOR_COUNT_MAX];
    for (size_t i = 0; i < tensors->count; i++)
        if (tensors->tensors[i].data != NULL && !check_binary(tensors, &tensors->tensors[i], response))
            return false;
    ENSURE(tensors_encode(tensors->tensors, tensors->count, payload, bytes, places) == bytes);
    for (size_t i = 0; i < tensors->count; i++) {
        struct cursor cursor = {
            .tensors = tensors, .tensor = &tensors->tensors[i], .place = places[i], .response = response};
        if (tensors->raw)
            write_raw(tensors->inputs[i], places[i]);
        else if (tensors->inputs[i]->data == NULL)
            settle_truths(&tensors->tensors[i], places[i]);
        else if (!write_values(&cursor, tensors->inputs[i]->data))
            return false;
    }
    return true;
}

/* ---- a body that is one tensor ---- */

/* The shape of one row, when the bytes leave no doubt. */
static bool deduce_shape(const struct schema_tensor *declared, size_t values, struct oip_input *input,
                         struct http_response *response)
{
    uint32_t open = 0; /* the dimension that varies; 0: none does */
    size_t known = 1;
    input->rank = declared->rank;
    input->shape[0] = 1;
    for (uint32_t i = 1; i < declared->rank; i++) {
        input->shape[i] = declared->shape[i];
        if (declared->shape[i] != -1)
            known *= (size_t)declared->shape[i];
        else if (open != 0)
            return REFUSE(
                response,
                "The shape of the raw input '%s' can not be deduced because there are more than one "
                "variable-sized dimension",
                declared->name);
        else
            open = i;
    }
    if (open != 0)
        input->shape[open] = known == 0 ? 0 : (int64_t)(values / known);
    input->elements = open != 0 ? known * (size_t)input->shape[open] : known;
    return true;
}

bool oip_tensors_raw(const struct oip_target *target, struct text body, struct oip_request *request,
                     struct http_response *response)
{
    const struct schema *schema = target->schema;
    const struct schema_tensor *declared = &schema->inputs[0];
    struct oip_input *input = &request->inputs[0];
    if (schema->input_count != 1)
        return REFUSE(response,
                      "Raw request must only have 1 input (found 1) to be deduced but got %zu inputs in '%s' "
                      "model configuration",
                      schema->input_count, target->model);
    *request = (struct oip_request){.binary = true, .input_count = 1};
    *input = (struct oip_input){.name = text_of(declared->name),
                                .datatype = text_of(datatype_name(declared->datatype)),
                                .binary = body};
    bool bytes = declared->datatype == DATATYPE_BYTES;
    size_t values = bytes ? 1 : body.length / datatype_bytes(declared->datatype);
    if (!deduce_shape(declared, values, input, response))
        return false;
    if (bytes && input->elements != 1)
        return REFUSE(response, "For BYTE datatype raw input '%s', the model must have input shape [1]",
                      declared->name);
    return true;
}
