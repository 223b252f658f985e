/* child: one process of ours at a time: started, heard, ended. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CHILD_H
#define OUTRIGGER_CHILD_H

#include "cgroup.h"
#include "loop.h"
#include "process.h"
#include "worker_token.h"

#include <sys/types.h>

/* What is run. All of it belongs to the caller and outlives the child. */
struct child_command {
    const char *name; /* "worker.digits.2.1" */
    const char *path;
    const char *const *arguments;  /* argv, NULL-terminated */
    int listen_fd;                 /* becomes the process's descriptor 0; -1: /dev/null */
    const char *cores;             /* "0,2-3"; "": all */
    bool background;               /* process.h */
    const struct cgroup *cgroup;   /* where its limits are kept; NULL: by what the process itself keeps */
    struct cgroup_limits limits;   /* idle: as `background` */
    char *const *hidden;           /* process.h */
    bool has_token;                /* it is handed one, on its descriptor 4 */
    const struct account *account; /* process.h */
    int drain_signal;              /* by which it is asked to take nothing new, finish what it has, and end */
};

/* The status of a process that was adopted: its parent is another, and learns it. */
enum { CHILD_STATUS_UNKNOWN = -1 };

/* Who is told. No call may free the child; `ready` and `ended` may start the next process. */
struct child_watcher {
    void (*born)(void *self); /* there is a process; its program runs when this returns. May be NULL */
    void (*lost)(void *self, pid_t pid); /* it has ended before its program ran: child_start says false. May
                                          * be NULL */
    void (*ready)(void *self);           /* it said "ready\n" on its descriptor 3 */
    /* As wait(2) tells the status, or CHILD_STATUS_UNKNOWN; it is buried already. */
    void (*ended)(void *self, pid_t pid, int status);
    void *self;
};

/* A process that an earlier supervisor started and that still runs. */
struct orphan {
    pid_t pid;
    int pidfd;                           /* of exactly this process; owned by who gets the orphan */
    uint64_t ready_pipe;                 /* as child_ready_pipe told it then; 0: it had said ready */
    struct worker_token token;           /* as child_token told it */
    char release[PROCESS_RELEASE_BYTES]; /* as child_release told it */
    bool reached;                        /* the next two are set, and owned likewise: */
    int error_fd;                        /* our ends of its pipes; -1: it cannot be had */
    int ready_fd;
};

struct child;

/* No process yet. Its stderr will go on to `error_fd`. Never NULL. */
struct child *child_new(struct loop *loop, int error_fd, const struct child_watcher *watcher);
/* Kills the process if there is one. */
void child_free(struct child *child);

/* Starts a process; there must be none. False with errno. */
bool child_start(struct child *child, const struct child_command *command);
/* Opens our ends of its pipes. child_adopt does it where nobody has; but only root can when the process is
 * another user's. */
void orphan_reach(struct orphan *orphan);
/* Takes over a process that is not our child, and its descriptors; there must be none. Hears it as if it
 * were: its stderr, and its "ready" when that is still to come, which is then true. */
bool child_adopt(struct child *child, const struct orphan *orphan);
/* Puts the process that there is where its limits are kept, as its start does it; nothing without one. */
void child_hold(struct child *child, const struct child_command *command);
/* Asks it to finish what it has and end, or (terminate) to end. */
void child_drain(const struct child *child, const struct child_command *command);
void child_terminate(const struct child *child);
/* Ends it and everything that it started. */
void child_kill(const struct child *child);

/* True when the process that ended was killed for want of the memory that its limit left it. */
bool child_was_full(const struct child *child, const struct child_command *command);

pid_t child_pid(const struct child *child); /* 0: none */
/* The inode of the pipe on which it has not said ready yet; 0: none. Who finds that pipe at the process's
 * descriptor 3 knows that it is not ready. */
uint64_t child_ready_pipe(const struct child *child);
/* What the process was handed; none without a process, or for one that gets none. */
struct worker_token child_token(const struct child *child);
/* Of which release it says that it is; "" before it has said ready, or when it did not say. */
const char *child_release(const struct child *child);
/* Resident bytes of the process, CPU time of it and of all before it. */
void child_usage(const struct child *child, uint64_t *resident_bytes, uint64_t *cpu_us);
/* The last line on stderr of the process, or of the one before when there is none; "" when it said nothing.
 */
void child_last_line(const struct child *child, char *buffer, size_t capacity);
/* Up to so many of the last lines likewise, with newlines between them. */
void child_last_lines(const struct child *child, int lines, char *buffer, size_t capacity);

#endif
