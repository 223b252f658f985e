/* test_process: what a process does for itself (lock, directories, limits, cores), what it sees of others,
 * and above all what a child that it starts has and has not.
 * SPDX-License-Identifier: MIT */
#include "process.h"

#include "account.h"
#include "scratch_directory.h"
#include "unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* ---- ready, limits ---- */

START_TEST(ready_is_a_line_and_then_the_end)
{
    int fds[2];
    char text[16];
    ck_assert_int_eq(pipe(fds), 0);
    process_ready(fds[1]);
    ck_assert_int_eq(read(fds[0], text, sizeof text), 6);
    ck_assert_mem_eq(text, "ready\n", 6);
    ck_assert_int_eq(read(fds[0], text, sizeof text), 0);
    process_ready(-1);
}
END_TEST

START_TEST(the_descriptor_limit_rises_up_to_the_hard_one)
{
    struct rlimit limit = {.rlim_cur = 64, .rlim_max = 200};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(process_descriptor_limit(100), 100);
    ck_assert_uint_eq(process_descriptor_limit(50), 100);
    ck_assert_uint_eq(process_descriptor_limit(100000), 200);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, 200);
}
END_TEST

/* ---- the lock ---- */

START_TEST(a_lock_is_held_once)
{
    int first = process_lock(scratch_path("lock"));
    ck_assert_int_ge(first, 0);
    ck_assert_int_eq(process_lock(scratch_path("lock")), -1);
    ck_assert_int_eq(errno, EWOULDBLOCK);
    ck_assert_int_eq(fcntl(first, F_GETFD), FD_CLOEXEC);
    process_unlock(scratch_path("lock"), first);
    ck_assert_int_eq(access(scratch_path("lock"), F_OK), -1);
    ck_assert_int_ge(process_lock(scratch_path("lock")), 0);
    process_unlock(scratch_path("lock"), -1);
    ck_assert_int_eq(access(scratch_path("lock"), F_OK), 0);
}
END_TEST

START_TEST(a_lock_dies_with_its_holder)
{
    scratch_file("lock", "left by somebody who was killed");
    ck_assert_int_ge(process_lock(scratch_path("lock")), 0);
}
END_TEST

START_TEST(a_lock_where_none_can_be)
{
    ck_assert_int_eq(process_lock(scratch_path("nowhere/lock")), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(symlink("target", scratch_path("link")), 0);
    ck_assert_int_eq(process_lock(scratch_path("link")), -1);
    ck_assert_int_eq(errno, ELOOP);
}
END_TEST

/* ---- directories ---- */

static mode_t mode_of(const char *path)
{
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_mode & 07777;
}

START_TEST(directories_are_made_with_their_parents)
{
    umask(077);
    ck_assert_int_eq(process_make_directory(scratch_path("a/b/c"), 0750), 0);
    ck_assert_uint_eq(mode_of(scratch_path("a")), 0755);
    ck_assert_uint_eq(mode_of(scratch_path("a/b/c")), 0750);
    ck_assert_int_eq(process_make_directory(scratch_path("a/d//"), 0700), 0);
    ck_assert_uint_eq(mode_of(scratch_path("a/d")), 0700);
}
END_TEST

START_TEST(a_directory_that_is_there_stays_as_it_is)
{
    ck_assert_int_eq(mkdir(scratch_path("mine"), 0700), 0);
    ck_assert_int_eq(process_make_directory(scratch_path("mine"), 0755), 0);
    ck_assert_uint_eq(mode_of(scratch_path("mine")), 0700);
}
END_TEST

START_TEST(directories_that_cannot_be)
{
    char long_path[5000];
    scratch_file("file", "");
    ck_assert_int_eq(process_make_directory(scratch_path("file"), 0750), -1);
    ck_assert_int_eq(errno, ENOTDIR);
    ck_assert_int_eq(process_make_directory(scratch_path("file/below"), 0750), -1);
    ck_assert_int_eq(errno, ENOTDIR);
    ck_assert_int_eq(process_make_directory("", 0750), -1);
    ck_assert_int_eq(errno, ENOENT);
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    ck_assert_int_eq(process_make_directory(long_path, 0750), -1);
    ck_assert_int_eq(errno, ENAMETOOLONG);
}
END_TEST

/* ---- cores ---- */

START_TEST(pinning)
{
    static const char *const bad[] = {"x", "-1", "1-", "0,", ",0", "2-1", "0 1", "0-1-2", "99999", "0x1"};
    cpu_set_t set;
    ck_assert_int_eq(process_pin(""), 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        errno = 0;
        ck_assert_msg(process_pin(bad[i]) == -1 && errno == EINVAL, "%s", bad[i]);
    }
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    int core = 0;
    while (!CPU_ISSET(core, &set))
        core++;
    char list[64];
    snprintf(list, sizeof list, "%d-%d,%d", core, core, core);
    ck_assert_int_eq(process_pin(list), 0);
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    ck_assert_int_eq(CPU_COUNT(&set), 1);
    ck_assert(CPU_ISSET(core, &set));
}
END_TEST

/* ---- looking at others ---- */

static pid_t start_sleeper(void)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    return pid;
}

/* Waits until the process is a zombie, and leaves it one. */
static void wait_for_death(pid_t pid)
{
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

START_TEST(start_times_name_a_process)
{
    uint64_t mine = process_start_time(getpid());
    ck_assert_uint_gt(mine, 0);
    ck_assert_uint_eq(process_start_time(getpid()), mine);
    pid_t pid = start_sleeper();
    ck_assert_uint_ge(process_start_time(pid), mine);
    kill(pid, SIGKILL);
    wait_for_death(pid);
    ck_assert_uint_eq(process_start_time(pid), 0);
    waitpid(pid, NULL, 0);
    ck_assert_uint_eq(process_start_time(pid), 0);
    ck_assert_uint_eq(process_start_time(-1), 0);
}
END_TEST

START_TEST(usage_of_a_process)
{
    uint64_t resident;
    uint64_t before;
    uint64_t cpu;
    ck_assert(process_usage(getpid(), &resident, &before));
    ck_assert_uint_gt(resident, 100 * 1024);
    do /* use some time, until the kernel has seen it */
        ck_assert(process_usage(getpid(), &resident, &cpu));
    while (cpu == before);
    ck_assert_uint_gt(cpu, before);
    pid_t pid = start_sleeper();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ck_assert(!process_usage(pid, &resident, &cpu));
}
END_TEST

START_TEST(the_user_of_a_process)
{
    uid_t uid = (uid_t)-2;
    ck_assert(process_user(getpid(), &uid));
    ck_assert_uint_eq(uid, geteuid());
    pid_t pid = start_sleeper();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ck_assert(!process_user(pid, &uid));
}
END_TEST

/* ---- starting others ---- */

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

START_TEST(the_age_of_a_process)
{
    ck_assert_int_ge(process_age(getpid()), 0);
    ck_assert_int_gt(process_age(getppid()), process_age(getpid()));
    ck_assert_int_eq(process_age(4194305), 0);
}
END_TEST

START_TEST(who_listens_where)
{
    char path[256];
    snprintf(path, sizeof path, "%s", scratch_path("listening"));
    int fd = unix_listen(path, 0600, (gid_t)-1, 4);
    ck_assert(unix_listens_at(fd, path));
    ck_assert(!unix_listens_at(fd, scratch_path("other")));
    ck_assert(!unix_listens_at(-1, path));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(!unix_listens_at(fd, path));
    close(open(path, O_CREAT | O_WRONLY, 0600));
    ck_assert(!unix_listens_at(fd, path));
    close(fd);
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ck_assert(!unix_listens_at(fds[0], path));
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

/* ---- sockets at a path ---- */

START_TEST(a_socket_has_its_mode_and_replaces_what_was_there)
{
    const char *path = scratch_file("socket", "an old file");
    umask(077);
    int first = unix_listen(path, 0660, getgid(), 16);
    ck_assert_int_ge(first, 0);
    ck_assert_uint_eq(mode_of(path), 0660);
    ck_assert_int_eq(access(scratch_path("socket~"), F_OK), -1);
    ck_assert_int_eq(fcntl(first, F_GETFD), FD_CLOEXEC);
    int second = unix_listen(path, 0600, (gid_t)-1, 16);
    ck_assert_int_ge(second, 0);
    close(first);
    int client = unix_connect(path);
    ck_assert_int_ge(client, 0);
    close(client);
    close(second);
    ck_assert_int_eq(unix_connect(path), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
}
END_TEST

START_TEST(a_socket_is_opened_to_its_group)
{
    const char *path = scratch_path("socket");
    int fd = unix_listen(path, 0600, (gid_t)-1, 16);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(unix_open_to_group(path), 0);
    ck_assert_uint_eq(mode_of(path), 0660);
    close(fd);
    unlink(path);
    ck_assert_int_eq(unix_open_to_group(path), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(sockets_that_cannot_be)
{
    char path[120];
    ck_assert_int_eq(unix_connect(""), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(unix_listen("", 0600, (gid_t)-1, 1), -1);
    ck_assert_int_eq(unix_connect(scratch_path("none")), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(unix_listen(scratch_path("nowhere/socket"), 0600, (gid_t)-1, 1), -1);
    ck_assert_int_eq(errno, ENOENT);
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[108] = '\0'; /* one more than fits with the terminator */
    ck_assert_int_eq(unix_connect(path), -1);
    ck_assert_int_eq(errno, ENAMETOOLONG);
    path[107] = '\0'; /* fits, but not with the temporary name's last letter */
    ck_assert_int_eq(unix_listen(path, 0600, (gid_t)-1, 1), -1);
    ck_assert_int_eq(errno, ENAMETOOLONG);
    ck_assert_int_eq(mkdir(scratch_path("folder"), 0700), 0);
    ck_assert_int_eq(unix_listen(scratch_path("folder"), 0600, (gid_t)-1, 1), -1);
    ck_assert_int_eq(access(scratch_path("folder~"), F_OK), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process");
    suite_add(suite, "itself", scratch_make, scratch_remove,
              (const TTest *const[]){
                  ready_is_a_line_and_then_the_end, the_descriptor_limit_rises_up_to_the_hard_one,
                  a_lock_is_held_once, a_lock_dies_with_its_holder, a_lock_where_none_can_be,
                  directories_are_made_with_their_parents, a_directory_that_is_there_stays_as_it_is,
                  directories_that_cannot_be, pinning, NULL});
    suite_add(
        suite, "others", scratch_make, scratch_remove,
        (const TTest *const[]){start_times_name_a_process, usage_of_a_process, the_user_of_a_process, NULL});
    suite_add(
        suite, "spawn", scratch_make, scratch_remove,
        (const TTest *const[]){
            a_birth_is_told_before_the_program_runs, who_dies_at_a_birth_leaves_nobody, the_age_of_a_process,
            who_listens_where, exit_codes_and_signals_come_back, a_program_is_run_as_another_user,
            a_program_that_cannot_be_run_is_said, cores_are_given, who_works_in_the_background_gives_way,
            who_works_in_the_background_may_come_forward, nothing_but_the_listed_descriptors_is_inherited,
            descriptor_0_is_null_without_a_listener, a_listening_socket_is_handed_on,
            a_token_is_handed_on_and_nothing_beside, descriptors_that_stand_in_each_others_places,
            signals_are_as_new_but_a_broken_pipe_does_not_kill, each_child_leads_a_group_of_its_own, NULL});
    suite_add(suite, "sockets", scratch_make, scratch_remove,
              (const TTest *const[]){a_socket_has_its_mode_and_replaces_what_was_there,
                                     a_socket_is_opened_to_its_group, sockets_that_cannot_be, NULL});
    return suite_finish(suite);
}
