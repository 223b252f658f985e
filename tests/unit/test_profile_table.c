/* test_profile_table: rows of a table become the tensors that a frontend would make of them, and what a model
 * would not take is passed over and named. SPDX-License-Identifier: MIT */
#include "profile_table.h"
#include "scratch_directory.h"
#include "suite.h"

#include "example_schema.h"
#include "roles.h"

#include <math.h>

static struct schema *schema;
static struct profile_table *table;
static char reason[PROFILE_REASON_MAX];

static void set_up(void)
{
    scratch_make();
    schema = example_classifier(2);
    schema->feature_count = 2;
    schema->features = object_alloc(2 * sizeof *schema->features);
    schema->features[0] = object_strdup("width");
    schema->features[1] = object_strdup("height");
}

static void tear_down(void)
{
    profile_table_free(table);
    table = NULL;
    schema_free(schema);
    scratch_remove();
}

static bool open_table(const char *text, const char *score)
{
    table = profile_table_new(scratch_file("rows.csv", text), schema, score, reason);
    return table != NULL;
}

static struct profile_rows read_rows(size_t most)
{
    struct profile_rows rows;
    ck_assert_msg(profile_table_next(table, most, &rows, reason), "%s", reason);
    return rows;
}

/* Value `column` of row `row`. */
static double value(const struct profile_rows *rows, size_t row, size_t column)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, decoded;
    ck_assert_ptr_null(tensors_decode(rows->payload, rows->bytes, tensors, &count, &decoded));
    ck_assert_uint_eq(decoded, rows->rows);
    return value_float(&tensors[0], row * 2 + column);
}

START_TEST(columns_are_found_by_their_names)
{
    ck_assert(open_table("x,height,width\nq,2,1\nq,\"4\", 3\n", NULL));
    struct profile_rows rows = read_rows(100);
    ck_assert_uint_eq(rows.rows, 2);
    ck_assert_double_eq(value(&rows, 0, 0), 1);
    ck_assert_double_eq(value(&rows, 0, 1), 2);
    ck_assert_double_eq(value(&rows, 1, 0), 3);
    ck_assert_ptr_null(rows.scores);
    ck_assert_uint_eq(read_rows(100).rows, 0);
    ck_assert_double_eq(profile_table_progress(table), 1);
}
END_TEST

START_TEST(rows_that_the_model_would_not_take_are_passed_over)
{
    const char *first;
    ck_assert(open_table("width,height\n1,2\nwide,2\n1\n1,\n3,4\n", NULL));
    struct profile_rows rows = read_rows(100);
    ck_assert_uint_eq(rows.rows, 2);
    ck_assert_double_eq(value(&rows, 1, 0), 3);
    ck_assert_uint_eq(profile_table_refused(table, &first), 3);
    ck_assert_str_eq(first, "line 3: width: expected a number, got \"wide\"");
}
END_TEST

START_TEST(a_line_that_ends_early_is_no_row_whatever_may_be_missing)
{
    const char *first;
    schema->allow_nan = true;
    ck_assert(open_table("width,height\n1\n1,2,3\n", NULL)); /* nor is one that is too long */
    ck_assert_uint_eq(read_rows(100).rows, 0);
    ck_assert_uint_eq(profile_table_refused(table, &first), 2);
    ck_assert_str_eq(first, "line 2: 1 fields, and the first line has 2");
}
END_TEST

START_TEST(missing_values_are_nan_where_that_is_allowed)
{
    const char *first;
    schema->allow_nan = true;
    ck_assert(open_table("width\n1\n", NULL)); /* a whole column may be missing, too */
    struct profile_rows rows = read_rows(100);
    ck_assert_uint_eq(rows.rows, 1);
    ck_assert(isnan(value(&rows, 0, 1)));
    ck_assert_uint_eq(profile_table_refused(table, &first), 0);
}
END_TEST

START_TEST(scores_may_stand_in_the_table)
{
    ck_assert(open_table("width,p,height\n1,0.25,2\n1,,2\n1,high,2\n", "p"));
    struct profile_rows rows = read_rows(100);
    ck_assert_uint_eq(rows.rows, 2);
    ck_assert_double_eq(rows.scores[0], 0.25);
    ck_assert(isnan(rows.scores[1]));
}
END_TEST

START_TEST(no_more_are_read_than_are_wanted)
{
    ck_assert(open_table("width,height\n1,2\n3,4\n5,6\n", NULL));
    ck_assert_uint_eq(read_rows(2).rows, 2);
    ck_assert_uint_eq(read_rows(2).rows, 1);
    ck_assert_uint_eq(read_rows(2).rows, 0);
}
END_TEST

START_TEST(without_names_the_first_line_may_be_a_row)
{
    free(schema->features[0]);
    free(schema->features[1]);
    free(schema->features);
    schema->features = NULL;
    schema->feature_count = 0;
    ck_assert(open_table("1,2\n3,4\n", NULL));
    ck_assert_uint_eq(read_rows(100).rows, 2);
    profile_table_free(table);
    ck_assert(open_table("a,b\n3,4\n", NULL));
    struct profile_rows rows = read_rows(100);
    ck_assert_uint_eq(rows.rows, 1);
    ck_assert_double_eq(value(&rows, 0, 1), 4);
}
END_TEST

START_TEST(what_is_wrong_is_said)
{
    struct profile_rows rows;
    ck_assert(!open_table("", NULL));
    ck_assert_str_eq(reason, "the file is empty");
    ck_assert(!open_table("width\n1\n", NULL));
    ck_assert_str_eq(reason, "the first line has no column \"height\"");
    ck_assert(!open_table("width,height\n1,2\n", "p"));
    ck_assert_str_eq(reason, "the first line has no column \"p\"");
    ck_assert(open_table("width,height\n1,\"2\n", NULL));
    ck_assert(!profile_table_next(table, 10, &rows, reason));
    ck_assert_ptr_nonnull(strstr(reason, "line 2"));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        columns_are_found_by_their_names,
        rows_that_the_model_would_not_take_are_passed_over,
        a_line_that_ends_early_is_no_row_whatever_may_be_missing,
        missing_values_are_nan_where_that_is_allowed,
        scores_may_stand_in_the_table,
        no_more_are_read_than_are_wanted,
        without_names_the_first_line_may_be_a_row,
        what_is_wrong_is_said,
    };
    return SUITE_RUN("profile_table", set_up, tear_down, tests);
}
