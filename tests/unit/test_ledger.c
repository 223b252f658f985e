/* test_ledger: what an earlier supervisor left is ended, and nobody else, whatever the file says.
 * SPDX-License-Identifier: MIT */
#include "ledger.h"
#include "process.h"
#include "scratch_directory.h"
#include "suite.h"

#include <signal.h>
#include <sys/wait.h>

enum { PATIENCE_MS = 60000 };

static char path[256];
static pid_t children[4];

static void set_up(void)
{
    scratch_make();
    snprintf(path, sizeof path, "%s", scratch_path("processes.json"));
    memset(children, 0, sizeof children);
}

static void tear_down(void)
{
    for (size_t i = 0; i < COUNT_OF(children); i++)
        if (children[i] != 0) {
            kill(children[i], SIGKILL);
            waitpid(children[i], NULL, 0);
        }
    scratch_remove();
}

/* A child that lives until it is told to end; `stubborn` ones ignore SIGTERM. */
static pid_t start(size_t index, bool stubborn)
{
    int ready[2];
    char byte;
    ck_assert_int_eq(pipe(ready), 0);
    children[index] = fork();
    if (children[index] == 0) {
        signal(SIGTERM, stubborn ? SIG_IGN : SIG_DFL);
        (void)!write(ready[1], "r", 1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return children[index];
}

/* The signal that ended the child; 0 while it lives. */
static int ended_by(size_t index)
{
    int status;
    pid_t pid = waitpid(children[index], &status, WNOHANG);
    if (pid == 0)
        return 0;
    ck_assert_int_eq(pid, children[index]);
    children[index] = 0;
    ck_assert(WIFSIGNALED(status));
    return WTERMSIG(status);
}

static void write_file(const char *boot, const char *processes)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "{\"boot\":\"%s\",\"processes\":%s}", boot, processes);
    fclose(file);
}

static const char *this_boot(void)
{
    static char boot[64];
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(boot, sizeof boot, file));
    boot[strcspn(boot, "\n")] = '\0';
    fclose(file);
    return boot;
}

START_TEST(what_was_written_is_ended)
{
    struct ledger_entry entries[] = {{"broker", start(0, false)}, {"frontend.1", start(1, false)}};
    start(2, false);
    ledger_write(path, entries, COUNT_OF(entries));
    ck_assert_uint_eq(ledger_replace(path, PATIENCE_MS), 2);
    ck_assert_int_eq(ended_by(0), SIGTERM);
    ck_assert_int_eq(ended_by(1), SIGTERM);
    ck_assert_int_eq(ended_by(2), 0);
    ck_assert_uint_eq(ledger_replace(path, PATIENCE_MS), 0);
}
END_TEST

START_TEST(who_does_not_end_is_killed)
{
    struct ledger_entry entries[] = {{"broker", start(0, true)}, {"collector", start(1, false)}};
    ledger_write(path, entries, COUNT_OF(entries));
    ck_assert_uint_eq(ledger_replace(path, 50), 2);
    ck_assert_int_eq(ended_by(0), SIGKILL);
    ck_assert_int_eq(ended_by(1), SIGTERM);
}
END_TEST

START_TEST(a_zombie_is_nobody)
{
    struct ledger_entry entries[] = {{"broker", start(0, false)}};
    ledger_write(path, entries, 1);
    kill(children[0], SIGKILL);
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PID, (id_t)children[0], &info, WEXITED | WNOWAIT), 0);
    ck_assert_uint_eq(ledger_replace(path, PATIENCE_MS), 0);
}
END_TEST

START_TEST(an_empty_ledger)
{
    ledger_write(path, NULL, 0);
    ck_assert_uint_eq(ledger_replace(path, PATIENCE_MS), 0);
    ck_assert_uint_eq(ledger_replace(scratch_path("none"), PATIENCE_MS), 0);
}
END_TEST

START_TEST(a_ledger_that_cannot_be_written_is_no_end)
{
    struct ledger_entry entries[] = {{"broker", getpid()}};
    ledger_write(scratch_path("nowhere/processes.json"), entries, 1);
    ck_assert_int_eq(mkdir(path, 0700), 0); /* rename over a directory fails */
    ledger_write(path, entries, 1);
}
END_TEST

/* The number is another process's by now, or the machine was started anew: not ours. */
START_TEST(others_with_the_same_number_are_left_alone)
{
    char text[256];
    uint64_t begun = process_start_time(start(0, false));
    snprintf(text, sizeof text, "[{\"name\":\"broker\",\"pid\":%d,\"start\":%llu}]", children[0],
             (unsigned long long)begun + 1);
    write_file(this_boot(), text);
    ck_assert_uint_eq(ledger_replace(path, PATIENCE_MS), 0);
    snprintf(text, sizeof text, "[{\"name\":\"broker\",\"pid\":%d,\"start\":%llu}]", children[0],
             (unsigned long long)begun);
    write_file("00000000-0000-0000-0000-000000000000", text);
    ck_assert_uint_eq(ledger_replace(path, PATIENCE_MS), 0);
    ck_assert_int_eq(ended_by(0), 0);
    write_file(this_boot(), text); /* the same with the right boot is ours */
    ck_assert_uint_eq(ledger_replace(path, PATIENCE_MS), 1);
    ck_assert_int_eq(ended_by(0), SIGTERM);
}
END_TEST

START_TEST(rubbish_ends_nobody)
{
    static const char *const lists[] = {"[]",
                                        "{}",
                                        "null",
                                        "[1,null,[],{}]",
                                        "[{\"name\":\"x\"}]",
                                        "[{\"name\":\"x\",\"pid\":0,\"start\":0}]",
                                        "[{\"name\":\"x\",\"pid\":1,\"start\":0}]",
                                        "[{\"name\":\"x\",\"pid\":-1,\"start\":1}]",
                                        "[{\"name\":\"x\",\"pid\":99999999999,\"start\":1}]",
                                        "[{\"name\":\"x\",\"pid\":\"2\",\"start\":1}]",
                                        "[{\"name\":\"x\",\"pid\":4194305,\"start\":1}]",
                                        "[{\"name\":7,\"pid\":2,\"start\":1}]"};
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        write_file(this_boot(), lists[i]);
        ck_assert_uint_eq(ledger_replace(path, PATIENCE_MS), 0);
    }
    scratch_file("processes.json", "{\"boot\":");
    ck_assert_uint_eq(ledger_replace(path, PATIENCE_MS), 0);
    scratch_file("processes.json", "");
    ck_assert_uint_eq(ledger_replace(path, PATIENCE_MS), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_was_written_is_ended,
                                  who_does_not_end_is_killed,
                                  a_zombie_is_nobody,
                                  an_empty_ledger,
                                  a_ledger_that_cannot_be_written_is_no_end,
                                  others_with_the_same_number_are_left_alone,
                                  rubbish_ends_nobody};
    return SUITE_RUN("ledger", set_up, tear_down, tests);
}
