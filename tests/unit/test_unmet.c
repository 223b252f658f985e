/* test_unmet: truths wait for their prediction, each teller's in a place of its own, and no more of them than
 * there is room for. SPDX-License-Identifier: MIT */
#include "suite.h"
#include "unmet.h"

static struct unmet *unmet;
static double seen[16];
static size_t seen_count;

static void set_up(void)
{
    unmet = unmet_new(5);
    seen_count = 0;
}

static void tear_down(void)
{
    unmet_free(unmet);
}

static bool add(const char *allowed, uint64_t request, double actual, int64_t now_ms)
{
    const struct prediction prediction = {.kind = PREDICTION_ACTUAL,
                                          .flags = PREDICTION_BY_NUMBER,
                                          .request = request,
                                          .row = 2,
                                          .actual = actual,
                                          .actual_label = 9,
                                          .allowed = text_of(allowed)};
    return unmet_add(unmet, &prediction, now_ms);
}

static enum unmet_fate note(void *self, struct unmet_truth *truth)
{
    ck_assert(truth->flags == PREDICTION_BY_NUMBER && truth->actual_label == 9 && !truth->forbidden);
    seen[seen_count++] = truth->actual;
    return self == NULL ? UNMET_STAYS : UNMET_GOES;
}

static enum unmet_fate old_goes(void *self, struct unmet_truth *truth)
{
    return truth->since_ms < *(int64_t *)self ? UNMET_GOES : UNMET_STAYS;
}

static enum unmet_fate may_go(void *self, struct unmet_truth *truth)
{
    return unmet_allows(truth, text_of(self)) ? UNMET_GOES : UNMET_STAYS;
}

static void expect(size_t count, const double *actuals)
{
    ck_assert_uint_eq(seen_count, count);
    for (size_t i = 0; i < count; i++)
        ck_assert(seen[i] == actuals[i]);
    seen_count = 0;
}

START_TEST(they_come_in_the_order_in_which_they_were_said)
{
    ck_assert(!unmet_any(unmet));
    ck_assert(add("a", 1, 1, 0) && add("b", 1, 2, 0) && add("", 1, 3, 0) && add("a", 1, 4, 0));
    unmet_of(unmet, 1, 2, note, NULL);
    expect(3, (double[]){2, 3, 4}); /* what the first one said first has gone */
    unmet_of(unmet, 1, 0, note, unmet);
    unmet_of(unmet, 2, 2, note, unmet);
    expect(0, NULL);
    unmet_of(unmet, 1, 2, note, unmet);
    expect(3, (double[]){2, 3, 4});
    ck_assert(!unmet_any(unmet));
}
END_TEST

START_TEST(who_may_use_a_model_is_known)
{
    ck_assert(add("a b*", 1, 1, 0) && add("c", 1, 2, 0) && add("c", 2, 3, 0));
    unmet_of(unmet, 1, 2, may_go, (char[]){"bcd"});
    unmet_of(unmet, 1, 2, note, NULL);
    expect(1, (double[]){2});
    unmet_each(unmet, may_go, (char[]){"cc"});
    ck_assert(unmet_any(unmet));
    unmet_each(unmet, may_go, (char[]){"c"});
    ck_assert(!unmet_any(unmet));
    ck_assert(add("", 1, 1, 0));
    unmet_each(unmet, may_go, (char[]){"any"});
    ck_assert(!unmet_any(unmet));
}
END_TEST

START_TEST(there_is_no_more_than_there_is_room_for)
{
    for (uint64_t i = 0; i < 4; i++)
        ck_assert(add("a", i, 1, (int64_t)i));
    ck_assert(add("b", 0, 1, 10));
    ck_assert(!add("a", 9, 1, 10) && !add("c", 0, 1, 10)); /* another prediction, another teller */
    ck_assert(add("a", 0, 2, 10));                         /* in the place of one that is there */
    unmet_each(unmet, old_goes, &(int64_t){3});
    unmet_each(unmet, note, NULL);
    ck_assert_uint_eq(seen_count, 3);
    ck_assert(add("a", 9, 1, 10) && add("c", 0, 1, 10));
    unmet_free(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {they_come_in_the_order_in_which_they_were_said,
                                  who_may_use_a_model_is_known, there_is_no_more_than_there_is_room_for};
    return SUITE_RUN("unmet", set_up, tear_down, tests);
}
