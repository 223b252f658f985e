/* predict: the steps of a prediction before the broker sees it.
 *
 * In their order: what is the body (JSON, CSV, a form: its header says so), what does it hold, which model
 * and version are meant, do the rows fit their inputs. A table of CSV says nothing but its rows, so it is
 * read when the model is known. Each step either goes on or completes the response with a problem. Bad input
 * ends here, with 4xx, so that no worker ever computes it. Called by api.c in whatever thread has the
 * request; all that changes is the lane's and the call's. SPDX-License-Identifier: MIT */
#include "predict.h"

#include "clock.h"
#include "media.h"
#include "once.h"
#include "tracing.h"

#include <stdio.h>

enum { MODELS_SHOWN = 10, MODELS_TEXT_MAX = 600 };

/* ---- the headers ---- */

/* How a body that starts like an object of JSON was probably meant: curl -d says that it is a form, and a
 * form has a brace encoded. */
static bool looks_like_json(const struct http_request *request)
{
    return request->body_length > 0 && request->body[0] == '{';
}

static bool check_media(const struct http_request *request, enum media_type media, bool batch,
                        struct http_response *response)
{
    if (media == MEDIA_FORM && !batch && looks_like_json(request))
        problem_status(response, 415,
                       "the body looks like JSON, but the Content-Type is that of a form: expected "
                       "Content-Type application/json");
    else if (media == MEDIA_OTHER || (media == MEDIA_FORM && batch))
        problem_status(response, 415, "expected a body of Content-Type application/json%s",
                       batch ? " or text/csv" : ", text/csv or application/x-www-form-urlencoded");
    else
        return true;
    return false;
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
    const struct catalog_model *model = auth_find_model(call->catalog, &call->identity, called->model);
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

/* What the body says besides its rows goes into lane->body. */
static bool read_body(const struct config *config, struct api_lane *lane, const struct http_request *request,
                      const struct called *called, const struct api_call *call, enum media_type media)
{
    if (media == MEDIA_JSON)
        return decode(config, lane, request, called, call, called->call == CALL_BATCH_PREDICT);
    ENSURE(request->body_capacity > request->body_length);
    request->body[request->body_length] = '\0'; /* numbers end there at the latest */
    lane->body = (struct decode_body){0};
    if (media == MEDIA_CSV)
        return true;
    if (!form_read(&lane->form, request->body, request->body_length, &lane->faults))
        return false;
    lane->body.model = lane->form.model;
    lane->body.version = lane->form.version;
    lane->body.key = lane->form.key;
    return true;
}

/* ---- which model ---- */

static bool may_use(const struct api_call *call, size_t index)
{
    return auth_may_use(&call->identity, text_of(catalog_at(call->catalog, index)->name));
}

/* "there are: a, b and 3 more", of those that it may use. */
static void known_models(const struct api_call *call, char text[MODELS_TEXT_MAX])
{
    size_t all = catalog_count(call->catalog), count = 0, shown = 0;
    for (size_t i = 0; i < all; i++)
        count += may_use(call, i);
    size_t length = (size_t)snprintf(text, MODELS_TEXT_MAX, count == 0 ? "there are none" : "there are: ");
    for (size_t i = 0; i < all; i++) {
        const char *name = catalog_at(call->catalog, i)->name;
        bool room = length + strlen(name) + 32 < MODELS_TEXT_MAX;
        if (!may_use(call, i))
            continue;
        if (shown == MODELS_SHOWN || !room) {
            snprintf(text + length, MODELS_TEXT_MAX - length, " and %zu more", count - shown);
            return;
        }
        length +=
            (size_t)snprintf(text + length, MODELS_TEXT_MAX - length, "%s%s", shown > 0 ? ", " : "", name);
        shown++;
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

void predict_not_ready(struct http_response *response, const char *model, const char *why)
{
    problem_kind(response, FAILURE_NOT_READY,
                 response->oip ? "Request for unknown model: '%s' version %s is not at ready state"
                               : "model %s is not ready: %s",
                 model, why);
    response->retry_after = 1;
}

static bool find_model(const struct config *config, struct api_call *call, struct text name,
                       struct http_response *response)
{
    char known[MODELS_TEXT_MAX];
    if (name.length == 0)
        name = text_of(config->default_model);
    call->model = auth_find_model(call->catalog, &call->identity, name);
    if (call->model != NULL)
        return true;
    if (response->oip) {
        problem_kind(response, FAILURE_UNKNOWN_MODEL, "Request for unknown model: '%.*s' is not found",
                     (int)name.length, name.at);
        return false;
    }
    known_models(call, known);
    if (name.length == 0)
        problem_kind(response, FAILURE_INVALID, "the request names no model and there is no default one; %s",
                     known);
    else
        problem_kind(response, FAILURE_UNKNOWN_MODEL, "there is no model \"%.*s\"; %s",
                     (int)(name.length < PROTOCOL_NAME_MAX ? name.length : PROTOCOL_NAME_MAX), name.at,
                     known);
    return false;
}

/* There is none of that name; an empty one: none takes requests. */
static void no_version(const struct catalog_model *model, struct text name, struct http_response *response)
{
    if (response->oip && name.length > 0)
        problem_kind(response, FAILURE_UNKNOWN_VERSION,
                     "Request for unknown model: '%s' version %.*s is not found", model->name,
                     (int)name.length, name.at);
    else if (response->oip)
        problem_kind(response, FAILURE_UNKNOWN_VERSION,
                     "Request for unknown model: '%s' has no available versions", model->name);
    else if (name.length > 0)
        problem_kind(response, FAILURE_UNKNOWN_VERSION, "model %s has no version \"%.*s\"", model->name,
                     (int)(name.length < PROTOCOL_NAME_MAX ? name.length : PROTOCOL_NAME_MAX), name.at);
    else
        predict_not_ready(response, model->name, "no version of it takes requests");
}

static bool find_version(struct api_call *call, struct text name, struct http_response *response)
{
    const struct catalog_model *model = call->model;
    call->version = catalog_version(model, name);
    if (call->version == NULL) {
        no_version(model, name, response);
        return false;
    }
    text_copy(name, call->asked_version, sizeof call->asked_version);
    if (call->version->schema == NULL) {
        predict_not_ready(response, model->name,
                          response->oip                           ? call->version->name
                          : call->version->state == CATALOG_READY ? "it has not said what it takes"
                                                                  : catalog_state_name(call->version->state));
        return false;
    }
    return true;
}

bool predict_find(const struct config *config, const struct http_request *request, struct api_call *call,
                  struct text model, struct text version, struct http_response *response)
{
    if (!find_model(config, call, model, response))
        return false;
    if (version.length == 0 && call->model->route != NULL)
        version = steering_version(call->model, request, &call->identity, &call->steered);
    return find_version(call, version, response);
}

static bool takes_rows(const struct api_call *call, struct http_response *response)
{
    if (call->version->layout != NULL)
        return true;
    problem_kind(response, FAILURE_INVALID, "the inputs of model %s cannot be given as rows of values",
                 call->model->name);
    return false;
}

/* ---- the rows ---- */

static bool check_row_count(const struct config *config, size_t rows, struct http_response *response)
{
    if (rows <= (size_t)config->frontend_max_rows && rows <= PROTOCOL_ROWS_MAX)
        return true;
    problem_kind(response, FAILURE_TOO_LARGE, "%zu rows; one request may have %lld", rows,
                 (long long)config->frontend_max_rows);
    return false;
}

/* How many there are in a body of JSON. */
static size_t count_rows(const struct decode_body *body, bool batch)
{
    return !batch ? 1 : body->plain != NULL ? body->plain->rows : yyjson_arr_size(body->rows);
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

static size_t measure_json(struct api_lane *lane, const struct catalog_version *version, bool batch,
                           uint32_t *count)
{
    struct rows *rows = &lane->rows;
    rows->layout = version->layout;
    rows->fields = version->fields;
    rows->allow_nan = version->schema->allow_nan;
    rows->batch = batch;
    rows->value = lane->body.rows;
    rows->plain = lane->body.plain;
    size_t bytes = rows_measure(rows, &lane->faults);
    *count = (uint32_t)rows->count;
    return bytes;
}

/* Bytes of the tensors that the rows make; 0: lane->faults says why there are none. */
static size_t measure(struct api_lane *lane, const struct catalog_version *version, bool batch,
                      enum media_type media, uint32_t *count)
{
    if (media == MEDIA_JSON)
        return measure_json(lane, version, batch, count);
    *count = 1;
    if (media == MEDIA_FORM)
        return form_measure(&lane->form, version->layout, version->fields, version->schema->allow_nan,
                            &lane->faults);
    struct csv_rows *table = &lane->table;
    table->layout = version->layout;
    table->fields = version->fields;
    table->allow_nan = version->schema->allow_nan;
    table->batch = batch;
    size_t bytes = csv_rows_measure(table, &lane->faults);
    *count = (uint32_t)(table->count < UINT32_MAX ? table->count : UINT32_MAX);
    return bytes;
}

static bool write_tensors(struct api_lane *lane, enum media_type media, uint8_t *payload, size_t bytes)
{
    return media == MEDIA_JSON  ? rows_write(&lane->rows, payload, bytes, &lane->faults)
           : media == MEDIA_CSV ? csv_rows_write(&lane->table, payload, bytes, &lane->faults)
                                : form_write(&lane->form, payload, bytes, &lane->faults);
}

/* Makes call->request with the tensors in it. */
static bool make_request(const struct config *config, struct api_lane *lane, struct api_call *call,
                         bool batch, enum media_type media, struct http_response *response)
{
    uint32_t rows;
    size_t bytes = measure(lane, call->version, batch, media, &rows);
    if (media == MEDIA_CSV && !check_row_count(config, rows, response))
        return false;
    if (bytes > (size_t)config->broker_max_message_bytes) {
        problem_kind(response, FAILURE_TOO_LARGE, "the input makes %zu bytes of tensors; the limit is %lld",
                     bytes, (long long)config->broker_max_message_bytes);
        return false;
    }
    if (bytes > 0) {
        call->request = client_request_new(bytes);
        call->ask.rows = rows;
        if (write_tensors(lane, media, client_request_payload(call->request), bytes))
            return true;
        client_request_discard(api_call_take(call));
    }
    problem_faults(response, FAILURE_INVALID, &lane->faults);
    return false;
}

/* ---- what is asked ---- */

/* When the answer must be there: the model's time or the configured one, or the request's own if that is
 * shorter. */
static int64_t deadline_of(const struct config *config, const struct api_call *call, int64_t wanted)
{
    int64_t milliseconds = call->version->schema->timeout_ms;
    if (milliseconds == 0)
        milliseconds = config->frontend_request_timeout_ms;
    int64_t time = milliseconds * MILLISECOND;
    return call->received + (wanted > 0 && wanted < time ? wanted : time);
}

void predict_fill_ask(const struct config *config, const struct http_request *request, struct api_call *call,
                      struct text key, int64_t wanted, uint32_t rows)
{
    text_copy(key, call->key, sizeof call->key);
    key = (struct text){call->key, key.length};
    if (call->model->route != NULL)
        key = steering_key(call->model->route, request, &call->identity, key, call->key);
    call->ask = (struct client_ask){
        .model = text_of(call->model->name),
        .version = text_of(call->asked_version),
        .rows = rows,
        .deadline = deadline_of(config, call, wanted),
        .priority = PROTOCOL_PRIORITY_ONLINE,
        .tenant = call->identity.tenant,
        .address = address_number(&call->identity.address),
        .version_optional = call->steered == STEERED_BY_RULE,
        .key = key,
        .tag = text_of(call->id),
    };
    call->ask.trace = tracing_for_broker(request, call->packed_trace);
    if (call->once != NULL)
        once_fill(call);
}

static bool prepare(const struct config *config, struct api_lane *lane, const struct http_request *request,
                    const struct called *called, struct api_call *call, enum media_type media,
                    struct http_response *response)
{
    bool batch = called->call == CALL_BATCH_PREDICT;
    struct text model, version;
    lane->faults.count = 0;
    if (!read_body(config, lane, request, called, call, media) ||
        !agree(called->model, lane->body.model, "model", &model, &lane->faults) ||
        !agree(called->version, lane->body.version, "version", &version, &lane->faults)) {
        problem_faults(response, FAILURE_INVALID, &lane->faults);
        return false;
    }
    if (media == MEDIA_JSON && !check_row_count(config, count_rows(&lane->body, batch), response))
        return false;
    if (!predict_find(config, request, call, model, version, response) || !takes_rows(call, response))
        return false;
    if ((media == MEDIA_JSON && !settle_rows(config, lane, request, call, response)) ||
        !make_request(config, lane, call, batch, media, response))
        return false;
    predict_fill_ask(config, request, call, lane->body.key, lane->body.timeout_ms * MILLISECOND,
                     call->ask.rows);
    return true;
}

bool predict(const struct config *config, struct api_lane *lane, const struct http_request *request,
             const struct called *called, struct api_call *call, struct http_response *response)
{
    lane->table.header = CSV_HEADER_UNKNOWN;
    enum media_type media = media_type(request->content_type, &lane->table.header);
    if (!check_media(request, media, called->call == CALL_BATCH_PREDICT, response))
        return false;
    lane->table.text = (struct text){request->body, request->body_length};
    bool prepared = prepare(config, lane, request, called, call, media, response);
    if (media == MEDIA_CSV)
        csv_rows_end(&lane->table);
    else if (media == MEDIA_FORM)
        form_end(&lane->form);
    return prepared;
}
