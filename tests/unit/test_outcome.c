/* test_outcome: what `outrigger replay` says of an answer. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "outcome.h"
#include "suite.h"
#include "tensor.h"

#include <math.h>

static char printed[8192];

/* Prints the answer after 1.5 ms into `printed`. */
static bool print(const struct client_answer *answer)
{
    FILE *out = fmemopen(printed, sizeof printed, "w");
    ck_assert_ptr_nonnull(out);
    bool good = outcome_print(answer, 1500 * MICROSECOND, out);
    fclose(out);
    return good;
}

/* The line of one tensor of these elements. */
static const char *line_of(enum datatype datatype, const void *elements, size_t bytes, int64_t rows)
{
    static uint8_t payload[4096];
    const struct tensor tensor = {.name = text_of("x"),
                                  .datatype = datatype,
                                  .rank = 1,
                                  .shape = {rows},
                                  .data = elements,
                                  .bytes = bytes};
    const struct client_answer answer = {.version = text_of("7"),
                                         .payload = payload,
                                         .payload_bytes =
                                             tensors_encode(&tensor, 1, payload, sizeof payload, NULL)};
    ck_assert_uint_gt(answer.payload_bytes, 0);
    ck_assert(print(&answer));
    static const char head[] = "answered by version 7 after 1.5 ms\n    x ";
    ck_assert_msg(strncmp(printed, head, sizeof head - 1) == 0, "%s", printed);
    return printed + sizeof head - 1;
}

#define LINE(datatype, type, ...)                                                                            \
    line_of(DATATYPE_##datatype, (const type[]){__VA_ARGS__}, sizeof((const type[]){__VA_ARGS__}),           \
            COUNT_OF(((const type[]){__VA_ARGS__})))

START_TEST(every_datatype_is_shown)
{
    ck_assert_str_eq(LINE(BOOL, uint8_t, 0, 1), "BOOL[2]: false, true\n");
    ck_assert_str_eq(LINE(UINT8, uint8_t, 255), "UINT8[1]: 255\n");
    ck_assert_str_eq(LINE(INT8, int8_t, -128), "INT8[1]: -128\n");
    ck_assert_str_eq(LINE(UINT16, uint16_t, 65535), "UINT16[1]: 65535\n");
    ck_assert_str_eq(LINE(INT16, int16_t, -32768), "INT16[1]: -32768\n");
    ck_assert_str_eq(LINE(UINT32, uint32_t, UINT32_MAX), "UINT32[1]: 4294967295\n");
    ck_assert_str_eq(LINE(INT32, int32_t, INT32_MIN), "INT32[1]: -2147483648\n");
    ck_assert_str_eq(LINE(UINT64, uint64_t, UINT64_MAX), "UINT64[1]: 18446744073709551615\n");
    ck_assert_str_eq(LINE(INT64, int64_t, INT64_MIN), "INT64[1]: -9223372036854775808\n");
    ck_assert_str_eq(LINE(FP16, uint16_t, 0x3c00), "FP16[1]: 0x3c00\n");
    ck_assert_str_eq(LINE(FP32, float, 0.5f, -INFINITY), "FP32[2]: 0.5, -inf\n");
    ck_assert_str_eq(LINE(FP64, double, 0.25), "FP64[1]: 0.25\n");
    ck_assert_str_eq(line_of(DATATYPE_BYTES, "\2\0\0\0a\033\0\0\0\0", 10, 2), "BYTES[2]: \"a?\", \"\"\n");
}
END_TEST

START_TEST(of_many_values_the_first_are_shown)
{
    ck_assert_str_eq(LINE(UINT8, uint8_t, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
                     "UINT8[10]: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10\n");
    ck_assert_str_eq(LINE(UINT8, uint8_t, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
                     "UINT8[11]: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...\n");
}
END_TEST

START_TEST(a_failure_says_its_kind_and_status)
{
    const struct client_answer answer = {.failure = FAILURE_POISON, .message = text_of("died\033[31m")};
    ck_assert(!print(&answer));
    ck_assert_str_eq(printed, "no answer after 1.5 ms: poison (422): died?[31m\n");
}
END_TEST

START_TEST(an_answer_that_is_none_is_a_failure)
{
    const struct client_answer answer = {
        .version = text_of("7"), .payload = (const uint8_t *)"\xc1", .payload_bytes = 1};
    ck_assert(!print(&answer));
    ck_assert_ptr_nonnull(strstr(printed, "which holds no tensors: "));
}
END_TEST

/* The answer as JSON; the caller frees it. */
static char *json_of(const struct client_answer *answer, bool good)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_bool(document, root, "ok", true);
    ck_assert_int_eq(outcome_add(answer, 1500 * MICROSECOND, document), good);
    char *text = yyjson_mut_write(document, 0, NULL);
    ck_assert_ptr_nonnull(text);
    yyjson_mut_doc_free(document);
    return text;
}

START_TEST(an_answer_as_json)
{
    uint8_t payload[4096];
    static const float numbers[] = {0.5f, -INFINITY};
    const struct tensor tensors[] = {{.name = text_of("y"),
                                      .datatype = DATATYPE_FP32,
                                      .rank = 2,
                                      .shape = {2, 1},
                                      .data = (const uint8_t *)numbers,
                                      .bytes = sizeof numbers},
                                     {.name = text_of("label"),
                                      .datatype = DATATYPE_BYTES,
                                      .rank = 1,
                                      .shape = {2},
                                      .data = (const uint8_t *)"\1\0\0\0a\0\0\0\0",
                                      .bytes = 9}};
    const struct client_answer answer = {.version = text_of("7"),
                                         .payload = payload,
                                         .payload_bytes =
                                             tensors_encode(tensors, 2, payload, sizeof payload, NULL)};
    char *text = json_of(&answer, true);
    ck_assert_str_eq(text,
                     "{\"ok\":true,\"milliseconds\":1.5,\"version\":\"7\",\"tensors\":["
                     "{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[2,1],\"values\":[0.5,\"-inf\"]},"
                     "{\"name\":\"label\",\"datatype\":\"BYTES\",\"shape\":[2],\"values\":[\"a\",\"\"]}]}");
    free(text);
}
END_TEST

START_TEST(no_answer_as_json)
{
    const struct client_answer failed = {.failure = FAILURE_POISON, .message = text_of("2 died")};
    char *text = json_of(&failed, false);
    ck_assert_str_eq(text, "{\"ok\":false,\"milliseconds\":1.5,\"failure\":\"poison\",\"status\":422,"
                           "\"error\":\"2 died\"}");
    free(text);
    const struct client_answer empty = {
        .version = text_of("7"), .payload = (const uint8_t *)"?", .payload_bytes = 1};
    text = json_of(&empty, false);
    ck_assert_ptr_nonnull(strstr(text, "{\"ok\":false,"));
    free(text);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_datatype_is_shown,
                                  of_many_values_the_first_are_shown,
                                  a_failure_says_its_kind_and_status,
                                  an_answer_that_is_none_is_a_failure,
                                  an_answer_as_json,
                                  no_answer_as_json};
    return SUITE_RUN("outcome", NULL, NULL, tests);
}
