/* file_stamp: whether a file is another one than it was. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FILE_STAMP_H
#define OUTRIGGER_FILE_STAMP_H

#include "object.h"

#include <sys/stat.h>

/* What tells one file from another. Zeroed = not looked at yet. */
struct file_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
    int error; /* of stat */
};

/* Looks at the file; true when it is another than at the last look, or is there, or gone, unlike then, and at
 * the first look. To be asked before the file is read: what is changed meanwhile is seen by the next look. */
bool file_stamp_changed(struct file_stamp *stamp, const char *path);

#endif
