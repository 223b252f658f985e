/* test_model_inputs: the list `inputs` of model.conf: what is read, and every fault with file, line and
 * field. SPDX-License-Identifier: MIT */
#include "model_config.h"
#include "model_inputs.h"
#include "repository.h"
#include "schema_fields.h"
#include "suite.h"

#include <math.h>

static struct config_errors errors;
static struct model_list *list;

static void set_up(void)
{
    scratch_make();
    repository_add("m", "1");
    list = NULL;
}

static void tear_down(void)
{
    model_list_free(list);
    scratch_remove();
}

static struct model_config *load(const char *text)
{
    repository_configure("m", text);
    errors = (struct config_errors){0};
    model_list_free(list);
    list = model_list_load(scratch_directory, &errors);
    return model_list_find(list, text_of("m"));
}

static const struct schema_field *read_one(const char *column)
{
    char text[512];
    snprintf(text, sizeof text, "inputs = ( %s );", column);
    const struct model_config *model = load(text);
    ck_assert_msg(model != NULL, "%s", errors.text);
    ck_assert_uint_eq(model->input_count, 1);
    return &model->inputs[0];
}

/* The model.conf is refused with exactly these complaints, each behind the file's name. */
static void refused(const char *text, const char *const *complaints)
{
    char expected[2048] = "";
    ck_assert_msg(load(text) == NULL, "%s", text);
    for (; *complaints != NULL; complaints++)
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s/m/model.conf%s\n",
                 scratch_directory, *complaints);
    ck_assert_str_eq(errors.text, expected);
}
#define REFUSED(text, ...) refused(text, (const char *const[]){__VA_ARGS__, NULL})

/* ---- what is read ---- */

START_TEST(every_member_is_read)
{
    const struct model_config *model = load(
        "inputs = (\n"
        "  { name = \"age\"; description = \"years\"; type = \"integer\"; minimum = 18; maximum = 120; },\n"
        "  { name = \"plan\"; type = \"string\"; allowed = [ \"basic\", \"pro\" ]; required = false;\n"
        "    default = \"basic\"; },\n"
        "  { name = \"rate\"; min = -0.5; max = 0.5; },\n"
        "  { name = \"member\"; type = \"boolean\"; default = true; },\n"
        "  { name = \"level\"; allowed = ( 1, 2.5, 4 ); }\n"
        ");");
    ck_assert_msg(model != NULL, "%s", errors.text);
    ck_assert_uint_eq(model->input_count, 5);
    const struct schema_field *age = &model->inputs[0], *plan = &model->inputs[1], *rate = &model->inputs[2];
    ck_assert_str_eq(age->name, "age");
    ck_assert_str_eq(age->description, "years");
    ck_assert_int_eq(age->type, SCHEMA_INTEGER);
    ck_assert(age->has_minimum && age->minimum == 18 && age->has_maximum && age->maximum == 120);
    ck_assert(!age->optional && age->allowed_count == 0);
    ck_assert_int_eq(plan->type, SCHEMA_STRING);
    ck_assert_uint_eq(plan->allowed_count, 2);
    ck_assert_str_eq(plan->allowed[1].text, "pro");
    ck_assert(plan->optional);
    ck_assert_str_eq(plan->standard.text, "basic");
    ck_assert_int_eq(rate->type, SCHEMA_ANY);
    ck_assert(rate->has_minimum && rate->minimum == -0.5 && rate->has_maximum && rate->maximum == 0.5);
    ck_assert(model->inputs[3].optional && model->inputs[3].standard.number == 1);
    ck_assert_uint_eq(model->inputs[4].allowed_count, 3);
    ck_assert(model->inputs[4].allowed[1].number == 2.5);
}
END_TEST

START_TEST(without_a_list_nothing_is_said)
{
    const struct model_config *model = load("");
    ck_assert(model->inputs == NULL && model->input_count == 0);
    model = load("inputs = ( );");
    ck_assert_uint_eq(model->input_count, 0);
}
END_TEST

START_TEST(a_default_makes_a_column_optional)
{
    ck_assert(read_one("{ name = \"a\"; default = 3; }")->optional);
    ck_assert(read_one("{ name = \"a\"; required = false; default = 3; }")->optional);
    ck_assert(!read_one("{ name = \"a\"; required = true; }")->optional);
    const struct model_config *model =
        load("allow_nan = true; inputs = ({ name = \"a\"; required = false; });");
    ck_assert_msg(model != NULL, "%s", errors.text);
    ck_assert(model->inputs[0].optional && isnan(model->inputs[0].standard.number));
}
END_TEST

START_TEST(features_may_say_the_same_names)
{
    ck_assert_ptr_nonnull(
        load("features = (\"a\", \"b\"); inputs = ({ name = \"a\"; }, { name = \"b\"; });"));
    ck_assert_ptr_nonnull(
        load("inputs = ({ name = \"a\"; }, { name = \"b\"; }); features = (\"a\", \"b\");"));
}
END_TEST

/* ---- faults ---- */

START_TEST(faults_name_file_line_and_field)
{
    REFUSED(
        "description = \"x\";\ninputs = (\n  { name = \"age\"; },\n  { name = \"b\"; minimum = \"x\"; }\n);",
        ":4: inputs[1].minimum: expected a number, got \"x\"");
    REFUSED("inputs = (\n{ nam = \"age\"; }\n);", ":2: inputs[0].nam: unknown key; the nearest known is name",
            ":2: inputs[0].name: expected the name of the column");
    REFUSED("inputs = (\n{ name = \"a\"; type = \"float\";\n  description = 3;\n  required = 1; }\n);",
            ":3: inputs[0].description: expected a text, got 3",
            ":2: inputs[0].type: expected number, integer, boolean or string, got \"float\"",
            ":4: inputs[0].required: expected true or false, got 1");
    REFUSED("inputs = (\"a\");",
            ":1: inputs[0]: expected a column, as { name = \"age\"; type = \"integer\"; minimum = 18; }, got "
            "\"a\"");
    REFUSED("inputs = { };",
            ":1: inputs: expected a list of at most 65536 columns, as ( { name = \"age\"; }, ... ), got a "
            "section");
    REFUSED("inputs = ({ name = \"a\"; allowed = ( ); });",
            ":1: inputs[0].allowed: expected a list of at least one value, as [ \"basic\", \"pro\" ], got a "
            "list");
    REFUSED("inputs = ({ name = \"a\"; allowed = (1, { }); });",
            ":1: inputs[0].allowed[1]: expected a number, a text, true or false, got a section");
    REFUSED("inputs = ({ name = \"a\"; min = 1; minimum = 2; });",
            ":1: inputs[0].min: minimum and min are the same");
}
END_TEST

START_TEST(contradictions_are_refused)
{
    REFUSED("inputs = (\n{ name = \"a\";\n minimum = 5;\n maximum = 4; });",
            ":3: inputs[0].minimum: 5 is above the maximum, which is 4");
    REFUSED("inputs = (\n{ name = \"a\";\n min = 5;\n max = 4; });",
            ":3: inputs[0].min: 5 is above the maximum, which is 4");
    REFUSED("inputs = ({ name = \"a\"; type = \"string\"; maximum = 4; });",
            ":1: inputs[0].maximum: a string has no bounds");
    REFUSED("inputs = ({ name = \"a\"; type = \"boolean\"; minimum = 0; });",
            ":1: inputs[0].minimum: a boolean has no bounds");
    REFUSED("inputs = ({ name = \"a\"; maximum = 3; allowed = [ 1, 4 ]; });",
            ":1: inputs[0].allowed: 4 is above the maximum 3");
    REFUSED("inputs = ({ name = \"a\"; type = \"integer\"; allowed = [ 1.5 ]; });",
            ":1: inputs[0].allowed: expected a whole number, got 1.5");
    REFUSED("inputs = ({ name = \"a\"; allowed = ( \"x\", 1 ); });",
            ":1: inputs[0].allowed: expected a string, got a number");
    REFUSED("inputs = ({ name = \"a\"; type = \"number\"; allowed = ( \"x\" ); });",
            ":1: inputs[0].allowed: expected a number, got a string");
    REFUSED("inputs = ({ name = \"a\"; minimum = 2; default = 1; });",
            ":1: inputs[0].default: 1 is below the minimum 2");
    REFUSED("inputs = ({ name = \"a\"; allowed = [ \"x\", \"y\" ]; default = \"z\"; });",
            ":1: inputs[0].default: expected one of \"x\", \"y\", got \"z\"");
    REFUSED("inputs = ({ name = \"a\"; type = \"boolean\"; default = 2; });",
            ":1: inputs[0].default: expected true or false, got 2");
    REFUSED("inputs = ({ name = \"a\"; required = true; default = 2; });",
            ":1: inputs[0].default: a column that is required has none");
    REFUSED("inputs = ({ name = \"a\"; type = \"string\"; required = false; });",
            ":1: inputs[0].default: is missing: a text that may be left out needs one");
}
END_TEST

START_TEST(a_column_without_a_default_needs_nan)
{
    REFUSED("inputs = ({ name = \"a\"; required = false; });",
            ": allow_nan: inputs[0] (\"a\") may be left out and has no default: expected a default there, or "
            "true here");
}
END_TEST

START_TEST(names_are_distinct_and_those_of_features)
{
    REFUSED("inputs = (\n{ name = \"a\"; },\n{ name = \"b\"; },\n{ name = \"a\"; });",
            ":4: inputs[2].name: \"a\" is the name of [0], too");
    REFUSED("features = (\"a\", \"b\");\ninputs = ({ name = \"a\"; });",
            ":1: features: 2 names, but inputs has 1 columns");
    REFUSED("inputs = ({ name = \"a\"; }, { name = \"b\"; });\nfeatures = (\"a\", \"c\");",
            ":2: features: the name of column 2 is \"c\", but inputs has \"b\"");
}
END_TEST

START_TEST(bounds_are_kept)
{
    char text[2048], name[SCHEMA_VALUE_MAX + 2];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    snprintf(text, sizeof text, "inputs = ({ name = \"%s\"; });", name);
    REFUSED(text, ":1: inputs[0].name: expected at most 512 bytes, got 513");
    name[SCHEMA_VALUE_MAX] = '\0';
    snprintf(text, sizeof text, "inputs = ({ name = \"%s\"; });", name);
    ck_assert_ptr_nonnull(load(text));
    size_t length = (size_t)snprintf(text, sizeof text, "inputs = ({ name = \"a\"; allowed = [ 1");
    char *many = object_alloc(8 * SCHEMA_ALLOWED_MAX + sizeof text);
    strcpy(many, text);
    for (size_t i = 0; i < SCHEMA_ALLOWED_MAX; i++)
        length += (size_t)sprintf(many + length, ", %zu", i);
    strcpy(many + length, " ]; });");
    REFUSED(many, ":1: inputs[0].allowed: expected at most 1024 values, got 1025");
    free(many);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        every_member_is_read,
        without_a_list_nothing_is_said,
        a_default_makes_a_column_optional,
        features_may_say_the_same_names,
        faults_name_file_line_and_field,
        contradictions_are_refused,
        a_column_without_a_default_needs_nan,
        names_are_distinct_and_those_of_features,
        bounds_are_kept,
    };
    return SUITE_RUN("model_inputs", set_up, tear_down, tests);
}
