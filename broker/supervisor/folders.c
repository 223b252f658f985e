/* folders: see folders.h.
 *
 *     RUNTIME        the user's; where workers have one of their own 2711 with that one's group: all may pass
 *                    through, the user alone may look into it, and what is made in it has the group, so that
 *                    the two sockets which workers connect to can be opened to them
 *     RUNTIME/stats  likewise 3770: each makes its own page of counters and removes no other
 *     STATE          the user's, 0750; 0710 with the workers' group where models_directory lies in it
 *
 * Nothing below them is given to anybody: what is in a folder that a user can write may be a link to
 * something else by the time that root changes its owner. For the same reason it is the folder itself that is
 * opened, looked at and given away, never its path, and only where nobody but root can have put it there.
 * Called by descent.c, as root. SPDX-License-Identifier: MIT */
#include "folders.h"

#include "log.h"
#include "process.h"
#include "safety.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { USUAL = 0750, PASSAGE = 02711, PAGES = 03770, ABOVE_MODELS = 0710 };

struct owner {
    const char *name;
    uid_t uid;
    gid_t gid;
};

static bool complain(const char *path)
{
    log_error("%s: %s", path, strerror(errno));
    return false;
}

/* Opens the folder itself, not what a link in its place leads to. *ours: nobody but root can have put it
 * there. */
static int open_folder(const char *path, bool *ours)
{
    struct stat status;
    char *above = object_strdup(path), *name = object_strdup(path);
    int fd = -1, parent = open(dirname(above), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent != -1 && fstat(parent, &status) == 0) {
        *ours = status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
        fd = openat(parent, basename(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    int error = errno;
    if (parent != -1)
        close(parent);
    free(above);
    free(name);
    errno = error;
    return fd;
}

/* Opens the folder, which is the owner's then; *fresh: it was made or given just now. -1 after a complaint.
 */
static int take(const char *path, const struct owner *owner, bool *fresh)
{
    struct stat status;
    bool ours = false;
    int fd = process_make_directory(path, USUAL) == -1 ? -1 : open_folder(path, &ours);
    if (fd == -1 || fstat(fd, &status) == -1) {
        complain(path);
    } else if (status.st_uid == owner->uid) {
        *fresh = false;
        return fd;
    } else if (!ours) { /* it may be anybody's, moved there */
        log_error("%s: does not belong to the user %s, and others than root can write the folder it lies in: "
                  "chown -R %s: %s, or name another folder",
                  path, owner->name, owner->name, path);
    } else if (!safety_is_empty(fd)) { /* of which safety.c says what to do */
        log_error("%s: does not belong to the user %s, and is not empty", path, owner->name);
    } else if (fchown(fd, owner->uid, owner->gid) == -1) {
        complain(path);
    } else {
        *fresh = true;
        return fd;
    }
    if (fd != -1)
        close(fd);
    return -1;
}

/* The group first, since changing it may take mode bits away. The kernel leaves out the bit by which the
 * group is handed on, without an error, when a container's root has not the right to set it. */
static bool open_to(int fd, const struct owner *owner, gid_t group, mode_t mode)
{
    struct stat status;
    if (fchown(fd, owner->uid, group) == -1 || fchmod(fd, mode) == -1 || fstat(fd, &status) == -1)
        return false;
    if ((status.st_mode & 07777) == mode)
        return true;
    log_error("worker.user: root has no CAP_FSETID here, with which a folder hands its group on");
    errno = EPERM;
    return false;
}

static bool give_pages(int runtime, const struct owner *owner, gid_t group, mode_t mode)
{
    if (mkdirat(runtime, "stats", 0700) == -1 && errno != EEXIST)
        return false;
    int fd = openat(runtime, "stats", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool good = fd != -1 && open_to(fd, owner, group, mode);
    int error = errno;
    if (fd != -1)
        close(fd);
    errno = error;
    return good;
}

/* When workers have no user of their own any more, what is made there must not have their group either. */
static bool was_passage(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && (status.st_mode & 07777) == PASSAGE;
}

/* Everybody may pass through it from now on, and the workers' group is that of what is made there: /run, or
 * somebody's home, must not become such a folder by a slip. */
static bool is_ours_alone(int fd, const char *path)
{
    if (was_passage(fd) || safety_is_empty(fd) || faccessat(fd, "supervisor.lock", F_OK, 0) == 0)
        return true;
    log_error("%s: others have something in it: with worker.user runtime_directory must be Outrigger's alone",
              path);
    return false;
}

/* Then it is another supervisor's, and who takes its lock will say so. */
static bool is_in_use(int folder)
{
    int fd = openat(folder, "supervisor.lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool locked = fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;
    if (fd != -1)
        close(fd);
    return locked;
}

static bool give_runtime(const struct config *config, const struct owner *owner,
                         const struct account *workers)
{
    bool fresh;
    int fd = take(config->runtime_directory, owner, &fresh);
    bool good = fd != -1;
    if (good && is_in_use(fd))
        good = true;
    else if (good && workers == NULL && was_passage(fd))
        good = (open_to(fd, owner, owner->gid, USUAL) && give_pages(fd, owner, owner->gid, USUAL)) ||
               complain(config->runtime_directory);
    else if (good && workers != NULL && !is_ours_alone(fd, config->runtime_directory))
        good = false;
    else if (good && workers != NULL)
        good = (open_to(fd, owner, workers->gid, PASSAGE) && give_pages(fd, owner, workers->gid, PAGES)) ||
               complain(config->runtime_directory);
    if (fd != -1)
        close(fd);
    return good;
}

static bool is_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

/* An existing one is as somebody wanted it: when workers cannot pass through it, that is said. */
static bool give_state(const struct config *config, const struct owner *owner, const struct account *workers)
{
    const char *path = config->state_directory;
    bool fresh;
    int fd = take(path, owner, &fresh);
    bool good = fd != -1;
    if (good && fresh && workers != NULL && is_below(config->models_directory, path) &&
        !open_to(fd, owner, workers->gid, ABOVE_MODELS))
        good = complain(path);
    if (fd != -1)
        close(fd);
    return good;
}

bool folders_give(const struct config *config, const struct account *service, const struct account *workers)
{
    struct owner owner = {"root", geteuid(), getegid()};
    if (service != NULL)
        owner = (struct owner){service->name, service->uid, service->gid};
    return (service == NULL && workers == NULL) ||
           (give_runtime(config, &owner, workers) && give_state(config, &owner, workers));
}
