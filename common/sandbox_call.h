/* sandbox_call: one system call that was caught: its name, what it would do, how it is written in a log. For
 * sandbox*.c alone. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SANDBOX_CALL_H
#define OUTRIGGER_SANDBOX_CALL_H

#include "sandbox_policy.h"

#include <stdint.h>
#include <sys/types.h>

enum { CALLS_MAX = 512, CALL_TEXT_MAX = 512 };

struct caught {
    pid_t pid; /* whose memory the arguments point into; ours, when it is one of our threads */
    int number;
    uint64_t arguments[6];
};

/* What is known of the calls by their numbers; made before anything is caught. */
struct call_names;
struct call_names *call_names_new(void);
void call_names_free(struct call_names *names);

/* The call's name; NULL for a number that is none. All that follows is safe in a signal handler. */
const char *call_name(const struct call_names *names, int number);
/* How it takes its path; NULL: it takes none. */
const struct sandbox_path_call *call_by_path(const struct call_names *names, int number);
/* True for those that open what there is, or make it. */
bool call_opens(const struct sandbox_path_call *how);
/* True for openat2, whose flags no filter can see. */
bool call_hides_flags(const struct sandbox_path_call *how);
/* True for an opening that cuts the file and is not for writing: before version 3 Landlock sees nothing of it
 * but the reading. */
bool call_cuts_unseen(const struct caught *call, const struct sandbox_path_call *how);
/* True for those that make what is not there, and fail where it is. */
bool call_makes(const struct sandbox_path_call *how);
/* Copies the path that it takes; false: it cannot be read. */
bool call_path(const struct caught *call, const struct sandbox_path_call *how, char *path, size_t capacity);
/* What it wants of that path: of enum sandbox_access. */
unsigned call_access(const struct caught *call, const struct sandbox_path_call *how);
/* Makes ready to read our own memory where process_vm_readv is forbidden, as it is by the seccomp profile of
 * some containers; before there is any sandbox. False with errno. */
bool call_prepare(void);
/* Copies memory of the caller: as many bytes as can be read. */
size_t call_read(const struct caught *call, uint64_t address, void *buffer, size_t bytes);
/* Writes it as in C: openat("/etc/passwd", O_RDONLY). */
void call_write(const struct call_names *names, const struct caught *call, char text[CALL_TEXT_MAX]);

#endif
