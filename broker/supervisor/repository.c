/* repository: inotify on three levels of folders. It does not say what has changed: the repository is read
 * again as a whole, so that a change whose notice got lost costs nothing but time, and what is still being
 * written is found out from the files themselves (stamp.h).
 *
 * A folder has one watch however often it is asked for; the table keeps which are still wanted.
 * SPDX-License-Identifier: MIT */
#include "repository.h"

#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    REPOSITORY_MAGIC = 0x4e905170,
    LEVELS = 3,         /* the repository, its models, their versions */
    WATCHES_MAX = 65536 /* of all: 64 versions of each model that a CATALOG can tell of */
};

#define EVENTS                                                                                               \
    (IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |          \
     IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct repository {
    unsigned magic;
    struct loop *loop;
    char *directory;
    loop_call *changed;
    void *self;
    int fd;       /* -1: the kernel gave none */
    int *watches; /* those of the last look */
    size_t count;
    int *fresh; /* during a look: those that are wanted */
    size_t fresh_count;
    bool sees_all;
    long long complained; /* log_allowed's */
};

/* ---- what the kernel tells ---- */

static void readable(void *self, int fd, uint32_t events)
{
    struct repository *repository = self;
    char buffer[16384];
    ssize_t length;
    bool any = false;
    (void)events;
    while ((length = read(fd, buffer, sizeof(buffer))) > 0 || (length == -1 && errno == EINTR))
        any = any || length > 0;
    if (any)
        repository->changed(repository->self);
}

/* ---- what is watched ---- */

static void blind(struct repository *repository, const char *path)
{
    repository->sees_all = false;
    if (log_allowed(&repository->complained, 60))
        log_warning("%s: cannot be watched: %s", path, strerror(errno));
}

static bool watch(struct repository *repository, const char *path)
{
    if (repository->fresh_count == WATCHES_MAX)
        errno = ENOSPC;
    int number =
        repository->fresh_count == WATCHES_MAX ? -1 : inotify_add_watch(repository->fd, path, EVENTS);
    if (number != -1)
        repository->fresh[repository->fresh_count++] = number;
    else if (errno != ENOENT && errno != ENOTDIR) /* it went meanwhile */
        blind(repository, path);
    return number != -1;
}

static bool is_folder(int folder, const char *name)
{
    struct stat status;
    return name[0] != '.' && fstatat(folder, name, &status, 0) == 0 && S_ISDIR(status.st_mode);
}

static void watch_tree(struct repository *repository, const char *path, int levels)
{
    if (!watch(repository, path) || levels == 1)
        return;
    DIR *folder = opendir(path);
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char *inner;
        if (!is_folder(dirfd(folder), entry->d_name))
            continue;
        ENSURE(asprintf(&inner, "%s/%s", path, entry->d_name) >= 0);
        watch_tree(repository, inner, levels - 1);
        free(inner);
    }
    if (folder != NULL)
        closedir(folder);
}

static int by_value(const void *left, const void *right)
{
    return (*(const int *)left > *(const int *)right) - (*(const int *)left < *(const int *)right);
}

void repository_rescan(struct repository *repository)
{
    CHECK_OBJECT(repository, REPOSITORY_MAGIC);
    if (repository->fd == -1)
        return;
    repository->sees_all = true;
    repository->fresh = object_alloc(WATCHES_MAX * sizeof(int));
    repository->fresh_count = 0;
    watch_tree(repository, repository->directory, LEVELS);
    if (repository->fresh_count == 0)
        repository->sees_all = false;
    qsort(repository->fresh, repository->fresh_count, sizeof(int), by_value);
    for (size_t i = 0; i < repository->count; i++)
        if (bsearch(&repository->watches[i], repository->fresh, repository->fresh_count, sizeof(int),
                    by_value) == NULL)
            inotify_rm_watch(repository->fd, repository->watches[i]); /* gone already, mostly */
    free(repository->watches);
    repository->watches = realloc(repository->fresh, (repository->fresh_count + 1) * sizeof(int));
    ENSURE(repository->watches != NULL);
    repository->count = repository->fresh_count;
    repository->fresh = NULL;
}

bool repository_sees_all(const struct repository *repository)
{
    CHECK_OBJECT(repository, REPOSITORY_MAGIC);
    return repository->sees_all;
}

/* ---- life ---- */

struct repository *repository_new(struct loop *loop, const char *models_directory, loop_call *changed,
                                  void *self)
{
    struct repository *repository = object_alloc(sizeof(*repository));
    repository->magic = REPOSITORY_MAGIC;
    repository->loop = loop;
    repository->directory = object_strdup(models_directory);
    repository->changed = changed;
    repository->self = self;
    repository->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (repository->fd == -1)
        blind(repository, models_directory);
    else
        ENSURE(loop_add(loop, repository->fd, EPOLLIN, readable, repository) == 0);
    repository_rescan(repository);
    return repository;
}

void repository_free(struct repository *repository)
{
    if (repository == NULL)
        return;
    CHECK_OBJECT(repository, REPOSITORY_MAGIC);
    if (repository->fd != -1) {
        loop_remove(repository->loop, repository->fd);
        close(repository->fd);
    }
    free(repository->watches);
    free(repository->directory);
    repository->magic = 0;
    free(repository);
}
