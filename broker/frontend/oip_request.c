/* oip_request: from bytes to the members that an inference request has.
 *
 *     body = JSON [tensor tensor ...]      the header Inference-Header-Content-Length says where the JSON
 * ends
 *
 * The JSON is read by decode.c's reader: in place when nothing stands behind it, else from a copy (it is
 * some hundred bytes then), since the reader writes behind what it reads. The tensors are not touched: what
 * comes out are views of the body, which oip_tensors.c copies into the message.
 *
 * Unlike those of the service's own API unknown members are passed over, as the protocol wants it: clients
 * send parameters that only other servers know. Texts of errors are those that the protocol's clients and
 * their tests look for. SPDX-License-Identifier: MIT */
#include "oip_request.h"

#include "clock.h"
#include "element.h"

#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_MAX = 128 /* bytes of a name in a complaint */ };

#define SHOWN(text) (int)((text).length < SHOWN_MAX ? (text).length : SHOWN_MAX), (text).at

#define REFUSE(response, ...) (problem_kind(response, FAILURE_INVALID, __VA_ARGS__), false)

bool oip_header_length(const char *header, size_t body_length, size_t *json_length,
                       struct http_response *response)
{
    *json_length = body_length;
    if (header == NULL)
        return true;
    size_t length = 0;
    const char *at = header;
    for (; *at >= '0' && *at <= '9' && length <= body_length; at++)
        length = length * 10 + (size_t)(*at - '0');
    if (at == header || *at != '\0' || length > body_length)
        return REFUSE(response, "inference header size should be in range (0, %zu), got: %.*s", body_length,
                      SHOWN(text_of(header)));
    *json_length = length;
    return true;
}

/* ---- single members ---- */

/* What is null is not there: so those write it who leave nothing out. */
static yyjson_val *member_of(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return yyjson_is_null(value) ? NULL : value;
}

static struct text text_in(yyjson_val *value)
{
    return (struct text){yyjson_get_str(value), yyjson_get_len(value)};
}

static bool wrong_type(struct http_response *response, const char *name, const char *expected,
                       yyjson_val *value)
{
    return REFUSE(response, "Unable to parse '%s': expected %s, got %s", name, expected, element_kind(value));
}

/* Each takes the member if it is there, and is false when it is of another type. */

static bool take_text(yyjson_val *object, const char *name, struct text *text, struct http_response *response)
{
    yyjson_val *value = member_of(object, name);
    if (value == NULL)
        return true;
    *text = text_in(value);
    return yyjson_is_str(value) || wrong_type(response, name, "a string", value);
}

static bool take_bool(yyjson_val *object, const char *name, bool *flag, struct http_response *response)
{
    yyjson_val *value = member_of(object, name);
    if (value == NULL)
        return true;
    *flag = yyjson_is_true(value);
    return yyjson_is_bool(value) || wrong_type(response, name, "a boolean", value);
}

static bool take_unsigned(yyjson_val *object, const char *name, uint64_t *number,
                          struct http_response *response)
{
    yyjson_val *value = member_of(object, name);
    if (value == NULL)
        return true;
    *number = yyjson_get_uint(value);
    return yyjson_is_uint(value) || wrong_type(response, name, "a whole number from 0 on", value);
}

static bool take_object(yyjson_val *object, const char *name, yyjson_val **member,
                        struct http_response *response)
{
    *member = member_of(object, name);
    return *member == NULL || yyjson_is_obj(*member) || wrong_type(response, name, "an object", *member);
}

/* ---- the parameters of the request ---- */

/* The protocol's 1 is the highest priority and 0 the default; the wire's highest is 9, and its lowest is for
 * jobs. */
static uint8_t wire_priority(uint64_t priority)
{
    return priority == 0 || priority > PROTOCOL_PRIORITY_MAX
               ? PROTOCOL_PRIORITY_ONLINE
               : (uint8_t)(PROTOCOL_PRIORITY_MAX + 1 - priority);
}

static bool refuse_reserved(yyjson_val *parameters, struct http_response *response)
{
    size_t at, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(parameters, at, count, key, value)
    {
        struct text name = text_in(key);
        if (name.length >= 7 && memcmp(name.at, "triton_", 7) == 0)
            return REFUSE(response, "parameter keys starting with 'triton_' are reserved: '%.*s'",
                          SHOWN(name));
    }
    return true;
}

static bool read_parameters(yyjson_val *root, struct oip_request *request, struct http_response *response)
{
    yyjson_val *parameters;
    uint64_t priority = 0, timeout = 0;
    if (!take_object(root, "parameters", &parameters, response))
        return false;
    if (parameters == NULL)
        return true;
    if (!refuse_reserved(parameters, response) ||
        !take_bool(parameters, "binary_data_output", &request->binary, response) ||
        !take_unsigned(parameters, "priority", &priority, response) ||
        !take_unsigned(parameters, "timeout", &timeout, response) ||
        !take_text(parameters, "key", &request->key, response))
        return false;
    if (request->key.length > PROTOCOL_TEXT_MAX)
        return REFUSE(response, "Unable to parse 'key': expected at most %d bytes, got %zu",
                      PROTOCOL_TEXT_MAX, request->key.length);
    request->priority = wire_priority(priority);
    request->wanted = timeout < INT64_MAX / MICROSECOND ? (int64_t)timeout * MICROSECOND : INT64_MAX;
    return true;
}

/* ---- inputs ---- */

static bool read_dimension(yyjson_val *value, struct oip_input *input, struct http_response *response)
{
    uint64_t dimension = yyjson_get_uint(value);
    if (!yyjson_is_uint(value))
        return REFUSE(response, "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as "
                                "unsigned-integer");
    if (dimension > INT64_MAX)
        return REFUSE(response,
                      "the shape of input '%.*s' causes total element count to exceed maximum "
                      "size of %td",
                      SHOWN(input->name), PTRDIFF_MAX / 8);
    if (input->rank == TENSOR_RANK_MAX)
        return REFUSE(response, "the shape of input '%.*s' has more than %d dimensions", SHOWN(input->name),
                      TENSOR_RANK_MAX);
    input->shape[input->rank++] = (int64_t)dimension;
    return true;
}

static bool read_shape(yyjson_val *object, struct oip_input *input, struct http_response *response)
{
    size_t at, count;
    yyjson_val *shape = member_of(object, "shape"), *value;
    if (!yyjson_is_arr(shape))
        return REFUSE(response, "Unable to parse 'shape' of input '%.*s': expected an array",
                      SHOWN(input->name));
    yyjson_arr_foreach(shape, at, count, value)
    {
        if (!read_dimension(value, input, response))
            return false;
    }
    struct tensor tensor = {.rank = input->rank};
    memcpy(tensor.shape, input->shape, sizeof tensor.shape);
    if (!tensor_elements(&tensor, &input->elements))
        return REFUSE(response,
                      "the shape of input '%.*s' causes total element count to exceed maximum "
                      "size of %td",
                      SHOWN(input->name), PTRDIFF_MAX / 8);
    return true;
}

/* Takes `bytes` of what is left of the body. */
static bool take_binary(struct oip_input *input, uint64_t bytes, struct text model, struct text *left,
                        struct http_response *response)
{
    if (bytes > left->length)
        return REFUSE(response,
                      "unexpected size for input '%.*s', expecting %llu additional bytes for model "
                      "'%.*s'",
                      SHOWN(input->name), (unsigned long long)(bytes - left->length), SHOWN(model));
    input->binary = (struct text){left->at, (size_t)bytes};
    left->at += bytes;
    left->length -= (size_t)bytes;
    return true;
}

/* Where the values are: exactly one place. */
static bool read_values(yyjson_val *object, yyjson_val *parameters, struct oip_input *input,
                        struct text model, struct text *left, struct http_response *response)
{
    static const char only_one[] =
        "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
        "'shared_memory_region' in 'parameters'. But";
    uint64_t bytes = 0;
    bool binary = member_of(parameters, "binary_data_size") != NULL;
    bool shared = member_of(parameters, "shared_memory_region") != NULL;
    input->data = member_of(object, "data");
    if (!take_unsigned(parameters, "binary_data_size", &bytes, response))
        return false;
    if (binary + shared + (input->data != NULL) == 0)
        return REFUSE(response, "%s no field is set", only_one);
    if (binary + shared + (input->data != NULL) > 1)
        return REFUSE(response, "%s multiple fields are set", only_one);
    if (shared) {
        problem_status(response, 501, "shared memory is not supported: send the values of input '%.*s'",
                       SHOWN(input->name));
        return false;
    }
    if (binary)
        return take_binary(input, bytes, model, left, response);
    return yyjson_is_arr(input->data) || wrong_type(response, "data", "an array", input->data);
}

static bool input_known(const struct oip_request *request, struct text name)
{
    for (size_t i = 0; i < request->input_count; i++)
        if (request->inputs[i].name.length == name.length &&
            memcmp(request->inputs[i].name.at, name.at, name.length) == 0)
            return true;
    return false;
}

static bool read_input(yyjson_val *object, struct text model, struct oip_request *request, struct text *left,
                       struct http_response *response)
{
    struct oip_input input = {.rank = 0};
    yyjson_val *parameters;
    if (!yyjson_is_obj(object))
        return wrong_type(response, "inputs", "objects", object);
    if (!take_text(object, "name", &input.name, response) ||
        !take_text(object, "datatype", &input.datatype, response) ||
        !take_object(object, "parameters", &parameters, response))
        return false;
    if (input.name.at == NULL || input.datatype.at == NULL)
        return REFUSE(response, "Unable to parse 'inputs': an input has no '%s'",
                      input.name.at == NULL ? "name" : "datatype");
    if (input_known(request, input.name))
        return REFUSE(response, "input '%.*s' already exists in request", SHOWN(input.name));
    if (request->input_count == TENSOR_COUNT_MAX)
        return REFUSE(response, "a request may have %d inputs", TENSOR_COUNT_MAX);
    if (!read_shape(object, &input, response) ||
        !read_values(object, parameters, &input, model, left, response))
        return false;
    request->inputs[request->input_count++] = input;
    return true;
}

static bool read_inputs(yyjson_val *root, struct text model, struct oip_request *request, struct text left,
                        struct http_response *response)
{
    size_t at, count;
    yyjson_val *inputs = member_of(root, "inputs"), *object;
    if (inputs == NULL)
        return REFUSE(response, "Unable to parse 'inputs': the request has none");
    if (!yyjson_is_arr(inputs))
        return wrong_type(response, "inputs", "an array", inputs);
    yyjson_arr_foreach(inputs, at, count, object)
    {
        if (!read_input(object, model, request, &left, response))
            return false;
    }
    if (left.length > 0)
        return REFUSE(response, "unexpected additional input data for model '%.*s'", SHOWN(model));
    return true;
}

/* ---- outputs ---- */

static bool read_output(yyjson_val *object, struct oip_request *request, struct http_response *response)
{
    struct oip_output output = {.binary = request->binary};
    yyjson_val *parameters;
    if (!yyjson_is_obj(object))
        return wrong_type(response, "outputs", "objects", object);
    if (!take_text(object, "name", &output.name, response) ||
        !take_object(object, "parameters", &parameters, response) ||
        !take_bool(parameters, "binary_data", &output.binary, response) ||
        !take_unsigned(parameters, "classification", &output.classes, response))
        return false;
    if (output.name.at == NULL)
        return REFUSE(response, "Unable to parse 'outputs': an output has no 'name'");
    if (member_of(parameters, "shared_memory_region") != NULL) {
        problem_status(response, 501, "shared memory is not supported: output '%.*s' can be answered only",
                       SHOWN(output.name));
        return false;
    }
    for (size_t i = 0; i < request->output_count; i++)
        if (request->outputs[i].name.length == output.name.length &&
            memcmp(request->outputs[i].name.at, output.name.at, output.name.length) == 0)
            return REFUSE(response, "output '%.*s' already exists in request", SHOWN(output.name));
    if (request->output_count == TENSOR_COUNT_MAX)
        return REFUSE(response, "a request may have %d outputs", TENSOR_COUNT_MAX);
    request->outputs[request->output_count++] = output;
    return true;
}

static bool read_outputs(yyjson_val *root, struct oip_request *request, struct http_response *response)
{
    size_t at, count;
    yyjson_val *outputs = member_of(root, "outputs"), *object;
    if (outputs == NULL)
        return true;
    if (!yyjson_is_arr(outputs))
        return wrong_type(response, "outputs", "an array", outputs);
    yyjson_arr_foreach(outputs, at, count, object)
    {
        if (!read_output(object, request, response))
            return false;
    }
    return true;
}

/* ---- all of it ---- */

static yyjson_val *read_root(struct decoder *decoder, const struct oip_body *body, size_t max_depth,
                             struct http_response *response)
{
    struct problem_faults faults;
    faults.count = 0;
    bool alone = body->json_length == body->length;
    yyjson_val *root = decoder_read(decoder, body->bytes, body->json_length,
                                    alone ? body->capacity : body->json_length, max_depth, &faults);
    if (root != NULL && yyjson_is_obj(root))
        return root;
    if (root != NULL)
        problem_kind(response, FAILURE_INVALID,
                     "failed to parse the request JSON buffer: expected an object, got %s",
                     element_kind(root));
    else if (strncmp(faults.list[0].message, "nested", 6) == 0)
        problem_kind(response, FAILURE_INVALID, "JSON nesting depth exceeds maximum allowed limit (%zu)",
                     max_depth);
    else
        problem_kind(response, FAILURE_INVALID, "failed to parse the request JSON buffer: %s",
                     faults.list[0].message);
    return NULL;
}

bool oip_request_read(struct decoder *decoder, const struct oip_body *body, size_t max_depth,
                      struct text model, struct oip_request *request, struct http_response *response)
{
    struct text left = {body->bytes + body->json_length, body->length - body->json_length};
    request->id = request->key = (struct text){NULL, 0};
    request->wanted = 0;
    request->priority = PROTOCOL_PRIORITY_ONLINE;
    request->binary = false;
    request->input_count = request->output_count = 0;
    yyjson_val *root = read_root(decoder, body, max_depth, response);
    return root != NULL && take_text(root, "id", &request->id, response) &&
           read_parameters(root, request, response) && read_inputs(root, model, request, left, response) &&
           read_outputs(root, request, response);
}
