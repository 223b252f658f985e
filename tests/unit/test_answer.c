/* test_answer: what models answer, printed. Which output is what, every datatype, payloads that lie; and that
 * floats are short and read back as they were. SPDX-License-Identifier: MIT */
#include "answer.h"
#include "example_schema.h"
#include "number.h"
#include "suite.h"

#include <math.h>
#include <stdio.h>
#include <yyjson.h>

static struct schema *schema;
static struct output out;
static struct answer answer;
static uint8_t *payload;
static size_t payload_bytes;

static void set_up(void)
{
    schema = schema_new();
    answer = (struct answer){
        .schema = schema, .rows = 1, .model = text_of("m"), .version = text_of("2"), .id = text_of("r1")};
}

static void tear_down(void)
{
    free(payload);
    payload = NULL;
    output_free(&out);
    schema_free(schema);
}

/* An output of the model; `data` are its elements. */
#define OUTPUT(name_, datatype_, rank_, shape_, ...)                                                         \
    (struct tensor)                                                                                          \
    {                                                                                                        \
        .name = text_of(name_), .datatype = DATATYPE_##datatype_, .rank = rank_, .shape = shape_,            \
        .data = (const uint8_t *)(__VA_ARGS__), .bytes = sizeof(__VA_ARGS__)                                 \
    }
#define SHAPE(...)                                                                                           \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

static const char *write_answer(const struct tensor *tensors, size_t count)
{
    free(payload);
    payload_bytes = tensors_encoded_size(tensors, count);
    payload = object_alloc(payload_bytes);
    ck_assert_uint_eq(tensors_encode(tensors, count, payload, payload_bytes, NULL), payload_bytes);
    return answer_write(&answer, payload, payload_bytes, &out);
}

static void output_is(const char *expected)
{
    yyjson_doc *document = yyjson_read(out.bytes, out.length, 0);
    ck_assert_msg(document != NULL, "%.*s", (int)out.length, out.bytes);
    yyjson_doc_free(document);
    char text[4096];
    snprintf(text, sizeof text, "{%s\"model\":\"m\",\"model_version\":\"2\",\"request_id\":\"r1\"}\n",
             expected);
    ck_assert_msg(text_is((struct text){out.bytes, out.length}, text), "%.*s, not %s", (int)out.length,
                  out.bytes, text);
}

#define ANSWERS(expected, ...)                                                                               \
    do {                                                                                                     \
        const struct tensor outputs[] = {__VA_ARGS__};                                                       \
        ck_assert_ptr_null(write_answer(outputs, COUNT_OF(outputs)));                                        \
        output_is(expected);                                                                                 \
    } while (0)

static void label(const char *const *names, size_t count)
{
    schema->labels = example_names(names, count);
    schema->label_count = count;
}
static const char *const no_and_yes[] = {"no", "y\"es"};

#define LABEL_1     OUTPUT("label", INT64, 1, SHAPE(1), (int64_t[]){1})
#define TWO_CLASSES OUTPUT("p", FP32, 2, SHAPE(1, 2), (float[]){0.25f, 0.75f})

/* ---- roles ---- */

START_TEST(a_class_and_two_probabilities)
{
    ANSWERS("\"prediction\":1,\"probability\":0.75,\"probabilities\":[0.25,0.75],", LABEL_1, TWO_CLASSES);
    ANSWERS("\"prediction\":1,\"probability\":0.75,\"probabilities\":[0.25,0.75],", TWO_CLASSES, LABEL_1);
    label(no_and_yes, 2);
    ANSWERS("\"prediction\":1,\"probability\":0.75,\"probabilities\":[0.25,0.75],\"label\":\"y\\\"es\",",
            LABEL_1, TWO_CLASSES);
    answer.batch = true;
    ANSWERS("\"predictions\":[1],\"probabilities\":[[0.25,0.75]],\"labels\":[\"y\\\"es\"],", LABEL_1,
            TWO_CLASSES);
}
END_TEST

START_TEST(probabilities_alone)
{
    ANSWERS("\"prediction\":1,\"probability\":0.75,\"probabilities\":[0.25,0.75],", TWO_CLASSES);
    ANSWERS("\"prediction\":2,\"probabilities\":[0.125,0.25,0.625],",
            OUTPUT("p", FP64, 2, SHAPE(1, 3), (double[]){0.125, 0.25, 0.625}));
    ANSWERS("\"prediction\":0,\"probability\":0.5,\"probabilities\":[0.5,0.5],", /* the first of equals */
            OUTPUT("p", FP32, 2, SHAPE(1, 2), (float[]){0.5f, 0.5f}));
    label(no_and_yes, 2);
    answer.batch = true;
    answer.rows = 3;
    ANSWERS("\"predictions\":[1,0,0],\"probabilities\":[[0.25,0.75],[1.0,0.0],[0.5,0.5]],\"labels\":["
            "\"y\\\"es\",\"no\",\"no\"],",
            OUTPUT("p", FP32, 2, SHAPE(3, 2), (float[]){0.25f, 0.75f, 1, 0, 0.5f, 0.5f}));
}
END_TEST

START_TEST(a_score_alone)
{
    ANSWERS("\"prediction\":1,\"probability\":0.5,", OUTPUT("s", FP32, 2, SHAPE(1, 1), (float[]){0.5f}));
    ANSWERS("\"prediction\":0,\"probability\":0.25,", OUTPUT("s", FP64, 1, SHAPE(1), (double[]){0.25}));
    label(no_and_yes, 2);
    answer.batch = true;
    answer.rows = 2;
    ANSWERS("\"predictions\":[0,1],\"probabilities\":[0.25,1.0],\"labels\":[\"no\",\"y\\\"es\"],",
            OUTPUT("s", FP32, 1, SHAPE(2), (float[]){0.25f, 1}));
    schema->regression = true;
    ANSWERS("\"predictions\":[0.25,1.0],", OUTPUT("s", FP32, 2, SHAPE(2, 1), (float[]){0.25f, 1}));
    answer.batch = false;
    answer.rows = 1;
    ANSWERS("\"prediction\":-152.5,", OUTPUT("s", FP32, 2, SHAPE(1, 1), (float[]){-152.5f}));
}
END_TEST

START_TEST(a_class_alone)
{
    ANSWERS("\"prediction\":-7,", OUTPUT("c", INT8, 1, SHAPE(1), (int8_t[]){-7}));
    ANSWERS("\"prediction\":\"ja \\\"\",",
            OUTPUT("c", BYTES, 1, SHAPE(1), (uint8_t[]){4, 0, 0, 0, 'j', 'a', ' ', '"'}));
    ANSWERS("\"prediction\":true,", OUTPUT("c", BOOL, 2, SHAPE(1, 1), (uint8_t[]){1}));
    label(no_and_yes, 2);
    ANSWERS("\"prediction\":true,\"label\":\"y\\\"es\",", OUTPUT("c", BOOL, 2, SHAPE(1, 1), (uint8_t[]){1}));
    ANSWERS("\"prediction\":2,", OUTPUT("c", INT64, 1, SHAPE(1), (int64_t[]){2})); /* no such label */
    ANSWERS("\"prediction\":-1,", OUTPUT("c", INT64, 1, SHAPE(1), (int64_t[]){-1}));
    ANSWERS("\"prediction\":\"\",", OUTPUT("c", BYTES, 1, SHAPE(1), (uint8_t[]){0, 0, 0, 0}));
    answer.batch = true;
    answer.rows = 3;
    ANSWERS("\"predictions\":[0,2,1],\"labels\":[\"no\",null,\"y\\\"es\"],",
            OUTPUT("c", UINT8, 1, SHAPE(3), (uint8_t[]){0, 2, 1}));
    ANSWERS("\"predictions\":[\"a\",\"\",\"bc\"],",
            OUTPUT("c", BYTES, 1, SHAPE(3), (uint8_t[]){1, 0, 0, 0, 'a', 0, 0, 0, 0, 2, 0, 0, 0, 'b', 'c'}));
}
END_TEST

START_TEST(regressions_of_other_shapes)
{
    schema->regression = true;
    label(no_and_yes, 2); /* of no use to a regression */
    ANSWERS("\"prediction\":12,", OUTPUT("count", INT32, 1, SHAPE(1), (int32_t[]){12}));
    ANSWERS("\"prediction\":[1.0,2.5],", OUTPUT("y", FP32, 2, SHAPE(1, 2), (float[]){1, 2.5f}));
    ANSWERS("\"prediction\":0.5,\"outputs\":{\"label\":1,\"p\":[0.25,0.75]},", LABEL_1, TWO_CLASSES,
            OUTPUT("s", FP32, 1, SHAPE(1), (float[]){0.5f}));
    ANSWERS("\"prediction\":1,\"outputs\":{\"p\":[0.25,0.75]},", LABEL_1, TWO_CLASSES);
    answer.batch = true;
    answer.rows = 2;
    ANSWERS("\"predictions\":[[1.0,2.5],[3.0,4.0]],",
            OUTPUT("y", FP32, 2, SHAPE(2, 2), (float[]){1, 2.5f, 3, 4}));
}
END_TEST

#define HELD(rows, ...) OUTPUT("held", INT64, 2, SHAPE(rows, 2), (int64_t[]){__VA_ARGS__})
#define ODDS(rows, ...) OUTPUT("odds", FP32, 2, SHAPE(rows, 2), (float[]){__VA_ARGS__})

START_TEST(several_labels_may_hold)
{
    schema->kind = SCHEMA_LABELS;
    ANSWERS("\"prediction\":[0,1],\"probabilities\":[0.25,0.5],", ODDS(1, 0.25f, 0.5f));
    label(no_and_yes, 2);
    ANSWERS("\"prediction\":[1,1],\"probabilities\":[0.25,0.75],\"labels\":[\"no\",\"y\\\"es\"],\"outputs\":{"
            "\"label\":1},",
            LABEL_1, HELD(1, 1, 1), ODDS(1, 0.25f, 0.75f));
    ANSWERS("\"prediction\":[false,true],\"labels\":[\"y\\\"es\"],",
            OUTPUT("held", BOOL, 2, SHAPE(1, 2), (uint8_t[]){0, 1}));
    answer.batch = true;
    answer.rows = 2;
    ANSWERS(
        "\"predictions\":[[0,0],[1,0]],\"probabilities\":[[0.25,0.0],[0.75,0.5]],\"labels\":[[],[\"no\"]],",
        HELD(2, 0, 0, 1, 0), ODDS(2, 0.25f, 0, 0.75f, 0.5f));
}
END_TEST

START_TEST(what_has_no_role_is_shown_too)
{
    ANSWERS("\"prediction\":1,\"probability\":0.75,\"probabilities\":[0.25,0.75],\"outputs\":{\"s\":2.0,"
            "\"second\":9},",
            LABEL_1, TWO_CLASSES, OUTPUT("s", FP32, 1, SHAPE(1), (float[]){2}),
            OUTPUT("second", INT16, 1, SHAPE(1), (int16_t[]){9}));
    ANSWERS("\"prediction\":1,\"outputs\":{\"s\":[0.5]},", LABEL_1,
            OUTPUT("s", FP32, 2, SHAPE(1, 1), (float[]){0.5f}));
    ANSWERS("\"outputs\":{\"a\":[1,2,3]},", OUTPUT("a", INT64, 2, SHAPE(1, 3), (int64_t[]){1, 2, 3}));
    ANSWERS("\"outputs\":{\"a\\u0001\":[[1.0,2.0],[3.0,4.0]]},",
            OUTPUT("a\x01", FP32, 3, SHAPE(1, 2, 2), (float[]){1, 2, 3, 4}));
    answer.batch = true;
    answer.rows = 2;
    ANSWERS("\"outputs\":{\"a\":[[[1]],[[2]]],\"b\":[[[\"x\"]],[[\"\"]]]},",
            OUTPUT("a", INT8, 3, SHAPE(2, 1, 1), (int8_t[]){1, 2}),
            OUTPUT("b", BYTES, 3, SHAPE(2, 1, 1), (uint8_t[]){1, 0, 0, 0, 'x', 0, 0, 0, 0}));
}
END_TEST

START_TEST(every_datatype_is_printed)
{
    answer.batch = true;
    answer.rows = 2;
    ANSWERS("\"predictions\":[0,255],", OUTPUT("c", UINT8, 1, SHAPE(2), (uint8_t[]){0, 255}));
    ANSWERS("\"predictions\":[0,65535],", OUTPUT("c", UINT16, 1, SHAPE(2), (uint16_t[]){0, 65535}));
    ANSWERS("\"predictions\":[0,4294967295],", OUTPUT("c", UINT32, 1, SHAPE(2), (uint32_t[]){0, UINT32_MAX}));
    ANSWERS("\"predictions\":[0,18446744073709551615],",
            OUTPUT("c", UINT64, 1, SHAPE(2), (uint64_t[]){0, UINT64_MAX}));
    ANSWERS("\"predictions\":[-128,127],", OUTPUT("c", INT8, 1, SHAPE(2), (int8_t[]){-128, 127}));
    ANSWERS("\"predictions\":[-32768,32767],",
            OUTPUT("c", INT16, 1, SHAPE(2), (int16_t[]){INT16_MIN, INT16_MAX}));
    ANSWERS("\"predictions\":[-2147483648,2147483647],",
            OUTPUT("c", INT32, 1, SHAPE(2), (int32_t[]){INT32_MIN, INT32_MAX}));
    ANSWERS("\"predictions\":[-9223372036854775808,9223372036854775807],",
            OUTPUT("c", INT64, 1, SHAPE(2), (int64_t[]){INT64_MIN, INT64_MAX}));
    ANSWERS("\"predictions\":[true,false],", OUTPUT("c", BOOL, 1, SHAPE(2), (uint8_t[]){1, 0}));
    schema->regression = true;
    ANSWERS("\"predictions\":[1.5,-0.0],", OUTPUT("c", FP16, 1, SHAPE(2), (uint16_t[]){0x3e00, 0x8000}));
    ANSWERS("\"predictions\":[0.1,16777216.0],", OUTPUT("c", FP32, 1, SHAPE(2), (float[]){0.1f, 16777216}));
    ANSWERS("\"predictions\":[0.1,-1e-300],", OUTPUT("c", FP64, 1, SHAPE(2), (double[]){0.1, -1e-300}));
}
END_TEST

START_TEST(what_is_not_finite_is_null)
{
    ANSWERS("\"prediction\":0,\"probability\":null,\"probabilities\":[null,null],",
            OUTPUT("p", FP32, 2, SHAPE(1, 2), (float[]){NAN, INFINITY}));
    ANSWERS("\"prediction\":0,\"probability\":null,", OUTPUT("s", FP64, 1, SHAPE(1), (double[]){NAN}));
    schema->regression = true;
    ANSWERS("\"prediction\":null,", OUTPUT("s", FP16, 1, SHAPE(1), (uint16_t[]){0xfc00}));
}
END_TEST

/* ---- payloads that lie ---- */

START_TEST(another_number_of_rows_is_refused)
{
    answer.rows = 2;
    const struct tensor one[] = {LABEL_1, TWO_CLASSES};
    ck_assert_ptr_nonnull(write_answer(one, 2));
    answer.rows = 1;
    ck_assert_ptr_null(write_answer(one, 2));
    ck_assert_ptr_nonnull(write_answer(one, 0)); /* no output at all */
}
END_TEST

START_TEST(an_empty_output_costs_nothing)
{
    ANSWERS("\"prediction\":1,\"outputs\":{\"huge\":[]},", LABEL_1,
            (struct tensor){
                .name = text_of("huge"), .datatype = DATATYPE_FP32, .rank = 3, .shape = {1, INT32_MAX, 0}});
    ck_assert_uint_lt(out.capacity, 4096);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    const struct tensor outputs[] = {LABEL_1, TWO_CLASSES,
                                     OUTPUT("s", BYTES, 1, SHAPE(1), (uint8_t[]){2, 0, 0, 0, 'a', 'b'})};
    ck_assert_ptr_null(write_answer(outputs, COUNT_OF(outputs)));
    for (size_t length = 0; length < payload_bytes; length++) {
        uint8_t *part = object_alloc(length); /* exactly: what is read beyond is found by the sanitizer */
        memcpy(part, payload, length);
        ck_assert_ptr_nonnull(answer_write(&answer, part, length, &out));
        free(part);
    }
}
END_TEST

START_TEST(flipped_bits_never_make_broken_json)
{
    static const float numbers[] = {0.25f, 0.75f};
    const struct tensor outputs[] = {LABEL_1, OUTPUT("p", FP32, 2, SHAPE(1, 2), numbers),
                                     OUTPUT("s", BYTES, 2, SHAPE(1, 1), (uint8_t[]){2, 0, 0, 0, 'a', 'b'})};
    ck_assert_ptr_null(write_answer(outputs, COUNT_OF(outputs)));
    for (size_t bit = 0; bit < payload_bytes * 8; bit++) {
        payload[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (answer_write(&answer, payload, payload_bytes, &out) == NULL) {
            yyjson_doc *document = yyjson_read(out.bytes, out.length, 0);
            ck_assert_ptr_nonnull(document);
            yyjson_doc_free(document);
        }
        payload[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

/* ---- numbers ---- */

static const char *float_text(float value)
{
    static char text[NUMBER_TEXT_MAX + 1];
    size_t length = number_write_float(value, text);
    ck_assert_uint_lt(length, NUMBER_TEXT_MAX);
    text[length] = '\0';
    return text;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Digits of a number without leading and trailing zeros, point and exponent. */
static size_t significant(const char *text)
{
    size_t digits = 0;
    size_t zeros = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9')
            continue;
        if (*text == '0') {
            zeros += digits > 0;
            continue;
        }
        digits += zeros + 1;
        zeros = 0;
    }
    return digits;
}

/* The fewest digits with which libc reads the float back. */
static size_t fewest_digits(float value)
{
    char text[64];
    for (int digits = 1; digits < 9; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, (double)value);
        if (strtof(text, NULL) == value)
            return significant(text);
    }
    return 9;
}

static bool reads_back(float value)
{
    const char *text = float_text(value);
    float again = strtof(text, NULL);
    return again == value && signbit(again) == signbit(value);
}

START_TEST(floats_have_a_form)
{
    static const struct {
        float value;
        const char *text;
    } cases[] = {
        {0, "0.0"},
        {-0.0f, "-0.0"},
        {1, "1.0"},
        {-1, "-1.0"},
        {10, "10.0"},
        {0.1f, "0.1"},
        {0.3f, "0.3"},
        {1.0f / 3, "0.33333334"},
        {2.0f / 3, "0.6666667"},
        {123456, "123456.0"},
        {1234.5f, "1234.5"},
        {0.00001f, "0.00001"},
        {0.0000123f, "0.0000123"},
        {0.000001f, "1e-6"},
        {-1.5e-7f, "-1.5e-7"},
        {1e15f, "1000000000000000.0"},
        {1e16f, "1e16"},
        {16777216, "16777216.0"},
        {3.4028235e38f, "3.4028235e38"},
        {1.17549435e-38f, "1.1754944e-38"},
        {1e-45f, "1e-45"},
        {-1e-45f, "-1e-45"},
        {0.99999994f, "0.99999994"},
        {9.999999e15f, "9999999000000000.0"},
        {8.63e-7f, "8.63e-7"},
        {0.999999137f, "0.99999917"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_str_eq(float_text(cases[i].value), cases[i].text);
}
END_TEST

START_TEST(floats_read_back)
{
    for (uint32_t exponent = 0; exponent < 255; exponent++)
        for (uint32_t edge = 0; edge < 64; edge++) {
            ck_assert(reads_back(float_of_bits(exponent << 23 | edge)));
            ck_assert(reads_back(float_of_bits(exponent << 23 | (0x7fffff - edge))));
            ck_assert(reads_back(float_of_bits(1u << 31 | exponent << 23 | edge)));
        }
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        float value = float_of_bits((uint32_t)state);
        ck_assert_msg(!isfinite(value) || reads_back(value), "%a", (double)value);
    }
}
END_TEST

START_TEST(floats_are_as_short_as_can_be)
{
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 100000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        /* Any float, and what answers are full of: numbers from 0 to 1. */
        float value = i % 2 == 0 ? float_of_bits((uint32_t)state) : (float)(state >> 40) / 0x1p24f;
        if (isfinite(value))
            ck_assert_msg(significant(float_text(value)) <= fewest_digits(value), "%a: %s", (double)value,
                          float_text(value));
    }
    for (int i = 1; i < 10000; i++) { /* decimals that people write come back as they were */
        char text[32];
        snprintf(text, sizeof text, "0.%04d", i);
        for (size_t end = strlen(text) - 1; end > 2 && text[end] == '0'; end--)
            text[end] = '\0';
        ck_assert_str_eq(float_text(strtof(text, NULL)), text);
    }
}
END_TEST

START_TEST(doubles_read_back)
{
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 100000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        double value;
        memcpy(&value, &state, sizeof value);
        char text[NUMBER_TEXT_MAX + 1];
        text[number_write_double(value, text)] = '\0';
        if (isfinite(value))
            ck_assert(strtod(text, NULL) == value);
        else
            ck_assert_str_eq(text, "null");
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_class_and_two_probabilities,
                                  probabilities_alone,
                                  a_score_alone,
                                  a_class_alone,
                                  regressions_of_other_shapes,
                                  several_labels_may_hold,
                                  what_has_no_role_is_shown_too,
                                  every_datatype_is_printed,
                                  what_is_not_finite_is_null,
                                  another_number_of_rows_is_refused,
                                  an_empty_output_costs_nothing,
                                  every_truncation_is_refused,
                                  flipped_bits_never_make_broken_json,
                                  floats_have_a_form,
                                  floats_read_back,
                                  floats_are_as_short_as_can_be,
                                  doubles_read_back};
    return SUITE_RUN("answer", set_up, tear_down, tests);
}
