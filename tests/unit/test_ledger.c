/* test_ledger: what an earlier supervisor left is found again or ended, and nobody else, whatever the file
 * says. SPDX-License-Identifier: MIT */
#include "ledger.h"
#include "process.h"
#include "scratch_directory.h"
#include "suite.h"
#include "unix_socket.h"

#include <linux/capability.h>
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

/* All of an entry but the name, the pid and the start time. */
#define REST                                                                                                 \
    "\"ready_pipe\":0,\"restarts\":0,\"number\":1,\"model\":\"\",\"version\":\"\",\"file\":\"\",\"path\":"   \
    "\"/x\","                                                                                                \
    "\"role\":\"broker\",\"arguments\":[\"/x\"]"

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

static struct command commands[4];
static struct worker_token token; /* of the child of index 1 */

/* An entry for the child of that index. */
static struct ledger_entry entry(size_t index, enum role role, const char *name)
{
    static char *arguments[] = {(char *)"/bin/x", (char *)"-n", (char *)"\xff odd \" name", NULL};
    commands[index] = (struct command){.role = role,
                                       .number = 3,
                                       .name = (char *)name,
                                       .model = (char *)"m",
                                       .version = (char *)"1",
                                       .file = (char *)"/m/1/model.onnx",
                                       .stamp = (char *)"0123+4",
                                       .path = (char *)"/bin/x",
                                       .background = index == 1,
                                       .arguments = arguments};
    return (struct ledger_entry){.command = &commands[index],
                                 .pid = children[index] == 0 ? getpid() : children[index],
                                 .ready_pipe = UINT64_MAX,
                                 .restarts = 5,
                                 .token = index == 1 ? token : (struct worker_token){""},
                                 .release = index == 1 ? "0.9.1" : "",
                                 .retiring = index == 1};
}

static size_t replace(int64_t stop_timeout_ms)
{
    struct ledger *ledger = ledger_read(path, NULL);
    size_t count = ledger_end(ledger, "it is a test", stop_timeout_ms);
    ledger_free(ledger);
    return count;
}

START_TEST(what_was_written_is_read)
{
    start(0, false);
    start(1, false);
    struct stat status;
    token = worker_token_draw();
    umask(0);
    scratch_file("processes.json.new", "what somebody who was killed has left, open to all");
    struct ledger_entry entries[] = {entry(0, ROLE_BROKER, "broker"), entry(1, ROLE_WORKER, "worker.m.3")};
    ledger_write(path, "a=b\nc=d\n", entries, COUNT_OF(entries));
    ck_assert_int_eq(access(scratch_path("processes.json.new"), F_OK), -1);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(status.st_mode & 0777, 0600);
    struct ledger *ledger = ledger_read(path, NULL);
    ck_assert_str_eq(ledger->fixed, "a=b\nc=d\n");
    ck_assert_str_eq(ledger->processes[0].orphan.token.text, "");
    ck_assert_str_eq(ledger->processes[1].orphan.token.text, token.text);
    ck_assert_uint_eq(ledger->count, 2);
    const struct ledger_process *process = &ledger->processes[1];
    ck_assert_int_eq(process->orphan.pid, children[1]);
    ck_assert_int_ge(process->orphan.pidfd, 0);
    ck_assert_uint_eq(process->orphan.ready_pipe, UINT64_MAX);
    ck_assert(process->orphan.reached); /* while we still may */
    ck_assert_int_eq(process->orphan.ready_fd, -1);
    ck_assert_uint_ne(process->inode, 0);
    ck_assert_uint_eq(process->restarts, 5);
    ck_assert_str_eq(process->orphan.release, "0.9.1");
    ck_assert_str_eq(ledger->processes[0].orphan.release, "");
    ck_assert(process->retiring && !ledger->processes[0].retiring && !process->ended);
    ck_assert(command_equals(process->command, &commands[1]));
    ck_assert(!command_equals(process->command, &commands[0]));
    ck_assert_int_eq(process->command->number, 3);
    ck_assert_str_eq(process->command->name, "worker.m.3");
    ck_assert_str_eq(process->command->model, "m");
    ck_assert_str_eq(process->command->version, "1");
    ck_assert_str_eq(process->command->stamp, "0123+4");
    ck_assert(process->command->background && !ledger->processes[0].command->background);
    ledger_free(ledger);
    ledger_free(NULL);
}
END_TEST

START_TEST(who_is_of_another_user_is_left_alone)
{
    if (geteuid() != 0) {
        fprintf(stderr, "NOT TESTED, since not root: a process of another user in the ledger\n");
        return;
    }
    struct account *daemon = account_find("daemon"), *nobody = account_find("nobody");
    start(0, false);
    start(1, false);
    struct ledger_entry entries[] = {entry(0, ROLE_BROKER, "broker"), entry(1, ROLE_WORKER, "worker.m.3")};
    ledger_write(path, "", entries, COUNT_OF(entries));
    pid_t pid = fork(); /* who cannot be root again */
    if (pid == 0) {
        ENSURE(chown(path, daemon->uid, daemon->gid) == 0 && chmod(scratch_directory, 0711) == 0);
        ENSURE(account_assume_with(daemon, ACCOUNT_RIGHT(CAP_KILL)) == 0 &&
               account_keep(ACCOUNT_RIGHT(CAP_KILL)) == 0);
        struct ledger *ledger = ledger_read(path, nobody);
        ENSURE(ledger->count == 2 && ledger->processes[0].ended && ledger->processes[1].ended);
        ENSURE(ledger_has_strangers(ledger));
        ENSURE(ledger_end(ledger, "it is a test", 1000) == 0);
        _exit(42);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    ck_assert_int_eq(kill(children[0], 0) + kill(children[1], 0), 0);
    ck_assert_int_eq(waitpid(children[0], NULL, WNOHANG) + waitpid(children[1], NULL, WNOHANG), 0);
    struct account root = {.uid = 0};
    struct ledger *ledger = ledger_read(path, &root);
    ck_assert(!ledger_has_strangers(ledger));
    ck_assert_int_ge(ledger->processes[0].orphan.pidfd, 0);
    ledger_free(ledger);
    account_free(daemon);
    account_free(nobody);
}
END_TEST

START_TEST(the_dead_are_known_by_name_only)
{
    start(0, false);
    struct ledger_entry entries[] = {entry(0, ROLE_BROKER, "broker")};
    ledger_write(path, "", entries, 1);
    kill(children[0], SIGKILL);
    waitpid(children[0], NULL, 0);
    children[0] = 0;
    struct ledger *ledger = ledger_read(path, NULL);
    ck_assert_uint_eq(ledger->count, 1);
    ck_assert_int_eq(ledger->processes[0].orphan.pidfd, -1);
    ck_assert_int_eq(ledger_listen_fd(ledger, path), -1);
    ledger_free(ledger);
}
END_TEST

START_TEST(the_listening_socket_comes_back_from_a_frontend)
{
    char socket_path[256];
    snprintf(socket_path, sizeof socket_path, "%s", scratch_path("s"));
    int listener = unix_listen(socket_path, 0600, (gid_t)-1, 4);
    ck_assert_int_eq(dup2(listener, 0), 0); /* as a frontend has it */
    start(0, false);
    close(0);
    start(1, false); /* a frontend whose descriptor 0 is something else */
    struct ledger_entry entries[] = {entry(1, ROLE_FRONTEND, "frontend.1"),
                                     entry(0, ROLE_FRONTEND, "frontend.2")};
    ledger_write(path, "", entries, 2);
    struct ledger *ledger = ledger_read(path, NULL);
    int fd = ledger_listen_fd(ledger, socket_path);
    ck_assert_int_ge(fd, 0);
    ck_assert(unix_listens_at(fd, socket_path));
    close(fd);
    int other = unix_listen(scratch_path("another"), 0600, (gid_t)-1, 4);
    ck_assert(ledger_listens_at(ledger, listener));
    ck_assert(!ledger_listens_at(ledger, other));
    ck_assert(!ledger_listens_at(ledger, -1));
    close(other);
    ck_assert_int_eq(ledger_listen_fd(ledger, scratch_path("other")), -1);
    ck_assert_int_eq(unlink(socket_path), 0);
    ck_assert_int_eq(ledger_listen_fd(ledger, socket_path), -1);
    ledger_free(ledger);
    close(listener);
}
END_TEST

START_TEST(what_was_written_is_ended)
{
    start(0, false);
    start(1, false);
    start(2, false);
    struct ledger_entry entries[] = {entry(0, ROLE_BROKER, "broker"), entry(1, ROLE_FRONTEND, "frontend.1")};
    ledger_write(path, "", entries, COUNT_OF(entries));
    ck_assert_uint_eq(replace(PATIENCE_MS), 2);
    ck_assert_int_eq(ended_by(0), SIGTERM);
    ck_assert_int_eq(ended_by(1), SIGTERM);
    ck_assert_int_eq(ended_by(2), 0);
    ck_assert_uint_eq(replace(PATIENCE_MS), 0);
}
END_TEST

START_TEST(who_does_not_end_is_killed)
{
    start(0, true);
    start(1, false);
    struct ledger_entry entries[] = {entry(0, ROLE_BROKER, "broker"), entry(1, ROLE_COLLECTOR, "collector")};
    ledger_write(path, "", entries, COUNT_OF(entries));
    ck_assert_uint_eq(replace(50), 2);
    ck_assert_int_eq(ended_by(0), SIGKILL);
    ck_assert_int_eq(ended_by(1), SIGTERM);
}
END_TEST

START_TEST(a_zombie_is_nobody)
{
    start(0, false);
    struct ledger_entry entries[] = {entry(0, ROLE_BROKER, "broker")};
    ledger_write(path, "", entries, 1);
    kill(children[0], SIGKILL);
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PID, (id_t)children[0], &info, WEXITED | WNOWAIT), 0);
    ck_assert_uint_eq(replace(PATIENCE_MS), 0);
}
END_TEST

START_TEST(an_empty_ledger)
{
    ledger_write(path, "", NULL, 0);
    ck_assert_uint_eq(replace(PATIENCE_MS), 0);
    struct ledger *ledger = ledger_read(scratch_path("none"), NULL);
    ck_assert_uint_eq(ledger->count, 0);
    ck_assert_str_eq(ledger->fixed, "");
    ledger_free(ledger);
}
END_TEST

START_TEST(a_ledger_that_cannot_be_written_is_no_end)
{
    struct ledger_entry entries[] = {entry(0, ROLE_BROKER, "broker")};
    ledger_write(scratch_path("nowhere/processes.json"), "", entries, 1);
    ck_assert_int_eq(mkdir(path, 0700), 0); /* rename over a directory fails */
    ledger_write(path, "", entries, 1);
}
END_TEST

/* The number is another process's by now, or the machine was started anew: not ours. */
START_TEST(others_with_the_same_number_are_left_alone)
{
    char text[512];
    uint64_t begun = process_start_time(start(0, false));
    snprintf(text, sizeof text, "[{\"name\":\"broker\",\"pid\":%d,\"start\":%llu," REST "}]", children[0],
             (unsigned long long)begun + 1);
    write_file(this_boot(), text);
    ck_assert_uint_eq(replace(PATIENCE_MS), 0);
    snprintf(text, sizeof text, "[{\"name\":\"broker\",\"pid\":%d,\"start\":%llu," REST "}]", children[0],
             (unsigned long long)begun);
    write_file("00000000-0000-0000-0000-000000000000", text);
    ck_assert_uint_eq(replace(PATIENCE_MS), 0);
    ck_assert_int_eq(ended_by(0), 0);
    write_file(this_boot(), text); /* the same with the right boot is ours */
    ck_assert_uint_eq(replace(PATIENCE_MS), 1);
    ck_assert_int_eq(ended_by(0), SIGTERM);
}
END_TEST

START_TEST(rubbish_ends_nobody)
{
    static const char *const lists[] = {
        "[]",
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
        "[{\"name\":7,\"pid\":2,\"start\":1," REST "}]",
        "[{\"name\":\"x\",\"pid\":4194305,\"start\":1," REST "}]",
        "[{\"name\":\"x\",\"pid\":0,\"start\":1," REST "}]",
        "[{\"name\":\"x\",\"pid\":2,\"start\":1," REST ",\"arguments\":[]}]",
        "[{\"name\":\"x\",\"pid\":2,\"start\":1,\"ready_pipe\":0,\"restarts\":0,"
        "\"number\":1,\"model\":\"\",\"version\":\"\",\"file\":\"\",\"path\":\"\","
        "\"role\":\"king\",\"arguments\":[\"/x\"]}]",
        "[{\"name\":\"x\",\"pid\":2,\"start\":1,\"ready_pipe\":0,\"restarts\":0,"
        "\"number\":1,\"model\":\"\",\"version\":\"\",\"file\":\"\",\"path\":\"\","
        "\"role\":\"broker\",\"arguments\":[\"/x\",7]}]"};
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        write_file(this_boot(), lists[i]);
        ck_assert_uint_eq(replace(PATIENCE_MS), 0);
    }
    scratch_file("processes.json", "{\"boot\":");
    ck_assert_uint_eq(replace(PATIENCE_MS), 0);
    scratch_file("processes.json", "");
    ck_assert_uint_eq(replace(PATIENCE_MS), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_was_written_is_read,
                                  who_is_of_another_user_is_left_alone,
                                  the_dead_are_known_by_name_only,
                                  the_listening_socket_comes_back_from_a_frontend,
                                  what_was_written_is_ended,
                                  who_does_not_end_is_killed,
                                  a_zombie_is_nobody,
                                  an_empty_ledger,
                                  a_ledger_that_cannot_be_written_is_no_end,
                                  others_with_the_same_number_are_left_alone,
                                  rubbish_ends_nobody};
    return SUITE_RUN("ledger", set_up, tear_down, tests);
}
