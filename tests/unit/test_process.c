/* test_process: what a process does for itself (lock, directories, limits, cores), and what it sees of
 * others. How it starts them: test_spawn. SPDX-License-Identifier: MIT */
#include "process.h"

#include "scratch_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* ---- ready, limits ---- */

START_TEST(ready_is_a_line_and_then_the_end)
{
    int fds[2];
    char text[64] = "";
    ck_assert_int_eq(pipe(fds), 0);
    process_ready(fds[1]);
    ck_assert_int_gt(read(fds[0], text, sizeof text), 0);
    ck_assert_str_eq(text, "ready\n" OUTRIGGER_VERSION "\n");
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

START_TEST(directories_are_made_with_their_parents)
{
    umask(077);
    ck_assert_int_eq(process_make_directory(scratch_path("a/b/c"), 0750), 0);
    ck_assert_uint_eq(scratch_mode(scratch_path("a")), 0755);
    ck_assert_uint_eq(scratch_mode(scratch_path("a/b/c")), 0750);
    ck_assert_int_eq(process_make_directory(scratch_path("a/d//"), 0700), 0);
    ck_assert_uint_eq(scratch_mode(scratch_path("a/d")), 0700);
}
END_TEST

START_TEST(a_directory_that_is_there_stays_as_it_is)
{
    ck_assert_int_eq(mkdir(scratch_path("mine"), 0700), 0);
    ck_assert_int_eq(process_make_directory(scratch_path("mine"), 0755), 0);
    ck_assert_uint_eq(scratch_mode(scratch_path("mine")), 0700);
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

/* As a service of systemd with ProtectProc=invisible sees others from a Landlock domain of its own. Who is
 * not root, or is in a container, cannot hide anybody. */
START_TEST(who_is_hidden_lives)
{
    uint64_t start = process_start_time(getpid());
    ck_assert(process_lives(getpid(), start));
    ck_assert(process_lives(getpid(), 0));
    ck_assert(!process_lives(getpid(), start + 1));
    ck_assert(!process_lives(0, 0));
    ck_assert(!process_lives(-1, 0));
    pid_t pid = start_sleeper();
    pid_t other = fork();
    if (other == 0) {
        bool hidden = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                      mount("proc", "/proc", "proc", 0, "hidepid=2") == 0 && setgroups(0, NULL) == 0 &&
                      setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0;
        _exit(!hidden || (process_start_time(pid) == 0 && process_lives(pid, 1)) ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(other, &status, 0), other);
    ck_assert_int_eq(status, 0);
    kill(pid, SIGKILL);
    wait_for_death(pid);
    ck_assert(!process_lives(pid, 0)); /* a zombie */
    waitpid(pid, NULL, 0);
    ck_assert(!process_lives(pid, 0));
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

START_TEST(the_age_of_a_process)
{
    ck_assert_int_ge(process_age(getpid()), 0);
    ck_assert_int_gt(process_age(getppid()), process_age(getpid()));
    ck_assert_int_eq(process_age(4194305), 0);
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
    suite_add(suite, "others", scratch_make, scratch_remove,
              (const TTest *const[]){start_times_name_a_process, who_is_hidden_lives, usage_of_a_process,
                                     the_user_of_a_process, the_age_of_a_process, NULL});
    return suite_finish(suite);
}
