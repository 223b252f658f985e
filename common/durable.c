/* durable: what must last is written beside the old, brought to the disk, and put in its place; the name is
 * on the disk only when its folder is. SPDX-License-Identifier: MIT */
#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_whole(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written == -1 && errno != EINTR)
            return false;
        text += written == -1 ? 0 : written;
        length -= written == -1 ? 0 : (size_t)written;
    }
    return true;
}

static void close_quietly(int fd)
{
    int error = errno;
    if (fd != -1)
        close(fd);
    errno = error;
}

static bool sync_folder(const char *path)
{
    char *copy = object_strdup(path);
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = folder != -1 && fsync(folder) == 0;
    close_quietly(folder);
    free(copy);
    return good;
}

/* Whoever may read the file may do so only when it has its owner. */
static bool dress(int fd, mode_t mode, uid_t owner, gid_t group)
{
    bool other = owner != (uid_t)-1 || group != (gid_t)-1;
    return (!other || fchown(fd, owner, group) == 0) && fchmod(fd, mode) == 0;
}

int durable_write(const char *path, const char *text, size_t length)
{
    return durable_write_as(path, text, length, 0600, (uid_t)-1, (gid_t)-1);
}

int durable_write_as(const char *path, const char *text, size_t length, mode_t mode, uid_t owner, gid_t group)
{
    char *fresh;
    ENSURE(asprintf(&fresh, "%s.new", path) >= 0);
    unlink(fresh); /* it may be another name of any file: root writes into folders of users, too */
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = fd != -1 && dress(fd, mode, owner, group) && write_whole(fd, text, length) && fsync(fd) == 0;
    close_quietly(fd);
    good = good && rename(fresh, path) == 0 && sync_folder(path);
    int error = errno;
    free(fresh);
    errno = error;
    return good ? 0 : -1;
}

int durable_append(const char *path, const char *text, size_t length)
{
    bool made = access(path, F_OK) != 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = fd != -1 && write_whole(fd, text, length) && fsync(fd) == 0;
    close_quietly(fd);
    return good && (!made || sync_folder(path)) ? 0 : -1;
}
