/* test_fields: rows that do not keep to what model.conf says of their columns, in JSON, CSV and forms, each
 * fault with its path; what may be left out; tensors that came as such. SPDX-License-Identifier: MIT */
#include "fields.h"

#include "csv_rows.h"
#include "decode.h"
#include "example_fields.h"
#include "form.h"
#include "rows.h"

#include <math.h>

enum { MAX_DEPTH = 8 };

static struct schema *schema;
static struct layout *layout;
static struct fields *fields;
static struct decoder *decoder;
static struct decode_body body;
static struct problem_faults faults;
static struct rows rows; /* large, as the next two */
static struct csv_rows table;
static struct form form;
static uint8_t *payload;
static struct tensor tensors[TENSOR_COUNT_MAX];
static size_t tensor_count, row_count;

static void forget(void)
{
    fields_free(fields);
    layout_free(layout);
    schema_free(schema);
    free(payload);
    fields = NULL;
    layout = NULL;
    schema = NULL;
    payload = NULL;
}

static void use(const struct example_tensor *inputs, size_t count, bool allow_nan, const char *text)
{
    static const struct example_tensor output = {"y", DATATYPE_FP32, {-1, 1}};
    size_t at;
    forget();
    schema = schema_new();
    schema->allow_nan = allow_nan;
    example_inputs(schema, inputs, count);
    example_outputs(schema, &output, 1);
    example_fields(schema, text);
    const char *misfit = schema_fields_misfit(schema, &at);
    ck_assert_msg(misfit == NULL, "%s", misfit);
    layout = layout_new(schema);
    fields = fields_new(schema, layout);
}

/* One input of numbers. */
static void use_floats(int64_t width, const char *text)
{
    const struct example_tensor input = {"x", DATATYPE_FP32, {-1, width}};
    use(&input, 1, false, text);
}

/* A whole number, a string and a boolean. */
static void use_mixed(void)
{
    static const struct example_tensor inputs[] = {{"age", DATATYPE_INT64, {-1, 1}},
                                                   {"plan", DATATYPE_BYTES, {-1, 1}},
                                                   {"member", DATATYPE_FP32, {-1, 1}}};
    use(inputs, 3, false,
        "[{'name': 'age', 'type': 'integer', 'min': 18, 'max': 120},"
        " {'name': 'plan', 'type': 'string', 'allowed': ['basic', 'pro'], 'default': 'basic'},"
        " {'name': 'member', 'type': 'boolean', 'default': false}]");
}

static void set_up(void)
{
    decoder = decoder_new();
    use_floats(5, "[{'name': 'age', 'type': 'integer', 'min': 18, 'max': 120}, {'name': 'rate', 'max': 0.1},"
                  " {'name': 'level', 'allowed': [1, 2.5, 4]}, {'name': 'free'},"
                  " {'name': 'member', 'type': 'boolean'}]");
}

static void tear_down(void)
{
    forget();
    decoder_free(decoder);
}

/* ---- bodies to tensors ---- */

static bool finish(bool good)
{
    ck_assert(good == (faults.count == 0));
    return good;
}

static bool finish_payload(size_t size)
{
    ck_assert_ptr_null(tensors_decode(payload, size, tensors, &tensor_count, &row_count));
    ck_assert_uint_eq(tensor_count, layout->input_count);
    return finish(true);
}

static uint8_t *make_payload(size_t size)
{
    free(payload);
    payload = object_alloc(size + 1);
    return payload;
}

/* The text with " for ', in memory with room for the reader. */
static char *copy_text(const char *text, size_t *length)
{
    *length = strlen(text);
    char *copy = object_alloc(*length + YYJSON_PADDING_SIZE);
    for (size_t i = 0; i < *length; i++)
        copy[i] = text[i] == '\'' ? '"' : text[i];
    return copy;
}

static bool write_rows(bool batch)
{
    rows = (struct rows){.layout = layout,
                         .fields = fields,
                         .allow_nan = schema->allow_nan,
                         .batch = batch,
                         .value = body.rows,
                         .plain = body.plain};
    size_t size = rows_measure(&rows, &faults);
    ck_assert((size == 0) == (faults.count > 0));
    if (size == 0 || !rows_write(&rows, make_payload(size), size, &faults))
        return finish(false);
    return finish_payload(size);
}

/* As a tree; and, where there is the short cut, by that, which must come to the same. */
static bool json(const char *text, bool batch)
{
    size_t length;
    char *bytes = copy_text(text, &length);
    faults.count = 0;
    bool plain = batch && layout->single_float &&
                 decode_plain(decoder, bytes, length, length + YYJSON_PADDING_SIZE, MAX_DEPTH, &body) &&
                 rows_take_plain(layout, body.plain);
    bool plain_good = plain && write_rows(true);
    struct problem_faults plain_faults = faults;
    faults.count = 0;
    ck_assert(
        decode_body(decoder, bytes, length, length + YYJSON_PADDING_SIZE, batch, MAX_DEPTH, &body, &faults));
    bool good = write_rows(batch);
    ck_assert(!plain || plain_good == good);
    ck_assert(!plain || plain_faults.count == faults.count);
    for (size_t i = 0; plain && i < faults.count; i++) {
        ck_assert_str_eq(plain_faults.list[i].field, faults.list[i].field);
        ck_assert_str_eq(plain_faults.list[i].message, faults.list[i].message);
    }
    decoder_done(decoder);
    free(bytes);
    return good;
}

static bool csv(const char *text, bool batch)
{
    size_t length;
    char *bytes = copy_text(text, &length);
    faults.count = 0;
    table = (struct csv_rows){.layout = layout,
                              .fields = fields,
                              .allow_nan = schema->allow_nan,
                              .batch = batch,
                              .text = {bytes, length}};
    size_t size = csv_rows_measure(&table, &faults);
    ck_assert((size == 0) == (faults.count > 0));
    bool good = size > 0 && csv_rows_write(&table, make_payload(size), size, &faults);
    csv_rows_end(&table);
    free(bytes);
    return good ? finish_payload(size) : finish(false);
}

static bool post(const char *text)
{
    size_t length;
    char *bytes = copy_text(text, &length);
    faults.count = 0;
    size_t size = form_read(&form, bytes, length, &faults)
                      ? form_measure(&form, layout, fields, schema->allow_nan, &faults)
                      : 0;
    bool good = size > 0 && form_write(&form, make_payload(size), size, &faults);
    form_end(&form);
    free(bytes);
    return good ? finish_payload(size) : finish(false);
}

static void faults_are(size_t count, const char *const (*expected)[2])
{
    for (size_t i = 0; i < count && i < faults.count; i++) {
        ck_assert_str_eq(faults.list[i].field, expected[i][0]);
        ck_assert_str_eq(faults.list[i].message, expected[i][1]);
    }
    ck_assert_uint_eq(faults.count, count);
}
#define FAULTS(...)                                                                                          \
    faults_are(COUNT_OF(((const char *const[][2]){__VA_ARGS__})), (const char *const[][2]){__VA_ARGS__})

static float float_at(size_t tensor, size_t index)
{
    float value;
    memcpy(&value, tensors[tensor].data + index * sizeof value, sizeof value);
    return value;
}

static void string_is(size_t tensor, const char *expected)
{
    uint32_t length;
    memcpy(&length, tensors[tensor].data, sizeof length);
    ck_assert_uint_eq(length, strlen(expected));
    ck_assert_mem_eq(tensors[tensor].data + sizeof length, expected, length);
}

/* ---- JSON ---- */

START_TEST(good_rows_pass)
{
    ck_assert(json("{'instances': [[18, 0.1, 2.5, 1e9, 1], [120, -5, 4, 0, 0]]}", true));
    ck_assert_uint_eq(row_count, 2);
    ck_assert(float_at(0, 1) == 0.1f && float_at(0, 4) == 1);
    ck_assert(json("{'instances': [[18.0, 0.1, 2.5, 1e9, true], [120, -5, 4, 0, false]]}", true));
    ck_assert(float_at(0, 4) == 1 && float_at(0, 9) == 0);
    ck_assert(json("{'features': {'member': true, 'age': 40, 'free': 1, 'level': 1, 'rate': 0}}", false));
    ck_assert(float_at(0, 0) == 40 && float_at(0, 4) == 1);
}
END_TEST

START_TEST(every_fault_by_name_is_told_at_once)
{
    ck_assert(!json("{'instances': ["
                    "{'age': 130, 'rate': 0.11, 'level': 3, 'free': 0, 'member': 2},"
                    "{'age': 30, 'rate': 0, 'level': 1, 'free': 0, 'member': true},"
                    "{'age': 30.5, 'rate': 'x', 'level': null, 'free': 0, 'member': 'yes', 'more': 1},"
                    "{'age': 17, 'rate': 0, 'level': 1, 'free': 0}]}",
                    true));
    FAULTS({"instances[0].age", "130 is above the maximum 120"},
           {"instances[0].rate", "0.11 is above the maximum 0.1"},
           {"instances[0].level", "expected one of 1, 2.5, 4, got 3"},
           {"instances[0].member", "expected true or false, got 2"},
           {"instances[2].age", "expected a whole number, got 30.5"},
           {"instances[2].rate", "expected a number, got a string"},
           {"instances[2].level", "expected a number, got null"},
           {"instances[2].member", "expected true, false, 0 or 1, got a string"},
           {"instances[2].more", "the model has no such feature"},
           {"instances[3].age", "17 is below the minimum 18"}, {"instances[3].member", "is missing"});
}
END_TEST

START_TEST(faults_by_place_say_the_name)
{
    ck_assert(!json("{'instances': [[18, 0, 1, 0, 1], [130, 0, 1, 0, 1], [40, 1, 3, 0, 0.5]]}", true));
    FAULTS({"instances[1][0]", "age: 130 is above the maximum 120"},
           {"instances[2][1]", "rate: 1 is above the maximum 0.1"},
           {"instances[2][2]", "level: expected one of 1, 2.5, 4, got 3"},
           {"instances[2][4]", "member: expected true or false, got 0.5"});
    ck_assert(!json("{'features': [130, 0, 'x', 0, 1]}", false));
    FAULTS({"features[0]", "age: 130 is above the maximum 120"},
           {"features[2]", "level: expected a number, got a string"});
    ck_assert(!json("{'features': {'age': 130, 'rate': 0, 'level': 1, 'free': 0, 'member': 0}}", false));
    FAULTS({"features.age", "130 is above the maximum 120"});
}
END_TEST

START_TEST(as_many_faults_as_there_is_room_for)
{
    char text[4096] = "{'instances': [";
    for (size_t i = 0; i < 50; i++)
        strcat(text, i == 0 ? "[130, 0, 1, 0, 1]" : ", [130, 0, 1, 0, 1]");
    strcat(text, "]}");
    ck_assert(!json(text, true));
    ck_assert_uint_eq(faults.count, PROBLEM_FAULTS_MAX);
    ck_assert_str_eq(faults.list[PROBLEM_FAULTS_MAX - 1].field, "instances[19][0]");
}
END_TEST

/* The loop over four floats at a time finds a fault wherever it is, in rows of any length. */
START_TEST(a_fault_is_found_at_every_place)
{
    for (int64_t width = 1; width <= 11; width++) {
        char text[1024] = "[";
        for (int64_t i = 0; i < width; i++)
            sprintf(text + strlen(text), "%s{'name': 'f%d', 'min': %d, 'max': %d, 'type': '%s'}",
                    i == 0 ? "" : ", ", (int)i, (int)i, (int)i + 1, i % 2 == 0 ? "number" : "integer");
        strcat(text, "]");
        use_floats(width, text);
        for (int64_t bad = -1; bad < width; bad++)
            for (int more = 0; more < 3; more++) {
                static const double wrong[] = {-1, 2, 0.5}; /* below, above, broken */
                char request[2048] = "{'instances': [";
                for (int row = 0; row < 3; row++) {
                    strcat(request, row == 0 ? "[" : ", [");
                    for (int64_t i = 0; i < width; i++)
                        sprintf(request + strlen(request), "%s%g", i == 0 ? "" : ", ",
                                (double)i + (row == 1 && i == bad ? wrong[more]
                                             : i % 2 == 0         ? 0.25
                                                                  : 1));
                    strcat(request, "]");
                }
                strcat(request, "]}");
                bool good = bad < 0 || (more == 2 && bad % 2 == 0);
                ck_assert_msg(json(request, true) == good, "%s", request);
                ck_assert_uint_eq(faults.count, good ? 0 : 1);
            }
    }
}
END_TEST

START_TEST(large_numbers_are_whole)
{
    use_floats(1, "[{'name': 'a', 'type': 'integer'}]");
    ck_assert(json("{'instances': [[8388607], [-8388608], [16777217], [1e30], [-1e30], [0], [-0.0]]}", true));
    ck_assert(!json("{'instances': [[8388607.5]]}", true)); /* the last half that a float has */
    FAULTS({"instances[0][0]", "a: expected a whole number, got 8388607.5"});
}
END_TEST

START_TEST(descriptions_alone_check_nothing)
{
    use_floats(1, "[{'name': 'a', 'description': 'anything', 'type': 'number'}]");
    ck_assert_ptr_null(fields);
    ck_assert(json("{'instances': [[1]]}", true));
    ck_assert(!json("{'instances': [['x']]}", true));
    FAULTS({"instances[0][0]", "expected a number, got a string"});
}
END_TEST

START_TEST(nan_stands_for_a_missing_value)
{
    const struct example_tensor input = {"x", DATATYPE_FP32, {-1, 2}};
    use(&input, 1, true,
        "[{'name': 'a', 'type': 'integer', 'min': 1, 'max': 3},"
        " {'name': 'b', 'allowed': [1, 2], 'required': false}]");
    ck_assert(json("{'instances': [[NaN, NaN], {'a': 1}, [2, null], {'a': 3, 'b': null}]}", true));
    ck_assert(isnan(float_at(0, 0)) && isnan(float_at(0, 3)) && isnan(float_at(0, 5)));
    ck_assert(!json("{'instances': [[Infinity, 1], [null, 1]]}", true));
    FAULTS({"instances[0][0]", "a: inf is above the maximum 3"},
           {"instances[1][0]", "a: expected a whole number, got null"});
    ck_assert(csv("a,b\n,\n1,\n", true));
    ck_assert(isnan(float_at(0, 0)) && isnan(float_at(0, 1)) && float_at(0, 2) == 1 && isnan(float_at(0, 3)));
}
END_TEST

START_TEST(columns_may_be_left_out)
{
    use_mixed();
    ck_assert(json("{'instances': [{'age': 18}]}", true));
    string_is(1, "basic");
    ck_assert(float_at(2, 0) == 0);
    ck_assert(json("{'features': {'member': true, 'age': 18}}", false));
    ck_assert(float_at(2, 0) == 1);
    ck_assert(json("{'features': [18, null, null]}", false));
    string_is(1, "basic");
    ck_assert(json("{'features': [18, 'pro', true]}", false));
    string_is(1, "pro");
    ck_assert(!json("{'features': {'plan': 'pro'}}", false));
    FAULTS({"features.age", "is missing"});
    ck_assert(!json("{'features': {}}", false));
    FAULTS({"features.age", "is missing"});
    ck_assert(!json("{'features': {'age': 18, 'plan': 'gold', 'plan': 'pro'}}", false));
    FAULTS({"features.plan", "expected one of \"basic\", \"pro\", got \"gold\""},
           {"features.plan", "is there twice"});
    ck_assert(!json("{'features': [17, 'gold', 2]}", false));
    FAULTS({"features[0]", "age: 17 is below the minimum 18"},
           {"features[1]", "plan: expected one of \"basic\", \"pro\", got \"gold\""},
           {"features[2]", "member: expected true or false, got 2"});
    ck_assert(!json("{'features': [18, 'pro']}", false));
    FAULTS({"features", "expected 3 values, got 2"});
}
END_TEST

START_TEST(every_datatype_is_checked)
{
    for (int datatype = 0; datatype < DATATYPE_COUNT; datatype++) {
        const struct example_tensor input = {"x", (enum datatype)datatype, {-1, 1}};
        bool text = datatype == DATATYPE_BYTES, truth = datatype == DATATYPE_BOOL;
        use(&input, 1, false,
            text    ? "[{'name': 'a', 'allowed': ['x']}]"
            : truth ? "[{'name': 'a', 'type': 'boolean', 'allowed': [true]}]"
                    : "[{'name': 'a', 'min': 2, 'max': 100}]");
        ck_assert(json(text    ? "{'instances': [['x']]}"
                       : truth ? "{'instances': [[true]]}"
                               : "{'instances': [[2], [100]]}",
                       true));
        ck_assert(!json(text    ? "{'instances': [['y']]}"
                        : truth ? "{'instances': [[false]]}"
                                : "{'instances': [[1]]}",
                        true));
        FAULTS({"instances[0][0]", text    ? "a: expected \"x\", got \"y\""
                                   : truth ? "a: expected 1, got 0"
                                           : "a: 1 is below the minimum 2"});
    }
}
END_TEST

/* ---- CSV ---- */

START_TEST(csv_faults_say_line_and_column)
{
    ck_assert(csv("age,rate,level,free,member\n18,0.1,4,0,true\n", true));
    ck_assert(float_at(0, 4) == 1);
    ck_assert(csv("18,0.1,4,0,1\n19,0,1,0,0\n", true)); /* the short cut */
    ck_assert(!csv("age,rate,level,free,member\n18,0,1,0,1\n130,0,3,0,1\n17.5,1,1,0,maybe\n", true));
    FAULTS({"instances[1].age", "line 3, column age: 130 is above the maximum 120"},
           {"instances[1].level", "line 3, column level: expected one of 1, 2.5, 4, got 3"},
           {"instances[2].age", "line 4, column age: expected a whole number, got 17.5"},
           {"instances[2].rate", "line 4, column rate: 1 is above the maximum 0.1"},
           {"instances[2].member", "line 4, column member: expected true, false, 0 or 1, got \"maybe\""});
    ck_assert(!csv("18,0,1,0,1\n130,0,1,0,1\n", true));
    FAULTS({"instances[1].age", "line 2, column age: 130 is above the maximum 120"});
    ck_assert(!csv("member,age,rate,level,free\n1,130,0,1,0\n", false));
    FAULTS({"features.age", "line 2, column age: 130 is above the maximum 120"});
    ck_assert(!csv("x,0,1,0,1\n", false));
    FAULTS({"features.age", "line 1, column age: expected a whole number, got \"x\""});
}
END_TEST

START_TEST(csv_may_leave_columns_out)
{
    use_mixed();
    ck_assert(csv("age\n18\n20\n", true));
    ck_assert_uint_eq(row_count, 2);
    string_is(1, "basic");
    ck_assert(csv("member,age\non,18\n", true));
    ck_assert(float_at(2, 0) == 1);
    ck_assert(csv("age,plan,member\n18,,\n", true));
    string_is(1, "basic");
    ck_assert(csv("18,pro,\n", true));
    string_is(1, "pro");
    ck_assert(!csv("age,plan,member\n18,\"\",\n", true)); /* an empty string is none that is missing */
    FAULTS({"instances[0].plan", "line 2, column plan: expected one of \"basic\", \"pro\", got \"\""});
    ck_assert(!csv("plan,member\npro,1\n", true));
    FAULTS({"header.age", "line 1, column age: is missing"});
    ck_assert(!csv("age,member\n18\n", true));
    FAULTS({"instances[0]", "line 2: expected 2 values, got 1"});
    ck_assert(!csv("age\n17\n", true));
    FAULTS({"instances[0].age", "line 2, column age: 17 is below the minimum 18"});
}
END_TEST

START_TEST(csv_of_numbers_may_leave_columns_out)
{
    use_floats(3, "[{'name': 'a', 'max': 5}, {'name': 'b', 'default': 7}, {'name': 'c'}]");
    ck_assert(csv("c,a\n1,2\n3,4\n", true));
    ck_assert(float_at(0, 0) == 2 && float_at(0, 1) == 7 && float_at(0, 2) == 1 && float_at(0, 5) == 3);
    ck_assert(csv("1,,3\n", true));
    ck_assert(float_at(0, 1) == 7);
    ck_assert(!csv("c,a\n1,6\n", true));
    FAULTS({"instances[0].a", "line 2, column a: 6 is above the maximum 5"});
}
END_TEST

/* ---- forms ---- */

START_TEST(forms_keep_to_the_same_rules)
{
    use_mixed();
    ck_assert(post("age=18&plan=pro&member=on"));
    string_is(1, "pro");
    ck_assert(float_at(2, 0) == 1);
    ck_assert(post("age=18"));
    string_is(1, "basic");
    ck_assert(float_at(2, 0) == 0);
    ck_assert(post("age=18&member=")); /* an empty line of a form */
    ck_assert(float_at(2, 0) == 0);
    ck_assert(!post("age=130&plan=gold&member=perhaps"));
    FAULTS({"features.age", "130 is above the maximum 120"},
           {"features.plan", "expected one of \"basic\", \"pro\", got \"gold\""},
           {"features.member", "expected true, false, 0 or 1, got \"perhaps\""});
}
END_TEST

START_TEST(a_form_lacks_what_is_required)
{
    use_mixed();
    ck_assert(!post("plan=pro&colour=red"));
    FAULTS({"features.colour", "the model has no such feature"}, {"features.age", "is missing"});
}
END_TEST

/* ---- tensors ---- */

static struct tensor floats_tensor(const char *name, const float *values, int64_t count, int64_t width)
{
    return (struct tensor){.name = text_of(name),
                           .datatype = DATATYPE_FP32,
                           .rank = 2,
                           .shape = {count, width},
                           .data = (const uint8_t *)values,
                           .bytes = (size_t)(count * width) * sizeof *values};
}

START_TEST(tensors_are_checked)
{
    const float good[] = {18, 0.1f, 2.5f, 9, 1}, bad[] = {18, 0, 1, 0, 0, 130, 0, 3, 0, 0};
    struct tensor tensor = floats_tensor("x", good, 1, 5);
    faults.count = 0;
    ck_assert(fields_check_values(schema, &tensor, 1, &faults));
    ck_assert_uint_eq(faults.count, 0);
    tensor = floats_tensor("x", bad, 2, 5);
    ck_assert(!fields_check_values(schema, &tensor, 1, &faults));
    FAULTS({"x[1][0]", "age: 130 is above the maximum 120"},
           {"x[1][2]", "level: expected one of 1, 2.5, 4, got 3"});
}
END_TEST

START_TEST(tensors_come_in_any_order)
{
    const int64_t ages[] = {18, 130};
    const uint8_t plans[] = "\3\0\0\0pro\4\0\0\0gold";
    const float members[] = {0, 1};
    use_mixed();
    const struct tensor given[] = {
        floats_tensor("member", members, 2, 1),
        {text_of("plan"), DATATYPE_BYTES, 2, {2, 1}, plans, sizeof plans - 1},
        {text_of("age"), DATATYPE_INT64, 2, {2, 1}, (const uint8_t *)ages, sizeof ages},
    };
    faults.count = 0;
    ck_assert(!fields_check_values(schema, given, 3, &faults));
    FAULTS({"plan[1]", "expected one of \"basic\", \"pro\", got \"gold\""},
           {"age[1]", "130 is above the maximum 120"});
    faults.count = 0;
    ck_assert(fields_check_values(schema, given, 1, &faults));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        good_rows_pass,
        every_fault_by_name_is_told_at_once,
        faults_by_place_say_the_name,
        as_many_faults_as_there_is_room_for,
        a_fault_is_found_at_every_place,
        large_numbers_are_whole,
        descriptions_alone_check_nothing,
        nan_stands_for_a_missing_value,
        columns_may_be_left_out,
        every_datatype_is_checked,
        csv_faults_say_line_and_column,
        csv_may_leave_columns_out,
        csv_of_numbers_may_leave_columns_out,
        forms_keep_to_the_same_rules,
        a_form_lacks_what_is_required,
        tensors_are_checked,
        tensors_come_in_any_order,
    };
    return SUITE_RUN("fields", set_up, tear_down, tests);
}
