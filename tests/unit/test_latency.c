/* test_latency: where times are counted, and what is made of them. SPDX-License-Identifier: MIT */
#include "latency.h"

#include "clock.h"
#include "suite.h"

static struct latency latency;

static void set_up(void)
{
    latency = (struct latency){0};
}

START_TEST(each_time_lies_within_its_bucket)
{
    for (int64_t at = 1100; at < 60 * SECOND; at += at / 97) {
        size_t bucket = latency_bucket(at);
        ck_assert_int_lt(at, latency_bound(bucket));
        ck_assert(bucket == 0 || at >= latency_bound(bucket - 1));
    }
}
END_TEST

START_TEST(buckets_follow_each_other_and_are_an_eighth_wide)
{
    ck_assert_int_eq(latency_bound(0), 1152);
    for (size_t i = 0; i + 1 < LATENCY_BUCKETS; i++) {
        ck_assert_uint_eq(latency_bucket(latency_bound(i) - 1), i);
        ck_assert_uint_eq(latency_bucket(latency_bound(i)), i + 1);
        ck_assert_int_le(latency_bound(i + 1) - latency_bound(i), latency_bound(i) / 8 + 1);
    }
    ck_assert_int_eq(latency_bound(LATENCY_BUCKETS - 1), INT64_C(1) << 36);
}
END_TEST

START_TEST(what_is_too_short_or_too_long_is_counted_at_the_ends)
{
    ck_assert_uint_eq(latency_bucket(INT64_MIN), 0);
    ck_assert_uint_eq(latency_bucket(-1), 0);
    ck_assert_uint_eq(latency_bucket(0), 0);
    ck_assert_uint_eq(latency_bucket(1023), 0);
    ck_assert_uint_eq(latency_bucket(INT64_C(1) << 36), LATENCY_BUCKETS - 1);
    ck_assert_uint_eq(latency_bucket(INT64_MAX), LATENCY_BUCKETS - 1);
}
END_TEST

START_TEST(quantiles_are_an_eighth_too_large_at_most)
{
    ck_assert_int_eq(latency_quantile(&latency, 0.5), 0);
    for (int64_t i = 1; i <= 10000; i++)
        latency_add(&latency, i * 10 * MICROSECOND);
    ck_assert_uint_eq(latency_total(&latency), 10000);
    static const double quantiles[] = {0.01, 0.5, 0.9, 0.99, 1};
    for (size_t i = 0; i < COUNT_OF(quantiles); i++) {
        double exact = quantiles[i] * 100e6, found = (double)latency_quantile(&latency, quantiles[i]);
        ck_assert_msg(found >= exact && found <= exact * 1.13, "%g: %g, not %g", quantiles[i], found, exact);
    }
    ck_assert_int_eq(latency_quantile(&latency, 0), latency_bound(latency_bucket(10 * MICROSECOND)));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_time_lies_within_its_bucket,
        buckets_follow_each_other_and_are_an_eighth_wide,
        what_is_too_short_or_too_long_is_counted_at_the_ends,
        quantiles_are_an_eighth_too_large_at_most,
    };
    return SUITE_RUN("latency", set_up, NULL, tests);
}
