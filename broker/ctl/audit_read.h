/* audit_read: the lines of one process's audit log, in their order, over all its files.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AUDIT_READ_H
#define OUTRIGGER_AUDIT_READ_H

#include "audit_files.h"

struct audit_line {
    const char *file; /* its name in the folder */
    size_t file_index;
    uint64_t number;  /* from 1 */
    struct text text; /* without its newline; cut at CHAIN_LINE_MAX. Good until the next is read. */
};

/* `folder` must stay open. */
struct audit_reader;
struct audit_reader *audit_reader_new(int folder, const char *process);
void audit_reader_free(struct audit_reader *reader);

/* The next line. False when there is none now: later there may be, also in files that were begun since. */
bool audit_reader_next(struct audit_reader *reader, struct audit_line *line);
/* Bytes behind the last newline of the last file: a line that is being written, or was torn. */
size_t audit_reader_rest(const struct audit_reader *reader);
/* The errno of what could not be read; 0: nothing. */
int audit_reader_error(const struct audit_reader *reader);
/* The files that were read, in their order; NULL behind the last. */
const char *audit_reader_file(const struct audit_reader *reader, size_t index);

#endif
