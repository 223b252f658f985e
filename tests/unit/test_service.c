/* test_service: the table of states and events, walked with real processes: small shell scripts that say
 * ready or do not, that die, hang, flood and refuse to end. Nothing here waits for time to pass: a script's
 * end, a state, or an event that the test itself sends moves it on.
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "scratch_directory.h"
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define READY  "echo ready >&3; exec 3>&-; "
#define SLEEP  "while :; do sleep 600; done"
#define SERVER READY SLEEP

static struct loop *loop;
static struct service *service;
static struct service_patience patience;
static struct child_command command;
static const char *arguments[] = {"/bin/sh", "-c", NULL, NULL};
static int out[2]; /* where the stderr of processes ends up */
static char history[4096];
static int births;
static char ended_how[64];
static pid_t ended_pid;

/* ---- what is told ---- */

static void on_born(void *self)
{
    ck_assert_ptr_eq(self, &history);
    ck_assert_int_ne(service_pid(service), 0); /* known before its program runs */
    ck_assert_uint_ne(service_ready_pipe(service), 0);
    births++;
}

static void on_ended(void *self, struct service *of, pid_t pid, const char *how)
{
    ck_assert_ptr_eq(self, &history);
    ck_assert_ptr_eq(of, service);
    ck_assert_int_eq(service_pid(of), 0);
    ended_pid = pid;
    snprintf(ended_how, sizeof ended_how, "%s", how);
}

static void on_changed(void *self, struct service *of, enum service_state before)
{
    ck_assert_ptr_eq(self, &history);
    size_t length = strlen(history);
    if (length == 0)
        length += (size_t)snprintf(history, sizeof history, "%s", service_state_name(before));
    ck_assert_ptr_nonnull(strstr(history, service_state_name(before)));
    snprintf(history + length, sizeof history - length, " %s", service_state_name(service_state(of)));
}

/* ---- set-up ---- */

static void set_up(void)
{
    scratch_make();
    loop = loop_new();
    ck_assert_int_eq(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
    history[0] = ended_how[0] = '\0';
    births = 0;
    ended_pid = 0;
    patience = (struct service_patience){.start_timeout_ms = 60000,
                                         .stop_timeout_ms = 60000,
                                         .drain_timeout_ms = 60000,
                                         .restart_max_ms = 30000,
                                         .storm_count = 10};
    service = NULL;
}

static void tear_down(void)
{
    service_free(service);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, dead or alive */
    ck_assert_int_eq(errno, ECHILD);
    loop_free(loop);
    close(out[0]);
    close(out[1]);
    scratch_remove();
}

static void make(const char *script)
{
    struct service_watcher watcher = {
        .born = on_born, .ended = on_ended, .changed = on_changed, .self = &history};
    arguments[2] = script;
    command = (struct child_command){.name = "fake.1",
                                     .path = "/bin/sh",
                                     .arguments = arguments,
                                     .listen_fd = -1,
                                     .cores = "",
                                     .drain_signal = SIGUSR1};
    service = service_new(loop, &command, &patience, &watcher, out[1]);
    ck_assert_int_eq(service_state(service), SERVICE_STOPPED);
}

/* ---- one step after the other, on one loop ---- */

struct step {
    bool (*until)(void);
    void (*then)(void); /* NULL: nothing */
};

static const struct step *next_step;

static void take_steps(void *self)
{
    (void)self;
    while (next_step->until != NULL && next_step->until()) {
        if (next_step->then != NULL)
            next_step->then();
        next_step++;
    }
    if (next_step->until == NULL)
        loop_stop(loop);
}

static void stay_awake(void *self)
{
    loop_timer_set(loop, self, clock_now() + 5 * MILLISECOND, stay_awake, self);
}

/* Runs the loop until every condition has come true, one after the other. */
static void walk(const struct step *steps)
{
    static struct loop_timer awake; /* some conditions are about files, not about events */
    awake = (struct loop_timer){0};
    next_step = steps;
    loop_each_turn(loop, take_steps, NULL);
    stay_awake(&awake);
    loop_run(loop);
    loop_timer_cancel(loop, &awake);
}

static bool at_once(void)
{
    return true;
}
#define IS(name, state)                                                                                      \
    static bool name(void)                                                                                   \
    {                                                                                                        \
        return service_state(service) == state;                                                              \
    }
IS(is_stopped, SERVICE_STOPPED)
IS(is_starting, SERVICE_STARTING)
IS(is_running, SERVICE_RUNNING)
IS(is_draining, SERVICE_DRAINING)
IS(is_stopping, SERVICE_STOPPING)
IS(is_waiting, SERVICE_WAITING)
IS(is_failed, SERVICE_FAILED)

#define SEND(name, event)                                                                                    \
    static void name(void)                                                                                   \
    {                                                                                                        \
        service_event(service, event);                                                                       \
    }
SEND(start, SERVICE_ON_START)
SEND(stop, SERVICE_ON_STOP)
SEND(kill_timeout, SERVICE_ON_KILL_TIMEOUT)
SEND(retry, SERVICE_ON_RETRY)
SEND(hung, SERVICE_ON_HUNG)
SEND(drain, SERVICE_ON_DRAIN)
SEND(restart, SERVICE_ON_RESTART)

static void murder(void)
{
    kill(service_pid(service), SIGKILL);
}

static bool has_lived_a_second(void)
{
    return service_state(service) == SERVICE_RUNNING && service_uptime_ms(service) >= 1000;
}

static bool runs_again(void)
{
    return service_state(service) == SERVICE_RUNNING && service_restarts(service) == 1;
}

/* The script says that it has come to a point by making this file. */
static bool file_is_there(void)
{
    return access(scratch_path("there"), F_OK) == 0;
}

static char *script_with_file(const char *before, const char *after)
{
    static char script[1024];
    snprintf(script, sizeof script, "%s >%s; %s", before, scratch_path("there"), after);
    return script;
}

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
                               {0}});
    ck_assert_str_eq(service_cause(service), "killed by signal 9");
    /* What it had started has become ours, and is as dead. */
    int status;
    int count = 0;
    while (waitpid(-ended_pid, &status, 0) > 0) {
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        count++;
    }
    ck_assert_int_gt(count, 0);
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

static char passed_on[1024 * 1024];
static size_t passed_on_length;

static bool drained(void)
{
    ssize_t length;
    while ((length = read(out[0], passed_on + passed_on_length, sizeof passed_on - 1 - passed_on_length)) > 0)
        passed_on_length += (size_t)length;
    passed_on[passed_on_length] = '\0';
    return true;
}

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

/* ---- draining ---- */

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

/* ---- adopting ---- */

static struct orphan orphan;

/* A process of the script whose parent is gone, as an earlier supervisor would leave it: descriptors 2 and 3
 * are pipes that nobody reads. */
static void make_orphan(const char *script)
{
    int ready[2], errors[2], told[2];
    struct stat status;
    pid_t pid;
    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(errors, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
    ck_assert_int_eq(fstat(ready[0], &status), 0);
    pid_t parent = fork();
    if (parent == 0) {
        if (fork() == 0) {
            int tell = fcntl(told[1], F_DUPFD_CLOEXEC, 10); /* 2 and 3 become something else */
            setpgid(0, 0);
            signal(SIGPIPE, SIG_IGN);
            dup2(errors[1], 2);
            dup2(ready[1], 3);
            pid = getpid();
            (void)!write(tell, &pid, sizeof pid); /* only now is there something to adopt */
            execl("/bin/sh", "/bin/sh", "-c", script, (char *)NULL);
        }
        _exit(0);
    }
    close(told[1]);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    ck_assert_int_eq(read(told[0], &pid, sizeof pid), sizeof pid);
    char end; /* comes when the shell runs */
    ck_assert_int_eq(read(told[0], &end, 1), 0);
    int all[] = {ready[0], ready[1], errors[0], errors[1], told[0]};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        close(all[i]);
    orphan = (struct orphan){.pid = pid, .pidfd = pidfd_open(pid, 0), .ready_pipe = status.st_ino};
    ck_assert_int_ge(orphan.pidfd, 0);
}

static void adopt(void)
{
    service_adopt(service, &orphan, 7);
    ck_assert_int_eq(service_pid(service), orphan.pid);
    ck_assert_uint_eq(service_restarts(service), 7);
}

static bool another_runs(void)
{
    return service_state(service) == SERVICE_RUNNING && births == 1;
}

static bool orphan_is_there(void)
{
    return access(scratch_path("there"), F_OK) == 0;
}

START_TEST(who_runs_is_adopted_as_running)
{
    make(SERVER);
    make_orphan(script_with_file("exec 3>&-; echo", SLEEP));
    walk((const struct step[]){{orphan_is_there, adopt}, {is_running, stop}, {is_stopped, NULL}, {0}});
    ck_assert_str_eq(history, "stopped running stopping stopped");
    ck_assert_str_eq(ended_how, "left"); /* nobody tells how: as it was told, then */
    ck_assert_str_eq(service_cause(service), "ended");
}
END_TEST

/* It waits for the file "go" before it says what `then` says. */
static void make_waiting_orphan(const char *then)
{
    static char script[1024];
    snprintf(script, sizeof script, "while [ ! -e %s ]; do sleep 0.01; done; %s", scratch_path("go"), then);
    make_orphan(script);
}

static void go(void)
{
    scratch_file("go", "");
}

START_TEST(who_starts_is_adopted_and_its_word_is_heard)
{
    make(SERVER);
    make_waiting_orphan(SERVER);
    walk((const struct step[]){
        {at_once, adopt}, {is_starting, go}, {is_running, stop}, {is_stopped, NULL}, {0}});
    ck_assert_str_eq(history, "stopped starting running stopping stopped");
}
END_TEST

START_TEST(what_an_adopted_one_says_is_heard)
{
    passed_on_length = 0;
    make(SERVER);
    make_waiting_orphan("echo now >&2; exit 3");
    walk((const struct step[]){{at_once, adopt}, {is_starting, go}, {another_runs, NULL}, {0}});
    drained();
    ck_assert_str_eq(passed_on, "now\n");
    ck_assert_str_eq(service_cause(service), "ended: now");
    ck_assert_uint_eq(service_restarts(service), 8);
}
END_TEST

START_TEST(an_adopted_one_is_replaced_when_it_dies)
{
    make(SERVER);
    make_orphan(script_with_file("exec 3>&-; echo", SLEEP));
    orphan.ready_pipe = 0;
    walk((const struct step[]){
        {orphan_is_there, adopt}, {has_lived_a_second, murder}, {another_runs, NULL}, {0}});
    ck_assert_str_eq(ended_how, "unknown");
    ck_assert_str_eq(history, "stopped running starting running");
    ck_assert_int_eq(births, 1);
}
END_TEST

START_TEST(who_died_before_it_was_adopted_is_replaced)
{
    make(SERVER);
    make_orphan("exit 0");
    struct pollfd watch = {.fd = orphan.pidfd, .events = POLLIN};
    ck_assert_int_eq(poll(&watch, 1, 60000), 1);
    walk((const struct step[]){{at_once, adopt}, {another_runs, NULL}, {0}});
    ck_assert_int_eq(births, 1);
}
END_TEST

START_TEST(an_adopted_one_is_drained_and_killed_like_others)
{
    make(SERVER);
    make_orphan(script_with_file("trap '' TERM USR1; exec 3>&-; echo", SLEEP));
    patience.drain_timeout_ms = patience.stop_timeout_ms = 50;
    walk((const struct step[]){{orphan_is_there, adopt}, {is_running, drain}, {is_stopped, NULL}, {0}});
    ck_assert_str_eq(history, "stopped running draining stopping stopped");
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
    suite_add(suite, "draining", set_up, tear_down,
              (const TTest *const[]){
                  who_is_drained_finishes_and_stays_away, who_is_restarted_finishes_and_comes_back,
                  who_does_not_finish_in_time_is_told_to_stop,
                  a_restart_that_takes_too_long_comes_back_all_the_same,
                  a_drain_may_be_taken_back_and_said_again, a_drain_becomes_a_stop,
                  who_hangs_while_it_is_drained_is_killed, who_is_not_ready_is_not_drained_but_stopped,
                  who_waits_is_not_drained_but_given_up, NULL});
    suite_add(
        suite, "adopting", set_up, tear_down,
        (const TTest *const[]){who_runs_is_adopted_as_running, who_starts_is_adopted_and_its_word_is_heard,
                               what_an_adopted_one_says_is_heard, an_adopted_one_is_replaced_when_it_dies,
                               who_died_before_it_was_adopted_is_replaced,
                               an_adopted_one_is_drained_and_killed_like_others, NULL});
    suite_add(suite, "table", set_up, tear_down,
              (const TTest *const[]){what_means_nothing_changes_nothing, every_state_has_a_name,
                                     waits_double_up_to_the_longest, NULL});
    suite_add(suite, "stderr", set_up, tear_down,
              (const TTest *const[]){stderr_goes_on_line_by_line, a_flood_is_passed_on_and_its_end_is_kept,
                                     a_line_without_end_is_passed_on_in_pieces,
                                     a_stderr_of_ours_that_nobody_reads_stops_nothing, NULL});
    return suite_finish(suite);
}
