/* audit_file: the chain of one process on the disk: written, repaired, continued over many files.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AUDIT_FILE_H
#define OUTRIGGER_AUDIT_FILE_H

#include "audit_files.h"

struct audit_file_settings {
    const char *state_directory; /* must be there; the folder in it is made */
    const char *process;
    int64_t max_bytes;     /* of one file; a line that has no room begins the next */
    int64_t max_age;       /* nanoseconds after which the next line begins a new file; 0: no bound */
    int64_t keep;          /* files beside the current one; the oldest go first */
    int64_t reserve_bytes; /* what audit_file_reserve keeps free for us */
};

/* One writer. A second process of the same name writes to files of its own, PROCESS-2.log. */
struct audit_file;

/* Opens the chain where it ended: what is left of a line that a crash tore is cut off, which the first line
 * that is written now tells. NULL with errno. */
struct audit_file *audit_file_open(const struct audit_file_settings *settings);
/* Brings all to the disk first, if that goes. */
void audit_file_close(struct audit_file *file);

/* Chains entries (as audit_entry makes them, one or more) and writes them. 0, or -1 with errno when not all
 * could be written: then the rest is kept, and goes first with the next audit_file_flush. No entries may be
 * given while something is kept. */
int audit_file_write(struct audit_file *file, struct text entries);
/* Writes what is kept. 0 when nothing is kept any more, -1 with errno. */
int audit_file_flush(struct audit_file *file);
/* Waits until all that was written is on the disk, and says so in the head. 0, or -1 with errno. */
int audit_file_sync(struct audit_file *file);
/* True when there is room for reserve_bytes more, which are kept for us where the file system can do that;
 * false with errno. */
bool audit_file_reserve(struct audit_file *file);

/* The last line that was made. */
struct chain_point audit_file_point(const struct audit_file *file);
/* The path of the current file. */
const char *audit_file_path(const struct audit_file *file);

#endif
