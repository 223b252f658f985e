/* ledger: which processes are ours, in a file, for the supervisor that comes after this one.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LEDGER_H
#define OUTRIGGER_LEDGER_H

#include "child.h"
#include "plan.h"

/* One process, as it is written down. */
struct ledger_entry {
    const struct command *command;
    pid_t pid;
    uint64_t ready_pipe; /* child_ready_pipe */
    struct worker_token token;
    const char *release; /* child_release */
    uint64_t restarts;
    bool retiring; /* it was told to end */
};

/* Writes the file anew, in one step. `fixed` is plan_fixed of the configuration that all of them were started
 * with. Fails silently into the log: supervision goes on without it. */
void ledger_write(const char *path, const char *fixed, const struct ledger_entry *entries, size_t count);

/* One process that was written down. */
struct ledger_process {
    struct command *command; /* as it was started */
    struct orphan orphan;    /* pidfd -1: it is gone, or somebody took it (and then owns the command, too) */
    dev_t device;            /* of the program that it runs; 0: not known */
    ino_t inode;
    uint64_t restarts;
    bool retiring;
    bool ended;    /* by ledger_end */
    bool stranger; /* it runs, but as a user that is none of ours: it is left alone */
    uid_t uid;     /* then: as which */
};

/* What an earlier supervisor left. */
struct ledger {
    char *fixed; /* "" when there is nothing */
    struct ledger_process *processes;
    size_t count;
};

/* Never NULL: what cannot be read, or is of another boot, is nothing. A number that is another process's by
 * now counts as gone. Reaches into the others (orphan_reach), unless they run neither as our user nor as that
 * of the workers (NULL: ours): those are left alone. */
struct ledger *ledger_read(const char *path, const struct account *workers);
void ledger_free(struct ledger *ledger);

/* True when one of them is left alone because of its user, as when worker.user was changed after the
 * supervisor was killed: a second set must not be started beside. Says in the log which, and what to do. */
bool ledger_has_strangers(const struct ledger *ledger);

/* Ends those that still run and nobody took, frontends first so that they can still finish what they have;
 * each is told to stop and killed after stop_timeout_ms. Says which, and `why`. Blocks until they are gone.
 * Returns how many there were. */
size_t ledger_end(struct ledger *ledger, const char *why, int64_t stop_timeout_ms);

/* The FastCGI listening socket bound at `path` from one of the frontends; -1 when none has it, or the kernel
 * does not let us. */
int ledger_listen_fd(const struct ledger *ledger, const char *path);
/* Whether a frontend has this very socket as its own. */
bool ledger_listens_at(const struct ledger *ledger, int fd);

#endif
