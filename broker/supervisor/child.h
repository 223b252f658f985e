/* child: one process of ours at a time: started, heard, ended. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CHILD_H
#define OUTRIGGER_CHILD_H

#include "loop.h"
#include "object.h"

#include <sys/types.h>

/* What is run. All of it belongs to the caller and outlives the child. */
struct child_command {
    const char *name; /* "worker.digits.1" */
    const char *path;
    const char *const *arguments; /* argv, NULL-terminated */
    int listen_fd;                /* becomes the process's descriptor 0; -1: /dev/null */
    const char *cores;            /* "0,2-3"; "": all */
};

/* Who is told. Neither call may free the child; both may start the next process. */
struct child_watcher {
    void (*ready)(void *self);                        /* it said "ready\n" on its descriptor 3 */
    void (*ended)(void *self, pid_t pid, int status); /* as wait(2) tells the status; it is buried already */
    void *self;
};

struct child;

/* No process yet. Its stderr will go on to `error_fd`. Never NULL. */
struct child *child_new(struct loop *loop, int error_fd, const struct child_watcher *watcher);
/* Kills the process if there is one. */
void child_free(struct child *child);

/* Starts a process; there must be none. False with errno. */
bool child_start(struct child *child, const struct child_command *command);
/* Asks it to end. */
void child_terminate(const struct child *child);
/* Ends it and everything that it started. */
void child_kill(const struct child *child);

pid_t child_pid(const struct child *child); /* 0: none */
/* Resident bytes of the process, CPU time of it and of all before it. */
void child_usage(const struct child *child, uint64_t *resident_bytes, uint64_t *cpu_us);
/* The last line on stderr of the process, or of the one before when there is none; "" when it said nothing.
 */
void child_last_line(const struct child *child, char *buffer, size_t capacity);
/* Up to so many of the last lines likewise, with newlines between them. */
void child_last_lines(const struct child *child, int lines, char *buffer, size_t capacity);

#endif
