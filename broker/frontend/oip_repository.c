/* oip_repository: see oip_repository.h. Called by oip.c.
 *
 * Loading and unloading are the supervisor's. It is told what to do over its control socket and asked how far
 * it is, again and again, until it is done or the request's time is over:
 *
 *     load or unload -> {"ok": true, "id": N} -> progress of N -> ... -> {"done": true} -> we know of it, too
 * -> 200
 *
 * The last step is there because clients ask for the model at once: the broker tells us of its state a moment
 * after the supervisor has seen it. An order that was given is not taken back when nobody waits any more.
 * SPDX-License-Identifier: MIT */
#include "oip_repository.h"

#include "clock.h"
#include "oip_task.h"

#include <inttypes.h>
#include <stdio.h>

#define LOOK_EVERY            (20 * MILLISECOND)
#define HEAR_OF_IT            (2 * SECOND) /* after the supervisor is done */
#define REFUSE(response, ...) (problem_kind(response, FAILURE_INVALID, __VA_ARGS__), false)

/* The body's object; NULL with true: there is no body. False: `response` is complete. */
static bool read_body(const struct config *config, struct api_lane *lane, const struct http_request *request,
                      yyjson_val **root, struct http_response *response)
{
    struct problem_faults faults;
    faults.count = 0;
    *root = NULL;
    if (request->body_length == 0)
        return true;
    *root = decoder_read(lane->decoder, request->body, request->body_length, request->body_capacity,
                         (size_t)config->oip_max_json_depth, &faults);
    if (*root != NULL && yyjson_is_obj(*root))
        return true;
    return REFUSE(response, "failed to parse the request JSON buffer: %s",
                  *root == NULL ? faults.list[0].message : "expected an object");
}

/* ---- the index ---- */

static const char *state_of(enum catalog_state state)
{
    switch (state) {
    case CATALOG_LOADING:
        return "LOADING";
    case CATALOG_READY:
        return "READY";
    case CATALOG_DRAINING:
        return "UNLOADING";
    case CATALOG_FAILED:
        return "UNAVAILABLE";
    }
    return "UNKNOWN";
}

static void add_entry(struct output *out, const char *model, const char *version, const char *state,
                      const char *reason)
{
    output_add_string(out, out->length > 1 ? ",{\"name\":" : "{\"name\":");
    output_add_json(out, text_of(model));
    if (version != NULL) {
        output_add_string(out, ",\"version\":");
        output_add_json(out, text_of(version));
    }
    output_add_string(out, ",\"state\":\"");
    output_add_string(out, state);
    output_add_string(out, "\",\"reason\":");
    output_add_json(out, text_of(reason));
    output_add_char(out, '}');
}

static void add_model(struct output *out, const struct catalog_model *model, bool ready_only)
{
    for (size_t i = 0; i < model->version_count; i++) {
        const struct catalog_version *version = &model->versions[i];
        if (!ready_only || version->state == CATALOG_READY)
            add_entry(out, model->name, version->name, state_of(version->state),
                      catalog_version_unloaded(version) ? "unloaded" : version->reason);
    }
    if (model->version_count == 0 && !ready_only)
        add_entry(out, model->name, NULL, "UNAVAILABLE", "unloaded");
}

void oip_repository_index(const struct config *config, struct api_lane *lane,
                          const struct http_request *request, const struct api_call *call,
                          struct http_response *response)
{
    yyjson_val *root;
    if (!read_body(config, lane, request, &root, response))
        return;
    yyjson_val *ready = yyjson_obj_get(root, "ready");
    if (ready != NULL && !yyjson_is_bool(ready)) {
        problem_kind(response, FAILURE_INVALID, "Invalid value for 'ready': expected a boolean");
        return;
    }
    output_add_char(&response->body, '[');
    for (size_t i = 0; i < catalog_count(call->catalog); i++) {
        const struct catalog_model *model = catalog_at(call->catalog, i);
        if (auth_may_use(&call->identity, text_of(model->name)))
            add_model(&response->body, model, yyjson_is_true(ready));
    }
    output_add_char(&response->body, ']');
}

/* ---- loading and unloading ---- */

static const char *verb_of(const struct api_call *call)
{
    return call->call == CALL_V2_LOAD ? "load" : "unload";
}

/* What a load may bring along elsewhere, a configuration and files, is an administrator's here. */
static bool check_parameters(yyjson_val *root, struct http_response *response)
{
    size_t at, count;
    yyjson_val *parameters = yyjson_obj_get(root, "parameters"), *key, *value;
    if (parameters != NULL && !yyjson_is_obj(parameters))
        return REFUSE(response, "Unable to parse 'parameters': expected an object");
    yyjson_obj_foreach(parameters, at, count, key, value)
    {
        const char *name = yyjson_get_str(key);
        if (strcmp(name, "config") == 0 || strncmp(name, "file:", 5) == 0) {
            problem_status(response, 501,
                           "'%.64s' is not supported: the model's files and model.conf are those in the "
                           "repository",
                           name);
            return false;
        }
    }
    return true;
}

bool oip_repository_order(const struct config *config, struct api_lane *lane,
                          const struct http_request *request, struct text model, struct api_call *call,
                          struct http_response *response)
{
    yyjson_val *root;
    if (!config->oip_load_unload) {
        problem_status(response, 503,
                       "explicit model load / unload is not allowed: oip.load_unload is false");
        return false;
    }
    if (!read_body(config, lane, request, &root, response) || !check_parameters(root, response))
        return false;
    if (!auth_may_use(&call->identity, model)) {
        problem_kind(response, FAILURE_UNKNOWN_MODEL, "Request for unknown model: '%.*s' is not found",
                     (int)model.length, model.at);
        return false;
    }
    struct oip_task *task = call->task = object_alloc(sizeof *task);
    text_copy(model, task->model, sizeof task->model);
    task->errand.kind = ERRAND_ORDER;
    task->errand.deadline = call->received + config->frontend_request_timeout_ms * MILLISECOND;
    /* A name needs no quoting (protocol_name_ok). */
    snprintf(task->errand.line, sizeof task->errand.line, "{\"command\":\"%s\",\"model\":\"%s\"}",
             verb_of(call), task->model);
    return true;
}

static bool look_again(struct oip_task *task, int64_t now)
{
    task->errand.not_before = now + LOOK_EVERY;
    snprintf(task->errand.line, sizeof task->errand.line,
             "{\"command\":\"progress\",\"id\":%" PRIu64 ",\"from\":%d}", task->operation, INT32_MAX);
    return true;
}

static bool fail(const struct api_call *call, int status, const char *why, struct http_response *response)
{
    problem_status(response, status, "failed to %s '%s', %s", verb_of(call), call->task->model, why);
    return false;
}

/* No answer: there is no supervisor, or it is just being replaced. */
static bool unanswered(struct api_call *call, int64_t now, struct http_response *response)
{
    if (now >= call->task->errand.deadline)
        return fail(call, 504, "it is still under way", response);
    if (call->task->operation != 0)
        return look_again(call->task, now);
    fail(call, 503, "the supervisor cannot be reached", response);
    response->retry_after = 1;
    return false;
}

/* What the supervisor has done has come to us. */
static bool heard_of(const struct api_call *call)
{
    const struct catalog_model *model =
        call->catalog == NULL ? NULL : catalog_find(call->catalog, text_of(call->task->model));
    bool ready = model != NULL && catalog_model_ready(model);
    return ready == (call->call == CALL_V2_LOAD);
}

static bool finish(struct api_call *call, int64_t now, struct http_response *response)
{
    struct oip_task *task = call->task;
    if (!task->done)
        task->patience = now + HEAR_OF_IT;
    task->done = true;
    if (!heard_of(call) && now < task->patience && now < task->errand.deadline)
        return look_again(task, now);
    output_add_string(&response->body, "{\"name\":");
    output_add_json(&response->body, text_of(task->model));
    output_add_string(&response->body, ",\"");
    output_add_string(&response->body, verb_of(call));
    output_add_string(&response->body, "\":true}");
    return false;
}

bool oip_repository_answer(struct api_call *call, yyjson_val *answer, int64_t now,
                           struct http_response *response)
{
    struct oip_task *task = call->task;
    const char *error = yyjson_get_str(yyjson_obj_get(answer, "error"));
    const char *failure = yyjson_get_str(yyjson_obj_get(answer, "failure"));
    if (task->done)
        return finish(call, now, response);
    if (answer == NULL)
        return unanswered(call, now, response);
    if (!yyjson_is_true(yyjson_obj_get(answer, "ok")))
        return fail(call, task->operation == 0 && call->call == CALL_V2_UNLOAD ? 400 : 500,
                    error == NULL ? "" : error, response);
    if (failure != NULL)
        return fail(call, 500, failure, response);
    if (yyjson_is_true(yyjson_obj_get(answer, "done")))
        return finish(call, now, response);
    if (task->operation == 0)
        task->operation = yyjson_get_uint(yyjson_obj_get(answer, "id"));
    return look_again(task, now);
}
