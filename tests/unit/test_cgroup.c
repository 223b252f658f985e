/* test_cgroup: the files of control groups, in a folder that looks like one: what the kernel makes of them no
 * test can ask for where groups are not ours to make. SPDX-License-Identifier: MIT */
#include "cgroup.h"
#include "scratch_directory.h"
#include "suite.h"

#include <unistd.h>

static struct cgroup *cgroup;

static void set_up(void)
{
    scratch_make();
    scratch_folder("own");
    scratch_folder("own/outrigger-processes");
    scratch_folder("own/worker.m.1.1");
    scratch_file("own/cgroup.controllers", "cpuset cpu io memory pids\n");
    scratch_file("own/cgroup.subtree_control", "");
    scratch_file("own/cgroup.procs", "");
    scratch_file("own/outrigger-processes/cgroup.procs", "");
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
    char path[600];
    snprintf(path, sizeof path, "%s/%s", own(), name);
    FILE *file = fopen(path, "r");
    size_t length = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    if (file != NULL)
        fclose(file);
    return text;
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
    cgroup = cgroup_new("/nowhere/at/all");
    powers = cgroup_has(cgroup);
    ck_assert(!powers.memory && !powers.cpu);
}
END_TEST

START_TEST(our_processes_make_room)
{
    scratch_file("own/cgroup.procs", "11\n");
    cgroup = cgroup_new(own());
    ck_assert(cgroup_has(cgroup).memory && cgroup_has(cgroup).cpu);
    ck_assert_str_eq(content("outrigger-processes/cgroup.procs"), "11");
    ck_assert_str_eq(content("cgroup.subtree_control"), "+memory +cpu");
}
END_TEST

START_TEST(limits_are_written_before_the_process_comes)
{
    struct cgroup_limits limits = {.memory_mb = 256, .cpu_percent = 150};
    scratch_file("own/worker.m.1.1/memory.max", "");
    scratch_file("own/worker.m.1.1/cpu.max", "");
    scratch_file("own/worker.m.1.1/cgroup.procs", "");
    cgroup = cgroup_new(own());
    ck_assert(cgroup_hold(cgroup, "worker.m.1.1", &limits, 4711));
    ck_assert_str_eq(content("worker.m.1.1/memory.max"), "268435456");
    ck_assert_str_eq(content("worker.m.1.1/cpu.max"), "150000 100000");
    ck_assert_str_eq(content("worker.m.1.1/cgroup.procs"), "4711");
    ck_assert(!cgroup_hold(cgroup, "worker.n.1.1", &limits, 4712)); /* its files do not come by themselves */
}
END_TEST

START_TEST(a_group_that_was_full_is_told)
{
    cgroup = cgroup_new(own());
    ck_assert(!cgroup_was_full(cgroup, "worker.m.1.1"));
    scratch_file("own/worker.m.1.1/memory.events",
                 "low 0\nhigh 0\nmax 7\noom 0\noom_kill 0\noom_group_kill 0\n");
    ck_assert(!cgroup_was_full(cgroup, "worker.m.1.1"));
    scratch_file("own/worker.m.1.1/memory.events",
                 "low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n");
    ck_assert(cgroup_was_full(cgroup, "worker.m.1.1"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {our_own_group_is_found, what_is_not_given_cannot_be_kept,
                                  our_processes_make_room, limits_are_written_before_the_process_comes,
                                  a_group_that_was_full_is_told};
    return SUITE_RUN("cgroup", set_up, tear_down, tests);
}
