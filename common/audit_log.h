/* audit_log: the audit log of one process: who did what, who was let in, each as a line that nobody can
 * change without its being found (chain.h), in STATE/audit/PROCESS.log. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AUDIT_LOG_H
#define OUTRIGGER_AUDIT_LOG_H

#include "audit_entry.h"
#include "config.h"
#include "metrics.h"

enum audit_manner {
    /* A line is on the disk when audit_log_add returns. For acts of people. */
    AUDIT_DURABLE,
    /* A thread writes what has gathered every 100 ms, or when there is much of it, and brings it to the disk
     * once a second: adding costs no system call. What a kill -9 may cost are those 100 ms. */
    AUDIT_BUFFERED
};

/* Opens the log, or complains and tries it again once a second. Never NULL. `process` names the files. */
struct audit_log;
struct audit_log *audit_log_new(const struct config *config, const char *process, enum audit_manner manner);
/* Writes what is left, to the disk. */
void audit_log_free(struct audit_log *log);

/* Adds an entry (audit_entry_end said). Any thread. What cannot be written is kept up to a bound and goes
 * first as soon as there is room; beyond the bound lines are lost, and counted in the log itself. */
void audit_log_add(struct audit_log *log, const struct audit_entry *entry);

/* False while audit.when_full says refuse and the log cannot be written: then whatever would have to be
 * written down is to be refused. Any thread. Of a durable log it tries. */
bool audit_log_accepts(struct audit_log *log);
/* Counts one that was refused so. Any thread. */
void audit_log_refused(struct audit_log *log);
/* Sets the counters of the log in the process's page. */
void audit_log_measure(struct audit_log *log, struct metrics *metrics);

/* Waits until all that was added before is on the disk, or cannot be written: for tests and the end. */
void audit_log_settle(struct audit_log *log);

#endif
