/* test_rows: rows of values, by position and by name, as the tensors of one input and of several.
 * SPDX-License-Identifier: MIT */
#include "decode_scene.h"

#include <math.h>

/* ---- rows of numbers ---- */

START_TEST(numbers_become_floats)
{
    use(three_numbers());
    converts("{\"features\":[1, -2.5, 1e-3]}", false);
    ck_assert(text_is(tensors[0].name, "x"));
    ck_assert_int_eq(tensors[0].datatype, DATATYPE_FP32);
    ck_assert_uint_eq(tensors[0].rank, 2);
    ck_assert_int_eq(tensors[0].shape[0], 1);
    ck_assert_int_eq(tensors[0].shape[1], 3);
    ck_assert(float_at(0, 0) == 1.0f && float_at(0, 1) == -2.5f && float_at(0, 2) == 1e-3f);
    converts("{\"instances\":[[1,2,3],[4,5,6]]}", true);
    ck_assert_int_eq(tensors[0].shape[0], 2);
    for (size_t i = 0; i < 6; i++)
        ck_assert(float_at(0, i) == (float)(i + 1));
    converts("{\"features\":[18446744073709551615,-9223372036854775808,3.4028234663852886e38]}", false);
    ck_assert(float_at(0, 0) == 18446744073709551616.0f && float_at(0, 2) == 3.4028234663852886e38f);
    converts("{\"features\":[-0.0,1e-60,123456789012345678901234567890]}", false); /* underflow is no fault */
    ck_assert(float_at(0, 0) == 0.0f && signbit(float_at(0, 0)) && float_at(0, 1) == 0.0f);
}
END_TEST

START_TEST(a_wrong_count_names_both)
{
    use(example_classifier(30));
    for (size_t count = 0; count < 32; count++) {
        char text[256] = "{\"features\":[";
        char message[64];
        for (size_t i = 0; i < count; i++)
            strcat(text, i == 0 ? "1" : ",1");
        strcat(text, "]}");
        snprintf(message, sizeof message, "expected 30 numbers, got %zu", count);
        if (count == 30)
            converts(text, false);
        else
            refused(text, false, "features", message);
    }
    use(three_numbers());
    refused("{\"instances\":[[1,2,3],[1,2],[1,2,3],[]]}", true, "instances[1]", "expected 3 numbers, got 2");
    ck_assert_uint_eq(faults.count, 2);
    ck_assert_str_eq(faults.list[1].field, "instances[3]");
}
END_TEST

START_TEST(what_is_no_number_is_named)
{
    static const struct {
        const char *value, *message;
    } cases[] = {
        {"\"1\"", "expected a number, got a string"},
        {"null", "expected a number, got null"},
        {"true", "expected a number, got true"},
        {"false", "expected a number, got false"},
        {"[1]", "expected a number, got an array"},
        {"[]", "expected a number, got an array"},
        {"{}", "expected a number, got an object"},
        {"{\"a\":[1,2]}", "expected a number, got an object"},
        {"NaN", "NaN, which is not a finite number"},
        {"nan", "NaN, which is not a finite number"},
        {"Infinity", "not a finite number"},
        {"-Infinity", "not a finite number"},
        {"inf", "not a finite number"},
        {"1e400", "not a finite number"},
        {"-1e400", "not a finite number"},
        {"1e39", "1e+39 does not fit into FP32"},
        {"-3.5e38", "does not fit into FP32"},
    };
    use(three_numbers());
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[128];
        for (size_t place = 0; place < 3; place++) {
            char field[32];
            snprintf(text, sizeof text, "{\"features\":[%s,%s,%s]}", place == 0 ? cases[i].value : "1",
                     place == 1 ? cases[i].value : "2", place == 2 ? cases[i].value : "3");
            snprintf(field, sizeof field, "features[%zu]", place);
            refused(text, false, field, cases[i].message);
            ck_assert_uint_eq(faults.count, 1);
        }
        snprintf(text, sizeof text, "{\"instances\":[[1,2,3],[4,%s,6]]}", cases[i].value);
        refused(text, true, "instances[1][1]", cases[i].message);
    }
}
END_TEST

START_TEST(what_is_no_row_is_named)
{
    use(three_numbers());
    refused("{\"features\":1}", false, "features", "expected an array of 3 values, got a number");
    refused("{\"features\":\"1,2,3\"}", false, "features", "got a string");
    refused("{\"features\":null}", false, "features", "got null");
    refused("{\"features\":[[1,2,3]]}", false, "features", "expected 3 numbers, got 1");
    refused("{\"features\":{\"a\":1}}", false, "features", "the model has no feature names");
    refused("{\"instances\":[1,2,3]}", true, "instances[0]", "expected an array of 3 values, got a number");
    refused("{\"instances\":[[1,2,3],{}]}", true, "instances[1]", "the model has no feature names");
    refused("{\"instances\":[[1,2,3],null]}", true, "instances[1]", "got null");
}
END_TEST

START_TEST(faults_stop_at_their_bound)
{
    char *text = object_alloc(100000);
    char *at = stpcpy(text, "{\"instances\":[");
    for (int i = 0; i < 2000; i++)
        at = stpcpy(at, i == 0 ? "[null,\"x\",3]" : ",[null,\"x\",3]");
    strcpy(at, "]}");
    use(three_numbers());
    refused(text, true, "instances[0][0]", "got null");
    ck_assert_uint_eq(faults.count, PROBLEM_FAULTS_MAX);
    ck_assert_str_eq(faults.list[PROBLEM_FAULTS_MAX - 1].field, "instances[9][1]");
    free(text);
}
END_TEST

START_TEST(a_model_may_allow_nan)
{
    use(three_numbers());
    schema->allow_nan = true;
    converts("{\"features\":[NaN,-Infinity,1e400]}", false);
    ck_assert(isnan(float_at(0, 0)) && isinf(float_at(0, 1)) && isinf(float_at(0, 2)));
    refused("{\"features\":[NaN,1e39,1]}", false, "features[1]", "does not fit into FP32");
    refused("{\"features\":[NaN,null,1]}", false, "features[1]", "got null");
    USE_INPUTS({"x", DATATYPE_INT32, {-1, 1}});
    schema->allow_nan = true;
    refused("{\"features\":[NaN]}", false, "features[0]", "expected a whole number, got NaN");
}
END_TEST

/* ---- rows by name ---- */

START_TEST(features_may_be_named)
{
    static const char *const same[] = {
        "{\"features\":{\"mean radius\":1,\"age\":2,\"\xc3\xa9\":3}}",
        "{\"features\":{\"\\u00e9\":3,\"mean radius\":1,\"age\":2}}",
        "{\"features\":{\"age\":2,\"mean\\u0020radius\":1,\"\xc3\xa9\":3}}",
        "{\"features\":[1,2,3]}",
    };
    use_named();
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        converts(same[i], false);
        for (size_t column = 0; column < 3; column++)
            ck_assert(float_at(0, column) == (float)(column + 1));
    }
    converts("{\"instances\":[[1,2,3],{\"age\":5,\"\xc3\xa9\":6,\"mean radius\":4},[7,8,9]]}", true);
    for (size_t i = 0; i < 9; i++)
        ck_assert(float_at(0, i) == (float)(i + 1));
}
END_TEST

START_TEST(names_are_checked)
{
    use_named();
    refused("{\"features\":{\"mean radius\":1,\"age\":2}}", false, "features.\xc3\xa9", "is missing");
    refused("{\"features\":{}}", false, "features.mean radius", "is missing");
    ck_assert_uint_eq(faults.count, 3);
    refused("{\"features\":{\"mean radius\":1,\"age\":2,\"\xc3\xa9\":3,\"x\":4}}", false, "features.x",
            "no such feature");
    ck_assert_uint_eq(faults.count, 1);
    refused("{\"features\":{\"mean radius\":1,\"age\":2,\"Age\":3}}", false, "features.Age",
            "no such feature");
    ck_assert_str_eq(faults.list[1].field, "features.\xc3\xa9");
    refused("{\"features\":{\"mean radius\":1,\"age\":2,\"age\":3}}", false, "features.age",
            "is there twice");
    refused("{\"features\":{\"mean radius\":1,\"age\":2,\"\xc3\xa9\":3,\"age\":4}}", false, "features.age",
            "is there twice");
    refused("{\"features\":{\"mean radius\":1,\"age\":\"2\",\"\xc3\xa9\":3}}", false, "features.age",
            "got a string");
    refused("{\"features\":{\"mean radius\":1,\"age\":[2],\"\xc3\xa9\":3}}", false, "features.age",
            "got an array");
    refused("{\"features\":{\"mean radius\":1,\"age\":1e400,\"\xc3\xa9\":3}}", false, "features.age",
            "not a finite number");
    refused("{\"instances\":[[1,2,3],{\"age\":1}]}", true, "instances[1].mean radius", "is missing");
    refused("{\"features\":3}", false, "features",
            "expected an array of 3 values or an object of them by name, got a number");
    refused("{\"features\":{\"\\u0000\":1}}", false, "features.", "no such feature");
}
END_TEST

START_TEST(names_that_cannot_serve_are_no_names)
{
    use(three_numbers());
    name_features((const char *const[]){"a", "b", "a"}, 3);
    ck_assert_ptr_null(layout->names);
    use(three_numbers());
    name_features((const char *const[]){"a", "b"}, 2);
    ck_assert_ptr_null(layout->names);
    refused("{\"features\":{\"a\":1,\"b\":2}}", false, "features", "no feature names");
}
END_TEST

START_TEST(a_long_strange_name_is_cut)
{
    use_named();
    char text[1024] = "{\"features\":{\"";
    for (int i = 0; i < 200; i++)
        strcat(text, "\xc3\xa9");
    strcat(text, "\":1}}");
    refused(text, false, faults.list[0].field, "no such feature");
    ck_assert_uint_le(strlen(faults.list[0].field), strlen("features.") + 64);
}
END_TEST

/* ---- several inputs, other datatypes ---- */

START_TEST(columns_go_to_their_inputs)
{
    USE_INPUTS({"a", DATATYPE_FP32, {-1, 2}}, {"b", DATATYPE_INT64, {-1}}, {"c", DATATYPE_FP64, {-1, 1}},
               {"d", DATATYPE_BYTES, {-1, 2}}, {"e", DATATYPE_BOOL, {-1, 1, 1}});
    ck_assert_uint_eq(layout->width, 7);
    converts("{\"instances\":[[1,2,3,4,\"x\",\"\",true],[5,6,-7,8.5,\"yy\",\"\xc3\xa9\",0]]}", true);
    ck_assert_uint_eq(tensor_count, 5);
    for (size_t i = 0; i < 4; i++)
        ck_assert(float_at(0, i) == (float)("\1\2\5\6"[i]));
    int64_t integers[2];
    memcpy(integers, tensors[1].data, sizeof integers);
    ck_assert_int_eq(integers[0], 3);
    ck_assert_int_eq(integers[1], -7);
    ck_assert_uint_eq(tensors[1].rank, 1);
    double doubles[2];
    memcpy(doubles, tensors[2].data, sizeof doubles);
    ck_assert(doubles[0] == 4 && doubles[1] == 8.5);
    static const char strings[] = "\1\0\0\0x\0\0\0\0\2\0\0\0yy\2\0\0\0\xc3\xa9";
    ck_assert_uint_eq(tensors[3].bytes, sizeof strings - 1);
    ck_assert_mem_eq(tensors[3].data, strings, sizeof strings - 1);
    ck_assert_mem_eq(tensors[4].data, "\1\0", 2);
    ck_assert_uint_eq(tensors[4].rank, 3);
    refused("{\"features\":[1,2,3,4,5,\"\",true]}", false, "features[4]", "expected a string, got a number");
    refused("{\"features\":[1,2,3,4,\"\",null,true]}", false, "features[5]", "expected a string, got null");
    refused("{\"features\":[1,2,3,4,\"\",\"\",2]}", false, "features[6]",
            "expected true, false, 0 or 1, got a number");
    refused("{\"features\":[1,2,3,4,\"\",\"\"]}", false, "features", "expected 7 values, got 6");
    refused("{\"instances\":[[1,2,3,4,\"\",\"\",true],[1,2,3,4,\"\",[],true]]}", true, "instances[1][5]",
            "got an array");
}
END_TEST

START_TEST(named_columns_of_several_inputs)
{
    USE_INPUTS({"n", DATATYPE_INT32, {-1}}, {"s", DATATYPE_BYTES, {-1}});
    name_features((const char *const[]){"age", "city"}, 2);
    converts("{\"instances\":[{\"city\":\"Ulm\",\"age\":7},[8,\"Rom\"]]}", true);
    ck_assert_mem_eq(tensors[0].data, "\7\0\0\0\x8\0\0\0", 8);
    ck_assert_mem_eq(tensors[1].data, "\3\0\0\0Ulm\3\0\0\0Rom", 14);
    converts("{\"features\":{\"city\":\"a\\u0000b\",\"age\":7}}", false);
    ck_assert_mem_eq(tensors[1].data, "\3\0\0\0a\0b", 7);
    refused("{\"features\":{\"city\":\"Ulm\",\"ago\":7}}", false, "features.ago", "no such feature");
    refused("{\"features\":{\"city\":7,\"age\":7}}", false, "features.city",
            "expected a string, got a number");
    refused("{\"features\":{\"city\":\"Ulm\",\"city\":\"Rom\"}}", false, "features.city", "is there twice");
}
END_TEST

START_TEST(a_free_width_is_the_first_row_s)
{
    USE_INPUTS({"x", DATATYPE_FP32, {-1, -1}});
    converts("{\"features\":[1,2,3,4]}", false);
    ck_assert_int_eq(tensors[0].shape[1], 4);
    converts("{\"instances\":[[1,2],[3,4],[5,6]]}", true);
    ck_assert_int_eq(tensors[0].shape[0], 3);
    ck_assert_int_eq(tensors[0].shape[1], 2);
    refused("{\"instances\":[[1,2],[3]]}", true, "instances[1]", "expected 2 numbers, got 1");
    refused("{\"features\":[]}", false, "features", "expected an array of 1 to");
    refused("{\"features\":{\"a\":1}}", false, "features", "expected an array of 1 to");
    refused("{\"instances\":[[],[1]]}", true, "instances[0]", "expected an array of 1 to");
    refused("{\"instances\":[[1],{\"a\":1}]}", true, "instances[1]", "no feature names");
}
END_TEST

START_TEST(some_inputs_cannot_be_laid_out)
{
    static const struct example_tensor cases[][2] = {
        {{"x", DATATYPE_FP32, {-1, -1, 3}}},
        {{"x", DATATYPE_FP32, {-1, 3, -1}}},
        {{"x", DATATYPE_FP32, {-1, 100000, 100000}}},
        {{"x", DATATYPE_FP32, {-1, INT64_MAX, INT64_MAX}}},
        {{"x", DATATYPE_FP32, {0}}}, /* a scalar has no rows */
        {{"x", DATATYPE_FP32, {-1, 1}}, {"y", DATATYPE_FP32, {-1, -1}}},
        {{"x", DATATYPE_FP32, {-1, LAYOUT_WIDTH_MAX}}, {"y", DATATYPE_FP32, {-1, 1}}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        use(with_inputs(cases[i], cases[i][1].name == NULL ? 1 : 2));
        ck_assert_msg(layout == NULL, "%zu", i);
    }
    use(schema_new());
    ck_assert_ptr_null(layout);
    use(schema_new());
    schema->inputs = object_alloc((TENSOR_COUNT_MAX + 1) * sizeof *schema->inputs);
    schema->input_count = TENSOR_COUNT_MAX + 1;
    ck_assert_ptr_null(layout_new(schema));
    use(three_numbers());
    schema->inputs[0].shape[0] = 1; /* a fixed batch is the worker's affair */
    converts("{\"instances\":[[1,2,3],[4,5,6]]}", true);
    ck_assert_int_eq(tensors[0].shape[0], 2);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {numbers_become_floats,
                                  a_wrong_count_names_both,
                                  what_is_no_number_is_named,
                                  what_is_no_row_is_named,
                                  faults_stop_at_their_bound,
                                  a_model_may_allow_nan,
                                  features_may_be_named,
                                  names_are_checked,
                                  names_that_cannot_serve_are_no_names,
                                  a_long_strange_name_is_cut,
                                  columns_go_to_their_inputs,
                                  named_columns_of_several_inputs,
                                  a_free_width_is_the_first_row_s,
                                  some_inputs_cannot_be_laid_out};
    return SUITE_RUN("rows", set_up, tear_down, tests);
}
