/* test_oip: what the Open Inference Protocol tells of the server and its models, the repository, statistics,
 * settings. SPDX-License-Identifier: MIT */
#include "oip_scene.h"

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
    struct text three = encoded(example_classifier(3)), none = {NULL, 0};
    const struct catalog_entry entries[] = {
        {text_of("three"), text_of("1"), CATALOG_READY, 1, true, true, three, none, none},
        {text_of("unloaded"), text_of("1"), CATALOG_FAILED, 0, true, true, three, text_of(CATALOG_UNLOADED),
         none}};
    api_catalog(api, entries, COUNT_OF(entries));
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
                        "\"several\",\"three\",\"unloaded\",\"wide\",\"wider\"]}");
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
    shows("/v2/models/three/config",
          "{\"name\":\"three\",\"platform\":\"onnxruntime_onnx\",\"backend\":"
          "\"onnxruntime\",\"version_policy\":{\"latest\":"
          "{\"num_versions\":1}},\"max_batch_size\":100,\"input\":[{\"name\":"
          "\"x\",\"data_type\":\"TYPE_FP32\",\"dims\":[3],"
          "\"format\":\"FORMAT_NONE\",\"optional\":false}],\"output\":[{\"name\":"
          "\"label\",\"data_type\":\"TYPE_INT64\","
          "\"dims\":[1],\"reshape\":{\"shape\":[]},\"label_filename\":\"\"},{\"name\":\"probabilities\","
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
        {"/v2/models/unloaded/ready", 503, "Model version not ready"},
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
    ck_assert_ptr_nonnull(strstr(response.body.bytes, "{\"name\":\"unloaded\",\"version\":\"1\",\"state\":"
                                                      "\"UNAVAILABLE\",\"reason\":\"unloaded\"}"));
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
    error_is(500, "failed to load 'nix', there is no model nix");
    order("/v2/repository/models/nix/unload", "");
    ck_assert_int_eq(told("{\"ok\":false,\"error\":\"there is no model nix\"}"), API_RESPOND);
    error_is(400, "failed to unload 'nix', there is no model nix");
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
    refused("/v2/logging", "{\"log_format\":\"ISO8601\"}", 501, "can not be updated");
    refused("/v2/logging", "{\"log_format\":\"x\"}", 503, "invalid argument for --log_format, got: x");
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
    const TTest *const tests[] = {the_server_is_described,
                                  readiness,
                                  models_are_described,
                                  what_is_not_there_is_told_in_the_words_that_clients_look_for,
                                  the_index_tells_every_version,
                                  loading_is_followed_until_it_is_done,
                                  unloading_ends_when_we_have_heard_of_it,
                                  loading_may_fail,
                                  loading_takes_no_files_and_may_be_forbidden,
                                  statistics_have_every_key,
                                  settings_are_told_and_not_changed,
                                  what_is_not_supported_is_said_so,
                                  nothing_is_known_yet};
    return SUITE_RUN("oip", set_up, tear_down, tests);
}
