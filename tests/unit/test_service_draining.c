/* test_service_draining: who may finish what is under way before the process ends, or is replaced.
 * SPDX-License-Identifier: MIT */
#include "service_scene.h"

/* Finishes what it has on SIGUSR1, which takes until the file is there. */
static char *drainable(void)
{
    static char script[1024];
    snprintf(script, sizeof script,
             "trap 'echo finishing >&2; while [ ! -e %s ]; do sleep 0.01; done; exit 0' USR1; " READY
             "while :; do sleep 0.01; done",
             scratch_path("there"));
    return script;
}

static void let_it_finish(void)
{
    scratch_file("there", "");
}

START_TEST(who_is_drained_finishes_and_stays_away)
{
    make(drainable());
    walk((const struct step[]){
        {at_once, start}, {is_running, drain}, {is_draining, let_it_finish}, {is_stopped, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting running draining stopped");
    ck_assert_str_eq(ended_how, "left");
    ck_assert_str_eq(service_cause(service), "exit 0");
}
END_TEST

START_TEST(who_is_restarted_finishes_and_comes_back)
{
    make(drainable());
    walk((const struct step[]){{at_once, start},
                               {has_lived_a_second, restart},
                               {is_draining, let_it_finish},
                               {runs_again, NULL},
                               {0}});
    ck_assert_str_eq(history, "stopped starting running draining starting running");
    ck_assert_int_eq(service_failures(service), 0);
}
END_TEST

START_TEST(who_does_not_finish_in_time_is_told_to_stop)
{
    patience.drain_timeout_ms = 50;
    make(drainable());
    walk((const struct step[]){
        {at_once, start}, {is_running, drain}, {is_stopping, NULL}, {is_stopped, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting running draining stopping stopped");
    ck_assert_str_eq(ended_how, "signal");
}
END_TEST

START_TEST(a_restart_that_takes_too_long_comes_back_all_the_same)
{
    patience.drain_timeout_ms = 50;
    make(drainable());
    walk((const struct step[]){{at_once, start}, {has_lived_a_second, restart}, {runs_again, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting running draining stopping starting running");
}
END_TEST

START_TEST(a_drain_may_be_taken_back_and_said_again)
{
    make(drainable());
    walk((const struct step[]){{at_once, start},
                               {is_running, drain},
                               {is_draining, start},
                               {is_draining, drain},
                               {is_draining, let_it_finish},
                               {is_stopped, NULL},
                               {0}});
    ck_assert_str_eq(history, "stopped starting running draining stopped");
}
END_TEST

START_TEST(a_drain_becomes_a_stop)
{
    make(drainable());
    walk((const struct step[]){
        {at_once, start}, {is_running, restart}, {is_draining, stop}, {is_stopped, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting running draining stopping stopped");
}
END_TEST

START_TEST(who_hangs_while_it_is_drained_is_killed)
{
    make(drainable());
    walk((const struct step[]){
        {at_once, start}, {is_running, drain}, {is_draining, hung}, {is_stopped, NULL}, {0}});
    ck_assert_str_eq(ended_how, "hung");
}
END_TEST

START_TEST(who_is_not_ready_is_not_drained_but_stopped)
{
    make(SLEEP);
    walk((const struct step[]){{at_once, start}, {is_starting, drain}, {is_stopped, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting stopping stopped");
}
END_TEST

START_TEST(who_waits_is_not_drained_but_given_up)
{
    make("exit 1");
    walk((const struct step[]){{at_once, start}, {is_waiting, drain}, {is_stopped, NULL}, {0}});
    patience.storm_count = 1;
    walk((const struct step[]){{at_once, start}, {is_failed, drain}, {is_stopped, NULL}, {0}});
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        who_is_drained_finishes_and_stays_away,      who_is_restarted_finishes_and_comes_back,
        who_does_not_finish_in_time_is_told_to_stop, a_restart_that_takes_too_long_comes_back_all_the_same,
        a_drain_may_be_taken_back_and_said_again,    a_drain_becomes_a_stop,
        who_hangs_while_it_is_drained_is_killed,     who_is_not_ready_is_not_drained_but_stopped,
        who_waits_is_not_drained_but_given_up};
    return SUITE_RUN("service_draining", set_up, tear_down, tests);
}
