/* test_schema_fields: what the columns may be: on the wire, with the model's datatypes, and of two versions.
 * SPDX-License-Identifier: MIT */
#include "example_fields.h"
#include "schema_bytes.h"
#include "wire.h"

#include <math.h>

static struct wire_writer writer;
static uint8_t bytes[1 << 20];
static struct schema *schema;

/* Two numbers and a string. */
static struct schema *make(const char *fields)
{
    static const struct example_tensor inputs[] = {{"x", DATATYPE_FP32, {-1, 2}},
                                                   {"s", DATATYPE_BYTES, {-1, 1}}};
    static const struct example_tensor output = {"y", DATATYPE_FP32, {-1, 1}};
    struct schema *made = schema_new();
    example_inputs(made, inputs, 2);
    example_outputs(made, &output, 1);
    example_fields(made, fields);
    return made;
}

static void set_up(void)
{
    schema = make("[{'name': 'age', 'description': 'years', 'type': 'integer', 'min': 18, 'max': 120},"
                  " {'name': 'rate', 'allowed': [0.1, 0.25], 'default': 0.25},"
                  " {'name': 'plan', 'type': 'string', 'allowed': ['basic', 'pro'], 'default': 'basic'}]");
    wire_writer_begin(&writer, bytes, sizeof bytes);
}

static void tear_down(void)
{
    schema_free(schema);
}

static struct schema *there_and_back(const struct schema *one)
{
    const char *reason;
    size_t length;
    uint8_t *encoded = schema_encode(one, &length);
    struct schema *read = schema_decode(encoded, length, &reason);
    ck_assert_msg(read != NULL, "%s", reason);
    free(encoded);
    return read;
}

/* ---- the wire ---- */

START_TEST(what_was_written_is_read)
{
    struct schema *read = there_and_back(schema);
    ck_assert(schema_fields_equal(read->fields, schema->fields, 3));
    ck_assert_str_eq(read->fields[0].description, "years");
    ck_assert(read->fields[2].optional);
    ck_assert_str_eq(read->fields[2].standard.text, "basic");
    schema_free(read);
}
END_TEST

START_TEST(nothing_said_is_nothing_written)
{
    size_t with, without;
    free(schema_encode(schema, &with));
    schema_fields_free(schema->fields, schema->feature_count);
    schema->fields = NULL;
    free(schema_encode(schema, &without));
    ck_assert_uint_lt(without + 100, with);
    struct schema *read = there_and_back(schema);
    ck_assert_ptr_null(read->fields);
    schema_free(read);
}
END_TEST

START_TEST(a_default_of_nan_is_read_where_nan_is_allowed)
{
    const char *reason;
    size_t length;
    schema->fields[1].allowed_count = 0;
    schema->fields[1].standard.number = NAN;
    schema->allow_nan = true;
    struct schema *read = there_and_back(schema);
    ck_assert(read->fields[1].optional && isnan(read->fields[1].standard.number));
    schema_free(read);
    schema->allow_nan = false;
    uint8_t *encoded = schema_encode(schema, &length);
    ck_assert_ptr_null(schema_decode(encoded, length, &reason));
    ck_assert_str_eq(reason, "the default is no value of the model's datatype there");
    free(encoded);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    schema_refuses_truncations(schema);
}
END_TEST

START_TEST(no_changed_byte_does_harm)
{
    schema_survives_changes(schema);
}
END_TEST

/* A schema of one FP32 column "a" by hand, whose one field has `pairs` pairs that are to come. */
static void begin(size_t pairs)
{
    wire_writer_begin(&writer, bytes, sizeof bytes);
    wire_write_map(&writer, 4);
    wire_write_str(&writer, "fields"); /* also before the features */
    wire_write_array(&writer, 1);
    wire_write_map(&writer, pairs);
}

static const char *end(void)
{
    static const char *const sides[] = {"inputs", "outputs"};
    const char *reason;
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        wire_write_str(&writer, sides[i]);
        wire_write_array(&writer, 1);
        wire_write_map(&writer, 3);
        wire_write_str(&writer, "name");
        wire_write_str(&writer, "x");
        wire_write_str(&writer, "datatype");
        wire_write_str(&writer, "FP32");
        wire_write_str(&writer, "shape");
        wire_write_array(&writer, 2);
        wire_write_int(&writer, -1);
        wire_write_int(&writer, 1);
    }
    wire_write_str(&writer, "features");
    wire_write_array(&writer, 1);
    wire_write_str(&writer, "a");
    size_t length = wire_writer_end(&writer);
    ck_assert_uint_gt(length, 0);
    struct schema *read = schema_decode(bytes, length, &reason);
    schema_free(read);
    return reason == NULL ? "good" : reason;
}

static void name(const char *text)
{
    wire_write_str(&writer, "name");
    wire_write_str(&writer, text);
}

static void number(const char *key, double value)
{
    wire_write_str(&writer, key);
    wire_write_double(&writer, value);
}

static void truth(const char *key, bool value)
{
    wire_write_str(&writer, key);
    wire_write_bool(&writer, value);
}

START_TEST(fields_may_stand_before_the_features)
{
    begin(1);
    name("a");
    ck_assert_str_eq(end(), "good");
    begin(2);
    name("a");
    wire_write_str(&writer, "colour");
    wire_write_map(&writer, 0);
    ck_assert_str_eq(end(), "good");
    begin(2);
    name("a");
    wire_write_str(&writer, "min");
    wire_write_int(&writer, -3);
    ck_assert_str_eq(end(), "good");
}
END_TEST

START_TEST(what_is_no_field_is_refused)
{
    begin(1);
    name("b");
    ck_assert_str_eq(end(), "the fields are not named as the features");
    begin(0);
    ck_assert_str_eq(end(), "a field has no name");
    begin(2);
    name("a");
    name("a");
    ck_assert_str_eq(end(), "a key of a field comes twice");
    begin(2);
    name("a");
    truth("min", true);
    ck_assert_str_eq(end(), "a bound of a field is no number");
    begin(2);
    name("a");
    number("min", NAN);
    ck_assert_str_eq(end(), "a field contradicts itself");
    begin(3);
    name("a");
    number("min", 2);
    number("max", 1);
    ck_assert_str_eq(end(), "a field contradicts itself");
    begin(2);
    name("a");
    truth("required", false);
    ck_assert_str_eq(end(), "a field is required and has a default, or neither");
    begin(3);
    name("a");
    truth("required", true);
    number("default", 1);
    ck_assert_str_eq(end(), "a field is required and has a default, or neither");
    begin(2);
    name("a");
    number("required", 1);
    ck_assert_str_eq(end(), "whether a field is required is no boolean");
    begin(2);
    name("a");
    wire_write_str(&writer, "type");
    wire_write_str(&writer, "float");
    ck_assert_str_eq(end(), "the type of a field is unknown");
    begin(2);
    name("a");
    wire_write_str(&writer, "type");
    wire_write_str(&writer, "string");
    ck_assert_str_eq(end(), "the model takes no string there");
    begin(1);
    wire_write_str(&writer, "name");
    wire_write_text(&writer, (struct text){"a\0b", 3});
    ck_assert_str_eq(end(), "a text of a field holds a zero byte");
}
END_TEST

START_TEST(counts_and_lengths_are_bounded)
{
    static char text[2000];
    memset(text, 't', sizeof text);
    for (size_t more = 0; more < 2; more++) {
        begin(2);
        name("a");
        wire_write_str(&writer, "description");
        wire_write_text(&writer, (struct text){text, SCHEMA_FIELD_TEXT_MAX + more});
        ck_assert_str_eq(end(), more == 0 ? "good" : "a text of a field is none or too long");
        begin(2);
        name("a");
        wire_write_str(&writer, "allowed");
        wire_write_array(&writer, SCHEMA_ALLOWED_MAX + more);
        for (size_t i = 0; i < SCHEMA_ALLOWED_MAX + more; i++)
            wire_write_double(&writer, (double)i);
        ck_assert_str_eq(end(),
                         more == 0 ? "good" : "the allowed values of a field are no array of at most 1024");
    }
}
END_TEST

START_TEST(there_are_as_many_fields_as_features)
{
    const char *reason;
    size_t length;
    free(schema->features[2]);
    schema->feature_count = 2; /* the third field is not written any more */
    struct schema_field third = schema->fields[2];
    uint8_t *encoded = schema_encode(schema, &length);
    ck_assert_ptr_null(schema_decode(encoded, length, &reason));
    ck_assert_str_eq(reason, "there are not as many features as values in a row");
    free(encoded);
    schema_fields_free(memcpy(object_alloc(sizeof third), &third, sizeof third), 1);
}
END_TEST

/* ---- with the model ---- */

static void misfit(const char *fields, size_t column, const char *complaint)
{
    size_t at;
    struct schema *one = make(fields);
    const char *found = schema_fields_misfit(one, &at);
    ck_assert_msg((found == NULL) == (complaint == NULL), "%s: %s", fields, found);
    if (complaint != NULL) {
        ck_assert_str_eq(found, complaint);
        ck_assert_uint_eq(at, column);
    }
    schema_free(one);
}

START_TEST(fields_go_together_with_the_datatypes)
{
    misfit("[{'name': 'a'}, {'name': 'b'}, {'name': 'c'}]", 0, NULL);
    misfit("[{'name': 'a'}, {'name': 'b'}, {'name': 'c', 'allowed': ['x']}]", 0, NULL);
    misfit("[{'name': 'a'}, {'name': 'b'}, {'name': 'c', 'minimum': 1}]", 2,
           "the model takes a string there");
    misfit("[{'name': 'a'}, {'name': 'b'}, {'name': 'c', 'type': 'boolean'}]", 2,
           "the model takes a string there");
    misfit("[{'name': 'a'}, {'name': 'b', 'allowed': ['x']}, {'name': 'c'}]", 1,
           "the model takes no string there");
    misfit("[{'name': 'a'}, {'name': 'b', 'default': 'x'}, {'name': 'c'}]", 1,
           "the model takes no string there");
    misfit("[{'name': 'a', 'default': 1e300}, {'name': 'b'}, {'name': 'c'}]", 0,
           "the default is no value of the model's datatype there");
    misfit("[{'name': 'a', 'allowed': [1e300]}, {'name': 'b'}, {'name': 'c'}]", 0,
           "one of the allowed values is none of the model's datatype there");
    misfit("[{'name': 'a'}, {'name': 'b'}]", 2, "there is not one field for each value of a row");
    schema->inputs[0].datatype = DATATYPE_BOOL;
    size_t at;
    ck_assert_str_eq(schema_fields_misfit(schema, &at), "the model takes a boolean there");
    schema->inputs[0].datatype = DATATYPE_INT64;
    ck_assert_str_eq(schema_fields_misfit(schema, &at),
                     "one of the allowed values is none of the model's datatype there");
    ck_assert_uint_eq(at, 1);
}
END_TEST

/* ---- values ---- */

START_TEST(values_are_compared_in_their_datatype)
{
    struct schema_field field = {.has_maximum = true, .maximum = 0.1};
    char words[SCHEMA_FAULT_MAX];
    ck_assert_ptr_null(schema_field_number_fault(&field, DATATYPE_FP32, (double)0.1f, words));
    ck_assert_str_eq(schema_field_number_fault(&field, DATATYPE_FP64, (double)0.1f, words),
                     "0.10000000149011612 is above the maximum 0.1");
    ck_assert_str_eq(schema_field_number_fault(&field, DATATYPE_FP32, (double)0.11f, words),
                     "0.11 is above the maximum 0.1");
    ck_assert_ptr_null(schema_field_number_fault(&field, DATATYPE_FP32, NAN, words));
    ck_assert_str_eq(schema_field_number_fault(&field, DATATYPE_FP32, INFINITY, words),
                     "inf is above the maximum 0.1");
}
END_TEST

START_TEST(long_lists_are_cut)
{
    struct schema_field field = {.allowed_count = 100};
    char words[SCHEMA_FAULT_MAX];
    field.allowed = object_alloc(100 * sizeof *field.allowed);
    for (size_t i = 0; i < 100; i++)
        field.allowed[i].number = 1000000 + (double)i;
    ck_assert_str_eq(
        schema_field_number_fault(&field, DATATYPE_FP64, 7, words),
        "expected one of 1000000, 1000001, 1000002, 1000003, 1000004, 1000005, 1000006, 1000007, "
        "1000008, ..., got 7");
    free(field.allowed);
}
END_TEST

/* ---- two versions ---- */

static void differ(const char *fields, const char *how)
{
    char found[256] = "nothing";
    struct schema *other = make(fields);
    ck_assert(schema_same_inputs(schema, "1", other, "2", found, sizeof found) == (how == NULL));
    ck_assert_str_eq(found, how == NULL ? "nothing" : how);
    schema_free(other);
}

START_TEST(versions_differ_in_what_they_take)
{
    differ("[{'name': 'age', 'description': 'in years', 'type': 'integer', 'min': 18, 'max': 120},"
           " {'name': 'rate', 'allowed': [0.25, 0.1], 'default': 0.25},"
           " {'name': 'plan', 'type': 'string', 'allowed': ['pro', 'basic'], 'default': 'basic'}]",
           NULL);
    differ("[{'name': 'age'}, {'name': 'rate'}, {'name': 'plan'}]",
           "column age: the type differs between 1 and 2");
    differ("[{'name': 'age', 'type': 'integer', 'min': 18, 'max': 99}, {'name': 'b'}, {'name': 'plan'}]",
           "column age: the maximum differs between 1 and 2");
    differ("[{'name': 'age', 'type': 'integer', 'min': 18, 'max': 120},"
           " {'name': 'b', 'allowed': [0.1, 0.25], 'default': 0.25}, {'name': 'plan'}]",
           "column 2 of 1 is rate, that of 2 b");
    differ("[{'name': 'age', 'type': 'integer', 'min': 18, 'max': 120},"
           " {'name': 'rate', 'allowed': [0.1, 0.5], 'default': 0.1}, {'name': 'plan'}]",
           "column rate: the list of allowed values differs between 1 and 2");
    differ("[{'name': 'age', 'type': 'integer', 'min': 18, 'max': 120},"
           " {'name': 'rate', 'allowed': [0.1, 0.25]}, {'name': 'plan'}]",
           "column rate: whether it is required differs between 1 and 2");
    differ("[{'name': 'age', 'type': 'integer', 'min': 18, 'max': 120},"
           " {'name': 'rate', 'allowed': [0.1, 0.25], 'default': 0.1}, {'name': 'plan'}]",
           "column rate: the default differs between 1 and 2");
}
END_TEST

START_TEST(versions_differ_in_their_tensors)
{
    char how[256];
    struct schema *other = there_and_back(schema);
    ck_assert(schema_same_inputs(schema, "1", other, "2", how, sizeof how));
    other->allow_nan = true;
    ck_assert(!schema_same_inputs(schema, "1", other, "2", how, sizeof how));
    ck_assert_str_eq(how, "2 takes NaN, 1 does not");
    other->inputs[0].shape[1] = 3;
    ck_assert(!schema_same_inputs(schema, "1", other, "2", how, sizeof how));
    ck_assert_str_eq(how, "input x: the shapes of 1 and 2 differ");
    other->inputs[0].datatype = DATATYPE_FP64;
    ck_assert(!schema_same_inputs(schema, "1", other, "2", how, sizeof how));
    ck_assert_str_eq(how, "input x: 1 takes FP32, 2 FP64");
    other->inputs[0].name[0] = 'z';
    ck_assert(!schema_same_inputs(schema, "1", other, "2", how, sizeof how));
    ck_assert_str_eq(how, "an input of 1 is called x, that of 2 z");
    schema_free(other);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_was_written_is_read,
        nothing_said_is_nothing_written,
        a_default_of_nan_is_read_where_nan_is_allowed,
        every_truncation_is_refused,
        no_changed_byte_does_harm,
        fields_may_stand_before_the_features,
        what_is_no_field_is_refused,
        counts_and_lengths_are_bounded,
        there_are_as_many_fields_as_features,
        fields_go_together_with_the_datatypes,
        values_are_compared_in_their_datatype,
        long_lists_are_cut,
        versions_differ_in_what_they_take,
        versions_differ_in_their_tensors,
    };
    return SUITE_RUN("schema_fields", set_up, tear_down, tests);
}
