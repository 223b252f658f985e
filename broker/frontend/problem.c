/* problem: every answer that is no success, in one form (RFC 9457).
 *
 *     {"type":"about:blank","title":"Bad Request","status":400,"detail":"features: expected 30 numbers, got
 * 29", "kind":"invalid","request_id":"...","instance":"...","errors":[{"field":"features","message":"expected
 * ..."}]}
 *
 * `type` is about:blank, so `title` is the status's own phrase; `instance` and `request_id` are the id of the
 * request (an id is a valid relative reference); `kind` tells apart what shares a status, with the words that
 * the counters use. To a path of the Open Inference Protocol it is {"error": detail} instead. Texts that come
 * from outside are written as JSON strings by output_add_json, whatever bytes they hold.
 * SPDX-License-Identifier: MIT */
#include "problem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { DETAIL_MAX = 1024 };

bool problem_faults_full(const struct problem_faults *faults)
{
    return faults->count == PROBLEM_FAULTS_MAX;
}

void problem_fault(struct problem_faults *faults, const char *field, const char *format, ...)
{
    if (problem_faults_full(faults))
        return;
    struct problem_fault *fault = &faults->list[faults->count++];
    text_copy(text_of(field), fault->field, sizeof fault->field);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->message, sizeof fault->message, format, arguments);
    va_end(arguments);
    fault->reason = NULL;
}

void problem_fault_reason(struct problem_faults *faults, const char *reason)
{
    if (faults->count > 0 && *reason != '\0')
        faults->list[faults->count - 1].reason = reason;
}

enum { WORDS_MAX = PROBLEM_MESSAGE_MAX + PROBLEM_REASON_MAX + 2 };

/* The message and its reason, in a buffer of WORDS_MAX. */
static struct text words_of(const struct problem_fault *fault, char *buffer)
{
    snprintf(buffer, WORDS_MAX, "%s%s%.*s", fault->message, fault->reason == NULL ? "" : ": ",
             PROBLEM_REASON_MAX, fault->reason == NULL ? "" : fault->reason);
    return text_of(buffer);
}

/* ---- writing ---- */

static void add_member(struct output *body, const char *name, struct text value)
{
    output_add_char(body, ',');
    output_add_json(body, text_of(name));
    output_add_char(body, ':');
    output_add_json(body, value);
}

static void add_faults(struct output *body, const struct problem_faults *faults)
{
    output_add_string(body, ",\"errors\":[");
    for (size_t i = 0; i < faults->count; i++) {
        char words[WORDS_MAX];
        output_add_string(body, i > 0 ? ",{\"field\":" : "{\"field\":");
        output_add_json(body, text_of(faults->list[i].field));
        add_member(body, "message", words_of(&faults->list[i], words));
        output_add_char(body, '}');
    }
    output_add_char(body, ']');
}

/* All that a client of the Open Inference Protocol looks for. */
static void write_oip_error(struct http_response *response, struct text detail)
{
    response->content_type = "application/json";
    output_add_string(&response->body, "{\"error\":");
    output_add_json(&response->body, detail);
    output_add_string(&response->body, "}\n");
}

static void write_problem(struct http_response *response, int status, const char *kind, struct text detail,
                          const struct problem_faults *faults)
{
    struct output *body = &response->body;
    response->status = status;
    response->kind = kind;
    response->json_bytes = 0;
    body->length = 0;
    if (response->oip) {
        write_oip_error(response, detail);
        return;
    }
    response->content_type = "application/problem+json";
    output_add_string(body, "{\"type\":\"about:blank\"");
    add_member(body, "title", text_of(http_reason(status)));
    output_add_string(body, ",\"status\":");
    output_add_integer(body, status);
    add_member(body, "detail", detail);
    add_member(body, "kind", text_of(kind));
    add_member(body, "request_id", text_of(response->id));
    add_member(body, "instance", text_of(response->id));
    if (faults != NULL && faults->count > 0)
        add_faults(body, faults);
    output_add_string(body, "}\n");
}

/* The label of a status that stands for no kind of failure. */
static const char *kind_of_status(int status)
{
    switch (status) {
    case 401:
        return "unauthenticated";
    case 403:
        return "forbidden";
    case 404:
        return "not_found";
    case 405:
        return "method_not_allowed";
    case 406:
        return "not_acceptable";
    case 408:
        return "request_timeout";
    case 413:
        return failure_label(FAILURE_TOO_LARGE);
    case 415:
        return "unsupported_media_type";
    case 429:
        return "rate_limited";
    case 501:
        return "not_implemented";
    case 503:
        return failure_label(FAILURE_OVERLOADED);
    default:
        return failure_label(status < 500 ? FAILURE_INVALID : FAILURE_INTERNAL);
    }
}

#define FORMAT_DETAIL(detail, format)                                                                        \
    do {                                                                                                     \
        va_list arguments;                                                                                   \
        va_start(arguments, format);                                                                         \
        vsnprintf(detail, sizeof(detail), format, arguments);                                                \
        va_end(arguments);                                                                                   \
    } while (0)

void problem_status(struct http_response *response, int status, const char *format, ...)
{
    char detail[DETAIL_MAX];
    FORMAT_DETAIL(detail, format);
    write_problem(response, status, kind_of_status(status), text_of(detail), NULL);
}

void problem_kind(struct http_response *response, enum failure failure, const char *format, ...)
{
    char detail[DETAIL_MAX];
    FORMAT_DETAIL(detail, format);
    write_problem(response, failure_http_status(failure), failure_label(failure), text_of(detail), NULL);
}

void problem_faults(struct http_response *response, enum failure failure, const struct problem_faults *faults)
{
    char detail[DETAIL_MAX], words[WORDS_MAX];
    ENSURE(faults->count > 0);
    words_of(&faults->list[0], words);
    int length = snprintf(detail, sizeof detail, "%s: %s", faults->list[0].field, words);
    if (faults->count > 1)
        snprintf(detail + length, sizeof detail - (size_t)length, " (and %s%zu more)",
                 problem_faults_full(faults) ? "at least " : "", faults->count - 1);
    write_problem(response, failure_http_status(failure), failure_label(failure), text_of(detail), faults);
}

/* ---- what the broker says ---- */

/* What is said of a kind, and whether the broker's own message is fit for clients. */
static const struct {
    const char *sentence;
    bool message_is_for_clients;
    bool try_again; /* soon: the broker need not have said when */
} kinds[] = {
    [FAILURE_INVALID] = {"the input does not fit the model", true, false},
    [FAILURE_UNKNOWN_MODEL] = {"there is no such model", true, false},
    [FAILURE_UNKNOWN_VERSION] = {"the model has no such version", true, false},
    [FAILURE_TOO_LARGE] = {"the request is larger than the model's queue", true, false},
    [FAILURE_OVERLOADED] = {"too many requests wait; try again later", true, true},
    [FAILURE_NOT_READY] = {"no worker serves the model at the moment", true, true},
    [FAILURE_DEADLINE] = {"there was no answer within the time that the request had", false, false},
    [FAILURE_POISON] = {"workers died of this input; it is not tried again", false, false},
    [FAILURE_WORKER_DIED] = {"the worker died, and requests of this model are not tried twice", false, false},
    [FAILURE_MODEL_FAILED] = {"the model could not compute an answer to this input", false, false},
    [FAILURE_STOPPING] = {"the service is stopping; try again", false, true},
    [FAILURE_CANCELLED] = {"the request was taken back", false, false},
    [FAILURE_INTERNAL] = {"something went wrong inside the service", false, false},
    [FAILURE_BAD_MESSAGE] = {"the request could not be handed on", false, false},
    [FAILURE_RATE_LIMITED] = {"too many requests; try again later", true, true},
    [FAILURE_KEY_RUNNING] = {"the request with this Idempotency-Key is still under way", true, true},
    [FAILURE_KEY_REUSED] = {"this Idempotency-Key was sent with another request before", true, false},
};

static void say_when(struct http_response *response, uint64_t retry_after_ms, bool try_again)
{
    if (retry_after_ms > 0)
        response->retry_after = (retry_after_ms + 999) / 1000;
    else if (try_again)
        response->retry_after = 1;
}

void problem_failure(struct http_response *response, enum failure failure, struct text message,
                     uint64_t retry_after_ms)
{
    if (failure == FAILURE_NONE || (size_t)failure >= COUNT_OF(kinds))
        failure = FAILURE_INTERNAL;
    struct text detail = text_of(kinds[failure].sentence);
    if (kinds[failure].message_is_for_clients && message.length > 0 && message.length <= PROTOCOL_TEXT_MAX)
        detail = message;
    write_problem(response, failure_http_status(failure), failure_label(failure), detail, NULL);
    say_when(response, retry_after_ms, kinds[failure].try_again);
}

void problem_unavailable(struct http_response *response, enum failure failure, const char *detail,
                         uint64_t retry_after_ms)
{
    write_problem(response, 503, failure_label(failure), text_of(detail), NULL);
    say_when(response, retry_after_ms, true);
}

void problem_rate_limited(struct http_response *response, struct text message, uint64_t retry_after_ms,
                          struct text limit, uint64_t quota, uint64_t window_s)
{
    problem_failure(response, FAILURE_RATE_LIMITED, message, retry_after_ms);
    http_response_add_limit(
        response, &(struct http_limit){
                      .name = limit, .quota = quota, .window_s = window_s, .reset_s = response->retry_after});
}
