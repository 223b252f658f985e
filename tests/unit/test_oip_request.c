/* test_oip_request: bodies of inference requests: what is read of them, and everything that can be wrong.
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "oip_request.h"
#include "suite.h"

enum { MAX_DEPTH = 8 };

static struct decoder *decoder;
static struct oip_request request;
static struct http_response response;
static char bytes[1 << 16];

static void set_up(void)
{
    decoder = decoder_new();
    response = (struct http_response){.status = 200, .oip = true};
}

static void tear_down(void)
{
    decoder_free(decoder);
    http_response_free(&response);
}

/* Reads the JSON with `more` bytes behind it. */
static bool read_with(const char *json, const char *more, size_t more_length)
{
    size_t length = strlen(json);
    memcpy(bytes, json, length);
    memcpy(bytes + length, more, more_length);
    const struct oip_body body = {bytes, length + more_length, sizeof bytes, length};
    return oip_request_read(decoder, &body, MAX_DEPTH, text_of("m"), &request, &response);
}

static bool read_json(const char *json)
{
    return read_with(json, "", 0);
}

static void error_has(const char *words)
{
    output_add_char(&response.body, '\0');
    ck_assert_int_eq(strncmp(response.body.bytes, "{\"error\":\"", 10), 0);
    ck_assert_msg(strstr(response.body.bytes, words) != NULL, "%s, not %s", response.body.bytes, words);
}

/* ---- the header ---- */

START_TEST(the_header_says_where_the_json_ends)
{
    static const struct {
        const char *header;
        size_t json_length; /* SIZE_MAX: refused */
    } cases[] = {{NULL, 100},
                 {"0", 0},
                 {"100", 100},
                 {"42", 42},
                 {"0042", 42},
                 {"101", SIZE_MAX},
                 {"-1", SIZE_MAX},
                 {"", SIZE_MAX},
                 {"1e1", SIZE_MAX},
                 {" 1", SIZE_MAX},
                 {"+1", SIZE_MAX},
                 {"99999999999999999999999", SIZE_MAX},
                 {"4294967296", SIZE_MAX},
                 {"0x1", SIZE_MAX},
                 {"18446744073709551617", SIZE_MAX}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t json_length;
        response.status = 200;
        bool good = oip_header_length(cases[i].header, 100, &json_length, &response);
        ck_assert_msg(good == (cases[i].json_length != SIZE_MAX), "%s", cases[i].header);
        if (good)
            ck_assert_uint_eq(json_length, cases[i].json_length);
        else
            error_has("inference header size should be in range (0, 100), got: ");
    }
}
END_TEST

/* ---- what is read ---- */

START_TEST(a_request_of_json)
{
    ck_assert(read_json(
        "{\"id\":\"i\",\"inputs\":[{\"name\":\"A\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[[1,2,"
        "3],[4,5,6]]},{\"name\":\"B\",\"shape\":[],\"datatype\":\"X\",\"data\":[1]}],\"other\":7}"));
    ck_assert(text_is(request.id, "i"));
    ck_assert_uint_eq(request.input_count, 2);
    ck_assert_uint_eq(request.output_count, 0);
    ck_assert(!request.binary && request.priority == PROTOCOL_PRIORITY_ONLINE && request.wanted == 0 &&
              request.key.length == 0);
    const struct oip_input *input = &request.inputs[0];
    ck_assert(text_is(input->name, "A") && text_is(input->datatype, "FP32"));
    ck_assert(input->rank == 2 && input->shape[0] == 2 && input->shape[1] == 3 && input->elements == 6);
    ck_assert_uint_eq(yyjson_arr_size(input->data), 2);
    ck_assert(request.inputs[1].rank == 0 && request.inputs[1].elements == 1);
}
END_TEST

START_TEST(tensors_behind_the_json_are_taken_in_their_order)
{
    ck_assert(read_with(
        "{\"inputs\":[{\"name\":\"A\",\"shape\":[2],\"datatype\":\"UINT8\",\"parameters\":{\"binary_data_"
        "size\":2}},{\"name\":\"B\",\"shape\":[1],\"datatype\":\"UINT8\",\"data\":[1]},{\"name\":\"C\","
        "\"shape\":["
        "3],\"datatype\":\"UINT8\",\"parameters\":{\"binary_data_size\":3,\"x\":[]}}]}",
        "abcde", 5));
    ck_assert(text_is(request.inputs[0].binary, "ab"));
    ck_assert(request.inputs[1].data != NULL);
    ck_assert(text_is(request.inputs[2].binary, "cde"));
    ck_assert_ptr_null(request.inputs[2].data);
}
END_TEST

START_TEST(parameters_are_taken_and_others_passed_over)
{
    ck_assert(
        read_json("{\"inputs\":[],\"parameters\":{\"priority\":3,\"timeout\":1500,\"key\":\"user "
                  "7\",\"binary_data_output\":true,\"sequence_id\":7,\"mine\":{\"a\":1}},\"outputs\":[{"
                  "\"name\":\"P\"},{"
                  "\"name\":\"Q\",\"parameters\":{\"binary_data\":false,\"classification\":4,\"x\":1}}]}"));
    ck_assert_uint_eq(request.priority, 7);
    ck_assert_int_eq(request.wanted, 1500 * MICROSECOND);
    ck_assert(text_is(request.key, "user 7"));
    ck_assert(request.binary);
    ck_assert_uint_eq(request.output_count, 2);
    ck_assert(text_is(request.outputs[0].name, "P") && request.outputs[0].binary &&
              request.outputs[0].classes == 0);
    ck_assert(text_is(request.outputs[1].name, "Q") && !request.outputs[1].binary &&
              request.outputs[1].classes == 4);
}
END_TEST

START_TEST(priorities_are_turned_round)
{
    static const struct {
        const char *said;
        unsigned wire;
    } cases[] = {{"0", 1}, {"1", 9}, {"9", 1}, {"10", 1}, {"18446744073709551615", 1}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char json[128];
        snprintf(json, sizeof json, "{\"inputs\":[],\"parameters\":{\"priority\":%s}}", cases[i].said);
        ck_assert(read_json(json));
        ck_assert_uint_eq(request.priority, cases[i].wire);
    }
    ck_assert(read_json("{\"inputs\":[],\"parameters\":{\"timeout\":18446744073709551615}}"));
    ck_assert_int_eq(request.wanted, INT64_MAX);
}
END_TEST

/* ---- what is refused ---- */

#define INPUT(members) "{\"inputs\":[{" members "}]}"
#define GOOD_INPUT     "\"name\":\"A\",\"shape\":[1],\"datatype\":\"FP32\""

START_TEST(what_is_wrong_is_told)
{
    static const struct {
        const char *json, *words;
    } cases[] = {
        {"", "failed to parse the request JSON buffer"},
        {"{", "failed to parse the request JSON buffer"},
        {"{\"inputs\":[]} x", "failed to parse the request JSON buffer"},
        {"[]", "failed to parse the request JSON buffer: expected an object, got an array"},
        {"{\"a\":[[[[[[[[[[1]]]]]]]]]]}", "JSON nesting depth exceeds maximum allowed limit (8)"},
        {"{\"id\":7,\"inputs\":[]}", "Unable to parse 'id': expected a string, got a number"},
        {"{}", "Unable to parse 'inputs'"},
        {"{\"inputs\":7}", "Unable to parse 'inputs': expected an array"},
        {"{\"inputs\":[7]}", "Unable to parse 'inputs': expected objects"},
        {INPUT("\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]"), "an input has no 'name'"},
        {INPUT("\"name\":\"A\",\"shape\":[1],\"data\":[1]"), "an input has no 'datatype'"},
        {INPUT("\"name\":1,\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]"), "Unable to parse 'name'"},
        {INPUT("\"name\":\"A\",\"datatype\":\"FP32\",\"data\":[1]"), "Unable to parse 'shape' of input 'A'"},
        {INPUT("\"name\":null,\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]"), "an input has no 'name'"},
        {INPUT(GOOD_INPUT ",\"data\":null"), "But no field is set"},
        {"{\"inputs\":null}", "Unable to parse 'inputs'"},
        {INPUT("\"name\":\"A\",\"shape\":[-1],\"datatype\":\"FP32\",\"data\":[1]"),
         "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer"},
        {INPUT("\"name\":\"A\",\"shape\":[1.5],\"datatype\":\"FP32\",\"data\":[1]"),
         "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer"},
        {INPUT("\"name\":\"A\",\"shape\":[4294967296,4294967296],\"datatype\":\"FP32\",\"data\":[1]"),
         "causes total element count to exceed maximum size of"},
        {INPUT("\"name\":\"A\",\"shape\":[0,9223372036854775807],\"datatype\":\"FP32\",\"data\":[1]"),
         "causes total element count to exceed maximum size of"},
        {INPUT("\"name\":\"A\",\"shape\":[18446744073709551615],\"datatype\":\"FP32\",\"data\":[1]"),
         "causes total element count to exceed maximum size of"},
        {INPUT("\"name\":\"A\",\"shape\":[1,1,1,1,1,1,1,1,1],\"datatype\":\"FP32\",\"data\":[1]"),
         "more than 8 dimensions"},
        {INPUT(GOOD_INPUT), "'shared_memory_region' in 'parameters'. But no field is set"},
        {INPUT(GOOD_INPUT ",\"data\":[1],\"parameters\":{\"binary_data_size\":4}"),
         "But multiple fields are set"},
        {INPUT(GOOD_INPUT ",\"data\":7"), "Unable to parse 'data': expected an array, got a number"},
        {INPUT(GOOD_INPUT ",\"parameters\":7"), "Unable to parse 'parameters': expected an object"},
        {INPUT(GOOD_INPUT ",\"parameters\":{\"binary_data_size\":-4}"), "Unable to parse 'binary_data_size'"},
        {INPUT(GOOD_INPUT ",\"parameters\":{\"binary_data_size\":4}"),
         "unexpected size for input 'A', expecting 4 additional bytes for model 'm'"},
        {INPUT(GOOD_INPUT ",\"parameters\":{\"binary_data_size\":18446744073709551615}"),
         "expecting 18446744073709551615 additional bytes"},
        {"{\"inputs\":[{" GOOD_INPUT ",\"data\":[1]},{" GOOD_INPUT ",\"data\":[1]}]}",
         "input 'A' already exists in request"},
        {"{\"inputs\":[],\"parameters\":[]}", "Unable to parse 'parameters'"},
        {"{\"inputs\":[],\"parameters\":{\"triton_x\":1}}", "'triton_x'"},
        {"{\"inputs\":[],\"parameters\":{\"priority\":-1}}", "Unable to parse 'priority'"},
        {"{\"inputs\":[],\"parameters\":{\"timeout\":\"1\"}}", "Unable to parse 'timeout'"},
        {"{\"inputs\":[],\"parameters\":{\"binary_data_output\":1}}", "Unable to parse 'binary_data_output'"},
        {"{\"inputs\":[],\"outputs\":{}}", "Unable to parse 'outputs': expected an array"},
        {"{\"inputs\":[],\"outputs\":[null]}", "Unable to parse 'outputs': expected objects"},
        {"{\"inputs\":[],\"outputs\":[{}]}", "an output has no 'name'"},
        {"{\"inputs\":[],\"outputs\":[{\"name\":\"P\"},{\"name\":\"P\"}]}",
         "output 'P' already exists in request"},
        {"{\"inputs\":[],\"outputs\":[{\"name\":\"P\",\"parameters\":{\"classification\":-1}}]}",
         "Unable to parse 'classification'"},
        {"{\"inputs\":[],\"outputs\":[{\"name\":\"P\",\"parameters\":{\"binary_data\":\"yes\"}}]}",
         "Unable to parse 'binary_data'"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_msg(!read_json(cases[i].json), "%s", cases[i].json);
        ck_assert_int_eq(response.status, 400);
        ck_assert_str_eq(response.kind, "invalid");
        error_has(cases[i].words);
    }
}
END_TEST

/* Clients that leave nothing out write null. */
START_TEST(what_is_null_is_not_there)
{
    ck_assert(read_json("{\"id\":null,\"parameters\":null,\"outputs\":null,\"inputs\":[{" GOOD_INPUT
                        ",\"data\":[1],\"parameters\":null}]}"));
    ck_assert(request.id.at == NULL && request.output_count == 0 && request.input_count == 1);
    ck_assert(read_json("{\"parameters\":{\"priority\":null,\"timeout\":null,\"binary_data_output\":null},"
                        "\"outputs\":[{\"name\":\"P\",\"parameters\":null},{\"name\":\"Q\",\"parameters\":{"
                        "\"classification\":null,\"shared_memory_region\":null}}],\"inputs\":[{" GOOD_INPUT
                        ",\"data\":[1],\"parameters\":{\"binary_data_size\":null}}]}"));
    ck_assert(request.priority == PROTOCOL_PRIORITY_ONLINE && request.wanted == 0 && !request.binary &&
              request.output_count == 2);
    ck_assert(request.outputs[1].classes == 0 && request.inputs[0].data != NULL);
}
END_TEST

START_TEST(bytes_may_not_be_left_over)
{
    ck_assert(!read_with("{\"inputs\":[]}", "x", 1));
    error_has("unexpected additional input data for model 'm'");
}
END_TEST

START_TEST(shared_memory_is_not_supported)
{
    ck_assert(!read_json(INPUT(GOOD_INPUT ",\"parameters\":{\"shared_memory_region\":\"r\"}")));
    ck_assert_int_eq(response.status, 501);
    error_has("shared memory is not supported");
    ck_assert(!read_json(
        "{\"inputs\":[],\"outputs\":[{\"name\":\"P\",\"parameters\":{\"shared_memory_region\":\"r\"}}]}"));
    ck_assert_int_eq(response.status, 501);
}
END_TEST

START_TEST(there_are_bounds)
{
    size_t length = (size_t)snprintf(bytes, sizeof bytes, "{\"inputs\":[");
    static char json[1 << 15];
    for (int i = 0; i <= TENSOR_COUNT_MAX; i++)
        length += (size_t)snprintf(bytes + length, sizeof bytes - length,
                                   "%s{\"name\":\"%d\",\"shape\":[1],\"datatype\":\"BOOL\",\"data\":[1]}",
                                   i > 0 ? "," : "", i);
    snprintf(bytes + length, sizeof bytes - length, "]}");
    strcpy(json, bytes);
    ck_assert(!read_json(json));
    error_has("a request may have 64 inputs");

    length = (size_t)snprintf(bytes, sizeof bytes, "{\"inputs\":[],\"outputs\":[");
    for (int i = 0; i <= TENSOR_COUNT_MAX; i++)
        length += (size_t)snprintf(bytes + length, sizeof bytes - length, "%s{\"name\":\"%d\"}",
                                   i > 0 ? "," : "", i);
    snprintf(bytes + length, sizeof bytes - length, "]}");
    strcpy(json, bytes);
    ck_assert(!read_json(json));
    error_has("a request may have 64 outputs");

    length = (size_t)snprintf(json, sizeof json, "{\"inputs\":[],\"parameters\":{\"key\":\"");
    memset(json + length, 'k', PROTOCOL_TEXT_MAX + 1);
    strcpy(json + length + PROTOCOL_TEXT_MAX + 1, "\"}}");
    ck_assert(!read_json(json));
    error_has("Unable to parse 'key'");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_header_says_where_the_json_ends,
        a_request_of_json,
        tensors_behind_the_json_are_taken_in_their_order,
        parameters_are_taken_and_others_passed_over,
        priorities_are_turned_round,
        what_is_null_is_not_there,
        what_is_wrong_is_told,
        bytes_may_not_be_left_over,
        shared_memory_is_not_supported,
        there_are_bounds,
    };
    return SUITE_RUN("oip_request", set_up, tear_down, tests);
}
