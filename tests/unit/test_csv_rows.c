/* test_csv_rows: bodies of CSV to tensors. With a header and without, by name and by place; values as JSON
 * has them, and those that only text has; every way to be refused, with the words that the client reads.
 * SPDX-License-Identifier: MIT */
#include "csv_rows.h"

#include "decode.h"
#include "example_schema.h"
#include "rows.h"
#include "suite.h"

#include <math.h>

static struct schema *schema;
static struct layout *layout;
static struct csv_rows table; /* large */
static struct problem_faults faults;
static uint8_t *payload;
static size_t payload_bytes;
static struct tensor tensors[TENSOR_COUNT_MAX];
static size_t tensor_count, row_count;
static enum csv_header header;

static const char *const abc[] = {"a", "b", "c"};

static void use(struct schema *next)
{
    layout_free(layout);
    schema_free(schema);
    schema = next;
    layout = next == NULL ? NULL : layout_new(next);
}

static void use_named(struct schema *next, const char *const *names, size_t count)
{
    next->features = example_names(names, count);
    next->feature_count = count;
    use(next);
    ck_assert_ptr_nonnull(layout->names);
}

static struct schema *with_inputs(const struct example_tensor *inputs, size_t count)
{
    struct schema *made = schema_new();
    example_inputs(made, inputs, count);
    return made;
}
#define INPUTS(...)                                                                                          \
    with_inputs((const struct example_tensor[]){__VA_ARGS__},                                                \
                COUNT_OF(((const struct example_tensor[]){__VA_ARGS__})))

static void set_up(void)
{
    header = CSV_HEADER_UNKNOWN;
    use_named(example_classifier(3), abc, 3);
}

static void tear_down(void)
{
    free(payload);
    payload = NULL;
    use(NULL);
}

/* Body to tensors, as a request goes. The body is in memory of its own: what is read beyond the NUL behind it
 * is found by the sanitizer. */
static bool convert_bytes(const char *text, size_t length, bool batch)
{
    char *bytes = object_alloc(length + 1);
    memcpy(bytes, text, length);
    free(payload);
    payload = NULL;
    faults.count = 0;
    table = (struct csv_rows){.layout = layout,
                              .allow_nan = schema->allow_nan,
                              .batch = batch,
                              .header = header,
                              .text = {bytes, length}};
    payload_bytes = csv_rows_measure(&table, &faults);
    ck_assert((payload_bytes == 0) == (faults.count > 0));
    payload = object_alloc(payload_bytes + 1);
    bool good = payload_bytes > 0 && csv_rows_write(&table, payload, payload_bytes, &faults);
    ck_assert(good == (faults.count == 0));
    if (good) {
        ck_assert_ptr_null(tensors_decode(payload, payload_bytes, tensors, &tensor_count, &row_count));
        ck_assert_uint_eq(tensor_count, layout->input_count);
        ck_assert_uint_eq(row_count, table.count);
    }
    csv_rows_end(&table);
    free(bytes);
    return good;
}

static bool convert(const char *text, bool batch)
{
    return convert_bytes(text, strlen(text), batch);
}

static void refused(const char *text, const char *field, const char *message)
{
    ck_assert_msg(!convert(text, true), "%s", text);
    ck_assert_str_eq(faults.list[0].field, field);
    ck_assert_msg(strcmp(faults.list[0].message, message) == 0, "%s: %s, not %s", text,
                  faults.list[0].message, message);
}

static void fault_is(size_t at, const char *field, const char *message)
{
    ck_assert_uint_gt(faults.count, at);
    ck_assert_str_eq(faults.list[at].field, field);
    ck_assert_str_eq(faults.list[at].message, message);
}

/* The table makes the very payload that a body of JSON makes. */
static void like_json(const char *text, const char *json, bool batch)
{
    static struct rows rows; /* large */
    struct decoder *decoder = decoder_new();
    struct decode_body body;
    size_t length = strlen(json);
    char *copy = object_alloc(length + YYJSON_PADDING_SIZE);
    memcpy(copy, json, length);
    ck_assert_msg(convert(text, batch), "%s: %s: %s", text, faults.list[0].field, faults.list[0].message);
    ck_assert(decode_body(decoder, copy, length, length + YYJSON_PADDING_SIZE, batch, 16, &body, &faults));
    rows =
        (struct rows){.layout = layout, .allow_nan = schema->allow_nan, .batch = batch, .value = body.rows};
    ck_assert_uint_eq(rows_measure(&rows, &faults), payload_bytes);
    uint8_t *expected = object_alloc(payload_bytes);
    ck_assert_msg(rows_write(&rows, expected, payload_bytes, &faults), "%s", json);
    ck_assert_msg(memcmp(expected, payload, payload_bytes) == 0, "%s is not %s", text, json);
    free(expected);
    free(copy);
    decoder_free(decoder);
}

/* ---- the first line ---- */

START_TEST(a_header_orders_the_columns)
{
    like_json("a,b,c\n1,2,3\n4,5,6\n", "{\"instances\":[[1,2,3],[4,5,6]]}", true);
    like_json("c,a,b\r\n3,1,2\r\n6,4,5", "{\"instances\":[[1,2,3],[4,5,6]]}", true);
    like_json("c,a,b\n3,1, 2\n6,4,5", "{\"instances\":[[1,2,3],[4,5,6]]}", true); /* not the short cut */
    like_json("\xef\xbb\xbf b ,\"c\",\ta\n2,3,1\n", "{\"features\":[1,2,3]}", false);
    like_json("\n\na,b,c\n\n1,2,3\n\n", "{\"instances\":[[1,2,3]]}", true);
}
END_TEST

START_TEST(a_line_of_numbers_is_no_header)
{
    like_json("1,2,3\n4,5,6\n", "{\"instances\":[[1,2,3],[4,5,6]]}", true);
    like_json("-1.5,+2e3,\" 3 \"\n", "{\"features\":[-1.5,2000,3]}", false);
}
END_TEST

START_TEST(names_may_be_numbers)
{
    static const char *const numbers[] = {"0", "1", "2"};
    use_named(example_classifier(3), numbers, 3);
    like_json("2,1,0\n9,8,7\n", "{\"instances\":[[7,8,9]]}", true);
    like_json("0,0,1\n", "{\"instances\":[[0,0,1]]}", true); /* not each once */
    like_json("7,8,9\n0,1,2\n", "{\"instances\":[[7,8,9],[0,1,2]]}", true);
    header = CSV_HEADER_ABSENT;
    like_json("2,1,0\n", "{\"instances\":[[2,1,0]]}", true);
}
END_TEST

START_TEST(a_header_that_does_not_fit_is_told_by_name)
{
    ck_assert(!convert("a,x,b,a,\"\"\n1,2,3,4,5\n", true));
    ck_assert_uint_eq(faults.count, 4);
    fault_is(0, "header.x", "line 1, column x: the model has no such feature");
    fault_is(1, "header.a", "line 1, column a: is there twice");
    fault_is(2, "header.", "line 1, column : the model has no such feature");
    fault_is(3, "header.c", "line 1, column c: is missing");
    ck_assert(!convert("\na,b\n1,2\n", true));
    ck_assert_uint_eq(faults.count, 1);
    fault_is(0, "header.c", "line 2, column c: is missing");
    ck_assert(!convert("A,b,c\n", true)); /* names have their case */
    fault_is(0, "header.A", "line 1, column A: the model has no such feature");
    ck_assert(!convert("a,b,\" c\"\n", true)); /* blanks in quotes are the name's */
    fault_is(0, "header. c", "line 1, column  c: the model has no such feature");
}
END_TEST

/* A name among numbers is a wrong value, a number among names is a wrong value, too. */
START_TEST(a_first_line_with_a_number_is_a_row)
{
    refused("a,2,c\n1,2,3\n", "instances[0].a", "line 1, column a: expected a number, got \"a\"");
    ck_assert_uint_eq(faults.count, 2);
}
END_TEST

START_TEST(a_header_of_a_model_without_names_is_skipped)
{
    use(example_classifier(3));
    like_json("x,y,z\n1,2,3\n", "{\"instances\":[[1,2,3]]}", true);
    like_json("1,2,3\n", "{\"instances\":[[1,2,3]]}", true);
    refused("x,y\n1,2,3\n", "header", "line 1: expected 3 columns, got 2");
    refused("1,2,x\n", "instances[0][2]", "line 1, column 3: expected a number, got \"x\"");
    refused("x,y,z\n1,2,\n", "instances[0][2]", "line 2, column 3: expected a number, got nothing");
}
END_TEST

START_TEST(the_request_may_say_whether_there_is_a_header)
{
    header = CSV_HEADER_PRESENT;
    like_json("c,b,a\n1,2,3\n", "{\"instances\":[[3,2,1]]}", true);
    ck_assert(!convert("1,2,3\n4,5,6\n", true));
    fault_is(0, "header.1", "line 1, column 1: the model has no such feature");
    ck_assert_uint_eq(faults.count, 6);
    header = CSV_HEADER_ABSENT;
    like_json("1,2,3\n", "{\"instances\":[[1,2,3]]}", true);
    refused("a,b,c\n1,2,3\n", "instances[0].a", "line 1, column a: expected a number, got \"a\"");
    use(example_classifier(3));
    header = CSV_HEADER_PRESENT;
    like_json("1,2,3\n4,5,6\n", "{\"instances\":[[4,5,6]]}", true);
}
END_TEST

START_TEST(strings_alone_do_not_tell_a_header)
{
    static const char *const text[] = {"text"};
    use(INPUTS({"x", DATATYPE_BYTES, {-1, 1}}));
    refused("hello\nworld\n", "header",
            "line 1: a header or a row? Say Content-Type: text/csv; header=present or header=absent");
    header = CSV_HEADER_ABSENT;
    like_json("hello\nworld\n", "{\"instances\":[[\"hello\"],[\"world\"]]}", true);
    header = CSV_HEADER_PRESENT;
    like_json("hello\nworld\n", "{\"instances\":[[\"world\"]]}", true);
    use_named(INPUTS({"x", DATATYPE_BYTES, {-1, 1}}), text, 1);
    header = CSV_HEADER_UNKNOWN;
    like_json("text\nworld\n", "{\"instances\":[[\"world\"]]}", true);
    refused("hello\nworld\n", "header.hello", "line 1, column hello: the model has no such feature");
}
END_TEST

/* ---- values ---- */

/* One column of a datatype, by CSV and by JSON. */
static void value_like_json(enum datatype datatype, const char *text, const char *json)
{
    char csv[256], body[256];
    use(INPUTS({"x", datatype, {-1}}));
    header = CSV_HEADER_ABSENT;
    snprintf(csv, sizeof csv, "%s\n%s", text, text);
    snprintf(body, sizeof body, "{\"instances\":[[%s],[%s]]}", json, json);
    like_json(csv, body, true);
}

static void value_refused(enum datatype datatype, const char *text, const char *message)
{
    char expected[256];
    use(INPUTS({"x", datatype, {-1}}));
    header = CSV_HEADER_ABSENT;
    snprintf(expected, sizeof expected, "line 1, column 1: %s", message);
    refused(text, "instances[0][0]", expected);
}

START_TEST(numbers_are_those_of_json)
{
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "1",
                                          "0.1",
                                          "-2.5e-3",
                                          "1E5",
                                          "16777217",
                                          "1e-50",
                                          "3.4e38",
                                          "0e0",
                                          "65504",
                                          "0.30000000000000004",
                                          "123456789012345678901234567890e-20"};
    static const enum datatype datatypes[] = {DATATYPE_FP32, DATATYPE_FP64};
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        for (size_t k = 0; k < COUNT_OF(datatypes); k++) {
            char text[128];
            value_like_json(datatypes[k], numbers[i], numbers[i]);
            snprintf(text, sizeof text, " \t%s ", numbers[i]);
            value_like_json(datatypes[k], text, numbers[i]);
            snprintf(text, sizeof text, "\"%s\"", numbers[i]);
            value_like_json(datatypes[k], text, numbers[i]);
            snprintf(text, sizeof text, "+%s", numbers[i]);
            if (numbers[i][0] != '-')
                value_like_json(datatypes[k], text, numbers[i]);
        }
    value_like_json(DATATYPE_FP16, "0.5", "0.5");
    value_like_json(DATATYPE_INT8, "-128", "-128");
    value_like_json(DATATYPE_INT64, "9223372036854775807", "9223372036854775807");
    value_like_json(DATATYPE_UINT64, "+18446744073709551615", "18446744073709551615");
    value_like_json(DATATYPE_INT32, "3.0", "3.0");
}
END_TEST

START_TEST(what_is_no_number_of_json_is_refused)
{
    static const char *const texts[] = {"abc",
                                        ".5",
                                        "5.",
                                        "01",
                                        "0x10",
                                        "1_000",
                                        "1e",
                                        "--1",
                                        "+-1",
                                        "++1",
                                        "+",
                                        "-",
                                        "1 2",
                                        "1,5x",
                                        "true",
                                        "1f",
                                        "NULL",
                                        "1;2",
                                        ("\xc2\xa0"
                                         "1"),
                                        "+.5",
                                        "- 1",
                                        "+ 1",
                                        "1-",
                                        "+nan",
                                        "e5",
                                        "1.2.3"};
    static const enum datatype datatypes[] = {DATATYPE_FP32, DATATYPE_FP64, DATATYPE_INT32, DATATYPE_UINT8};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        for (size_t k = 0; k < COUNT_OF(datatypes); k++) {
            char text[64], message[128];
            snprintf(text, sizeof text, "\"%s\"\n", texts[i]);
            snprintf(message, sizeof message, "expected a %snumber, got \"%s\"", k < 2 ? "" : "whole ",
                     texts[i]);
            value_refused(datatypes[k], text, message);
        }
    value_refused(DATATYPE_FP32, "\"1\"\"2\"\n", "expected a number, got \"1\"2\"");
    value_refused(DATATYPE_FP64, "\"12\"\"\"\n", "expected a number, got \"12\"\"");
    value_refused(DATATYPE_FP32, "a text that is far too long to be shown whole\n",
                  "expected a number, got \"a text that is far too long to b\"");
}
END_TEST

START_TEST(values_that_json_refuses_are_refused)
{
    value_refused(DATATYPE_FP32, "1e400\n",
                  "not a finite number: an infinity, or too large for any number here");
    value_refused(DATATYPE_FP32, "1e39\n", "1e+39 does not fit into FP32");
    value_refused(DATATYPE_FP64, "-1e400\n",
                  "not a finite number: an infinity, or too large for any number here");
    value_refused(DATATYPE_FP32, "NaN\n", "expected a number, got NaN, which is not a finite number");
    value_refused(DATATYPE_FP64, "-Infinity\n",
                  "not a finite number: an infinity, or too large for any number here");
    value_refused(DATATYPE_INT8, "128\n", "128 does not fit into INT8");
    value_refused(DATATYPE_UINT16, "-1\n", "-1 does not fit into UINT16");
    value_refused(DATATYPE_INT32, "1.5\n", "expected a whole number, got 1.5");
    value_refused(DATATYPE_BOOL, "2\n", "expected true, false, 0 or 1, got a number");
}
END_TEST

START_TEST(missing_values_are_refused_or_nan)
{
    refused("a,b,c\n1,,3\n", "instances[0].b", "line 2, column b: expected a number, got nothing");
    refused("a,b,c\n1,2,\n", "instances[0].c", "line 2, column c: expected a number, got nothing");
    refused("c,b,a\n1,2,  \n", "instances[0].a", "line 2, column a: expected a number, got nothing");
    schema->allow_nan = true;
    ck_assert(convert("a,b,c\n,1,\" \"\n2,NaN,-inf\n", true));
    float values[6];
    memcpy(values, tensors[0].data, sizeof values);
    ck_assert(isnan(values[0]) && values[1] == 1 && isnan(values[2]));
    ck_assert(values[3] == 2 && isnan(values[4]) && isinf(values[5]) && values[5] < 0);
    ck_assert(convert(",2,\n", false));
    /* Only numbers with a point have a NaN. */
    use_named(
        INPUTS({"i", DATATYPE_INT32, {-1, 1}}, {"d", DATATYPE_FP64, {-1, 1}}, {"t", DATATYPE_BOOL, {-1}}),
        abc, 3);
    schema->allow_nan = true;
    ck_assert(!convert("a,b,c\n,,\n", true));
    ck_assert_uint_eq(faults.count, 2);
    fault_is(0, "instances[0].a", "line 2, column a: expected a whole number, got nothing");
    fault_is(1, "instances[0].c", "line 2, column c: expected true, false, 0 or 1, got nothing");
    double value;
    ck_assert(convert("a,b,c\n1,,0\n", true));
    memcpy(&value, tensors[1].data, sizeof value);
    ck_assert(isnan(value));
}
END_TEST

START_TEST(booleans_are_words_or_numbers)
{
    static const char *const yes[] = {"true", "True", "TRUE", "1", "1.0", " true ", "\"true\"", "+1"};
    static const char *const no[] = {"false", "False", "FALSE", "0", "-0", "0.0"};
    for (size_t i = 0; i < COUNT_OF(yes); i++)
        value_like_json(DATATYPE_BOOL, yes[i], "true");
    for (size_t i = 0; i < COUNT_OF(no); i++)
        value_like_json(DATATYPE_BOOL, no[i], "false");
    value_refused(DATATYPE_BOOL, "yes\n", "expected true, false, 0 or 1, got \"yes\"");
    value_refused(DATATYPE_BOOL, "\n\"\"\n" + 1, "expected true, false, 0 or 1, got nothing");
    use(INPUTS({"x", DATATYPE_BOOL, {-1, 2}}));
    header = CSV_HEADER_UNKNOWN;
    like_json("true,false\n0,1\n", "{\"instances\":[[true,false],[false,true]]}", true); /* no header */
    like_json("x,y\n0,1\n", "{\"instances\":[[false,true]]}", true);
}
END_TEST

START_TEST(strings_are_texts)
{
    use_named(INPUTS({"s", DATATYPE_BYTES, {-1, 2}}, {"n", DATATYPE_FP32, {-1, 1}}), abc, 3);
    like_json("a,b,c\nBern,\"Basel, \"\"Stadt\"\"\",1\n\"\",  blank ,2\n\"two\nlines\",\"c\xc3\xa9\",3\n",
              "{\"instances\":[[\"Bern\",\"Basel, \\\"Stadt\\\"\",1],[\"\",\"  blank \",2],"
              "[\"two\\nlines\",\"c\\u00e9\",3]]}",
              true);
    like_json("c,b,a\n1,x,yy\n", "{\"features\":[\"yy\",\"x\",1]}", false);
    like_json("1,2,3\n", "{\"instances\":[[\"1\",\"2\",3]]}", true);
    refused("a,b,c\nx,,1\n", "instances[0].b",
            "line 2, column b: expected a string, got nothing (an empty one is written \"\")");
    refused("a,b,c\nx,\xff,1\n", "instances[0].b", "line 2, column b: expected a string in UTF-8");
    schema->allow_nan = true;
    like_json("a,b,c\nx,,1\n", "{\"instances\":[[\"x\",\"\",1]]}", true);
}
END_TEST

START_TEST(inputs_of_every_datatype)
{
    struct example_tensor inputs[DATATYPE_COUNT];
    for (int i = 0; i < DATATYPE_COUNT; i++)
        inputs[i] = (struct example_tensor){datatype_name((enum datatype)i), (enum datatype)i, {-1, 1}};
    use(with_inputs(inputs, DATATYPE_COUNT));
    like_json("true,1,2,3,4,-5,-6,-7,-8,0.5,1.5,2.5,3.5,text\n0,1,2,3,4,5,6,7,8,9,10,11,12,\"\"\n",
              "{\"instances\":[[true,1,2,3,4,-5,-6,-7,-8,0.5,1.5,2.5,3.5,\"text\"],"
              "[0,1,2,3,4,5,6,7,8,9,10,11,12,\"\"]]}",
              true);
    like_json("b,u,u,u,u,i,i,i,i,f,f,f,f,s\n0,1,2,3,4,5,6,7,8,9,10,11,12,x\n",
              "{\"features\":[0,1,2,3,4,5,6,7,8,9,10,11,12,\"x\"]}", false);
}
END_TEST

START_TEST(a_model_may_take_any_width)
{
    use(INPUTS({"x", DATATYPE_FP32, {-1, -1}}));
    like_json("1,2\n3,4\n", "{\"instances\":[[1,2],[3,4]]}", true);
    like_json("x,y,z\n1,2,3\n", "{\"instances\":[[1,2,3]]}", true);
    refused("1,2\n3\n", "instances[1]", "line 2: expected 2 values, got 1");
}
END_TEST

/* ---- rows ---- */

START_TEST(rows_have_a_width)
{
    ck_assert(!convert("a,b,c\n1,2\n1,2,3\n1,2,3,4\n\n\"x\"\n", true));
    ck_assert_uint_eq(faults.count, 3);
    fault_is(0, "instances[0]", "line 2: expected 3 values, got 2");
    fault_is(1, "instances[2]", "line 4: expected 3 values, got 4");
    fault_is(2, "instances[3]", "line 6: expected 3 values, got 1");
    char *wide = object_alloc(3000);
    memset(wide, ',', 2999);
    memcpy(wide, "1", 1);
    refused(wide, "body", "line 1, field 1004: more than 1003 fields");
    wide[1000] = '\0';
    refused(wide, "instances[0]", "line 1: expected 3 values, got 1000");
    free(wide);
}
END_TEST

START_TEST(all_faults_are_told)
{
    ck_assert(!convert("c,b,a\n1,2,3\nx,,4\n1,\"two\nlines\",1e999\n7,8\n1,2,3\n", true));
    ck_assert_uint_eq(faults.count, 5);
    fault_is(0, "instances[1].b", "line 3, column b: expected a number, got nothing");
    fault_is(1, "instances[1].c", "line 3, column c: expected a number, got \"x\"");
    fault_is(2, "instances[2].a",
             "line 4, column a: not a finite number: an infinity, or too large for any number here");
    fault_is(3, "instances[2].b", "line 4, column b: expected a number, got \"two\nlines\"");
    fault_is(4, "instances[3]", "line 6: expected 3 values, got 2");
    char *many = object_alloc(100000);
    char *at = many;
    for (int i = 0; i < 1000; i++)
        at = stpcpy(at, "1,x,\n");
    ck_assert(!convert(many, true));
    ck_assert_uint_eq(faults.count, PROBLEM_FAULTS_MAX);
    fault_is(PROBLEM_FAULTS_MAX - 1, "instances[9].c", "line 10, column c: expected a number, got nothing");
    free(many);
}
END_TEST

START_TEST(what_is_no_csv_is_told_with_the_rest)
{
    ck_assert(!convert("a,b,c\n1,2,x\n1,2\"\n3,4,5\n", true));
    ck_assert_uint_eq(faults.count, 2);
    fault_is(0, "instances[0].c", "line 2, column c: expected a number, got \"x\"");
    fault_is(1, "instances[1]", "line 3, field 2: a quote within a field that does not begin with one");
    refused("a,b,c\n\"1,2,3\n4,5,6\n", "instances[0]", "line 2, field 1: the closing quote is missing");
    refused("a,b,\"c\n1,2,3\n", "body", "line 1, field 3: the closing quote is missing");
    refused("a,b,c\n1,2,3\r4,5,6\n", "instances[0]",
            "line 2, field 3: a carriage return that no line feed follows");
    ck_assert(!convert_bytes("1,2\0,3\n", 7, true));
    fault_is(0, "instances[0].b", "line 1, column b: expected a number, got \"2\"");
}
END_TEST

START_TEST(there_must_be_rows)
{
    refused("", "body", "is empty: expected a table of CSV");
    refused("\n\r\n", "body", "is empty: expected a table of CSV");
    refused("a,b,c\n", "instances", "expected at least one row behind the header");
    ck_assert(!convert("a,b,c", false));
    fault_is(0, "features", "expected a row behind the header");
    ck_assert(!convert("1,2,3\n4,5,6\n7,x\n", false));
    ck_assert_uint_eq(faults.count, 1);
    fault_is(0, "features", "expected one row, got 3: for many there is batch-predict");
    ck_assert(!convert("1,x,3\n", false));
    fault_is(0, "features.b", "line 1, column b: expected a number, got \"x\"");
    ck_assert_uint_eq(faults.count, 1);
}
END_TEST

START_TEST(rows_are_counted_also_when_one_is_refused)
{
    ck_assert(!convert("a,b,c\n1,2\n1,2,3\n1,2,3\n", true));
    ck_assert_uint_eq(table.count, 3);
}
END_TEST

START_TEST(a_large_table_is_that_of_json)
{
    enum { ROWS = 20000 };
    char *csv = object_alloc(ROWS * 64 + 64), *json = object_alloc(ROWS * 64 + 64);
    char *to_csv = stpcpy(csv, "b,c,a\n"), *to_json = stpcpy(json, "{\"instances\":[");
    unsigned seed = 3;
    for (int i = 0; i < ROWS; i++) {
        double a = (double)rand_r(&seed) / 1e6, b = (double)(rand_r(&seed) % 100),
               c = (double)rand_r(&seed) * 1e-20;
        to_csv += sprintf(to_csv, "%.3f,%.17g,%.9g\r\n", b, c, a);
        to_json += sprintf(to_json, "%s[%.9g,%.3f,%.17g]", i == 0 ? "" : ",", a, b, c);
    }
    strcpy(to_json, "]}");
    like_json(csv, json, true);
    ck_assert_uint_eq(row_count, ROWS);
    free(csv);
    free(json);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_header_orders_the_columns,
                                  a_line_of_numbers_is_no_header,
                                  names_may_be_numbers,
                                  a_header_that_does_not_fit_is_told_by_name,
                                  a_first_line_with_a_number_is_a_row,
                                  a_header_of_a_model_without_names_is_skipped,
                                  the_request_may_say_whether_there_is_a_header,
                                  strings_alone_do_not_tell_a_header,
                                  numbers_are_those_of_json,
                                  what_is_no_number_of_json_is_refused,
                                  values_that_json_refuses_are_refused,
                                  missing_values_are_refused_or_nan,
                                  booleans_are_words_or_numbers,
                                  strings_are_texts,
                                  inputs_of_every_datatype,
                                  a_model_may_take_any_width,
                                  rows_have_a_width,
                                  all_faults_are_told,
                                  what_is_no_csv_is_told_with_the_rest,
                                  there_must_be_rows,
                                  rows_are_counted_also_when_one_is_refused,
                                  a_large_table_is_that_of_json};
    return SUITE_RUN("csv_rows", set_up, tear_down, tests);
}
