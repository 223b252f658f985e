/* test_budget: how many a second there may be. SPDX-License-Identifier: MIT */
#include "budget.h"
#include "suite.h"

enum { A_SECOND = 3 };

static int count_taken(struct budget *budget, int64_t now)
{
    int taken = 0;
    for (int i = 0; i < 10 * A_SECOND; i++)
        taken += budget_take(budget, A_SECOND, now);
    return taken;
}

START_TEST(a_second_has_so_many)
{
    struct budget budget = {0};
    ck_assert_int_eq(count_taken(&budget, 5), A_SECOND);
    ck_assert_int_eq(count_taken(&budget, 5 + SECOND - 1), 0);
    ck_assert_int_eq(count_taken(&budget, 5 + SECOND), A_SECOND);
}
END_TEST

/* What was not taken is no credit. */
START_TEST(a_second_begins_with_who_asks_after_the_last)
{
    struct budget budget = {0};
    ck_assert(budget_take(&budget, A_SECOND, SECOND));
    ck_assert_int_eq(count_taken(&budget, 100 * SECOND), A_SECOND);
    ck_assert_int_eq(count_taken(&budget, 100 * SECOND + SECOND / 2), 0);
}
END_TEST

START_TEST(there_may_be_none)
{
    struct budget budget = {0};
    ck_assert(!budget_take(&budget, 0, SECOND));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_second_has_so_many, a_second_begins_with_who_asks_after_the_last,
                                  there_may_be_none};
    return SUITE_RUN("budget", NULL, NULL, tests);
}
