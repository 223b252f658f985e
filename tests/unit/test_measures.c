/* test_measures: the figures are those that scikit-learn 1.2.1 gives for the same rows.
 * SPDX-License-Identifier: MIT */
#include "measures.h"
#include "suite.h"

#include <math.h>

#define TOLERANCE 1e-9

/* roc_auc_score, with many ties. */
static const struct {
    double score;
    int truth;
} ranked_rows[] = {{0.1, 0}, {0.2, 0}, {0.8, 0}, {0.6, 0}, {0.1, 0}, {0.4, 0}, {0.5, 0}, {0.2, 1},
                   {0.7, 0}, {0.1, 0}, {0.4, 0}, {0.5, 1}, {0.4, 0}, {0.6, 1}, {0.7, 0}, {1, 1},
                   {0.3, 0}, {0.6, 1}, {0.7, 0}, {0.3, 1}, {0, 0},   {1, 1},   {0.3, 0}, {0.3, 0},
                   {0.9, 0}, {0.6, 1}, {0.5, 0}, {0.8, 1}, {0, 0},   {0.7, 0}, {0.4, 0}, {0.1, 0},
                   {0.7, 0}, {0.9, 0}, {0.2, 1}, {0.6, 1}, {0.3, 1}, {0.7, 1}, {0.7, 1}, {0.2, 0}};

static const double errors[][2] = {{9.94, 11.15},  {8.88, 9.64},   {4.85, 5.07},   {15.05, 14.73},
                                   {12.26, 12.55}, {12.26, 12.02}, {13.41, 14.23}, {11.05, 10.26},
                                   {8.08, 8.21},   {7.6, 7.49},    {7.6, 8.14},    {14.11, 14.33},
                                   {5.62, 8.17},   {8.21, 9.71},   {9.04, 10.54},  {10.67, 8.63},
                                   {11.73, 11.39}, {6.25, 5.64},   {4.81, 5.34},   {9.99, 7.71}};

static double auc_of(size_t count)
{
    struct ranked rows[COUNT_OF(ranked_rows)];
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct ranked){ranked_rows[i].score, ranked_rows[i].truth != 0};
    return measures_auc(rows, count);
}

START_TEST(the_area_is_that_of_scikit_learn)
{
    ck_assert_double_eq_tol(auc_of(COUNT_OF(ranked_rows)), 0.646978021978022, TOLERANCE);
}
END_TEST

START_TEST(without_both_kinds_there_is_no_area)
{
    ck_assert(isnan(auc_of(0)));
    ck_assert(isnan(auc_of(7)));
    struct ranked positive = {0.5, true};
    ck_assert(isnan(measures_auc(&positive, 1)));
}
END_TEST

START_TEST(a_perfect_order_and_its_contrary)
{
    struct ranked rows[] = {{0.9, true}, {0.1, false}, {0.8, true}, {0.2, false}};
    ck_assert_double_eq_tol(measures_auc(rows, 4), 1, TOLERANCE);
    for (size_t i = 0; i < 4; i++)
        rows[i].positive = !rows[i].positive;
    ck_assert_double_eq_tol(measures_auc(rows, 4), 0, TOLERANCE);
}
END_TEST

START_TEST(errors_are_those_of_scikit_learn)
{
    struct regression_sums sums = {0};
    for (size_t i = 0; i < COUNT_OF(errors); i++)
        measures_add(&sums, errors[i][0], errors[i][1]);
    ck_assert_double_eq_tol(measures_mae(&sums), 0.85, TOLERANCE);
    ck_assert_double_eq_tol(measures_rmse(&sums), 1.1209549500314453, TOLERANCE);
    ck_assert_double_eq_tol(measures_r2(&sums), 0.8435327231428313, TOLERANCE);
}
END_TEST

START_TEST(little_is_known_of_few_rows)
{
    struct regression_sums sums = {0};
    ck_assert(isnan(measures_mae(&sums)) && isnan(measures_rmse(&sums)) && isnan(measures_r2(&sums)));
    measures_add(&sums, 1, 2);
    ck_assert_double_eq(measures_mae(&sums), 1);
    ck_assert(isnan(measures_r2(&sums)));
    measures_add(&sums, 1, 2); /* truths that do not differ: nothing is explained */
    ck_assert_double_eq(measures_r2(&sums), 0);
    struct regression_sums right = {0};
    measures_add(&right, 2, 2);
    measures_add(&right, 2, 2);
    ck_assert_double_eq(measures_r2(&right), 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_area_is_that_of_scikit_learn, without_both_kinds_there_is_no_area,
                                  a_perfect_order_and_its_contrary, errors_are_those_of_scikit_learn,
                                  little_is_known_of_few_rows};
    return SUITE_RUN("measures", NULL, NULL, tests);
}
