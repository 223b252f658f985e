/* durable: files that are whole after any crash. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DURABLE_H
#define OUTRIGGER_DURABLE_H

#include "object.h"

#include <sys/types.h>

/* Writes the file anew (mode 0600), in one step and to the disk: after a crash it is what it was, or what it
 * shall be. 0, or -1 with errno; then it is what it was. */
int durable_write(const char *path, const char *text, size_t length);
/* The same with another mode, owner and group; (uid_t)-1 and (gid_t)-1: ours. */
int durable_write_as(const char *path, const char *text, size_t length, mode_t mode, uid_t owner,
                     gid_t group);
/* Adds to the end of the file, which is made (mode 0600) when it is not there, and waits for the disk. 0, or
 * -1 with errno; then a part of the text may stand there. */
int durable_append(const char *path, const char *text, size_t length);

#endif
