/* test_broker_shadow_ends: copies for a shadow version when what is around them changes or ends: the route,
 * the stable version, the version that answered, the broker, the collector, the room in a message to it.
 * SPDX-License-Identifier: MIT */
#include "broker_shadow_scene.h"

#define NO_SHADOW "{\"models\":{\"m\":{\"route\":{}}}}"
#define STABLE_3  "{\"models\":{\"m\":{\"stable\":\"3\"}}}"

static void say(const char *text)
{
    mkdir(scratch_path(".state"), 0700);
    scratch_file(".state/deployments.json", text);
    broker_route(scene_broker);
}

/* Copies of two versions' requests wait side by side; each answer is compared with the right one's. */
START_TEST(another_version_may_become_stable)
{
    repository_add("m", "3");
    start(SHADOW(100));
    struct end *next = worker_of("3", 3);
    serve(1, "a", "A");
    uint64_t batch = scene_expect_batch(shadow, "a");
    serve(2, "b", "B");
    say(STABLE_3);
    scene_ask(asker, 3, "c");
    scene_result(next, scene_expect_batch(next, "c"), "C");
    scene_expect_reply(asker, 3, "C");
    scene_result(shadow, batch, "x");
    expect_observed("A", "x", FAILURE_NONE);
    scene_result(shadow, scene_expect_batch(shadow, "b"), "y");
    expect_observed("B", "y", FAILURE_NONE);
    scene_result(shadow, scene_expect_batch(shadow, "c"), "z");
    expect_observed_of("3", "C", "z", FAILURE_NONE);
    expect_none_open();
}
END_TEST

START_TEST(a_route_without_a_shadow_drops_what_waits)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    scene_expect_batch(shadow, "a");
    serve(2, "b", "B"); /* waits, as the worker is busy */
    say(NO_SHADOW);
    serve(3, "c", "C");
    WAIT_FOR(dropped("route") == 1);
    ck_assert_uint_eq(copies(), 2);
    ck_assert_uint_eq(model()->shadow.open, 1); /* with the worker */
}
END_TEST

/* The version that takes the traffic has nobody to be compared with. */
START_TEST(the_stable_version_is_no_shadow)
{
    start("version = \"2\"; route = { shadow = { version = \"2\"; percent = 100; }; };");
    scene_ask(asker, 1, "a");
    scene_result(shadow, scene_expect_batch(shadow, "a"), "A");
    scene_expect_reply(asker, 1, "A");
    ck_assert_ptr_null(model()->shadow.version);
}
END_TEST

/* A version that is gone stays until its last copy is. */
START_TEST(copies_outlive_the_version_that_answered)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    uint64_t batch = scene_expect_batch(shadow, "a");
    scene_kill(1);
    suite_remove_folder(scratch_path("m/1"));
    repository_configure("m", "route = { };");
    broker_reload(scene_broker);
    broker_reload(scene_broker);
    scene_result(shadow, batch, "x");
    expect_observed("A", "x", FAILURE_NONE);
    broker_reload(scene_broker);
    WAIT_FOR(model_version(model(), text_of("1")) == NULL);
}
END_TEST

static void set_flag(void *flag)
{
    *(bool *)flag = true;
}

START_TEST(copies_do_not_hold_up_the_end)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    scene_expect_batch(shadow, "a");
    bool drained = false;
    broker_drain(scene_broker, set_flag, &drained);
    ck_assert(drained);
}
END_TEST

/* What does not go into the buffer is counted; what did comes when somebody is there. */
START_TEST(a_collector_that_is_away_costs_nothing)
{
    enum { LARGE = 700000, COUNT = 5 };
    start(SHADOW(100));
    zmq_close(collector);
    char *large = malloc(LARGE + 1);
    memset(large, 'x', LARGE);
    large[LARGE] = '\0';
    serve(1, "a", "A");
    scene_result(shadow, scene_expect_batch(shadow, "a"), "x");
    WAIT_FOR(model()->shadow.open == 0);
    for (uint64_t id = 2; id < 2 + COUNT; id++) {
        serve(id, "b", "B");
        struct text answer = {large, LARGE};
        struct envelope result = {
            .verb = VERB_RESULT, .id = scene_expect_batch(shadow, "b"), .result = {1, 77, {0}}};
        end_send_all(shadow, &result, &answer, 1);
        WAIT_FOR(model()->shadow.open == 0);
    }
    ck_assert_uint_eq(dropped("collector"), COUNT - 2);
    collector_binds();
    WAIT_FOR(zmq_recv(collector, frame, sizeof frame, ZMQ_DONTWAIT) > 2 * LARGE);
    frame_reader = wire_reader(frame, sizeof frame);
    expect_observed("A", "x", FAILURE_NONE);
    frame_reader = wire_reader(frame, 0);
    free(large);
}
END_TEST

START_TEST(answers_that_are_too_large_are_not_shown)
{
    start(SHADOW(100));
    size_t length = OBSERVATION_BYTES_MAX;
    char *large = malloc(length);
    memset(large, 'x', length);
    serve(1, "a", "A");
    struct text answer = {large, length};
    struct envelope result = {
        .verb = VERB_RESULT, .id = scene_expect_batch(shadow, "a"), .result = {1, 77, {0}}};
    end_send_all(shadow, &result, &answer, 1);
    WAIT_FOR(dropped("size") == 1);
    expect_none_open();
    free(large);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        another_version_may_become_stable,
        a_route_without_a_shadow_drops_what_waits,
        the_stable_version_is_no_shadow,
        copies_outlive_the_version_that_answered,
        copies_do_not_hold_up_the_end,
        a_collector_that_is_away_costs_nothing,
        answers_that_are_too_large_are_not_shown,
    };
    return SUITE_RUN("broker_shadow_ends", set_up, tear_down, tests);
}
