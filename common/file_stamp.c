/* file_stamp: see file_stamp.h. The change time tells of a new mode or owner, too, which may be why a file
 * can be read now. SPDX-License-Identifier: MIT */
#include "file_stamp.h"

#include <errno.h>

static struct file_stamp stamp_of(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return (struct file_stamp){.error = errno};
    return (struct file_stamp){.device = status.st_dev,
                               .inode = status.st_ino,
                               .size = status.st_size,
                               .modified = status.st_mtim,
                               .changed = status.st_ctim};
}

static bool same_time(struct timespec left, struct timespec right)
{
    return left.tv_sec == right.tv_sec && left.tv_nsec == right.tv_nsec;
}

bool file_stamp_changed(struct file_stamp *stamp, const char *path)
{
    struct file_stamp now = stamp_of(path);
    bool same = now.device == stamp->device && now.inode == stamp->inode && now.size == stamp->size &&
                same_time(now.modified, stamp->modified) && same_time(now.changed, stamp->changed) &&
                now.error == stamp->error;
    *stamp = now;
    return !same;
}
