/* test_oip_infer: inference requests to what is asked of the broker, and every way to be refused. What the
 * bodies may hold: test_oip_request.c. SPDX-License-Identifier: MIT */
#include "oip_scene.h"

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

START_TEST(a_timeout_is_in_microseconds)
{
    static const struct {
        const char *timeout;
        int64_t time;
    } cases[] = {{"1000", MILLISECOND},     {"200000", 200 * MILLISECOND},
                 {"20000000", 10 * SECOND}, {"0", 10 * SECOND},
                 {"30", 10 * SECOND}, /* seconds were meant */
                 {"999", 10 * SECOND},      {"18446744073709551615", 10 * SECOND}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"parameters\":{\"timeout\":%s},%s", cases[i].timeout, &THREE[1]);
        ck_assert_int_eq(post("/v2/models/three/infer", text), API_ASK);
        ck_assert_int_eq(call.ask.deadline, RECEIVED + cases[i].time);
    }
    config.oip_shortest_timeout_us = 0;
    ck_assert_int_eq(post("/v2/models/three/infer",
                          "{\"parameters\":{\"timeout\":1},\"inputs\":[{\"name\":\"x\","
                          "\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]}]}"),
                     API_ASK);
    ck_assert_int_eq(call.ask.deadline, RECEIVED + MICROSECOND);
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
    more[0] = 2; /* true, as any byte but 0 */
    more[3] = (char)0xff;
    ck_assert_int_eq(post_with("/v2/models/several/infer", json, more, sizeof more), API_ASK);
    asked(expected, 4);
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
    refused("/v2/models/half/infer", /* what it is answered as would not do either */
            "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP16\",\"data\":[1,2]}]}", 400,
            "receiving FP16 data via JSON is not supported");
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

int main(void)
{
    const TTest *const tests[] = {a_request_of_json_is_asked,
                                  routes_and_deadlines_hold_as_in_the_other_api,
                                  a_timeout_is_in_microseconds,
                                  several_inputs_are_asked_in_the_order_of_the_model,
                                  what_does_not_fit_is_told_in_the_words_that_clients_look_for,
                                  binary_tensors_are_measured_and_looked_at,
                                  what_is_too_large_is_refused,
                                  a_body_may_be_one_tensor,
                                  a_text_as_a_body_needs_a_model_of_one_text};
    return SUITE_RUN("oip_infer", set_up, tear_down, tests);
}
