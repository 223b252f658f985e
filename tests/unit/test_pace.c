/* test_pace: the limit of a run and its rate. SPDX-License-Identifier: MIT */
#include "pace.h"

#include "clock.h"
#include "suite.h"

static struct pace *pace;

static void tear_down(void)
{
    pace_free(pace);
}

START_TEST(without_bounds_all_is_granted_at_once)
{
    int64_t at, before = clock_now();
    pace = pace_new(0, 0);
    for (int i = 0; i < 1000; i++) {
        ck_assert_uint_eq(pace_grant(pace, 100000, &at), 100000);
        ck_assert_int_le(at, clock_now());
        ck_assert_int_ge(at, before);
    }
}
END_TEST

START_TEST(a_limit_is_granted_once_and_what_comes_back_again)
{
    int64_t at;
    pace = pace_new(25, 0);
    ck_assert_uint_eq(pace_grant(pace, 10, &at), 10);
    ck_assert_uint_eq(pace_grant(pace, 10, &at), 10);
    ck_assert_uint_eq(pace_grant(pace, 10, &at), 5);
    ck_assert_uint_eq(pace_grant(pace, 10, &at), 0);
    pace_return(pace, 3);
    ck_assert_uint_eq(pace_grant(pace, 10, &at), 3);
    ck_assert_uint_eq(pace_grant(pace, 10, &at), 0);
}
END_TEST

START_TEST(a_rate_puts_grants_behind_each_other_in_small_pieces)
{
    int64_t first, second, third, fourth;
    pace = pace_new(0, 1000);
    ck_assert_uint_eq(pace_grant(pace, 100000, &first), 250);
    ck_assert_uint_eq(pace_grant(pace, 100, &second), 100);
    ck_assert_uint_eq(pace_grant(pace, 100, &third), 100);
    ck_assert_int_eq(second - first, 250 * MILLISECOND);
    ck_assert_int_eq(third - second, 100 * MILLISECOND);
    pace_return(pace, 100);
    ck_assert_uint_eq(pace_grant(pace, 1, &fourth), 1);
    ck_assert_int_eq(fourth, third);
}
END_TEST

START_TEST(a_rate_of_less_than_four_rows_grants_one_at_a_time)
{
    int64_t first, second;
    pace = pace_new(0, 2);
    ck_assert_uint_eq(pace_grant(pace, 100, &first), 1);
    ck_assert_uint_eq(pace_grant(pace, 100, &second), 1);
    ck_assert_int_eq(second - first, SECOND / 2);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {without_bounds_all_is_granted_at_once,
                                  a_limit_is_granted_once_and_what_comes_back_again,
                                  a_rate_puts_grants_behind_each_other_in_small_pieces,
                                  a_rate_of_less_than_four_rows_grants_one_at_a_time};
    return SUITE_RUN("pace", NULL, tear_down, tests);
}
