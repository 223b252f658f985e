/* predict: the steps of a prediction before the broker sees it.
 *
 * In their order: is the body JSON at all (its header says so), what does it hold, which model and version
 * are meant, do the rows fit their inputs. Each step either goes on or completes the response with a problem.
 * Bad input ends here, with 4xx, so that no worker ever computes it. Called by api.c in whatever thread has
 * the request; all that changes is the lane's and the call's. SPDX-License-Identifier: MIT */
#include "predict.h"

#include "clock.h"

#include <stdio.h>
#include <strings.h>

enum { MODELS_SHOWN = 10, MODELS_TEXT_MAX = 600 };

/* ---- the headers ---- */

static bool ends_with(struct text text, const char *end)
{
    size_t length = strlen(end);
    return text.length > length && strncasecmp(text.at + text.length - length, end, length) == 0;
}

/* application/json, something+json, or nothing said. */
static bool is_json(struct text content_type)
{
    static const char plain[] = "application/json";
    struct text type = content_type;
    for (size_t i = 0; i < type.length; i++)
        if (type.at[i] == ';')
            type.length = i;
    while (type.length > 0 && (type.at[type.length - 1] == ' ' || type.at[type.length - 1] == '\t'))
        type.length--;
    if (type.length == 0)
        return content_type.length == 0;
    return ends_with(type, "+json") ||
           (type.length == sizeof plain - 1 && strncasecmp(type.at, plain, type.length) == 0);
}

static bool check_headers(const struct http_request *request, struct http_response *response)
{
    struct text encoding = request->content_encoding;
    if (encoding.length > 0 && !(encoding.length == 8 && strncasecmp(encoding.at, "identity", 8) == 0)) {
        problem_status(response, 415, "bodies are not decompressed here: send it without Content-Encoding");
        return false;
    }
    if (!is_json(request->content_type)) {
        problem_status(response, 415, "expected a body of Content-Type application/json");
        return false;
    }
    return true;
}

/* ---- the body ---- */

static bool decode_tree(const struct config *config, struct api_lane *lane,
                        const struct http_request *request, bool batch)
{
    return decode_body(lane->decoder, request->body, request->body_length, request->body_capacity, batch,
                       (size_t)config->frontend_max_json_depth, &lane->body, &lane->faults);
}

/* A guess: is the model of the path, or the default one, one for plain rows? The body may name another. */
static bool expects_plain(const struct api_call *call, const struct called *called)
{
    const struct catalog_model *model = catalog_find(call->catalog, called->model);
    const struct catalog_version *version = model == NULL ? NULL : catalog_version(model, called->version);
    return version != NULL && version->layout != NULL && version->layout->single_float;
}

static bool decode(const struct config *config, struct api_lane *lane, const struct http_request *request,
                   const struct called *called, const struct api_call *call, bool batch)
{
    if (batch && expects_plain(call, called) &&
        decode_plain(lane->decoder, request->body, request->body_length, request->body_capacity,
                     (size_t)config->frontend_max_json_depth, &lane->body))
        return true;
    return decode_tree(config, lane, request, batch);
}

/* ---- which model ---- */

/* "there are: a, b and 3 more" */
static void known_models(const struct catalog *catalog, char text[MODELS_TEXT_MAX])
{
    size_t count = catalog_count(catalog);
    size_t length = (size_t)snprintf(text, MODELS_TEXT_MAX, count == 0 ? "there are none" : "there are: ");
    for (size_t i = 0; i < count; i++) {
        const char *name = catalog_at(catalog, i)->name;
        bool room = length + strlen(name) + 32 < MODELS_TEXT_MAX;
        if (i == MODELS_SHOWN || !room) {
            snprintf(text + length, MODELS_TEXT_MAX - length, " and %zu more", count - i);
            return;
        }
        length += (size_t)snprintf(text + length, MODELS_TEXT_MAX - length, "%s%s", i > 0 ? ", " : "", name);
    }
}

/* What the path and the body say must not differ; either may be silent. */
static bool agree(struct text path, struct text body, const char *field, struct text *chosen,
                  struct problem_faults *faults)
{
    *chosen = path.length > 0 ? path : body;
    if (path.length == 0 || body.length == 0)
        return true;
    if (path.length == body.length && memcmp(path.at, body.at, path.length) == 0)
        return true;
    problem_fault(faults, field, "is another than the one in the path");
    return false;
}

static void not_ready(struct http_response *response, const char *model, const char *why)
{
    problem_kind(response, FAILURE_NOT_READY, "model %s is not ready: %s", model, why);
    response->retry_after = 1;
}

static bool find_model(const struct config *config, struct api_call *call, struct text name,
                       struct http_response *response)
{
    char known[MODELS_TEXT_MAX];
    if (name.length == 0)
        name = text_of(config->default_model);
    call->model = catalog_find(call->catalog, name);
    if (call->model != NULL)
        return true;
    known_models(call->catalog, known);
    if (name.length == 0)
        problem_kind(response, FAILURE_INVALID, "the request names no model and there is no default one; %s",
                     known);
    else
        problem_kind(response, FAILURE_UNKNOWN_MODEL, "there is no model \"%.*s\"; %s",
                     (int)(name.length < PROTOCOL_NAME_MAX ? name.length : PROTOCOL_NAME_MAX), name.at,
                     known);
    return false;
}

static bool find_version(struct api_call *call, struct text name, struct http_response *response)
{
    const struct catalog_model *model = call->model;
    call->version = catalog_version(model, name);
    if (call->version == NULL && name.length > 0) {
        problem_kind(response, FAILURE_UNKNOWN_VERSION, "model %s has no version \"%.*s\"", model->name,
                     (int)(name.length < PROTOCOL_NAME_MAX ? name.length : PROTOCOL_NAME_MAX), name.at);
        return false;
    }
    if (call->version == NULL) {
        not_ready(response, model->name, "no version of it takes requests");
        return false;
    }
    text_copy(name, call->asked_version, sizeof call->asked_version);
    if (call->version->schema == NULL) {
        not_ready(response, model->name,
                  call->version->state == CATALOG_READY ? "it has not said what it takes"
                                                        : catalog_state_name(call->version->state));
        return false;
    }
    if (call->version->layout == NULL) {
        problem_kind(response, FAILURE_INVALID, "the inputs of model %s cannot be given as rows of values",
                     model->name);
        return false;
    }
    return true;
}

/* ---- the rows ---- */

static bool check_row_count(const struct config *config, const struct decode_body *body, bool batch,
                            struct http_response *response)
{
    size_t rows = !batch ? 1 : body->plain != NULL ? body->plain->rows : yyjson_arr_size(body->rows);
    if (rows <= (size_t)config->frontend_max_rows && rows <= PROTOCOL_ROWS_MAX)
        return true;
    problem_kind(response, FAILURE_TOO_LARGE, "%zu rows; one request may have %lld", rows,
                 (long long)config->frontend_max_rows);
    return false;
}

/* The guess may have been wrong, or the width is: then the rows are read once more, as a tree. */
static bool settle_rows(const struct config *config, struct api_lane *lane,
                        const struct http_request *request, const struct api_call *call,
                        struct http_response *response)
{
    if (lane->body.plain == NULL || rows_take_plain(call->version->layout, lane->body.plain) ||
        decode_tree(config, lane, request, true))
        return true;
    problem_faults(response, FAILURE_INVALID, &lane->faults);
    return false;
}

/* Makes call->request with the tensors in it. */
static bool make_request(const struct config *config, struct api_lane *lane, struct api_call *call,
                         bool batch, struct http_response *response)
{
    struct rows *rows = &lane->rows;
    rows->layout = call->version->layout;
    rows->allow_nan = call->version->schema->allow_nan;
    rows->batch = batch;
    rows->value = lane->body.rows;
    rows->plain = lane->body.plain;
    size_t bytes = rows_measure(rows, &lane->faults);
    if (bytes > (size_t)config->broker_max_message_bytes) {
        problem_kind(response, FAILURE_TOO_LARGE, "the input makes %zu bytes of tensors; the limit is %lld",
                     bytes, (long long)config->broker_max_message_bytes);
        return false;
    }
    if (bytes > 0) {
        call->request = client_request_new(bytes);
        if (rows_write(rows, client_request_payload(call->request), bytes, &lane->faults))
            return true;
        client_request_discard(api_call_take(call));
    }
    problem_faults(response, FAILURE_INVALID, &lane->faults);
    return false;
}

/* ---- what is asked ---- */

/* When the answer must be there: the model's time or the configured one, or the request's own if that is
 * shorter. */
static int64_t deadline_of(const struct config *config, const struct api_call *call, int64_t wanted_ms)
{
    int64_t milliseconds = call->version->schema->timeout_ms;
    if (milliseconds == 0)
        milliseconds = config->frontend_request_timeout_ms;
    if (wanted_ms > 0 && wanted_ms < milliseconds)
        milliseconds = wanted_ms;
    return call->received + milliseconds * MILLISECOND;
}

static void fill_ask(const struct config *config, const struct api_lane *lane,
                     const struct http_request *request, struct api_call *call)
{
    struct text key = {call->key, lane->body.key.length};
    text_copy(lane->body.key, call->key, sizeof call->key);
    if (call->model->route != NULL)
        key = steering_key(call->model->route, request, key, call->key);
    call->ask = (struct client_ask){
        .model = text_of(call->model->name),
        .version = text_of(call->asked_version),
        .rows = (uint32_t)lane->rows.count,
        .deadline = deadline_of(config, call, lane->body.timeout_ms),
        .tenant = request->tenant,
        .version_optional = call->steered == STEERED_BY_RULE,
        .key = key,
        .tag = text_of(call->id),
    };
}

bool predict(const struct config *config, struct api_lane *lane, const struct http_request *request,
             const struct called *called, struct api_call *call, struct http_response *response)
{
    bool batch = called->call == CALL_BATCH_PREDICT;
    struct text model, version;
    lane->faults.count = 0;
    if (!check_headers(request, response))
        return false;
    if (!decode(config, lane, request, called, call, batch) ||
        !agree(called->model, lane->body.model, "model", &model, &lane->faults) ||
        !agree(called->version, lane->body.version, "version", &version, &lane->faults)) {
        problem_faults(response, FAILURE_INVALID, &lane->faults);
        return false;
    }
    if (!check_row_count(config, &lane->body, batch, response) || !find_model(config, call, model, response))
        return false;
    if (version.length == 0 && call->model->route != NULL)
        version = steering_version(call->model, request, &call->steered);
    if (!find_version(call, version, response))
        return false;
    if (!settle_rows(config, lane, request, call, response) ||
        !make_request(config, lane, call, batch, response))
        return false;
    fill_ask(config, lane, request, call);
    return true;
}
