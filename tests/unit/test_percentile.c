/* test_percentile: quantiles of a histogram as Prometheus has them. SPDX-License-Identifier: MIT */
#include "percentile.h"

#include "clock.h"
#include "suite.h"

#include <math.h>

static uint64_t buckets[PERCENTILE_BUCKETS];

static void set_up(void)
{
    memset(buckets, 0, sizeof buckets);
}

START_TEST(nothing_has_no_quantile)
{
    ck_assert(isnan(percentile_of(metrics_duration_bounds, buckets, 0.5)));
    ck_assert(isnan(percentile_above(buckets, MILLISECOND)));
}
END_TEST

START_TEST(within_a_bucket_it_is_interpolated)
{
    buckets[5] = 100; /* above 1 ms, at most 1.5 ms */
    ck_assert_double_eq_tol(percentile_of(metrics_duration_bounds, buckets, 0.5), 1.25e6, 1);
    ck_assert_double_eq_tol(percentile_of(metrics_duration_bounds, buckets, 0.99), 1.495e6, 1);
    ck_assert_double_eq_tol(percentile_of(metrics_duration_bounds, buckets, 1), 1.5e6, 1);
    ck_assert_double_eq_tol(percentile_above(buckets, 1250000), 0.5, 1e-9);
    ck_assert_double_eq_tol(percentile_above(buckets, MILLISECOND), 1, 1e-9);
    ck_assert_double_eq_tol(percentile_above(buckets, 1500000), 0, 1e-9);
}
END_TEST

START_TEST(the_first_bucket_begins_at_nothing)
{
    buckets[0] = 10; /* at most 100 us */
    ck_assert_double_eq_tol(percentile_of(metrics_duration_bounds, buckets, 0.5), 50e3, 1);
}
END_TEST

START_TEST(over_several_buckets_the_rank_decides)
{
    buckets[0] = 90;
    buckets[13] = 10; /* above 50 ms, at most 100 ms */
    ck_assert_double_eq_tol(percentile_of(metrics_duration_bounds, buckets, 0.9), 100e3, 1);
    ck_assert_double_eq_tol(percentile_of(metrics_duration_bounds, buckets, 0.99), 95e6, 1);
    ck_assert_double_eq_tol(percentile_above(buckets, 200 * MILLISECOND), 0, 1e-9);
    ck_assert_double_eq_tol(percentile_above(buckets, 10 * MILLISECOND), 0.1, 1e-9);
}
END_TEST

START_TEST(above_all_bounds_it_is_the_last_bound)
{
    buckets[METRICS_BUCKETS] = 1;
    ck_assert_double_eq_tol(percentile_of(metrics_duration_bounds, buckets, 0.99), 10e9, 1);
    ck_assert_double_eq_tol(percentile_above(buckets, SECOND), 1, 1e-9);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {nothing_has_no_quantile, within_a_bucket_it_is_interpolated,
                                  the_first_bucket_begins_at_nothing, over_several_buckets_the_rank_decides,
                                  above_all_bounds_it_is_the_last_bound};
    return SUITE_RUN("percentile", set_up, NULL, tests);
}
