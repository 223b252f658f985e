/* unix_socket: see unix_socket.h. The control sockets and the FastCGI socket are made here; ZeroMQ makes its
 * own.
 *
 * A socket that is bound at its final path exists for a moment with the wrong mode, and refuses connections
 * until listen. So it is bound under another name, finished, and renamed. (Tools that ask the
 * kernel for the socket's name go on seeing the first one, with a ~ at its end.)
 * SPDX-License-Identifier: MIT */
#include "unix_socket.h"

#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool address_of(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof(address->sun_path)) {
        errno = path[0] == '\0' ? ENOENT : ENAMETOOLONG;
        return false;
    }
    text_copy(text_of(path), address->sun_path, sizeof(address->sun_path));
    return true;
}

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Closes and keeps errno. */
static int close_failed(int fd)
{
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Only of the socket that was made, not of what lies at its name by now: who gives files away may do so with
 * a right of root, in a folder that others can write. */
static bool give_group(const char *path, gid_t group)
{
    struct stat status;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bool good = fd != -1 && fstat(fd, &status) == 0;
    if (good && (!S_ISSOCK(status.st_mode) || status.st_uid != geteuid())) {
        errno = EPERM;
        good = false;
    }
    good = good && fchownat(fd, "", (uid_t)-1, group, AT_EMPTY_PATH) == 0;
    if (fd != -1)
        close_failed(fd);
    return good;
}

int unix_listen(const char *path, mode_t mode, gid_t group, int backlog)
{
    struct sockaddr_un final;
    char temporary[sizeof(final.sun_path) + 1];
    struct sockaddr_un address;
    if (!address_of(path, &final))
        return -1;
    snprintf(temporary, sizeof(temporary), "%s~", path);
    if (!address_of(temporary, &address))
        return -1;
    int fd = new_socket();
    if (fd == -1)
        return -1;
    unlink(temporary);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
        return close_failed(fd);
    /* The group first: chmod after it, since chown may take mode bits away. */
    if ((group == (gid_t)-1 || give_group(temporary, group)) && chmod(temporary, mode) == 0 &&
        listen(fd, backlog) == 0 && rename(temporary, path) == 0)
        return fd;
    close_failed(fd);
    int error = errno;
    unlink(temporary);
    errno = error;
    return -1;
}

int unix_open_to_group(const char *path)
{
    return chmod(path, 0660);
}

bool unix_listens_at(int fd, const char *path)
{
    struct sockaddr_un name = {0};
    socklen_t length = sizeof(name), option_length = sizeof(int);
    int listening = 0;
    struct stat status;
    char first[sizeof(name.sun_path) + 1];
    snprintf(first, sizeof(first), "%s~", path);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &option_length) == 0 && listening &&
           getsockname(fd, (struct sockaddr *)&name, &length) == 0 && name.sun_family == AF_UNIX &&
           (strncmp(name.sun_path, first, sizeof(name.sun_path)) == 0 ||
            strncmp(name.sun_path, path, sizeof(name.sun_path)) == 0) &&
           stat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

int unix_connect(const char *path)
{
    struct sockaddr_un address;
    if (!address_of(path, &address))
        return -1;
    int fd = new_socket();
    if (fd != -1 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
        return close_failed(fd);
    return fd;
}
