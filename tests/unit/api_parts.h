/* api_parts: the API, a lane, and one request and its response: what the suites of whole requests have in
 * common. Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_API_PARTS_H
#define OUTRIGGER_API_PARTS_H

#include "api_once.h"
#include "clock.h"
#include "example_schema.h"
#include "log.h"
#include "suite.h"

#include <stdio.h>

static struct config config;
static struct metrics *metrics;
static struct api *api;
static struct api_lane *lane;
static struct http_ids ids;
static struct http_request request;
static struct http_response response;
static struct api_call call;
static bool connected;
static char body[1 << 16];
static struct tensor tensors[TENSOR_COUNT_MAX];

enum { RECEIVED = 5000000 }; /* nanoseconds, any time long ago */

static inline bool broker_connected(void *self)
{
    return *(const bool *)self;
}

/* The bytes that a CATALOG has of a schema, which is freed; the caller frees them. */
static inline struct text encoded(struct schema *schema)
{
    size_t length;
    uint8_t *bytes = schema_encode(schema, &length);
    schema_free(schema);
    return (struct text){(const char *)bytes, length};
}

/* For `config` as it is. */
static inline void open_api(void)
{
    log_open("test", "error");
    connected = true;
    metrics = metrics_new(NULL);
    http_ids_init(&ids);
    lane = api_lane_new();
    api = api_new(&(struct api_context){
        .config = &config, .metrics = metrics, .broker_connected = broker_connected, .self = &connected});
}

static inline void tear_down(void)
{
    api_call_end(&call);
    http_response_free(&response);
    api_free(api);
    api_lane_free(lane);
    metrics_free(metrics);
}

/* Handles a request of these parameters and this body. */
static inline enum api_next take(const char *const *parameters, const void *bytes, size_t length)
{
    http_request_read(&request, (char **)parameters, &ids);
    request.received = RECEIVED;
    request.body = body;
    request.body_length = length;
    request.body_capacity = sizeof body;
    ck_assert_uint_le(length + HTTP_BODY_PADDING, sizeof body);
    if (length > 0)
        memcpy(body, bytes, length);
    return api_once(api, lane, &request, &call, &response);
}

#endif
