/* test_child: the group of a child, in a folder that looks like one: that the process is in it before its
 * program runs, and what is made of the kills that are counted there. All else about children is tested by
 * test_service. SPDX-License-Identifier: MIT */
#include "child.h"

#include "fnv.h"
#include "scratch_directory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop *loop;
static struct child *child;
static struct cgroup *cgroup;
static struct child_command command;

static void on_ready(void *self)
{
    (void)self;
    if (command.limits.memory_mb == 0)
        loop_stop(loop);
}

static void on_ended(void *self, pid_t pid, int status)
{
    (void)self, (void)pid, (void)status;
    loop_stop(loop);
}

/* A file of the child's group, whose name the owner's is part of. */
static const char *group(const char *file)
{
    char path[128];
    snprintf(path, sizeof path, "own/worker.m.1.1-%016llx/%s", (unsigned long long)fnv_of(text_of("owner")),
             file);
    return scratch_path(path) + strlen(scratch_directory) + 1;
}

static void set_up(void)
{
    static const char *const arguments[] = {"/bin/sh", "-c", "exec sleep 1000", NULL};
    struct child_watcher watcher = {.ready = on_ready, .ended = on_ended};
    scratch_make();
    scratch_folder("own");
    scratch_file("own/cgroup.controllers", "cpu memory\n");
    scratch_file("own/cgroup.subtree_control", "");
    cgroup = cgroup_new(scratch_path("own"), "owner");
    scratch_folder(group(""));
    static const char *const files[] = {"memory.max", "cpu.max", "cpu.idle", "cgroup.procs"};
    for (size_t i = 0; i < COUNT_OF(files); i++)
        scratch_file(group(files[i]), "");
    loop = loop_new();
    child = child_new(loop, STDERR_FILENO, &watcher);
    command = (struct child_command){.name = "worker.m.1.1",
                                     .path = "/bin/sh",
                                     .arguments = arguments,
                                     .listen_fd = -1,
                                     .cores = "",
                                     .cgroup = cgroup,
                                     .limits = {.memory_mb = 64},
                                     .drain_signal = SIGTERM};
}

static void tear_down(void)
{
    child_free(child);
    cgroup_free(cgroup);
    loop_free(loop);
    scratch_remove();
}

static const char *content(const char *file)
{
    static char text[64];
    int fd = open(scratch_path(group(file)), O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, text, sizeof text - 1);
    ck_assert_int_ge(length, 0);
    text[length] = '\0';
    close(fd);
    return text;
}

static void kill_it(void)
{
    child_kill(child);
    loop_run(loop);
}

static bool is_held(void)
{
    char pid[32];
    snprintf(pid, sizeof pid, "%ld", (long)child_pid(child));
    return strcmp(content("cgroup.procs"), pid) == 0;
}

START_TEST(it_is_held_from_its_birth)
{
    ck_assert(child_start(child, &command));
    ck_assert(is_held());
    ck_assert_str_eq(content("memory.max"), "67108864");
    ck_assert_str_eq(content("cpu.max"), "");
    ck_assert(!child_was_full(child, &command));
    scratch_file(group("memory.events"), "oom_kill 1\n");
    kill_it();
    ck_assert(child_was_full(child, &command));
}
END_TEST

/* It says of which release it is behind the word; an earlier one says nothing, and nonsense is nothing. */
START_TEST(it_says_of_which_release_it_is)
{
    static const struct {
        const char *said, *release;
    } cases[] = {{"printf 'ready\\n0.9.1\\n'", "0.9.1"},
                 {"printf 'ready\\n'", ""},
                 {"printf 'ready\\n0.9'", ""},
                 {"printf 'ready\\n0 9\\n'", ""},
                 {"printf 'ready\\n%040d\\n'", ""}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char script[128];
        snprintf(script, sizeof script, "%s >&3; exec 3>&-; exec sleep 1000", cases[i].said);
        const char *arguments[] = {"/bin/sh", "-c", script, NULL};
        command.arguments = arguments;
        command.limits.memory_mb = 0;
        ck_assert(child_start(child, &command));
        loop_run(loop);
        ck_assert_str_eq(child_release(child), cases[i].release);
        kill_it();
        ck_assert_str_eq(child_release(child), "");
    }
}
END_TEST

/* What an earlier process started was not gone yet, so that the group could not be made anew. */
START_TEST(the_kills_of_those_before_are_none_of_its_own)
{
    scratch_file(group("memory.events"), "oom_kill 3\n");
    ck_assert(child_start(child, &command));
    kill_it();
    ck_assert(!child_was_full(child, &command));
    ck_assert(child_start(child, &command));
    scratch_file(group("memory.events"), "oom_kill 5\n");
    kill_it();
    ck_assert(child_was_full(child, &command));
}
END_TEST

START_TEST(who_works_in_the_background_is_held_when_groups_share_the_processors)
{
    command.limits = (struct cgroup_limits){.idle = true};
    ck_assert(child_start(child, &command));
    ck_assert(!is_held());
    ck_assert(cgroup_share_cpu(cgroup));
    child_hold(child, &command);
    ck_assert(is_held());
    ck_assert_str_eq(content("cpu.idle"), "1");
    command.limits.idle = false; /* it comes forward */
    child_hold(child, &command);
    ck_assert_str_eq(content("cpu.idle"), "0");
    kill_it();
    child_hold(child, &command); /* nobody */
}
END_TEST

/* A child that fails unless what it reads at descriptor 4 is a token, and writes it down. */
static const char *token_of_next_child(void)
{
    static const char *const arguments[] = {"/bin/sh", "-c", "cat <&4 >\"$0\"", NULL, NULL};
    static const char *with_path[5];
    static char path[256];
    memcpy(with_path, arguments, sizeof arguments);
    snprintf(path, sizeof path, "%s", scratch_path("token"));
    with_path[3] = path;
    command.arguments = with_path;
    command.has_token = true;
    ck_assert(child_start(child, &command));
    struct worker_token told = child_token(child);
    ck_assert(worker_token_ok(text_of(told.text)));
    loop_run(loop); /* until it has ended */
    ck_assert_str_eq(child_token(child).text, "");
    static char text[128];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    ck_assert_int_eq(length, WORKER_TOKEN_LENGTH);
    text[length] = '\0';
    ck_assert_str_eq(told.text, text);
    return text;
}

START_TEST(each_process_has_a_token_of_its_own)
{
    char first[WORKER_TOKEN_LENGTH + 1];
    snprintf(first, sizeof first, "%s", token_of_next_child());
    ck_assert_str_ne(first, token_of_next_child());
}
END_TEST

START_TEST(who_has_no_limits_is_held_nowhere)
{
    command.limits = (struct cgroup_limits){0};
    ck_assert(child_start(child, &command));
    ck_assert(!is_held());
    ck_assert_str_eq(content("memory.max"), "");
    kill_it();
    ck_assert(!child_was_full(child, &command));
}
END_TEST

struct orphans {
    pid_t group;
    struct loop_timer timer;
};

static void look_for_orphans(void *self)
{
    struct orphans *orphans = self;
    siginfo_t info;
    if (waitid(P_PGID, (id_t)orphans->group, &info, WEXITED | WNOHANG | WNOWAIT) == -1)
        loop_stop(loop);
    else
        loop_timer_set(loop, &orphans->timer, loop_now(loop) + 1000000, look_for_orphans, orphans);
}

/* As process 1 of a container, which is the parent of whoever has none. */
START_TEST(what_a_child_leaves_behind_is_waited_for)
{
    static const char *const arguments[] = {"/bin/sh", "-c", "sleep 1000 & exit 0", NULL};
    struct orphans orphans = {0};
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    command.arguments = arguments;
    ck_assert(child_start(child, &command));
    orphans.group = child_pid(child);
    loop_run(loop); /* until it has ended */
    look_for_orphans(&orphans);
    loop_run(loop);
    ck_assert_int_eq(kill(-orphans.group, 0), -1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {it_is_held_from_its_birth,
                                  it_says_of_which_release_it_is,
                                  the_kills_of_those_before_are_none_of_its_own,
                                  who_works_in_the_background_is_held_when_groups_share_the_processors,
                                  each_process_has_a_token_of_its_own,
                                  who_has_no_limits_is_held_nowhere,
                                  what_a_child_leaves_behind_is_waited_for};
    return SUITE_RUN("child", set_up, tear_down, tests);
}
