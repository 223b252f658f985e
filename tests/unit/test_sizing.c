/* test_sizing: which size of a batch is chosen, by curves of many kinds, and what batches that come back make
 * of it. SPDX-License-Identifier: MIT */
#include "sizing.h"

#include "clock.h"
#include "splitmix.h"
#include "suite.h"

static struct sizing sizing;

/* Of the curves: long enough that all sizes are noticed. */
#define TICK MILLISECOND
/* A curve, ticks by size, for 1, 2, 4, ... rows; ended by 0. */
enum { SIZES_MAX = 12 };
typedef const uint32_t curve[SIZES_MAX];

static void set_up(void)
{
    sizing = (struct sizing){0};
}

static void tell(const uint32_t *ticks, uint32_t most)
{
    struct schema_cost costs[SIZES_MAX];
    size_t count = 0;
    for (; count < SIZES_MAX && ticks[count] != 0; count++)
        costs[count] = (struct schema_cost){1U << count, ticks[count] * (TICK / MICROSECOND)};
    sizing_expect(&sizing, costs, count, most);
}

/* What a batch of so many rows really takes, ns. */
static int64_t truth(int64_t fixed, double row, uint32_t rows)
{
    return fixed * TICK + (int64_t)(row * rows * TICK);
}

/* Batches as a queue gives them that is long: of the chosen size, or the one that is tried. */
static void work(int64_t fixed, double row, int batches)
{
    for (int i = 0; i < batches; i++) {
        uint32_t rows = sizing_rows(&sizing, 64);
        sizing_learn(&sizing, rows, truth(fixed, row, rows));
        sizing_went(&sizing);
    }
}

/* Outside the turn of a size that is only tried. */
static uint32_t chosen(uint32_t most)
{
    struct sizing quiet = sizing;
    quiet.full = 0;
    return sizing_rows(&quiet, most);
}

START_TEST(nothing_is_known_at_first)
{
    ck_assert_uint_eq(sizing_rows(&sizing, 64), 64);
    ck_assert_uint_eq(sizing_in_time(&sizing, 64, 0), 64);
    sizing_learn(&sizing, 8, 1000); /* of a worker that told nothing: there is no curve to correct */
    ck_assert_uint_eq(sizing_rows(&sizing, 64), 64);
    tell((curve){0}, 64);
    ck_assert_uint_eq(sizing_rows(&sizing, 64), 64);
}
END_TEST

static const struct {
    const char *what;
    curve ticks;
    uint32_t chosen; /* at most 64 */
} curves[] = {
    {"each row costs the same: alone it is answered the soonest", {30, 60, 120, 240, 480, 960, 1920}, 1},
    {"a batch costs the same however large: as many as may be", {100, 100, 100, 100, 100, 100, 100}, 64},
    {"trees: 10 us and 2 for a row", {12, 14, 18, 26, 42, 74, 138}, 64},
    {"trees whose rows no longer fit the caches from 32 on", {12, 14, 18, 28, 32, 62, 160}, 16},
    {"a row costs ever more", {30, 72, 180, 480, 1200, 3000, 7800}, 1},
    {"a deep net: soon as good as it gets", {6500, 6000, 8800, 17000, 27500, 54000, 110000}, 16},
    {"a gain of a thirtieth is none, one of a twelfth is", {1000, 1030, 1960, 3880, 7700, 15300, 30500}, 4},
    {"not monotone: 8 are slower than 16", {50, 60, 80, 900, 160, 310, 620}, 16},
    {"the best is a valley", {100, 100, 100, 100, 400, 900, 2000}, 8},
    {"one bad moment at 16: the next size that is as good", {100, 104, 110, 120, 700, 180, 330}, 64},
    {"one bad moment at 4 does not decide", {100, 110, 900, 150, 220, 435, 870}, 16},
    {"a clock that says nothing", {1, 1, 1, 1, 1, 1, 1}, 64},
};

START_TEST(each_curve_has_its_size)
{
    for (size_t i = 0; i < COUNT_OF(curves); i++) {
        set_up();
        tell(curves[i].ticks, 64);
        ck_assert_msg(chosen(64) == curves[i].chosen, "%s: %u", curves[i].what, chosen(64));
        for (uint32_t most = 1; most <= 64; most++)
            ck_assert_uint_le(sizing_rows(&sizing, most), most);
    }
}
END_TEST

/* ---- robust against what machines do at load ---- */

START_TEST(the_best_of_several_workers_counts)
{
    tell((curve){100, 110, 900, 150, 2200, 4350, 8700}, 64); /* from 16 on somebody else had the core */
    ck_assert_uint_eq(chosen(64), 8);
    tell((curve){1000, 1100, 1300, 1500, 220, 380, 700}, 64); /* and here before */
    ck_assert_int_eq(sizing_cost(&sizing, 2), 150 * TICK);
    ck_assert_int_eq(sizing_cost(&sizing, 3), 150 * TICK);
    ck_assert_int_eq(sizing_cost(&sizing, 5), 380 * TICK);
    ck_assert_uint_eq(chosen(64), 64);
}
END_TEST

START_TEST(neighbours_find_a_bad_moment)
{
    tell((curve){14167, 1469, 13134, 22744, 30060, 16500, 33000}, 64);
    ck_assert_int_eq(sizing_cost(&sizing, 0), 1469 * TICK);     /* no longer than a larger one */
    ck_assert_int_eq(sizing_cost(&sizing, 2), 2 * 1469 * TICK); /* nor than two of the half */
    ck_assert_int_eq(sizing_cost(&sizing, 3), 4 * 1469 * TICK);
    ck_assert_int_eq(sizing_cost(&sizing, 5), 16500 * TICK);
    ck_assert_uint_eq(chosen(64), 32);
}
END_TEST

START_TEST(noise_does_not_lose_more_than_a_fifth)
{
    uint64_t state = 5;
    for (int round = 0; round < 200; round++) {
        uint32_t ticks[SIZES_MAX] = {0};
        set_up();
        for (size_t i = 0; i < 7; i++) /* each measured as up to a tenth too slow */
            ticks[i] = (uint32_t)((double)truth(300, 20, 1U << i) / TICK *
                                  (1 + (double)(splitmix_next(&state) % 100) / 1000));
        tell(ticks, 64);
        double row = (double)truth(300, 20, chosen(64)) / chosen(64), best = (double)truth(300, 20, 64) / 64;
        ck_assert_msg(row < best * 1.2, "round %d: %u rows", round, chosen(64));
    }
}
END_TEST

START_TEST(what_was_measured_on_a_busy_machine_is_corrected)
{
    tell((curve){400, 420, 460, 540, 2800, 5500, 11000}, 64); /* truly 100 us and 2 for a row */
    ck_assert_uint_eq(chosen(64), 8);
    work(100, 2, 10000);
    ck_assert_uint_eq(chosen(64), 64);
}
END_TEST

START_TEST(a_machine_that_is_slower_throughout_changes_nothing)
{
    static const uint32_t told[] = {6500, 6000, 8800, 17000, 27500, 54000, 110000};
    tell((curve){6500, 6000, 8800, 17000, 27500, 54000, 110000}, 64);
    for (int i = 0; i < 4000; i++) { /* three times what was told */
        uint32_t rows = sizing_rows(&sizing, 64);
        sizing_learn(&sizing, rows, told[__builtin_ctz(rows)] * 3 * TICK);
        sizing_went(&sizing);
    }
    ck_assert_uint_eq(chosen(64), 16);
    int64_t cost = sizing_cost(&sizing, 4);
    ck_assert_int_gt(cost, 80000 * TICK);
    ck_assert_int_lt(cost, 85000 * TICK);
}
END_TEST

START_TEST(the_way_of_a_batch_makes_larger_ones_pay)
{
    tell((curve){30, 60, 120, 240, 480, 960, 1920}, 64);
    ck_assert_uint_eq(chosen(64), 1);
    work(300, 30, 10000); /* each batch costs ten rows beside what the engine takes */
    ck_assert_uint_ge(chosen(64), 32);
}
END_TEST

START_TEST(what_passes_between_batches_makes_larger_ones_pay)
{
    tell((curve){30, 60, 120, 240, 480, 960, 1920}, 64);
    for (int i = 0; i < 1000; i++) { /* a tenth of a row, and now and then two come back at once */
        sizing_learn(&sizing, 1, 30 * TICK);
        sizing_learn_between(&sizing, i % 2 == 0 ? 33 * TICK : -27 * TICK);
    }
    ck_assert_uint_gt(chosen(64), 1);
    ck_assert_uint_lt(chosen(64), 8);
    for (int i = 0; i < 1000; i++) {
        sizing_learn(&sizing, 2, 60 * TICK);
        sizing_learn_between(&sizing, -TICK);
    }
    ck_assert_uint_eq(chosen(64), 1);
    ck_assert_int_eq(sizing_cost(&sizing, 1), 60 * TICK);
}
END_TEST

START_TEST(one_batch_decides_nothing)
{
    tell((curve){101, 103, 108, 119, 140, 340, 670}, 64);
    ck_assert_uint_eq(chosen(64), 16);
    for (int i = 0; i < 100; i++)
        sizing_learn(&sizing, 16, 140 * TICK);
    sizing_learn(&sizing, 16, 100 * SECOND);
    ck_assert_int_lt(sizing_cost(&sizing, 4), 160 * TICK);
    ck_assert_uint_eq(chosen(64), 16);
}
END_TEST

/* ---- where nobody measured ---- */

START_TEST(a_curve_that_ends_early_is_guessed_and_corrected)
{
    tell((curve){6500, 7000, 8000}, 64); /* the time was over */
    ck_assert_uint_eq(sizing.count, 7);
    ck_assert(!sizing.points[2].guessed && sizing.points[3].guessed);
    ck_assert_uint_eq(sizing.points[6].rows, 64);
    ck_assert_int_eq(sizing_cost(&sizing, 3), 10000 * TICK);
    ck_assert_uint_eq(chosen(64), 64);
    for (int i = 0; i < 4000; i++) { /* but from 16 on a row costs more */
        uint32_t rows = sizing_rows(&sizing, 64);
        sizing_learn(&sizing, rows, rows <= 16 ? truth(6000, 500, rows) : truth(0, 900, rows));
        sizing_went(&sizing);
    }
    ck_assert_uint_eq(chosen(64), 16);
}
END_TEST

START_TEST(a_size_alone_says_little)
{
    tell((curve){6500}, 24);
    ck_assert_uint_eq(sizing.count, 6);
    ck_assert_uint_eq(sizing.points[5].rows, 24);
    ck_assert_uint_eq(chosen(24), 16);
    set_up();
    tell((curve){6500}, 1);
    ck_assert_uint_eq(sizing.count, 1);
    ck_assert_uint_eq(chosen(1), 1);
}
END_TEST

START_TEST(what_is_measured_later_takes_the_place_of_a_guess)
{
    tell((curve){6500, 7000, 8000}, 64);
    for (int i = 0; i < 65; i++)
        sizing_learn(&sizing, 8, 12000 * TICK);
    tell((curve){6500, 7000, 8000, 9000, 20000}, 64);
    ck_assert_uint_eq(sizing.count, 7);
    ck_assert(!sizing.points[4].guessed && sizing.points[5].guessed);
    ck_assert_double_eq(sizing.points[3].told, 9000.0 * (double)TICK);
    ck_assert_uint_eq(sizing.points[3].seen, 1); /* what came back is as true as before */
}
END_TEST

/* ---- a size is tried, and time is short ---- */

START_TEST(now_and_then_the_next_size_is_tried)
{
    tell((curve){6500, 6000, 8800, 17000, 27500, 54000, 110000}, 64);
    size_t larger = 0, smaller = 0;
    for (int i = 0; i < 2048; i++, sizing_went(&sizing)) {
        uint32_t rows = sizing_rows(&sizing, 64);
        larger += rows == 32;
        smaller += rows == 8;
        ck_assert(rows == 16 || rows == 32 || rows == 8);
        ck_assert_uint_le(sizing_rows(&sizing, 24), 24);
    }
    ck_assert_uint_eq(larger, 16);
    ck_assert_uint_eq(smaller, 16);
    for (int i = 0; i < 64; i++)
        sizing_learn(&sizing, 16, 27500 * TICK);
    for (int i = 0; i < 9; i++) {
        sizing_learn(&sizing, 8, 17000 * TICK);
        sizing_learn(&sizing, 32, 54000 * TICK);
    }
    for (int i = 0; i < 2048; i++, sizing_went(&sizing)) /* by then it is known what they take */
        smaller += sizing_rows(&sizing, 64) != 16;
    ck_assert_uint_eq(smaller, 16 + 8);
}
END_TEST

START_TEST(who_hurries_gets_less_company_while_it_costs_little)
{
    tell((curve){1000, 1100, 1300, 1700, 2500, 4100, 7300}, 64); /* a row: 1000 ... 212, 156, 128, 114 us */
    ck_assert_uint_eq(sizing_in_time(&sizing, 64, 7300 * TICK), 64);
    ck_assert_uint_eq(sizing_in_time(&sizing, 48, 5700 * TICK), 48);
    ck_assert_uint_eq(sizing_in_time(&sizing, 48, 5699 * TICK), 32);
    ck_assert_uint_eq(sizing_in_time(&sizing, 64, 5000 * TICK), 32);
    ck_assert_uint_eq(sizing_in_time(&sizing, 64, 0), 32); /* 16 would cost a row a third more */
    ck_assert_uint_eq(sizing_in_time(&sizing, 20, 0), 20);
    ck_assert_uint_eq(sizing_in_time(&sizing, 64, INT64_MIN), 32);
}
END_TEST

/* ---- what others say ---- */

START_TEST(short_batches_are_not_made_smaller)
{
    struct schema_cost costs[] = {{1, 500},   {2, 525},   {4, 750},   {8, 1500},
                                  {16, 3000}, {32, 6000}, {64, 12000}};
    sizing_expect(&sizing, costs, COUNT_OF(costs), 64);
    ck_assert_uint_eq(chosen(64), 32); /* 4 would do, but who notices some milliseconds */
}
END_TEST

/* The machine is now quick and now slow, and each batch takes up to twice as long as another: what that has
 * to do with the sizes is nothing. */
START_TEST(a_machine_of_moods_does_not_move_the_choice)
{
    static const uint32_t told[] = {1000, 1100, 1300, 2000, 4000, 8000, 16000};
    uint64_t state = 7;
    tell((curve){1000, 1100, 1300, 2000, 4000, 8000, 16000}, 64);
    ck_assert_uint_eq(chosen(64), 8);
    for (int i = 0; i < 100000; i++) {
        uint32_t rows = sizing_rows(&sizing, 64);
        double mood = i / 1000 % 2 == 0 ? 1 : 3, noise = 1 + (double)(splitmix_next(&state) % 1000) / 1000;
        sizing_learn(&sizing, rows, (int64_t)(told[__builtin_ctz(rows)] * TICK * mood * noise));
        sizing_went(&sizing);
        ck_assert_uint_ge(chosen(64), 8);
        ck_assert_uint_le(chosen(64), 64);
    }
    double a_row = told[__builtin_ctz(chosen(64))] / (double)chosen(64);
    ck_assert_msg(a_row <= 250 * 1.05, "%u", chosen(64));
}
END_TEST

START_TEST(nonsense_is_borne)
{
    struct schema_cost costs[SCHEMA_COSTS_MAX];
    for (uint32_t i = 0; i < SCHEMA_COSTS_MAX; i++)
        costs[i] = (struct schema_cost){i == 0 ? 0 : 1000 - 31 * i, i % 2 == 0 ? 0 : UINT32_MAX};
    sizing_expect(&sizing, costs, SCHEMA_COSTS_MAX, UINT32_MAX);
    for (uint32_t i = 0; i < SCHEMA_COSTS_MAX; i++)
        costs[i] = (struct schema_cost){UINT32_MAX - i, 1};
    sizing_expect(&sizing, costs, SCHEMA_COSTS_MAX, UINT32_MAX);
    ck_assert_uint_le(sizing.count, SCHEMA_COSTS_MAX);
    for (size_t i = 1; i < sizing.count; i++)
        ck_assert_uint_lt(sizing.points[i - 1].rows, sizing.points[i].rows);
    sizing_learn(&sizing, 0, 5);
    sizing_learn(&sizing, 5, -1);
    sizing_learn(&sizing, UINT32_MAX, INT64_MAX);
    sizing_learn(&sizing, 1, 0);
    for (int i = 0; i < 100; i++)
        sizing_learn(&sizing, 1, 0);
    ck_assert_uint_ge(chosen(UINT32_MAX), 1);
    ck_assert_uint_ge(sizing_in_time(&sizing, 1000, 1), 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {nothing_is_known_at_first,
                                  each_curve_has_its_size,
                                  the_best_of_several_workers_counts,
                                  neighbours_find_a_bad_moment,
                                  noise_does_not_lose_more_than_a_fifth,
                                  what_was_measured_on_a_busy_machine_is_corrected,
                                  a_machine_that_is_slower_throughout_changes_nothing,
                                  the_way_of_a_batch_makes_larger_ones_pay,
                                  what_passes_between_batches_makes_larger_ones_pay,
                                  one_batch_decides_nothing,
                                  a_curve_that_ends_early_is_guessed_and_corrected,
                                  a_size_alone_says_little,
                                  what_is_measured_later_takes_the_place_of_a_guess,
                                  now_and_then_the_next_size_is_tried,
                                  who_hurries_gets_less_company_while_it_costs_little,
                                  short_batches_are_not_made_smaller,
                                  a_machine_of_moods_does_not_move_the_choice,
                                  nonsense_is_borne};
    return SUITE_RUN("sizing", set_up, NULL, tests);
}
