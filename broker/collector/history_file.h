/* history_file: how history.c's file is laid out, read and written; every piece of it says whether it is
 * whole. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HISTORY_FILE_H
#define OUTRIGGER_HISTORY_FILE_H

#include "history.h"

enum { HISTORY_MINUTE = 60 /* seconds */, HISTORY_SPAN_MAX_MS = 86400000 };

/* What happened in a second, or a minute, of one slot. */
struct history_record {
    uint64_t check; /* of the slot's name and of what follows */
    int64_t at;     /* seconds since 1970; of a minute its first second */
    uint32_t span_ms;
    uint32_t numbers[HISTORY_NUMBERS];
    uint32_t unused;
};

/* Whose a slot is. */
struct history_names {
    uint64_t check;
    char model[METRICS_LABEL_BYTES];
    char version[METRICS_LABEL_BYTES];
};

/* What its counters had come to. */
struct history_totals {
    uint64_t check; /* of the slot's name and of what follows */
    uint64_t run;
    int64_t at; /* milliseconds since 1970 of the sample */
    uint64_t highest[HISTORY_COUNTERS];
};

struct history_file {
    int fd;
    int error; /* errno of what could not be written since it was set to 0 */
};

/* True when the file is one of this build's; else it is begun anew. */
bool history_file_begin(struct history_file *file);

void history_names_set(struct history_names *names, const char *model, const char *version);
void history_file_write_names(struct history_file *file, size_t slot, const struct history_names *names);
/* False: there are none, or not whole. Those of the host are not in the file. */
bool history_file_read_names(const struct history_file *file, size_t slot, struct history_names *names);

/* Sets their check. */
void history_file_write_totals(struct history_file *file, size_t slot, const struct history_names *names,
                               struct history_totals *totals);
bool history_file_read_totals(const struct history_file *file, size_t slot, const struct history_names *names,
                              struct history_totals *totals);

/* Sets its check, and writes it where its time belongs: among the slot's minutes, or its seconds. */
void history_file_write(struct history_file *file, size_t slot, const struct history_names *names,
                        struct history_record *record, bool minute);
/* The records of the seconds [from, from + count), or of so many minutes; those that are none have span_ms 0.
 * `count` is at most that of the ring. */
void history_file_read(const struct history_file *file, size_t slot, const struct history_names *names,
                       int64_t from, size_t count, bool minute, struct history_record *records);

#endif
