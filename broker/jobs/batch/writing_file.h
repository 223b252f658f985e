/* writing_file: a file, or stdout, to whose end is written, packed as gzip where it is to be: a member for
 * each call, so that it may be cut off between two of them. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_WRITING_FILE_H
#define OUTRIGGER_BATCH_WRITING_FILE_H

#include "object.h"

struct writing_file;

enum { WRITING_REASON_MAX = 256 };

/* Opens it, makes it (mode 0666 and the umask) when it is not there, and locks it against other jobs. `path`
 * "-": stdout, which cannot be cut. `stopping` (NULL: never) is asked while nobody reads what goes into a
 * pipe. NULL with `reason`. */
struct writing_file *writing_open(const char *path, bool packed, bool (*stopping)(void *self), void *self,
                                  char reason[WRITING_REASON_MAX]);
void writing_free(struct writing_file *file); /* NULL is fine */
/* True when it is no file that can be cut: stdout, a pipe, a device. */
bool writing_is_stream(const struct writing_file *file);
/* Bytes of the file. */
uint64_t writing_length(const struct writing_file *file);
/* Leaves so many. False with `reason`, also when there are fewer. */
bool writing_cut(struct writing_file *file, uint64_t length, char reason[WRITING_REASON_MAX]);
/* All of it, or nothing: what was written of it when the disk became full is cut off again. False with
 * `reason`. Of a stream a part may be gone; when the job is to end and nobody reads on for half a second, it
 * is given up, with the reason "". */
bool writing_add(struct writing_file *file, const char *bytes, size_t length,
                 char reason[WRITING_REASON_MAX]);
/* To the disk. */
bool writing_sync(struct writing_file *file, char reason[WRITING_REASON_MAX]);

#endif
