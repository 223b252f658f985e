/* cgroup: see cgroup.h. All of it is reading and writing small files below one folder; where one of them is
 * not there, or is not ours to write, the limit cannot be kept, and whoever asked is told so.
 * SPDX-License-Identifier: MIT */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The group that our own processes move to: one with processes cannot hand controllers on. */
static const char ours[] = "outrigger-processes";

/* What a second has in microseconds; the period over which the kernel counts. */
enum { CPU_PERIOD_US = 100000 };

enum { PROC_BYTES = 256 * 1024 /* far more than the mounts of any machine */ };

struct cgroup {
    char *own;
    struct cgroup_powers powers;
};

/* ---- files ---- */

static bool write_file(const char *folder, const char *group, const char *name, const char *text)
{
    char path[2 * CGROUP_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s/%s", folder, group, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    ssize_t length = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return length == (ssize_t)strlen(text);
}

/* Reads what fits; "" when it cannot be read. */
static void read_file(const char *folder, const char *group, const char *name, char *text, size_t capacity)
{
    char path[2 * CGROUP_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s/%s", folder, group, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    for (ssize_t got = 1; fd != -1 && got > 0; length += got > 0 ? (size_t)got : 0)
        got = read(fd, text + length, capacity - 1 - length); /* the kernel gives a page at a time */
    text[length] = '\0';
    if (fd != -1)
        close(fd);
}

/* True when the word is one of the text's. */
static bool has_word(const char *text, const char *word)
{
    for (size_t length; *text != '\0'; text += length) {
        text += strspn(text, " \n");
        length = strcspn(text, " \n");
        if (length == strlen(word) && strncmp(text, word, length) == 0)
            return true;
    }
    return false;
}

/* ---- where we are ---- */

/* Lines such as "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0": the second word of the first of that type. */
static bool find_mount(const char *mounts, char mount[CGROUP_PATH_BYTES])
{
    char type[64];
    _Static_assert(CGROUP_PATH_BYTES == 4096, "the number below is one less");
    for (const char *line = mounts; *line != '\0'; line += strcspn(line, "\n") + (strchr(line, '\n') != NULL))
        if (sscanf(line, "%*s %4095s %63s", mount, type) == 2 && strcmp(type, "cgroup2") == 0)
            return true;
    return false;
}

void cgroup_locate(const char *groups, const char *mounts, char path[CGROUP_PATH_BYTES])
{
    char mount[CGROUP_PATH_BYTES];
    const char *line = strncmp(groups, "0::", 3) == 0 ? groups : strstr(groups, "\n0::");
    path[0] = '\0';
    if (line == NULL || !find_mount(mounts, mount))
        return;
    line = strstr(line, "0::") + 3;
    int length = snprintf(path, CGROUP_PATH_BYTES, "%s%.*s", mount, (int)strcspn(line, "\n"), line);
    if (length < 0 || length >= CGROUP_PATH_BYTES)
        path[0] = '\0';
    for (size_t end = strlen(path); end > 1 && path[end - 1] == '/'; end--)
        path[end - 1] = '\0';
}

void cgroup_own(char path[CGROUP_PATH_BYTES])
{
    char *groups = object_alloc(PROC_BYTES), *mounts = object_alloc(PROC_BYTES);
    read_file("/proc", "self", "cgroup", groups, PROC_BYTES);
    read_file("/proc", "self", "mounts", mounts, PROC_BYTES);
    cgroup_locate(groups, mounts, path);
    free(groups);
    free(mounts);
    char *last = strrchr(path, '/');
    if (last != NULL && strcmp(last + 1, ours) == 0) /* who started us had moved there */
        *last = '\0';
}

struct cgroup_powers cgroup_powers(const char *own)
{
    char controllers[1024], path[2 * CGROUP_PATH_BYTES];
    struct cgroup_powers none = {0};
    snprintf(path, sizeof path, "%s/cgroup.subtree_control", own);
    if (*own == '\0' || access(own, W_OK) != 0 || access(path, W_OK) != 0)
        return none;
    read_file(own, ".", "cgroup.controllers", controllers, sizeof controllers);
    return (struct cgroup_powers){.memory = has_word(controllers, "memory"),
                                  .cpu = has_word(controllers, "cpu")};
}

/* ---- the tree ---- */

static bool make_group(const struct cgroup *cgroup, const char *name)
{
    char path[2 * CGROUP_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", cgroup->own, name);
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

/* One after the other, as the kernel takes them. */
static void move_processes(const struct cgroup *cgroup)
{
    char list[64 * 1024], *rest = list;
    read_file(cgroup->own, ".", "cgroup.procs", list, sizeof list);
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
        if (*line != '\0')
            (void)write_file(cgroup->own, ours, "cgroup.procs", line); /* one that ended just now */
}

struct cgroup *cgroup_new(const char *own)
{
    struct cgroup *cgroup = object_alloc(sizeof *cgroup);
    cgroup->own = object_strdup(own);
    struct cgroup_powers could = cgroup_powers(own);
    if ((!could.memory && !could.cpu) || !make_group(cgroup, ours))
        return cgroup;
    move_processes(cgroup);
    const char *wanted = !could.cpu ? "+memory" : !could.memory ? "+cpu" : "+memory +cpu";
    if (write_file(own, ".", "cgroup.subtree_control", wanted))
        cgroup->powers = could;
    return cgroup;
}

void cgroup_free(struct cgroup *cgroup)
{
    if (cgroup == NULL)
        return;
    free(cgroup->own);
    free(cgroup);
}

struct cgroup_powers cgroup_has(const struct cgroup *cgroup)
{
    return cgroup->powers;
}

bool cgroup_hold(const struct cgroup *cgroup, const char *name, const struct cgroup_limits *limits, pid_t pid)
{
    char text[64];
    cgroup_drop(cgroup, name); /* one that an earlier supervisor left */
    if (!make_group(cgroup, name))
        return false;
    if (cgroup->powers.memory && limits->memory_mb > 0) {
        snprintf(text, sizeof text, "%lld", (long long)limits->memory_mb * 1024 * 1024);
        if (!write_file(cgroup->own, name, "memory.max", text))
            return false;
        (void)write_file(cgroup->own, name, "memory.swap.max", "0"); /* not there without swap */
        (void)write_file(cgroup->own, name, "memory.oom.group", "1");
    }
    if (cgroup->powers.cpu && limits->cpu_percent > 0) {
        snprintf(text, sizeof text, "%lld %d", (long long)limits->cpu_percent * CPU_PERIOD_US / 100,
                 CPU_PERIOD_US);
        if (!write_file(cgroup->own, name, "cpu.max", text))
            return false;
    }
    snprintf(text, sizeof text, "%ld", (long)pid);
    return write_file(cgroup->own, name, "cgroup.procs", text);
}

bool cgroup_was_full(const struct cgroup *cgroup, const char *name)
{
    char events[1024];
    long long kills = 0;
    read_file(cgroup->own, name, "memory.events", events, sizeof events);
    const char *line = strstr(events, "oom_kill ");
    return line != NULL && sscanf(line, "oom_kill %lld", &kills) == 1 && kills > 0;
}

void cgroup_drop(const struct cgroup *cgroup, const char *name)
{
    char path[2 * CGROUP_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", cgroup->own, name);
    rmdir(path);
}
