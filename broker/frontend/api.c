/* api: the calls, one function each.
 *
 * api_begin finds the call that a request means, and who asks; api_handle runs its function; predictions go
 * through predict.c (those of the Open Inference Protocol through oip.c) and come back through api_answer.
 * Called by exchange.c. The catalog is the one thing that the loop's thread changes while threads of the side
 * lane read: a call takes a reference to the snapshot of the moment, under a lock that is held for nothing
 * else. SPDX-License-Identifier: MIT */
#include "api.h"

#include "accept.h"
#include "access.h"
#include "answer.h"
#include "clock.h"
#include "counts.h"
#include "describe.h"
#include "docs.h"
#include "feedback.h"
#include "log.h"
#include "oip.h"
#include "oip_infer.h"
#include "oip_response.h"
#include "oip_task.h"
#include "once.h"
#include "openapi.h"
#include "page.h"
#include "predict.h"
#include "remember.h"
#include "sampling.h"
#include "tracing.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { API_MAGIC = 0x0a910001, LANE_MAGIC = 0x0a910002 };

struct api {
    unsigned magic;
    struct api_context context;
    pthread_mutex_t lock;    /* guards the pointer, not what it points to */
    struct catalog *catalog; /* NULL: no broker has told of its models yet */
    struct counts *counts;
    struct audited *audited;
    struct access *access;
    struct openapi *openapi;
    struct docs *docs;
};

struct api *api_new(const struct api_context *context)
{
    struct api *api = object_alloc(sizeof *api);
    api->magic = API_MAGIC;
    api->context = *context;
    ENSURE(pthread_mutex_init(&api->lock, NULL) == 0);
    api->counts = counts_new(context->metrics);
    api->audited = audited_new(context->config, context->audit);
    api->access = access_new(context->config, context->metrics);
    api->openapi = openapi_new();
    api->docs = docs_new();
    return api;
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    CHECK_OBJECT(api, API_MAGIC);
    catalog_release(api->catalog);
    docs_free(api->docs);
    openapi_free(api->openapi);
    counts_free(api->counts);
    audited_free(api->audited);
    access_free(api->access);
    pthread_mutex_destroy(&api->lock);
    api->magic = 0;
    free(api);
}

struct api_lane *api_lane_new(void)
{
    struct api_lane *lane = object_alloc(sizeof *lane);
    lane->magic = LANE_MAGIC;
    lane->decoder = decoder_new();
    return lane;
}

void api_lane_free(struct api_lane *lane)
{
    if (lane == NULL)
        return;
    CHECK_OBJECT(lane, LANE_MAGIC);
    decoder_free(lane->decoder);
    lane->magic = 0;
    free(lane);
}

/* ---- the catalog ---- */

static struct sampler *find_sampler(void *sampling, const char *model)
{
    return sampling_of(sampling, model);
}

void api_catalog(void *self, const struct catalog_entry *entries, size_t count)
{
    struct api *api = self;
    CHECK_OBJECT(api, API_MAGIC);
    struct catalog *fresh = catalog_new(entries, count, api->context.config->default_model);
    catalog_remember(fresh, api->catalog); /* only this thread changes the pointer */
    catalog_set_samplers(fresh, find_sampler, api->context.sampling);
    pthread_mutex_lock(&api->lock);
    struct catalog *old = api->catalog;
    api->catalog = fresh;
    pthread_mutex_unlock(&api->lock);
    openapi_forget(api->openapi);
    catalog_release(old);
}

bool api_complete(const struct api *api)
{
    CHECK_OBJECT(api, API_MAGIC);
    return api->catalog != NULL && catalog_complete(api->catalog);
}

/* The catalog of this moment becomes the call's; false when there is none yet. */
static bool hold_catalog(struct api *api, struct api_call *call)
{
    pthread_mutex_lock(&api->lock);
    if (api->catalog != NULL)
        call->catalog = catalog_acquire(api->catalog);
    pthread_mutex_unlock(&api->lock);
    return call->catalog != NULL;
}

/* ---- the life of a call ---- */

static void begin_call(struct api_call *call, const struct http_request *request)
{
    api_call_end(call);
    call->received = request->received != 0 ? request->received : clock_now();
    call->want_timing = request->want_timing;
    memcpy(call->id, request->id, sizeof call->id);
    call->trace = request->trace;
    call->calling.method = request->method;
    call->calling.bytes = request->body_length;
    if (request->trace_state.length > 0) {
        call->calling.state = object_alloc(request->trace_state.length + 1);
        text_copy(request->trace_state, call->calling.state, request->trace_state.length + 1);
    }
}

void api_call_end(struct api_call *call)
{
    client_request_discard(call->request);
    catalog_release(call->catalog);
    audited_note_drop(&call->note);
    free(call->wish);
    free(call->once);
    taken_drop(call->taken);
    free(call->task);
    free(call->page);
    free(call->shown);
    free(call->calling.state);
    *call = (struct api_call){0};
}

void api_asks(struct api *api, struct api_call *call)
{
    const uint8_t *payload = client_request_payload(call->request);
    size_t bytes = client_request_bytes(call->request);
    call->taken = sampling_take(call->model->sampler, payload, bytes, call->ask.rows);
    recorder_asks(api->context.recorder, payload, bytes, &call->recorded);
}

struct client_request *api_call_take(struct api_call *call)
{
    struct client_request *request = call->request;
    call->request = NULL;
    return request;
}

void api_refuse(const struct http_request *request, struct api_call *call, struct http_response *response,
                int status, const char *detail)
{
    begin_call(call, request);
    if (request->fault_status == 0) { /* for the counters */
        struct called called = call_find(request);
        call->call = called.call;
        call->calling.pattern = called.pattern;
    }
    http_response_begin(response, request);
    problem_status(response, status, "%s", detail);
    if (status == 503)
        response->retry_after = 1;
}

void api_note(struct api *api, const struct http_request *request, struct api_call *call)
{
    CHECK_OBJECT(api, API_MAGIC);
    call->identity.address = auth_address(api->context.auth, request);
    audited_begin(api->audited, request, &call->note);
}

/* ---- readiness ---- */

static void list_unready(const struct catalog *catalog, struct problem_faults *faults)
{
    for (size_t i = 0; i < catalog_count(catalog); i++) {
        const struct catalog_model *model = catalog_at(catalog, i);
        char field[PROBLEM_FIELD_MAX];
        if (catalog_model_ready(model) || !model->required || catalog_version_unloaded(model->stable))
            continue;
        snprintf(field, sizeof field, "models.%.80s", model->name);
        if (model->stable == NULL)
            problem_fault(faults, field, "no version takes requests");
        else
            problem_fault(faults, field, "version %s is %s, %u workers are ready", model->stable->name,
                          catalog_state_name(model->stable->state), model->stable->workers);
        if (model->stable != NULL)
            problem_fault_reason(faults, model->stable->reason);
    }
}

static void ready(const struct api *api, const struct catalog *catalog, struct http_response *response)
{
    struct problem_faults faults;
    faults.count = 0;
    if (!api->context.broker_connected(api->context.self))
        problem_fault(&faults, "broker", "is not connected");
    if (catalog == NULL)
        problem_fault(&faults, "models", "are not known yet");
    else
        list_unready(catalog, &faults);
    if (faults.count == 0) {
        output_add_string(&response->body,
                          response->oip ? "{\"ready\":true,\"live\":true}" : "{\"status\":\"ready\"}\n");
        return;
    }
    problem_faults(response, FAILURE_NOT_READY, &faults);
    response->retry_after = 1;
}

/* ---- handling ---- */

static void show_model(const struct api_call *call, struct text name, struct http_response *response)
{
    const struct catalog_model *model = auth_find_model(call->catalog, &call->identity, name);
    if (model == NULL)
        problem_kind(response, FAILURE_UNKNOWN_MODEL, "there is no model \"%.*s\"", (int)name.length,
                     name.at);
    else
        describe_model(&response->body, model);
}

static bool may_use(const void *identity, struct text model)
{
    return auth_may_use(identity, model);
}

static void show_openapi(struct api *api, const struct http_request *request, struct api_call *call,
                         struct http_response *response)
{
    const struct openapi_view view = {
        .models = call->identity.models, .may_use = may_use, .self = &call->identity};
    openapi_answer(api->openapi, call->catalog, &view, request, response);
}

/* The calls that need the catalog. */
static enum api_next handle_with_catalog(struct api *api, struct api_lane *lane,
                                         const struct http_request *request, const struct called *called,
                                         struct api_call *call, struct http_response *response)
{
    bool known = hold_catalog(api, call);
    call->predictions = api->context.predictions;
    if (called->call == CALL_READY || called->call == CALL_V2_READY) {
        ready(api, call->catalog, response);
        return API_RESPOND;
    }
    if (call_is_v2(called->call))
        return oip_handle(api->context.config, lane, request, called, call, response);
    if (!known) {
        problem_kind(response, FAILURE_NOT_READY, "the service is starting: its models are not known yet");
        response->retry_after = 1;
        return API_RESPOND;
    }
    if (called->call == CALL_MODELS)
        describe_models(&response->body, call->catalog, &call->identity);
    else if (called->call == CALL_MODEL)
        show_model(call, called->model, response);
    else if (called->call == CALL_OPENAPI)
        show_openapi(api, request, call, response);
    else if (predict(api->context.config, lane, request, called, call, response))
        return API_ASK;
    return API_RESPOND;
}

/* A prediction that could not be written down where it must be (audit.when_full). */
static bool refuse_unaudited(const struct api *api, enum call call, struct http_response *response)
{
    if (!call_is_prediction(call) || audited_accepts(api->audited))
        return false;
    problem_status(response, 503, "the service cannot keep its records at the moment");
    response->retry_after = 1;
    return true;
}

static void refuse_path(const struct called *called, struct http_response *response)
{
    if (called->status == 405) {
        problem_status(response, 405, response->oip ? "Method Not Allowed" : "this path takes %s",
                       called->allow);
        response->allow = called->allow;
    } else {
        problem_status(response, 404, response->oip ? "Not Found" : "there is nothing at this path");
    }
}

static bool answers_json(enum call call)
{
    return call == CALL_PREDICT || call == CALL_BATCH_PREDICT || call == CALL_FEEDBACK ||
           call == CALL_MODELS || call == CALL_MODEL;
}

/* Who it is; without authentication it is whoever shows the same key. */
static enum auth_next ask_who(const struct api *api, const struct http_request *request,
                              const struct called *called, struct api_call *call,
                              struct http_response *response)
{
    if (api->context.auth != NULL)
        return auth_request(api->context.auth, request, called, &call->identity, response);
    call->identity.tenant = request->tenant;
    call->identity.rights = RIGHTS_ALL;
    return AUTH_GRANTED;
}

/* Bodies come here unpacked (exchange.c): one that is packed still is so in a way that nobody knows. */
static bool check_encoding(const struct http_request *request, struct http_response *response)
{
    if (request->body_length == 0 || encoding_of(request->content_encoding) == ENCODING_IDENTITY)
        return true;
    problem_status(response, 415, "a body may be packed with gzip or deflate, or not at all");
    http_response_add_header(response, "Accept-Encoding", "gzip, deflate");
    return false;
}

const struct config *api_config(const struct api *api)
{
    CHECK_OBJECT(api, API_MAGIC);
    return api->context.config;
}

enum api_next api_begin(struct api *api, const struct http_request *request, struct called *called,
                        struct api_call *call, struct http_response *response)
{
    begin_call(call, request);
    http_response_begin(response, request);
    api_note(api, request, call);
    if (request->fault_status != 0) {
        problem_status(response, request->fault_status, "%s", request->fault);
        return API_RESPOND;
    }
    *called = call_find(request);
    call->call = called->call;
    call->calling.pattern = called->pattern;
    enum auth_next next = ask_who(api, request, called, call, response);
    if (next != AUTH_GRANTED)
        return next == AUTH_PENDING ? API_WAIT : API_RESPOND;
    return refuse_unaudited(api, called->call, response) ? API_RESPOND : API_HANDLE;
}

enum api_next api_handle(struct api *api, struct api_lane *lane, const struct http_request *request,
                         const struct called *called, struct api_call *call, struct http_response *response)
{
    CHECK_OBJECT(api, API_MAGIC);
    CHECK_OBJECT(lane, LANE_MAGIC);
    if (call_is_prediction(called->call)) {
        audited_sample(api->audited, request, &call->note);
        recorder_body(api->context.recorder, request, &call->recorded);
    }
    if (answers_json(called->call) && !accept_allows(request->accept, "application/json")) {
        problem_status(response, 406, "the answer is application/json, which the Accept header refuses");
        return API_RESPOND;
    }
    if (called->call != CALL_OTHER && !check_encoding(request, response))
        return API_RESPOND;
    if (call_is_prediction(called->call) && request->idempotency_key != NULL &&
        !once_begin(api->context.config, request, call, response))
        return API_RESPOND;
    switch (called->call) {
    case CALL_OTHER:
        refuse_path(called, response);
        return API_RESPOND;
    case CALL_HEALTH:
        output_add_string(&response->body, "{\"status\":\"healthy\"}\n");
        return API_RESPOND;
    case CALL_DOCS:
        docs_answer(api->docs, request, response);
        return API_RESPOND;
    case CALL_METRICS:
    case CALL_DASHBOARD:
    case CALL_DASHBOARD_DATA:
        return page_ask(request, call, response);
    case CALL_FEEDBACK:
        feedback(api->context.predictions, &call->identity, request, response);
        return API_RESPOND;
    default:
        return handle_with_catalog(api, lane, request, called, call, response);
    }
}

/* ---- answering ---- */

/* The schema of the version that answered, which a route may have chosen; the asked one's if that is not
 * known. */
static const struct schema *answering_schema(const struct api_call *call, struct text version)
{
    const struct catalog_version *answered =
        version.length == 0 ? NULL : catalog_version(call->model, version);
    return answered != NULL && answered->schema != NULL ? answered->schema : call->version->schema;
}

/* Server-Timing as W3C has it: milliseconds. */
static void add_timing(const struct api_call *call, const struct client_answer *answer, int64_t now,
                       struct http_response *response)
{
    char value[160];
    snprintf(value, sizeof value, "queue;dur=%.3f, batch;desc=\"%u rows\", compute;dur=%.3f, total;dur=%.3f",
             (double)answer->queue_us / 1e3, answer->batch_rows, (double)answer->compute_us / 1e3,
             (double)(now - call->received) / (double)MILLISECOND);
    http_response_add_header(response, "Server-Timing", value);
}

/* RFC 9111 section 5.1: whole seconds, on every answer that was kept and not computed for this request. */
static void add_age(const struct client_answer *answer, struct http_response *response)
{
    char value[24];
    if (answer->age_us == 0)
        return;
    snprintf(value, sizeof value, "%" PRIu64, answer->age_us / (uint64_t)(SECOND / MICROSECOND));
    http_response_add_header(response, "Age", value);
}

/* The object names the request that was computed: that is the one of which the truth may be told
 * (feedback.c). It is remembered under that name again: its first answer may have come to nobody. */
static void show_replay(const struct client_answer *answer, struct answer *written)
{
    if (answer->tag.length > 0)
        written->id = answer->tag;
}

static void add_limit(const struct client_answer *answer, struct http_response *response)
{
    http_response_add_limit(response, &(struct http_limit){.name = answer->limit,
                                                           .quota = answer->quota,
                                                           .window_s = answer->window_s,
                                                           .left = answer->left,
                                                           .reset_s = answer->whole_s});
}

static void succeed(struct api_call *call, const struct client_answer *answer, struct http_response *response)
{
    if (call->steered == STEERED_BY_RULE && strcmp(call->answered_version, call->asked_version) != 0)
        call->steered = STEERED_BACK;
    struct answer written = {.schema = answering_schema(call, answer->version),
                             .batch = call->call == CALL_BATCH_PREDICT,
                             .rows = call->ask.rows,
                             .model = call->ask.model,
                             .version = answer->version,
                             .id = text_of(call->id),
                             .predictions = call->predictions};
    if (answer->replayed)
        show_replay(answer, &written);
    const char *complaint =
        call->wish != NULL ? oip_infer_answer(call, answer, written.schema, response)
                           : answer_write(&written, answer->payload, answer->payload_bytes, &response->body);
    if (complaint == NULL && call->wish != NULL && written.predictions != NULL)
        remember_payload(&written, answer->payload, answer->payload_bytes);
    if (complaint == NULL && call->taken != NULL)
        taken_answered(call->taken, written.schema, answer->payload, answer->payload_bytes);
    if (complaint == NULL) {
        add_age(answer, response);
        add_limit(answer, response);
        return;
    }
    log_write_of(LOG_WARNING, &(struct log_of){.request = call->id, .trace = call->trace.id},
                 "the answer of model %s cannot be read: %s", call->model->name, complaint);
    problem_failure(response, FAILURE_INTERNAL, (struct text){0}, 0);
}

void api_answer(struct api_call *call, const struct client_answer *answer, struct http_response *response)
{
    ENSURE(call->model != NULL && call->version != NULL);
    if (answer->version.length > 0)
        text_copy(answer->version, call->answered_version, sizeof call->answered_version);
    if (answer->failure == FAILURE_NONE)
        succeed(call, answer, response);
    else if (answer->failure == FAILURE_RATE_LIMITED)
        problem_rate_limited(response, answer->message, answer->retry_after_ms, answer->limit, answer->quota,
                             answer->window_s);
    else if (call->wish != NULL)
        oip_infer_failure(call, answer, response);
    else
        problem_failure(response, answer->failure, answer->message, answer->retry_after_ms);
    if (answer->replayed)
        http_response_add_header(response, "Idempotency-Replayed", "true");
    int64_t now = clock_now();
    call->duration = now - call->received;
    call->calling.sent_at = answer->sent_at;
    call->calling.queue_us = answer->queue_us;
    call->calling.compute_us = answer->compute_us;
    call->calling.batch_rows = answer->batch_rows;
    call->calling.kept = answer->age_us > 0;
    if (call->want_timing && response->kind == NULL)
        add_timing(call, answer, now, response);
}

bool api_answer_is_copy(const struct api_call *call)
{
    return call->wish != NULL && oip_wish_is_binary(call->wish);
}

const struct errand *api_call_errand(const struct api_call *call)
{
    return &call->task->errand;
}

enum api_next api_errand_done(struct api *api, struct api_call *call, yyjson_val *answer,
                              struct http_response *response)
{
    CHECK_OBJECT(api, API_MAGIC);
    catalog_release(call->catalog);
    call->catalog = NULL;
    hold_catalog(api, call); /* the errand may have changed what there is */
    return oip_errand_done(call, answer, clock_now(), response) ? API_ERRAND : API_RESPOND;
}

/* ---- counting ---- */

/* What becomes of the call is known: whoever keeps something of it is told. True when its trace is recorded.
 * What the broker did not answer has lasted until now. */
static bool tell(struct api *api, struct api_call *call, const struct http_response *response)
{
    if (call->duration == 0)
        call->duration = clock_now() - call->received;
    call->told = true;
    audited_end(api->audited, call, response);
    bool recorded = tracing_end(api->context.tracer, call, response);
    access_end(api->access, call, response);
    recorder_end(api->context.recorder, call, response);
    return recorded;
}

void api_count(struct api *api, struct api_call *call, const struct http_response *response)
{
    CHECK_OBJECT(api, API_MAGIC);
    counts_call(api->counts, call->call, response->status);
    counts_auth(api->counts, call->identity.kind, call->identity.outcome);
    if (call->identity.kind == IDENTITY_KEY && call->identity.key[0] != '\0')
        counts_key(api->counts, &call->identity, response->status);
    bool recorded = tell(api, call, response);
    if (!call_is_prediction(call->call))
        return;
    if (call->taken != NULL) {
        taken_show(call->taken, text_of(call->model->name), text_of(call->answered_version));
        call->taken = NULL;
    }
    if (call->steered != STEERED_NOT)
        counts_steered(api->counts, call->model->name, call->steered);
    if (response->kind == NULL) {
        sampling_answered(call->model->sampler, call->ask.rows);
        counts_prediction(api->counts, call->model->name, call->answered_version, call->ask.rows,
                          call->duration, recorded ? call->trace.id : NULL);
    } else {
        counts_error(api->counts, call->model == NULL ? "" : call->model->name, api_call_version(call),
                     response->kind);
    }
}

void api_gone(struct api *api, struct api_call *call, struct http_response *response)
{
    CHECK_OBJECT(api, API_MAGIC);
    if (*call->id == '\0' || call->told)
        return;
    output_clear(&response->body);
    response->status = 499;
    response->kind = failure_label(FAILURE_CANCELLED);
    (void)tell(api, call, response);
}
