/* runtime: owns the runtime directory from the start of the supervisor to its end.
 *
 * The lock comes first, since everything after it replaces what an earlier supervisor may still use. The
 * FastCGI socket is made here and not by the frontends, so that it outlives each of them: while one is
 * started again, new connections wait in its backlog and nobody is refused.
 *
 * It outlives a supervisor, too, in the frontends, and the next one gets it back from any of them
 * (pidfd_getfd). That is better than a new socket at the same path, which would refuse nobody either: the
 * frontends stay what they are, and connections that wait in the backlog keep their place. A new socket is
 * made when there is no frontend left, or the kernel refuses (a user who is not root where ptrace is
 * restricted); frontends of the old one are then replaced one by one, and work off what waits there before.
 * Where systemd makes the socket (outrigger.socket) it outlives all of us, and is neither made nor removed
 * here.
 * SPDX-License-Identifier: MIT */
#include "runtime.h"

#include "clock.h"
#include "log.h"
#include "process.h"
#include "unix_socket.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIRECTORY_MODE = 0750 };

/* A process that a supervisor was just starting when it was killed has its lock until its own program runs,
 * or it finds out that nobody starts it any more. Only then is it what the ledger says. */
#define LOCK_PATIENCE (2 * SECOND)
#define LOCK_LOOK     (5 * MILLISECOND)

struct runtime {
    const struct config *config;
    int lock;
    int listen_fd;
    bool managed; /* the listening socket's path is a service manager's */
    bool made_directory;
    long long wait_logged; /* log_allowed's */
};

char *runtime_path(const struct config *config, const char *name, char *path)
{
    snprintf(path, RUNTIME_PATH_BYTES, "%s/%s", config->runtime_directory, name);
    return path;
}

/* ---- making ---- */

static bool make_directory(const char *path)
{
    if (process_make_directory(path, DIRECTORY_MODE) == 0)
        return true;
    log_error("%s: %s", path, strerror(errno));
    return false;
}

static bool take_lock(struct runtime *runtime)
{
    char path[RUNTIME_PATH_BYTES];
    const struct timespec pause = {.tv_nsec = LOCK_LOOK};
    int64_t until = clock_now() + LOCK_PATIENCE;
    runtime_path(runtime->config, "supervisor.lock", path);
    while ((runtime->lock = process_lock(path)) == -1 && errno == EWOULDBLOCK && clock_now() < until) {
        if (log_allowed(&runtime->wait_logged, 60))
            log_info("%s: somebody has it; waiting for a moment", path);
        nanosleep(&pause, NULL);
    }
    if (runtime->lock != -1)
        return true;
    if (errno == EWOULDBLOCK)
        log_error("%s: another supervisor runs here already", path);
    else
        log_error("%s: %s", path, strerror(errno));
    return false;
}

/* That which the folder gives when none is configured; but ours where workers have a user of their own, since
 * the folder gives theirs. False after a complaint. */
static bool socket_group(const struct config *config, gid_t *group)
{
    *group = *config->worker_user == '\0' ? (gid_t)-1 : getegid();
    if (*config->frontend_socket_group == '\0')
        return true;
    const struct group *entry = getgrnam(config->frontend_socket_group);
    if (entry == NULL) {
        log_error("frontend.socket_group: there is no group %s", config->frontend_socket_group);
        return false;
    }
    *group = entry->gr_gid;
    return true;
}

/* The web server's group must be able to search the directory that the socket lies in, when that is ours.
 * Where workers have a user of their own everybody is. */
static void open_directory_to(const struct config *config, gid_t group)
{
    struct stat status;
    size_t length = strlen(config->runtime_directory);
    bool inside = strncmp(config->frontend_socket, config->runtime_directory, length) == 0 &&
                  config->frontend_socket[length] == '/';
    if (*config->frontend_socket_group == '\0' || !inside ||
        (stat(config->runtime_directory, &status) == 0 && (status.st_mode & S_IXOTH) != 0))
        return;
    if (lchown(config->runtime_directory, (uid_t)-1, group) == -1)
        log_warning("%s: cannot give it to the group %s (%s): the web server may not reach the socket",
                    config->runtime_directory, config->frontend_socket_group, strerror(errno));
}

bool runtime_listen(struct runtime *runtime, int fd, bool managed)
{
    const struct config *config = runtime->config;
    gid_t group;
    runtime->listen_fd = fd;
    runtime->managed = managed;
    if (fd != -1)
        return true;
    if (!socket_group(config, &group))
        return false;
    open_directory_to(config, group);
    mode_t mode = (mode_t)strtoul(config->frontend_socket_mode, NULL, 8);
    runtime->listen_fd = unix_listen(config->frontend_socket, mode, group, (int)config->frontend_backlog);
    if (runtime->listen_fd == -1)
        log_error("%s: %s", config->frontend_socket, strerror(errno));
    return runtime->listen_fd != -1;
}

struct runtime *runtime_open(const struct config *config)
{
    struct runtime *runtime = object_alloc(sizeof(*runtime));
    *runtime = (struct runtime){.config = config, .lock = -1, .listen_fd = -1};
    runtime->made_directory = access(config->runtime_directory, F_OK) == -1;
    if (make_directory(config->runtime_directory) && take_lock(runtime) &&
        make_directory(config->state_directory))
        return runtime;
    runtime_abandon(runtime);
    return NULL;
}

void runtime_abandon(struct runtime *runtime)
{
    if (runtime == NULL)
        return;
    char path[RUNTIME_PATH_BYTES];
    if (runtime->listen_fd != -1)
        close(runtime->listen_fd);
    process_unlock(runtime_path(runtime->config, "supervisor.lock", path), runtime->lock);
    free(runtime);
}

int runtime_listen_fd(const struct runtime *runtime)
{
    return runtime->listen_fd;
}

/* ---- leaving nothing behind ---- */

/* What processes that were killed could not remove. By name: the directory may be one that others use too. */
static void remove_known_files(const struct config *config)
{
    static const char *const names[] = {"broker.sock",    "broker.lock",      "collector.sock",
                                        "collector.lock", "stats.ipc",        "stats-out.ipc",
                                        "exposition.ipc", "observations.ipc", "processes.json",
                                        "failures.table", "history.run"};
    char path[RUNTIME_PATH_BYTES];
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unlink(runtime_path(config, names[i], path));
    const char *const endpoints[] = {config->broker_askers, config->broker_workers};
    for (size_t i = 0; i < COUNT_OF(endpoints); i++)
        if (strncmp(endpoints[i], "ipc://", 6) == 0)
            unlink(endpoints[i] + 6);
}

/* One of the folders that are ours alone. */
static void remove_folder(const struct config *config, const char *name)
{
    char directory[RUNTIME_PATH_BYTES];
    DIR *files = opendir(runtime_path(config, name, directory));
    if (files == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(files)) != NULL)
        if (entry->d_type == DT_REG)
            unlinkat(dirfd(files), entry->d_name, 0);
    closedir(files);
    rmdir(directory);
}

void runtime_close(struct runtime *runtime)
{
    if (runtime == NULL)
        return;
    const struct config *config = runtime->config;
    char path[RUNTIME_PATH_BYTES];
    close(runtime->listen_fd);
    if (!runtime->managed)
        unlink(config->frontend_socket);
    remove_known_files(config);
    remove_folder(config, "stats");  /* the pages of counters */
    remove_folder(config, "flight"); /* the last requests of frontends */
    process_unlock(runtime_path(config, "supervisor.lock", path), runtime->lock);
    if (runtime->made_directory)
        rmdir(config->runtime_directory); /* refused when somebody else put something there: rightly */
    free(runtime);
}
