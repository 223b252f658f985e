/* shared_table: see shared_table.h. What frontends count together (failures.c, key_uses.c) outlives each of
 * them in such a file; how its words change without a lock is theirs to say. SPDX-License-Identifier: MIT */
#include "shared_table.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

void *shared_table_map(const char *path, size_t bytes)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd == -1)
        return MAP_FAILED;
    /* Not a hole: writing to one when the disk is full would be the end of the process. */
    int error = posix_fallocate(fd, 0, (off_t)bytes);
    void *table = MAP_FAILED;
    if (error == 0)
        table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (error == 0 && table == MAP_FAILED)
        error = errno;
    close(fd);
    errno = error;
    return table;
}
