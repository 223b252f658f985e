/* test_window: how many requests may be open, and that a tenant who floods leaves places to others.
 * SPDX-License-Identifier: MIT */
#include "object.h"
#include "suite.h"
#include "window.h"

enum { MOST = 8 };

static struct window *window;

static void set_up(void)
{
    window = window_new(MOST);
}

static void tear_down(void)
{
    window_free(window);
}

static void enter(uint64_t tenant, size_t count)
{
    while (count-- > 0)
        window_enter(window, tenant);
}

START_TEST(one_tenant_may_have_all_but_no_more)
{
    for (size_t open = 0; open < MOST; open++) {
        ck_assert_uint_eq(window_open(window), open);
        ck_assert(!window_full(window, 1));
        enter(1, 1);
    }
    ck_assert(window_full(window, 1) && !window_overwhelmed(window));
    window_leave(window, 1);
    ck_assert(!window_full(window, 1));
}
END_TEST

START_TEST(a_quarter_more_is_for_others)
{
    enter(1, MOST);
    ck_assert(window_full(window, 1) && !window_full(window, 2));
    enter(2, 1);
    ck_assert(window_full(window, 1) && !window_full(window, 2));
    enter(2, 1);
    ck_assert(window_overwhelmed(window) && window_open(window) == MOST + MOST / 4);
    ck_assert(window_full(window, 1) && window_full(window, 2) && window_full(window, 3));
    window_leave(window, 1);
    ck_assert(window_full(window, 1)); /* that place is of the quarter more */
    ck_assert(!window_full(window, 2) && !window_full(window, 3));
}
END_TEST

START_TEST(who_has_an_equal_share_gets_no_more_of_it)
{
    enter(1, MOST / 2);
    enter(2, MOST / 2);
    ck_assert(window_full(window, 1) && window_full(window, 2));
    ck_assert(!window_full(window, 3));
    enter(3, 1); /* a third of eight is two */
    ck_assert(!window_full(window, 3) && window_full(window, 1));
    enter(3, 1);
    ck_assert(window_full(window, 3));
}
END_TEST

START_TEST(who_has_nothing_open_is_no_tenant)
{
    for (uint64_t tenant = 10; tenant < 100; tenant++) {
        enter(tenant, 1);
        window_leave(window, tenant);
    }
    enter(1, MOST / 2 - 1);
    enter(2, MOST / 2 + 1);
    ck_assert(!window_full(window, 1)); /* half of the places are its share, not a hundredth */
    ck_assert(window_full(window, 2));
}
END_TEST

START_TEST(a_small_one_keeps_nothing_for_others)
{
    window_free(window);
    window = window_new(2);
    enter(1, 2);
    ck_assert(window_full(window, 1) && window_full(window, 2) && window_overwhelmed(window));
    window_free(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {one_tenant_may_have_all_but_no_more, a_quarter_more_is_for_others,
                                  who_has_an_equal_share_gets_no_more_of_it,
                                  who_has_nothing_open_is_no_tenant, a_small_one_keeps_nothing_for_others};
    return SUITE_RUN("window", set_up, tear_down, tests);
}
