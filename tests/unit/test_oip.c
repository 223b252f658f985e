/* test_oip: whole requests of the Open Inference Protocol to whole responses, with the parts of the broker
 * and the supervisor played by the test. What the bodies may hold: test_oip_request.c.
 * SPDX-License-Identifier: MIT */
#include "api_once.h"
#include "clock.h"
#include "errands.h"
#include "example_schema.h"
#include "log.h"
#include "suite.h"

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
static size_t tensor_count;

enum { RECEIVED = 5000000 }; /* nanoseconds, any time long ago */

static bool broker_connected(void *self)
{
    return *(const bool *)self;
}

/* ---- the models ---- */

static struct text encoded(struct schema *schema)
{
    size_t length;
    free(schema->platform);
    schema->platform = object_strdup("onnxruntime_onnx");
    uint8_t *bytes = schema_encode(schema, &length);
    schema_free(schema);
    return (struct text){(const char *)bytes, length};
}

static struct schema *several(void)
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

static struct schema *of(enum datatype datatype, int64_t columns, int64_t more, bool allow_nan)
{
    struct schema *schema = schema_new();
    example_inputs(schema, &(struct example_tensor){"x", datatype, {-1, columns, more}}, 1);
    example_outputs(schema, &(struct example_tensor){"y", datatype, {-1, columns, more}}, 1);
    schema->allow_nan = allow_nan;
    return schema;
}

static void tell_models(void)
{
    struct text none = {NULL, 0};
    struct text three = encoded(example_classifier(3)), many = encoded(several());
    struct text bytes = encoded(of(DATATYPE_BYTES, 1, 0, false)),
                nan = encoded(of(DATATYPE_FP32, 2, 0, true));
    struct text open = encoded(of(DATATYPE_INT16, -1, 2, false)),
                wide = encoded(of(DATATYPE_INT8, -1, -1, false));
    struct text half = encoded(of(DATATYPE_FP16, 2, 0, false)),
                wider = encoded(of(DATATYPE_FP64, 2, 0, false));
    struct text brain = encoded(of(DATATYPE_BF16, 2, 0, false));
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
        {text_of("headless"), text_of("1"), CATALOG_READY, 1, false, true, three, none, none},
        {text_of("empty"), text_of(""), CATALOG_LOADING, 0, false, false, none, none, none},
    };
    api_catalog(api, entries, COUNT_OF(entries));
    free((char *)three.at), free((char *)many.at), free((char *)bytes.at), free((char *)nan.at);
    free((char *)open.at), free((char *)wide.at), free((char *)half.at), free((char *)wider.at),
        free((char *)brain.at);
}

static void set_up(void)
{
    static char nothing[] = "", name[] = "outrigger", level[] = "info";
    log_open("test_oip", "error");
    config = (struct config){.default_model = nothing,
                             .log_level = level,
                             .oip_server_name = name,
                             .oip_server_version = nothing,
                             .oip_load_unload = 1,
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

static enum api_next handle(const char *method, const char *uri, const void *bytes, size_t length,
                            const char *header)
{
    char method_parameter[32], uri_parameter[512];
    snprintf(method_parameter, sizeof method_parameter, "REQUEST_METHOD=%s", method);
    snprintf(uri_parameter, sizeof uri_parameter, "REQUEST_URI=%s", uri);
    const char *parameters[] = {method_parameter, uri_parameter, "HTTP_X_REQUEST_ID=r1", header, NULL};
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

static enum api_next get(const char *uri)
{
    return handle("GET", uri, NULL, 0, NULL);
}

static enum api_next post(const char *uri, const char *text)
{
    return handle("POST", uri, text, strlen(text), NULL);
}

static void body_is(int status, const char *expected)
{
    ck_assert_msg(text_is((struct text){response.body.bytes, response.body.length}, expected), "%.*s, not %s",
                  (int)response.body.length, response.body.bytes, expected);
    ck_assert_int_eq(response.status, status);
    ck_assert_str_eq(response.content_type, "application/json");
    ck_assert_uint_eq(response.json_bytes, 0);
}

static void shows(const char *uri, const char *expected)
{
    ck_assert_int_eq(get(uri), API_RESPOND);
    body_is(200, expected);
}

/* The response is {"error": ...} with these words. */
static void error_is(int status, const char *words)
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

static void refused(const char *uri, const char *text, int status, const char *words)
{
    ck_assert_int_eq(post(uri, text), API_RESPOND);
    error_is(status, words);
}

/* The tensors that the broker would get; the payload is as long as `expected` make it. */
static void asked(const struct tensor *expected, size_t count)
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
static void answer(const struct tensor *given, size_t count, const char *version)
{
    static uint8_t payload[8192];
    size_t bytes = tensors_encode(given, count, payload, sizeof payload, NULL);
    ck_assert_uint_gt(bytes, 0);
    const struct client_answer answer = {
        .version = text_of(version), .payload = payload, .payload_bytes = bytes};
    api_answer(&call, &answer, &response);
}

/* ---- the server and its models ---- */

START_TEST(the_server_is_described)
{
    static const char described[] =
        "{\"name\":\"outrigger\",\"version\":\"" OUTRIGGER_VERSION
        "\",\"extensions\":[\"classification\",\"model_repository\",\"model_repository(unload_dependents)\","
        "\"schedule_policy\",\"model_configuration\",\"binary_tensor_data\",\"parameters\",\"statistics\","
        "\"trace\",\"logging\"]}";
    shows("/v2", described);
    shows("/v2/", described);
    shows("/v2?a=b", described);
    static char name[] = "a \"b\"", version[] = "7";
    config.oip_server_name = name;
    config.oip_server_version = version;
    ck_assert_int_eq(get("/v2"), API_RESPOND);
    ck_assert_int_eq(strncmp(response.body.bytes, "{\"name\":\"a \\\"b\\\"\",\"version\":\"7\",", 31), 0);
    shows("/v2/health/live", "{\"live\":true}");
}
END_TEST

START_TEST(readiness)
{
    ck_assert_int_eq(get("/v2/health/ready"), API_RESPOND);
    error_is(503, "models.headless: no version takes requests");
    ck_assert_uint_eq(response.retry_after, 1);
    struct text three = encoded(example_classifier(3));
    const struct catalog_entry entry = {text_of("three"), text_of("1"), CATALOG_READY, 1, true, true, three,
                                        {NULL, 0},        {NULL, 0}};
    api_catalog(api, &entry, 1);
    free((char *)three.at);
    shows("/v2/health/ready", "{\"ready\":true,\"live\":true}");
    connected = false;
    ck_assert_int_eq(get("/v2/health/ready"), API_RESPOND);
    error_is(503, "broker: is not connected");
}
END_TEST

START_TEST(models_are_described)
{
    shows("/v2/models", "{\"models\":[\"brain\",\"bytes\",\"empty\",\"failed\",\"half\",\"headless\","
                        "\"loading\",\"nan\",\"open\","
                        "\"several\",\"three\",\"wide\",\"wider\"]}");
    static const char three[] = "{\"name\":\"three\",\"versions\":[\"1\",\"v10\"],\"platform\":\"onnxruntime_"
                                "onnx\",\"inputs\":[{\"name\":\"x\","
                                "\"datatype\":\"FP32\",\"shape\":[-1,3]}],\"outputs\":[{\"name\":\"label\","
                                "\"datatype\":\"INT64\",\"shape\":[-1]},"
                                "{\"name\":\"probabilities\",\"datatype\":\"FP32\",\"shape\":[-1,2]}]}";
    shows("/v2/models/three", three);
    shows("/v2/models/three/versions/v10?x", three);
    shows("/v2/models/thre%65/versions/1", three);
    shows("/v2/models/three/ready", "{\"name\":\"three\",\"ready\":true}");
    shows("/v2/models/three/versions/v10/ready", "{\"name\":\"three\",\"ready\":true}");
    shows("/v2/models/three/config", "{\"name\":\"three\",\"platform\":\"onnxruntime_onnx\",\"backend\":"
                                     "\"onnxruntime\",\"version_policy\":{\"latest\":"
                                     "{\"num_versions\":1}},\"max_batch_size\":100,\"input\":[{\"name\":"
                                     "\"x\",\"data_type\":\"TYPE_FP32\",\"dims\":[3],"
                                     "\"format\":\"FORMAT_NONE\",\"optional\":false}],\"output\":[{\"name\":"
                                     "\"label\",\"data_type\":\"TYPE_INT64\","
                                     "\"dims\":[],\"label_filename\":\"\"},{\"name\":\"probabilities\","
                                     "\"data_type\":\"TYPE_FP32\",\"dims\":[2],"
                                     "\"label_filename\":\"\"}],\"instance_group\":[{\"name\":\"three\","
                                     "\"kind\":\"KIND_CPU\",\"count\":2}],\"dynamic_"
                                     "batching\":{},\"parameters\":{},\"model_warmup\":[]}");
    ck_assert_int_eq(get("/v2/models/bytes/config"), API_RESPOND);
    output_add_char(&response.body, '\0');
    ck_assert_ptr_nonnull(strstr(response.body.bytes, "\"data_type\":\"TYPE_STRING\",\"dims\":[1]"));
}
END_TEST

START_TEST(what_is_not_there_is_told_in_the_words_that_clients_look_for)
{
    static const struct {
        const char *uri;
        int status;
        const char *words;
    } cases[] = {
        {"/v2/models/nix", 404, "Request for unknown model: 'nix' is not found"},
        {"/v2/models/nix/ready", 404, "Request for unknown model: 'nix' is not found"},
        {"/v2/models/nix/config", 404, "Request for unknown model: 'nix' is not found"},
        {"/v2/models/three/versions/9", 404, "Request for unknown model: 'three' version 9 is not found"},
        {"/v2/models/loading", 503, "Request for unknown model: 'loading' version 1 is not at ready state"},
        {"/v2/models/loading/ready", 503, "Request for unknown model: 'loading' version 1 is not at ready"},
        {"/v2/models/failed/ready", 503, "Model version not ready"},
        {"/v2/models/headless", 404, "Request for unknown model: 'headless' has no available versions"},
        {"/v2/models/empty", 404, "Request for unknown model: 'empty' has no available versions"},
        {"/v2/models/nix/stats", 400, "requested model 'nix' is not available"},
        {"/v2/models/three/versions/9/stats", 400,
         "requested model version is not available for model 'three'"},
        {"/v2/models/nix/trace/setting", 404, "Request for unknown model : nix"},
        {"/v2/systemsharedmemory/region/r/status", 404, "Unable to find shared memory region: 'r'"},
        {"/v2/nothing", 404, "Not Found"},
        {"/v2/models/three/", 404, "Not Found"},
        {"/v2/models/three/infer", 405, "Method Not Allowed"},
        {"/v2/repository/index", 405, "Method Not Allowed"},
        {"/v2/models/a%2fb", 400, "encoded slash"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_int_eq(get(cases[i].uri), API_RESPOND);
        error_is(cases[i].status, cases[i].words);
    }
    ck_assert_int_eq(get("/v2x"), API_RESPOND);
    ck_assert_str_eq(response.content_type, "application/problem+json");
}
END_TEST

/* ---- inference ---- */

START_TEST(a_request_of_json_is_asked)
{
    static const float values[] = {1, 2, 3, 4, 5, 6};
    const struct tensor expected[] = {TENSOR("x", DATATYPE_FP32, values, 2, 3)};
    static const char *const data[] = {"[1,2,3,4,5,6]", "[[1,2,3],[4,5,6.0]]", "[[[1,2],3],[4,[5]],6]"};
    for (size_t i = 0; i < COUNT_OF(data); i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "{\"inputs\":[{\"name\":\"x\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":%s}],"
                 "\"parameters\":{\"key\":\"k\",\"timeout\":2000,\"priority\":1}}",
                 data[i]);
        ck_assert_int_eq(post("/v2/models/three/infer?x=1", text), API_ASK);
        asked(expected, 1);
        ck_assert(text_is(call.ask.model, "three") && text_is(call.ask.key, "k"));
        ck_assert(call.ask.version.length == 0 && call.ask.rows == 2 && call.ask.priority == 9);
        ck_assert_int_eq(call.ask.deadline, RECEIVED + 2 * MILLISECOND);
    }
}
END_TEST

#define THREE "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]}]}"

START_TEST(routes_and_deadlines_hold_as_in_the_other_api)
{
    ck_assert_int_eq(post("/v2/models/three/versions/v10/infer", THREE), API_ASK);
    ck_assert(text_is(call.ask.version, "v10") && !call.ask.version_optional);
    ck_assert_int_eq(call.ask.deadline, RECEIVED + 10 * SECOND);
    ck_assert_int_eq(handle("POST", "/v2/models/three/infer", THREE, strlen(THREE), "HTTP_X_SEGMENT=beta"),
                     API_ASK);
    ck_assert(text_is(call.ask.version, "v10") && call.ask.version_optional);
    ck_assert_int_eq(handle("POST", "/v2/models/three/infer", THREE, strlen(THREE), "HTTP_X_API_KEY=me"),
                     API_ASK);
    ck_assert_uint_eq(call.ask.tenant, http_hash("me"));
}
END_TEST

/* Inputs in another order than the model's, some as JSON and some behind it. */
static const char mixed[] = "{\"id\":\"m "
                            "1\",\"inputs\":[{\"name\":\"D\",\"shape\":[2],\"datatype\":\"UINT64\",\"data\":["
                            "18446744073709551615,0]},"
                            "{\"name\":\"C\",\"shape\":[2,3],\"datatype\":\"BOOL\",\"parameters\":{\"binary_"
                            "data_size\":6}},{\"name\":\"B\",\"shape\":["
                            "2,1],\"datatype\":\"BYTES\",\"data\":[[\"\\u00e9\"],[\"\"]]},{\"name\":\"A\","
                            "\"shape\":[2,2],\"datatype\":\"FP32\","
                            "\"parameters\":{\"binary_data_size\":16}}]}";

static enum api_next post_with(const char *uri, const char *json, const void *more, size_t more_length)
{
    static char bytes[8192];
    char header[64];
    size_t length = strlen(json);
    snprintf(header, sizeof header, "HTTP_INFERENCE_HEADER_CONTENT_LENGTH=%zu", length);
    memcpy(bytes, json, length);
    memcpy(bytes + length, more, more_length);
    return handle("POST", uri, bytes, length + more_length, header);
}

START_TEST(several_inputs_are_asked_in_the_order_of_the_model)
{
    static const float a[] = {1, -2, 3.5F, 4};
    static const char b[10] = "\x02\0\0\0\xc3\xa9\0\0\0\0";
    static const uint8_t c[] = {1, 0, 0, 1, 1, 0};
    static const uint64_t d[] = {UINT64_MAX, 0};
    const struct tensor expected[] = {
        TENSOR("A", DATATYPE_FP32, a, 2, 2), TENSOR("B", DATATYPE_BYTES, b, 2, 1),
        TENSOR("C", DATATYPE_BOOL, c, 2, 3), TENSOR("D", DATATYPE_UINT64, d, 2)};
    char more[22];
    memcpy(more, c, 6);
    memcpy(more + 6, a, 16);
    static char json[1024];
    snprintf(json, sizeof json, "%.*s,\"parameters\":{\"binary_data_output\":true}}", (int)strlen(mixed) - 1,
             mixed);
    ck_assert_int_eq(post_with("/v2/models/several/infer", json, more, sizeof more), API_ASK);
    asked(expected, 4);
    ck_assert_int_eq(post_with("/v2/models/several/infer", json, more, sizeof more - 1), API_RESPOND);
    error_is(400, "unexpected size for input 'A', expecting 1 additional bytes for model 'several'");
    more[3] = 2;
    ck_assert_int_eq(post_with("/v2/models/several/infer", json, more, sizeof more), API_RESPOND);
    error_is(400, "input 'C': element 3 is neither 0 nor 1");
}
END_TEST

/* ---- what does not fit the model ---- */

START_TEST(what_does_not_fit_is_told_in_the_words_that_clients_look_for)
{
    static const struct {
        const char *model, *input, *words;
    } cases[] = {
        {"three", "\"name\":\"X\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]",
         "unexpected inference input 'X' for model 'three'"},
        {"three", "\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"INT32\",\"data\":[1,2,3]",
         "inference input 'x' data-type is 'INT32', but model 'three' expects 'FP32'"},
        {"three", "\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"NIX\",\"data\":[1,2,3]",
         "inference input 'x' data-type is 'NIX', but model 'three' expects 'FP32'"},
        {"three", "\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\",\"data\":[1,2,3,4]",
         "unexpected shape for input 'x' for model 'three'. Expected [-1,3], got [1,4]. "},
        {"three", "\"name\":\"x\",\"shape\":[3],\"datatype\":\"FP32\",\"data\":[1,2,3]",
         "unexpected shape for input 'x' for model 'three'. Expected [-1,3], got [3]. "},
        {"three", "\"name\":\"x\",\"shape\":[0,3],\"datatype\":\"FP32\",\"data\":[]",
         "unexpected shape for input 'x' for model 'three'. Expected [-1,3], got [0,3]. "},
        {"three", "\"name\":\"x\",\"shape\":[101,3],\"datatype\":\"FP32\",\"data\":[]",
         "inference request batch-size must be <= 100 for 'three'"},
        {"three", "\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2]",
         "Failed to parse 'data' field: shape does not match true shape"},
        {"three", "\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3,[4]]",
         "Unable to parse 'data': Shape does not match true shape of 'data' field"},
        {"three", "\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,\"3\"]",
         "Unable to parse 'data' of input 'x': element 2: expected a number, got a string"},
        {"three", "\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[[1],[NaN,3]]",
         "Unable to parse 'data' of input 'x': element 1: "},
        {"three", "\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1e39,2,3]",
         "Unable to parse 'data' of input 'x': element 0: "},
        {"bytes", "\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"BYTES\",\"data\":[\"a\",1]",
         "Unable to parse 'data' of input 'x': element 1: expected a string, got a number"},
        {"half", "\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP16\",\"data\":[1,2]",
         "receiving FP16 data via JSON is not supported. Please use the binary data format for input x"},
        {"brain", "\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"BF16\",\"data\":[1,2]",
         "receiving BF16 data via JSON is not supported. Please use the binary data format for input x"},
        {"open", "\"name\":\"x\",\"shape\":[1,1,2],\"datatype\":\"INT16\",\"data\":[1,40000]",
         "element 1: 40000 does not fit into INT16"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[512], uri[64];
        snprintf(text, sizeof text, "{\"inputs\":[{%s}],\"parameters\":{\"binary_data_output\":true}}",
                 cases[i].input);
        snprintf(uri, sizeof uri, "/v2/models/%s/infer", cases[i].model);
        refused(uri, text, 400, cases[i].words);
    }
    refused(
        "/v2/models/several/infer",
        "{\"inputs\":[{\"name\":\"A\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}],\"parameters\":{"
        "\"binary_data_output\":true}}",
        400,
        "expected 4 inputs but got 1 inputs for model 'several'. Got input(s) ['A'], but missing required "
        "input(s) ['B','C','D']. Please provide all required input(s).");
    char more[14] = {0};
    ck_assert_int_eq(post_with("/v2/models/several/infer",
                               "{\"inputs\":[{\"name\":\"A\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":["
                               "1,2]},{\"name\":\"B\","
                               "\"shape\":[1,1],\"datatype\":\"BYTES\",\"data\":[\"\"]},{\"name\":\"C\","
                               "\"shape\":[2,1],\"datatype\":\"BOOL\","
                               "\"data\":[1,1]},{\"name\":\"D\",\"shape\":[1],\"datatype\":\"UINT64\","
                               "\"data\":[1]}],\"parameters\":{"
                               "\"binary_data_output\":true}}",
                               more, 0),
                     API_RESPOND);
    error_is(400, "input 'C' batch size does not match other inputs for 'several'");
}
END_TEST

START_TEST(binary_tensors_are_measured_and_looked_at)
{
    static const char json[] =
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,%d],\"datatype\":\"%s\",\"parameters\":{\"binary_data_"
        "size\":%zu}}],\"parameters\":{\"binary_data_output\":true}}";
    static const struct {
        const char *model, *datatype;
        int columns;
        const char *bytes;
        size_t length;
        const char *words; /* NULL: it is asked */
    } cases[] = {
        {"three", "FP32", 3, "\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40", 12, NULL},
        {"three", "FP32", 3, "\0\0\x80\x3f\0\0\0\x40\0\0\x40", 11,
         "input byte size mismatch for input 'x' for model 'three'. Expected 12, got 11"},
        {"three", "FP32", 3, "\0\0\x80\x3f\0\0\x80\x7f\0\0\x40\x40", 12,
         "input 'x': element 1 is not a finite"},
        {"three", "FP32", 3, "\0\0\x80\x3f\0\0\x80\x3f\x01\0\xc0\xff", 12,
         "input 'x': element 2 is not a finite"},
        {"nan", "FP32", 2, "\0\0\x80\x7f\x01\0\xc0\xff", 8, NULL},
        {"half", "FP16", 2, "\0\x3c\xff\x7b", 4, NULL},
        {"half", "FP16", 2, "\0\xfc\0\x3c", 4, "input 'x': element 0 is not a finite number"},
        {"brain", "BF16", 2, "\x80\x3f\x7f\x7f", 4, NULL},
        {"brain", "BF16", 2, "\x80\x3f\x81\xff", 4, "input 'x': element 1 is not a finite number"},
        {"brain", "BF16", 2, "\x80\x3f\x7f\x7f", 4, NULL},
        {"brain", "BF16", 2, "\x80\x3f\x81\xff", 4, "input 'x': element 1 is not a finite number"},
        {"wider", "FP64", 2, "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\xf0\x7f", 16,
         "element 1 is not a finite number"},
        {"wider", "FP64", 2, "\0\0\0\0\0\0\xf0\x3f\xff\xff\xff\xff\xff\xff\xef\x7f", 16, NULL},
        {"bytes", "BYTES", 1, "\x03\0\0\0abc", 7, NULL},
        {"bytes", "BYTES", 1, "\x04\0\0\0abc", 7,
         "unexpected elements of inference input 'x' for model 'bytes'"},
        {"bytes", "BYTES", 1, "\x02\0\0\0abc", 7,
         "unexpected elements of inference input 'x' for model 'bytes'"},
        {"bytes", "BYTES", 1, "", 0, "unexpected elements of inference input 'x' for model 'bytes'"},
        {"bytes", "BYTES", 1, "\xff\xff\xff\xff", 4, "unexpected elements of inference input 'x' for model"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[512], uri[64];
        snprintf(text, sizeof text, json, cases[i].columns, cases[i].datatype, cases[i].length);
        snprintf(uri, sizeof uri, "/v2/models/%s/infer", cases[i].model);
        enum api_next next = post_with(uri, text, cases[i].bytes, cases[i].length);
        ck_assert_msg(next == (cases[i].words == NULL ? API_ASK : API_RESPOND), "%zu: %.*s", i,
                      (int)response.body.length, response.body.bytes);
        if (cases[i].words != NULL)
            error_is(400, cases[i].words);
    }
}
END_TEST

START_TEST(what_is_too_large_is_refused)
{
    config.broker_max_message_bytes = 20;
    refused("/v2/models/three/infer", THREE, 413, "bytes of tensors; the limit is 20");
}
END_TEST

/* ---- a body that is one tensor ---- */

static enum api_next post_raw(const char *uri, const void *bytes, size_t length)
{
    return handle("POST", uri, bytes, length, "HTTP_INFERENCE_HEADER_CONTENT_LENGTH=0");
}

START_TEST(a_body_may_be_one_tensor)
{
    static const float three[] = {1, 2, 3};
    const struct tensor floats[] = {TENSOR("x", DATATYPE_FP32, three, 1, 3)};
    ck_assert_int_eq(post_raw("/v2/models/three/infer", three, sizeof three), API_ASK);
    asked(floats, 1);
    static const char text[] = {3, 0, 0, 0, 'a', 0, 'c'};
    const struct tensor bytes[] = {TENSOR("x", DATATYPE_BYTES, text, 1, 1)};
    ck_assert_int_eq(post_raw("/v2/models/bytes/infer", "a\0c", 3), API_ASK);
    asked(bytes, 1);
    static const int16_t six[] = {1, 2, 3, 4, 5, 6};
    const struct tensor open[] = {TENSOR("x", DATATYPE_INT16, six, 1, 3, 2)};
    ck_assert_int_eq(post_raw("/v2/models/open/infer", six, sizeof six), API_ASK);
    asked(open, 1);

    ck_assert_int_eq(post_raw("/v2/models/three/infer", three, 11), API_RESPOND);
    error_is(400, "input byte size mismatch for input 'x' for model 'three'. Expected 12, got 11");
    ck_assert_int_eq(post_raw("/v2/models/open/infer", six, 10), API_RESPOND);
    error_is(400, "input byte size mismatch for input 'x' for model 'open'. Expected 8, got 10");
    ck_assert_int_eq(post_raw("/v2/models/open/infer", six, 1), API_RESPOND);
    error_is(400, "unexpected shape for input 'x'");
    ck_assert_int_eq(post_raw("/v2/models/wide/infer", six, 4), API_RESPOND);
    error_is(400, "The shape of the raw input 'x' can not be deduced because there are more than one "
                  "variable-sized dimension");
    ck_assert_int_eq(post_raw("/v2/models/several/infer", six, 4), API_RESPOND);
    error_is(400, "Raw request must only have 1 input (found 1) to be deduced but got 4 inputs in 'several' "
                  "model configuration");
    ck_assert_int_eq(post_raw("/v2/models/three/infer", "", 0), API_RESPOND);
    error_is(400, "failed to parse the request JSON buffer");
}
END_TEST

START_TEST(a_text_as_a_body_needs_a_model_of_one_text)
{
    struct text two = encoded(of(DATATYPE_BYTES, 2, 0, false));
    const struct catalog_entry entry = {text_of("two"), text_of("1"), CATALOG_READY, 1,        true,
                                        true,           two,          {NULL, 0},     {NULL, 0}};
    api_catalog(api, &entry, 1);
    free((char *)two.at);
    ck_assert_int_eq(post_raw("/v2/models/two/infer", "ab", 2), API_RESPOND);
    error_is(400, "For BYTE datatype raw input 'x', the model must have input shape [1]");
}
END_TEST

/* ---- answers ---- */

static const int64_t labels[] = {1, 0};
static const float probabilities[] = {0.25F, 0.75F, 0.5F, 0.5F};

static void answer_three(void)
{
    const struct tensor given[] = {TENSOR("label", DATATYPE_INT64, labels, 2),
                                   TENSOR("probabilities", DATATYPE_FP32, probabilities, 2, 2)};
    answer(given, 2, "v10");
}

#define TWO_ROWS                                                                                             \
    "{\"id\":\"an "                                                                                          \
    "\\\"id\\\"\",\"inputs\":[{\"name\":\"x\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[1,2,3,4,5,6]}" \
    "]"

START_TEST(an_answer_of_json)
{
    ck_assert_int_eq(post("/v2/models/three/infer", TWO_ROWS "}"), API_ASK);
    answer_three();
    body_is(
        200,
        "{\"id\":\"an "
        "\\\"id\\\"\",\"model_name\":\"three\",\"model_version\":\"v10\",\"outputs\":[{\"name\":\"label\","
        "\"datatype\":\"INT64\",\"shape\":[2],\"data\":[1,0]},{\"name\":\"probabilities\",\"datatype\":"
        "\"FP32\","
        "\"shape\":[2,2],\"data\":[0.25,0.75,0.5,0.5]}]}");
    ck_assert(!api_answer_is_copy(&call));
    api_count(api, &call, &response);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_PREDICTIONS, "three", "v10", NULL)->value, 2);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_HTTP_REQUESTS, "v2_infer", "200", NULL)->value, 1);
}
END_TEST

START_TEST(an_answer_of_tensors)
{
    static const char json[] = "{\"id\":\"an "
                               "\\\"id\\\"\",\"model_name\":\"three\",\"model_version\":\"v10\",\"outputs\":["
                               "{\"name\":\"probabilities\","
                               "\"datatype\":\"FP32\",\"shape\":[2,2],\"parameters\":{\"binary_data_size\":"
                               "16}},{\"name\":\"label\",\"datatype\":"
                               "\"INT64\",\"shape\":[2],\"parameters\":{\"binary_data_size\":16}}]}";
    ck_assert_int_eq(post("/v2/models/three/infer", TWO_ROWS
                          ",\"outputs\":[{\"name\":\"probabilities\",\"parameters\":{\"binary_data\":true}},{"
                          "\"name\":\"label\",\"parameters\":{\"binary_data\":true}}]}"),
                     API_ASK);
    ck_assert(api_answer_is_copy(&call));
    answer_three();
    ck_assert_str_eq(response.content_type, "application/octet-stream");
    ck_assert_uint_eq(response.json_bytes, strlen(json));
    ck_assert_uint_eq(response.body.length, strlen(json) + 32);
    ck_assert_mem_eq(response.body.bytes, json, strlen(json));
    ck_assert_mem_eq(response.body.bytes + strlen(json), probabilities, 16);
    ck_assert_mem_eq(response.body.bytes + strlen(json) + 16, labels, 16);
    char head[HTTP_HEAD_MAX];
    head[http_response_head(&response, head)] = '\0';
    char line[64];
    snprintf(line, sizeof line, "\r\nInference-Header-Content-Length: %zu\r\n", strlen(json));
    ck_assert_ptr_nonnull(strstr(head, line));
}
END_TEST

START_TEST(an_output_may_say_itself_that_it_is_json)
{
    ck_assert_int_eq(post("/v2/models/three/infer", TWO_ROWS
                          ",\"parameters\":{\"binary_data_output\":true},\"outputs\":[{\"name\":\"label\","
                          "\"parameters\":{\"binary_data\":false}}]}"),
                     API_ASK);
    answer_three();
    body_is(
        200,
        "{\"id\":\"an "
        "\\\"id\\\"\",\"model_name\":\"three\",\"model_version\":\"v10\",\"outputs\":[{\"name\":\"label\","
        "\"datatype\":\"INT64\",\"shape\":[2],\"data\":[1,0]}]}");
}
END_TEST

START_TEST(classes_are_the_largest_values_of_each_row)
{
    ck_assert_int_eq(post("/v2/models/three/infer", TWO_ROWS
                          ",\"outputs\":[{\"name\":\"probabilities\",\"parameters\":{\"classification\":2}},{"
                          "\"name\":\"label\",\"parameters\":{\"classification\":9,\"binary_data\":true}}]}"),
                     API_ASK);
    answer_three();
    static const char json[] = "{\"id\":\"an "
                               "\\\"id\\\"\",\"model_name\":\"three\",\"model_version\":\"v10\",\"outputs\":["
                               "{\"name\":\"probabilities\","
                               "\"datatype\":\"BYTES\",\"shape\":[2,2],\"data\":[\"0.750000:1:yes\",\"0."
                               "250000:0:no\",\"0.500000:0:no\",\"0.500000:1:"
                               "yes\"]},{\"name\":\"label\",\"datatype\":\"BYTES\",\"shape\":[2,1],"
                               "\"parameters\":{\"binary_data_size\":20}}]}";
    ck_assert_uint_eq(response.json_bytes, strlen(json));
    ck_assert_mem_eq(response.body.bytes, json, strlen(json));
    ck_assert_mem_eq(response.body.bytes + strlen(json),
                     "\x06\0\0\0"
                     "1:0:no\x06\0\0\0"
                     "0:0:no",
                     20);
}
END_TEST

START_TEST(numbers_that_are_none_have_names)
{
    static const float odd[] = {__builtin_nanf(""), -__builtin_inff(), __builtin_inff(), 1e-30F};
    static const char json[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":["
                               "NaN,-Infinity,Infinity,1e-30]}]%s}";
    char text[512];
    snprintf(text, sizeof text, json, "");
    ck_assert_int_eq(post("/v2/models/nan/infer", text), API_ASK);
    const struct tensor given[] = {TENSOR("y", DATATYPE_FP32, odd, 2, 2)};
    answer(given, 1, "1");
    body_is(200, "{\"model_name\":\"nan\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"y\",\"datatype\":"
                 "\"FP32\",\"shape\":[2,"
                 "2],\"data\":[NaN,-Infinity,Infinity,1e-30]}]}");
    snprintf(text, sizeof text, json,
             ",\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":1}}]");
    ck_assert_int_eq(post("/v2/models/nan/infer", text), API_ASK);
    answer(given, 1, "1");
    body_is(200, "{\"model_name\":\"nan\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"y\",\"datatype\":"
                 "\"BYTES\",\"shape\":[2,"
                 "1],\"data\":[\"-inf:1\",\"inf:0\"]}]}");
}
END_TEST

START_TEST(outputs_that_cannot_be_had_are_refused_before_anything_is_computed)
{
    static const char inputs[] = "{\"inputs\":[{\"name\":\"A\",\"shape\":[1,2],\"datatype\":\"FP32\","
                                 "\"data\":[1,2]},{\"name\":\"B\",\"shape\":[1,1],"
                                 "\"datatype\":\"BYTES\",\"data\":[\"b\"]},{\"name\":\"C\",\"shape\":[1,1],"
                                 "\"datatype\":\"BOOL\",\"data\":[true]},{"
                                 "\"name\":\"D\",\"shape\":[1],\"datatype\":\"UINT64\",\"data\":[1]}]%s}";
    static const struct {
        const char *outputs, *words; /* NULL: it is asked */
    } cases[] = {
        {"", "sending FP16 data via JSON is not supported. Please use the binary data format for output R"},
        {",\"parameters\":{\"binary_data_output\":true}", NULL},
        {",\"outputs\":[]", "sending FP16 data via JSON is not supported"},
        {",\"outputs\":[{\"name\":\"P\"}]", NULL},
        {",\"outputs\":[{\"name\":\"R\"}]", "sending FP16 data via JSON is not supported"},
        {",\"outputs\":[{\"name\":\"R\",\"parameters\":{\"classification\":1}}]", NULL},
        {",\"outputs\":[{\"name\":\"P\"},{\"name\":\"S\"}]",
         "unexpected inference output 'S' for model 'several'"},
        {",\"outputs\":[{\"name\":\"Q\",\"parameters\":{\"classification\":1}}]",
         "class result not available for output 'Q' due to unsupported type 'BYTES'"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[1024];
        snprintf(text, sizeof text, inputs, cases[i].outputs);
        enum api_next next = post("/v2/models/several/infer", text);
        ck_assert_msg(next == (cases[i].words == NULL ? API_ASK : API_RESPOND), "%s", cases[i].outputs);
        if (cases[i].words != NULL)
            error_is(400, cases[i].words);
    }
}
END_TEST

START_TEST(answers_that_make_no_sense_are_our_fault)
{
    const struct tensor only[] = {TENSOR("label", DATATYPE_INT64, labels, 2)};
    ck_assert_int_eq(post("/v2/models/three/infer", TWO_ROWS ",\"outputs\":[{\"name\":\"probabilities\"}]}"),
                     API_ASK);
    client_request_discard(api_call_take(&call));
    answer(only, 1, "1");
    error_is(500, "something went wrong inside the service");
    ck_assert_int_eq(post("/v2/models/three/infer", THREE), API_ASK);
    client_request_discard(api_call_take(&call));
    answer(only, 1, "1");
    error_is(500, "something went wrong inside the service");
}
END_TEST

START_TEST(failures_have_the_words_that_clients_look_for)
{
    static const struct {
        enum failure failure;
        int status;
        const char *words;
    } cases[] = {{FAILURE_OVERLOADED, 503, "Exceeds maximum queue size"},
                 {FAILURE_DEADLINE, 504, "Request timeout expired"},
                 {FAILURE_NOT_READY, 503, "why"},
                 {FAILURE_POISON, 422, "workers died of this input"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_int_eq(post("/v2/models/three/infer", THREE), API_ASK);
        client_request_discard(api_call_take(&call));
        api_answer(&call, &(struct client_answer){.failure = cases[i].failure, .message = text_of("why")},
                   &response);
        error_is(cases[i].status, cases[i].words);
    }
}
END_TEST

/* ---- the repository ---- */

START_TEST(the_index_tells_every_version)
{
    ck_assert_int_eq(post("/v2/repository/index", "{\"ready\":false}"), API_RESPOND);
    output_add_char(&response.body, '\0');
    ck_assert_ptr_nonnull(strstr(
        response.body.bytes,
        "{\"name\":\"bytes\",\"version\":\"1\",\"state\":\"READY\",\"reason\":\"\"},{\"name\":\"empty\","
        "\"state\":\"UNAVAILABLE\",\"reason\":\"unloaded\"},{\"name\":\"failed\",\"version\":\"1\","
        "\"state\":\"UNAVAILABLE\",\"reason\":\"no \\\"file\\\"\"},"));
    ck_assert_ptr_nonnull(
        strstr(response.body.bytes, "{\"name\":\"loading\",\"version\":\"1\",\"state\":\"LOADING\""));
    ck_assert_ptr_nonnull(
        strstr(response.body.bytes, "{\"name\":\"three\",\"version\":\"v10\",\"state\":\"READY\""));
    ck_assert_int_eq(post("/v2/repository/index", "{\"ready\":true}"), API_RESPOND);
    output_add_char(&response.body, '\0');
    ck_assert_ptr_null(strstr(response.body.bytes, "failed"));
    ck_assert_ptr_null(strstr(response.body.bytes, "empty"));
    ck_assert_ptr_nonnull(strstr(response.body.bytes, "three"));
    ck_assert_int_eq(post("/v2/repository/index", ""), API_RESPOND);
    ck_assert_int_eq(response.status, 200);
    refused("/v2/repository/index", "{\"ready\":1}", 400, "Invalid value for 'ready': expected a boolean");
    refused("/v2/repository/index", "{", 400, "failed to parse the request JSON buffer");
    refused("/v2/repository/other/index", "", 501, "'repository_name' specification is not supported");
    refused("/v2/repository/other/models/three/load", "", 501, "'repository_name' specification");
}
END_TEST

/* The supervisor (or the broker) says this; NULL: nothing. */
static enum api_next told(const char *json)
{
    yyjson_doc *document = json == NULL ? NULL : yyjson_read(json, strlen(json), 0);
    enum api_next next = api_errand_done(api, &call, yyjson_doc_get_root(document), &response);
    yyjson_doc_free(document);
    return next;
}

static const char *line(void)
{
    return api_call_errand(&call)->line;
}

/* A call that came just now: errands have deadlines. */
static enum api_next order(const char *uri, const char *text)
{
    enum api_next next = post(uri, text);
    ck_assert_int_eq(next, API_ERRAND);
    ck_assert_int_eq(api_call_errand(&call)->deadline, RECEIVED + 10 * SECOND);
    struct errand *errand = (struct errand *)(void *)api_call_errand(&call);
    errand->deadline = clock_now() + 60 * SECOND;
    return next;
}

START_TEST(loading_is_followed_until_it_is_done)
{
    order("/v2/repository/models/three/load", "{\"parameters\":{}}");
    ck_assert_int_eq(api_call_errand(&call)->kind, ERRAND_ORDER);
    ck_assert_str_eq(line(), "{\"command\":\"load\",\"model\":\"three\"}");
    ck_assert_int_eq(told("{\"ok\":true,\"id\":7}"), API_ERRAND);
    ck_assert_str_eq(line(), "{\"command\":\"progress\",\"id\":7,\"from\":2147483647}");
    ck_assert_int_gt(api_call_errand(&call)->not_before, RECEIVED);
    ck_assert_int_eq(told("{\"ok\":true,\"lines\":[],\"done\":false}"), API_ERRAND);
    ck_assert_int_eq(told(NULL), API_ERRAND); /* another supervisor comes */
    ck_assert_int_eq(told("{\"ok\":true,\"lines\":[],\"done\":true}"), API_RESPOND);
    body_is(200, "{\"name\":\"three\",\"load\":true}");
}
END_TEST

START_TEST(unloading_ends_when_we_have_heard_of_it)
{
    order("/v2/repository/models/three/unload", "");
    ck_assert_str_eq(line(), "{\"command\":\"unload\",\"model\":\"three\"}");
    ck_assert_int_eq(told("{\"ok\":true,\"id\":8}"), API_ERRAND);
    ck_assert_int_eq(told("{\"ok\":true,\"done\":true}"), API_ERRAND); /* the catalog still has it */
    ck_assert_int_eq(told(NULL), API_ERRAND);
    api_catalog(api, NULL, 0);
    ck_assert_int_eq(told("{\"ok\":true,\"done\":true}"), API_RESPOND);
    body_is(200, "{\"name\":\"three\",\"unload\":true}");
}
END_TEST

START_TEST(loading_may_fail)
{
    order("/v2/repository/models/nix/load", "");
    ck_assert_int_eq(told("{\"ok\":false,\"error\":\"there is no model nix\"}"), API_RESPOND);
    error_is(400, "failed to load 'nix', there is no model nix");
    order("/v2/repository/models/three/load", "");
    ck_assert_int_eq(told("{\"ok\":true,\"id\":7}"), API_ERRAND);
    ck_assert_int_eq(told("{\"ok\":true,\"done\":true,\"failure\":\"it does not start\"}"), API_RESPOND);
    error_is(500, "failed to load 'three', it does not start");
    order("/v2/repository/models/three/unload", "");
    ck_assert_int_eq(told(NULL), API_RESPOND);
    error_is(503, "failed to unload 'three', the supervisor cannot be reached");
    ck_assert_int_eq(post("/v2/repository/models/three/load", ""), API_ERRAND); /* long ago */
    ck_assert_int_eq(told(NULL), API_RESPOND);
    error_is(504, "failed to load 'three', it is still under way");
}
END_TEST

START_TEST(loading_takes_no_files_and_may_be_forbidden)
{
    refused("/v2/repository/models/three/load", "{\"parameters\":{\"config\":\"{}\"}}", 501,
            "'config' is not supported");
    refused("/v2/repository/models/three/load", "{\"parameters\":{\"file:1/model.onnx\":\"\"}}", 501,
            "'file:1/model.onnx' is not supported");
    refused("/v2/repository/models/three/load", "{\"parameters\":[]}", 400, "Unable to parse 'parameters'");
    refused("/v2/repository/models/three/load", "7", 400, "failed to parse the request JSON buffer");
    order("/v2/repository/models/three/unload", "{\"parameters\":{\"unload_dependents\":true}}");
    config.oip_load_unload = 0;
    refused("/v2/repository/models/three/load", "", 503, "explicit model load / unload is not allowed");
}
END_TEST

/* ---- statistics ---- */

START_TEST(statistics_have_every_key)
{
    static const char broker[] = "{\"ok\":true,\"models\":[{\"model\":\"three\",\"version\":\"1\",\"caches\":"
                                 "true,\"last_ms\":1700000000000,\"rows\":9,"
                                 "\"batches\":4,\"success\":[5,50],\"fail\":[1,10],\"shared\":[2,3],"
                                 "\"queue\":[3,30],\"handed\":[3,31],\"computed\":[3,"
                                 "32],\"sizes\":[[2,3,6,7],[3,1,8,9]]},{\"model\":\"three\",\"version\":"
                                 "\"v10\",\"sizes\":[]},{\"model\":\"other\","
                                 "\"version\":\"1\",\"sizes\":[]},7]}";
    ck_assert_int_eq(get("/v2/models/three/versions/1/stats"), API_ERRAND);
    ck_assert_int_eq(api_call_errand(&call)->kind, ERRAND_STATISTICS);
    ck_assert_int_eq(told(broker), API_RESPOND);
    body_is(200, "{\"model_stats\":[{\"name\":\"three\",\"version\":\"1\",\"last_inference\":1700000000000,"
                 "\"inference_count\":9,"
                 "\"execution_count\":4,\"inference_stats\":{\"success\":{\"count\":5,\"ns\":50},\"fail\":{"
                 "\"count\":1,\"ns\":10},"
                 "\"queue\":{\"count\":3,\"ns\":30},\"compute_input\":{\"count\":3,\"ns\":31},\"compute_"
                 "infer\":{\"count\":3,\"ns\":32},"
                 "\"compute_output\":{\"count\":3,\"ns\":0},\"cache_hit\":{\"count\":2,\"ns\":3},\"cache_"
                 "miss\":{\"count\":3,\"ns\":0}},"
                 "\"response_stats\":{},\"batch_stats\":[{\"batch_size\":2,\"compute_input\":{\"count\":3,"
                 "\"ns\":6},\"compute_infer\":{"
                 "\"count\":3,\"ns\":7},\"compute_output\":{\"count\":3,\"ns\":0}},{\"batch_size\":3,"
                 "\"compute_input\":{\"count\":1,\"ns\":"
                 "8},\"compute_infer\":{\"count\":1,\"ns\":9},\"compute_output\":{\"count\":1,\"ns\":0}}],"
                 "\"memory_usage\":[]}]}");
    static const struct {
        const char *uri;
        size_t count;
    } cases[] = {{"/v2/models/three/stats", 2}, {"/v2/models/stats", 3}, {"/v2/models/several/stats", 0}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_int_eq(get(cases[i].uri), API_ERRAND);
        ck_assert_int_eq(told(broker), API_RESPOND);
        yyjson_doc *document = yyjson_read(response.body.bytes, response.body.length, 0);
        yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(document), "model_stats");
        ck_assert(yyjson_is_arr(list) && yyjson_arr_size(list) == cases[i].count);
        yyjson_doc_free(document);
    }
    ck_assert_int_eq(get("/v2/models/stats"), API_ERRAND);
    ck_assert_int_eq(told(NULL), API_RESPOND);
    error_is(503, "the statistics are not there at the moment");
}
END_TEST

/* ---- settings ---- */

static void posts(const char *uri, const char *text, const char *expected)
{
    ck_assert_int_eq(post(uri, text), API_RESPOND);
    body_is(200, expected);
}

START_TEST(settings_are_told_and_not_changed)
{
    static const char trace[] =
        "{\"trace_file\":\"\",\"trace_level\":[\"OFF\"],\"trace_rate\":\"1000\",\"trace_count\":\"-1\",\"log_"
        "frequency\":\"0\",\"trace_mode\":\"triton\"}";
    static const char logging[] =
        "{\"log_file\":\"\",\"log_info\":true,\"log_warning\":true,\"log_error\":true,\"log_verbose_"
        "level\":0,\"log_format\":\"default\"}";
    shows("/v2/trace/setting", trace);
    shows("/v2/models/three/trace/setting", trace);
    shows("/v2/logging", logging);
    posts("/v2/trace/setting", "{\"trace_level\":[\"OFF\"],\"trace_rate\":null}", trace);
    posts("/v2/models/three/trace/setting", "", trace);
    posts("/v2/logging", "{\"log_info\":true,\"log_verbose_level\":0}", logging);
    refused("/v2/trace/setting", "{\"trace_file\":\"/x\"}", 501,
            "trace file location can not be updated through network protocol");
    refused("/v2/trace/setting", "{\"trace_level\":[\"TIMESTAMPS\"]}", 501, "can not be updated");
    refused("/v2/logging", "{\"log_file\":\"/x\"}", 501,
            "log file location can not be updated through network protocol");
    refused("/v2/logging", "{\"log_verbose_level\":1}", 501, "can not be updated");
    refused("/v2/logging", "{\"log_colour\":1}", 400, "there is no setting 'log_colour'");
    refused("/v2/logging", "[]", 400, "expected an object");
    static char level[] = "error";
    config.log_level = level;
    shows("/v2/logging", "{\"log_file\":\"\",\"log_info\":false,\"log_warning\":false,\"log_error\":true,"
                         "\"log_verbose_level\":0,"
                         "\"log_format\":\"default\"}");
}
END_TEST

START_TEST(what_is_not_supported_is_said_so)
{
    shows("/v2/systemsharedmemory/status", "[]");
    shows("/v2/cudasharedmemory/status", "[]");
    posts("/v2/systemsharedmemory/unregister", "", "{}");
    posts("/v2/cudasharedmemory/region/r/unregister", "", "{}");
    refused("/v2/systemsharedmemory/region/r/register", "{\"key\":\"/k\",\"offset\":0,\"byte_size\":4}", 501,
            "shared memory is not supported");
    refused("/v2/cudasharedmemory/region/r/register", "{}", 501, "shared memory is not supported");
    refused("/v2/models/three/generate", "{\"text_input\":\"x\"}", 501, "generate is not supported");
    refused("/v2/models/three/versions/1/generate_stream", "{}", 501, "generate is not supported");
}
END_TEST

START_TEST(nothing_is_known_yet)
{
    api_free(api);
    api = api_new(&(struct api_context){
        .config = &config, .metrics = metrics, .broker_connected = broker_connected, .self = &connected});
    shows("/v2/health/live", "{\"live\":true}");
    static const char *const uris[] = {"/v2/models", "/v2/models/three", "/v2/models/stats",
                                       "/v2/health/ready"};
    for (size_t i = 0; i < COUNT_OF(uris); i++) {
        ck_assert_int_eq(get(uris[i]), API_RESPOND);
        error_is(503, "known");
    }
    refused("/v2/models/three/infer", THREE, 503, "the service is starting");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_server_is_described,
        readiness,
        models_are_described,
        what_is_not_there_is_told_in_the_words_that_clients_look_for,
        a_request_of_json_is_asked,
        routes_and_deadlines_hold_as_in_the_other_api,
        several_inputs_are_asked_in_the_order_of_the_model,
        what_does_not_fit_is_told_in_the_words_that_clients_look_for,
        binary_tensors_are_measured_and_looked_at,
        what_is_too_large_is_refused,
        a_body_may_be_one_tensor,
        a_text_as_a_body_needs_a_model_of_one_text,
        an_answer_of_json,
        an_answer_of_tensors,
        an_output_may_say_itself_that_it_is_json,
        classes_are_the_largest_values_of_each_row,
        numbers_that_are_none_have_names,
        outputs_that_cannot_be_had_are_refused_before_anything_is_computed,
        answers_that_make_no_sense_are_our_fault,
        failures_have_the_words_that_clients_look_for,
        the_index_tells_every_version,
        loading_is_followed_until_it_is_done,
        unloading_ends_when_we_have_heard_of_it,
        loading_may_fail,
        loading_takes_no_files_and_may_be_forbidden,
        statistics_have_every_key,
        settings_are_told_and_not_changed,
        what_is_not_supported_is_said_so,
        nothing_is_known_yet,
    };
    return SUITE_RUN("oip", set_up, tear_down, tests);
}
