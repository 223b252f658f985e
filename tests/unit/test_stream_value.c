/* test_stream_value: values of messages as rows: the three formats, the forms of a row in each, and all that
 * is wrong with one. SPDX-License-Identifier: MIT */
#include "example_schema.h"
#include "stream_value.h"
#include "suite.h"

#include <math.h>

static struct schema *schema;
static struct stream_values *values;
static char faults[ROW_FAULTS_MAX];

static void set_up(void)
{
    schema = example_classifier(2);
    schema->features = example_names((const char *const[]){"age", "plan"}, 2);
    schema->feature_count = 2;
    values = NULL;
}

static void tear_down(void)
{
    stream_values_free(values);
    schema_free(schema);
}

static void use(enum stream_format format)
{
    stream_values_free(values);
    values = stream_values_new(schema, format, 4);
    ck_assert_ptr_nonnull(values);
}

/* Another model: one input of that datatype and that many values (-1: any number). */
static void take(enum datatype datatype, int64_t width)
{
    schema_free(schema);
    schema = example_classifier(width);
    schema->inputs[0].datatype = datatype;
}

static enum stream_value_result add_bytes(const void *bytes, size_t length)
{
    return stream_values_add(values, (struct text){bytes, length}, faults);
}

/* Exactly so much memory, so that a sanitizer sees who reads behind it. */
static enum stream_value_result add(const char *value)
{
    size_t length = strlen(value);
    char *copy = malloc(length > 0 ? length : 1);
    memcpy(copy, value, length);
    enum stream_value_result result = add_bytes(copy, length);
    free(copy);
    return result;
}

/* The last row's values, as floats. */
static const float *last_row(size_t width)
{
    static float row[8];
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, rows, bytes;
    const uint8_t *payload = stream_values_payload(values, &bytes);
    ck_assert_ptr_null(tensors_decode(payload, bytes, tensors, &count, &rows));
    ck_assert_uint_eq(rows, stream_values_rows(values));
    ck_assert_uint_eq(tensors[0].bytes, rows * width * sizeof(float));
    memcpy(row, tensors[0].data + (rows - 1) * width * sizeof(float), width * sizeof(float));
    return row;
}

static void added(const char *value, float age, float plan)
{
    ck_assert_msg(add(value) == STREAM_VALUE_ADDED, "%s: %s", value, faults);
    ck_assert_float_eq(last_row(2)[0], age);
    ck_assert_float_eq(last_row(2)[1], plan);
    stream_values_clear(values);
}

static void refused(const char *value, const char *reason)
{
    ck_assert_msg(add(value) == STREAM_VALUE_REFUSED, "%s", value);
    ck_assert_msg(strstr(faults, reason) != NULL, "%s: %s", value, faults);
    ck_assert_uint_eq(stream_values_rows(values), 0);
}

START_TEST(json_is_an_object_or_a_list_or_wrapped)
{
    use(STREAM_JSON);
    added("{\"age\": 41, \"plan\": 2.5}", 41, 2.5F);
    added(" {\"plan\": -2, \"customer\": {\"id\": [1]}, \"age\": 1e1} ", 10, -2);
    added("[1, 2]", 1, 2);
    added("{\"features\": [3, 4], \"key\": \"k\"}", 3, 4);
    added("{\"features\": {\"age\": 5, \"plan\": 6}}", 5, 6);
}
END_TEST

START_TEST(what_is_wrong_with_json_is_told_at_once)
{
    use(STREAM_JSON);
    refused("", "no JSON: ");
    refused("{\"age\": 41, \"plan\": 2} x", "no JSON: ");
    refused("7", "expected an object or a list of values, got a number");
    refused("[1]", "expected 2 values, got 1");
    refused("[]", "expected 2 values, got 0");
    refused("{\"features\": 5}", "age: is missing; plan: is missing");
    refused("{\"age\": \"x\", \"plan\": null}", "age: expected a number, got a string");
    refused("{\"age\": [1], \"plan\": {}}",
            "age: expected one value, got an array; plan: expected one value, got an object");
    refused("{\"age\": 1, \"age\": 2, \"plan\": 3}", "age: is there twice");
    refused("{\"age\": 1e999, \"plan\": 3}", "no JSON: ");
    refused("[1, 1e39]", "plan: ");
    added("[1, 18446744073709551615]", 1, 18446744073709551615.0F);
    added("[1, 18446744073709551615000]", 1, 18446744073709551615000.0F);
}
END_TEST

/* Deeper than any stack is. */
START_TEST(nothing_is_too_deep_or_too_large)
{
    size_t length = STREAM_VALUE_MAX;
    char *deep = malloc(length + 1);
    memset(deep, '[', length + 1);
    use(STREAM_JSON);
    ck_assert_int_eq(add_bytes(deep, length), STREAM_VALUE_REFUSED);
    ck_assert_int_eq(add_bytes(deep, length + 1), STREAM_VALUE_REFUSED);
    ck_assert_str_eq(faults, "1048577 bytes: a value has at most 1048576");
    memset(deep, 0x91, length);
    use(STREAM_MSGPACK);
    ck_assert_int_eq(add_bytes(deep, length), STREAM_VALUE_REFUSED);
    free(deep);
}
END_TEST

START_TEST(many_faults_are_cut_and_not_lost)
{
    take(DATATYPE_FP32, 100);
    use(STREAM_JSON);
    char list[600] = "[[]";
    for (size_t i = 1; i < 100; i++)
        strcat(list, ",[]");
    strcat(list, "]");
    ck_assert_int_eq(add(list), STREAM_VALUE_REFUSED);
    ck_assert_ptr_nonnull(strstr(faults, "column 1: expected one value, got an array; column 2: "));
    ck_assert_uint_eq(strlen(faults), ROW_FAULTS_MAX - 1);
}
END_TEST

START_TEST(columns_without_names_take_lists_alone)
{
    take(DATATYPE_FP32, 2);
    use(STREAM_JSON);
    refused("{\"age\": 1, \"plan\": 2}", "the model's columns have no names: expected a list of values");
    added("{\"features\": [1, 2]}", 1, 2);
}
END_TEST

/* A column of that name is one, then. */
START_TEST(a_column_may_be_called_features)
{
    free(schema->features[0]);
    schema->features[0] = object_strdup("features");
    use(STREAM_JSON);
    added("{\"features\": 1, \"plan\": 2}", 1, 2);
    refused("{\"features\": [1, 2]}", "features: expected one value, got an array");
}
END_TEST

START_TEST(msgpack_has_the_same_forms)
{
    use(STREAM_MSGPACK);
    static const struct {
        const char *bytes;
        size_t length;
        float age, plan;
    } good[] = {{"\x82\xa3"
                 "age\x29\xa4plan\xca\x40\x20\0\0",
                 16, 41, 2.5F},
                {"\x92\xcb\x3f\xf0\0\0\0\0\0\0\xff", 11, 1, -1},
                {"\x81\xa8"
                 "features\x92\xcd\x01\0\xd1\xff\0",
                 17, 256, -256},
                {"\x83\xa1x\x91\xc0\xa4plan\x02\xa3"
                 "age\x01",
                 16, 1, 2},
                {"\x92\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, 18446744073709551615.0F, 2}};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        ck_assert_msg(add_bytes(good[i].bytes, good[i].length) == STREAM_VALUE_ADDED, "%zu: %s", i, faults);
        ck_assert_float_eq(last_row(2)[0], good[i].age);
        ck_assert_float_eq(last_row(2)[1], good[i].plan);
        stream_values_clear(values);
        for (size_t length = 0; length < good[i].length; length++) { /* cut anywhere it is none */
            ck_assert_int_eq(add_bytes(good[i].bytes, length), STREAM_VALUE_REFUSED);
            ck_assert_str_eq(faults, "no msgpack, or bytes behind it");
        }
    }
    refused("\x92\x01\x02\x03", "no msgpack, or bytes behind it");
    refused("\x01", "expected a map or a list of values in msgpack");
    refused("\x91\x01", "expected 2 values, got 1");
    refused("\x92\x91\x01\xc0", "age: expected a string, a number, true, false or nil");
    refused("\x92\xa1x\xc3", "age: expected a number, got a string");
}
END_TEST

/* A map whose keys are no strings is passed over up to there: what is missing is told. */
START_TEST(keys_of_msgpack_are_strings)
{
    use(STREAM_MSGPACK);
    refused("\x82\x01\x02\xa4plan\x05", "age: is missing");
}
END_TEST

START_TEST(raw_numbers_are_those_of_the_datatype)
{
    static const struct {
        enum datatype datatype;
        const char *bytes;
    } rows[] = {{DATATYPE_FP32, "\0\0\x80\x3f\0\0\0\xc0"},
                {DATATYPE_FP64, "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0"},
                {DATATYPE_FP16, "\0\x3c\0\xc0"},
                {DATATYPE_BF16, "\x80\x3f\0\xc0"},
                {DATATYPE_INT8, "\x01\xfe"},
                {DATATYPE_INT16, "\x01\0\xfe\xff"},
                {DATATYPE_INT32, "\x01\0\0\0\xfe\xff\xff\xff"},
                {DATATYPE_INT64, "\x01\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff"},
                {DATATYPE_UINT8, "\x01\xfe"},
                {DATATYPE_UINT64, "\x01\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\x7f"},
                {DATATYPE_BOOL, "\x01\0"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tensor tensors[TENSOR_COUNT_MAX];
        size_t count, decoded, bytes, length = 2 * datatype_bytes(rows[i].datatype);
        take(rows[i].datatype, 2);
        use(STREAM_RAW);
        ck_assert_msg(add_bytes(rows[i].bytes, length) == STREAM_VALUE_ADDED, "%zu: %s", i, faults);
        const uint8_t *payload = stream_values_payload(values, &bytes);
        ck_assert_ptr_null(tensors_decode(payload, bytes, tensors, &count, &decoded));
        ck_assert_mem_eq(tensors[0].data, rows[i].bytes, length); /* as they came */
        stream_values_clear(values);
        ck_assert_int_eq(add_bytes(rows[i].bytes, length - 1), STREAM_VALUE_REFUSED);
        ck_assert_ptr_nonnull(strstr(faults, "expected 2 values in "));
    }
}
END_TEST

START_TEST(texts_have_no_raw_form)
{
    take(DATATYPE_BYTES, 2);
    ck_assert_ptr_null(stream_values_new(schema, STREAM_RAW, 4));
}
END_TEST

START_TEST(texts_are_strings_and_bounds_are_kept)
{
    take(DATATYPE_BYTES, 2);
    use(STREAM_JSON);
    ck_assert_int_eq(add("[\"a\", \"\"]"), STREAM_VALUE_ADDED);
    stream_values_clear(values);
    refused("[\"a\", 1]", "column 2: expected a string, got a number");
}
END_TEST

/* A model that takes any number of values takes the same number in all rows of a request. */
START_TEST(rows_of_another_width_go_apart)
{
    take(DATATYPE_FP32, -1);
    use(STREAM_JSON);
    ck_assert_int_eq(add("[1, 2]"), STREAM_VALUE_ADDED);
    ck_assert_int_eq(add("[3, 4]"), STREAM_VALUE_ADDED);
    ck_assert_int_eq(add("[5, 6, 7]"), STREAM_VALUE_APART);
    ck_assert_uint_eq(stream_values_rows(values), 2);
    stream_values_clear(values);
    ck_assert_int_eq(add("[5, 6, 7]"), STREAM_VALUE_ADDED);
    ck_assert_float_eq(last_row(3)[2], 7);
    stream_values_clear(values);
    refused("[]", "expected a list of values, got an empty one");
    use(STREAM_RAW);
    ck_assert_int_eq(add_bytes("\0\0\x80\x3f", 4), STREAM_VALUE_ADDED);
    ck_assert_int_eq(add_bytes("\0\0\x80\x3f\0", 5), STREAM_VALUE_REFUSED);
    ck_assert_str_eq(faults, "expected numbers of 4 bytes, got 5 bytes");
    ck_assert_int_eq(add_bytes("", 0), STREAM_VALUE_REFUSED);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {json_is_an_object_or_a_list_or_wrapped,
                                  what_is_wrong_with_json_is_told_at_once,
                                  nothing_is_too_deep_or_too_large,
                                  many_faults_are_cut_and_not_lost,
                                  columns_without_names_take_lists_alone,
                                  a_column_may_be_called_features,
                                  msgpack_has_the_same_forms,
                                  keys_of_msgpack_are_strings,
                                  raw_numbers_are_those_of_the_datatype,
                                  texts_have_no_raw_form,
                                  texts_are_strings_and_bounds_are_kept,
                                  rows_of_another_width_go_apart};
    return SUITE_RUN("stream_value", set_up, tear_down, tests);
}
