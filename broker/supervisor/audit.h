/* audit: STATE/audit/supervisor.log: who did what to the models, and what was decided by itself.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AUDIT_H
#define OUTRIGGER_AUDIT_H

#include "config.h"
#include "control.h"
#include "metrics.h"

struct audit;

/* Who acts: the uid of the peer of the control socket, or one of these. */
enum {
    AUDIT_SIGNAL = -3,     /* whoever may send one */
    AUDIT_SUPERVISOR = -2, /* on its own */
    AUDIT_UNKNOWN = -1
};

/* Never NULL; a log that cannot be written is complained of, and tried again with each act. */
struct audit *audit_new(const struct config *config);
void audit_free(struct audit *audit);

/* Begins an entry. More may be added to the root of the document; audit_end writes it. */
yyjson_mut_doc *audit_begin(int64_t actor, const char *act);
/* Writes the entry as one line, to the disk, and frees it. What cannot be written is kept, and goes first
 * when there is room. */
void audit_end(struct audit *audit, yyjson_mut_doc *entry);
/* True after a refusal: the command would change something, and that cannot be written down where it must be
 * (audit.when_full). A stop is never refused. */
bool audit_forbids(struct audit *audit, yyjson_val *request, yyjson_mut_doc *reply);
/* The whole entry of a command that was given over the control socket, with what was asked, of which files
 * (`digest`, "": not known) and whether it was done; nothing for one that changes nothing. */
void audit_command(struct audit *audit, int64_t actor, yyjson_val *request, const char *digest,
                   yyjson_mut_doc *reply);
/* Sets the counters of the log. */
void audit_measure(struct audit *audit, struct metrics *metrics);

#endif
