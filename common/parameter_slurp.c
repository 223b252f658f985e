/* parameter_slurp: a configuration file as one text, or the reason why not. Only regular files of a bounded
 * size: a pipe could hold the process, a device could fill its memory. SPDX-License-Identifier: MIT */
#include "parameter_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads up to `size` bytes; returns how many there were, -1 with errno. */
static ssize_t read_all(int fd, char *bytes, size_t size)
{
    size_t length = 0;
    while (length < size) {
        ssize_t got = read(fd, bytes + length, size - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        length += (size_t)got;
    }
    return (ssize_t)length;
}

/* Why a file with that status is not read; NULL when it is. */
static const char *unfit(const struct stat *status)
{
    if (S_ISDIR(status->st_mode))
        return "is a folder";
    if (!S_ISREG(status->st_mode))
        return "is no regular file";
    return status->st_size > PARAMETER_FILE_MAX ? "is larger than 16 MiB" : NULL;
}

char *parameter_slurp(const char *file, const char **reason)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        *reason = strerror(errno);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    char *text = NULL;
    *reason = unfit(&status);
    if (*reason == NULL) {
        text = object_alloc((size_t)status.st_size + 1);
        ssize_t length = read_all(fd, text, (size_t)status.st_size);
        if (length < 0)
            *reason = strerror(errno);
        else if (memchr(text, '\0', (size_t)length) != NULL)
            *reason = "has zero bytes in it";
    }
    close(fd);
    if (*reason != NULL) {
        free(text);
        text = NULL;
    }
    return text;
}
