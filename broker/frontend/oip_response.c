/* oip_response: from the payload of a REPLY to the body of the response.
 *
 *     body = JSON [tensor tensor ...]      the header Inference-Header-Content-Length says where the JSON
 * ends
 *
 * A binary tensor is copied once, from what the broker sent into the body; one of JSON is printed there, as a
 * flat list, with the words NaN, Infinity and -Infinity where numbers are none, as the protocol's servers and
 * clients have them. Called by oip.c, perhaps in a thread of the side lane. SPDX-License-Identifier: MIT */
#include "oip_response.h"

#include "oip_classes.h"
#include "roles.h"

#include <math.h>

/* The outputs that are told, in their order. */
struct told {
    size_t count;
    struct tensor tensors[TENSOR_COUNT_MAX];
    bool binary[TENSOR_COUNT_MAX];
    struct output rooms[TENSOR_COUNT_MAX]; /* data that were made here */
};

bool oip_wish_is_binary(const struct oip_wish *wish)
{
    for (size_t i = 0; i < wish->count; i++)
        if (!wish->outputs[i].binary || wish->outputs[i].classes > 0)
            return false;
    return wish->count > 0 || wish->binary;
}

/* ---- which ---- */

/* Outputs come in the order of the schema, unless a worker is of another make. */
static const struct tensor *output_named(const struct tensor *tensors, size_t count, const char *name,
                                         size_t likely)
{
    if (likely < count && text_is(tensors[likely].name, name))
        return &tensors[likely];
    for (size_t i = 0; i < count; i++)
        if (text_is(tensors[i].name, name))
            return &tensors[i];
    return NULL;
}

static const char *tell_wished(const struct oip_answer *answer, const struct tensor *tensors, size_t count,
                               struct told *told)
{
    for (size_t i = 0; i < answer->wish->count; i++) {
        const struct oip_wished *wished = &answer->wish->outputs[i];
        const struct tensor *tensor =
            output_named(tensors, count, answer->asked->outputs[wished->output].name, wished->output);
        if (tensor == NULL)
            return "an output that was asked for is missing";
        if (wished->classes > 0 && !oip_classes_possible(tensor->datatype))
            return "an output has another datatype than the model said";
        if (wished->classes > 0)
            oip_classes_make(tensor, answer->answering, wished->classes, &told->tensors[i], &told->rooms[i]);
        else
            told->tensors[i] = *tensor;
        told->binary[i] = wished->binary;
    }
    told->count = answer->wish->count;
    return NULL;
}

static void tell_all(const struct oip_answer *answer, const struct tensor *tensors, size_t count,
                     struct told *told)
{
    for (size_t i = 0; i < count; i++) {
        told->tensors[i] = tensors[i];
        told->binary[i] = answer->wish->binary;
    }
    told->count = count;
}

/* ---- values ---- */

static void add_float(struct output *out, double value, enum datatype datatype)
{
    if (isnan(value)) {
        output_add_string(out, "NaN");
    } else if (isinf(value)) {
        output_add_string(out, value < 0 ? "-Infinity" : "Infinity");
    } else {
        char *place = output_room(out, NUMBER_TEXT_MAX);
        out->length += datatype == DATATYPE_FP64 ? number_write_double(value, place)
                                                 : number_write_float((float)value, place);
    }
}

static void add_value(struct output *out, const struct tensor *tensor, size_t index, size_t *offset)
{
    if (tensor->datatype == DATATYPE_BYTES)
        output_add_json(out, value_bytes(tensor, offset));
    else if (value_is_float(tensor))
        add_float(out, value_float(tensor, index), tensor->datatype);
    else if (tensor->datatype == DATATYPE_BOOL)
        output_add_string(out, tensor->data[index] != 0 ? "true" : "false");
    else if (value_is_signed(tensor))
        output_add_integer(out, (int64_t)value_integer(tensor, index));
    else
        output_add_unsigned(out, value_integer(tensor, index));
}

static void add_data(struct output *out, const struct tensor *tensor)
{
    size_t elements, offset = 0;
    ENSURE(tensor_elements(tensor, &elements));
    output_add_string(out, ",\"data\":[");
    for (size_t i = 0; i < elements; i++) {
        if (i > 0)
            output_add_char(out, ',');
        add_value(out, tensor, i, &offset);
    }
    output_add_char(out, ']');
}

/* ---- the body ---- */

static void add_output(struct output *out, const struct tensor *tensor, bool binary)
{
    output_add_string(out, "{\"name\":");
    output_add_json(out, tensor->name);
    output_add_string(out, ",\"datatype\":\"");
    output_add_string(out, datatype_name(tensor->datatype));
    output_add_string(out, "\",\"shape\":[");
    for (uint32_t i = 0; i < tensor->rank; i++) {
        if (i > 0)
            output_add_char(out, ',');
        output_add_integer(out, tensor->shape[i]);
    }
    output_add_char(out, ']');
    if (binary) {
        output_add_string(out, ",\"parameters\":{\"binary_data_size\":");
        output_add_unsigned(out, tensor->bytes);
        output_add_char(out, '}');
    } else {
        add_data(out, tensor);
    }
    output_add_char(out, '}');
}

static void add_json(struct output *out, const struct oip_answer *answer, const struct told *told)
{
    output_add_char(out, '{');
    if (answer->wish->id.at != NULL) {
        output_add_string(out, "\"id\":");
        output_add_json(out, answer->wish->id);
        output_add_char(out, ',');
    }
    output_add_string(out, "\"model_name\":");
    output_add_json(out, answer->model);
    output_add_string(out, ",\"model_version\":");
    output_add_json(out, answer->version);
    output_add_string(out, ",\"outputs\":[");
    for (size_t i = 0; i < told->count; i++) {
        if (i > 0)
            output_add_char(out, ',');
        add_output(out, &told->tensors[i], told->binary[i]);
    }
    output_add_string(out, "]}");
}

static void add_tensors(struct http_response *response, const struct told *told)
{
    size_t bytes = 0;
    for (size_t i = 0; i < told->count; i++)
        bytes += told->binary[i] ? told->tensors[i].bytes : 0;
    if (bytes == 0)
        return;
    response->content_type = "application/octet-stream";
    response->json_bytes = response->body.length;
    output_room(&response->body, bytes);
    for (size_t i = 0; i < told->count; i++)
        if (told->binary[i])
            output_add(&response->body, (const char *)told->tensors[i].data, told->tensors[i].bytes);
}

const char *oip_response_write(const struct oip_answer *answer, const uint8_t *payload, size_t bytes,
                               struct http_response *response)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    struct told told;
    size_t count, rows;
    const char *complaint = tensors_decode(payload, bytes, tensors, &count, &rows);
    if (complaint != NULL)
        return complaint;
    if (rows != answer->rows)
        return "the model answered another number of rows than it was asked";
    memset(told.rooms, 0, sizeof told.rooms);
    told.count = 0;
    if (answer->wish->count == 0)
        tell_all(answer, tensors, count, &told);
    else
        complaint = tell_wished(answer, tensors, count, &told);
    if (complaint == NULL) {
        response->body.length = 0;
        add_json(&response->body, answer, &told);
        add_tensors(response, &told);
    }
    for (size_t i = 0; i < TENSOR_COUNT_MAX; i++)
        output_free(&told.rooms[i]);
    return complaint;
}
