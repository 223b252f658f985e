/* test_oip_answers: what comes back from the broker, in JSON and in tensors; every failure in the words that
 * clients look for. SPDX-License-Identifier: MIT */
#include "oip_scene.h"

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
        uint64_t retry_after;
        const char *id, *words;
    } cases[] = {
        {FAILURE_OVERLOADED, 503, 3, "",
         "{\"error\":\"[request id: <id_unknown>] Exceeds maximum queue size\"}\n"},
        {FAILURE_OVERLOADED, 503, 3, "\"id\":\"\",",
         "{\"error\":\"[request id: <id_unknown>] Exceeds maximum queue size\"}\n"},
        {FAILURE_DEADLINE, 503, 3, "\"id\":\"my \\\"id\\\"\",",
         "{\"error\":\"[request id: my \\\"id\\\"] Request timeout expired\"}\n"},
        {FAILURE_NOT_READY, 503, 1, "",
         "{\"error\":\"Request for unknown model: 'three' version 1 is not at ready state\"}\n"},
        {FAILURE_POISON, 422, 3, "", "{\"error\":\"workers died of this input; it is not tried again\"}\n"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256];
        snprintf(text, sizeof text, "{%s%s", cases[i].id, &THREE[1]);
        ck_assert_int_eq(post("/v2/models/three/infer", text), API_ASK);
        client_request_discard(api_call_take(&call));
        const struct client_answer given = {
            .failure = cases[i].failure, .message = text_of("why"), .retry_after_ms = 3000};
        api_answer(&call, &given, &response);
        body_is(cases[i].status, cases[i].words);
        ck_assert_uint_eq(response.retry_after, cases[i].retry_after);
        ck_assert_str_eq(response.kind, failure_label(cases[i].failure));
    }
    char id[400], text[1024];
    memset(id, 'a', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    snprintf(text, sizeof text, "{\"id\":\"%s\",%s", id, &THREE[1]);
    ck_assert_int_eq(post("/v2/models/three/infer", text), API_ASK);
    client_request_discard(api_call_take(&call));
    api_answer(&call, &(struct client_answer){.failure = FAILURE_DEADLINE}, &response);
    error_is(503, "aaa] Request timeout expired");
    ck_assert_uint_eq(response.retry_after, 1); /* every 503 says when */
}
END_TEST

START_TEST(a_model_that_was_unloaded_has_no_versions)
{
    refused("/v2/models/unloaded/infer", THREE, 404,
            "Request for unknown model: 'unloaded' has no available versions");
    refused("/v2/models/unloaded/versions/1/infer", THREE, 503,
            "Request for unknown model: 'unloaded' version 1 is not at ready state");
    ck_assert_uint_eq(response.retry_after, 1);
    ck_assert_int_eq(post("/v2/models/failed/infer", THREE), API_ASK); /* somebody may mend it */
    client_request_discard(api_call_take(&call));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_answer_of_json,
                                  a_model_that_was_unloaded_has_no_versions,
                                  an_answer_of_tensors,
                                  an_output_may_say_itself_that_it_is_json,
                                  classes_are_the_largest_values_of_each_row,
                                  numbers_that_are_none_have_names,
                                  outputs_that_cannot_be_had_are_refused_before_anything_is_computed,
                                  answers_that_make_no_sense_are_our_fault,
                                  failures_have_the_words_that_clients_look_for};
    return SUITE_RUN("oip_answers", set_up, tear_down, tests);
}
