/* audit_look: whether the audit log of a process is whole. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AUDIT_LOOK_H
#define OUTRIGGER_AUDIT_LOOK_H

#include "audit_read.h"

enum { AUDIT_TIME_MAX = 32 };

/* One fault: FILE:LINE, and which lines of the chain it is about. */
struct audit_fault {
    enum chain_fault fault;
    const char *file; /* the verdict's */
    uint64_t line;
    uint64_t first, last; /* 0: not known */
};

struct audit_verdict {
    char *process;
    char **files; /* that were read, in their order */
    size_t file_count;
    uint64_t lines, last_seq;
    uint64_t removed_to; /* the last line that was taken away with old files, as the log says; 0: none */
    size_t unfinished;   /* bytes behind the last newline: a line that is being written, or was torn */
    bool head_missing;   /* then lines that were cut off the end cannot be told */
    int error;           /* an errno: not all could be read */
    char begin[AUDIT_TIME_MAX], end[AUDIT_TIME_MAX]; /* the times of the first and the last line */
    struct audit_fault *faults;
    size_t fault_count;
};

/* True when there is no fault of any kind. */
bool audit_verdict_good(const struct audit_verdict *verdict);
/* Reads all files of a process. The caller gives it to audit_verdict_free. */
struct audit_verdict audit_look(int folder, const char *process);
void audit_verdict_free(struct audit_verdict *verdict);
/* What a fault is, as a sentence without FILE:LINE. */
void audit_fault_text(const struct audit_fault *fault, char *text, size_t capacity);

/* The point that a line says was the end of a file that was taken away; false when it says no such thing. */
bool audit_removed(struct text line, struct chain_point *point);
/* The time of a line, "" when it has none at its place. */
char *audit_time(struct text line, char time[AUDIT_TIME_MAX]);

#endif
