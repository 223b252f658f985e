/* sandbox: see sandbox.h; in which order rights are given up. Everything that is needed to name a refused
 * call is made first, since making it opens files. SPDX-License-Identifier: MIT */
#include "sandbox.h"

#include "sandbox_filter.h"
#include "sandbox_places.h"
#include "sandbox_trap.h"
#include "sandbox_watch.h"

#include "log.h"
#include "object.h"

#include <dirent.h>
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LANDLOCK_CREATE = 444, LANDLOCK_VERSION = 1, LANDLOCK_USED = 6 };

/* Sanitizers have threads of their own, take SIGSYS for themselves, read and trace the process when they find
 * something, and start others: with them seccomp is left out. Landlock stays. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

/* ---- lists ---- */

static void add(const char **list, size_t most, const char *text)
{
    size_t i = 0;
    if (text == NULL || *text == '\0')
        return;
    while (i < most && list[i] != NULL && strcmp(list[i], text) != 0)
        i++;
    ENSURE(i < most);
    list[i] = text;
}

void sandbox_may_read(struct sandbox *sandbox, const char *path)
{
    add(sandbox->read, SANDBOX_PATHS_MAX, path);
}

void sandbox_may_write(struct sandbox *sandbox, const char *path)
{
    add(sandbox->write, SANDBOX_PATHS_MAX, path);
}

void sandbox_may_reach(struct sandbox *sandbox, const char *endpoint)
{
    add(sandbox->peers, SANDBOX_PEERS_MAX, endpoint);
}

/* ---- what the kernel has ---- */

struct sandbox_powers sandbox_powers(void)
{
    long version = syscall(LANDLOCK_CREATE, NULL, 0, LANDLOCK_VERSION);
    unsigned interface = seccomp_api_get(); /* 3: the filters that we need; 5: asking a descriptor */
    return (struct sandbox_powers){
        .landlock = version < 0 ? 0 : (int)version, .seccomp = interface >= 1, .notify = interface >= 5};
}

/* ---- limits ---- */

static void limit(int what, rlim_t most)
{
    struct rlimit now;
    if (getrlimit(what, &now) != 0)
        return;
    now.rlim_max = most < now.rlim_max ? most : now.rlim_max;
    now.rlim_cur = now.rlim_cur < now.rlim_max ? now.rlim_cur : now.rlim_max;
    (void)setrlimit(what, &now); /* lowering is always allowed */
}

static bool writes_into_file(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* No limit of processes: it would count all of the user's, and seccomp allows none at all. */
static void set_limits(const struct sandbox *sandbox)
{
    struct rlimit files;
    bool worker = sandbox->role == SANDBOX_WORKER || sandbox->role == SANDBOX_PYTHON_WORKER;
    if (sandbox->role != SANDBOX_SUPERVISOR && getrlimit(RLIMIT_NOFILE, &files) == 0)
        limit(RLIMIT_NOFILE, files.rlim_cur); /* as many as it asked for, for good */
    /* A worker writes no files, except that its log may be one when it was started by hand. */
    if (worker && !writes_into_file(STDOUT_FILENO) && !writes_into_file(STDERR_FILENO))
        limit(RLIMIT_FSIZE, 0);
}

/* ---- entering ---- */

static size_t thread_count(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/task");
    if (folder == NULL)
        return 1;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static bool fail(char *reason, size_t capacity, const char *what)
{
    snprintf(reason, capacity, "%s: %s", what, strerror(errno));
    return false;
}

static struct sandbox_judge *judge_new(const struct sandbox *sandbox, char *reason, size_t capacity)
{
    const struct sealed *sealed = sealed_new(sandbox, reason, capacity);
    if (sealed == NULL)
        return NULL;
    struct sandbox_judge *judge = object_alloc(sizeof *judge);
    judge->sealed = sealed;
    judge->word = sandbox_policy_of(sandbox->role)->word;
    judge->name = object_strdup(sandbox->name);
    judge->groups = sandbox_policy_of(sandbox->role)->groups;
    judge->landlock = sandbox_powers().landlock > 0;
    judge->goes_on = sandbox->role != SANDBOX_WORKER;
    judge->network_out = sandbox->network_out;
    judge->places = places_new(sandbox);
    judge->names = call_names_new();
    return judge;
}

/* Where nobody will ask it; else it is for good. */
static void judge_free(struct sandbox_judge *judge)
{
    places_free(judge->places);
    call_names_free(judge->names);
    free((char *)judge->name);
    free(judge);
}

static bool lock_files(const struct sandbox *sandbox, const struct sandbox_judge *judge, char *reason,
                       size_t capacity)
{
    int version = sandbox_powers().landlock;
    if (sandbox_policy_of(sandbox->role)->places == NULL)
        return true;
    if (version == 0) {
        log_warning("sandbox: this kernel has no Landlock: a program that knows how can open other files");
        return true;
    }
    if (places_lock(judge->places, sandbox, version < LANDLOCK_USED ? version : LANDLOCK_USED) == 0)
        return true;
    return fail(reason, capacity, "Landlock");
}

/* Mode "log": nothing is locked. */
static bool watch_calls(const struct sandbox *sandbox, const struct sandbox_judge *judge, char *reason,
                        size_t capacity)
{
    int notify;
    bool everything = sandbox->role == SANDBOX_SUPERVISOR;
    if (!everything && !sandbox_powers().notify) {
        log_warning("sandbox: this kernel cannot tell which calls would be refused");
        return true;
    }
    struct watch_thread *thread = everything ? NULL : watch_new(judge);
    if (!everything && thread == NULL)
        return fail(reason, capacity, "a thread");
    bool loaded = filter_load(sandbox, judge->sealed, &notify, reason, capacity);
    if (thread != NULL)
        watch_begin(thread, notify);
    return loaded;
}

static bool stop_calls(const struct sandbox *sandbox, const struct sandbox_judge *judge, char *reason,
                       size_t capacity)
{
    int notify;
    if (!sandbox_powers().seccomp) {
        log_warning("sandbox: this kernel has no seccomp: system calls are not restricted");
        return true;
    }
    if (!trap_set(judge))
        return fail(reason, capacity, "SIGSYS");
    return filter_load(sandbox, judge->sealed, &notify, reason, capacity);
}

static bool give_up(const struct sandbox *sandbox, const struct sandbox_judge *judge, char *reason,
                    size_t capacity)
{
    set_limits(sandbox);
    if (!SANITIZED && sandbox_powers().seccomp && !call_prepare())
        return fail(reason, capacity, "/proc/self/mem");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail(reason, capacity, "no_new_privs");
    return lock_files(sandbox, judge, reason, capacity) &&
           (SANITIZED || stop_calls(sandbox, judge, reason, capacity));
}

bool sandbox_enter(const struct sandbox *sandbox, char *reason, size_t capacity)
{
    bool watched = strcmp(sandbox->mode, "log") == 0;
    if (strcmp(sandbox->mode, "off") == 0)
        return true;
    if (!SANITIZED && thread_count() > 1) {
        snprintf(reason, capacity, "there are threads already, which would keep their rights");
        return false;
    }
    log_keep_stderr();
    struct sandbox_judge *judge = judge_new(sandbox, reason, capacity);
    if (judge == NULL)
        return false;
    bool entered = watched ? SANITIZED || watch_calls(sandbox, judge, reason, capacity)
                           : give_up(sandbox, judge, reason, capacity);
    if (SANITIZED)
        judge_free(judge);
    return entered;
}

void sandbox_enter_or_exit(const struct sandbox *sandbox)
{
    char reason[512] = "";
    if (sandbox_enter(sandbox, reason, sizeof reason))
        return;
    log_error("sandbox: %s; sandbox.mode = \"off\" goes without", reason);
    exit(1);
}
