/* test_mapping: which column goes to which feature, by the model's names or by what is said.
 * SPDX-License-Identifier: MIT */
#include "mapping.h"

#include "example_schema.h"
#include "table_scene.h"

static struct mapping mapping;
static struct schema *nameless;

static void set_up(void)
{
    table_scene_make();
    nameless = example_classifier(3);
}

static void tear_down(void)
{
    mapping_free(&mapping);
    schema_free(nameless);
    table_scene_unmake();
}

static bool make(const struct schema *of, const char *said)
{
    mapping_free(&mapping);
    return mapping_make(&mapping, of, said, reason);
}

START_TEST(columns_are_called_as_features_are_unless_others_are_said)
{
    ck_assert(make(schema, NULL));
    ck_assert_uint_eq(mapping.width, 2);
    ck_assert_str_eq(mapping.columns[0], "age");
    ck_assert_str_eq(mapping.columns[1], "income");
    ck_assert(!mapping.optional[0] && mapping.optional[1] && !mapping.is_text[0]);
    ck_assert(make(schema, "income:euros"));
    ck_assert_str_eq(mapping.columns[0], "age");
    ck_assert_str_eq(mapping.columns[1], "euros");
}
END_TEST

START_TEST(what_is_said_wrongly_is_told)
{
    ck_assert(!make(schema, "height:h"));
    ck_assert_ptr_nonnull(strstr(reason, "no feature \"height\""));
    ck_assert(!make(schema, "age"));
    ck_assert_ptr_nonnull(strstr(reason, "FEATURE:COLUMN"));
    ck_assert(!make(schema, "age:"));
}
END_TEST

START_TEST(features_without_names_go_by_their_places)
{
    ck_assert(make(nameless, NULL));
    ck_assert_uint_eq(mapping.width, 3);
    ck_assert_ptr_null(mapping.columns);
    ck_assert(make(nameless, "c,a,b"));
    ck_assert_str_eq(mapping.columns[0], "c");
    ck_assert_str_eq(mapping.columns[2], "b");
    ck_assert(!make(nameless, "a,b"));
    ck_assert_ptr_nonnull(strstr(reason, "3 values, and 2 columns"));
    ck_assert(!make(nameless, "a,b:x,c"));
}
END_TEST

START_TEST(a_model_of_any_width_has_as_many_as_are_named)
{
    nameless->inputs[0].shape[1] = -1;
    ck_assert(!make(nameless, NULL));
    ck_assert_ptr_nonnull(strstr(reason, "columns=a,b,c"));
    ck_assert(make(nameless, "a,b,c,d"));
    ck_assert_uint_eq(mapping.width, 4);
}
END_TEST

START_TEST(what_predictions_are_follows_from_the_outputs)
{
    ck_assert(make(nameless, NULL));
    ck_assert_int_eq(mapping.prediction, TABLE_PREDICTION_CLASS);
    nameless->outputs[0].datatype = DATATYPE_BYTES;
    ck_assert(make(nameless, NULL));
    ck_assert_int_eq(mapping.prediction, TABLE_PREDICTION_TEXT);
    nameless->regression = true;
    ck_assert(make(nameless, NULL));
    ck_assert_int_eq(mapping.prediction, TABLE_PREDICTION_NUMBER);
    nameless->outputs[0].datatype = DATATYPE_FP32;
    nameless->outputs[0].rank = 2;
    nameless->outputs[0].shape[1] = 8; /* a vector, in a list */
    ck_assert(make(nameless, NULL));
    ck_assert_int_eq(mapping.prediction, TABLE_PREDICTION_TEXT);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {columns_are_called_as_features_are_unless_others_are_said,
                                  what_is_said_wrongly_is_told, features_without_names_go_by_their_places,
                                  a_model_of_any_width_has_as_many_as_are_named,
                                  what_predictions_are_follows_from_the_outputs};
    return SUITE_RUN("mapping", set_up, tear_down, tests);
}
