/* test_decode: JSON bodies to tensors. Everything that a body may get wrong, with the words that the client
 * reads; every datatype with its range; layouts of one and of several inputs. SPDX-License-Identifier: MIT */
#include "decode.h"
#include "element.h"
#include "example_schema.h"
#include "layout.h"
#include "number.h"
#include "rows.h"
#include "suite.h"

#include <math.h>
#include <stdio.h>

enum { MAX_DEPTH = 16 };

static struct decoder *decoder;
static struct schema *schema;
static struct layout *layout;
static struct decode_body body;
static struct problem_faults faults;
static struct rows rows;
static char *bytes; /* of the body */
static uint8_t *payload;
static struct tensor tensors[TENSOR_COUNT_MAX];
static size_t tensor_count;
static size_t row_count;

static void set_up(void)
{
    decoder = decoder_new();
}

static void forget(void)
{
    free(bytes);
    free(payload);
    bytes = NULL;
    payload = NULL;
}

static void use(struct schema *next)
{
    layout_free(layout);
    schema_free(schema);
    schema = next;
    layout = next == NULL ? NULL : layout_new(next);
}

static void tear_down(void)
{
    forget();
    use(NULL);
    decoder_free(decoder);
}

static struct schema *with_inputs(const struct example_tensor *inputs, size_t count)
{
    struct schema *made = schema_new();
    example_inputs(made, inputs, count);
    return made;
}
#define USE_INPUTS(...)                                                                                      \
    do {                                                                                                     \
        const struct example_tensor inputs[] = {__VA_ARGS__};                                                \
        use(with_inputs(inputs, COUNT_OF(inputs)));                                                          \
        ck_assert_ptr_nonnull(layout);                                                                       \
    } while (0)

static void name_features(const char *const *names, size_t count)
{
    schema->features = example_names(names, count);
    schema->feature_count = count;
    layout_free(layout);
    layout = layout_new(schema);
}

static bool decode_text(const char *text, size_t length, bool batch, bool in_place)
{
    forget();
    faults.count = 0;
    size_t capacity = length + (in_place ? YYJSON_PADDING_SIZE : 0);
    bytes = object_alloc(capacity); /* exactly: what is read beyond is found by the sanitizer */
    memcpy(bytes, text, length);
    return decode_body(decoder, bytes, length, capacity, batch, MAX_DEPTH, &body, &faults);
}

static bool decode(const char *text, bool batch)
{
    return decode_text(text, strlen(text), batch, true);
}

static bool same_text(struct text a, struct text b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

/* The tree's way. Returns the length of the payload, 0 when the body is refused. */
static size_t convert_tree(const char *text, bool batch)
{
    if (!decode(text, batch))
        return 0;
    rows =
        (struct rows){.layout = layout, .allow_nan = schema->allow_nan, .batch = batch, .value = body.rows};
    size_t size = rows_measure(&rows, &faults);
    if (size == 0)
        return 0;
    payload = object_alloc(size);
    return rows_write(&rows, payload, size, &faults) ? size : 0;
}

/* The short cut: it takes nothing that the tree's way refuses, makes the same of what it takes, and else
 * leaves the body as it was. */
static void check_short_cut(const char *text, size_t size)
{
    struct decoder *another = decoder_new();
    struct decode_body plain_body;
    size_t length = strlen(text), capacity = length + YYJSON_PADDING_SIZE;
    char *copy = object_alloc(capacity);
    memcpy(copy, text, length);
    bool taken = decode_plain(another, copy, length, capacity, MAX_DEPTH, &plain_body);
    ck_assert_mem_eq(copy, text, length);
    if (taken && rows_take_plain(layout, plain_body.plain)) {
        struct rows plain_rows = {.layout = layout, .batch = true, .plain = plain_body.plain};
        uint8_t *made = object_alloc(size + 1);
        ck_assert_msg(size > 0, "%s", text);
        ck_assert_uint_eq(rows_measure(&plain_rows, &faults), size);
        ck_assert(rows_write(&plain_rows, made, size, &faults));
        ck_assert_mem_eq(made, payload, size);
        ck_assert(plain_rows.count == rows.count && plain_rows.width == rows.width);
        free(made);
    }
    if (taken) {
        ck_assert(decode(text, true));
        ck_assert(same_text(plain_body.model, body.model) && same_text(plain_body.version, body.version));
        ck_assert(same_text(plain_body.key, body.key) && plain_body.timeout_ms == body.timeout_ms);
        ck_assert_uint_eq(plain_body.plain->rows, yyjson_arr_size(body.rows));
        convert_tree(text, true);
    }
    decoder_free(another);
    free(copy);
}

/* Body to tensors, as a request goes. */
static bool convert(const char *text, bool batch)
{
    size_t size = convert_tree(text, batch);
    if (batch)
        check_short_cut(text, size);
    if (size == 0)
        return false;
    ck_assert_ptr_null(tensors_decode(payload, size, tensors, &tensor_count, &row_count));
    ck_assert_uint_eq(tensor_count, layout->input_count);
    ck_assert_uint_eq(row_count, rows.count);
    return true;
}

static void converts(const char *text, bool batch)
{
    bool good = convert(text, batch);
    ck_assert_msg(good, "%s: %s: %s", text, faults.list[0].field, faults.list[0].message);
}

/* The body is refused with this as its first fault. */
static void refused(const char *text, bool batch, const char *field, const char *message)
{
    ck_assert_msg(!convert(text, batch), "%s", text);
    ck_assert_uint_ge(faults.count, 1);
    ck_assert_str_eq(faults.list[0].field, field);
    ck_assert_msg(strstr(faults.list[0].message, message) != NULL, "%s: %s, not %s", text,
                  faults.list[0].message, message);
}

static float float_at(size_t tensor, size_t index)
{
    float value;
    memcpy(&value, tensors[tensor].data + index * sizeof value, sizeof value);
    return value;
}

static struct schema *three_numbers(void)
{
    return example_classifier(3);
}

/* ---- bodies ---- */

START_TEST(a_body_has_members)
{
    ck_assert(decode("{\"model\":\"m\",\"version\":\"2\",\"key\":\"k\",\"timeout_ms\":250,\"features\":[1]}",
                     false));
    ck_assert(text_is(body.model, "m"));
    ck_assert(text_is(body.version, "2"));
    ck_assert(text_is(body.key, "k"));
    ck_assert_int_eq(body.timeout_ms, 250);
    ck_assert(yyjson_is_arr(body.rows));
    ck_assert(decode("{\"instances\":[[1]],\"version\":18446744073709551615}", true));
    ck_assert(text_is(body.version, "18446744073709551615"));
    ck_assert_uint_eq(body.model.length, 0);
    ck_assert_int_eq(body.timeout_ms, 0);
    ck_assert(decode(" \t\r\n{ \"features\" : { \"a\" : 1 } , \"version\" : 0 } \n", false));
    ck_assert(text_is(body.version, "0"));
}
END_TEST

START_TEST(broken_json_is_refused)
{
    static const char *const broken[] = {
        "{",
        "}",
        "[",
        "]",
        "{\"features\":[1}",
        "{\"features\":[1]",
        "{\"features\":[1,]}",
        "{\"features\":[,1]}",
        "{\"features\":[1 2]}",
        "{features:[1]}",
        "{'features':[1]}",
        "{\"features\":[1]},",
        "{\"features\":[1]} x",
        "{\"features\":[1]}{}",
        "{\"features\":[01]}",
        "{\"features\":[.5]}",
        "{\"features\":[5.]}",
        "{\"features\":[+1]}",
        "{\"features\":[1e]}",
        "{\"features\":[0x10]}",
        "{\"features\":[1_000]}",
        "{\"features\":[tru]}",
        "{\"features\":[True]}",
        "{\"features\":[undefined]}",
        "{\"features\":[--1]}",
        "{\"features\":[\"a]}",
        "{\"features\":[\"\\x\"]}",
        "{\"features\":[\"\\u12\"]}",
        "{\"features\":[\"a\nb\"]}",
        "{\"features\" [1]}",
        "{\"features\":}",
        "{,}",
        "{\"features\":[1],}",
        "/* c */{\"features\":[1]}",
        "{\"features\":[1]}//",
        "\xef\xbb\xbf{\"features\":[1]}",
        "{\"features\":[\"\\ud800\"]}",
        "{\"features\":[\"\\udc00x\"]}",
        "{\"features\":[\"\xff\"]}",
        "{\"\xc3\":[1]}",
        "{\"features\":[\"\xed\xa0\x80\"]}",
        "{\"features\":[\"\xc0\xaf\"]}",
        "\xff\xfe{\0",
        "nul",
        "{\"features\":[-]}",
        "{\"features\":[1]\x01}",
        "{\"features\":[\f1]}",
    };
    use(three_numbers());
    for (size_t i = 0; i < COUNT_OF(broken); i++)
        for (int batch = 0; batch < 2; batch++)
            refused(broken[i], batch, "body", "not valid JSON: ");
}
END_TEST

START_TEST(a_nul_byte_is_broken_json)
{
    static const char text[] = "{\"features\":[1]}\0";
    ck_assert(!decode_text(text, sizeof text - 1, false, true));
    ck_assert(!decode_text(text, sizeof text - 1, false, false));
    ck_assert(!decode_text("\0", 1, false, true));
    ck_assert(decode_text(text, sizeof text - 2, false, true));
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    static const char text[] = "{\"model\":\"m\\u00e9\",\"version\":2,\"key\":\"\xc3\xa9\",\"timeout_ms\":"
                               "250,\"features\":[1.5e3,-2,null,true,{}]}";
    for (size_t length = 0; length < sizeof text - 1; length++)
        for (int in_place = 0; in_place < 2; in_place++) {
            ck_assert(!decode_text(text, length, false, in_place));
            ck_assert_uint_eq(faults.count, 1);
        }
    ck_assert(decode_text(text, sizeof text - 1, false, true));
    ck_assert(decode_text(text, sizeof text - 1, false, false));
}
END_TEST

START_TEST(what_is_no_object_is_refused)
{
    refused("", false, "body", "is empty");
    refused("[]", false, "body", "expected an object, got an array");
    refused("[1,2,3]", true, "body", "expected an object, got an array");
    refused("null", false, "body", "got null");
    refused("true", false, "body", "got true");
    refused("\"x\"", false, "body", "got a string");
    refused("1", false, "body", "got a number");
    refused("NaN", false, "body", "got a number");
    refused("{}", false, "features", "is missing");
    refused("{}", true, "instances", "is missing");
    refused(" ", false, "body", "not valid JSON");
}
END_TEST

START_TEST(members_have_types_and_bounds)
{
    static const struct {
        const char *text, *field, *message;
    } cases[] = {
        {"{\"features\":[1],\"model\":1}", "model", "expected a string, got a number"},
        {"{\"features\":[1],\"model\":null}", "model", "expected a string, got null"},
        {"{\"features\":[1],\"model\":\"\"}", "model", "expected 1 to 128 bytes, got 0"},
        {"{\"features\":[1],\"version\":1.5}", "version", "expected a string, got a number"},
        {"{\"features\":[1],\"version\":-1}", "version", "expected a string, got a number"},
        {"{\"features\":[1],\"version\":\"\"}", "version", "got 0"},
        {"{\"features\":[1],\"version\":{}}", "version", "got an object"},
        {"{\"features\":[1],\"key\":[]}", "key", "got an array"},
        {"{\"features\":[1],\"key\":false}", "key", "got false"},
        {"{\"features\":[1],\"timeout_ms\":0}", "timeout_ms", "expected a whole number from 1"},
        {"{\"features\":[1],\"timeout_ms\":-5}", "timeout_ms", "expected a whole number from 1"},
        {"{\"features\":[1],\"timeout_ms\":1.5}", "timeout_ms", "expected a whole number from 1"},
        {"{\"features\":[1],\"timeout_ms\":\"9\"}", "timeout_ms", "expected a whole number from 1"},
        {"{\"features\":[1],\"timeout_ms\":86400001}", "timeout_ms", "expected a whole number from 1"},
        {"{\"features\":[1],\"timeout_ms\":NaN}", "timeout_ms", "expected a whole number from 1"},
        {"{\"features\":[1],\"features\":[1]}", "features", "is there twice"},
        {"{\"model\":\"a\",\"features\":[1],\"model\":\"a\"}", "model", "is there twice"},
        {"{\"features\":[1],\"modle\":\"a\"}", "modle", "no such member: there are features, model, version"},
        {"{\"features\":[1],\"\":1}", "", "no such member"},
        {"{\"features\":[1],\"x\":NaN}", "x", "no such member"},
        {"{\"instances\":[[1]]}", "instances", "batch-predict"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        refused(cases[i].text, false, cases[i].field, cases[i].message);
    refused("{\"features\":[1]}", true, "features", "a batch takes \"instances\"");
    refused("{\"instances\":[]}", true, "instances", "expected at least one row");
    refused("{\"instances\":{}}", true, "instances", "expected an array of rows, got an object");
    refused("{\"instances\":[[1]],\"x\":1}", true, "x", "there are instances, model");
    refused("{\"model\":1,\"key\":2}", false, "model", "expected a string");
    ck_assert_uint_eq(faults.count, 2);
}
END_TEST

START_TEST(long_texts_are_refused)
{
    static const struct {
        const char *member;
        size_t maximum;
    } cases[] = {{"model", PROTOCOL_NAME_MAX}, {"version", PROTOCOL_NAME_MAX}, {"key", PROTOCOL_TEXT_MAX}};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t more = 0; more < 2; more++) {
            char text[1024];
            char value[PROTOCOL_TEXT_MAX + 2] = "";
            memset(value, 'a', cases[i].maximum + more);
            snprintf(text, sizeof text, "{\"features\":[1],\"%s\":\"%s\"}", cases[i].member, value);
            ck_assert(decode(text, false) == (more == 0));
        }
}
END_TEST

START_TEST(many_unknown_members_stop_at_the_bound)
{
    char *text = object_alloc(100000);
    size_t length = (size_t)sprintf(text, "{\"features\":[1]");
    for (int i = 0; i < 1000; i++)
        length += (size_t)sprintf(
            text + length, ",\"a very long name of a member, much longer than what is shown of it %d\":1", i);
    strcpy(text + length, "}");
    refused(text, false, "a very long name of a member, much longer than what is shown of ",
            "no such member");
    ck_assert_uint_eq(faults.count, PROBLEM_FAULTS_MAX);
    free(text);
}
END_TEST

static char *nested(const char *before, size_t depth, const char *open, const char *close, const char *after)
{
    char *text = object_alloc(depth * (strlen(open) + strlen(close)) + 64);
    strcpy(text, before);
    char *at = text + strlen(text);
    for (size_t i = 0; i < depth; i++)
        at = stpcpy(at, open);
    at = stpcpy(at, "1");
    for (size_t i = 0; i < depth; i++)
        at = stpcpy(at, close);
    strcpy(at, after);
    return text;
}

START_TEST(depth_is_bounded)
{
    static const struct {
        const char *before, *open, *close, *after;
    } shapes[] = {{"", "[", "]", ""},
                  {"", "{\"a\":", "}", ""},
                  {"{\"features\":", "[", "]", "}"},
                  {"{\"features\":", "[0,", "]", "}"},
                  {"{\"features\":", "{\"a\":", "}", "}"},
                  {"{\"x\":", "[{\"a\":", "}]", "}"}};
    use(three_numbers());
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        char *text = nested(shapes[i].before, 10000, shapes[i].open, shapes[i].close, shapes[i].after);
        refused(text, false, "body", "nested deeper than 16 levels");
        free(text);
        for (size_t depth = 1; depth <= MAX_DEPTH + 1; depth++) {
            text = nested("{\"x\":", depth, "[", "]", "}");
            bool deep = !decode(text, false) && strstr(faults.list[0].message, "nested deeper") != NULL;
            ck_assert(deep == (depth + 1 > MAX_DEPTH));
            free(text);
        }
    }
    char *open = object_alloc(10001); /* never closed */
    memset(open, '[', 10000);
    refused(open, false, "body", "not valid JSON");
    free(open);
}
END_TEST

START_TEST(a_body_larger_than_the_arena_is_read)
{
    size_t count = 800000;
    char *text = object_alloc(count * 2 + 64);
    char *at = stpcpy(text, "{\"features\":[");
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, "7,");
    strcpy(at - 1, "]}");
    USE_INPUTS({"x", DATATYPE_INT8, {-1, -1}});
    converts(text, false);
    ck_assert_int_eq(tensors[0].shape[1], (int64_t)count);
    ck_assert_int_eq(tensors[0].data[count - 1], 7);
    converts("{\"features\":[1,2]}", false); /* and a small one after it */
    free(text);
}
END_TEST

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

static void use_named(void)
{
    use(three_numbers());
    name_features((const char *const[]){"mean radius", "age", "\xc3\xa9"}, 3);
    ck_assert_ptr_nonnull(layout->names);
}

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

/* ---- elements ---- */

struct element_case {
    enum datatype datatype;
    const char *json;
    bool good;
    uint64_t bits; /* of the element, when good */
};

static const struct element_case element_cases[] = {
    {DATATYPE_INT8, "-128", true, 0x80},
    {DATATYPE_INT8, "127", true, 0x7f},
    {DATATYPE_INT8, "128", false, 0},
    {DATATYPE_INT8, "-129", false, 0},
    {DATATYPE_INT8, "1.0", true, 1},
    {DATATYPE_INT8, "-1.0", true, 0xff},
    {DATATYPE_INT8, "1.5", false, 0},
    {DATATYPE_INT8, "1e2", true, 100},
    {DATATYPE_INT8, "true", false, 0},
    {DATATYPE_INT8, "\"1\"", false, 0},
    {DATATYPE_UINT8, "255", true, 255},
    {DATATYPE_UINT8, "256", false, 0},
    {DATATYPE_UINT8, "-1", false, 0},
    {DATATYPE_UINT8, "-0", true, 0},
    {DATATYPE_UINT8, "-0.0", true, 0},
    {DATATYPE_INT16, "-32768", true, 0x8000},
    {DATATYPE_INT16, "32768", false, 0},
    {DATATYPE_UINT16, "65535", true, 65535},
    {DATATYPE_UINT16, "65536", false, 0},
    {DATATYPE_INT32, "2147483647", true, INT32_MAX},
    {DATATYPE_INT32, "-2147483648", true, 0x80000000},
    {DATATYPE_INT32, "2147483648", false, 0},
    {DATATYPE_UINT32, "4294967295", true, UINT32_MAX},
    {DATATYPE_UINT32, "4294967296", false, 0},
    {DATATYPE_INT64, "9223372036854775807", true, INT64_MAX},
    {DATATYPE_INT64, "-9223372036854775808", true, UINT64_C(1) << 63},
    {DATATYPE_INT64, "9223372036854775808", false, 0},
    {DATATYPE_INT64, "-9223372036854775809", false, 0}, /* not rounded to -2^63 */
    {DATATYPE_INT64, "-9.3e18", false, 0},
    {DATATYPE_INT64, "1e18", true, UINT64_C(1000000000000000000)},
    {DATATYPE_INT64, "1e400", false, 0},
    {DATATYPE_INT64, "NaN", false, 0},
    {DATATYPE_UINT64, "18446744073709551615", true, UINT64_MAX},
    {DATATYPE_UINT64, "18446744073709551616", false, 0},
    {DATATYPE_UINT64, "-1", false, 0},
    {DATATYPE_BOOL, "true", true, 1},
    {DATATYPE_BOOL, "false", true, 0},
    {DATATYPE_BOOL, "1", true, 1},
    {DATATYPE_BOOL, "0.0", true, 0},
    {DATATYPE_BOOL, "2", false, 0},
    {DATATYPE_BOOL, "-1", false, 0},
    {DATATYPE_BOOL, "null", false, 0},
    {DATATYPE_FP64, "1.5", true, 0x3ff8000000000000},
    {DATATYPE_FP64, "1e308", true, 0x7fe1ccf385ebc8a0},
    {DATATYPE_FP64, "1e309", false, 0},
    {DATATYPE_FP64, "\"x\"", false, 0},
    {DATATYPE_FP16, "1.5", true, 0x3e00},
    {DATATYPE_FP16, "65504", true, 0x7bff},
    {DATATYPE_FP16, "65519.99", true, 0x7bff},
    {DATATYPE_FP16, "65520", false, 0},
    {DATATYPE_FP16, "null", false, 0},
    {DATATYPE_BF16, "1.5", true, 0x3fc0},
    {DATATYPE_BF16, "-1.01171875", true, 0xbf82}, /* halfway: to even */
    {DATATYPE_BF16, "1.00390625", true, 0x3f80},
    {DATATYPE_BF16, "3.3895e38", true, 0x7f7f},
    {DATATYPE_BF16, "3.4e38", false, 0},
    {DATATYPE_BF16, "null", false, 0},
    {DATATYPE_FP32, "16777217", true, 0x4b800000},
    {DATATYPE_FP32, "[]", false, 0},
    {DATATYPE_BYTES, "\"x\"", false, 0}, /* not element's affair */
};

START_TEST(elements_have_ranges)
{
    for (size_t i = 0; i < COUNT_OF(element_cases); i++) {
        const struct element_case *this = &element_cases[i];
        uint8_t place[ELEMENT_BYTES_MAX + 1];
        char text[ELEMENT_TEXT_MAX];
        memset(place, 0xaa, sizeof place);
        yyjson_doc *document = yyjson_read(this->json, strlen(this->json), YYJSON_READ_ALLOW_INF_AND_NAN);
        ck_assert_ptr_nonnull(document);
        yyjson_val *value = yyjson_doc_get_root(document);
        ck_assert_msg(element_write(this->datatype, value, false, place) == this->good, "%s as %s",
                      this->json, datatype_name(this->datatype));
        size_t size = datatype_bytes(this->datatype);
        if (this->good)
            ck_assert_mem_eq(place, &this->bits, size);
        ck_assert_uint_eq(place[size], 0xaa); /* nothing beyond the element */
        ck_assert_uint_gt(strlen(element_explain(this->datatype, value, text)), 10);
        yyjson_doc_free(document);
    }
}
END_TEST

START_TEST(halves_are_exact)
{
    for (uint32_t half = 0; half <= UINT16_MAX; half++) {
        float value = number_from_half((uint16_t)half);
        if (isnan(value))
            ck_assert(isnan(number_from_half(number_to_half((double)value))));
        else
            ck_assert_uint_eq(number_to_half((double)value), half);
    }
    ck_assert(number_from_half(0x3c00) == 1.0f && number_from_half(0x0001) == 0x1p-24f);
    ck_assert_uint_eq(number_to_half(0x1p-25), 0);   /* a tie: to even, zero */
    ck_assert_uint_eq(number_to_half(0x1.8p-24), 2); /* a tie: to even, up */
    ck_assert_uint_eq(number_to_half(1 + 0x1p-11), 0x3c00);
    ck_assert_uint_eq(number_to_half(1 + 0x1.8p-10), 0x3c02);
    ck_assert_uint_eq(number_to_half(0x1.ffep-15), 0x0400); /* rounds up into the smallest normal */
    ck_assert_uint_eq(number_to_half(65520), 0x7c00);
    ck_assert_uint_eq(number_to_half(-INFINITY), 0xfc00);
    ck_assert_uint_eq(number_to_half(1e-300), 0);
}
END_TEST

/* ---- anything ---- */

START_TEST(mutated_bodies_never_break_the_rules)
{
    static const char *const seeds[] = {
        "{\"features\":{\"mean radius\":1,\"age\":2,\"\xc3\xa9\":3},\"model\":\"m\",\"version\":1}",
        "{\"features\":[1,2.5,-3e2],\"key\":\"k\",\"timeout_ms\":5}",
    };
    use_named();
    unsigned seed = 7;
    for (int round = 0; round < 50000; round++) {
        char text[128];
        strcpy(text, seeds[round % 2]);
        size_t length = strlen(text);
        for (int change = rand_r(&seed) % 4; change >= 0; change--) {
            static const char marks[] = "{}[],:\"0123456789eE+-.truefalsn\\ \xc3\xa9N";
            text[(size_t)rand_r(&seed) % length] = marks[(size_t)rand_r(&seed) % (sizeof marks - 1)];
        }
        if (!convert(text, false))
            ck_assert_uint_gt(faults.count, 0);
    }
}
END_TEST

START_TEST(mutated_batches_go_either_way)
{
    static const char *const seeds[] = {
        "{\"instances\":[[1,2.5,-3e2],[4,5,6]],\"key\":\"k\",\"timeout_ms\":5}",
        "{ \"instances\": [[1, 2.5, 0.125], [4, 55, 6]], \"version\": 1 }",
        "{\"instances\":[[10,2,3],[4.5,5,60]]}",
    };
    use(three_numbers());
    unsigned seed = 7;
    for (int round = 0; round < 50000; round++) {
        char text[128];
        strcpy(text, seeds[round % 3]);
        size_t length = strlen(text);
        for (int change = rand_r(&seed) % 3; change > 0; change--) {
            static const char marks[] = "{}[],,:\"0123456789eE+-. \xc3\xa9";
            text[(size_t)rand_r(&seed) % length] = marks[(size_t)rand_r(&seed) % (sizeof marks - 1)];
        }
        if (!convert(text, true))
            ck_assert_uint_gt(faults.count, 0);
    }
}
END_TEST

START_TEST(plain_batches_take_the_short_cut)
{
    static const struct {
        const char *text;
        bool taken;
    } cases[] = {
        {"{\"instances\":[[1,2],[3,4]]}", true},
        {"{\"instances\":[[1,2],[3,4]]}\n", true},
        {"{\"instances\":[[1,2]] , \"model\":\"m\\u00e9\",\"version\":2,\"key\":\"k\",\"timeout_ms\":9}",
         true},
        {"{\"instances\":[[1,2]],}", false},
        {"{\"instances\":[[1,2]] , }", false},
        {"{\"instances\":[[1,2]]]", false},
        {"{\"instances\":[[1,2]]}}", false},
        {"{\"instances\":[[1,2]]} x", false},
        {"{\"instances\":[[1,2]],,\"key\":\"k\"}", false},
        {"{\"instances\":[[1,2]] \"key\":\"k\"}", false},
        {"{\"instances\":[[1,2]],\"instances\":[[1,2]]}", false},
        {"{\"instances\":[[1,2]],\"features\":[1]}", false},
        {"{\"instances\":[[1,2]],\"model\":1}", false},
        {"{\"instances\":[[1,2]],\"model\":\"a\",\"model\":\"a\"}", false},
        {"{\"instances\":[[1,2]],\"key\":\"\xff\"}", false},
        {"{\"instances\":[[1,2]],\"x\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256];
        size_t length = strlen(cases[i].text);
        strcpy(text, cases[i].text);
        ck_assert_msg(decode_plain(decoder, text, length, sizeof text, MAX_DEPTH, &body) == cases[i].taken,
                      "%s", cases[i].text);
        ck_assert_str_eq(text, cases[i].text);
        ck_assert_ptr_null(body.rows);
        ck_assert((body.plain != NULL) == cases[i].taken);
        ck_assert(!decode_plain(decoder, text, length, length, MAX_DEPTH, &body)); /* no room for the end */
        ck_assert(!decode_plain(decoder, text, length, sizeof text, 2, &body));    /* too deep */
        ck_assert(!decode_plain(decoder, text, length / 2, sizeof text, MAX_DEPTH, &body));
    }
    ck_assert(!decode_plain(decoder, (char[8]){""}, 0, 8, MAX_DEPTH, &body));
}
END_TEST

START_TEST(plain_rows_are_for_one_input_of_floats)
{
    struct plain two = {.rows = 1, .width = 2};
    use(three_numbers());
    ck_assert(!rows_take_plain(layout, &two));
    two.width = 3;
    ck_assert(rows_take_plain(layout, &two));
    USE_INPUTS({"x", DATATYPE_FP64, {-1, 3}});
    ck_assert(!rows_take_plain(layout, &two));
    USE_INPUTS({"x", DATATYPE_FP32, {-1, 2}}, {"y", DATATYPE_FP32, {-1, 1}});
    ck_assert(!rows_take_plain(layout, &two));
    USE_INPUTS({"x", DATATYPE_FP32, {-1, -1}});
    ck_assert(rows_take_plain(layout, &two));
    two.width = LAYOUT_WIDTH_MAX + 1;
    ck_assert(!rows_take_plain(layout, &two));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_body_has_members,
                                  broken_json_is_refused,
                                  a_nul_byte_is_broken_json,
                                  every_truncation_is_refused,
                                  what_is_no_object_is_refused,
                                  members_have_types_and_bounds,
                                  long_texts_are_refused,
                                  many_unknown_members_stop_at_the_bound,
                                  depth_is_bounded,
                                  a_body_larger_than_the_arena_is_read,
                                  numbers_become_floats,
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
                                  some_inputs_cannot_be_laid_out,
                                  elements_have_ranges,
                                  halves_are_exact,
                                  mutated_bodies_never_break_the_rules,
                                  mutated_batches_go_either_way,
                                  plain_batches_take_the_short_cut,
                                  plain_rows_are_for_one_input_of_floats};
    return SUITE_RUN("decode", set_up, tear_down, tests);
}
