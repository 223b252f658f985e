/* api_scene: the API with models that the test tells it, one request at a time, and the broker's part played
 * by the test. Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_API_SCENE_H
#define OUTRIGGER_API_SCENE_H

#include "api_parts.h"
#include "example_answer.h"

#include <yyjson.h>

/* ---- the models ---- */

static inline struct schema *thirty(void)
{
    struct schema *schema = example_classifier(30);
    schema->timeout_ms = 2000;
    return schema;
}

static inline struct schema *odd(void)
{
    struct schema *schema = schema_new();
    example_inputs(schema, &(struct example_tensor){"x", DATATYPE_FP32, {-1, -1, -1}}, 1);
    example_outputs(schema, &(struct example_tensor){"y", DATATYPE_FP32, {-1, 1}}, 1);
    return schema;
}

static inline void tell_models(void)
{
    struct text three = encoded(example_classifier(3));
    struct text many = encoded(thirty());
    struct text strange = encoded(odd());
    const struct catalog_entry entries[] = {
        {text_of("three"), text_of("1"), CATALOG_READY, 1, true, true, three, {NULL, 0}, {NULL, 0}},
        {text_of("three"), text_of("2"), CATALOG_READY, 1, false, true, three, {NULL, 0}, {NULL, 0}},
        {text_of("thirty"), text_of("1"), CATALOG_READY, 2, true, true, many, {NULL, 0}, {NULL, 0}},
        {text_of("loading"), text_of("1"), CATALOG_LOADING, 0, true, true, {NULL, 0}, {NULL, 0}, {NULL, 0}},
        {text_of("silent"), text_of("1"), CATALOG_READY, 1, true, true, {NULL, 0}, {NULL, 0}, {NULL, 0}},
        {text_of("headless"), text_of("1"), CATALOG_READY, 1, false, true, three, {NULL, 0}, {NULL, 0}},
        {text_of("empty"), text_of(""), CATALOG_LOADING, 0, false, true, {NULL, 0}, {NULL, 0}, {NULL, 0}},
        {text_of("odd"), text_of("1"), CATALOG_READY, 1, true, true, strange, {NULL, 0}, {NULL, 0}},
    };
    api_catalog(api, entries, COUNT_OF(entries));
    free((char *)three.at);
    free((char *)many.at);
    free((char *)strange.at);
}

/* One model, ready. */
static inline void tell_one(void)
{
    struct text three = encoded(example_classifier(3));
    const struct catalog_entry entry = {text_of("three"), text_of("1"), CATALOG_READY, 1, true, true, three,
                                        {NULL, 0},        {NULL, 0}};
    api_catalog(api, &entry, 1);
    free((char *)three.at);
}

static inline void set_up(void)
{
    static char nothing[] = "";
    config = (struct config){.default_model = nothing,
                             .frontend_max_rows = 100,
                             .frontend_max_json_depth = 64,
                             .oip_max_json_depth = 100,
                             .frontend_request_timeout_ms = 10000,
                             .broker_max_message_bytes = 65536};
    open_api();
    tell_models();
}

/* ---- one request ---- */

/* `more` are further parameters, up to a NULL. */
static inline enum api_next handle(const char *method, const char *uri, const char *text,
                                   const char *const *more)
{
    char method_parameter[32];
    char uri_parameter[512];
    snprintf(method_parameter, sizeof method_parameter, "REQUEST_METHOD=%s", method);
    snprintf(uri_parameter, sizeof uri_parameter, "REQUEST_URI=%s", uri);
    const char *parameters[16] = {method_parameter, uri_parameter, "HTTP_X_REQUEST_ID=r1"};
    for (size_t count = 3; more != NULL && *more != NULL; more++)
        parameters[count++] = *more;
    return take(parameters, text, strlen(text));
}

static inline enum api_next post(const char *uri, const char *text)
{
    return handle("POST", uri, text, NULL);
}

static inline void body_is(const char *expected)
{
    ck_assert_msg(text_is((struct text){response.body.bytes, response.body.length}, expected), "%.*s, not %s",
                  (int)response.body.length, response.body.bytes, expected);
}

/* The response is a problem with this status and kind, whose detail has `words`. */
static inline void problem_is(int status, const char *kind, const char *words)
{
    ck_assert_msg(response.status == status, "%.*s", (int)response.body.length, response.body.bytes);
    ck_assert_str_eq(response.content_type, "application/problem+json");
    yyjson_doc *document = yyjson_read(response.body.bytes, response.body.length, 0);
    ck_assert_ptr_nonnull(document);
    yyjson_val *root = yyjson_doc_get_root(document);
    ck_assert_int_eq(yyjson_get_int(yyjson_obj_get(root, "status")), status);
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "request_id")), "r1");
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "kind")), kind);
    ck_assert_str_eq(response.kind, kind);
    const char *detail = yyjson_get_str(yyjson_obj_get(root, "detail"));
    ck_assert_msg(strstr(detail, words) != NULL, "%s, not %s", detail, words);
    yyjson_doc_free(document);
    ck_assert_ptr_null(call.request);
    ck_assert_uint_eq(response.retry_after, status == 503 || status == 429 || status == 409);
}

static inline void refused(const char *uri, const char *text, int status, const char *kind, const char *words)
{
    ck_assert_int_eq(post(uri, text), API_RESPOND);
    problem_is(status, kind, words);
}

/* The tensors that the broker would get. */
static inline size_t asked(void)
{
    size_t count, rows;
    uint8_t *payload = client_request_payload(call.request);
    struct tensor three = {.name = text_of("x"),
                           .datatype = DATATYPE_FP32,
                           .rank = 2,
                           .shape = {call.ask.rows, 3},
                           .bytes = call.ask.rows * 3 * sizeof(float)};
    ck_assert_ptr_null(tensors_decode(payload, tensors_encoded_size(&three, 1), tensors, &count, &rows));
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(rows, call.ask.rows);
    return rows;
}

static inline float float_at(size_t index)
{
    float value;
    memcpy(&value, tensors[0].data + index * sizeof value, sizeof value);
    return value;
}

/* ---- the broker's answer ---- */

static inline uint8_t *answered(size_t rows, size_t *bytes)
{
    static int64_t classes[100];
    static float probabilities[200];
    for (size_t i = 0; i < rows; i++) {
        classes[i] = 1;
        probabilities[2 * i] = 0.25f;
        probabilities[2 * i + 1] = 0.75f;
    }
    return example_answer(classes, probabilities, rows, 2, bytes);
}

static inline void answer(size_t rows, const char *version)
{
    struct client_answer came = {
        .version = text_of(version), .queue_us = 1500, .compute_us = 250, .batch_rows = 8};
    uint8_t *payload = answered(rows, &came.payload_bytes);
    came.payload = payload;
    api_answer(&call, &came, &response);
    free(payload);
}

#endif
