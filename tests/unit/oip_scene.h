/* oip_scene: the API with models of all kinds, one request of the Open Inference Protocol at a time, and the
 * parts of the broker and the supervisor played by the test. Include it in one test program's only .c.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OIP_SCENE_H
#define OUTRIGGER_OIP_SCENE_H

#include "api_parts.h"
#include "errands.h"

static size_t tensor_count;

/* ---- the models ---- */

static inline struct text of_engine(struct schema *schema)
{
    free(schema->platform);
    schema->platform = object_strdup("onnxruntime_onnx");
    return encoded(schema);
}

static inline struct schema *several(void)
{
    struct schema *schema = schema_new();
    static const struct example_tensor inputs[] = {{"A", DATATYPE_FP32, {-1, 2}},
                                                   {"B", DATATYPE_BYTES, {-1, 1}},
                                                   {"C", DATATYPE_BOOL, {-1, -1}},
                                                   {"D", DATATYPE_UINT64, {-1}}};
    static const struct example_tensor outputs[] = {
        {"P", DATATYPE_FP64, {-1, 3}}, {"Q", DATATYPE_BYTES, {-1}}, {"R", DATATYPE_FP16, {-1}}};
    example_inputs(schema, inputs, COUNT_OF(inputs));
    example_outputs(schema, outputs, COUNT_OF(outputs));
    return schema;
}

static inline struct schema *of(enum datatype datatype, int64_t columns, int64_t more, bool allow_nan)
{
    struct schema *schema = schema_new();
    example_inputs(schema, &(struct example_tensor){"x", datatype, {-1, columns, more}}, 1);
    example_outputs(schema, &(struct example_tensor){"y", datatype, {-1, columns, more}}, 1);
    schema->allow_nan = allow_nan;
    return schema;
}

static inline void tell_models(void)
{
    struct text none = {NULL, 0};
    struct text three = of_engine(example_classifier(3)), many = of_engine(several());
    struct text bytes = of_engine(of(DATATYPE_BYTES, 1, 0, false)),
                nan = of_engine(of(DATATYPE_FP32, 2, 0, true));
    struct text open = of_engine(of(DATATYPE_INT16, -1, 2, false)),
                wide = of_engine(of(DATATYPE_INT8, -1, -1, false));
    struct text half = of_engine(of(DATATYPE_FP16, 2, 0, false)),
                wider = of_engine(of(DATATYPE_FP64, 2, 0, false));
    struct text brain = of_engine(of(DATATYPE_BF16, 2, 0, false));
    struct text route = text_of("{\"by\":\"key\",\"arms\":[{\"version\":\"v10\",\"percent\":50}],\"rules\":[{"
                                "\"header\":\"X-Segment\",\"value\":\"beta\",\"version\":\"v10\"}]}");
    const struct catalog_entry entries[] = {
        {text_of("three"), text_of("1"), CATALOG_READY, 2, true, true, three, none, route},
        {text_of("three"), text_of("v10"), CATALOG_READY, 1, false, true, three, none, none},
        {text_of("several"), text_of("1"), CATALOG_READY, 1, true, true, many, none, none},
        {text_of("bytes"), text_of("1"), CATALOG_READY, 1, true, true, bytes, none, none},
        {text_of("nan"), text_of("1"), CATALOG_READY, 1, true, true, nan, none, none},
        {text_of("open"), text_of("1"), CATALOG_READY, 1, true, true, open, none, none},
        {text_of("wide"), text_of("1"), CATALOG_READY, 1, true, true, wide, none, none},
        {text_of("half"), text_of("1"), CATALOG_READY, 1, true, true, half, none, none},
        {text_of("wider"), text_of("1"), CATALOG_READY, 1, true, true, wider, none, none},
        {text_of("brain"), text_of("1"), CATALOG_READY, 1, true, true, brain, none, none},
        {text_of("loading"), text_of("1"), CATALOG_LOADING, 0, true, true, none, none, none},
        {text_of("failed"), text_of("1"), CATALOG_FAILED, 0, true, false, three, text_of("no \"file\""),
         none},
        {text_of("unloaded"), text_of("1"), CATALOG_FAILED, 0, true, true, three, text_of(CATALOG_UNLOADED),
         none},
        {text_of("headless"), text_of("1"), CATALOG_READY, 1, false, true, three, none, none},
        {text_of("empty"), text_of(""), CATALOG_LOADING, 0, false, false, none, none, none},
    };
    api_catalog(api, entries, COUNT_OF(entries));
    free((char *)three.at), free((char *)many.at), free((char *)bytes.at), free((char *)nan.at);
    free((char *)open.at), free((char *)wide.at), free((char *)half.at), free((char *)wider.at),
        free((char *)brain.at);
}

static inline void set_up(void)
{
    static char nothing[] = "", name[] = "outrigger", level[] = "info";
    config = (struct config){.default_model = nothing,
                             .log_level = level,
                             .oip_server_name = name,
                             .oip_server_version = nothing,
                             .oip_load_unload = 1,
                             .frontend_max_rows = 100,
                             .frontend_max_json_depth = 64,
                             .oip_max_json_depth = 100,
                             .oip_shortest_timeout_us = 1000,
                             .frontend_request_timeout_ms = 10000,
                             .broker_max_message_bytes = 65536};
    open_api();
    tell_models();
}

/* ---- one request ---- */

static inline enum api_next handle(const char *method, const char *uri, const void *bytes, size_t length,
                                   const char *header)
{
    char method_parameter[32], uri_parameter[512];
    snprintf(method_parameter, sizeof method_parameter, "REQUEST_METHOD=%s", method);
    snprintf(uri_parameter, sizeof uri_parameter, "REQUEST_URI=%s", uri);
    const char *parameters[] = {method_parameter, uri_parameter, "HTTP_X_REQUEST_ID=r1", header, NULL};
    return take(parameters, bytes, length);
}

static inline enum api_next get(const char *uri)
{
    return handle("GET", uri, NULL, 0, NULL);
}

static inline enum api_next post(const char *uri, const char *text)
{
    return handle("POST", uri, text, strlen(text), NULL);
}

static inline void body_is(int status, const char *expected)
{
    ck_assert_msg(text_is((struct text){response.body.bytes, response.body.length}, expected), "%.*s, not %s",
                  (int)response.body.length, response.body.bytes, expected);
    ck_assert_int_eq(response.status, status);
    ck_assert_str_eq(response.content_type, "application/json");
    ck_assert_uint_eq(response.json_bytes, 0);
}

static inline void shows(const char *uri, const char *expected)
{
    ck_assert_int_eq(get(uri), API_RESPOND);
    body_is(200, expected);
}

/* The response is {"error": ...} with these words. */
static inline void error_is(int status, const char *words)
{
    yyjson_doc *document = yyjson_read(response.body.bytes, response.body.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    ck_assert_msg(response.status == status, "%d: %.*s", response.status, (int)response.body.length,
                  response.body.bytes);
    ck_assert_uint_eq(yyjson_obj_size(root), 1);
    const char *error = yyjson_get_str(yyjson_obj_get(root, "error"));
    ck_assert_msg(error != NULL && strstr(error, words) != NULL, "%s, not %s", error, words);
    ck_assert_str_eq(response.content_type, "application/json");
    yyjson_doc_free(document);
    ck_assert_ptr_null(call.request);
}

static inline void refused(const char *uri, const char *text, int status, const char *words)
{
    ck_assert_int_eq(post(uri, text), API_RESPOND);
    error_is(status, words);
}

/* The tensors that the broker would get; the payload is as long as `expected` make it. */
static inline void asked(const struct tensor *expected, size_t count)
{
    size_t rows;
    size_t bytes = tensors_encoded_size(expected, count);
    ck_assert_ptr_nonnull(call.request);
    ck_assert_ptr_null(
        tensors_decode(client_request_payload(call.request), bytes, tensors, &tensor_count, &rows));
    ck_assert_uint_eq(tensor_count, count);
    ck_assert_uint_eq(rows, call.ask.rows);
    for (size_t i = 0; i < count; i++) {
        ck_assert(tensors[i].datatype == expected[i].datatype && tensors[i].rank == expected[i].rank);
        ck_assert_mem_eq(tensors[i].shape, expected[i].shape, expected[i].rank * sizeof(int64_t));
        ck_assert_uint_eq(tensors[i].bytes, expected[i].bytes);
        ck_assert_mem_eq(tensors[i].data, expected[i].data, expected[i].bytes);
    }
}

#define TENSOR(name_, datatype_, values, ...)                                                                \
    {                                                                                                        \
        .name = {name_, sizeof(name_) - 1}, .datatype = datatype_,                                           \
        .rank = COUNT_OF(((int64_t[]){__VA_ARGS__})), .shape = {__VA_ARGS__},                                \
        .data = (const uint8_t *)(values), .bytes = sizeof(values)                                           \
    }

/* Answers with these tensors. */
static inline void answer(const struct tensor *given, size_t count, const char *version)
{
    static uint8_t payload[8192];
    size_t bytes = tensors_encode(given, count, payload, sizeof payload, NULL);
    ck_assert_uint_gt(bytes, 0);
    const struct client_answer answer = {
        .version = text_of(version), .payload = payload, .payload_bytes = bytes};
    api_answer(&call, &answer, &response);
}

#define THREE "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]}]}"

#endif
