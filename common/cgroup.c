/* cgroup: see cgroup.h. All of it is reading and writing small files below one folder; where one of them is
 * not there, or is not ours to write, the limit cannot be kept, and whoever asked is told so.
 * SPDX-License-Identifier: MIT */
#include "cgroup.h"

#include "fnv.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The group that our own processes move to: one with processes cannot hand controllers on. */
static const char ours[] = "outrigger-processes";

enum {
    CPU_PERIOD_US = 100000, /* over which the kernel counts */
    WEIGHT_OF_ONE = 100,    /* of a group that says nothing */
    WEIGHT_MIN = 1,
    WEIGHT_MAX = 10000,
    MOVES_MAX = 10, /* while we move its processes somebody may start one more */
    OWNER_BYTES = sizeof("-0123456789abcdef")
};

enum { PROC_BYTES = 256 * 1024 /* far more than the mounts of any machine */ };

struct cgroup {
    char *own;
    char owner[OWNER_BYTES]; /* the end of the names of our groups */
    bool is_root;            /* of all groups: processes and groups may be beside each other */
    bool shares_cpu;
    struct cgroup_powers powers;
    struct cgroup_powers switched; /* what was not handed on before we did it */
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

/* Only the root of all groups has no type. */
static bool is_root(const char *own)
{
    char path[2 * CGROUP_PATH_BYTES];
    snprintf(path, sizeof path, "%s/cgroup.type", own);
    return access(path, F_OK) == -1;
}

/* ---- whose it is ---- */

enum { GENERATIONS_MAX = 1000, LIST_BYTES = 64 * 1024 };

/* 0 where nothing can be read of it. */
static pid_t parent_of(pid_t pid)
{
    char name[32], line[1024];
    int parent = 0;
    snprintf(name, sizeof name, "%ld", (long)pid);
    read_file("/proc", name, "stat", line, sizeof line);
    const char *end = strrchr(line, ')'); /* of its name, which may hold anything */
    return end != NULL && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

static bool is_gone(pid_t pid)
{
    return pid > 0 && kill(pid, 0) == -1 && errno == ESRCH;
}

/* We, what we started, what that started; and who has ended meanwhile. One of another namespace is 0. */
static bool is_ours(pid_t pid)
{
    pid_t ancestor = pid;
    for (int i = 0; i < GENERATIONS_MAX && ancestor > 0; i++) {
        if (ancestor == getpid())
            return true;
        pid_t parent = parent_of(ancestor);
        bool gone = parent == 0 && is_gone(ancestor);
        if (gone && ancestor == pid)
            return true;
        ancestor = gone ? pid : parent; /* its child has another parent now */
    }
    return false;
}

/* The first process of the group that is not ours; -1: there is none. */
static pid_t find_stranger(const char *folder, const char *group)
{
    char list[LIST_BYTES], *rest = list;
    read_file(folder, group, "cgroup.procs", list, sizeof list);
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        pid_t pid = (pid_t)strtol(line, NULL, 10);
        if (*line != '\0' && !is_ours(pid))
            return pid;
    }
    return -1;
}

/* systemd marks so what it hands to a service with Delegate=yes; the first only root can read. */
static bool is_delegated(const char *own)
{
    static const char *const names[] = {"trusted.delegate", "user.delegate"};
    char value[2];
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (getxattr(own, names[i], value, sizeof value) == 1 && value[0] == '1')
            return true;
    return false;
}

/* Root may write everywhere, also where a login or another service has its processes: those are not ours to
 * move. -1: nobody stands against it. */
static pid_t who_is_against(const char *own)
{
    return is_root(own) || is_delegated(own) ? -1 : find_stranger(own, ".");
}

static struct cgroup_powers powers_of(const char *own)
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

struct cgroup_powers cgroup_powers(const char *own)
{
    struct cgroup_powers powers = powers_of(own), none = {0};
    return (powers.memory || powers.cpu) && who_is_against(own) != -1 ? none : powers;
}

/* ---- the tree ---- */

enum { NAME_BYTES = 512 };

/* The folder of that name: "worker.sum.1.1-0123456789abcdef". */
static const char *group_of(const struct cgroup *cgroup, const char *name, char buffer[NAME_BYTES])
{
    snprintf(buffer, NAME_BYTES, "%s%s", name, cgroup->owner);
    return buffer;
}

static bool make_group(const struct cgroup *cgroup, const char *group)
{
    char path[2 * CGROUP_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", cgroup->own, group);
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

static void remove_group(const struct cgroup *cgroup, const char *group)
{
    char path[2 * CGROUP_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", cgroup->own, group);
    rmdir(path);
}

/* Removes those of our groups that are empty: the kernel keeps the others. Only when nobody waits for what is
 * counted in one of them. */
static void sweep(const struct cgroup *cgroup)
{
    DIR *folder = opendir(cgroup->own);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        size_t length = strlen(entry->d_name), end = strlen(cgroup->owner);
        if (length > end && strcmp(entry->d_name + length - end, cgroup->owner) == 0)
            remove_group(cgroup, entry->d_name);
    }
    if (folder != NULL)
        closedir(folder);
}

/* One after the other, as the kernel takes them. */
static void move_processes(const struct cgroup *cgroup, const char *from, const char *to)
{
    char list[LIST_BYTES], *rest = list;
    read_file(cgroup->own, from, "cgroup.procs", list, sizeof list);
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
        if (*line != '\0')
            (void)write_file(cgroup->own, to, "cgroup.procs", line); /* one that ended just now */
}

static bool hand_on(const struct cgroup *cgroup, const char *controller)
{
    return write_file(cgroup->own, ".", "cgroup.subtree_control", controller);
}

/* The controller is handed on, for which the folder must have no processes. */
static bool make_room(const struct cgroup *cgroup, const char *controller)
{
    if (cgroup->is_root)
        return hand_on(cgroup, controller);
    if (!make_group(cgroup, ours))
        return false;
    for (int i = 0; i < MOVES_MAX; i++) {
        move_processes(cgroup, ".", ours);
        if (hand_on(cgroup, controller))
            return true;
        if (errno != EBUSY)
            return false;
    }
    return false;
}

/* Hands the controller on. */
static bool divide(struct cgroup *cgroup, const char *controller)
{
    char before[1024];
    bool is_cpu = strcmp(controller, "+cpu") == 0;
    read_file(cgroup->own, ".", "cgroup.subtree_control", before, sizeof before);
    if (!make_room(cgroup, controller))
        return false;
    if (!has_word(before, controller + 1))
        *(is_cpu ? &cgroup->switched.cpu : &cgroup->switched.memory) = true;
    return true;
}

/* What may be divided; says why nothing may. */
static struct cgroup_powers find_powers(const char *own)
{
    struct cgroup_powers powers = powers_of(own), none = {0};
    pid_t stranger = powers.memory || powers.cpu ? who_is_against(own) : -1;
    if (stranger == -1)
        return powers;
    log_warning(
        "%s: this control group is left as it is, since process %ld in it is not ours and nobody gave "
        "the group to us: limits need one of our own (with systemd: a service with Delegate=yes)",
        own, (long)stranger);
    return none;
}

void cgroup_give(const char *own, uid_t uid, gid_t gid)
{
    static const char *const parts[] = {"", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"};
    struct cgroup_powers powers = cgroup_powers(own);
    char path[2 * CGROUP_PATH_BYTES + sizeof ours];
    if (is_root(own) || (!powers.memory && !powers.cpu))
        return;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        snprintf(path, sizeof path, "%s%s", own, parts[i]);
        (void)!chown(path, uid, gid); /* whoever cannot divide it says so when that is wanted */
        snprintf(path, sizeof path, "%s/%s%s", own, ours, parts[i]);
        (void)!chown(path, uid, gid);
    }
    snprintf(path, sizeof path, "%s/%s/cpu.weight", own, ours);
    (void)!chown(path, uid, gid);
}

struct cgroup *cgroup_new(const char *own, const char *owner)
{
    struct cgroup *cgroup = object_alloc(sizeof *cgroup);
    struct cgroup_powers could = find_powers(own);
    cgroup->own = object_strdup(own);
    cgroup->is_root = is_root(own);
    snprintf(cgroup->owner, sizeof cgroup->owner, "-%016llx",
             (unsigned long long)fnv_add(FNV_START, owner, strlen(owner)));
    if ((could.memory && divide(cgroup, "+memory")) || (!could.memory && could.cpu && divide(cgroup, "+cpu")))
        cgroup->powers = could;
    sweep(cgroup);
    return cgroup;
}

/* Folders below it, but for that of our own processes: somebody is held there, by us or by another. */
static bool has_groups(const struct cgroup *cgroup)
{
    DIR *folder = opendir(cgroup->own);
    bool found = false;
    for (struct dirent *entry; folder != NULL && !found && (entry = readdir(folder)) != NULL;)
        found = entry->d_type == DT_DIR && entry->d_name[0] != '.' && strcmp(entry->d_name, ours) != 0;
    if (folder != NULL)
        closedir(folder);
    return found;
}

/* Leaves the folder as it was, unless somebody still needs it divided. In the root of all groups nobody could
 * be seen who needs it, and nobody had to move. */
static void undo(const struct cgroup *cgroup)
{
    bool switched = cgroup->switched.memory || cgroup->switched.cpu;
    if (cgroup->is_root || !switched || has_groups(cgroup) || find_stranger(cgroup->own, ours) != -1)
        return;
    if (cgroup->switched.cpu)
        (void)hand_on(cgroup, "-cpu");
    if (cgroup->switched.memory)
        (void)hand_on(cgroup, "-memory");
    move_processes(cgroup, ours, ".");
    remove_group(cgroup, ours);
}

void cgroup_free(struct cgroup *cgroup)
{
    if (cgroup == NULL)
        return;
    sweep(cgroup);
    undo(cgroup);
    free(cgroup->own);
    free(cgroup);
}

struct cgroup_powers cgroup_has(const struct cgroup *cgroup)
{
    return cgroup->powers;
}

/* ---- processors ---- */

/* Groups share the processors as if they were processes: that of our own, which holds many, counts for many.
 * In the root of all groups each counts for itself. */
void cgroup_weigh(const struct cgroup *cgroup)
{
    char list[LIST_BYTES], text[32];
    long weight = 0;
    if (!cgroup->shares_cpu || cgroup->is_root)
        return;
    read_file(cgroup->own, ours, "cgroup.procs", list, sizeof list);
    for (const char *end = strchr(list, '\n'); end != NULL; end = strchr(end + 1, '\n'))
        weight += WEIGHT_OF_ONE;
    snprintf(text, sizeof text, "%ld",
             weight < WEIGHT_OF_ONE ? WEIGHT_OF_ONE
             : weight > WEIGHT_MAX  ? WEIGHT_MAX
                                    : weight);
    (void)write_file(cgroup->own, ours, "cpu.weight", text);
}

bool cgroup_share_cpu(struct cgroup *cgroup)
{
    if (cgroup->shares_cpu || !cgroup->powers.cpu)
        return false;
    cgroup->shares_cpu = divide(cgroup, "+cpu");
    cgroup_weigh(cgroup);
    return cgroup->shares_cpu;
}

bool cgroup_shares_cpu(const struct cgroup *cgroup)
{
    return cgroup->shares_cpu;
}

static bool limit_cpu(const struct cgroup *cgroup, const char *group, const struct cgroup_limits *limits)
{
    char text[64];
    snprintf(text, sizeof text, "%lld %d", (long long)limits->cpu_percent * CPU_PERIOD_US / 100,
             CPU_PERIOD_US);
    if (limits->cpu_percent > 0 && !write_file(cgroup->own, group, "cpu.max", text))
        return false;
    if (!write_file(cgroup->own, group, "cpu.idle", limits->idle ? "1" : "0")) { /* of Linux 5.15 */
        snprintf(text, sizeof text, "%d", limits->idle ? WEIGHT_MIN : WEIGHT_OF_ONE);
        (void)write_file(cgroup->own, group, "cpu.weight", text);
    }
    return true;
}

/* ---- memory ---- */

static bool limit_memory(const struct cgroup *cgroup, const char *group, const struct cgroup_limits *limits)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)limits->memory_mb * 1024 * 1024);
    if (limits->memory_mb <= 0)
        return true;
    (void)write_file(cgroup->own, group, "memory.swap.max", "0"); /* not there without swap */
    (void)write_file(cgroup->own, group, "memory.oom.group", "1");
    return write_file(cgroup->own, group, "memory.max", text);
}

int64_t cgroup_kills(const struct cgroup *cgroup, const char *name)
{
    char events[1024], group[NAME_BYTES];
    long long kills = 0;
    read_file(cgroup->own, group_of(cgroup, name, group), "memory.events", events, sizeof events);
    const char *line = strstr(events, "oom_kill ");
    return line != NULL && sscanf(line, "oom_kill %lld", &kills) == 1 ? kills : 0;
}

/* ---- groups ---- */

bool cgroup_hold(const struct cgroup *cgroup, const char *name, const struct cgroup_limits *limits, pid_t pid)
{
    char text[32], buffer[NAME_BYTES];
    const char *group = group_of(cgroup, name, buffer);
    remove_group(cgroup, group); /* of the process before: what was counted there does not count any more */
    if (!make_group(cgroup, group) || (cgroup->powers.memory && !limit_memory(cgroup, group, limits)) ||
        (cgroup->shares_cpu && !limit_cpu(cgroup, group, limits)))
        return false;
    snprintf(text, sizeof text, "%ld", (long)pid);
    bool held = write_file(cgroup->own, group, "cgroup.procs", text);
    cgroup_weigh(cgroup); /* ours has one less */
    return held;
}

void cgroup_drop(const struct cgroup *cgroup, const char *name)
{
    char group[NAME_BYTES];
    (void)write_file(cgroup->own, group_of(cgroup, name, group), "cgroup.kill", "1"); /* of Linux 5.14 */
    remove_group(cgroup, group);
}
