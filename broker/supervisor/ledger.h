/* ledger: which processes are ours, in a file, for the supervisor that comes after this one.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LEDGER_H
#define OUTRIGGER_LEDGER_H

#include "object.h"

#include <sys/types.h>

struct ledger_entry {
    const char *name;
    pid_t pid;
};

/* Writes the file anew, in one step. Fails silently into the log: supervision goes on without it. */
void ledger_write(const char *path, const struct ledger_entry *entries, size_t count);

/* Ends the processes that an earlier supervisor left running, frontends first so that they can still finish
 * what they have; each is told to stop and killed after stop_timeout_ms. Says which. Blocks until they are
 * gone. Returns how many there were. */
size_t ledger_replace(const char *path, int64_t stop_timeout_ms);

#endif
