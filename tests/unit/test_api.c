/* test_api: whole requests to whole responses, with the broker's part played by the test: what is asked, with
 * which deadline; every way to be refused; every failure that may come back; what is counted.
 * SPDX-License-Identifier: MIT */
#include "api.h"
#include "clock.h"
#include "example_schema.h"
#include "log.h"
#include "suite.h"

#include <pthread.h>
#include <stdio.h>
#include <yyjson.h>

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

static bool broker_connected(void *self)
{
    return *(const bool *)self;
}

/* ---- the models ---- */

static struct text encoded(struct schema *schema)
{
    size_t length;
    uint8_t *bytes = schema_encode(schema, &length);
    schema_free(schema);
    return (struct text){(const char *)bytes, length};
}

static struct schema *thirty(void)
{
    struct schema *schema = example_classifier(30);
    schema->timeout_ms = 2000;
    return schema;
}

static struct schema *odd(void)
{
    struct schema *schema = schema_new();
    example_inputs(schema, &(struct example_tensor){"x", DATATYPE_FP32, {-1, -1, -1}}, 1);
    example_outputs(schema, &(struct example_tensor){"y", DATATYPE_FP32, {-1, 1}}, 1);
    return schema;
}

static void tell_models(void)
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
static void tell_one(void)
{
    struct text three = encoded(example_classifier(3));
    const struct catalog_entry entry = {text_of("three"), text_of("1"), CATALOG_READY, 1, true, true, three,
                                        {NULL, 0},        {NULL, 0}};
    api_catalog(api, &entry, 1);
    free((char *)three.at);
}

static struct schema *of_doubles(void)
{
    struct schema *schema = schema_new();
    example_inputs(schema, &(struct example_tensor){"x", DATATYPE_FP64, {-1, 3}}, 1);
    example_outputs(schema, &(struct example_tensor){"y", DATATYPE_FP32, {-1, 1}}, 1);
    return schema;
}

/* The default one takes floats. */
static void tell_two(void)
{
    static char name[] = "three";
    struct text three = encoded(example_classifier(3));
    struct text doubles = encoded(of_doubles());
    const struct catalog_entry entries[] = {
        {text_of("three"), text_of("1"), CATALOG_READY, 1, true, true, three, {NULL, 0}, {NULL, 0}},
        {text_of("doubles"), text_of("1"), CATALOG_READY, 1, true, true, doubles, {NULL, 0}, {NULL, 0}},
    };
    config.default_model = name;
    api_catalog(api, entries, COUNT_OF(entries));
    free((char *)three.at);
    free((char *)doubles.at);
}

static void set_up(void)
{
    log_open("test_api", "error");
    static char nothing[] = "";
    config = (struct config){.default_model = nothing,
                             .frontend_max_rows = 100,
                             .frontend_max_json_depth = 64,
                             .frontend_request_timeout_ms = 10000,
                             .broker_max_message_bytes = 65536};
    connected = true;
    metrics = metrics_new(NULL);
    http_ids_init(&ids);
    lane = api_lane_new();
    api = api_new(&(struct api_context){
        .config = &config, .metrics = metrics, .broker_connected = broker_connected, .self = &connected});
    tell_models();
}

static void tear_down(void)
{
    api_call_end(&call);
    http_response_free(&response);
    api_free(api);
    api_lane_free(lane);
    metrics_free(metrics);
}

/* ---- one request ---- */

/* `more` are further parameters, up to a NULL. */
static enum api_next handle(const char *method, const char *uri, const char *text, const char *const *more)
{
    char method_parameter[32];
    char uri_parameter[512];
    snprintf(method_parameter, sizeof method_parameter, "REQUEST_METHOD=%s", method);
    snprintf(uri_parameter, sizeof uri_parameter, "REQUEST_URI=%s", uri);
    const char *parameters[16] = {method_parameter, uri_parameter, "HTTP_X_REQUEST_ID=r1"};
    for (size_t count = 3; more != NULL && *more != NULL; more++)
        parameters[count++] = *more;
    http_request_read(&request, (char **)parameters, &ids);
    request.received = RECEIVED;
    request.body_length = strlen(text);
    request.body_capacity = sizeof body;
    ck_assert_uint_le(request.body_length + HTTP_BODY_PADDING, sizeof body);
    request.body = body;
    memcpy(body, text, request.body_length);
    return api_handle(api, lane, &request, &call, &response);
}

static enum api_next post(const char *uri, const char *text)
{
    return handle("POST", uri, text, NULL);
}

static void body_is(const char *expected)
{
    ck_assert_msg(text_is((struct text){response.body.bytes, response.body.length}, expected), "%.*s, not %s",
                  (int)response.body.length, response.body.bytes, expected);
}

/* The response is a problem with this status and kind, whose detail has `words`. */
static void problem_is(int status, const char *kind, const char *words)
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
    ck_assert_uint_eq(response.retry_after, status == 503);
}

static void refused(const char *uri, const char *text, int status, const char *kind, const char *words)
{
    ck_assert_int_eq(post(uri, text), API_RESPOND);
    problem_is(status, kind, words);
}

/* The tensors that the broker would get. */
static size_t asked(void)
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

static float float_at(size_t index)
{
    float value;
    memcpy(&value, tensors[0].data + index * sizeof value, sizeof value);
    return value;
}

/* ---- predictions that are asked ---- */

START_TEST(a_prediction_is_asked)
{
    ck_assert_int_eq(post("/api/v1/predict", "{\"model\":\"three\",\"features\":[1,2,3],\"key\":\"user 7\"}"),
                     API_ASK);
    ck_assert_uint_eq(asked(), 1);
    ck_assert(float_at(0) == 1 && float_at(1) == 2 && float_at(2) == 3);
    ck_assert(text_is(call.ask.model, "three"));
    ck_assert_uint_eq(call.ask.version.length, 0);
    ck_assert(text_is(call.ask.key, "user 7"));
    ck_assert(text_is(call.ask.tag, "r1"));
    ck_assert_uint_eq(call.ask.rows, 1);
    ck_assert_int_eq(call.ask.deadline, RECEIVED + 10 * SECOND);
}
END_TEST

START_TEST(a_batch_is_asked)
{
    ck_assert_int_eq(
        post("/api/v1/models/three/versions/2/batch-predict", "{\"instances\":[[1,2,3],[4,5,6]]}"), API_ASK);
    ck_assert_uint_eq(asked(), 2);
    ck_assert(float_at(5) == 6);
    ck_assert(text_is(call.ask.version, "2"));
}
END_TEST

/* Which model is meant is only known when the body is read, and with it what its rows must be. */
START_TEST(a_batch_may_be_for_another_model_than_expected)
{
    tell_two();
    ck_assert_int_eq(
        post("/api/v1/batch-predict", "{\"instances\":[[1,2,3]],\"version\":\"1\",\"key\":\"k\"}"), API_ASK);
    ck_assert_uint_eq(asked(), 1);
    ck_assert(text_is(call.ask.version, "1") && text_is(call.ask.key, "k"));
    refused("/api/v1/batch-predict", "{\"instances\":[[1,2],[1,2]]}", 400, "invalid",
            "instances[0]: expected 3 numbers, got 2 (and 1 more)");
    refused("/api/v1/batch-predict", "{\"instances\":[[1,2]],\"model\":\"doubles\"}", 400, "invalid",
            "instances[0]: expected 3 values, got 2");
    ck_assert_int_eq(post("/api/v1/batch-predict", "{\"instances\":[[1,2,0.1]],\"model\":\"doubles\"}"),
                     API_ASK);
    double doubles[3];
    size_t count, rows;
    const struct tensor tensor = {
        .name = text_of("x"), .datatype = DATATYPE_FP64, .rank = 2, .shape = {1, 3}, .bytes = sizeof doubles};
    ck_assert_ptr_null(tensors_decode(client_request_payload(call.request), tensors_encoded_size(&tensor, 1),
                                      tensors, &count, &rows));
    memcpy(doubles, tensors[0].data, sizeof doubles);
    ck_assert(doubles[0] == 1 && doubles[1] == 2 && doubles[2] == 0.1);
}
END_TEST

START_TEST(model_and_version_are_said_in_path_or_body)
{
    static const struct {
        const char *uri, *text, *version;
    } cases[] = {
        {"/api/v1/predict", "{\"model\":\"three\",\"version\":\"2\",\"features\":[1,2,3]}", "2"},
        {"/api/v1/predict", "{\"model\":\"three\",\"version\":2,\"features\":[1,2,3]}", "2"},
        {"/api/v1/models/three/predict", "{\"features\":[1,2,3]}", ""},
        {"/api/v1/models/three/predict", "{\"model\":\"three\",\"version\":\"1\",\"features\":[1,2,3]}", "1"},
        {"/api/v1/models/three/versions/1/predict", "{\"version\":1,\"features\":[1,2,3]}", "1"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_int_eq(post(cases[i].uri, cases[i].text), API_ASK);
        ck_assert(text_is(call.ask.model, "three"));
        ck_assert(text_is(call.ask.version, cases[i].version));
    }
    static char three[] = "three";
    config.default_model = three;
    tell_models();
    ck_assert_int_eq(post("/api/v1/predict", "{\"features\":[1,2,3]}"), API_ASK);
    ck_assert(text_is(call.ask.model, "three"));
}
END_TEST

START_TEST(the_shorter_time_is_the_deadline)
{
    static const struct {
        const char *model, *timeout;
        int64_t milliseconds;
    } cases[] = {{"three", "", 10000},
                 {"three", ",\"timeout_ms\":500", 500},
                 {"three", ",\"timeout_ms\":60000", 10000},
                 {"thirty", "", 2000},
                 {"thirty", ",\"timeout_ms\":1", 1},
                 {"thirty", ",\"timeout_ms\":2001", 2000}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"model\":\"%s\"%s,\"features\":[1,2,3%s]}", cases[i].model,
                 cases[i].timeout,
                 strcmp(cases[i].model, "thirty") == 0
                     ? ",4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0"
                     : "");
        ck_assert_int_eq(post("/api/v1/predict", text), API_ASK);
        ck_assert_int_eq(call.ask.deadline, RECEIVED + cases[i].milliseconds * MILLISECOND);
    }
}
END_TEST

START_TEST(json_has_several_types)
{
    static const char *const good[] = {"CONTENT_TYPE=application/json",
                                       "CONTENT_TYPE=Application/JSON; charset=utf-8",
                                       "CONTENT_TYPE=application/json ;x",
                                       "CONTENT_TYPE=application/vnd.outrigger.v1+json",
                                       "CONTENT_TYPE=",
                                       "HTTP_CONTENT_ENCODING=identity",
                                       "HTTP_CONTENT_ENCODING=",
                                       "CONTENT_LENGTH=-1"};
    static const char *const bad[] = {"CONTENT_TYPE=text/plain",
                                      "CONTENT_TYPE=text/csv2",
                                      "CONTENT_TYPE=application/csv",
                                      "CONTENT_TYPE=multipart/form-data; boundary=x",
                                      "CONTENT_TYPE=application/jsonx",
                                      "CONTENT_TYPE=xapplication/json",
                                      "CONTENT_TYPE=+json",
                                      "CONTENT_TYPE=;",
                                      "CONTENT_TYPE=text/plain; application/json",
                                      "HTTP_CONTENT_ENCODING=gzip",
                                      "HTTP_CONTENT_ENCODING=identity, gzip",
                                      "HTTP_CONTENT_ENCODING=x"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        const char *const more[] = {good[i], NULL};
        ck_assert_msg(handle("POST", "/api/v1/models/three/predict", "{\"features\":[1,2,3]}", more) ==
                          API_ASK,
                      "%s", good[i]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const char *const more[] = {bad[i], NULL};
        ck_assert_msg(handle("POST", "/api/v1/models/three/predict", "{\"features\":[1,2,3]}", more) ==
                          API_RESPOND,
                      "%s", bad[i]);
        problem_is(415, "unsupported_media_type",
                   strncmp(bad[i], "CONTENT_TYPE", 12) == 0
                       ? "expected a body of Content-Type application/json, text/csv or "
                         "application/x-www-form-urlencoded"
                       : "packed with gzip or deflate");
    }
}
END_TEST

/* ---- tables and forms ---- */

static enum api_next post_as(const char *type, const char *uri, const char *text)
{
    const char *const more[] = {type, NULL};
    return handle("POST", uri, text, more);
}

static void refused_as(const char *type, const char *uri, const char *text, int status, const char *kind,
                       const char *words)
{
    ck_assert_int_eq(post_as(type, uri, text), API_RESPOND);
    problem_is(status, kind, words);
}

#define CSV  "CONTENT_TYPE=text/csv"
#define FORM "CONTENT_TYPE=application/x-www-form-urlencoded"

/* That is what the last row of the `rows` that the broker would get is. */
static void ends_with_four_five_six(size_t rows)
{
    ck_assert_uint_eq(asked(), rows);
    size_t row = rows - 1;
    ck_assert(float_at(row * 3) == 4 && float_at(row * 3 + 1) == 5 && float_at(row * 3 + 2) == 6);
}

START_TEST(a_table_is_asked)
{
    static const char *const types[] = {CSV, "CONTENT_TYPE=Text/CSV; charset=utf-8",
                                        "CONTENT_TYPE=text/csv ;",
                                        "CONTENT_TYPE=text/csv; header=present; charset=UTF-8"};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        ck_assert_int_eq(
            post_as(types[i], "/api/v1/models/three/versions/2/batch-predict", "x,y,z\n1,2,3\n4,5,6\n"),
            API_ASK);
        ends_with_four_five_six(2);
        ck_assert(text_is(call.ask.model, "three") && text_is(call.ask.version, "2"));
        ck_assert(call.ask.key.length == 0 && call.ask.deadline == RECEIVED + 10 * SECOND);
    }
    ck_assert_int_eq(post_as("CONTENT_TYPE=text/csv; header=absent", "/api/v1/models/three/predict", "4,5,6"),
                     API_ASK);
    ends_with_four_five_six(1);
    ck_assert_int_eq(
        post_as("CONTENT_TYPE=text/csv;header=\"present\"", "/api/v1/models/three/predict", "1,2,3\n4,5,6"),
        API_ASK);
    ends_with_four_five_six(1);
    /* The next body is read without what the last one said. */
    ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"key\":\"k\",\"features\":[1,2,3]}"), API_ASK);
    ck_assert_int_eq(post_as(CSV, "/api/v1/models/three/predict", "4,5,6"), API_ASK);
    ck_assert_uint_eq(call.ask.key.length, 0);
}
END_TEST

START_TEST(a_table_may_be_refused)
{
    static const char batch[] = "/api/v1/models/three/batch-predict";
    refused_as(CSV, batch, "", 400, "invalid", "body: is empty: expected a table of CSV");
    refused_as(CSV, batch, "1,2,3\n4,x,6\n", 400, "invalid",
               "instances[1][1]: line 2, column 2: expected a number, got \"x\"");
    refused_as(CSV, batch, "1,2,3\n4,,6\n\"", 400, "invalid", "(and 1 more)");
    refused_as(CSV, "/api/v1/models/three/predict", "1,2,3\n4,5,6\n", 400, "invalid", "expected one row");
    refused_as(CSV, "/api/v1/batch-predict", "1,2,3\n", 400, "invalid", "names no model");
    refused_as(CSV, "/api/v1/models/x/batch-predict", "1,2,3\n", 404, "unknown_model", "\"x\"");
    refused_as(CSV, "/api/v1/models/odd/batch-predict", "1,2,3\n", 400, "invalid", "cannot be given as rows");
    refused_as(CSV, "/api/v1/models/loading/batch-predict", "1\n", 503, "not_ready", "loading");
    refused_as("CONTENT_TYPE=text/plain", batch, "1,2,3\n", 415, "unsupported_media_type",
               "expected a body of Content-Type application/json or text/csv");
    refused_as(FORM, batch, "x=1", 415, "unsupported_media_type", "application/json or text/csv");
    char text[1024], *at = text;
    for (int i = 0; i < 101; i++)
        at = stpcpy(at, i == 50 ? "1,2\n" : "1,2,3\n");
    refused_as(CSV, batch, text, 413, "too_large", "101 rows; one request may have 100");
    at[-6] = '\0';
    refused_as(CSV, batch, text, 400, "invalid", "instances[50]: line 51: expected 3 values, got 2");
    memcpy(text + 300, "1,2,3\n", 7);
    ck_assert_int_eq(post_as(CSV, batch, text), API_ASK);
    config.broker_max_message_bytes = 500;
    refused_as(CSV, batch, text, 413, "too_large", "bytes of tensors; the limit is 500");
}
END_TEST

static void tell_named(void)
{
    static const char *const names[] = {"a", "b", "c"};
    struct schema *schema = example_classifier(3);
    schema->features = example_names(names, 3);
    schema->feature_count = 3;
    struct text three = encoded(schema);
    const struct catalog_entry entry = {text_of("three"), text_of("1"), CATALOG_READY, 1, true, true, three,
                                        {NULL, 0},        {NULL, 0}};
    api_catalog(api, &entry, 1);
    free((char *)three.at);
}

START_TEST(a_form_is_asked)
{
    tell_named();
    ck_assert_int_eq(post_as(FORM, "/api/v1/predict", "c=6&model=three&b=5&version=1&key=user+7&a=4"),
                     API_ASK);
    ends_with_four_five_six(1);
    ck_assert(text_is(call.ask.model, "three") && text_is(call.ask.version, "1"));
    ck_assert(text_is(call.ask.key, "user 7"));
    ck_assert_int_eq(post_as(FORM, "/api/v1/models/three/predict", "a=4&b=5&c=6"), API_ASK);
    ends_with_four_five_six(1);
    ck_assert_int_eq(post_as(CSV, "/api/v1/models/three/batch-predict", "c,a,b\n6,4,5\n"), API_ASK);
    ends_with_four_five_six(1);
    refused_as(FORM, "/api/v1/models/three/predict", "a=4&b=x&c=6", 400, "invalid",
               "features.b: expected a number, got \"x\"");
    refused_as(FORM, "/api/v1/models/three/predict", "a=4&b=5&c=6&model=m", 400, "invalid",
               "model: is another than the one in the path");
    refused_as(FORM, "/api/v1/models/three/predict", "a=4&b=%&c=6", 400, "invalid", "body: a % without");
    refused_as(FORM, "/api/v1/predict", "{\"features\":[1,2,3]}", 415, "unsupported_media_type",
               "looks like JSON");
    refused_as(CSV, "/api/v1/models/three/batch-predict", "a,b,d\n1,2,3\n", 400, "invalid",
               "header.d: line 1, column d: the model has no such feature (and 1 more)");
}
END_TEST

/* ---- predictions that are refused ---- */

static char *features(size_t count)
{
    static char text[1024];
    char *at = stpcpy(text, "{\"features\":[");
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, i == 0 ? "1" : ",1");
    strcpy(at, "]}");
    return text;
}

START_TEST(bad_input_is_refused)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "body: is empty"},
        {"{\"features\":[1,2,3]", "not valid JSON"},
        {"{\"features\":[1,2,3]}}", "not valid JSON"},
        {"{}", "features: is missing"},
        {"[1,2,3]", "expected an object"},
        {"{\"features\":[1,2]}", "features: expected 3 numbers, got 2"},
        {"{\"features\":[1,2,3,4]}", "features: expected 3 numbers, got 4"},
        {"{\"features\":[1,NaN,3]}", "features[1]: expected a number, got NaN"},
        {"{\"features\":[1,Infinity,3]}", "features[1]: not a finite number"},
        {"{\"features\":[1,2,1e400]}", "features[2]: not a finite number"},
        {"{\"features\":[1,2,1e39]}", "does not fit into FP32"},
        {"{\"features\":[\"1\",2,3]}", "features[0]: expected a number, got a string"},
        {"{\"features\":[1,null,3]}", "got null"},
        {"{\"features\":[1,[2],3]}", "got an array"},
        {"{\"features\":[[1,2,3]]}", "expected 3 numbers, got 1"},
        {"{\"features\":{\"a\":1}}", "no feature names"},
        {"{\"features\":[1,2,3],\"model\":\"thirty\"}", "model: is another than the one in the path"},
        {"{\"features\":[1,2,3],\"timeout_ms\":0}", "timeout_ms: expected"},
        {"{\"features\":[\"a\",null,true]}", "got a string (and 2 more)"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        refused("/api/v1/models/three/predict", cases[i].text, 400, "invalid", cases[i].words);
    refused("/api/v1/models/thirty/predict", features(29), 400, "invalid", "expected 30 numbers, got 29");
    refused("/api/v1/models/thirty/predict", features(31), 400, "invalid", "expected 30 numbers, got 31");
    refused("/api/v1/models/three/versions/1/predict", "{\"features\":[1,2,3],\"version\":\"2\"}", 400,
            "invalid", "version: is another");
    refused("/api/v1/models/three/batch-predict", "{\"instances\":[]}", 400, "invalid",
            "instances: expected at least one");
    refused("/api/v1/models/odd/predict", "{\"features\":[1,2,3]}", 400, "invalid",
            "cannot be given as rows");
}
END_TEST

START_TEST(a_deep_body_is_refused)
{
    static char text[30000] = "{\"features\":";
    char *at = text + strlen(text);
    memset(at, '[', 10000);
    memset(at + 10000, ']', 10000);
    strcpy(at + 20000, "}");
    refused("/api/v1/models/three/predict", text, 400, "invalid", "nested deeper than 64 levels");
    at[10000] = '\0';
    refused("/api/v1/models/three/predict", text, 400, "invalid", "not valid JSON");
}
END_TEST

START_TEST(unknown_models_are_told_the_known_ones)
{
    refused("/api/v1/predict", "{\"model\":\"x\",\"features\":[1]}", 404, "unknown_model",
            "there is no model \"x\"; there are: empty, headless, loading, odd, silent, thirty, three");
    refused("/api/v1/models/x/predict", "{\"features\":[1]}", 404, "unknown_model", "\"x\"");
    refused("/api/v1/predict", "{\"model\":\"a\\\"\\u0000b/..\",\"features\":[1]}", 404, "unknown_model",
            "there is no model \"a\"");
    refused("/api/v1/models/three/versions/9/predict", "{\"features\":[1,2,3]}", 404, "unknown_version",
            "model three has no version \"9\"");
    refused("/api/v1/models/empty/versions/1/predict", "{\"features\":[1,2,3]}", 404, "unknown_version",
            "no version \"1\"");
    refused("/api/v1/predict", "{\"features\":[1,2,3]}", 400, "invalid",
            "names no model and there is no default one; there are: ");
    static char missing[] = "missing";
    config.default_model = missing;
    tell_models();
    refused("/api/v1/predict", "{\"features\":[1,2,3]}", 404, "unknown_model",
            "there is no model \"missing\"");
    api_catalog(api, NULL, 0);
    refused("/api/v1/predict", "{\"features\":[1,2,3]}", 404, "unknown_model", "there are none");
}
END_TEST

START_TEST(a_long_list_of_models_is_cut)
{
    enum { COUNT = 30 };
    struct catalog_entry entries[COUNT];
    char names[COUNT][PROTOCOL_NAME_MAX + 1];
    for (size_t length = 3; length <= PROTOCOL_NAME_MAX; length += PROTOCOL_NAME_MAX - 3) {
        for (size_t i = 0; i < COUNT; i++) {
            memset(names[i], 'n', sizeof names[i]);
            snprintf(names[i] + length - 3, 4, "-%02zu", i);
            entries[i] = (struct catalog_entry){.model = text_of(names[i])};
        }
        api_catalog(api, entries, COUNT);
        refused("/api/v1/models/x/predict", "{\"features\":[1]}", 404, "unknown_model",
                length == 3 ? "-08, -09 and 20 more" : "-03 and 26 more");
    }
}
END_TEST

START_TEST(a_model_that_is_not_ready_says_so)
{
    refused("/api/v1/models/loading/predict", "{\"features\":[1]}", 503, "not_ready",
            "model loading is not ready: loading");
    refused("/api/v1/models/silent/predict", "{\"features\":[1]}", 503, "not_ready",
            "has not said what it takes");
    refused("/api/v1/models/headless/predict", "{\"features\":[1]}", 503, "not_ready",
            "no version of it takes requests");
    refused("/api/v1/models/empty/predict", "{\"features\":[1]}", 503, "not_ready",
            "no version of it takes requests");
    ck_assert_int_eq(post("/api/v1/models/headless/versions/1/predict", "{\"features\":[1,2,3]}"), API_ASK);
}
END_TEST

START_TEST(too_much_is_refused)
{
    char text[4096];
    char *at = stpcpy(text, "{\"instances\":[");
    for (int i = 0; i < 101; i++)
        at = stpcpy(at, i == 0 ? "[1,2,3]" : ",[1,2,3]");
    strcpy(at, "]}");
    refused("/api/v1/models/three/batch-predict", text, 413, "too_large",
            "101 rows; one request may have 100");
    strcpy(at - strlen(",[1,2,3]"), "]}");
    ck_assert_int_eq(post("/api/v1/models/three/batch-predict", text), API_ASK);
    config.broker_max_message_bytes = 1000;
    refused("/api/v1/models/three/batch-predict", text, 413, "too_large",
            "bytes of tensors; the limit is 1000");
}
END_TEST

START_TEST(before_the_first_catalog_nothing_is_known)
{
    struct api *young = api_new(&(struct api_context){
        .config = &config, .metrics = metrics, .broker_connected = broker_connected, .self = &connected});
    struct api *old = api;
    api = young;
    refused("/api/v1/predict", "{\"features\":[1,2,3]}", 503, "not_ready", "not known yet");
    ck_assert_int_eq(handle("GET", "/api/v1/models", "", NULL), API_RESPOND);
    problem_is(503, "not_ready", "not known yet");
    ck_assert_int_eq(handle("GET", "/ready", "", NULL), API_RESPOND);
    problem_is(503, "not_ready", "models: are not known yet");
    ck_assert_int_eq(handle("GET", "/health", "", NULL), API_RESPOND);
    ck_assert_int_eq(response.status, 200);
    api_call_end(&call);
    api_free(young);
    api = old;
}
END_TEST

/* ---- the other calls ---- */

START_TEST(paths_and_methods)
{
    static const struct {
        const char *method, *uri;
        int status;
        const char *allow;
    } cases[] = {
        {"GET", "/", 404, NULL},
        {"POST", "/api/v1/nothing", 404, NULL},
        {"POST", "/api/v1/predict/", 404, NULL},
        {"GET", "/api/v1/predict", 405, "POST"},
        {"HEAD", "/api/v1/models/three/batch-predict", 405, "POST"},
        {"OPTIONS", "/api/v1/models/three/versions/1/predict", 405, "POST"},
        {"DELETE", "/api/v1/models/three", 405, "GET, HEAD"},
        {"POST", "/ready", 405, "GET, HEAD"},
        {"BREW", "/health", 405, "GET, HEAD"},
        {"GET", "/api/../health", 400, NULL},
        {"GET", "/api/v1/models/a%2fb", 400, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_int_eq(handle(cases[i].method, cases[i].uri, "", NULL), API_RESPOND);
        ck_assert_int_eq(response.status, cases[i].status);
        if (cases[i].allow == NULL)
            ck_assert_ptr_null(response.allow);
        else
            ck_assert_str_eq(response.allow, cases[i].allow);
        problem_is(cases[i].status,
                   cases[i].status == 404   ? "not_found"
                   : cases[i].status == 405 ? "method_not_allowed"
                                            : "invalid",
                   "");
        ck_assert(response.head_only == (strcmp(cases[i].method, "HEAD") == 0));
    }
}
END_TEST

START_TEST(health_is_always_good)
{
    connected = false;
    ck_assert_int_eq(handle("GET", "/health", "ignored", NULL), API_RESPOND);
    ck_assert_int_eq(response.status, 200);
    body_is("{\"status\":\"healthy\"}\n");
}
END_TEST

START_TEST(ready_has_reasons)
{
    ck_assert_int_eq(handle("GET", "/ready", "", NULL), API_RESPOND);
    problem_is(503, "not_ready", "models.empty: no version takes requests (and 2 more)");
    ck_assert_ptr_nonnull(memmem(
        response.body.bytes, response.body.length,
        "{\"field\":\"models.loading\",\"message\":\"version 1 is loading, 0 workers are ready\"}", 80));
    tell_one();
    ck_assert_int_eq(handle("GET", "/ready", "", NULL), API_RESPOND);
    ck_assert_int_eq(response.status, 200);
    body_is("{\"status\":\"ready\"}\n");
    connected = false;
    ck_assert_int_eq(handle("GET", "/ready", "", NULL), API_RESPOND);
    problem_is(503, "not_ready", "broker: is not connected");
}
END_TEST

START_TEST(models_that_are_not_required_may_be_away)
{
    struct text three = encoded(example_classifier(3));
    struct catalog_entry entries[] = {
        {text_of("loading"), text_of("1"), CATALOG_LOADING, 0, true, false, {NULL, 0}, {NULL, 0}, {NULL, 0}},
        {text_of("headless"), text_of("1"), CATALOG_READY, 1, false, false, three, {NULL, 0}, {NULL, 0}},
        {text_of("three"), text_of("1"), CATALOG_READY, 1, true, true, three, {NULL, 0}, {NULL, 0}},
    };
    api_catalog(api, entries, COUNT_OF(entries));
    handle("GET", "/ready", "", NULL);
    body_is("{\"status\":\"ready\"}\n");
    entries[1].required = true;
    api_catalog(api, entries, COUNT_OF(entries));
    handle("GET", "/ready", "", NULL);
    problem_is(503, "not_ready", "models.headless: no version");
    free((char *)three.at);
}
END_TEST

START_TEST(readiness_says_why_a_model_does_not_start)
{
    char reason[PROTOCOL_TEXT_MAX + 1], expected[700];
    memset(reason, 'r', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    const struct catalog_entry entry = {text_of("bad"), text_of("1"), CATALOG_FAILED,  0,        true,
                                        true,           {NULL, 0},    text_of(reason), {NULL, 0}};
    api_catalog(api, &entry, 1);
    handle("GET", "/ready", "", NULL);
    snprintf(expected, sizeof expected, "models.bad: version 1 is failed, 0 workers are ready: %s", reason);
    problem_is(503, "not_ready", expected);
    ck_assert_ptr_nonnull(
        memmem(response.body.bytes, response.body.length, "\"errors\":[{\"field\":\"models.bad\"", 30));
}
END_TEST

START_TEST(models_are_shown)
{
    ck_assert_int_eq(handle("GET", "/api/v1/models", "", NULL), API_RESPOND);
    ck_assert_int_eq(response.status, 200);
    yyjson_doc *document = yyjson_read(response.body.bytes, response.body.length, 0);
    ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(document), "models")), 7);
    yyjson_doc_free(document);
    ck_assert_int_eq(handle("HEAD", "/api/v1/models/three", "", NULL), API_RESPOND);
    ck_assert_int_eq(response.status, 200);
    ck_assert(response.head_only && response.body.length > 100);
    ck_assert_int_eq(handle("GET", "/api/v1/models/x", "", NULL), API_RESPOND);
    problem_is(404, "unknown_model", "there is no model \"x\"");
}
END_TEST

START_TEST(metrics_come_from_elsewhere)
{
    ck_assert_int_eq(handle("GET", "/metrics", "", NULL), API_METRICS);
    api_metrics("a 1\n", 4, &response);
    body_is("a 1\n");
    ck_assert_str_eq(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
    ck_assert_int_eq(handle("GET", "/metrics", "", NULL), API_METRICS);
    api_metrics(NULL, 0, &response);
    problem_is(503, "overloaded", "metrics");
}
END_TEST

/* ---- answers ---- */

static uint8_t *answered(size_t rows, size_t *bytes)
{
    static int64_t classes[100];
    static float probabilities[200];
    for (size_t i = 0; i < rows; i++) {
        classes[i] = 1;
        probabilities[2 * i] = 0.25f;
        probabilities[2 * i + 1] = 0.75f;
    }
    const struct tensor outputs[] = {{.name = text_of("label"),
                                      .datatype = DATATYPE_INT64,
                                      .rank = 1,
                                      .shape = {(int64_t)rows},
                                      .data = (const uint8_t *)classes,
                                      .bytes = rows * sizeof classes[0]},
                                     {.name = text_of("probabilities"),
                                      .datatype = DATATYPE_FP32,
                                      .rank = 2,
                                      .shape = {(int64_t)rows, 2},
                                      .data = (const uint8_t *)probabilities,
                                      .bytes = rows * 2 * sizeof probabilities[0]}};
    *bytes = tensors_encoded_size(outputs, 2);
    uint8_t *payload = object_alloc(*bytes);
    tensors_encode(outputs, 2, payload, *bytes, NULL);
    return payload;
}

static void answer(size_t rows, const char *version)
{
    struct client_answer came = {
        .version = text_of(version), .queue_us = 1500, .compute_us = 250, .batch_rows = 8};
    uint8_t *payload = answered(rows, &came.payload_bytes);
    came.payload = payload;
    api_answer(&call, &came, &response);
    free(payload);
}

START_TEST(a_prediction_is_answered)
{
    ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
    client_request_discard(api_call_take(&call));
    ck_assert_ptr_null(call.request);
    answer(1, "2");
    ck_assert_int_eq(response.status, 200);
    body_is("{\"prediction\":1,\"probability\":0.75,\"probabilities\":[0.25,0.75],\"label\":\"yes\","
            "\"model\":\"three\","
            "\"model_version\":\"2\",\"request_id\":\"r1\"}\n");
    ck_assert_str_eq(response.extra, "");
}
END_TEST

START_TEST(a_batch_is_answered)
{
    ck_assert_int_eq(post("/api/v1/models/three/batch-predict", "{\"instances\":[[1,2,3],[4,5,6]]}"),
                     API_ASK);
    answer(2, "7"); /* a version that the snapshot does not know: its labels are those of the asked one */
    body_is("{\"predictions\":[1,1],\"probabilities\":[[0.25,0.75],[0.25,0.75]],\"labels\":[\"yes\",\"yes\"],"
            "\"model\":\"three\",\"model_version\":\"7\",\"request_id\":\"r1\"}\n");
}
END_TEST

START_TEST(timing_is_told_when_it_is_asked_for)
{
    const char *const more[] = {"HTTP_PREFER=server-timing", NULL};
    ck_assert_int_eq(handle("POST", "/api/v1/models/three/predict", "{\"features\":[1,2,3]}", more), API_ASK);
    answer(1, "1");
    static const char timing[] =
        "Server-Timing: queue;dur=1.500, batch;desc=\"8 rows\", compute;dur=0.250, total;dur=";
    ck_assert_msg(strncmp(response.extra, timing, sizeof timing - 1) == 0, "%s", response.extra);
    ck_assert_int_eq(handle("POST", "/api/v1/models/three/predict", "{\"features\":[1,2,3]}", more), API_ASK);
    api_answer(&call, &(struct client_answer){.failure = FAILURE_DEADLINE}, &response);
    ck_assert_str_eq(response.extra, "");
}
END_TEST

START_TEST(an_answer_that_was_kept_says_its_age)
{
    static const struct {
        uint64_t age_us;
        const char *header;
    } cases[] = {{0, ""},
                 {1, "Age: 0\r\n"},
                 {999999, "Age: 0\r\n"},
                 {1000000, "Age: 1\r\n"},
                 {86400000000, "Age: 86400\r\n"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
        client_request_discard(api_call_take(&call));
        struct client_answer came = {.version = text_of("1"), .age_us = cases[i].age_us};
        uint8_t *payload = answered(1, &came.payload_bytes);
        came.payload = payload;
        api_answer(&call, &came, &response);
        free(payload);
        ck_assert_int_eq(response.status, 200);
        ck_assert_str_eq(response.extra, cases[i].header);
    }
}
END_TEST

START_TEST(every_failure_is_told)
{
    static const struct {
        enum failure failure;
        int status;
        const char *kind;
    } cases[] = {
#define X(name, number, http, label) {FAILURE_##name, http, label},
        FAILURES(X)
#undef X
    };
    for (size_t i = 1; i < COUNT_OF(cases); i++) {
        ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
        client_request_discard(api_call_take(&call));
        api_answer(&call, &(struct client_answer){.failure = cases[i].failure, .message = text_of("why")},
                   &response);
        problem_is(cases[i].status, cases[i].kind, "");
    }
    post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}");
    api_answer(&call, &(struct client_answer){.failure = FAILURE_OVERLOADED, .retry_after_ms = 2500},
               &response);
    ck_assert_uint_eq(response.retry_after, 3);
}
END_TEST

START_TEST(an_answer_that_cannot_be_read_is_our_fault)
{
    ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
    client_request_discard(api_call_take(&call));
    static const uint8_t garbage[] = {0xc1};
    log_open("test_api", "error");
    api_answer(&call, &(struct client_answer){.payload = garbage, .payload_bytes = 1}, &response);
    problem_is(500, "internal", "something went wrong");
    ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
    client_request_discard(api_call_take(&call));
    answer(2, "1"); /* two rows for one */
    problem_is(500, "internal", "something went wrong");
}
END_TEST

/* ---- routes ---- */

/* Model three with the versions 1 (stable) and 2, and this route. */
static void tell_route(const char *route)
{
    struct text three = encoded(example_classifier(3));
    const struct catalog_entry entries[] = {
        {text_of("three"), text_of("1"), CATALOG_READY, 1, true, true, three, {NULL, 0}, text_of(route)},
        {text_of("three"), text_of("2"), CATALOG_READY, 1, false, true, three, {NULL, 0}, {NULL, 0}},
    };
    api_catalog(api, entries, COUNT_OF(entries));
    free((char *)three.at);
}

static void expect_asked(const char *const *more, const char *version, bool optional)
{
    ck_assert_int_eq(handle("POST", "/api/v1/predict", "{\"features\":[1,2,3],\"key\":\"k\"}", more),
                     API_ASK);
    ck_assert(text_is(call.ask.version, version));
    ck_assert(call.ask.version_optional == optional);
    client_request_discard(api_call_take(&call));
}

static uint64_t steered(const char *by)
{
    return metrics_series(metrics, METRIC_STEERED, "three", by, NULL)->value;
}

static const char *const with_rule[] = {"HTTP_A=b", NULL};
static const char *const with_force[] = {"HTTP_V=2", "REMOTE_ADDR=127.0.0.1", NULL};
static const char *const with_refused[] = {"HTTP_V=2", "REMOTE_ADDR=127.0.0.2", NULL};

#define ROUTE                                                                                                \
    "{\"by\":\"header:K\",\"force_header\":\"V\",\"force_from\":[\"127.0.0.1\"],"                            \
    "\"rules\":[{\"header\":\"A\",\"value\":\"b\",\"version\":\"2\"}]}"

START_TEST(headers_may_lead_to_versions)
{
    tell_route(ROUTE);
    expect_asked(with_rule, "2", true);
    answer(1, "2");
    api_count(api, &call, &response);
    expect_asked(with_rule, "2", true);
    answer(1, "1"); /* the version went while the request was on its way */
    ck_assert_int_eq(response.status, 200);
    api_count(api, &call, &response);
    expect_asked(with_force, "2", false);
    answer(1, "2");
    api_count(api, &call, &response);
    expect_asked(with_refused, "", false);
    answer(1, "1");
    api_count(api, &call, &response);
    expect_asked(NULL, "", false);
    answer(1, "1");
    api_count(api, &call, &response);
    ck_assert(steered("rule") == 1 && steered("fallback") == 1 && steered("client") == 1);
    ck_assert_uint_eq(steered("refused"), 1);
}
END_TEST

START_TEST(the_path_goes_before_all_headers)
{
    tell_route(ROUTE);
    ck_assert_int_eq(
        handle("POST", "/api/v1/models/three/versions/1/predict", "{\"features\":[1,2,3]}", with_force),
        API_ASK);
    ck_assert(text_is(call.ask.version, "1") && !call.ask.version_optional);
}
END_TEST

START_TEST(a_version_that_a_client_names_and_is_not_there_is_said)
{
    static const char *const nine[] = {"HTTP_V=9", "REMOTE_ADDR=127.0.0.1", NULL};
    static const char *const strange[] = {"HTTP_V=\"/", "REMOTE_ADDR=127.0.0.1", NULL};
    tell_route(ROUTE);
    ck_assert_int_eq(handle("POST", "/api/v1/predict", "{\"features\":[1,2,3]}", nine), API_RESPOND);
    problem_is(404, "unknown_version", "model three has no version");
    ck_assert_int_eq(handle("POST", "/api/v1/predict", "{\"features\":[1,2,3]}", strange), API_RESPOND);
    problem_is(404, "unknown_version", "model three has no version");
}
END_TEST

START_TEST(the_route_says_what_the_key_is)
{
    static const char *const keyed[] = {"HTTP_K=from the header", NULL};
    tell_route(ROUTE);
    expect_asked(keyed, "", false);
    ck_assert(text_is(call.ask.key, "from the header"));
    expect_asked(NULL, "", false);
    ck_assert_uint_eq(call.ask.key.length, 0);
    tell_route("{\"by\":\"key\"}");
    expect_asked(keyed, "", false);
    ck_assert(text_is(call.ask.key, "k"));
    tell_route("");
    expect_asked(keyed, "", false);
    ck_assert(text_is(call.ask.key, "k"));
}
END_TEST

START_TEST(the_catalog_may_change_under_a_call)
{
    ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
    api_catalog(api, NULL, 0);
    ck_assert(text_is(call.ask.model, "three"));
    answer(1, "1");
    ck_assert_int_eq(response.status, 200);
    ck_assert_ptr_nonnull(memmem(response.body.bytes, response.body.length, "\"label\":\"yes\"", 13));
}
END_TEST

START_TEST(a_request_may_be_refused_before_it_is_read)
{
    static const int statuses[] = {408, 413, 503};
    static const char *const kinds[] = {"request_timeout", "too_large", "overloaded"};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        http_request_read(&request,
                          (char **)(const char *[]){"REQUEST_METHOD=POST", "REQUEST_URI=/api/v1/predict",
                                                    "HTTP_X_REQUEST_ID=r1", NULL},
                          &ids);
        api_refuse(&request, &call, &response, statuses[i], "not now");
        problem_is(statuses[i], kinds[i], "not now");
        ck_assert_int_eq(call.call, CALL_PREDICT);
        api_count(api, &call, &response);
    }
    ck_assert_uint_eq(metrics_series(metrics, METRIC_PREDICTION_ERRORS, "", "", "too_large")->value, 1);
}
END_TEST

/* ---- counting ---- */

static uint64_t counted(enum metric metric, const char *label1, const char *label2, const char *label3)
{
    return metrics_series(metrics, metric, label1, label2, label3)->value;
}

START_TEST(calls_are_counted)
{
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(post("/api/v1/models/three/batch-predict", "{\"instances\":[[1,2,3],[4,5,6]]}"),
                         API_ASK);
        answer(2, "2");
        api_count(api, &call, &response);
    }
    ck_assert_uint_eq(counted(METRIC_PREDICTIONS, "three", "2", NULL), 6);
    ck_assert_uint_eq(counted(METRIC_PREDICTION_DURATION, "three", "2", NULL), 3);
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "batch_predict", "200", NULL), 3);
    post("/api/v1/models/three/predict", "{\"features\":[1]}");
    api_count(api, &call, &response);
    post("/api/v1/models/unknown/predict", "{\"features\":[1]}");
    api_count(api, &call, &response);
    post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}");
    api_answer(&call, &(struct client_answer){.failure = FAILURE_DEADLINE}, &response);
    api_count(api, &call, &response);
    ck_assert_uint_eq(counted(METRIC_PREDICTION_ERRORS, "three", "1", "invalid"), 1);
    ck_assert_uint_eq(counted(METRIC_PREDICTION_ERRORS, "", "", "unknown_model"), 1);
    ck_assert_uint_eq(counted(METRIC_PREDICTION_ERRORS, "three", "1", "deadline"), 1);
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "predict", "400", NULL), 1);
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "predict", "404", NULL), 1);
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "predict", "504", NULL), 1);
    handle("GET", "/nowhere", "", NULL);
    api_count(api, &call, &response);
    handle("GET", "/health", "", NULL);
    api_count(api, &call, &response);
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "other", "404", NULL), 1);
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "health", "200", NULL), 1);
}
END_TEST

START_TEST(many_versions_are_counted_within_bounds)
{
    for (int i = 0; i < 5000; i++) {
        char version[16];
        snprintf(version, sizeof version, "%d", i);
        ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
        answer(1, version);
        api_count(api, &call, &response);
    }
    ck_assert_uint_eq(counted(METRIC_PREDICTIONS, "three", "7", NULL), 1);
    ck_assert_uint_gt(counted(METRIC_PREDICTIONS, "other", "other", NULL), 0);
    for (int status = 600; status < 700; status++) { /* more than ever come: counted all the same */
        handle("GET", "/health", "", NULL);
        response.status = status;
        api_count(api, &call, &response);
    }
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "health", "600", NULL) +
                              counted(METRIC_HTTP_REQUESTS, "other", "other", NULL) >
                          0,
                      1);
}
END_TEST

/* ---- threads ---- */

static void *predict_often(void *self)
{
    (void)self;
    struct api_lane *own_lane = api_lane_new();
    struct http_ids own_ids;
    http_ids_init(&own_ids);
    struct api_call own_call = {0};
    struct http_response own_response = {0};
    for (int i = 0; i < 2000; i++) {
        struct http_request own;
        char text[64] = "{\"features\":[1,2,3]}";
        http_request_read(&own,
                          (char **)(const char *[]){"REQUEST_METHOD=POST",
                                                    "REQUEST_URI=/api/v1/models/three/predict", NULL},
                          &own_ids);
        own.body = text;
        own.body_length = strlen(text);
        own.body_capacity = sizeof text;
        ck_assert_int_eq(api_handle(api, own_lane, &own, &own_call, &own_response), API_ASK);
        size_t bytes;
        uint8_t *payload = answered(0, &bytes);
        api_answer(&own_call, &(struct client_answer){.payload = payload, .payload_bytes = bytes},
                   &own_response);
        free(payload);
    }
    api_call_end(&own_call);
    http_response_free(&own_response);
    api_lane_free(own_lane);
    return NULL;
}

START_TEST(lanes_work_while_the_catalog_changes)
{
    pthread_t threads[3];
    log_open("test_api", "error");
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, predict_often, NULL), 0);
    for (int i = 0; i < 300; i++)
        tell_models();
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_prediction_is_asked,
                                  a_batch_is_asked,
                                  a_batch_may_be_for_another_model_than_expected,
                                  model_and_version_are_said_in_path_or_body,
                                  the_shorter_time_is_the_deadline,
                                  json_has_several_types,
                                  a_table_is_asked,
                                  a_table_may_be_refused,
                                  a_form_is_asked,
                                  bad_input_is_refused,
                                  a_deep_body_is_refused,
                                  unknown_models_are_told_the_known_ones,
                                  a_long_list_of_models_is_cut,
                                  a_model_that_is_not_ready_says_so,
                                  too_much_is_refused,
                                  before_the_first_catalog_nothing_is_known,
                                  paths_and_methods,
                                  health_is_always_good,
                                  ready_has_reasons,
                                  models_that_are_not_required_may_be_away,
                                  readiness_says_why_a_model_does_not_start,
                                  models_are_shown,
                                  metrics_come_from_elsewhere,
                                  a_prediction_is_answered,
                                  a_batch_is_answered,
                                  timing_is_told_when_it_is_asked_for,
                                  an_answer_that_was_kept_says_its_age,
                                  every_failure_is_told,
                                  an_answer_that_cannot_be_read_is_our_fault,
                                  headers_may_lead_to_versions,
                                  the_path_goes_before_all_headers,
                                  a_version_that_a_client_names_and_is_not_there_is_said,
                                  the_route_says_what_the_key_is,
                                  the_catalog_may_change_under_a_call,
                                  a_request_may_be_refused_before_it_is_read,
                                  calls_are_counted,
                                  many_versions_are_counted_within_bounds,
                                  lanes_work_while_the_catalog_changes};
    return SUITE_RUN("api", set_up, tear_down, tests);
}
