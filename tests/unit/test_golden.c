/* test_golden: golden.json read, asked and compared, with an engine that answers what it is told to.
 * SPDX-License-Identifier: MIT */
#include "golden.h"
#include "object.h"
#include "scratch_directory.h"
#include "suite.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>

enum { OUTPUTS = 3, SEEN_MAX = 256, ANSWER_MAX = 1 << 20 };

/* What the engine gives to each row, and what it was asked. */
static struct {
    struct {
        enum datatype datatype;
        size_t columns; /* 0: the output has no second dimension */
        uint8_t row[128];
        size_t row_bytes;
    } outputs[OUTPUTS];
    const char *fault; /* NULL: none */
    uint8_t seen[2][SEEN_MAX];
    size_t seen_bytes[2];
    int calls;
} engine;

static struct schema_tensor inputs[2], outputs[OUTPUTS];
static char *features[] = {(char *)"a", (char *)"b"};
static struct schema schema;
static struct loaded_model model;
static struct batch *batch;
static uint8_t *given[OUTPUTS];
static char error[GOLDEN_ERROR_MAX];

static int run(void *state, const struct backend_values *asked, struct backend_values *answers, char *reason)
{
    (void)state;
    size_t rows = (size_t)asked[0].shape[0];
    engine.calls++;
    for (size_t i = 0; i < schema.input_count; i++) {
        ck_assert_uint_le(asked[i].bytes, SEEN_MAX);
        memcpy(engine.seen[i], asked[i].data, asked[i].bytes);
        engine.seen_bytes[i] = asked[i].bytes;
    }
    if (engine.fault != NULL) {
        snprintf(reason, BACKEND_ERROR_MAX, "%s", engine.fault);
        return -1;
    }
    for (size_t i = 0; i < schema.output_count; i++) {
        size_t bytes = engine.outputs[i].row_bytes, columns = engine.outputs[i].columns;
        free(given[i]);
        given[i] = object_alloc(rows * bytes + 1);
        for (size_t r = 0; r < rows; r++)
            memcpy(given[i] + r * bytes, engine.outputs[i].row, bytes);
        answers[i] = (struct backend_values){
            given[i], rows * bytes, columns == 0 ? 1 : 2, {(int64_t)rows, (int64_t)columns}};
    }
    return 0;
}

static const struct backend backend = {.name = "test", .run = run};

/* The next output of the model, and its values in each row. */
static void gives(const char *name, enum datatype datatype, size_t columns, const void *row, size_t bytes)
{
    size_t i = schema.output_count++;
    ck_assert(i < OUTPUTS && bytes <= sizeof engine.outputs[i].row);
    outputs[i] = (struct schema_tensor){(char *)name, datatype, columns == 0 ? 1 : 2, {-1, (int64_t)columns}};
    engine.outputs[i].datatype = datatype;
    engine.outputs[i].columns = columns;
    engine.outputs[i].row_bytes = bytes;
    memcpy(engine.outputs[i].row, row, bytes);
}

#define GIVES(name, datatype, columns, type, ...)                                                            \
    gives(name, DATATYPE_##datatype, columns, (const type[]){__VA_ARGS__},                                   \
          sizeof((const type[]){__VA_ARGS__}))

/* A model of two named columns; what it gives is each test's. */
static void set_up(void)
{
    scratch_make();
    scratch_folder("m");
    scratch_folder("m/1");
    memset(&engine, 0, sizeof engine);
    inputs[0] = (struct schema_tensor){(char *)"x", DATATYPE_FP32, 2, {-1, 2}};
    schema = (struct schema){
        .inputs = inputs, .input_count = 1, .outputs = outputs, .features = features, .feature_count = 2};
    model = (struct loaded_model){.backend = &backend, .schema = &schema};
    batch = batch_new(&model, 64, ANSWER_MAX);
}

static void tear_down(void)
{
    batch_free(batch);
    for (size_t i = 0; i < OUTPUTS; i++)
        free(given[i]);
    memset(given, 0, sizeof given);
    scratch_remove();
}

static struct golden *read_golden(void)
{
    memset(error, 'x', sizeof error);
    return golden_read(scratch_path("m/1"), scratch_path("m"), &schema, error);
}

/* What is wrong with the file, or with the answers; "" when nothing is. The file's name is left out. */
static const char *outcome(const char *text)
{
    char file[128];
    scratch_file("m/golden.json", text);
    struct golden *golden = read_golden();
    if (golden != NULL)
        ck_assert_int_eq(golden_pass(golden, batch, error), *error == '\0');
    golden_free(golden);
    int length = snprintf(file, sizeof file, "%s:", scratch_path("m/golden.json"));
    if (*error == '\0')
        return error;
    ck_assert_msg(strncmp(error, file, (size_t)length) == 0, "%s", error);
    return error + length;
}

/* The same for a file of one request. */
static const char *of_request(const char *request)
{
    char text[2048];
    ck_assert_int_lt(snprintf(text, sizeof text, "{\"requests\":[%s]}", request), (int)sizeof text);
    const char *said = outcome(text);
    return strncmp(said, " requests[0]: ", 14) == 0 ? said + 14 : said;
}

/* And for one row and what is expected of it. */
static const char *of_row(const char *expected)
{
    char request[1024];
    ck_assert_int_lt(snprintf(request, sizeof request, "{\"features\":[1,2],\"expected\":%s}", expected),
                     (int)sizeof request);
    return of_request(request);
}

static void expect_seen(size_t input, const void *bytes, size_t length)
{
    ck_assert_uint_eq(engine.seen_bytes[input], length);
    ck_assert_mem_eq(engine.seen[input], bytes, length);
}

#define EXPECT_SEEN(input, type, ...)                                                                        \
    expect_seen(input, (const type[]){__VA_ARGS__}, sizeof((const type[]){__VA_ARGS__}))

/* ---- where it lies ---- */

START_TEST(there_need_be_none)
{
    ck_assert_ptr_null(read_golden());
    ck_assert_str_eq(error, "");
    ck_assert_uint_eq(golden_count(NULL), 0);
    golden_free(NULL);
}
END_TEST

START_TEST(a_version_s_own_goes_before_the_model_s)
{
    scratch_file("m/golden.json", "{\"requests\":[{\"features\":[1,2],\"expected\":{\"prediction\":1}},"
                                  "{\"features\":[1,2],\"expected\":{\"prediction\":1}}]}");
    struct golden *golden = read_golden();
    ck_assert_uint_eq(golden_count(golden), 2);
    golden_free(golden);
    scratch_file("m/1/golden.json", "{\"requests\":[{\"features\":[1,2],\"expected\":{\"prediction\":1}}]}");
    golden = read_golden();
    ck_assert_uint_eq(golden_count(golden), 1);
    ck_assert_uint_gt(golden_payload(golden, 0).length, 8);
    golden_free(golden);
    scratch_file("m/1/golden.json", "{");
    ck_assert_ptr_null(read_golden());
    ck_assert_ptr_nonnull(strstr(error, "/m/1/golden.json:1:"));
}
END_TEST

START_TEST(what_is_no_file_of_bounded_size_is_refused)
{
    const char *path = scratch_file("m/golden.json", "");
    ck_assert_int_eq(truncate(path, (16 << 20) + 1), 0);
    ck_assert_ptr_null(read_golden());
    ck_assert_ptr_nonnull(strstr(error, "/m/golden.json: is larger than 16 MiB"));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_ptr_null(read_golden());
    ck_assert_ptr_nonnull(strstr(error, "/m/golden.json: is no file"));
}
END_TEST

/* ---- what is asked ---- */

START_TEST(rows_come_by_order_and_by_name)
{
    GIVES("y", INT64, 0, int64_t, 7);
    ck_assert_str_eq(of_request("{\"features\":[1,2.5],\"expected\":{\"prediction\":7}}"), "");
    EXPECT_SEEN(0, float, 1, 2.5f);
    ck_assert_str_eq(of_request("{\"features\":{\"b\":3,\"a\":4},\"expected\":{\"prediction\":7}}"), "");
    EXPECT_SEEN(0, float, 4, 3);
    ck_assert_str_eq(
        of_request("{\"instances\":[[1,2],{\"a\":3,\"b\":4}],\"expected\":{\"predictions\":[7,7]}}"), "");
    EXPECT_SEEN(0, float, 1, 2, 3, 4);
}
END_TEST

START_TEST(tensors_come_as_the_protocol_has_them)
{
    GIVES("y", INT64, 0, int64_t, 7);
    inputs[1] = (struct schema_tensor){(char *)"s", DATATYPE_BYTES, 1, {-1}};
    schema.input_count = 2;
    schema.feature_count = 0;
    ck_assert_str_eq(
        of_request("{\"inputs\":[{\"name\":\"s\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"a\",\"\"]},"
                   "{\"name\":\"x\",\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":[[1,2],[3,4]]}],"
                   "\"expected\":{\"predictions\":[7,7]}}"),
        "");
    EXPECT_SEEN(0, float, 1, 2, 3, 4);
    EXPECT_SEEN(1, uint8_t, 1, 0, 0, 0, 'a', 0, 0, 0, 0);
    ck_assert_str_eq(of_request("{\"features\":[1,2,\"three\"],\"expected\":{\"prediction\":7}}"), "");
    EXPECT_SEEN(1, uint8_t, 5, 0, 0, 0, 't', 'h', 'r', 'e', 'e');
    ck_assert_str_eq(of_request("{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP64\",\"data\":"
                                "[1,2]}],\"expected\":{\"predictions\":7}}"),
                     "expected 2 inputs, got 1"); /* as the batch says it to every asker */
}
END_TEST

START_TEST(rows_of_any_width_say_theirs)
{
    GIVES("y", INT64, 0, int64_t, 7);
    inputs[0].shape[1] = -1;
    schema.feature_count = 0;
    ck_assert_str_eq(of_request("{\"instances\":[[1,2,3],[4,5,6]],\"expected\":{\"predictions\":[7,7]}}"),
                     "");
    EXPECT_SEEN(0, float, 1, 2, 3, 4, 5, 6);
    ck_assert_str_eq(of_request("{\"instances\":[[1,2,3],[4,5]],\"expected\":{\"predictions\":[7,7]}}"),
                     "instances[1]: expected 3 values, got 2");
    ck_assert_str_eq(of_request("{\"features\":[],\"expected\":{\"prediction\":7}}"),
                     "features: expected an array of values");
    inputs[0].rank = 3;
    inputs[0].shape[2] = -1;
    ck_assert_str_eq(of_request("{\"features\":[1],\"expected\":{\"prediction\":7}}"),
                     "rows cannot fill the inputs of this model: give \"inputs\"");
}
END_TEST

START_TEST(nan_is_asked_only_where_it_is_allowed)
{
    GIVES("y", INT64, 0, int64_t, 7);
    ck_assert_str_eq(of_request("{\"features\":[1,NaN],\"expected\":{\"prediction\":7}}"),
                     "features[1]: expected a number, got NaN, which is not a finite number");
    schema.allow_nan = true;
    ck_assert_str_eq(of_request("{\"features\":[1,NaN],\"expected\":{\"prediction\":7}}"), "");
}
END_TEST

/* ---- what is expected ---- */

START_TEST(the_value_that_differs_is_named)
{
    GIVES("label", INT64, 0, int64_t, 1);
    GIVES("probabilities", FP32, 2, float, 0.29f, 0.71f);
    ck_assert_str_eq(of_row("{\"prediction\":1,\"probabilities\":[0.29,0.71]}"), "");
    ck_assert_str_eq(of_row("{\"prediction\":0}"), "prediction[0]: expected 0, got 1");
    ck_assert_str_eq(of_row("{\"probabilities\":[[0.29,0.98]]}"),
                     "probabilities[0][1]: expected 0.98, got 0.71 (tolerance 1.08e-05)");
    ck_assert_str_eq(of_row("{\"outputs\":[{\"name\":\"probabilities\",\"data\":[0.29,0.98]}]}"),
                     "output probabilities[0][1]: expected 0.98, got 0.71 (tolerance 1.08e-05)");
    ck_assert_str_eq(of_row("{\"probabilities\":[0.29]}"), "probabilities: expected 1 values, got 2");
    ck_assert_str_eq(of_row("{\"probabilities\":[0.29,\"much\"]}"),
                     "probabilities[0][1]: expected \"much\", got 0.71");
    ck_assert_str_eq(of_request("{\"instances\":[[1,2],[3,4]],\"expected\":{\"predictions\":[1,2]}}"),
                     "predictions[1]: expected 2, got 1");
}
END_TEST

START_TEST(floats_may_differ_by_the_tolerance)
{
    schema.regression = true;
    GIVES("y", FP64, 0, double, 100.5);
    ck_assert_str_eq(outcome("{\"absolute\":0.5,\"relative\":0,\"requests\":[{\"features\":[1,2],"
                             "\"expected\":{\"prediction\":100}}]}"),
                     "");
    ck_assert_str_eq(outcome("{\"absolute\":0.25,\"relative\":0,\"requests\":[{\"features\":[1,2],"
                             "\"expected\":{\"prediction\":100}}]}"),
                     " requests[0]: prediction[0]: expected 100, got 100.5 (tolerance 0.25)");
    ck_assert_str_eq(outcome("{\"absolute\":0,\"relative\":0,\"requests\":[{\"features\":[1,2],"
                             "\"relative\":0.005,\"expected\":{\"prediction\":100}}]}"),
                     "");
    ck_assert_str_eq(of_row("{\"prediction\":100.5000001}"), "");
    ck_assert_str_eq(of_row("{\"prediction\":-100.5}"),
                     "prediction[0]: expected -100.5, got 100.5 (tolerance 0.00101)");
}
END_TEST

START_TEST(no_tolerance_is_used_up_by_the_datatype)
{
    schema.regression = true;
    GIVES("y", FP32, 2, float, 0.1f, 16777216);
    GIVES("h", FP16, 2, uint16_t, 0x2e66 /* 0.1 */, 0x3c00 /* 1 */);
    ck_assert_str_eq(
        of_request("{\"features\":[1,2],\"absolute\":0,\"relative\":0,\"expected\":{\"outputs\":["
                   "{\"name\":\"y\",\"data\":[0.1,16777216]},{\"name\":\"h\",\"data\":[0.1,1]}]}}"),
        "");
    ck_assert_str_eq(of_row("{\"prediction\":[0.1,1e300]}"),
                     "prediction[0][1]: expected 1e300, got 16777216.0 (tolerance 1e+295)");
}
END_TEST

START_TEST(only_nan_is_nan)
{
    schema.regression = true;
    GIVES("y", FP32, 3, float, NAN, INFINITY, 1);
    ck_assert_str_eq(of_row("{\"prediction\":[NaN,Infinity,1]}"), "");
    ck_assert_str_eq(of_row("{\"prediction\":[NaN,-Infinity,1]}"),
                     "prediction[0][1]: expected -inf, got inf");
    ck_assert_str_eq(of_row("{\"prediction\":[NaN,Infinity,NaN]}"),
                     "prediction[0][2]: expected nan, got 1.0");
    ck_assert_str_eq(of_row("{\"prediction\":[null,Infinity,1]}"),
                     "prediction[0][0]: expected null, got nan");
    ck_assert_str_eq(of_row("{\"prediction\":[0,Infinity,1]}"),
                     "prediction[0][0]: expected 0, got nan (tolerance 1e-06)");
}
END_TEST

START_TEST(everything_else_must_be_equal)
{
    GIVES("i", UINT64, 2, uint64_t, UINT64_MAX, 3);
    GIVES("b", BOOL, 2, uint8_t, 1, 0);
    GIVES("s", BYTES, 2, uint8_t, 2, 0, 0, 0, 'o', 'k', 0, 0, 0, 0);
    ck_assert_str_eq(of_row("{\"outputs\":[{\"name\":\"i\",\"data\":[18446744073709551615,3.0]},"
                            "{\"name\":\"b\",\"data\":[true,0]},{\"name\":\"s\",\"data\":[[\"ok\",\"\"]]}]}"),
                     "");
    ck_assert_str_eq(of_row("{\"outputs\":[{\"name\":\"i\",\"data\":[18446744073709551614,3]}]}"),
                     "output i[0][0]: expected 18446744073709551614, got 18446744073709551615");
    ck_assert_str_eq(of_row("{\"outputs\":[{\"name\":\"i\",\"data\":[18446744073709551615,3.5]}]}"),
                     "output i[0][1]: expected 3.5, got 3");
    ck_assert_str_eq(of_row("{\"outputs\":[{\"name\":\"b\",\"data\":[true,true]}]}"),
                     "output b[0][1]: expected true, got false");
    ck_assert_str_eq(of_row("{\"outputs\":[{\"name\":\"s\",\"data\":[\"no\\n\",\"\"]}]}"),
                     "output s[0][0]: expected \"no?\", got \"ok\"");
}
END_TEST

START_TEST(predictions_follow_from_the_roles_of_the_outputs)
{
    GIVES("p", FP32, 3, float, 0.2f, 0.5f, 0.3f);
    ck_assert_str_eq(of_row("{\"prediction\":1,\"probabilities\":[0.2,0.5,0.3]}"), "");
    ck_assert_str_eq(of_row("{\"prediction\":2}"), "prediction[0]: expected 2, got 1");
    schema.regression = true;
    ck_assert_str_eq(of_row("{\"prediction\":[0.2,0.5,0.3]}"), "");
    ck_assert_str_eq(of_row("{\"probabilities\":[0.2,0.5,0.3]}"), "probabilities: the model gives none");
    schema.regression = false;
    schema.kind = SCHEMA_LABELS;
    ck_assert_str_eq(of_row("{\"prediction\":[0,1,0],\"probabilities\":[0.2,0.5,0.3]}"), "");
    ck_assert_str_eq(of_row("{\"prediction\":[0,1,1]}"), "prediction[0][2]: expected 1, got 0");
    schema = (struct schema){
        .inputs = inputs, .input_count = 1, .outputs = outputs, .features = features, .feature_count = 2};
    GIVES("score", FP64, 1, double, 0.75);
    ck_assert_str_eq(of_row("{\"prediction\":1,\"probabilities\":0.75}"), "");
    outputs[0].datatype = engine.outputs[0].datatype = DATATYPE_BYTES;
    memcpy(engine.outputs[0].row, "\3\0\0\0yes", engine.outputs[0].row_bytes = 7);
    ck_assert_str_eq(of_row("{\"prediction\":\"yes\"}"), "");
    ck_assert_str_eq(of_row("{\"prediction\":\"no\"}"), "prediction[0][0]: expected \"no\", got \"yes\"");
}
END_TEST

START_TEST(outputs_are_found_by_name)
{
    GIVES("y", FP32, 2, float, 1, 2);
    const char *good =
        "{\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1,2]}]}";
    ck_assert_str_eq(of_row(good), "");
    ck_assert_str_eq(of_row("{\"outputs\":[{\"name\":\"z\",\"data\":[1]}]}"),
                     "output z: the model has no such output");
    ck_assert_str_eq(of_row("{\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP64\",\"data\":[1,2]}]}"),
                     "output y: the model gives FP32");
    ck_assert_str_eq(of_row("{\"outputs\":[{\"name\":\"y\",\"shape\":[2],\"data\":[1,2]}]}"),
                     "output y: the model gives another shape");
    ck_assert_str_eq(of_row("{\"outputs\":[{\"name\":\"y\",\"data\":[[[[[[[[[[1,2]]]]]]]]]]}]}"),
                     "output y: what is expected is nested too deep");
}
END_TEST

/* ---- faults ---- */

START_TEST(a_malformed_file_is_told_with_its_place)
{
    GIVES("y", INT64, 0, int64_t, 7);
    static const char *const cases[][2] = {
        {"{\"requests\":\n  [tru]}", "2:4: invalid literal"},
        {"[]", " expected an object"},
        {"{}", " requests: expected an array of 1 to 4096 requests"},
        {"{\"requests\":[]}", " requests: expected an array of 1 to 4096 requests"},
        {"{\"request\":[]}", " unknown key request"},
        {"{\"absolute\":-1,\"requests\":[1]}", " absolute: expected a number, 0 or more"},
        {"{\"relative\":NaN,\"requests\":[1]}", " relative: expected a number, 0 or more"},
        {"{\"relative\":\"1\",\"requests\":[1]}", " relative: expected a number, 0 or more"},
        {"{\"requests\":[1]}", " requests[0]: expected an object"},
        {"{\"gr\\u00f6\\u00dfe\\n\":[1]}", " unknown key gr????e?"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *said = outcome(cases[i][0]);
        ck_assert_msg(strncmp(said, cases[i][1], strlen(cases[i][1])) == 0, "%s: %s", cases[i][0], said);
    }
    ck_assert_int_eq(engine.calls, 0);
}
END_TEST

START_TEST(a_malformed_request_is_told_with_its_place)
{
    GIVES("y", INT64, 0, int64_t, 7);
    static const char *const cases[][2] = {
        {"{\"features\":[1,2]}",
         "expected: expected an object of prediction, predictions, probabilities or outputs"},
        {"{\"features\":[1,2],\"expected\":{\"label\":1}}",
         "expected: another key than prediction, predictions, probabilities and outputs"},
        {"{\"features\":[1,2],\"expected\":{\"outputs\":1}}",
         "expected.outputs: expected an array of tensors"},
        {"{\"features\":[1,2],\"expected\":{\"outputs\":[{\"name\":\"y\"}]}}",
         "expected.outputs: expected tensors with a name and data"},
        {"{\"features\":[1,2],\"expect\":{}}", "unknown key expect"},
        {"{\"expected\":{\"prediction\":7}}", "expected one of features, instances and inputs"},
        {"{\"features\":[1,2],\"instances\":[[1,2]],\"expected\":{\"prediction\":7}}",
         "expected one of features, instances and inputs"},
        {"{\"features\":[1,2],\"absolute\":[],\"expected\":{\"prediction\":7}}",
         "absolute: expected a number, 0 or more"},
        {"{\"features\":[1],\"expected\":{\"prediction\":7}}", "features: expected 2 values, got 1"},
        {"{\"features\":3,\"expected\":{\"prediction\":7}}",
         "features: expected an array of 2 values, got a number"},
        {"{\"features\":[1,\"2\"],\"expected\":{\"prediction\":7}}",
         "features[1]: expected a number, got a string"},
        {"{\"instances\":[],\"expected\":{\"prediction\":7}}",
         "instances: expected an array of at least one row"},
        {"{\"instances\":[[1,2],{\"a\":1,\"c\":2}],\"expected\":{\"prediction\":7}}",
         "instances[1].c: the model has no such feature"},
        {"{\"instances\":[{\"a\":1}],\"expected\":{\"prediction\":7}}", "instances[0].b: is missing"},
        {"{\"instances\":[{\"a\":1,\"b\":true}],\"expected\":{\"prediction\":7}}",
         "instances[0].b: expected a number, got true"},
        {"{\"inputs\":{},\"expected\":{\"prediction\":7}}", "inputs: expected an array of 1 to 64 tensors"},
        {"{\"inputs\":[{}],\"expected\":{\"prediction\":7}}", "inputs[0].name: expected a text"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP31\"}],\"expected\":{\"prediction\":7}}",
         "inputs[0].datatype: expected a datatype like FP32"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[]}],\"expected\":{\"prediction\":7}}",
         "inputs[0].shape: expected an array of 1 to 8 whole numbers"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[-1,2]}],\"expected\":{\"prediction\":"
         "7}}",
         "inputs[0].shape[0]: expected a whole number"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,2]}],\"expected\":{\"prediction\":"
         "7}}",
         "inputs[0].data: expected an array"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1]}],"
         "\"expected\":{\"prediction\":7}}",
         "inputs[0].data: 1 values are not what the shape says"},
        {"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1,null]}],"
         "\"expected\":{\"prediction\":7}}",
         "inputs[0].data[1]: expected a number, got null"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_str_eq(of_request(cases[i][0]), cases[i][1]);
    ck_assert_int_eq(engine.calls, 0);
}
END_TEST

START_TEST(all_requests_are_asked_and_counted)
{
    GIVES("y", INT64, 0, int64_t, 7);
    ck_assert_str_eq(outcome("{\"requests\":[{\"features\":[1,2],\"expected\":{\"prediction\":7}},"
                             "{\"features\":[1,2],\"expected\":{\"prediction\":8}},"
                             "{\"features\":[1,2],\"expected\":{\"prediction\":9}}]}"),
                     " requests[1]: prediction[0]: expected 8, got 7; 2 of 3 requests fail");
    ck_assert_int_eq(engine.calls, 3);
}
END_TEST

START_TEST(an_engine_that_fails_fails_the_request)
{
    GIVES("y", INT64, 0, int64_t, 7);
    engine.fault = "division by zero";
    ck_assert_str_eq(of_row("{\"prediction\":7}"), "division by zero");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        there_need_be_none,
        a_version_s_own_goes_before_the_model_s,
        what_is_no_file_of_bounded_size_is_refused,
        rows_come_by_order_and_by_name,
        tensors_come_as_the_protocol_has_them,
        rows_of_any_width_say_theirs,
        nan_is_asked_only_where_it_is_allowed,
        the_value_that_differs_is_named,
        floats_may_differ_by_the_tolerance,
        no_tolerance_is_used_up_by_the_datatype,
        only_nan_is_nan,
        everything_else_must_be_equal,
        predictions_follow_from_the_roles_of_the_outputs,
        outputs_are_found_by_name,
        a_malformed_file_is_told_with_its_place,
        a_malformed_request_is_told_with_its_place,
        all_requests_are_asked_and_counted,
        an_engine_that_fails_fails_the_request,
    };
    return SUITE_RUN("golden", set_up, tear_down, tests);
}
