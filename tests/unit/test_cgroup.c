/* test_cgroup: the files of control groups, in a folder that looks like one: what the kernel makes of them no
 * test can ask for where groups are not ours to make. SPDX-License-Identifier: MIT */
#include "cgroup.h"
#include "fnv.h"
#include "scratch_directory.h"
#include "suite.h"

#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct cgroup *cgroup;

/* The folder of the worker's group, as the owner's name makes it; with a file's name that file. */
static const char *group(const char *file)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % COUNT_OF(paths)];
    snprintf(path, sizeof paths[0], "own/worker.m.1.1-%016llx/%s",
             (unsigned long long)fnv_of(text_of("owner")), file);
    return path;
}

static void set_up(void)
{
    scratch_make();
    scratch_folder("own");
    scratch_folder("own/outrigger-processes");
    scratch_folder(group(""));
    scratch_file("own/cgroup.type", "domain\n");
    scratch_file("own/cgroup.controllers", "cpuset cpu io memory pids\n");
    scratch_file("own/cgroup.subtree_control", "");
    scratch_file("own/cgroup.procs", "");
    scratch_file("own/outrigger-processes/cgroup.procs", "");
    scratch_file("own/outrigger-processes/cpu.weight", "");
    scratch_file(group("cgroup.procs"), "");
}

static void tear_down(void)
{
    cgroup_free(cgroup);
    scratch_remove();
}

static const char *own(void)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/own", scratch_directory);
    return path;
}

static const char *content(const char *name)
{
    static char text[256];
    FILE *file = fopen(scratch_path(name), "r");
    size_t length = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    if (file != NULL)
        fclose(file);
    return text;
}

static void give_back(void)
{
    cgroup_free(cgroup);
    cgroup = NULL;
}

START_TEST(our_own_group_is_found)
{
    static const char mounts[] = "tmpfs /run tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
                                 "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid 0 0\n";
    static const struct {
        const char *groups, *mounts, *path;
    } cases[] = {
        {"0::/system.slice/outrigger.service\n", mounts,
         "/sys/fs/cgroup/unified/system.slice/outrigger.service"},
        {"9:name=systemd:/\n1:cpu:/x\n0::/a\n", mounts, "/sys/fs/cgroup/unified/a"},
        {"0::/\n", mounts, "/sys/fs/cgroup/unified"},
        {"1:cpu:/x\n", mounts, ""},
        {"0::/a\n", "tmpfs /run tmpfs rw 0 0\n", ""},
        {"", "", ""},
    };
    char path[CGROUP_PATH_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cgroup_locate(cases[i].groups, cases[i].mounts, path);
        ck_assert_str_eq(path, cases[i].path);
    }
    cgroup_own(path); /* whatever there is here */
    ck_assert(path[0] == '\0' || path[0] == '/');
}
END_TEST

START_TEST(what_is_not_given_cannot_be_kept)
{
    struct cgroup_powers powers = cgroup_powers(own());
    ck_assert(powers.memory && powers.cpu);
    scratch_file("own/cgroup.controllers", "cpuset io pids\n"); /* cpuset is not cpu */
    powers = cgroup_powers(own());
    ck_assert(!powers.memory && !powers.cpu);
    powers = cgroup_powers("");
    ck_assert(!powers.memory && !powers.cpu);
    cgroup = cgroup_new("/nowhere/at/all", "owner");
    powers = cgroup_has(cgroup);
    ck_assert(!powers.memory && !powers.cpu);
}
END_TEST

/* The folder has this process in it. */
static const char *hold_process(pid_t pid)
{
    static char text[32];
    snprintf(text, sizeof text, "%ld\n", (long)pid);
    scratch_file("own/cgroup.procs", text);
    text[strlen(text) - 1] = '\0'; /* as it is written when it moves */
    return text;
}

static void expect_divided(const char *moved)
{
    ck_assert(cgroup_powers(own()).memory && cgroup_powers(own()).cpu);
    cgroup = cgroup_new(own(), "owner");
    ck_assert(cgroup_has(cgroup).memory && cgroup_has(cgroup).cpu);
    ck_assert_str_eq(content("own/outrigger-processes/cgroup.procs"), moved);
    ck_assert_str_eq(content("own/cgroup.subtree_control"), "+memory");
}

static void expect_undivided(void)
{
    ck_assert(!cgroup_powers(own()).memory && !cgroup_powers(own()).cpu);
    cgroup = cgroup_new(own(), "owner");
    ck_assert(!cgroup_has(cgroup).memory && !cgroup_has(cgroup).cpu);
    ck_assert(!cgroup_share_cpu(cgroup));
    ck_assert_str_eq(content("own/outrigger-processes/cgroup.procs"), "");
    ck_assert_str_eq(content("own/cgroup.subtree_control"), "");
    give_back();
}

/* The child waits until it is let go, by the end of what it reads. */
static pid_t start_child(int *let_go)
{
    int ends[2];
    char byte;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ne(child, -1);
    if (child == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(ends[0]);
    *let_go = ends[1];
    return child;
}

START_TEST(our_processes_make_room)
{
    expect_divided(hold_process(getpid()));
}
END_TEST

START_TEST(what_we_started_is_ours)
{
    int let_go;
    pid_t child = start_child(&let_go);
    expect_divided(hold_process(child));
    cgroup_free(cgroup);
    scratch_file("own/cgroup.subtree_control", "");
    close(let_go);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    scratch_file("own/outrigger-processes/cgroup.procs", "");
    expect_divided(hold_process(child)); /* it ended just now */
}
END_TEST

/* A login's shell, the master of jobs, the first process of a container. */
START_TEST(who_is_not_ours_stays_where_it_is)
{
    hold_process(getppid());
    expect_undivided();
    hold_process(1);
    expect_undivided();
    hold_process(0); /* it has no number that we could see */
    expect_undivided();
}
END_TEST

/* As systemd marks what it gives to a service. */
START_TEST(what_is_delegated_is_ours_whoever_is_in_it)
{
    const char *stranger = hold_process(getppid());
    const char *name =
        setxattr(own(), "trusted.delegate", "0", 1, 0) == 0 ? "trusted.delegate" : "user.delegate";
    if (setxattr(own(), name, "0", 1, 0) != 0) {
        fprintf(stderr, "NOT TESTED: control groups that are delegated: no extended attributes here\n");
        return;
    }
    expect_undivided();
    ck_assert_int_eq(setxattr(own(), name, "1", 1, 0), 0);
    expect_divided(stranger);
}
END_TEST

/* In the kernel's own files each word counts by itself; here the last one stands. */
START_TEST(the_folder_is_left_as_it_was)
{
    scratch_file("own/cgroup.controllers", "cpu\n");
    ck_assert_int_eq(unlink(scratch_path(group("cgroup.procs"))), 0); /* nobody is held */
    const char *pid = hold_process(getpid());
    cgroup = cgroup_new(own(), "owner");
    ck_assert_str_eq(content("own/cgroup.subtree_control"), "+cpu");
    scratch_file("own/cgroup.procs", "");
    give_back();
    ck_assert_str_eq(content("own/cgroup.subtree_control"), "-cpu");
    ck_assert_str_eq(content("own/cgroup.procs"), pid);
}
END_TEST

START_TEST(a_folder_that_others_need_stays_divided)
{
    scratch_file("own/cgroup.controllers", "cpu\n");
    cgroup = cgroup_new(own(), "owner");
    give_back(); /* somebody is held */
    ck_assert_str_eq(content("own/cgroup.subtree_control"), "+cpu");
    ck_assert_int_eq(unlink(scratch_path(group("cgroup.procs"))), 0);
    scratch_file("own/cgroup.subtree_control", "cpu");
    cgroup = cgroup_new(own(), "owner");
    give_back(); /* it was before */
    ck_assert_str_eq(content("own/cgroup.subtree_control"), "+cpu");
    scratch_file("own/cgroup.subtree_control", "");
    cgroup = cgroup_new(own(), "owner");
    scratch_file("own/outrigger-processes/cgroup.procs", "1\n");
    give_back(); /* another one's supervisor is there */
    ck_assert_str_eq(content("own/cgroup.subtree_control"), "+cpu");
}
END_TEST

/* Those of the whole machine are there, and may stay. */
START_TEST(nobody_moves_in_the_root_of_all_groups)
{
    scratch_file("own/cgroup.procs", "11\n");
    ck_assert_int_eq(unlink(scratch_path("own/cgroup.type")), 0);
    cgroup = cgroup_new(own(), "owner");
    ck_assert(cgroup_share_cpu(cgroup));
    ck_assert(cgroup_has(cgroup).memory && cgroup_has(cgroup).cpu);
    ck_assert_str_eq(content("own/outrigger-processes/cgroup.procs"), "");
    ck_assert_str_eq(content("own/outrigger-processes/cpu.weight"), "");
    ck_assert_int_eq(unlink(scratch_path(group("cgroup.procs"))), 0);
    give_back(); /* another one may need it, who cannot be seen here */
    ck_assert_str_eq(content("own/cgroup.subtree_control"), "+cpuory"); /* over "+memory" */
}
END_TEST

START_TEST(limits_are_written_before_the_process_comes)
{
    struct cgroup_limits limits = {.memory_mb = 256, .cpu_percent = 150};
    scratch_file(group("memory.max"), "");
    scratch_file(group("cpu.max"), "");
    scratch_file(group("cpu.idle"), "0");
    cgroup = cgroup_new(own(), "owner");
    ck_assert(cgroup_share_cpu(cgroup));
    ck_assert(cgroup_hold(cgroup, "worker.m.1.1", &limits, 4711));
    ck_assert_str_eq(content(group("memory.max")), "268435456");
    ck_assert_str_eq(content(group("cpu.max")), "150000 100000");
    ck_assert_str_eq(content(group("cpu.idle")), "0");
    ck_assert_str_eq(content(group("cgroup.procs")), "4711");
    ck_assert(!cgroup_hold(cgroup, "worker.n.1.1", &limits, 4712)); /* its files do not come by themselves */
}
END_TEST

/* As long as nobody's CPU is limited, processes share the processors and not groups: memory alone shifts
 * nothing. */
START_TEST(processors_are_shared_by_groups_only_when_somebody_wants_it)
{
    struct cgroup_limits limits = {.memory_mb = 256, .idle = true};
    scratch_file(group("memory.max"), "");
    scratch_file(group("cpu.idle"), "0");
    cgroup = cgroup_new(own(), "owner");
    ck_assert(!cgroup_shares_cpu(cgroup));
    ck_assert(cgroup_hold(cgroup, "worker.m.1.1", &limits, 4711));
    ck_assert_str_eq(content(group("cpu.idle")), "0");
    scratch_file("own/cgroup.subtree_control", "");
    ck_assert(cgroup_share_cpu(cgroup) && cgroup_shares_cpu(cgroup));
    ck_assert_str_eq(content("own/cgroup.subtree_control"), "+cpu");
    ck_assert(!cgroup_share_cpu(cgroup)); /* that is nothing new */
}
END_TEST

START_TEST(a_group_is_idle_and_ours_counts_for_as_many_as_it_holds)
{
    struct cgroup_limits limits = {.idle = true};
    scratch_file(group("cpu.idle"), "0");
    scratch_file(group("cpu.weight"), "?");
    cgroup = cgroup_new(own(), "owner");
    ck_assert(cgroup_share_cpu(cgroup));
    scratch_file("own/outrigger-processes/cgroup.procs", "1\n2\n3\n");
    ck_assert(cgroup_hold(cgroup, "worker.m.1.1", &limits, 4711));
    ck_assert_str_eq(content(group("cpu.idle")), "1");
    ck_assert_str_eq(content(group("cpu.weight")), "?");
    ck_assert_str_eq(content("own/outrigger-processes/cpu.weight"), "300");
    limits.idle = false; /* it comes forward */
    ck_assert(cgroup_hold(cgroup, "worker.m.1.1", &limits, 4711));
    ck_assert_str_eq(content(group("cpu.idle")), "0");
    limits.idle = true;
    ck_assert_int_eq(unlink(scratch_path(group("cpu.idle"))), 0); /* a kernel that knows none */
    ck_assert(cgroup_hold(cgroup, "worker.m.1.1", &limits, 4711));
    ck_assert_str_eq(content(group("cpu.weight")), "1");
}
END_TEST

/* Its own members come and go, whoever is held. */
START_TEST(ours_is_weighed_when_one_is_born_or_ends)
{
    scratch_file("own/outrigger-processes/cgroup.procs", "1\n2\n");
    cgroup = cgroup_new(own(), "owner");
    cgroup_weigh(cgroup);
    ck_assert_str_eq(content("own/outrigger-processes/cpu.weight"), ""); /* processes share, not groups */
    ck_assert(cgroup_share_cpu(cgroup));
    ck_assert_str_eq(content("own/outrigger-processes/cpu.weight"), "200");
    scratch_file("own/outrigger-processes/cgroup.procs", "1\n2\n3\n4\n");
    cgroup_weigh(cgroup);
    ck_assert_str_eq(content("own/outrigger-processes/cpu.weight"), "400");
    scratch_file("own/outrigger-processes/cgroup.procs", "1\n");
    cgroup_weigh(cgroup);
    ck_assert_str_eq(content("own/outrigger-processes/cpu.weight"), "100");
}
END_TEST

START_TEST(a_controller_that_lacks_is_no_reason_against_the_other)
{
    scratch_file("own/cgroup.controllers", "cpu pids\n");
    cgroup = cgroup_new(own(), "owner");
    ck_assert(!cgroup_has(cgroup).memory && cgroup_has(cgroup).cpu);
    ck_assert_str_eq(content("own/cgroup.subtree_control"), "+cpu");
    cgroup_free(cgroup);
    scratch_file("own/cgroup.controllers", "memory\n");
    scratch_file("own/cgroup.subtree_control", "");
    cgroup = cgroup_new(own(), "owner");
    ck_assert(cgroup_has(cgroup).memory && !cgroup_has(cgroup).cpu);
    ck_assert(!cgroup_share_cpu(cgroup) && !cgroup_shares_cpu(cgroup));
    ck_assert_str_eq(content("own/cgroup.subtree_control"), "+memory");
}
END_TEST

/* Who divides the same folder has workers of the same names. */
START_TEST(groups_of_others_are_left_alone)
{
    scratch_folder("own/worker.m.1.1-0000000000000001");
    scratch_folder("own/session-1");
    ck_assert_int_eq(unlink(scratch_path(group("cgroup.procs"))), 0);
    cgroup = cgroup_new(own(), "owner");
    ck_assert_int_eq(access(scratch_path(group("")), F_OK), -1); /* an earlier one of ours left it */
    ck_assert_int_eq(access(scratch_path("own/worker.m.1.1-0000000000000001"), F_OK), 0);
    ck_assert_int_eq(access(scratch_path("own/session-1"), F_OK), 0);
    struct cgroup_limits limits = {0};
    ck_assert(!cgroup_hold(cgroup, "worker.m.1.1", &limits, 4711)); /* no cgroup.procs in this one */
    ck_assert_int_eq(access(scratch_path(group("")), F_OK), 0);
    cgroup_drop(cgroup, "worker.m.1.1");
    ck_assert_int_eq(access(scratch_path(group("")), F_OK), -1);
    ck_assert_int_eq(access(scratch_path("own/worker.m.1.1-0000000000000001"), F_OK), 0);
}
END_TEST

START_TEST(kills_for_memory_are_counted)
{
    cgroup = cgroup_new(own(), "owner");
    ck_assert_int_eq(cgroup_kills(cgroup, "worker.m.1.1"), 0);
    ck_assert_int_eq(cgroup_kills(cgroup, "worker.m.1.2"), 0); /* there is none */
    scratch_file(group("memory.events"), "low 0\nhigh 0\nmax 7\noom 0\noom_kill 0\noom_group_kill 0\n");
    ck_assert_int_eq(cgroup_kills(cgroup, "worker.m.1.1"), 0);
    scratch_file(group("memory.events"), "low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\noom_group_kill 1\n");
    ck_assert_int_eq(cgroup_kills(cgroup, "worker.m.1.1"), 2);
}
END_TEST

static uid_t owner_of(const char *name)
{
    struct stat status;
    ck_assert_int_eq(stat(scratch_path(name), &status), 0);
    return status.st_uid;
}

START_TEST(who_is_going_to_divide_it_is_given_it)
{
    static const char *const names[] = {"own",
                                        "own/cgroup.procs",
                                        "own/cgroup.subtree_control",
                                        "own/outrigger-processes",
                                        "own/outrigger-processes/cgroup.procs",
                                        "own/outrigger-processes/cpu.weight"};
    if (geteuid() != 0) {
        fprintf(stderr, "NOT TESTED, since not root: giving a control group to another user\n");
        return;
    }
    scratch_file("own/cgroup.procs", "1\n"); /* not ours alone: */
    cgroup_give(own(), 1, 1);
    ck_assert_uint_eq(owner_of("own"), 0);
    scratch_file("own/cgroup.procs", "");
    cgroup_give(own(), 1, 1);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        ck_assert_msg(owner_of(names[i]) == 1, "%s", names[i]);
    ck_assert_uint_eq(owner_of("own/cgroup.controllers"), 0);
    ck_assert_int_eq(unlink(scratch_path("own/cgroup.type")), 0); /* the root of all groups stays root's */
    cgroup_give(own(), 2, 2);
    ck_assert_uint_eq(owner_of("own"), 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {our_own_group_is_found,
                                  what_is_not_given_cannot_be_kept,
                                  our_processes_make_room,
                                  what_we_started_is_ours,
                                  who_is_not_ours_stays_where_it_is,
                                  what_is_delegated_is_ours_whoever_is_in_it,
                                  the_folder_is_left_as_it_was,
                                  a_folder_that_others_need_stays_divided,
                                  nobody_moves_in_the_root_of_all_groups,
                                  limits_are_written_before_the_process_comes,
                                  processors_are_shared_by_groups_only_when_somebody_wants_it,
                                  a_group_is_idle_and_ours_counts_for_as_many_as_it_holds,
                                  ours_is_weighed_when_one_is_born_or_ends,
                                  a_controller_that_lacks_is_no_reason_against_the_other,
                                  groups_of_others_are_left_alone,
                                  kills_for_memory_are_counted,
                                  who_is_going_to_divide_it_is_given_it};
    return SUITE_RUN("cgroup", set_up, tear_down, tests);
}
