/* oip: the Open Inference Protocol, version 2, over HTTP: what KServe, Triton and their clients speak. All
 * paths below /v2 (calls.c has them); one function a call.
 *
 *     oip.c ---- oip_infer ---- oip_request    the body: JSON, and where the tensors behind it are
 *           |              ---- oip_tensors    do they fit the model; into the message
 *           |              ---- oip_response   the answer's tensors as JSON and bytes; oip_classes
 *           |---- oip_describe                 server, models, metadata, configuration
 *           |---- oip_statistics               what the broker has counted      \  questions to other
 * processes:
 *           |---- oip_repository               index, load, unload              /  errands.c
 *           '---- oip_settings                 trace, logging, shared memory
 *
 * Which model is meant, its route, deadlines and keys are predict.c's, for both APIs. Whatever is wrong is
 * answered {"error": text} (problem.c), also what other files find out before a call comes here.
 *
 * Where the bytes of a binary tensor are copied, on their way to the engine and back; each copy has a reason:
 *     socket -> spool, or the buffer of the loop       read(2): the kernel's, the only one of this kind
 *     spool -> body                                    libfcgi takes the records of FastCGI apart (8 bytes
 * stand between each 64 KiB), and the body gets whole by it body -> message the message outlives the body's
 * buffer, which the next request uses: it is kept until it is answered, to be sent again to a broker that
 * comes back (ZeroMQ hands the message on by reference; the worker joins rows of requests, its copy) reply ->
 * body of the response                    the reply is ZeroMQ's, with an envelope around it, and the JSON
 * stands before the tensors body -> socket                                   libfcgi cuts it into records
 * again A compressed body is one more copy each way, in the lane (compression.c). SPDX-License-Identifier:
 * MIT */
#include "oip.h"

#include "oip_describe.h"
#include "oip_infer.h"
#include "oip_repository.h"
#include "oip_settings.h"
#include "oip_statistics.h"

static void show_model(const struct config *config, const struct http_request *request,
                       const struct called *called, struct api_call *call, struct http_response *response)
{
    if (!predict_find(config, request, call, called->model, called->version, response))
        return;
    if (called->call == CALL_V2_CONFIG)
        oip_describe_config(&response->body, call->model, call->version, config->frontend_max_rows);
    else
        oip_describe_model(&response->body, call->model, call->version);
}

static void show_ready(const struct config *config, const struct http_request *request,
                       const struct called *called, struct api_call *call, struct http_response *response)
{
    if (!predict_find(config, request, call, called->model, called->version, response))
        return;
    if (call->version->state != CATALOG_READY) {
        problem_kind(response, FAILURE_NOT_READY, "Model version not ready");
        response->retry_after = 1;
        return;
    }
    output_add_string(&response->body, "{\"name\":");
    output_add_json(&response->body, text_of(call->model->name));
    output_add_string(&response->body, ",\"ready\":true}");
}

static void trace(const struct config *config, struct api_lane *lane, const struct http_request *request,
                  const struct called *called, const struct api_call *call, struct http_response *response)
{
    if (called->model.length > 0 && auth_find_model(call->catalog, &call->identity, called->model) == NULL)
        problem_kind(response, FAILURE_UNKNOWN_MODEL, "Request for unknown model : %.*s",
                     (int)called->model.length, called->model.at);
    else
        oip_settings_trace(config, lane, request, response);
}

/* The calls that need no catalog; false: this is none of them. */
static bool handle_simple(const struct config *config, struct api_lane *lane,
                          const struct http_request *request, const struct called *called,
                          struct http_response *response)
{
    switch (called->call) {
    case CALL_V2_SERVER:
        oip_describe_server(&response->body, config);
        return true;
    case CALL_V2_LIVE:
        output_add_string(&response->body, "{\"live\":true}");
        return true;
    case CALL_V2_LOGGING:
        oip_settings_logging(config, lane, request, response);
        return true;
    case CALL_V2_MEMORY_STATUS:
    case CALL_V2_MEMORY_REGISTER:
    case CALL_V2_MEMORY_UNREGISTER:
        oip_settings_memory(called->call, called->model, response);
        return true;
    case CALL_V2_NAMED_REPOSITORY:
        problem_status(response, 501, "'repository_name' specification is not supported");
        return true;
    default:
        return false;
    }
}

enum api_next oip_handle(const struct config *config, struct api_lane *lane,
                         const struct http_request *request, const struct called *called,
                         struct api_call *call, struct http_response *response)
{
    if (handle_simple(config, lane, request, called, response))
        return API_RESPOND;
    if (call->catalog == NULL) {
        problem_kind(response, FAILURE_NOT_READY, "the service is starting: its models are not known yet");
        response->retry_after = 1;
        return API_RESPOND;
    }
    switch (called->call) {
    case CALL_V2_MODELS:
        oip_describe_models(&response->body, call->catalog, &call->identity);
        return API_RESPOND;
    case CALL_V2_MODEL:
    case CALL_V2_CONFIG:
        show_model(config, request, called, call, response);
        return API_RESPOND;
    case CALL_V2_MODEL_READY:
        show_ready(config, request, called, call, response);
        return API_RESPOND;
    case CALL_V2_INFER:
        return oip_infer(config, lane, request, called, call, response) ? API_ASK : API_RESPOND;
    case CALL_V2_STATISTICS:
        return oip_statistics_ask(config, called->model, called->version, call, response) ? API_ERRAND
                                                                                          : API_RESPOND;
    case CALL_V2_INDEX:
        oip_repository_index(config, lane, request, call, response);
        return API_RESPOND;
    case CALL_V2_LOAD:
    case CALL_V2_UNLOAD:
        return oip_repository_order(config, lane, request, called->model, call, response) ? API_ERRAND
                                                                                          : API_RESPOND;
    case CALL_V2_TRACE:
        trace(config, lane, request, called, call, response);
        return API_RESPOND;
    default: /* CALL_V2_GENERATE */
        problem_status(response, 501, "generate is not supported: models here take and give tensors (infer)");
        return API_RESPOND;
    }
}

bool oip_errand_done(struct api_call *call, yyjson_val *answer, int64_t now, struct http_response *response)
{
    if (call->call != CALL_V2_STATISTICS)
        return oip_repository_answer(call, answer, now, response);
    oip_statistics_answer(call, answer, response);
    return false;
}
