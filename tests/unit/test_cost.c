/* test_cost: what is learned of batches, and what is made of it. SPDX-License-Identifier: MIT */
#include "cost.h"
#include "suite.h"

static struct cost cost;

static void set_up(void)
{
    cost = (struct cost){0};
}

/* Batches of these sizes, each of which takes fixed + per_row * rows. */
static void teach(uint32_t smallest, uint32_t largest, int64_t fixed, int64_t per_row, int times)
{
    for (int i = 0; i < times; i++) {
        uint32_t rows = smallest + (uint32_t)i % (largest - smallest + 1);
        cost_learn(&cost, rows, fixed + per_row * rows);
    }
}

static void about(int64_t value, int64_t expected)
{
    ck_assert_msg(value >= expected - expected / 20 - 1 && value <= expected + expected / 20 + 1,
                  "%lld is not about %lld", (long long)value, (long long)expected);
}

START_TEST(nothing_is_known_at_first)
{
    ck_assert_int_eq(cost_of_batch(&cost, 10), 0);
    ck_assert_int_eq(cost_of_rows(&cost, 1000, 64, 2), 0);
    cost_learn(&cost, 0, 100);
    cost_learn(&cost, 5, -1);
    ck_assert_int_eq(cost_of_batch(&cost, 10), 0);
}
END_TEST

START_TEST(both_parts_are_found)
{
    teach(1, 32, 50000, 1000, 300);
    about(cost_of_batch(&cost, 1), 51000);
    about(cost_of_batch(&cost, 64), 114000);
    about(cost_of_rows(&cost, 640, 64, 1), 1140000);
    about(cost_of_rows(&cost, 640, 64, 2), 570000);
    about(cost_of_rows(&cost, 10, 64, 1), 60000); /* one batch that is not full */
    about(cost_of_rows(&cost, 640, 64, 0), 1140000);
    ck_assert_int_eq(cost_of_rows(&cost, 0, 64, 1), 0);
}
END_TEST

START_TEST(batches_of_one_size_say_little_of_others)
{
    teach(10, 10, 0, 1000, 100);
    about(cost_of_batch(&cost, 10), 10000);
    about(cost_of_batch(&cost, 5), 5000);
    about(cost_of_batch(&cost, 100), 10000); /* rather too little */
}
END_TEST

START_TEST(what_changed_is_noticed)
{
    teach(1, 16, 1000, 100, 1000);
    teach(1, 16, 10000, 1000, 500);
    about(cost_of_batch(&cost, 16), 26000);
}
END_TEST

START_TEST(no_part_is_negative)
{
    for (int i = 0; i < 100; i++) /* the larger the faster */
        cost_learn(&cost, 1 + (uint32_t)i % 10, 100000 - 9000 * (i % 10));
    ck_assert_int_gt(cost_of_batch(&cost, 1000), 0);
    set_up();
    for (int i = 0; i < 100; i++) { /* as if nothing at all cost less than nothing */
        uint32_t rows = 1 + (uint32_t)i % 10;
        cost_learn(&cost, rows, (int64_t)rows * rows * 1000);
    }
    ck_assert_int_ge(cost_of_batch(&cost, 1), 0);
    ck_assert_int_gt(cost_of_batch(&cost, 10), cost_of_batch(&cost, 1));
}
END_TEST

START_TEST(extremes_do_not_overflow)
{
    cost_learn(&cost, UINT32_MAX, INT64_MAX);
    cost_learn(&cost, 1, INT64_MAX);
    ck_assert_int_gt(cost_of_batch(&cost, UINT64_MAX), 0);
    ck_assert_int_gt(cost_of_rows(&cost, UINT64_MAX, 1, 1), 0);
    ck_assert_int_ge(cost_of_rows(&cost, UINT64_MAX, UINT32_MAX, SIZE_MAX), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        nothing_is_known_at_first, both_parts_are_found, batches_of_one_size_say_little_of_others,
        what_changed_is_noticed,   no_part_is_negative,  extremes_do_not_overflow};
    return SUITE_RUN("cost", set_up, NULL, tests);
}
