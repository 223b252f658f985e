/* oip_infer: the steps of an inference request, in their order: where does its JSON end, which model is
 * meant, what does the request say, do its tensors fit, which outputs does it want. Each step goes on or
 * completes the response. What is not of this protocol alone (the model, its route, the deadline, the key) is
 * predict.c's. Called by oip.c in whatever thread has the request. SPDX-License-Identifier: MIT */
#include "oip_infer.h"

#include "clock.h"
#include "fields.h"
#include "oip_classes.h"
#include "oip_response.h"

#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_MAX = 128 /* bytes of an id in a complaint */ };

#define REFUSE(response, ...) (problem_kind(response, FAILURE_INVALID, __VA_ARGS__), false)

static bool read_request(const struct config *config, struct api_lane *lane,
                         const struct http_request *request, const struct oip_target *target,
                         size_t json_length, struct http_response *response)
{
    if (json_length == 0 && request->body_length > 0)
        return oip_tensors_raw(target, (struct text){request->body, request->body_length}, &lane->oip,
                               response);
    const struct oip_body body = {request->body, request->body_length, request->body_capacity, json_length};
    return oip_request_read(lane->decoder, &body, (size_t)config->oip_max_json_depth, text_of(target->model),
                            &lane->oip, response);
}

/* ---- the outputs that are wanted ---- */

static bool find_output(const struct schema *schema, struct text name, size_t *output)
{
    for (*output = 0; *output < schema->output_count; ++*output)
        if (text_is(name, schema->outputs[*output].name))
            return true;
    return false;
}

/* JSON has no text for these that all clients agree on. */
static bool check_json(const struct schema_tensor *output, bool binary, struct http_response *response)
{
    return binary || (output->datatype != DATATYPE_FP16 && output->datatype != DATATYPE_BF16) ||
           REFUSE(response,
                  "sending %s data via JSON is not supported. Please use the binary data format for output "
                  "%s",
                  datatype_name(output->datatype), output->name);
}

static bool wish_output(const struct oip_target *target, const struct oip_output *asked,
                        struct oip_wished *wished, struct http_response *response)
{
    if (!find_output(target->schema, asked->name, &wished->output))
        return REFUSE(response, "unexpected inference output '%.*s' for model '%s'",
                      (int)(asked->name.length < TENSOR_NAME_MAX ? asked->name.length : TENSOR_NAME_MAX),
                      asked->name.at, target->model);
    const struct schema_tensor *output = &target->schema->outputs[wished->output];
    if (asked->classes > 0 && !oip_classes_possible(output->datatype))
        return REFUSE(response, "class result not available for output '%s' due to unsupported type '%s'",
                      output->name, datatype_name(output->datatype));
    wished->binary = asked->binary;
    wished->classes = asked->classes < UINT32_MAX ? (uint32_t)asked->classes : UINT32_MAX;
    return wished->classes > 0 || check_json(output, asked->binary, response);
}

static bool check_all(const struct oip_target *target, bool binary, struct http_response *response)
{
    for (size_t i = 0; i < target->schema->output_count; i++)
        if (!check_json(&target->schema->outputs[i], binary, response))
            return false;
    return true;
}

/* Makes call->wish, which api_call_end frees. */
static bool wish(const struct oip_target *target, const struct oip_request *request, struct api_call *call,
                 struct http_response *response)
{
    size_t outputs_bytes = request->output_count * sizeof(struct oip_wished);
    struct oip_wish *made = object_alloc(sizeof *made + outputs_bytes + request->id.length + 1);
    call->wish = made;
    made->binary = request->binary;
    made->count = request->output_count;
    made->outputs = (struct oip_wished *)(void *)(made + 1);
    char *id = (char *)(made + 1) + outputs_bytes;
    if (request->id.at != NULL) {
        memcpy(id, request->id.at, request->id.length);
        made->id = (struct text){id, request->id.length};
    }
    for (size_t i = 0; i < request->output_count; i++)
        if (!wish_output(target, &request->outputs[i], &made->outputs[i], response))
            return false;
    return made->count > 0 || check_all(target, made->binary, response);
}

/* ---- the tensors ---- */

/* What model.conf says of the columns holds for tensors, too. */
static bool check_fields(const struct oip_target *target, struct api_lane *lane, const uint8_t *payload,
                         size_t bytes, struct http_response *response)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, rows;
    if (target->schema->fields == NULL)
        return true;
    ENSURE(tensors_decode(payload, bytes, tensors, &count, &rows) == NULL); /* it was just made */
    lane->faults.count = 0;
    if (fields_check_values(target->schema, tensors, count, &lane->faults))
        return true;
    problem_faults(response, FAILURE_INVALID, &lane->faults);
    return false;
}

static bool make_request(const struct config *config, const struct oip_target *target, struct api_lane *lane,
                         size_t bytes, struct api_call *call, struct http_response *response)
{
    if (bytes > (size_t)config->broker_max_message_bytes) {
        problem_kind(response, FAILURE_TOO_LARGE, "the input makes %zu bytes of tensors; the limit is %lld",
                     bytes, (long long)config->broker_max_message_bytes);
        return false;
    }
    call->request = client_request_new(bytes);
    uint8_t *payload = client_request_payload(call->request);
    if (oip_tensors_write(&lane->tensors, payload, bytes, response) &&
        check_fields(target, lane, payload, bytes, response))
        return true;
    client_request_discard(api_call_take(call));
    return false;
}

/* The words for a version that was asked for by its name, and for one that was not. */
static bool check_loaded(const struct api_call *call, const struct called *called,
                         struct http_response *response)
{
    const char *model = call->model->name;
    if (!catalog_version_unloaded(call->version))
        return true;
    if (called->version.length == 0)
        problem_kind(response, FAILURE_UNKNOWN_VERSION,
                     "Request for unknown model: '%s' has no available versions", model);
    else
        predict_not_ready(response, model, call->version->name);
    return false;
}

/* How long the request wants to wait; ns, 0: it does not say, or nothing that could be held. */
static int64_t wanted_time(const struct config *config, const struct oip_request *request)
{
    return request->wanted < config->oip_shortest_timeout_us * MICROSECOND ? 0 : request->wanted;
}

bool oip_infer(const struct config *config, struct api_lane *lane, const struct http_request *request,
               const struct called *called, struct api_call *call, struct http_response *response)
{
    size_t json_length;
    if (!oip_header_length(http_request_header(request, "Inference-Header-Content-Length"),
                           request->body_length, &json_length, response) ||
        !predict_find(config, request, call, called->model, called->version, response) ||
        !check_loaded(call, called, response))
        return false;
    int64_t most = config->frontend_max_rows;
    const struct oip_target target = {.model = call->model->name,
                                      .schema = call->version->schema,
                                      .max_rows =
                                          most < PROTOCOL_ROWS_MAX ? (size_t)most : PROTOCOL_ROWS_MAX};
    bool raw = json_length == 0 && request->body_length > 0;
    if (!read_request(config, lane, request, &target, json_length, response))
        return false;
    size_t bytes = oip_tensors_measure(&target, &lane->oip, raw, &lane->tensors, response);
    if (bytes == 0 || !wish(&target, &lane->oip, call, response) ||
        !make_request(config, &target, lane, bytes, call, response))
        return false;
    predict_fill_ask(config, request, call, lane->oip.key, wanted_time(config, &lane->oip),
                     (uint32_t)lane->tensors.rows);
    call->ask.priority = lane->oip.priority;
    return true;
}

const char *oip_infer_answer(const struct api_call *call, const struct client_answer *answer,
                             const struct schema *schema, struct http_response *response)
{
    return oip_response_write(&(struct oip_answer){.wish = call->wish,
                                                   .asked = call->version->schema,
                                                   .answering = schema,
                                                   .rows = call->ask.rows,
                                                   .model = call->ask.model,
                                                   .version = answer->version},
                              answer->payload, answer->payload_bytes, response);
}

/* A request is called by the id that it has in its body. */
static void say_of_request(const struct api_call *call, const struct client_answer *answer, const char *what,
                           struct http_response *response)
{
    char words[SHOWN_MAX + 64];
    struct text id = call->wish->id.length > 0 ? call->wish->id : text_of("<id_unknown>");
    snprintf(words, sizeof words, "[request id: %.*s] %s",
             (int)(id.length < SHOWN_MAX ? id.length : SHOWN_MAX), id.at, what);
    problem_unavailable(response, answer->failure, words, answer->retry_after_ms);
}

void oip_infer_failure(const struct api_call *call, const struct client_answer *answer,
                       struct http_response *response)
{
    if (answer->failure == FAILURE_OVERLOADED)
        say_of_request(call, answer, "Exceeds maximum queue size", response);
    else if (answer->failure == FAILURE_DEADLINE)
        say_of_request(call, answer, "Request timeout expired", response);
    else if (answer->failure == FAILURE_NOT_READY)
        predict_not_ready(response, call->model->name, call->version->name);
    else
        problem_failure(response, answer->failure, answer->message, answer->retry_after_ms);
}
