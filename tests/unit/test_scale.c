/* test_scale: the number of workers under loads of every kind, on a clock of its own. A day takes a blink.
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "scale.h"
#include "suite.h"

static const struct scale_rule rule = {.target_wait = 20 * MILLISECOND,
                                       .up_percent = 80,
                                       .down_percent = 40,
                                       .down_after = 30 * SECOND,
                                       .idle = 300 * SECOND};

/* A version whose workers take what comes, as far as they can; the rest waits. */
static struct {
    struct scale_pilot pilot;
    struct scale_seen seen;
    double backlog; /* worker-ns */
    int changes;
    uint64_t dice;
    int start_after; /* looks that a worker takes to get ready */
    int starting;
} world;

static void set_up(void)
{
    memset(&world, 0, sizeof world);
    world.seen = (struct scale_seen){.now = SECOND, .known = true, .room = 1000};
    world.dice = 88172645463325252u;
}

static void begin(int64_t target, int64_t min, int64_t max)
{
    world.pilot.target = target;
    scale_bound(&world.pilot, min, max);
    world.seen.running = world.seen.workers = target;
}

static double draw(void)
{
    world.dice ^= world.dice << 13;
    world.dice ^= world.dice >> 7;
    world.dice ^= world.dice << 17;
    return (double)(world.dice >> 11) / (double)(UINT64_C(1) << 53);
}

/* One second with a load that would keep so many workers busy. */
static void pass(double load)
{
    int64_t before = world.pilot.target;
    double can = (double)(world.seen.workers * SECOND), comes = load * (double)SECOND + world.backlog;
    double done = comes < can ? comes : can;
    world.backlog = comes - done;
    world.seen.now += SECOND;
    world.seen.busy += (int64_t)done;
    world.seen.open = load > 0 || world.backlog > 0;
    world.seen.wait = world.seen.workers > 0 ? (int64_t)(world.backlog / (double)world.seen.workers)
                                             : (int64_t)world.backlog;
    scale_look(&world.pilot, &rule, &world.seen);
    world.changes += world.pilot.target != before;
    world.starting = world.pilot.target > world.seen.running ? world.starting + 1 : 0;
    if (world.starting > world.start_after || world.pilot.target < world.seen.running)
        world.seen.running = world.seen.workers = world.pilot.target;
}

static void pass_for(int seconds, double load)
{
    for (int i = 0; i < seconds; i++)
        pass(load);
}

START_TEST(a_fixed_number_is_kept)
{
    begin(2, 2, 2);
    pass_for(100, 10);
    ck_assert_int_eq(world.pilot.target, 2);
    pass_for(4000, 0);
    ck_assert_int_eq(world.pilot.target, 2);
}
END_TEST

START_TEST(much_load_brings_as_many_as_it_takes_at_once)
{
    begin(1, 1, 16);
    pass_for(3, 4.5);
    ck_assert_int_ge(world.pilot.target, 7);
    pass_for(60, 4.5);
    ck_assert_int_le(world.changes, 2);
    ck_assert_double_eq(world.backlog, 0);
}
END_TEST

START_TEST(one_burst_is_no_reason)
{
    begin(2, 1, 16);
    pass_for(10, 1.2);
    pass(3);
    pass_for(5, 0.9);
    ck_assert_int_eq(world.pilot.target, 2);
}
END_TEST

START_TEST(workers_go_slowly_and_one_at_a_time)
{
    begin(8, 1, 8);
    pass_for(29, 0.5);
    ck_assert_int_eq(world.pilot.target, 8);
    int64_t before = 8;
    for (int i = 0; i < 600; i++) {
        pass(0.5);
        ck_assert_int_ge(world.pilot.target, before - 1);
        before = world.pilot.target;
    }
    ck_assert_int_eq(world.pilot.target, 1);
    ck_assert_int_ge(world.changes, 7);
}
END_TEST

START_TEST(what_comes_between_starts_the_time_anew)
{
    begin(2, 1, 8);
    for (int i = 0; i < 20; i++) {
        pass_for(25, 0.3);
        pass_for(2, 1.2);
    }
    ck_assert_int_eq(world.pilot.target, 2);
}
END_TEST

/* Any constant load, even or uneven: it settles within a minute, and stays. */
START_TEST(under_constant_load_it_does_not_flap)
{
    for (int tenths = 1; tenths < 80; tenths++)
        for (int fifths = 0; fifths < 5; fifths++) {
            double load = tenths / 10.0, uneven = fifths / 5.0;
            set_up();
            begin(1, 1, 16);
            for (int second = 0; second < 3600; second++) {
                if (second == 60)
                    world.changes = 0;
                pass(load * (1 + uneven * (2 * draw() - 1)));
            }
            ck_assert_msg(world.changes <= 2, "%d changes at a load of %.1f, uneven by %.1f", world.changes,
                          load, uneven);
            ck_assert_msg(world.pilot.target >= load, "%lld workers for a load of %.1f",
                          (long long)world.pilot.target, load);
        }
}
END_TEST

START_TEST(no_more_than_there_is_room_for)
{
    begin(1, 1, 16);
    world.seen.room = 2;
    pass_for(3, 10);
    ck_assert_int_eq(world.pilot.target, 3);
    world.seen.room = 0;
    pass_for(20, 10);
    ck_assert_int_eq(world.pilot.target, 3);
    world.seen.room = -4; /* the operator has given another model more than there is */
    pass_for(20, 10);
    ck_assert_int_eq(world.pilot.target, 3);
}
END_TEST

START_TEST(those_on_their_way_are_waited_for)
{
    begin(1, 1, 16);
    world.start_after = 10;
    pass_for(3, 1.5);
    int64_t target = world.pilot.target;
    ck_assert_int_gt(target, 1);
    pass_for(8, 1.5);
    ck_assert_int_eq(world.pilot.target, target);
}
END_TEST

START_TEST(others_hosts_workers_count)
{
    begin(1, 1, 8);
    world.seen.workers = 4;
    for (int i = 0; i < 10; i++) {
        world.seen.now += SECOND;
        world.seen.busy += 2 * SECOND;
        scale_look(&world.pilot, &rule, &world.seen);
    }
    ck_assert_int_eq(world.pilot.target, 1);
}
END_TEST

START_TEST(the_last_one_goes_when_nothing_is_asked)
{
    begin(1, 0, 4);
    pass_for(60, 0.01);
    pass_for(300, 0);
    ck_assert_int_eq(world.pilot.target, 1);
    pass_for(3, 0);
    ck_assert_int_eq(world.pilot.target, 0);
    pass_for(1000, 0);
    ck_assert_int_eq(world.pilot.target, 0);
    ck_assert_int_eq(world.changes, 1);
}
END_TEST

START_TEST(all_go_when_nothing_is_asked)
{
    begin(4, 0, 4);
    pass_for(310, 0);
    ck_assert_int_eq(world.pilot.target, 0);
}
END_TEST

START_TEST(a_little_use_keeps_the_last_one)
{
    begin(1, 0, 4);
    for (int i = 0; i < 20; i++) {
        pass_for(200, 0);
        pass(0.001);
    }
    ck_assert_int_eq(world.pilot.target, 1);
}
END_TEST

START_TEST(with_a_minimum_one_stays)
{
    begin(3, 1, 4);
    pass_for(4000, 0);
    ck_assert_int_eq(world.pilot.target, 1);
}
END_TEST

START_TEST(who_rests_is_woken)
{
    begin(0, 0, 4);
    ck_assert(scale_wake(&world.pilot));
    ck_assert_int_eq(world.pilot.target, 1);
    ck_assert(!scale_wake(&world.pilot));
    begin(0, 0, 0); /* not one that shall not run here */
    ck_assert(!scale_wake(&world.pilot));
}
END_TEST

START_TEST(what_waits_wakes_it_at_a_look)
{
    begin(0, 0, 4);
    pass(0);
    ck_assert_int_eq(world.pilot.target, 0);
    world.seen.open = 1;
    ck_assert_int_eq(scale_look(&world.pilot, &rule, &world.seen), 1);
}
END_TEST

START_TEST(one_runs_until_it_is_known)
{
    begin(0, 0, 4);
    world.seen.known = false;
    pass(0);
    ck_assert_int_eq(world.pilot.target, 1);
    pass_for(1000, 0);
    ck_assert_int_eq(world.pilot.target, 1);
    world.seen.known = true;
    pass_for(302, 0);
    ck_assert_int_eq(world.pilot.target, 0);
}
END_TEST

START_TEST(a_new_broker_counts_from_nothing)
{
    begin(2, 1, 4);
    pass_for(10, 1);
    world.seen.busy = 0;
    pass_for(10, 1);
    ck_assert_int_eq(world.changes, 0);
}
END_TEST

START_TEST(other_bounds_hold_at_once)
{
    begin(4, 1, 8);
    scale_bound(&world.pilot, 6, 8);
    ck_assert_int_eq(world.pilot.target, 6);
    scale_bound(&world.pilot, 0, 2);
    ck_assert_int_eq(world.pilot.target, 2);
    scale_bound(&world.pilot, 3, 3);
    ck_assert_int_eq(world.pilot.target, 3);
}
END_TEST

START_TEST(it_goes_down_where_it_came_from_when_there_is_less_to_do)
{
    begin(1, 1, 8);
    pass_for(60, 0.9);
    int64_t high = world.pilot.target;
    ck_assert_int_gt(high, 1);
    pass_for(300, 0.2);
    ck_assert_int_eq(world.pilot.target, 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_fixed_number_is_kept,
                                  much_load_brings_as_many_as_it_takes_at_once,
                                  one_burst_is_no_reason,
                                  workers_go_slowly_and_one_at_a_time,
                                  what_comes_between_starts_the_time_anew,
                                  under_constant_load_it_does_not_flap,
                                  no_more_than_there_is_room_for,
                                  those_on_their_way_are_waited_for,
                                  others_hosts_workers_count,
                                  the_last_one_goes_when_nothing_is_asked,
                                  all_go_when_nothing_is_asked,
                                  a_little_use_keeps_the_last_one,
                                  with_a_minimum_one_stays,
                                  who_rests_is_woken,
                                  what_waits_wakes_it_at_a_look,
                                  one_runs_until_it_is_known,
                                  a_new_broker_counts_from_nothing,
                                  other_bounds_hold_at_once,
                                  it_goes_down_where_it_came_from_when_there_is_less_to_do};
    return SUITE_RUN("scale", set_up, NULL, tests);
}
