/* test_form: posts of forms to tensors: how pairs are written, which names are ours, what is refused.
 * SPDX-License-Identifier: MIT */
#include "form.h"

#include "example_schema.h"
#include "suite.h"

#include <math.h>

static struct schema *schema;
static struct layout *layout;
static struct form form; /* large */
static struct problem_faults faults;
static char *bytes;
static uint8_t *payload;
static struct tensor tensors[TENSOR_COUNT_MAX];

static void use(const struct example_tensor *inputs, size_t input_count, const char *const *names,
                size_t count)
{
    layout_free(layout);
    schema_free(schema);
    schema = schema_new();
    example_inputs(schema, inputs, input_count);
    schema->features = example_names(names, count);
    schema->feature_count = count;
    layout = layout_new(schema);
}

static void set_up(void)
{
    static const struct example_tensor floats = {"x", DATATYPE_FP32, {-1, 3}};
    static const char *const names[] = {"age", "net income", "b+c"};
    use(&floats, 1, names, 3);
}

static void forget(void)
{
    form_end(&form);
    free(bytes);
    free(payload);
    bytes = NULL;
    payload = NULL;
}

static void tear_down(void)
{
    forget();
    layout_free(layout);
    schema_free(schema);
    layout = NULL;
    schema = NULL;
}

/* In memory of its own, with one byte behind: what is touched beyond is found by the sanitizer. */
static bool read_bytes(const char *text, size_t length)
{
    forget();
    faults.count = 0;
    bytes = object_alloc(length + 1);
    memcpy(bytes, text, length);
    bool good = form_read(&form, bytes, length, &faults);
    ck_assert(good == (faults.count == 0));
    return good;
}

static bool convert(const char *text)
{
    size_t count, rows;
    if (!read_bytes(text, strlen(text)))
        return false;
    size_t size = form_measure(&form, layout, NULL, schema->allow_nan, &faults);
    ck_assert((size == 0) == (faults.count > 0));
    if (size == 0)
        return false;
    payload = object_alloc(size);
    if (!form_write(&form, payload, size, &faults)) {
        ck_assert_uint_gt(faults.count, 0);
        return false;
    }
    ck_assert_ptr_null(tensors_decode(payload, size, tensors, &count, &rows));
    ck_assert_uint_eq(rows, 1);
    return true;
}

static void gives(const char *text, float a, float b, float c)
{
    float values[3];
    ck_assert_msg(convert(text), "%s: %s: %s", text, faults.list[0].field, faults.list[0].message);
    memcpy(values, tensors[0].data, sizeof values);
    ck_assert_msg(values[0] == a && values[1] == b && values[2] == c, "%s: %g, %g, %g", text,
                  (double)values[0], (double)values[1], (double)values[2]);
}

static void refused(const char *text, const char *field, const char *message)
{
    ck_assert_msg(!convert(text), "%s", text);
    ck_assert_str_eq(faults.list[0].field, field);
    ck_assert_str_eq(faults.list[0].message, message);
}

/* ---- pairs ---- */

START_TEST(pairs_are_features)
{
    gives("age=1&net+income=2&b%2Bc=3", 1, 2, 3);
    gives("b%2bc=3.5e0&age=-1&net%20income=+2", -1, 2, 3.5f);
    gives("&age=1&&net+income=2&b%2Bc=3&", 1, 2, 3);
    gives("%61ge=%31%2E5&net+income=%2B2&b%2Bc=3", 1.5f, 2, 3);
}
END_TEST

/* What was encoded is shorter when it is decoded: a number must not go on with what is left behind it. */
START_TEST(a_number_ends_with_its_value)
{
    gives("age=1%32&net+income=%32%33&b%2Bc=%34", 12, 23, 4);
    gives("age=%31&net+income=1234567%38&b%2Bc=1", 1, 12345678, 1);
}
END_TEST

START_TEST(some_names_are_ours)
{
    gives("model=m%2F1&age=1&net+income=2&b%2Bc=3&version=2&key=user+7%26", 1, 2, 3);
    ck_assert(text_is(form.model, "m/1") && text_is(form.version, "2") && text_is(form.key, "user 7&"));
    gives("age=1&net+income=2&b%2Bc=3", 1, 2, 3);
    ck_assert(form.model.length == 0 && form.version.length == 0 && form.key.length == 0);
}
END_TEST

START_TEST(our_names_have_bounds)
{
    char text[PROTOCOL_TEXT_MAX + 64], long_text[PROTOCOL_TEXT_MAX + 2] = {0};
    refused("model=&age=1", "model", "expected 1 to 128 bytes, got 0");
    refused("model=a&model=a", "model", "is there twice");
    refused("version&age=1", "version", "expected 1 to 128 bytes, got 0");
    refused("key=%ff&age=1", "key", "expected UTF-8");
    memset(long_text, 'k', PROTOCOL_TEXT_MAX + 1);
    snprintf(text, sizeof text, "age=1&key=%s", long_text);
    ck_assert(!read_bytes(text, strlen(text)));
    text[strlen(text) - 1] = '\0';
    ck_assert(read_bytes(text, strlen(text)));
}
END_TEST

/* ---- what is refused ---- */

START_TEST(every_wrong_pair_is_told)
{
    ck_assert(!convert("age=1&x=2&net%20income=3&age=4&b+c=5"));
    static const struct {
        const char *field, *message;
    } expected[] = {{"features.x", "the model has no such feature"},
                    {"features.age", "is there twice"},
                    {"features.b c", "the model has no such feature"},
                    {"features.b+c", "is missing"}};
    ck_assert_uint_eq(faults.count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        ck_assert_str_eq(faults.list[i].field, expected[i].field);
        ck_assert_str_eq(faults.list[i].message, expected[i].message);
    }
    ck_assert(!convert("age=&net+income=x&b%2Bc=1e99"));
    ck_assert_uint_eq(faults.count, 3);
    ck_assert_str_eq(faults.list[0].field, "features.age");
    ck_assert_str_eq(faults.list[0].message, "expected a number, got nothing");
    ck_assert_str_eq(faults.list[1].message, "expected a number, got \"x\"");
    ck_assert_str_eq(faults.list[2].message, "1e+99 does not fit into FP32");
}
END_TEST

START_TEST(broken_bodies_are_refused)
{
    static const char *const broken[] = {"age=1%", "age=1%3", "age=%3g", "%=1", "a%2", "age=1&%zz=2"};
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        ck_assert_msg(!convert(broken[i]), "%s", broken[i]);
        ck_assert_msg(strstr(faults.list[0].message, "a % without two hexadecimal digits") != NULL, "%s",
                      faults.list[0].message);
    }
    refused("", "body", "has no features: expected pairs of name=value");
    refused("&&&", "body", "has no features: expected pairs of name=value");
    refused("model=m", "body", "has no features: expected pairs of name=value");
    refused("=", "features.", "the model has no such feature");
    ck_assert(read_bytes("a=1\0&b=2", 8)); /* a NUL is a byte like others */
    ck_assert_uint_eq(csv_text(&form.values, 0).length, 2);
}
END_TEST

START_TEST(pairs_are_bounded)
{
    size_t length = 2 * (SCHEMA_NAMES_MAX + 4);
    char *text = object_alloc(length + 1);
    for (size_t i = 0; i < length; i += 2)
        memcpy(text + i, "a&", 2);
    refused(text, "body", "65541 pairs; there may be 65539");
    text[length - 3] = '\0';
    ck_assert(read_bytes(text, length - 3));
    ck_assert(!convert(text));
    ck_assert_uint_eq(faults.count, PROBLEM_FAULTS_MAX);
    free(text);
}
END_TEST

START_TEST(a_model_without_names_takes_no_form)
{
    static const struct example_tensor floats = {"x", DATATYPE_FP32, {-1, 3}};
    use(&floats, 1, NULL, 0);
    refused("age=1", "features", "the model has no feature names: expected them as an array, in JSON");
}
END_TEST

/* ---- datatypes ---- */

START_TEST(values_are_of_any_datatype)
{
    static const struct example_tensor inputs[] = {
        {"s", DATATYPE_BYTES, {-1, 1}}, {"b", DATATYPE_BOOL, {-1, 1}}, {"d", DATATYPE_FP64, {-1, 1}}};
    static const char *const names[] = {"text", "flag", "amount"};
    use(inputs, 3, names, 3);
    ck_assert(convert("flag=True&text=%c3%a9+%26%0a&amount=+0.1+"));
    static const uint8_t expected[] = "\5\0\0\0\xc3\xa9 &\n";
    ck_assert_uint_eq(tensors[0].bytes, sizeof expected - 1);
    ck_assert_mem_eq(tensors[0].data, expected, sizeof expected - 1);
    ck_assert_uint_eq(tensors[1].data[0], 1);
    double amount;
    memcpy(&amount, tensors[2].data, sizeof amount);
    ck_assert(amount == 0.1);
    ck_assert(convert("flag=0&text=&amount=1")); /* an empty string is one */
    ck_assert_uint_eq(tensors[0].bytes, 4);
    refused("flag=0&text=%ff&amount=1", "features.text", "expected a string in UTF-8");
    refused("flag=on&text=&amount=1", "features.flag", "expected true, false, 0 or 1, got \"on\"");
    refused("flag=1&text=&amount=", "features.amount", "expected a number, got nothing");
    schema->allow_nan = true;
    ck_assert(convert("flag=1&text=&amount="));
    memcpy(&amount, tensors[2].data, sizeof amount);
    ck_assert(isnan(amount));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {pairs_are_features,        a_number_ends_with_its_value,
                                  some_names_are_ours,       our_names_have_bounds,
                                  every_wrong_pair_is_told,  broken_bodies_are_refused,
                                  pairs_are_bounded,         a_model_without_names_takes_no_form,
                                  values_are_of_any_datatype};
    return SUITE_RUN("form", set_up, tear_down, tests);
}
