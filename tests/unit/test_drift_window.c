/* test_drift_window: figures as they follow from their definitions, over a window that slides by rows and by
 * time. SPDX-License-Identifier: MIT */
#include "drift_window.h"
#include "suite.h"

#include <math.h>

enum { BASE = 1000, CAPACITY = 600 };

static struct baseline *baseline;
static struct drift_window *window;

static struct tensor tensor_of(const double *numbers, size_t rows)
{
    return (struct tensor){.name = text_of("x"),
                           .datatype = DATATYPE_FP64,
                           .rank = 2,
                           .shape = {(int64_t)rows, 1},
                           .data = (const uint8_t *)numbers,
                           .bytes = rows * sizeof *numbers};
}

/* 0 to 999, each once, as the feature and as the score. */
static void set_up(void)
{
    double numbers[BASE];
    for (size_t i = 0; i < BASE; i++)
        numbers[i] = (double)i;
    struct baseline_builder *builder = baseline_builder_new(BASELINE_BINS);
    struct tensor tensor = tensor_of(numbers, BASE);
    baseline_builder_feature(builder, "x", "x", 0, false);
    ck_assert(baseline_builder_add(builder, &tensor, 1, BASE, SCORE_VALUE, numbers));
    baseline = baseline_builder_end(builder, "m", "1", "");
    baseline_builder_free(builder);
    window = drift_window_new(baseline, CAPACITY);
}

static void tear_down(void)
{
    drift_window_free(window);
    baseline_free(baseline);
}

static void add(double number, int64_t at_ms)
{
    struct tensor tensor = tensor_of(&number, 1);
    ck_assert(drift_window_add(window, &tensor, 1, 1, SCORE_VALUE, &number, at_ms));
}

START_TEST(nothing_has_no_figures)
{
    struct drift_figures figures = drift_window_feature(window, 0);
    ck_assert_uint_eq(figures.values, 0);
    ck_assert(isnan(figures.psi) && isnan(figures.ks) && isnan(figures.missing) &&
              isnan(figures.out_of_range));
}
END_TEST

START_TEST(the_same_distribution_is_no_drift)
{
    for (int i = 0; i < 500; i++)
        add(2 * i + 1, 0); /* as many between any two steps as in the baseline */
    struct drift_figures figures = drift_window_feature(window, 0);
    ck_assert_double_eq_tol(figures.psi, 0, 1e-12);
    ck_assert_double_eq_tol(figures.ks, 0, 1e-12);
    ck_assert_double_eq(figures.missing, 0);
    ck_assert_double_eq_tol(drift_window_score(window).psi, 0, 1e-12);
}
END_TEST

/* Half of the values in the first bin, half in the last: eight bins are empty and count as the smallest
 * share. */
START_TEST(psi_and_ks_follow_their_definitions)
{
    for (int i = 0; i < 200; i++)
        add(i % 2 == 0 ? 50 : 950, 0);
    struct drift_figures figures = drift_window_feature(window, 0);
    double expected =
        2 * (0.5 - 0.1) * log(0.5 / 0.1) + 8 * (BASELINE_SHARE_MIN - 0.1) * log(BASELINE_SHARE_MIN / 0.1);
    ck_assert_double_eq_tol(figures.psi, expected, 1e-12);
    ck_assert_double_eq_tol(figures.ks, 0.45,
                            1e-12); /* just below 950: 0.5 against 0.95; at 59: 0.5 against 0.06 */
}
END_TEST

START_TEST(missing_and_strange_values_are_rates)
{
    for (int i = 0; i < 50; i++)
        add(500, 0);
    for (int i = 0; i < 30; i++)
        add(NAN, 0);
    for (int i = 0; i < 15; i++)
        add(1e9, 0);
    for (int i = 0; i < 5; i++)
        add(-1, 0);
    struct drift_figures figures = drift_window_feature(window, 0);
    ck_assert_uint_eq(figures.values, 70);
    ck_assert_double_eq_tol(figures.missing, 0.3, 1e-12);
    ck_assert_double_eq_tol(figures.out_of_range, 0.2, 1e-12);
    ck_assert_uint_eq(drift_window_total(window, 0, 9), 15);
    ck_assert_uint_eq(drift_window_total(window, 0, 0), 5);
    ck_assert_double_eq(drift_window_sum(window, 0), 50 * 500 + 15e9 - 5);
}
END_TEST

/* The ring has gone round when only the second half is left of what came. */
START_TEST(the_window_slides)
{
    for (int i = 0; i < 2 * CAPACITY; i++)
        add(i < CAPACITY ? 10 : 990, i);
    ck_assert_uint_eq(drift_window_rows(window), CAPACITY);
    double shares[BASELINE_BINS];
    drift_window_shares(window, 0, shares);
    ck_assert_double_eq(shares[0], 0);
    ck_assert_double_eq(shares[9], 1);
    drift_window_expire(window, 2 * CAPACITY - 100);
    ck_assert_uint_eq(drift_window_rows(window), 100);
    drift_window_expire(window, 2 * CAPACITY);
    ck_assert_uint_eq(drift_window_rows(window), 0);
    ck_assert_uint_eq(drift_window_total(window, 0, 0), CAPACITY); /* of all that ever came */
    add(10, 2 * CAPACITY);
    drift_window_shares(window, 0, shares);
    ck_assert_double_eq(shares[0], 1);
}
END_TEST

START_TEST(other_inputs_and_scores_are_not_taken)
{
    double number = 1;
    struct tensor tensor = tensor_of(&number, 1);
    ck_assert(drift_window_add(window, &tensor, 1, 1, SCORE_POSITIVE, &number, 0));
    ck_assert_uint_eq(drift_window_score(window).values, 0);
    ck_assert_double_eq(drift_window_confidence(window), 1);
    tensor.name = text_of("y");
    ck_assert(!drift_window_add(window, &tensor, 1, 1, SCORE_VALUE, &number, 0));
    ck_assert_uint_eq(drift_window_rows(window), 1);
}
END_TEST

START_TEST(without_a_baseline_there_is_confidence)
{
    struct drift_window *bare = drift_window_new(NULL, 10);
    const double scores[] = {0.9, 0.2, 0.5};
    const double numbers[] = {0, 0, 0};
    struct tensor tensor = tensor_of(numbers, 3);
    ck_assert(drift_window_add(bare, &tensor, 1, 3, SCORE_POSITIVE, scores, 0));
    ck_assert_double_eq_tol(drift_window_confidence(bare), (0.9 + 0.8 + 0.5) / 3, 1e-6);
    ck_assert(isnan(drift_window_score(bare).psi));
    drift_window_free(bare);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        nothing_has_no_figures,
        the_same_distribution_is_no_drift,
        psi_and_ks_follow_their_definitions,
        missing_and_strange_values_are_rates,
        the_window_slides,
        other_inputs_and_scores_are_not_taken,
        without_a_baseline_there_is_confidence,
    };
    return SUITE_RUN("drift_window", set_up, tear_down, tests);
}
