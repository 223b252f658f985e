/* test_service: the table of states and events, walked with real processes: small shell scripts that say
 * ready or do not, that die, hang, flood and refuse to end. SPDX-License-Identifier: MIT */
#include "service_scene.h"

/* ---- the straight way ---- */

START_TEST(it_starts_says_ready_and_stops)
{
    make(SERVER);
    walk((const struct step[]){
        {at_once, start}, {is_starting, NULL}, {is_running, stop}, {is_stopped, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting running stopping stopped");
    ck_assert_str_eq(service_cause(service), "killed by signal 15");
    ck_assert_str_eq(ended_how, "signal");
    ck_assert_int_gt(ended_pid, 0);
    ck_assert_uint_eq(service_restarts(service), 0);
    ck_assert_int_eq(service_uptime_ms(service), 0);
    ck_assert_int_eq(births, 1);
    ck_assert_uint_eq(service_ready_pipe(service), 0);
}
END_TEST

START_TEST(it_may_be_started_again_after_a_stop)
{
    make(SERVER);
    walk((const struct step[]){{at_once, start},
                               {is_running, stop},
                               {is_stopped, start},
                               {is_waiting, NULL}, /* for its second: not twice within one */
                               {is_running, NULL},
                               {0}});
    ck_assert_str_eq(history, "stopped starting running stopping stopped waiting starting running");
}
END_TEST

START_TEST(usage_covers_the_living_and_the_dead)
{
    uint64_t resident;
    uint64_t cpu;
    uint64_t later;
    make(READY "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 0");
    service_usage(service, &resident, &cpu);
    ck_assert_uint_eq(resident, 0);
    ck_assert_uint_eq(cpu, 0);
    walk((const struct step[]){{at_once, start}, {is_waiting, NULL}, {0}});
    service_usage(service, &resident, &cpu);
    ck_assert_uint_eq(resident, 0);
    ck_assert_uint_gt(cpu, 0);
    service_usage(service, &resident, &later);
    ck_assert_uint_eq(cpu, later);
}
END_TEST

/* ---- deaths ---- */

START_TEST(who_lived_a_second_is_replaced_at_once)
{
    make(SERVER);
    walk((const struct step[]){{at_once, start}, {has_lived_a_second, murder}, {runs_again, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting running starting running");
    ck_assert_str_eq(service_cause(service), "killed by signal 9");
}
END_TEST

/* Also again and again: it was ready, so it did not fail to start. */
START_TEST(who_died_sooner_is_replaced_within_the_second)
{
    make(SERVER);
    patience.storm_count = 2;
    walk((const struct step[]){{at_once, start},
                               {is_running, murder},
                               {is_waiting, retry},
                               {is_running, murder},
                               {is_waiting, retry},
                               {is_running, murder},
                               {is_waiting, NULL}, /* without our help now: its second passes */
                               {is_running, NULL},
                               {0}});
    ck_assert_str_eq(history, "stopped starting running waiting starting running waiting starting running "
                              "waiting starting running");
    ck_assert_uint_eq(service_restarts(service), 3);
}
END_TEST

START_TEST(an_exit_before_ready_is_a_failed_start)
{
    make("echo one >&2; echo 'no such model' >&2; exit 3");
    walk((const struct step[]){{at_once, start}, {is_waiting, NULL}, {0}});
    ck_assert_str_eq(service_cause(service), "exit 3: no such model");
    ck_assert_str_eq(ended_how, "exit");
    ck_assert_str_eq(history, "stopped starting waiting");
}
END_TEST

START_TEST(closing_the_descriptor_is_not_ready)
{
    make("exec 3>&-; exit 0");
    walk((const struct step[]){{at_once, start}, {is_waiting, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting waiting");
    ck_assert_str_eq(service_cause(service), "exit 0");
}
END_TEST

START_TEST(other_words_are_not_ready)
{
    make(script_with_file("echo steady >&3; echo ready >&3", SLEEP));
    walk((const struct step[]){
        {at_once, start}, {file_is_there, NULL}, {is_starting, stop}, {is_stopped, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting stopping stopped");
}
END_TEST

START_TEST(what_the_sandbox_stops_tells_its_last_line)
{
    make("echo 'sandbox: the worker w called fork()' >&2; kill -SYS $$");
    walk((const struct step[]){{at_once, start}, {is_waiting, NULL}, {0}});
    ck_assert_str_eq(service_cause(service), "killed by signal 31: sandbox: the worker w called fork()");
}
END_TEST

START_TEST(an_abort_tells_its_last_line)
{
    make("echo 'x.c:1: assertion failed: y' >&2; kill -ABRT $$");
    walk((const struct step[]){{at_once, start}, {is_waiting, NULL}, {0}});
    ck_assert_str_eq(service_cause(service), "killed by signal 6: x.c:1: assertion failed: y");
}
END_TEST

START_TEST(the_cause_of_our_own_log_line_is_its_message)
{
    make("echo '{\"level\":\"error\",\"message\":\"cannot read x\"}' >&2; exit 1");
    walk((const struct step[]){{at_once, start}, {is_waiting, NULL}, {0}});
    ck_assert_str_eq(service_cause(service), "exit 1: cannot read x");
}
END_TEST

START_TEST(the_last_lines_are_kept_until_the_next_has_some)
{
    make("for i in 1 2 3 4 5 6 7; do echo \"line $i\" >&2; echo >&2; done; "
         "printf '{\"message\":\"said\"}\\n  \\nend' >&2; exit 1");
    ck_assert_str_eq(service_last_words(service), "");
    walk((const struct step[]){{at_once, start}, {is_waiting, NULL}, {0}});
    ck_assert_str_eq(service_last_words(service), "line 5\nline 6\nline 7\nsaid\nend");
    ck_assert_int_eq(service_failures(service), 1);
    walk((const struct step[]){{is_waiting, retry}, {is_starting, NULL}, {0}});
    ck_assert_str_eq(service_last_words(service), "line 5\nline 6\nline 7\nsaid\nend");
}
END_TEST

START_TEST(last_lines_that_are_too_long_for_all_are_fewer)
{
    make("for i in 1 2 3 4 5; do printf '%01000d\\n' $i >&2; done; exit 1");
    walk((const struct step[]){{at_once, start}, {is_waiting, NULL}, {0}});
    ck_assert_uint_eq(strlen(service_last_words(service)), 2001);
    ck_assert_str_eq(service_last_words(service) + 1995, "000005");
}
END_TEST

START_TEST(who_said_ready_has_not_failed)
{
    make("exit 1");
    walk((const struct step[]){{at_once, start}, {is_waiting, NULL}, {0}});
    ck_assert_int_eq(service_failures(service), 1);
    service_event(service, SERVICE_ON_STOP);
    arguments[2] = SERVER;
    walk((const struct step[]){{is_stopped, start}, {is_running, NULL}, {0}});
    ck_assert_int_eq(service_failures(service), 0);
}
END_TEST

START_TEST(a_storm_ends_in_failed_and_goes_on_slowly)
{
    patience.storm_count = 3;
    make("exit 1");
    walk((const struct step[]){{at_once, start},
                               {is_waiting, retry},
                               {is_waiting, retry},
                               {is_failed, retry},
                               {is_starting, NULL},
                               {is_failed, start}, /* somebody mended it, perhaps: from the beginning */
                               {is_waiting, NULL},
                               {0}});
    ck_assert_str_eq(history,
                     "stopped starting waiting starting waiting starting failed starting failed waiting");
}
END_TEST

START_TEST(the_125th_exit_code_is_for_good)
{
    make("echo 'no licence' >&2; exit 125");
    walk((const struct step[]){{at_once, start}, {is_failed, NULL}, {0}});
    ck_assert_str_eq(service_cause(service), "exit 125: no licence");
    ck_assert_str_eq(history, "stopped starting failed");
}
END_TEST

START_TEST(a_failed_one_stops_without_a_process)
{
    make("exit 125");
    walk((const struct step[]){{at_once, start}, {is_failed, stop}, {is_stopped, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting failed stopped");
}
END_TEST

START_TEST(a_program_that_is_not_there)
{
    make("");
    command.path = "/nowhere/outrigger-none";
    walk((const struct step[]){{at_once, start}, {is_waiting, stop}, {is_stopped, NULL}, {0}});
    ck_assert_str_eq(service_cause(service),
                     "cannot start /nowhere/outrigger-none: No such file or directory");
    ck_assert_str_eq(history, "stopped waiting stopped");
}
END_TEST

/* ---- time-outs ---- */

START_TEST(who_is_not_ready_in_time_is_stopped_and_tried_again)
{
    patience.start_timeout_ms = 50;
    make("echo loading >&2; " SLEEP);
    walk((const struct step[]){{at_once, start}, {is_waiting, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting stopping waiting");
    ck_assert_str_eq(ended_how, "overdue");
    ck_assert_ptr_nonnull(strstr(service_cause(service), "not ready within 50 ms"));
}
END_TEST

/* What it had started has become ours, is as dead, and was waited for. */
static bool group_is_gone(void)
{
    return kill(-ended_pid, 0) == -1 && errno == ESRCH;
}

/* It and what it started ignore SIGTERM. */
START_TEST(who_does_not_end_is_killed_with_all_it_started)
{
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    patience.stop_timeout_ms = 50;
    make(script_with_file(READY "trap '' TERM; (" SLEEP ") & echo", SLEEP));
    walk((const struct step[]){{at_once, start},
                               {is_running, NULL},
                               {file_is_there, stop},
                               {is_stopping, NULL},
                               {is_stopped, NULL},
                               {group_is_gone, NULL},
                               {0}});
    ck_assert_str_eq(service_cause(service), "killed by signal 9");
}
END_TEST

START_TEST(a_second_word_kills_at_once)
{
    make(script_with_file(READY "trap '' TERM; echo", SLEEP));
    walk((const struct step[]){{at_once, start},
                               {is_running, NULL},
                               {file_is_there, stop},
                               {is_stopping, kill_timeout},
                               {is_stopped, NULL},
                               {0}});
    ck_assert_str_eq(service_cause(service), "killed by signal 9");
}
END_TEST

START_TEST(who_hangs_is_killed_and_replaced)
{
    make(SERVER);
    walk((const struct step[]){
        {at_once, start}, {has_lived_a_second, hung}, {runs_again, hung}, {is_waiting, NULL}, {0}});
    ck_assert_str_eq(service_cause(service), "killed because it hung");
    ck_assert_str_eq(ended_how, "hung");
    ck_assert_str_eq(history, "stopped starting running starting running waiting");
}
END_TEST

START_TEST(a_stop_may_be_taken_back)
{
    make(SERVER);
    walk((const struct step[]){
        {at_once, start}, {is_running, stop}, {is_stopping, start}, {runs_again, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting running stopping waiting starting running");
}
END_TEST

START_TEST(a_stop_taken_back_may_be_said_again)
{
    make(SERVER);
    walk((const struct step[]){{at_once, start},
                               {is_running, stop},
                               {is_stopping, start},
                               {is_stopping, stop},
                               {is_stopped, NULL},
                               {0}});
    ck_assert_str_eq(history, "stopped starting running stopping stopped");
}
END_TEST

START_TEST(an_end_of_waiting_by_stop)
{
    make("exit 1");
    walk((const struct step[]){{at_once, start}, {is_waiting, stop}, {is_stopped, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting waiting stopped");
}
END_TEST

/* ---- the table ---- */

/* Sends the events that must change nothing in this state. */
static void expect_ignored(const enum service_event *events, size_t count)
{
    enum service_state before = service_state(service);
    pid_t pid = service_pid(service);
    for (size_t i = 0; i < count; i++) {
        service_event(service, events[i]);
        ck_assert_msg(service_state(service) == before && service_pid(service) == pid, "state %s, event %d",
                      service_state_name(before), (int)events[i]);
    }
}
#define IGNORES(name, ...)                                                                                   \
    static void name(void)                                                                                   \
    {                                                                                                        \
        static const enum service_event events[] = {__VA_ARGS__};                                            \
        expect_ignored(events, COUNT_OF(events));                                                            \
    }
IGNORES(ignored_when_stopped, SERVICE_ON_READY, SERVICE_ON_EXITED, SERVICE_ON_READY_TIMEOUT, SERVICE_ON_STOP,
        SERVICE_ON_KILL_TIMEOUT, SERVICE_ON_RETRY, SERVICE_ON_HUNG, SERVICE_ON_DRAIN, SERVICE_ON_RESTART,
        SERVICE_ON_DRAIN_TIMEOUT)
IGNORES(ignored_when_starting, SERVICE_ON_START, SERVICE_ON_KILL_TIMEOUT, SERVICE_ON_RETRY, SERVICE_ON_ADOPT,
        SERVICE_ON_RESTART, SERVICE_ON_DRAIN_TIMEOUT)
IGNORES(ignored_when_running, SERVICE_ON_START, SERVICE_ON_READY, SERVICE_ON_READY_TIMEOUT,
        SERVICE_ON_KILL_TIMEOUT, SERVICE_ON_RETRY, SERVICE_ON_ADOPT, SERVICE_ON_DRAIN_TIMEOUT)
IGNORES(ignored_when_draining, SERVICE_ON_READY, SERVICE_ON_READY_TIMEOUT, SERVICE_ON_KILL_TIMEOUT,
        SERVICE_ON_RETRY, SERVICE_ON_ADOPT)
IGNORES(ignored_when_stopping, SERVICE_ON_STOP, SERVICE_ON_READY, SERVICE_ON_READY_TIMEOUT, SERVICE_ON_RETRY,
        SERVICE_ON_ADOPT, SERVICE_ON_DRAIN, SERVICE_ON_RESTART, SERVICE_ON_DRAIN_TIMEOUT)
IGNORES(ignored_without_process, SERVICE_ON_READY, SERVICE_ON_EXITED, SERVICE_ON_READY_TIMEOUT,
        SERVICE_ON_KILL_TIMEOUT, SERVICE_ON_HUNG, SERVICE_ON_ADOPT, SERVICE_ON_RESTART,
        SERVICE_ON_DRAIN_TIMEOUT)

/* SERVER has no trap for its signal: it ends at once, but nobody looks before this returns. */
static void restart_and_check(void)
{
    restart();
    ignored_when_draining();
}

static void stop_and_check(void)
{
    stop();
    ignored_when_stopping();
}

START_TEST(what_means_nothing_changes_nothing)
{
    patience.storm_count = 1;
    /* Its second start fails, and no other: each start makes the file one letter longer. */
    char script[512];
    snprintf(script, sizeof script, "printf x >>%s; [ $(wc -c <%s) = 2 ] && exit 1; " SERVER,
             scratch_path("there"), scratch_path("there"));
    make(script);
    walk((const struct step[]){{at_once, ignored_when_stopped},
                               {at_once, start},
                               {is_starting, ignored_when_starting},
                               {is_running, ignored_when_running},
                               {is_running, murder},
                               {is_waiting, ignored_without_process},
                               {is_waiting, retry},
                               {is_failed, ignored_without_process},
                               {is_failed, retry},
                               {has_lived_a_second, restart_and_check},
                               {is_starting, NULL},
                               {is_running, stop_and_check},
                               {is_stopped, ignored_when_stopped},
                               {0}});
}
END_TEST

START_TEST(every_state_has_a_name)
{
    static const char *const names[] = {"stopped",  "starting", "running", "draining",
                                        "stopping", "waiting",  "failed"};
    ck_assert_uint_eq(COUNT_OF(names), SERVICE_STATE_COUNT);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        ck_assert_str_eq(service_state_name((enum service_state)i), names[i]);
}
END_TEST

START_TEST(waits_double_up_to_the_longest)
{
    static const uint32_t randoms[] = {0, 1, 249, 12345, UINT32_MAX};
    for (int64_t failures = 1; failures <= 100; failures++)
        for (size_t i = 0; i < COUNT_OF(randoms); i++) {
            int64_t base = failures > 20 ? INT64_C(1) << 40 : INT64_C(1000) << (failures - 1);
            int64_t wait = service_backoff_ms(failures, 30000, randoms[i]);
            ck_assert_int_ge(wait, base < 30000 ? base : 30000);
            ck_assert_int_le(wait, base + base / 4 < 30000 ? base + base / 4 : 30000);
        }
    ck_assert_int_eq(service_backoff_ms(1, 1000, 77), 1000);
    ck_assert_int_eq(service_backoff_ms(3, 3600000, 0), 4000);
    ck_assert_int_ne(service_backoff_ms(3, 3600000, 1), service_backoff_ms(3, 3600000, 2));
}
END_TEST

/* ---- stderr ---- */

static bool is_waiting_and_drained(void)
{
    return drained() && is_waiting();
}

START_TEST(stderr_goes_on_line_by_line)
{
    passed_on_length = 0;
    make("printf one >&2; printf ' and\\ntwo' >&2; exit 1");
    walk((const struct step[]){{at_once, start}, {is_waiting_and_drained, NULL}, {0}});
    drained();
    ck_assert_str_eq(passed_on, "one and\ntwo\n");
    ck_assert_str_eq(service_cause(service), "exit 1: two");
}
END_TEST

START_TEST(a_flood_is_passed_on_and_its_end_is_kept)
{
    passed_on_length = 0;
    /* Room for all of it: what reads our end is this thread, between two turns of the loop. */
    ck_assert_int_ge(fcntl(out[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
    make("i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo line $i is nothing but water; done >&2; exit 1");
    walk((const struct step[]){{at_once, start}, {is_waiting_and_drained, NULL}, {0}});
    drained();
    ck_assert_str_eq(service_cause(service), "exit 1: line 5000 is nothing but water");
    ck_assert_ptr_nonnull(strstr(passed_on, "line 1 is nothing but water\nline 2 "));
    size_t lines = 0;
    for (const char *at = passed_on; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    ck_assert_uint_eq(lines, 5000);
}
END_TEST

START_TEST(a_line_without_end_is_passed_on_in_pieces)
{
    passed_on_length = 0;
    make("head -c 20000 /dev/zero | tr '\\0' x >&2; exit 1");
    walk((const struct step[]){{at_once, start}, {is_waiting_and_drained, NULL}, {0}});
    drained();
    ck_assert_uint_eq(passed_on_length, 20001);
    ck_assert_int_eq(passed_on[20000], '\n');
    ck_assert_mem_eq(service_cause(service), "exit 1: xxxx", 12);
}
END_TEST

START_TEST(a_stderr_of_ours_that_nobody_reads_stops_nothing)
{
    /* More than the pipe holds, and nobody drains it; the rest is lost. */
    make("head -c 200000 /dev/zero | tr '\\0' '\\n' >&2; echo the end >&2; exit 1");
    walk((const struct step[]){{at_once, start}, {is_waiting, NULL}, {0}});
    ck_assert_str_eq(service_cause(service), "exit 1: the end");
}
END_TEST

START_TEST(freeing_kills)
{
    make(script_with_file(READY "trap '' TERM; echo", SLEEP));
    walk((const struct step[]){{at_once, start}, {file_is_there, NULL}, {0}});
    service_free(service); /* tear_down sees that no child is left */
    service = NULL;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service");
    suite_add(suite, "life", set_up, tear_down,
              (const TTest *const[]){it_starts_says_ready_and_stops, it_may_be_started_again_after_a_stop,
                                     usage_covers_the_living_and_the_dead, freeing_kills, NULL});
    suite_add(suite, "deaths", set_up, tear_down,
              (const TTest *const[]){
                  who_lived_a_second_is_replaced_at_once, who_died_sooner_is_replaced_within_the_second,
                  an_exit_before_ready_is_a_failed_start, closing_the_descriptor_is_not_ready,
                  other_words_are_not_ready, an_abort_tells_its_last_line,
                  what_the_sandbox_stops_tells_its_last_line, the_cause_of_our_own_log_line_is_its_message,
                  the_last_lines_are_kept_until_the_next_has_some,
                  last_lines_that_are_too_long_for_all_are_fewer, who_said_ready_has_not_failed,
                  a_storm_ends_in_failed_and_goes_on_slowly, the_125th_exit_code_is_for_good,
                  a_failed_one_stops_without_a_process, a_program_that_is_not_there, NULL});
    suite_add(suite, "time", set_up, tear_down,
              (const TTest *const[]){who_is_not_ready_in_time_is_stopped_and_tried_again,
                                     who_does_not_end_is_killed_with_all_it_started,
                                     a_second_word_kills_at_once, who_hangs_is_killed_and_replaced,
                                     a_stop_may_be_taken_back, a_stop_taken_back_may_be_said_again,
                                     an_end_of_waiting_by_stop, NULL});
    suite_add(suite, "table", set_up, tear_down,
              (const TTest *const[]){what_means_nothing_changes_nothing, every_state_has_a_name,
                                     waits_double_up_to_the_longest, NULL});
    suite_add(suite, "stderr", set_up, tear_down,
              (const TTest *const[]){stderr_goes_on_line_by_line, a_flood_is_passed_on_and_its_end_is_kept,
                                     a_line_without_end_is_passed_on_in_pieces,
                                     a_stderr_of_ours_that_nobody_reads_stops_nothing, NULL});
    return suite_finish(suite);
}
