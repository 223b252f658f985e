/* audit_files: the files of the audit log in its folder: for each process that writes one
 *
 *     PROCESS.log     the one that is being written
 *     PROCESS.log.N   those before, by number; the highest is the newest
 *     PROCESS.head    where the chain has got to, as its writer last brought it to the disk
 *
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AUDIT_FILES_H
#define OUTRIGGER_AUDIT_FILES_H

#include "chain.h"

enum {
    AUDIT_PROCESS_MAX = 200, /* bytes of a process's name: that of a worker with its model and a number */
    AUDIT_NAME_MAX = AUDIT_PROCESS_MAX + 32,
    AUDIT_HEAD_BYTES = 192 /* of a head: always the same, so that it is written over in place */
};
#define AUDIT_FOLDER "audit" /* in state_directory */

/* The numbered files of a process, in their order. Returns how many (0 as well when the folder cannot be
 * read); the caller frees *numbers. */
size_t audit_files_numbers(int folder, const char *process, uint64_t **numbers);
/* The processes that have a file of any kind in the folder, by name; the caller frees with
 * audit_files_names_free. Returns how many, -1 with errno. */
int audit_files_processes(int folder, char ***names);
void audit_files_names_free(char **names, int count);

/* "PROCESS.log.N", "PROCESS.log" for 0. */
char *audit_files_name(const char *process, uint64_t number, char name[AUDIT_NAME_MAX]);
char *audit_files_head_name(const char *process, char name[AUDIT_NAME_MAX]);

/* A head, as it stands in its file: AUDIT_HEAD_BYTES, the last a newline. `file` is the number that the
 * current file will have. */
void audit_head_write(const struct chain_point *point, uint64_t file, char bytes[AUDIT_HEAD_BYTES]);
/* False for any other bytes. */
bool audit_head_read(struct text bytes, struct chain_point *point, uint64_t *file);
/* Reads the head of a process. 1, 0 when there is none, -1 when it is none that we have written. */
int audit_files_head(int folder, const char *process, struct chain_point *point, uint64_t *file);

#endif
