/* test_rollout_restart: what lasts of a roll-out when those who know of it begin anew: the supervisor that
 * died, before a decision and after one, the broker whose figures begin at nothing, and a file that cannot be
 * read. SPDX-License-Identifier: MIT */
#include "rollout_scene.h"

START_TEST(a_supervisor_that_died_goes_on_with_all_figures)
{
    BEGIN("\"every_ms\":10000,\"min_requests\":1000,\"steps\":[5,50]");
    seconds(6, 95, 50);
    die_and_come_back();
    ck_assert(rollouts_active(rollouts, "m"));
    int moves = world.moves;
    world.answered[2] += 600; /* while nobody looked */
    now += 3600 * SECOND;
    seconds(1, 95, 50);
    expect("running", 5);
    ck_assert_int_eq(world.moves, moves);
    ck_assert_uint_eq(yyjson_get_uint(status("requests")), 5 * 50 + 600 + 50);
    seconds(12, 95, 50);
    expect("running", 50); /* the hour did not count, the requests did */
}
END_TEST

START_TEST(a_broker_that_began_anew_is_added)
{
    BEGIN("\"every_ms\":600000");
    seconds(6, 95, 10); /* the first is what it began with */
    ck_assert_uint_eq(yyjson_get_uint(status("requests")), 50);
    world.away = true;
    seconds(3, 0, 0);
    expect("running", 5);
    expect_reason("the broker does not answer");
    world.away = false;
    world.epoch = 8;
    world.answered[1] = world.answered[2] = 0;
    seconds(2, 95, 10);
    ck_assert_uint_eq(yyjson_get_uint(status("requests")), 70);
    die_and_come_back();
    world.epoch = 9; /* both at once: what that broker counted since the last save is lost */
    world.answered[1] = world.answered[2] = 0;
    seconds(1, 95, 10);
    expect("running", 5);
    ck_assert_uint_ge(yyjson_get_uint(status("requests")), 10);
}
END_TEST

START_TEST(what_was_decided_is_done_after_a_death)
{
    BEGIN("\"every_ms\":1000,\"steps\":[5],\"min_requests\":10");
    seconds(1, 95, 50);
    strcpy(world.refuse_route, "the disk is full");
    for (int look = 0; look < 2; look++) {
        world.failed[2] += 500;
        seconds(1, 95, 50);
    }
    expect("going back", 5);
    die_and_come_back();
    seconds(3, 95, 50);
    expect("going back", 5);
    ck_assert_uint_eq(weight(), 500);
    world.refuse_route[0] = '\0';
    seconds(1, 95, 50);
    expect("rolled back", 0);
    ck_assert_uint_eq(weight(), 0);
    die_and_come_back();
    ck_assert_uint_gt(metrics_series(metrics, METRIC_ROLLED_BACK, "m", NULL, NULL)->value, 0);
    world.failed[2] = 0;
    world.epoch++;
    BEGIN("\"every_ms\":1000,\"steps\":[5],\"min_requests\":10");
    ck_assert_uint_eq(metrics_series(metrics, METRIC_ROLLED_BACK, "m", NULL, NULL)->value, 0);
    seconds(3, 95, 50);
    expect("promoting", 5);
    die_and_come_back();
    seconds(2, 95, 50);
    ck_assert_int_ge(world.promotes, 1);
    strcpy(world.stable, "2");
    die_and_come_back();
    seconds(1, 95, 50);
    expect("done", 100);
}
END_TEST

START_TEST(a_broken_file_is_kept_aside)
{
    rollouts_free(rollouts);
    scratch_file("rollouts.json", "{\"rollouts\": 7}");
    rollouts = rollouts_new(scratch_path("rollouts.json"), &hands, audit, metrics);
    ck_assert(!rollouts_active(rollouts, NULL));
    ck_assert_int_eq(access(scratch_path("rollouts.json.broken"), F_OK), 0);
    rollouts_free(rollouts);
    scratch_file("rollouts.json", "{\"rollouts\": [{\"model\": \"m\"}, 3, {}]}");
    rollouts = rollouts_new(scratch_path("rollouts.json"), &hands, audit, metrics);
    ck_assert(!rollouts_active(rollouts, NULL));
    BEGIN("");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_supervisor_that_died_goes_on_with_all_figures,
        a_broker_that_began_anew_is_added,
        what_was_decided_is_done_after_a_death,
        a_broken_file_is_kept_aside,
    };
    return SUITE_RUN("rollout_restart", set_up, tear_down, tests);
}
