/* test_row_builder: rows become the payload that the front door makes of the same values, and what it refuses
 * is refused, with its words. SPDX-License-Identifier: MIT */
#include "row_builder.h"

#include "csv_rows.h"
#include "decode.h"
#include "example_fields.h"
#include "roles.h"
#include "rows.h"

#include <math.h>

enum { MAX_DEPTH = 8, WIDTH_MAX = 8, ROWS_MAX = 8 };

static struct schema *schema;
static struct row_builder *builder;
static char faults[ROW_FAULTS_MAX];

/* ---- models ---- */

static void use(const struct example_tensor *inputs, size_t count, bool allow_nan, const char *fields)
{
    static const struct example_tensor output = {"y", DATATYPE_FP32, {-1, 1}};
    row_builder_free(builder);
    schema_free(schema);
    schema = schema_new();
    schema->allow_nan = allow_nan;
    example_inputs(schema, inputs, count);
    example_outputs(schema, &output, 1);
    if (fields != NULL)
        example_fields(schema, fields);
    builder = row_builder_new(schema, ROWS_MAX);
}

static void use_floats(int64_t width, bool allow_nan, const char *fields)
{
    const struct example_tensor input = {"x", DATATYPE_FP32, {-1, width}};
    use(&input, 1, allow_nan, fields);
}

static void use_mixed(bool allow_nan)
{
    static const struct example_tensor inputs[] = {
        {"age", DATATYPE_INT64, {-1, 1}},   {"plan", DATATYPE_BYTES, {-1, 1}},
        {"member", DATATYPE_FP32, {-1, 1}}, {"flag", DATATYPE_BOOL, {-1, 1}},
        {"note", DATATYPE_BYTES, {-1, 1}},  {"rate", DATATYPE_FP64, {-1, 2}}};
    use(inputs, COUNT_OF(inputs), allow_nan,
        "[{'name': 'age', 'type': 'integer', 'min': 18, 'max': 120},"
        " {'name': 'plan', 'type': 'string', 'allowed': ['basic', 'pro'], 'default': 'basic'},"
        " {'name': 'member', 'type': 'boolean', 'default': false}, {'name': 'flag'}, {'name': 'note'},"
        " {'name': 'low', 'max': 0.1}, {'name': 'high', 'allowed': [1, 2.5, 4]}]");
}

static void set_up(void)
{
    use_floats(3, false,
               "[{'name': 'age', 'type': 'integer', 'min': 18, 'max': 120}, {'name': 'rate', 'max': 0.1},"
               " {'name': 'free'}]");
}

static void tear_down(void)
{
    row_builder_free(builder);
    schema_free(schema);
}

/* ---- rows ---- */

static struct row_value number(double value)
{
    return (struct row_value){.kind = ROW_NUMBER, .number = value};
}

static struct row_value integer(int64_t value)
{
    return (struct row_value){.kind = ROW_INTEGER, .integer = value};
}

static struct row_value text(const char *value)
{
    return (struct row_value){.kind = ROW_TEXT, .text = text_of(value)};
}

static struct row_value string(const char *value)
{
    return (struct row_value){.kind = ROW_STRING, .text = text_of(value)};
}

static struct row_value missing(void)
{
    return (struct row_value){.kind = ROW_MISSING};
}

static struct row_value truth(bool value)
{
    return (struct row_value){.kind = ROW_TRUTH, .truth = value};
}

#define ADD(...) row_builder_add(builder, (const struct row_value[]){__VA_ARGS__}, faults)
#define REFUSED(expected, ...)                                                                               \
    do {                                                                                                     \
        size_t rows_before = row_builder_rows(builder);                                                      \
        ck_assert(!ADD(__VA_ARGS__));                                                                        \
        ck_assert_str_eq(faults, expected);                                                                  \
        ck_assert_uint_eq(row_builder_rows(builder), rows_before);                                           \
    } while (0)

/* Input `input` of rows [from, to). */
static struct tensor built(size_t from, size_t to, size_t input)
{
    static struct tensor tensors[TENSOR_COUNT_MAX];
    size_t bytes, count, rows;
    const uint8_t *payload = row_builder_payload(builder, from, to, &bytes);
    ck_assert_ptr_null(tensors_decode(payload, bytes, tensors, &count, &rows));
    ck_assert(count == schema->input_count && rows == to - from);
    return tensors[input];
}

/* ---- one row after the other ---- */

START_TEST(rows_are_put_one_behind_the_other)
{
    ck_assert(ADD(integer(20), number(0.1), text("-1.5")));
    ck_assert(ADD(text("+21"), integer(0), number(7)));
    ck_assert_uint_eq(row_builder_rows(builder), 2);
    struct tensor all = built(0, 2, 0);
    ck_assert_double_eq(value_float(&all, 0), 20);
    ck_assert_double_eq(value_float(&all, 1), (double)0.1f);
    ck_assert_double_eq(value_float(&all, 2), -1.5);
    ck_assert_double_eq(value_float(&all, 3), 21);
    struct tensor second = built(1, 2, 0);
    ck_assert_double_eq(value_float(&second, 2), 7);
    row_builder_drop(builder);
    ck_assert(ADD(integer(30), number(0), number(0)));
    second = built(1, 2, 0);
    ck_assert_double_eq(value_float(&second, 0), 30);
    row_builder_clear(builder);
    ck_assert_uint_eq(row_builder_rows(builder), 0);
}
END_TEST

START_TEST(a_builder_takes_as_many_rows_as_were_said)
{
    for (int i = 0; i < ROWS_MAX; i++) {
        ck_assert(!row_builder_full(builder));
        ck_assert(ADD(integer(18 + i), number(0), number(0)));
    }
    ck_assert(row_builder_full(builder));
    struct tensor last = built(ROWS_MAX - 1, ROWS_MAX, 0);
    ck_assert_double_eq(value_float(&last, 0), 18 + ROWS_MAX - 1);
}
END_TEST

START_TEST(all_that_is_wrong_is_said_at_once)
{
    REFUSED("age: 130 is above the maximum 120; rate: 0.2 is above the maximum 0.1; free: is missing",
            integer(130), number(0.2), missing());
    REFUSED("age: expected a whole number, got 20.5", number(20.5), number(0), number(0));
    REFUSED("age: expected a whole number, got \"old\"", text("old"), number(0), number(0));
    REFUSED("age: expected a whole number, got a string; free: expected a number, got true", string("20"),
            number(0), truth(true));
    REFUSED("free: expected a number, got nothing", integer(20), number(0), text(" "));
    REFUSED("free: not a finite number: an infinity, or too large for any number here", integer(20),
            number(0), number(INFINITY));
    ck_assert(ADD(integer(20), number(0), number(0)));
}
END_TEST

START_TEST(columns_without_a_name_are_counted)
{
    use_floats(2, false, NULL);
    REFUSED("column 2: is missing", number(1), missing());
    ck_assert(!row_builder_optional(builder, 1));
}
END_TEST

START_TEST(words_are_cut_at_what_fits)
{
    static const struct example_tensor input = {"x", DATATYPE_FP32, {-1, 100}};
    struct row_value values[100] = {{.kind = ROW_MISSING}};
    use(&input, 1, false, NULL);
    ck_assert(!row_builder_add(builder, values, faults));
    ck_assert_uint_eq(strlen(faults), ROW_FAULTS_MAX - 1);
    ck_assert_int_eq(strncmp(faults, "column 1: is missing; column 2: is missing; ", 44), 0);
}
END_TEST

START_TEST(what_is_missing_may_be_a_default_or_nan)
{
    use_mixed(false);
    ck_assert(ADD(integer(20), missing(), text(""), truth(true), string(""), number(0), number(1)));
    struct tensor plan = built(0, 1, 1);
    size_t offset = 0;
    ck_assert(text_is(value_bytes(&plan, &offset), "basic"));
    ck_assert(row_builder_optional(builder, 1) && !row_builder_optional(builder, 4));
    REFUSED("note: is missing; low: is missing", integer(20), missing(), text(""), truth(true), missing(),
            missing(), number(1));
    use_mixed(true);
    ck_assert(ADD(integer(20), missing(), text(""), truth(true), missing(), missing(), text("")));
    struct tensor rate = built(0, 1, 5);
    ck_assert(isnan(value_float(&rate, 0)) && isnan(value_float(&rate, 1)));
    ck_assert(row_builder_optional(builder, 4) && !row_builder_optional(builder, 0));
}
END_TEST

START_TEST(strings_and_numbers_may_stand_side_by_side)
{
    use_mixed(false);
    for (int i = 0; i < ROWS_MAX; i++)
        ck_assert(ADD(integer(20 + i), string(i % 2 ? "pro" : "basic"), truth(i % 2), text("TRUE"),
                      string("a long text, and longer" + i), number(-1), number(2.5)));
    struct tensor plan = built(3, 5, 1), note = built(3, 5, 4), member = built(3, 5, 2);
    size_t offset = 0;
    ck_assert(text_is(value_bytes(&plan, &offset), "pro") && text_is(value_bytes(&plan, &offset), "basic"));
    offset = 0;
    ck_assert(text_is(value_bytes(&note, &offset), "ong text, and longer"));
    ck_assert_double_eq(value_float(&member, 0), 1);
    row_builder_drop(builder);
    ck_assert(ADD(integer(20), string("pro"), text("off"), integer(0), text("x"), number(-1), number(4)));
    note = built(ROWS_MAX - 1, ROWS_MAX, 4);
    offset = 0;
    ck_assert(text_is(value_bytes(&note, &offset), "x"));
    row_builder_clear(builder);
    REFUSED("plan: expected one of \"basic\", \"pro\", got \"gold\"; member: expected true or false, got 2; "
            "flag: expected true, false, 0 or 1, got a number; note: expected a string, got a number; "
            "high: expected one of 1, 2.5, 4, got 3",
            integer(20), string("gold"), integer(2), integer(2), integer(4), number(0), number(3));
    REFUSED("note: expected a string in UTF-8", integer(20), string("pro"), truth(false), truth(true),
            string("\xff"), number(0), number(1));
}
END_TEST

START_TEST(a_model_of_any_width_is_told_how_wide_rows_are)
{
    static const struct example_tensor input = {"x", DATATYPE_FP32, {-1, -1}};
    use(&input, 1, false, NULL);
    ck_assert_uint_eq(row_builder_width(builder), 0);
    ck_assert(!row_builder_widen(builder, 0));
    ck_assert(row_builder_widen(builder, 2));
    ck_assert(ADD(number(1), number(2)));
    ck_assert(!row_builder_widen(builder, 3) && row_builder_widen(builder, 2));
    struct tensor rows = built(0, 1, 0);
    ck_assert(rows.shape[1] == 2);
    row_builder_clear(builder);
    ck_assert(row_builder_widen(builder, 3));
    ck_assert(ADD(number(1), number(2), number(3)));
    use_floats(2, false, NULL);
    ck_assert(!row_builder_widen(builder, 3));
}
END_TEST

START_TEST(inputs_that_are_no_rows_have_no_builder)
{
    static const struct example_tensor input = {"x", DATATYPE_FP32, {-1, 3, -1}};
    use(&input, 1, false, NULL);
    ck_assert_ptr_null(builder);
}
END_TEST

/* ---- the front door ---- */

static struct layout *layout;
static struct fields *fields;
static struct problem_faults refused;
static uint8_t *expected;
static size_t expected_bytes;

/* What the front door makes of a row of JSON; false: it refuses it. */
static bool front_door(const char *row)
{
    static struct rows rows;
    struct decoder *decoder = decoder_new();
    struct decode_body body;
    char json[1024];
    int length = snprintf(json, sizeof json, "{\"features\": %s}", row);
    refused = (struct problem_faults){0};
    ck_assert_msg(decode_body(decoder, json, (size_t)length, sizeof json, false, MAX_DEPTH, &body, &refused),
                  "%s", json);
    rows =
        (struct rows){.layout = layout, .fields = fields, .allow_nan = schema->allow_nan, .value = body.rows};
    free(expected);
    expected = NULL;
    expected_bytes = rows_measure(&rows, &refused);
    bool good = expected_bytes > 0;
    if (good) {
        expected = object_alloc(expected_bytes);
        good = rows_write(&rows, expected, expected_bytes, &refused);
    }
    decoder_free(decoder);
    return good;
}

/* The same of a line of CSV. */
static bool front_door_csv(const char *line)
{
    static struct csv_rows table;
    refused = (struct problem_faults){0};
    table = (struct csv_rows){.layout = layout,
                              .fields = fields,
                              .allow_nan = schema->allow_nan,
                              .text = text_of(line),
                              .header = CSV_HEADER_ABSENT};
    free(expected);
    expected = NULL;
    expected_bytes = csv_rows_measure(&table, &refused);
    bool good = expected_bytes > 0;
    if (good) {
        expected = object_alloc(expected_bytes);
        good = csv_rows_write(&table, expected, expected_bytes, &refused);
    }
    csv_rows_end(&table);
    return good;
}

/* Without the line and the column that stand before. */
static const char *words_of(const char *message)
{
    const char *colon = strrchr(message, ':');
    return colon == NULL ? message : colon + 2;
}

static void same_as_front_door(const struct row_value *values, bool good, const char *row)
{
    size_t bytes;
    row_builder_clear(builder);
    ck_assert_msg(row_builder_add(builder, values, faults) == good, "%s: %s", row,
                  good ? faults : refused.list[0].message);
    if (good) {
        const uint8_t *payload = row_builder_payload(builder, 0, 1, &bytes);
        ck_assert_uint_eq(bytes, expected_bytes);
        ck_assert_mem_eq(payload, expected, bytes);
        return;
    }
    for (size_t i = 0; i < refused.count; i++)
        ck_assert_msg(strstr(faults, words_of(refused.list[i].message)) != NULL, "%s: %s is not in %s", row,
                      refused.list[i].message, faults);
}

/* Values as JSON, as CSV and as they are given. */
static const struct {
    const char *json, *csv;
    struct row_value value;
} samples[] = {{"20", "20", {.kind = ROW_INTEGER, .integer = 20}},
               {"130", "130", {.kind = ROW_INTEGER, .integer = 130}},
               {"-3", "-3", {.kind = ROW_INTEGER, .integer = -3}},
               {"0", "0", {.kind = ROW_INTEGER, .integer = 0}},
               {"0.05", "0.05", {.kind = ROW_NUMBER, .number = 0.05}},
               {"0.1", "0.1", {.kind = ROW_NUMBER, .number = 0.1}},
               {"1.0", "1.0", {.kind = ROW_NUMBER, .number = 1}},
               {"2.5", "2.5", {.kind = ROW_NUMBER, .number = 2.5}},
               {"1e300", "1e300", {.kind = ROW_NUMBER, .number = 1e300}},
               {"9007199254740993", "9007199254740993", {.kind = ROW_INTEGER, .integer = 9007199254740993}},
               {"true", "true", {.kind = ROW_TRUTH, .truth = true}},
               {"false", "false", {.kind = ROW_TRUTH, .truth = false}},
               {"\"pro\"", "pro", {.kind = ROW_STRING, .text = {"pro", 3}}},
               {"\"gold\"", "\"gold\"", {.kind = ROW_STRING, .text = {"gold", 4}}},
               {"\"\"", "\"\"", {.kind = ROW_STRING, .text = {"", 0}}},
               {"null", "", {.kind = ROW_MISSING}}};

/* A cell as csv.h gives it: without its quotes, with what ends numbers behind it. */
static struct row_value cell_of(const char *csv)
{
    static char room[WIDTH_MAX][32];
    static size_t next;
    char *place = room[next++ % WIDTH_MAX];
    bool quoted = *csv == '"';
    snprintf(place, sizeof room[0], "%s", csv + quoted);
    if (quoted)
        place[strlen(place) - 1] = '\0';
    return (struct row_value){.kind = ROW_TEXT, .text = text_of(place), .quoted = quoted};
}

static uint32_t draw(void)
{
    static uint32_t state = 2463534242;
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

/* A good row, in which some values are replaced by any. */
static void compare_some(const size_t *good, size_t width)
{
    char json[1024] = "[", csv[1024] = "";
    struct row_value values[WIDTH_MAX], cells[WIDTH_MAX];
    bool nulls = false;
    for (size_t i = 0; i < width; i++) {
        size_t sample = draw() % 6 == 0 ? draw() % COUNT_OF(samples) : good[i];
        snprintf(json + strlen(json), sizeof json - strlen(json), "%s%s", i > 0 ? ", " : "",
                 samples[sample].json);
        snprintf(csv + strlen(csv), sizeof csv - strlen(csv), "%s%s", i > 0 ? "," : "", samples[sample].csv);
        values[i] = samples[sample].value;
        cells[i] = cell_of(samples[sample].csv);
        nulls = nulls || values[i].kind == ROW_MISSING;
    }
    strcat(json, "]");
    strcat(csv, "\n");
    if (!nulls) /* which is no number in JSON, and may be NaN for us */
        same_as_front_door(values, front_door(json), json);
    same_as_front_door(cells, front_door_csv(csv), csv);
}

START_TEST(what_the_front_door_takes_is_taken_and_what_it_refuses_is_refused)
{
    static const size_t floats[] = {0, 4, 7}, mixed[] = {0, 12, 10, 11, 13, 5, 6};
    const bool allow_nan = _i % 2;
    if (_i < 2)
        use_floats(3, allow_nan,
                   "[{'name': 'age', 'type': 'integer', 'min': 18, 'max': 120}, {'name': 'rate', 'max': 0.1},"
                   " {'name': 'free'}]");
    else
        use_mixed(allow_nan);
    layout = layout_new(schema);
    fields = fields_new(schema, layout);
    for (int i = 0; i < 3000; i++)
        compare_some(_i < 2 ? floats : mixed, _i < 2 ? COUNT_OF(floats) : COUNT_OF(mixed));
    free(expected);
    fields_free(fields);
    layout_free(layout);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("row_builder");
    TCase *group = suite_group(suite, "rows", set_up, tear_down);
    tcase_add_test(group, rows_are_put_one_behind_the_other);
    tcase_add_test(group, a_builder_takes_as_many_rows_as_were_said);
    tcase_add_test(group, all_that_is_wrong_is_said_at_once);
    tcase_add_test(group, columns_without_a_name_are_counted);
    tcase_add_test(group, words_are_cut_at_what_fits);
    tcase_add_test(group, what_is_missing_may_be_a_default_or_nan);
    tcase_add_test(group, strings_and_numbers_may_stand_side_by_side);
    tcase_add_test(group, a_model_of_any_width_is_told_how_wide_rows_are);
    tcase_add_test(group, inputs_that_are_no_rows_have_no_builder);
    tcase_add_loop_test(group, what_the_front_door_takes_is_taken_and_what_it_refuses_is_refused, 0, 4);
    return suite_finish(suite);
}
