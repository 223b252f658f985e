/* test_api: predictions, from whole requests to what is asked of the broker, with which deadline; every way
 * to be refused. SPDX-License-Identifier: MIT */
#include "api_scene.h"

#include <pthread.h>

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
    ck_assert_uint_eq(call.ask.priority, PROTOCOL_PRIORITY_ONLINE); /* before all jobs */
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
        ck_assert_int_eq(api_once(api, own_lane, &own, &own_call, &own_response), API_ASK);
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
                                  bad_input_is_refused,
                                  a_deep_body_is_refused,
                                  unknown_models_are_told_the_known_ones,
                                  a_long_list_of_models_is_cut,
                                  a_model_that_is_not_ready_says_so,
                                  too_much_is_refused,
                                  before_the_first_catalog_nothing_is_known,
                                  lanes_work_while_the_catalog_changes};
    return SUITE_RUN("api", set_up, tear_down, tests);
}
