/* said: see said.h. Used by whoever runs a program for its answer: the command (inspect.c, measured.c,
 * optimize_tool.c) and the supervisor (upgrade.c).
 * SPDX-License-Identifier: MIT */
#include "said.h"

#include "object.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LAST_BYTES_MAX = 4096 };

int said_new(void)
{
    int fd = memfd_create("said", MFD_CLOEXEC);
    ENSURE(fd >= 0);
    return fd;
}

static char *read_from(int fd, off_t from, size_t most)
{
    char *text = object_alloc(most + 1);
    ssize_t length = pread(fd, text, most, from);
    text[length < 0 ? 0 : length] = '\0';
    return text;
}

char *said_text(int fd, size_t most)
{
    return read_from(fd, 0, most);
}

char *said_last_line(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = read_from(fd, size > LAST_BYTES_MAX ? size - LAST_BYTES_MAX : 0, LAST_BYTES_MAX);
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' '))
        text[--length] = '\0';
    const char *newline = strrchr(text, '\n');
    if (newline != NULL)
        memmove(text, newline + 1, strlen(newline + 1) + 1);
    return text;
}
