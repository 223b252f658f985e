/* exchange: the steps of one request, in the order of its life: read, understand, (ask), print, write.
 *
 * connection.c decides when each step happens and on which thread; nothing here waits. Small requests go
 * through all of it on the loop's thread; large ones are read, parsed, printed and written by the side lane
 * (lane.c), and only the sending to the broker and the counting happen on the loop's. A body that is shorter
 * than its CONTENT_LENGTH is never run: web servers that try a request a second time do so with its length
 * and without its body. SPDX-License-Identifier: MIT */
#include "exchange.h"

#include "clock.h"
#include "compression.h"
#include "problem.h"
#include "tracing.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    EXCHANGE_MAGIC = 0x0ec4a001,
    STORE_MAX = 256,  /* exchanges that are kept; more are under way only at a peak */
    BODY_KEPT = 65536 /* bytes of the body buffer that a thread keeps; larger ones are given back */
};

void exchange_tools_init(struct exchange_tools *tools, struct api *api)
{
    memset(tools, 0, sizeof *tools);
    tools->api = api;
    tools->lane = api_lane_new();
    http_ids_init(&tools->ids);
    tools->ids.sampling = tracing_sampling(api_config(api));
}

void exchange_tools_free(struct exchange_tools *tools)
{
    api_lane_free(tools->lane);
    output_free(&tools->unpacked);
    free(tools->body);
}

struct exchange *exchange_new(void)
{
    struct exchange *exchange = object_alloc(sizeof *exchange);
    exchange->magic = EXCHANGE_MAGIC;
    exchange->fcgi = fcgi_new();
    return exchange;
}

void exchange_free(struct exchange *exchange)
{
    if (exchange == NULL)
        return;
    CHECK_OBJECT(exchange, EXCHANGE_MAGIC);
    exchange_reset(exchange);
    fcgi_free(exchange->fcgi);
    http_response_free(&exchange->response);
    exchange->magic = 0;
    free(exchange);
}

void exchange_reset(struct exchange *exchange)
{
    CHECK_OBJECT(exchange, EXCHANGE_MAGIC);
    fcgi_drop(exchange->fcgi);
    api_call_end(&exchange->call);
    free(exchange->answer_payload);
    exchange->answer_payload = NULL;
    exchange->asked = NULL;
}

/* ---- used again ---- */

struct exchange *exchange_store_take(struct exchange_store *store)
{
    struct exchange *exchange = store->first;
    if (exchange == NULL)
        return exchange_new();
    store->first = exchange->next;
    store->count--;
    return exchange;
}

void exchange_store_give(struct exchange_store *store, struct exchange *exchange)
{
    if (exchange == NULL)
        return;
    exchange_reset(exchange);
    if (store->count >= STORE_MAX) {
        exchange_free(exchange);
        return;
    }
    exchange->next = store->first;
    store->first = exchange;
    store->count++;
}

void exchange_store_free(struct exchange_store *store)
{
    while (store->first != NULL) {
        struct exchange *exchange = store->first;
        store->first = exchange->next;
        exchange_free(exchange);
    }
}

/* ---- the steps ---- */

/* Room for a body of that many bytes and the padding that the reader of JSON wants. */
static void make_room(struct exchange_tools *tools, size_t bytes)
{
    bytes += HTTP_BODY_PADDING;
    if (tools->body_capacity >= bytes && (tools->body_capacity <= BODY_KEPT || bytes > BODY_KEPT))
        return;
    free(tools->body);
    tools->body_capacity = bytes < 4096 ? 4096 : bytes;
    tools->body = malloc(tools->body_capacity);
    ENSURE(tools->body != NULL);
}

/* What is wrong with a body of which `length` bytes came (-1: broken off), and the status for it; NULL when
 * nothing is. */
static const char *body_fault(const struct http_request *request, const struct exchange_source *source,
                              int64_t length, int *status)
{
    *status = source->refuse == 0 ? 400 : source->refuse;
    if (source->refuse != 0 && source->why != NULL)
        return source->why;
    if (source->refuse == 413)
        return "the body is larger than this service takes";
    if (source->refuse != 0)
        return "too much is under way already";
    if (length < 0 || (size_t)length != source->body_length)
        return "the body was broken off";
    if (request->content_length >= 0 && length != request->content_length)
        return "the body is not as long as its Content-Length says";
    return NULL;
}

/* The body, whole, or the response that says why not. */
static bool read_body(struct exchange *exchange, struct exchange_tools *tools, struct http_request *request,
                      const struct exchange_source *source)
{
    make_room(tools, source->body_length);
    int64_t length = fcgi_read_body(exchange->fcgi, tools->body, tools->body_capacity - HTTP_BODY_PADDING);
    int status;
    const char *fault = body_fault(request, source, length, &status);
    if (fault != NULL) {
        api_refuse(request, &exchange->call, &exchange->response, status, fault);
        api_note(tools->api, request, &exchange->call);
        return false;
    }
    request->body = tools->body;
    request->body_length = (size_t)length;
    request->body_capacity = tools->body_capacity;
    return true;
}

/* A packed body becomes what it was; EXCHANGE_ASK: it has, or was not packed (in a way that we know). */
static enum exchange_next unpack_body(struct exchange *exchange, struct exchange_tools *tools,
                                      struct http_request *request, const struct exchange_source *source)
{
    const struct config *config = api_config(tools->api);
    enum encoding encoding = encoding_of(request->content_encoding);
    if (encoding == ENCODING_IDENTITY || encoding == ENCODING_UNKNOWN || request->body_length == 0)
        return EXCHANGE_ASK;
    int64_t limit = source->brief ? config->frontend_large_body_bytes : config->frontend_max_body_bytes;
    switch (
        compression_unpack(encoding, request->body, request->body_length, (size_t)limit, &tools->unpacked)) {
    case UNPACKED_WELL:
        request->content_encoding = (struct text){NULL, 0};
        request->body = tools->unpacked.bytes;
        request->body_length = tools->unpacked.length;
        request->body_capacity = tools->unpacked.capacity;
        return EXCHANGE_ASK;
    case UNPACKED_TOO_LARGE:
        if (source->brief && limit < config->frontend_max_body_bytes)
            return EXCHANGE_PASS_ON;
        problem_status(&exchange->response, 413, "the body is larger, unpacked, than this service takes");
        return EXCHANGE_RESPOND;
    default:
        problem_status(&exchange->response, 400, "the body is not what its Content-Encoding says");
        return EXCHANGE_RESPOND;
    }
}

/* What is to be done with a request that was opened. */
static enum exchange_next understand(struct exchange *exchange, struct exchange_tools *tools,
                                     const struct exchange_source *source)
{
    struct http_request request;
    http_request_read(&request, fcgi_parameters(exchange->fcgi), &tools->ids);
    request.received = source->received != 0 ? source->received : clock_now();
    if (!read_body(exchange, tools, &request, source))
        return EXCHANGE_RESPOND;
    struct called called;
    enum api_next begun = api_begin(tools->api, &request, &called, &exchange->call, &exchange->response);
    if (begun != API_HANDLE) /* nobody's body is unpacked before it is known who that is */
        return begun == API_WAIT ? EXCHANGE_WAIT : EXCHANGE_RESPOND;
    enum exchange_next next = unpack_body(exchange, tools, &request, source);
    if (next != EXCHANGE_ASK)
        return next;
    switch (api_handle(tools->api, tools->lane, &request, &called, &exchange->call, &exchange->response)) {
    case API_ASK:
        return EXCHANGE_ASK;
    case API_PAGE:
        return EXCHANGE_PAGE;
    case API_ERRAND:
        return EXCHANGE_ERRAND;
    default:
        return EXCHANGE_RESPOND;
    }
}

enum exchange_next exchange_handle(struct exchange *exchange, struct exchange_tools *tools,
                                   const struct exchange_source *source)
{
    CHECK_OBJECT(exchange, EXCHANGE_MAGIC);
    if (!fcgi_open(exchange->fcgi, source->bytes, source->length))
        return EXCHANGE_BROKEN;
    enum exchange_next next = understand(exchange, tools, source);
    output_clear(&tools->unpacked);
    if (next != EXCHANGE_RESPOND) /* it waits; else it is answered at once */
        fcgi_put_down(exchange->fcgi);
    return next;
}

void exchange_answer(struct exchange *exchange, const struct client_answer *answer)
{
    api_answer(&exchange->call, answer, &exchange->response);
}

void exchange_keep_answer(struct exchange *exchange, const struct client_answer *answer)
{
    exchange->answer = *answer;
    exchange->answer_payload = malloc(answer->payload_bytes + 1);
    ENSURE(exchange->answer_payload != NULL);
    memcpy(exchange->answer_payload, answer->payload, answer->payload_bytes);
    exchange->answer.payload = exchange->answer_payload;
    exchange->answer.version =
        text_of(text_copy(answer->version, exchange->answer_version, sizeof exchange->answer_version));
    exchange->answer.tag = text_of(text_copy(answer->tag, exchange->answer_tag, sizeof exchange->answer_tag));
    exchange->answer.limit =
        text_of(text_copy(answer->limit, exchange->answer_limit, sizeof exchange->answer_limit));
    exchange->answer.message = (struct text){0};
}

void exchange_answer_kept(struct exchange *exchange)
{
    exchange_answer(exchange, &exchange->answer);
}

bool exchange_packs(const struct exchange *exchange, const struct config *config)
{
    const struct http_response *response = &exchange->response;
    size_t from = (size_t)config->frontend_pack_from_bytes;
    return response->accepted != ENCODING_IDENTITY && response->encoding == ENCODING_IDENTITY && from > 0 &&
           response->body.length >= from && !response->head_only;
}

void exchange_pack(struct exchange *exchange)
{
    struct http_response *response = &exchange->response;
    if (compression_pack(response->accepted, &response->body))
        response->encoding = response->accepted;
}

bool exchange_respond(struct exchange *exchange, int fd)
{
    char head[HTTP_HEAD_MAX];
    const struct http_response *response = &exchange->response;
    size_t head_length = http_response_head(response, head);
    return fcgi_close(exchange->fcgi, fd, head, head_length, response->body.bytes,
                      response->head_only ? 0 : response->body.length);
}
