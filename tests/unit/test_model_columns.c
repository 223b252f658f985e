/* test_model_columns: what the columns of a model are called, by its file and by model.conf.
 * SPDX-License-Identifier: MIT */
#include "example_fields.h"
#include "loaded_scene.h"
#include "schema_fields.h"

/* ---- what the columns may be ---- */

/* model.conf has these inputs. */
static void set_inputs(const char *text)
{
    struct schema *made = schema_new();
    example_fields(made, text);
    config.inputs = schema_fields_copy(made->fields, made->feature_count);
    config.input_count = made->feature_count;
    schema_free(made);
}

static void forget_inputs(void)
{
    schema_fields_free(config.inputs, config.input_count);
    config.inputs = NULL;
    config.input_count = 0;
}

START_TEST(inputs_of_one_column_are_its_name)
{
    engine.input_count = 2;
    engine.inputs[0] = (struct backend_tensor){"age", "INT64", 2, {-1, 1}};
    engine.inputs[1] = (struct backend_tensor){"city", "BYTES", 1, {-1}};
    const struct schema *schema = load();
    ck_assert_uint_eq(schema->feature_count, 2);
    ck_assert_str_eq(schema->features[0], "age");
    ck_assert_str_eq(schema->features[1], "city");
    config.features = names((const char *const[]){"years", "town"}, 2);
    ck_assert_str_eq(load()->features[1], "town");
    config.features.count = 0;
    engine.inputs[0].shape[1] = 2;
    ck_assert_uint_eq(load()->feature_count, 0);
}
END_TEST

START_TEST(features_are_those_of_the_model)
{
    static const char *const few[] = {"a", "b"};
    config.features = names(few, 2);
    ck_assert_str_eq(refusal(), "model.conf: features: 2 names, but a row of the model has 3 values");
    engine.inputs[0].shape[1] = -1; /* any number of columns: nobody can say */
    load();
}
END_TEST

START_TEST(inputs_name_and_describe_the_columns)
{
    set_inputs("[{'name': 'a', 'min': 1}, {'name': 'b', 'default': 3}, {'name': 'c'}]");
    const struct schema *schema = load();
    ck_assert_uint_eq(schema->feature_count, 3);
    ck_assert_str_eq(schema->features[2], "c");
    ck_assert(schema_fields_equal(schema->fields, config.inputs, 3));
    close_model();
    config.features = names((const char *const[]){"a", "b", "c"}, 3);
    ck_assert_uint_eq(load()->feature_count, 3);
    forget_inputs();
}
END_TEST

START_TEST(inputs_are_those_of_the_model)
{
    set_inputs("[{'name': 'a'}, {'name': 'b'}]");
    ck_assert_str_eq(refusal(), "model.conf: inputs: 2 columns, but a row of the model has 3 values");
    engine.inputs[0].shape[1] = -1;
    ck_assert_str_eq(refusal(), "model.conf: inputs: 2 columns, but the model takes rows of any length");
    engine.inputs[0].shape[1] = 3;
    forget_inputs();
    set_inputs("[{'name': 'a'}, {'name': 'b', 'type': 'string'}, {'name': 'c'}]");
    ck_assert_str_eq(refusal(), "model.conf: inputs[1] (b): the model takes no string there");
    engine.inputs[0].datatype = "BYTES";
    forget_inputs();
    set_inputs("[{'name': 'a'}, {'name': 'b'}, {'name': 'c', 'max': 4}]");
    ck_assert_str_eq(refusal(), "model.conf: inputs[2] (c): the model takes a string there");
    forget_inputs();
}
END_TEST

/* ---- columns that the model file names ---- */

static void name_columns(const char *first, const char *second, const char *third)
{
    engine.column_count = 3;
    engine.columns[0] = (struct backend_column){first, "integer"};
    engine.columns[1] = (struct backend_column){second, NULL};
    engine.columns[2] = (struct backend_column){third, "boolean"};
}

START_TEST(the_file_names_the_columns)
{
    name_columns("a", "b", "gr\xc3\xbc\xc3\x9f");
    struct schema *schema = load();
    ck_assert_uint_eq(schema->feature_count, 3);
    ck_assert_str_eq(schema->features[2], "gr\xc3\xbc\xc3\x9f");
    ck_assert_int_eq(schema->fields[0].type, SCHEMA_INTEGER);
    ck_assert_int_eq(schema->fields[1].type, SCHEMA_ANY);
    ck_assert_int_eq(schema->fields[2].type, SCHEMA_BOOLEAN);
    engine.columns[0].type = engine.columns[2].type = NULL;
    ck_assert_ptr_null(load()->fields);
    loaded_model_free(model);
    model = loaded_model_open("the path", &backend, NULL, 2, error);
    ck_assert_ptr_nonnull(model);
    ck_assert_str_eq(model->schema->features[0], "a");
}
END_TEST

START_TEST(any_column_may_be_missing_where_file_and_model_conf_say_so)
{
    name_columns("a", "b", "c");
    engine.takes_missing = 1;
    ck_assert(!load()->fields[0].optional);
    config.allow_nan = 1;
    for (size_t i = 0; i < 3; i++) {
        ck_assert(load()->fields[i].optional);
        ck_assert(model->schema->fields[i].standard.number != model->schema->fields[i].standard.number);
    }
    size_t at;
    ck_assert_ptr_null(schema_fields_misfit(model->schema, &at));
    engine.columns[0].type = engine.columns[2].type = NULL;
    ck_assert(load()->fields[2].optional);
    engine.takes_missing = 0;
    ck_assert_ptr_null(load()->fields);
}
END_TEST

START_TEST(names_that_no_schema_holds_are_refused)
{
    static char longer[514];
    memset(longer, 'x', sizeof longer - 1);
    name_columns("a", "b", "a");
    ck_assert_str_eq(refusal(), "two of its columns have the name \"a\"");
    name_columns("a", "b", "");
    ck_assert_ptr_nonnull(strstr(refusal(), "is no text of 1 to 512 bytes of UTF-8"));
    name_columns("a", "b", longer);
    ck_assert_ptr_nonnull(strstr(refusal(), "is no text of 1 to 512 bytes of UTF-8"));
    name_columns("a", "b", "\xff");
    ck_assert_ptr_nonnull(strstr(refusal(), "is no text of 1 to 512 bytes of UTF-8"));
    engine.column_count = 2;
    ck_assert_str_eq(refusal(), "it names 2 columns, but a row of it has 3 values");
}
END_TEST

START_TEST(model_conf_may_rename_columns_and_not_move_them)
{
    static const char *const others[] = {"x", "b", "z"}, *const moved[] = {"b", "a", "c"};
    name_columns("a", "b", "c");
    config.features = names(others, 3);
    ck_assert_str_eq(load()->features[0], "x");
    ck_assert_ptr_null(model->schema->fields);
    config.features = names(moved, 3);
    ck_assert_str_eq(refusal(),
                     "model.conf: features: column 1 is \"b\", but in the model file that is another "
                     "column's name, and this one is \"a\"");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        inputs_of_one_column_are_its_name,
        features_are_those_of_the_model,
        inputs_name_and_describe_the_columns,
        inputs_are_those_of_the_model,
        the_file_names_the_columns,
        any_column_may_be_missing_where_file_and_model_conf_say_so,
        names_that_no_schema_holds_are_refused,
        model_conf_may_rename_columns_and_not_move_them,
    };
    return SUITE_RUN("model_columns", set_up, tear_down, tests);
}
