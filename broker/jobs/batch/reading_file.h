/* reading_file: a file, or stdin, that is read from its beginning to its end, unpacked where it is gzip.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_READING_FILE_H
#define OUTRIGGER_BATCH_READING_FILE_H

#include "object.h"

#include <sys/types.h>

struct reading_file;

enum { READING_REASON_MAX = 256 };

/* `path` "-": stdin. `stopping` (NULL: never) is asked while it is waited for, or searched: true ends that,
 * and the call fails with the reason "". NULL with `reason`. */
struct reading_file *reading_open(const char *path, bool packed, bool (*stopping)(void *self), void *self,
                                  char reason[READING_REASON_MAX]);
void reading_free(struct reading_file *file); /* NULL is fine */
/* At most `bytes`, at least one before the end; 0: the end; -1 with `reason`: also when the gzip is cut off.
 */
ssize_t reading_read(struct reading_file *file, char *at, size_t bytes, char reason[READING_REASON_MAX]);
/* Goes on at that many unpacked bytes from the beginning; false with `reason`, also when there are fewer.
 * Only forward where it is packed. */
bool reading_seek(struct reading_file *file, uint64_t offset, char reason[READING_REASON_MAX]);
/* Unpacked bytes that were read. */
uint64_t reading_offset(const struct reading_file *file);
/* How much of the file that many unpacked bytes are, 0 to 1; of a packed one what is read of it. 0 when it
 * has no size. From any thread. */
double reading_part(const struct reading_file *file, uint64_t offset);

#endif
