/* test_spawn: what a child that a process starts has and has not: its user, cores, descriptors, signals and
 * group. SPDX-License-Identifier: MIT */
#include "account.h"
#include "process.h"
#include "scratch_directory.h"
#include "unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>

static struct spawn request;
static const char *arguments[] = {"/bin/sh", "-c", NULL, NULL};

/* A request for a shell that runs the script. */
static struct spawn *shell(const char *script)
{
    arguments[2] = script;
    request = (struct spawn){.program = "/bin/sh",
                             .arguments = arguments,
                             .listen_fd = -1,
                             .ready_fd = -1,
                             .error_fd = -1,
                             .token_fd = -1};
    return &request;
}

/* Runs it to its end; returns the exit status, 1000 + the number for a signal. */
static int run(const struct spawn *spawn)
{
    int pidfd;
    int status;
    pid_t pid = process_spawn(spawn, &pidfd);
    ck_assert_msg(pid > 0, "%s", strerror(errno));
    struct pollfd watch = {.fd = pidfd, .events = POLLIN};
    ck_assert_int_eq(poll(&watch, 1, 60000), 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    close(pidfd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

START_TEST(exit_codes_and_signals_come_back)
{
    ck_assert_int_eq(run(shell("exit 0")), 0);
    ck_assert_int_eq(run(shell("exit 125")), 125);
    ck_assert_int_eq(run(shell("kill -9 $$")), 1009);
}
END_TEST

START_TEST(a_program_is_run_as_another_user)
{
    int pidfd;
    struct account *nobody = account_find("nobody");
    char script[64];
    ck_assert_ptr_nonnull(nobody);
    snprintf(script, sizeof script, "test $(id -u) = %u && test $(id -g) = %u", (unsigned)nobody->uid,
             (unsigned)nobody->gid);
    shell(script);
    request.account = nobody;
    if (geteuid() == 0) {
        ck_assert_int_eq(run(&request), 0);
    } else {
        ck_assert_int_eq(process_spawn(&request, &pidfd), -1);
        ck_assert_int_eq(errno, EPERM);
    }
    account_free(nobody);
}
END_TEST

START_TEST(a_program_that_cannot_be_run_is_said)
{
    int pidfd;
    shell("");
    request.program = scratch_path("none");
    ck_assert_int_eq(process_spawn(&request, &pidfd), -1);
    ck_assert_int_eq(errno, ENOENT);
    request.program = scratch_file("text", "no program");
    ck_assert_int_eq(process_spawn(&request, &pidfd), -1);
    ck_assert_int_eq(errno, EACCES);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

static pid_t born;

static void note_birth(void *self, pid_t pid)
{
    ck_assert_ptr_eq(self, &born);
    ck_assert_int_eq(access(scratch_path("there"), F_OK), -1);
    ck_assert_uint_ne(process_start_time(pid), 0);
    born = pid;
}

START_TEST(a_birth_is_told_before_the_program_runs)
{
    static char script[256];
    snprintf(script, sizeof script, "echo >%s", scratch_path("there"));
    shell(script);
    request.born = note_birth;
    request.self = &born;
    ck_assert_int_eq(run(&request), 0);
    ck_assert_int_gt(born, 0);
    ck_assert_int_eq(access(scratch_path("there"), F_OK), 0);
}
END_TEST

static void die(void *self, pid_t pid)
{
    (void)!write(*(int *)self, &pid, sizeof pid);
    kill(getpid(), SIGKILL);
}

START_TEST(who_dies_at_a_birth_leaves_nobody)
{
    static char script[256];
    static int told[2];
    int pidfd;
    pid_t pid;
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    ck_assert_int_eq(pipe(told), 0);
    snprintf(script, sizeof script, "echo >%s", scratch_path("there"));
    shell(script);
    request.born = die;
    request.self = &told[1];
    pid_t parent = fork();
    if (parent == 0)
        _exit(process_spawn(&request, &pidfd) == -1);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    ck_assert_int_eq(read(told[0], &pid, sizeof pid), sizeof pid);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid); /* it has become ours, and ends by itself */
    ck_assert_int_eq(access(scratch_path("there"), F_OK), -1);
}
END_TEST

START_TEST(cores_are_given)
{
    int pidfd;
    cpu_set_t set;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    int core = 0;
    while (!CPU_ISSET(core, &set))
        core++;
    char list[16];
    char script[128];
    snprintf(list, sizeof list, "%d", core);
    snprintf(script, sizeof script, "grep -q 'Cpus_allowed_list:[[:space:]]*%d$' /proc/self/status", core);
    shell(script)->cores = list;
    ck_assert_int_eq(run(&request), 0);
    request.cores = "a";
    ck_assert_int_eq(process_spawn(&request, &pidfd), -1);
    ck_assert_int_eq(errno, EINVAL);
    request.cores = "1023"; /* no such machine */
    ck_assert_int_eq(process_spawn(&request, &pidfd), -1);
    ck_assert_int_eq(errno, EINVAL);
    request.cores = "";
    snprintf(script, sizeof script, "exit 0");
    ck_assert_int_eq(run(&request), 0);
}
END_TEST

/* Field 41 of its stat is the policy: SCHED_IDLE, else SCHED_BATCH. */
START_TEST(who_works_in_the_background_gives_way)
{
    char script[128];
    for (int background = 0; background < 2; background++) {
        snprintf(script, sizeof script, "exec test $(cut -d' ' -f41 /proc/self/stat) = %d",
                 background ? SCHED_IDLE : SCHED_BATCH);
        shell(script)->background = background != 0;
        ck_assert_int_eq(run(&request), 0);
    }
}
END_TEST

/* Whether we may is the kernel's to say; that it is done wholly or not at all, ours. */
START_TEST(who_works_in_the_background_may_come_forward)
{
    int pidfd;
    shell("exec sleep 1000")->background = true;
    pid_t pid = process_spawn(&request, &pidfd);
    ck_assert_int_gt(pid, 0);
    bool forward = process_come_forward(pid);
    ck_assert(forward || errno == EPERM);
    ck_assert_int_eq(sched_getscheduler(pid), forward ? SCHED_BATCH : SCHED_IDLE);
    ck_assert(!forward || process_come_forward(pid)); /* it is there already */
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    close(pidfd);
    ck_assert(!process_come_forward(pid) && errno == ENOENT);
}
END_TEST

START_TEST(nothing_but_the_listed_descriptors_is_inherited)
{
    int open_one = open("/dev/null", O_RDONLY); /* not close-on-exec, on purpose */
    ck_assert_int_ge(open_one, 0);
    ck_assert_int_ge(dup2(open_one, 50), 0);
    /* The shell's glob itself needs one descriptor, which is gone when the names are tested. */
    static const char script[] = "for fd in /proc/$$/fd/*; do n=${fd##*/}; "
                                 "case $n in 0|1|2) ;; *) [ -e $fd ] && exit 9;; esac; done; exit 0";
    ck_assert_int_eq(run(shell(script)), 0);
}
END_TEST

START_TEST(descriptor_0_is_null_without_a_listener)
{
    ck_assert_int_eq(run(shell("[ \"$(readlink /proc/$$/fd/0)\" = /dev/null ]")), 0);
}
END_TEST

START_TEST(a_listening_socket_is_handed_on)
{
    int fd = unix_listen(scratch_path("socket"), 0600, (gid_t)-1, 16);
    ck_assert_int_ge(fd, 0);
    shell("case $(readlink /proc/$$/fd/0) in socket:*) exit 0;; esac; exit 1")->listen_fd = fd;
    ck_assert_int_eq(run(&request), 0);
    int client = unix_connect(scratch_path("socket"));
    ck_assert_int_ge(client, 0); /* it still listens here */
}
END_TEST

START_TEST(a_token_is_handed_on_and_nothing_beside)
{
    int token[2];
    ck_assert_int_eq(pipe2(token, O_CLOEXEC), 0);
    ck_assert_int_eq(write(token[1], "abc\n", 4), 4);
    close(token[1]);
    shell("read word <&4 && [ \"$word\" = abc ] && ! [ -e /proc/$$/fd/3 ]")->token_fd = token[0];
    ck_assert_int_eq(run(&request), 0);
    char byte;
    ck_assert_int_eq(read(token[0], &byte, 1), 0); /* it has been read */
    close(token[0]);
}
END_TEST

/* Lays the three at each other's places and runs a child with them. In a process of its own, since the test's
 * own descriptors are overwritten. */
static _Noreturn void run_with_descriptors_displaced(int listener, int ready, int error)
{
    shell("[ -S /proc/$$/fd/0 ] && echo ready >&3 && echo error >&2 && [ -c /proc/$$/fd/4 ]");
    /* First out of the way: the targets may be among them. */
    listener = fcntl(listener, F_DUPFD, 100);
    ready = fcntl(ready, F_DUPFD, 100);
    error = fcntl(error, F_DUPFD, 100);
    request.listen_fd = dup2(listener, 2);
    request.error_fd = dup2(error, 3);
    request.ready_fd = dup2(ready, 0);
    request.token_fd = dup2(open("/dev/null", O_RDONLY), 1);
    close(ready);
    close(error);
    int pidfd;
    int status = -1;
    pid_t pid = process_spawn(&request, &pidfd);
    _exit(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1);
}

START_TEST(descriptors_that_stand_in_each_others_places)
{
    int ready[2];
    int error[2];
    int status;
    char text[64] = "";
    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(error), 0);
    int listener = unix_listen(scratch_path("socket"), 0600, (gid_t)-1, 16);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        run_with_descriptors_displaced(listener, ready[1], error[1]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(read(ready[0], text, sizeof text), 6);
    ck_assert_mem_eq(text, "ready\n", 6);
    ck_assert_int_eq(read(error[0], text, sizeof text), 6);
    ck_assert_mem_eq(text, "error\n", 6);
}
END_TEST

START_TEST(signals_are_as_new_but_a_broken_pipe_does_not_kill)
{
    sigset_t all;
    sigfillset(&all);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &all, NULL), 0);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
    /* Read by another program: a shell changes its own. Ignored is bit 13 alone, SIGPIPE; and libc's own two,
     * 32 and 33, where our parent has them ignored: Debian 12's make does that, and nobody can change it. */
    ck_assert_int_eq(run(shell("exec grep -qx 'SigBlk:.0000000000000000' /proc/self/status")), 0);
    ck_assert_int_eq(run(shell("exec grep -qx 'SigIgn:.0000000[01][08]0001000' /proc/self/status")), 0);
    sigset_t after;
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &after), 0);
    ck_assert(sigismember(&after, SIGUSR1)); /* ours is as it was */
}
END_TEST

START_TEST(each_child_leads_a_group_of_its_own)
{
    int pidfd;
    int status;
    /* The second sleeper is the shell's child: the group's end is its end. */
    pid_t pid = process_spawn(shell("sleep 600 & sleep 600"), &pidfd);
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(getpgid(pid), pid);
    ck_assert_int_eq(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(kill(-pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    close(pidfd);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_birth_is_told_before_the_program_runs,
                                  who_dies_at_a_birth_leaves_nobody,
                                  exit_codes_and_signals_come_back,
                                  a_program_is_run_as_another_user,
                                  a_program_that_cannot_be_run_is_said,
                                  cores_are_given,
                                  who_works_in_the_background_gives_way,
                                  who_works_in_the_background_may_come_forward,
                                  nothing_but_the_listed_descriptors_is_inherited,
                                  descriptor_0_is_null_without_a_listener,
                                  a_listening_socket_is_handed_on,
                                  a_token_is_handed_on_and_nothing_beside,
                                  descriptors_that_stand_in_each_others_places,
                                  signals_are_as_new_but_a_broken_pipe_does_not_kill,
                                  each_child_leads_a_group_of_its_own};
    return SUITE_RUN("spawn", scratch_make, scratch_remove, tests);
}
