/* test_service_adopting: processes that another supervisor has left, in every state of theirs.
 * SPDX-License-Identifier: MIT */
#include "service_scene.h"

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
    const TTest *const tests[] = {who_runs_is_adopted_as_running,
                                  who_starts_is_adopted_and_its_word_is_heard,
                                  what_an_adopted_one_says_is_heard,
                                  an_adopted_one_is_replaced_when_it_dies,
                                  who_died_before_it_was_adopted_is_replaced,
                                  an_adopted_one_is_drained_and_killed_like_others};
    return SUITE_RUN("service_adopting", set_up, tear_down, tests);
}
