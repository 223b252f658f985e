/* said: what a program says that is run for its answer. It goes to a file in memory: it cannot fill a pipe
 * that nobody reads, and what it leaves is read at leisure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SAID_H
#define OUTRIGGER_SAID_H

#include <stddef.h>

/* A descriptor for its output; the caller closes it. */
int said_new(void);
/* Its first bytes, so many at most, ended with a NUL; memory for free(). */
char *said_text(int fd, size_t most);
/* The last line that is not empty, without blanks behind it: the reason, where a program prints more than
 * one.
 * "" when there is none; memory for free(). */
char *said_last_line(int fd);

#endif
