/* mapped_file: see mapped_file.h. SPDX-License-Identifier: MIT */
#include "mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

uint8_t *mapped_file(const char *path, size_t *length)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return NULL;
    void *bytes = MAP_FAILED;
    int error = 0;
    if (fstat(fd, &status) != 0)
        error = errno;
    else if (!S_ISREG(status.st_mode) || status.st_size == 0)
        error = S_ISREG(status.st_mode) ? ENODATA : EISDIR;
    else if ((bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        error = errno;
    else
        *length = (size_t)status.st_size;
    close(fd);
    errno = error;
    return bytes == MAP_FAILED ? NULL : bytes;
}
