/* test_rollout: whole roll-outs on a virtual clock: what moves them on, what holds them, what takes them
 * back. What lasts when the supervisor or the broker begins anew is in test_rollout_restart.c.
 * SPDX-License-Identifier: MIT */
#include "rollout_scene.h"

static void expect_refusal(const char *fields, const char *words)
{
    ck_assert(!begin(fields));
    ck_assert_msg(strstr(reason, words) != NULL, "%s: %s", fields, reason);
}

static uint64_t decisions(const char *what)
{
    return metrics_series(metrics, METRIC_ROLLOUT_DECISIONS, "m", what, NULL)->value;
}

START_TEST(a_good_one_becomes_stable_and_leaves_no_arm)
{
    BEGIN("\"every_ms\":10000");
    expect("loading", 0);
    ck_assert_str_eq(world.pinned, "1");
    seconds(1, 95, 5);
    expect("running", 5);
    ck_assert_uint_eq(weight(), 500);
    seconds(9, 95, 60);
    expect("running", 5);
    seconds(2, 95, 60);
    expect("running", 25);
    ck_assert_uint_eq(weight(), 2500);
    seconds(10, 95, 60);
    expect("running", 50);
    seconds(10, 95, 95);
    expect("running", 100);
    ck_assert_uint_eq(weight(), 10000);
    seconds(10, 0, 95);
    expect("promoting", 100);
    seconds(3, 0, 95);
    ck_assert_int_eq(world.promotes, 1);
    expect("promoting", 100);
    strcpy(world.stable, world.promoting);
    seconds(1, 0, 95);
    expect("done", 100);
    ck_assert_ptr_null(world.said);
    ck_assert(!rollouts_active(rollouts, NULL));
    ck_assert_uint_eq(decisions("step"), 4);
    ck_assert_uint_eq(decisions("advance"), 3);
    ck_assert_uint_eq(decisions("done"), 1);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_ROLLOUT_SHARE, "m", "2", NULL)->value, 10000);
    ck_assert_int_eq(audited("\"decision\":\"advance\""), 3);
    ck_assert_int_eq(audited("\"by\":\"supervisor\",\"act\":\"rollout-decision\",\"model\":\"m\""), 10);
}
END_TEST

START_TEST(too_little_traffic_holds_it)
{
    BEGIN("\"every_ms\":5000,\"steps\":[10],\"min_requests\":1000");
    seconds(1, 9, 1);
    seconds(100, 9, 1);
    expect("holding", 10);
    expect_reason("waits for more traffic: 100 of at least 1000 requests");
    ck_assert_uint_eq(decisions("hold"), 1);
    seconds(1, 9, 950);
    expect("promoting", 10);
}
END_TEST

START_TEST(errors_roll_it_back_at_once)
{
    BEGIN("\"every_ms\":600000,\"max_error_rate\":0.001");
    seconds(10, 95, 5);
    world.failed[2] += 5; /* of one moment */
    seconds(1, 95, 5);
    expect("running", 5);
    world.failed[2] += 5;
    seconds(1, 95, 5);
    expect("rolled back", 0);
    expect_reason("surely more than 0.1 %");
    ck_assert_ptr_null(world.said);
    ck_assert_int_eq(world.promotes, 0);
    ck_assert_uint_eq(decisions("roll back"), 1);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_ROLLOUT_SHARE, "m", "2", NULL)->value, 0);
    ck_assert_uint_gt(metrics_series(metrics, METRIC_ROLLED_BACK, "m", NULL, NULL)->value, 0);
    ck_assert_int_eq(audited("\"errors\":10"), 1);
    int moves = world.moves;
    seconds(10, 95, 5);
    ck_assert_int_eq(world.moves, moves);
}
END_TEST

START_TEST(the_route_that_was_said_is_put_back)
{
    static const char text[] =
        "{\"by\":\"key\",\"rules\":[{\"header\":\"X\",\"value\":\"y\",\"version\":\"1\"}]}";
    yyjson_doc *document = yyjson_read(text, sizeof text - 1, 0);
    world.said = route_from_json(yyjson_doc_get_root(document), reason, sizeof reason);
    ck_assert_msg(world.said != NULL, "%s", reason);
    struct route *before = route_copy(world.said);
    yyjson_doc_free(document);
    BEGIN("");
    seconds(1, 95, 5);
    ck_assert_uint_eq(weight(), 500);
    ck_assert_int_eq(world.said->by, ROUTE_BY_KEY);
    ck_assert_uint_eq(world.said->rule_count, 1);
    ck_assert(rollouts_abort(rollouts, "m", reason, sizeof reason));
    expect("aborted", 0);
    ck_assert(route_equals(world.said, before));
    route_free(before);
}
END_TEST

START_TEST(a_candidate_that_does_not_get_ready_moves_nothing)
{
    world.candidate = ROLLOUT_VERSION_LOADING;
    BEGIN("");
    seconds(5, 100, 0);
    expect("loading", 0);
    expect_reason("waits for the candidate's workers");
    strcpy(world.why, "golden: 3 of 5 are wrong");
    world.candidate = ROLLOUT_VERSION_FAILED;
    seconds(1, 100, 0);
    expect("failed", 0);
    expect_reason("golden: 3 of 5 are wrong");
    ck_assert_int_eq(world.moves, 0);
    ck_assert_int_eq(world.loads, 1);
}
END_TEST

START_TEST(a_candidate_whose_workers_fail_later_goes_back)
{
    BEGIN("");
    seconds(5, 95, 5);
    strcpy(world.why, "exit 1");
    world.candidate = ROLLOUT_VERSION_FAILED;
    seconds(1, 95, 0);
    expect("failed", 0);
    expect_reason("a worker of the candidate does not start: exit 1");
    ck_assert_ptr_null(world.said);
}
END_TEST

START_TEST(what_cannot_begin_is_refused)
{
    expect_refusal("\"steps\":[]", "steps: expected a list");
    expect_refusal("\"steps\":[5,5]", "larger than the one before");
    expect_refusal("\"steps\":[5,101]", "steps: expected percents");
    expect_refusal("\"steps\":[0]", "steps: expected percents");
    expect_refusal("\"steps\":\"5\"", "steps: expected a list");
    expect_refusal("\"max_error_rate\":2", "max_error_rate: expected a number from 0 to 1");
    expect_refusal("\"max_error_rate\":\"1%\"", "max_error_rate: expected a number");
    expect_refusal("\"every_ms\":1", "every_ms: expected a number from 100");
    strcpy(world.refuse_load, "there is no version 2");
    expect_refusal("", "there is no version 2");
    ck_assert_str_eq(world.pinned, "");
    world.refuse_load[0] = '\0';
    strcpy(world.stable, "2");
    expect_refusal("", "2 is the stable version of m already");
    world.stable[0] = '\0';
    expect_refusal("", "no version of m serves yet");
    strcpy(world.stable, "1");
    world.fallback->arms = object_alloc(sizeof *world.fallback->arms);
    world.fallback->arms[0] = (struct route_arm){object_strdup("3"), 100};
    world.fallback->arm_count = 1;
    expect_refusal("", "has arms already");
    route_free(world.fallback);
    world.fallback = route_new();
    world.fallback->shadow = (struct route_arm){object_strdup("3"), 10000};
    expect_refusal("\"min_agreement\":0.9", "shadows another version");
    ck_assert(!rollouts_active(rollouts, NULL));
    BEGIN(""); /* without comparing, that shadow does not matter */
    expect_refusal("", "a roll-out of m is under way");
    ck_assert(rollouts_active(rollouts, "m"));
    ck_assert(!rollouts_active(rollouts, "n"));
}
END_TEST

START_TEST(a_refused_route_ends_it)
{
    strcpy(world.refuse_route, "cannot write");
    BEGIN("");
    seconds(1, 95, 5);
    expect("going back", 0); /* the first step had begun: what is said must be sure */
    world.refuse_route[0] = '\0';
    seconds(1, 95, 5);
    expect("failed", 0);
    expect_reason("the route cannot be set: cannot write");
    ck_assert_ptr_null(world.said);
}
END_TEST

START_TEST(a_route_that_takes_its_time_is_waited_for)
{
    world.slow_route = 3;
    BEGIN("\"every_ms\":2000,\"min_requests\":10");
    seconds(3, 95, 5);
    expect("running", 0);
    ck_assert_uint_eq(decisions("step"), 0);
    seconds(1, 95, 5);
    expect("running", 5);
    ck_assert_uint_eq(decisions("step"), 1);
    world.slow_route = 2;
    ck_assert(rollouts_abort(rollouts, "m", reason, sizeof reason));
    expect("going back", 5);
    ck_assert(!rollouts_abort(rollouts, "m", reason, sizeof reason));
    seconds(1, 95, 5);
    expect("going back", 5);
    seconds(1, 95, 5);
    expect("aborted", 0);
}
END_TEST

START_TEST(a_change_by_another_hand_ends_it)
{
    BEGIN("");
    seconds(3, 95, 5);
    route_free(world.said);
    world.said = route_new();
    seconds(1, 95, 5);
    expect("failed", 0);
    expect_reason("somebody else changed the route");
    ck_assert_ptr_nonnull(world.said); /* theirs stays */
    route_free(world.said);
    world.said = NULL;
    BEGIN("");
    seconds(3, 95, 5);
    strcpy(world.stable, "3");
    seconds(1, 95, 5);
    expect("failed", 0);
    expect_reason("the stable version was 1 and is 3 now");
    ck_assert_ptr_null(world.said);
}
END_TEST

START_TEST(a_pause_stops_the_clock_but_not_the_watch)
{
    BEGIN("\"every_ms\":10000");
    seconds(6, 95, 95);
    ck_assert(rollouts_pause(rollouts, "m", reason, sizeof reason));
    ck_assert(!rollouts_pause(rollouts, "m", reason, sizeof reason));
    seconds(100, 95, 95);
    expect("running", 5);
    ck_assert(yyjson_get_bool(status("paused")));
    die_and_come_back();
    seconds(100, 95, 95);
    expect("running", 5);
    ck_assert(rollouts_resume(rollouts, "m", reason, sizeof reason));
    ck_assert(!rollouts_resume(rollouts, "m", reason, sizeof reason));
    seconds(3, 95, 95);
    expect("running", 5);
    seconds(8, 95, 95);
    expect("running", 25);
    ck_assert(rollouts_pause(rollouts, "m", reason, sizeof reason));
    for (int look = 0; look < 2; look++) {
        world.failed[2] += 500;
        seconds(1, 95, 95);
    }
    expect("rolled back", 0);
    ck_assert(!rollouts_resume(rollouts, "m", reason, sizeof reason));
    ck_assert(!rollouts_abort(rollouts, "m", reason, sizeof reason));
    ck_assert_str_eq(reason, "no roll-out of m is under way");
    ck_assert(!rollouts_abort(rollouts, NULL, reason, sizeof reason));
}
END_TEST

START_TEST(agreement_is_compared_in_the_shadow)
{
    world.agreement = (struct judged_share){1000, 0}; /* of an earlier day */
    BEGIN("\"every_ms\":1000,\"steps\":[5,10],\"min_agreement\":0.9,\"min_requests\":100");
    seconds(1, 95, 200);
    ck_assert_str_eq(world.said->shadow.version, "2");
    seconds(3, 95, 200);
    expect("holding", 5);
    expect_reason("agreement of 0 answers is known");
    world.agreement.count += 200;
    world.agreement.good += 190;
    seconds(1, 95, 200);
    expect("running", 10);
    world.agreement = (struct judged_share){300, 100}; /* a collector that began anew */
    seconds(1, 95, 200);
    expect("rolled back", 0);
    expect_reason("agrees with the stable version: 290 of 500 answers");
    ck_assert_ptr_null(world.said);
}
END_TEST

START_TEST(accuracy_is_that_of_truths_since_the_beginning)
{
    world.accuracy = (struct judged_share){1000, 0}; /* of an earlier day */
    BEGIN("\"every_ms\":1000,\"steps\":[5,10],\"min_accuracy\":0.8,\"min_requests\":100");
    seconds(4, 95, 200);
    expect("holding", 5);
    expect_reason("accuracy of 0 answers is known");
    world.accuracy.count += 200;
    world.accuracy.good += 190;
    seconds(1, 95, 200);
    expect("running", 10);
    world.accuracy.count += 300;
    world.accuracy.good += 100;
    seconds(1, 95, 200);
    expect("rolled back", 0);
    expect_reason("right: 290 of 500 answers");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_good_one_becomes_stable_and_leaves_no_arm,
        too_little_traffic_holds_it,
        errors_roll_it_back_at_once,
        the_route_that_was_said_is_put_back,
        a_candidate_that_does_not_get_ready_moves_nothing,
        a_candidate_whose_workers_fail_later_goes_back,
        what_cannot_begin_is_refused,
        a_refused_route_ends_it,
        a_route_that_takes_its_time_is_waited_for,
        a_change_by_another_hand_ends_it,
        a_pause_stops_the_clock_but_not_the_watch,
        agreement_is_compared_in_the_shadow,
        accuracy_is_that_of_truths_since_the_beginning,
    };
    return SUITE_RUN("rollout", set_up, tear_down, tests);
}
