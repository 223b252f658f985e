/* audit: STATE/audit.log: who did what to the models, and what was decided by itself.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AUDIT_H
#define OUTRIGGER_AUDIT_H

#include "control.h"

struct audit;

/* Who acts: the uid of the peer of the control socket, or one of these. */
enum {
    AUDIT_SIGNAL = -3,     /* whoever may send one */
    AUDIT_SUPERVISOR = -2, /* on its own */
    AUDIT_UNKNOWN = -1
};

/* The file is made with the first act, and opened for each: whoever moves it away to keep it (logrotate) need
 * tell nobody. Never NULL. */
struct audit *audit_new(const char *path);
void audit_free(struct audit *audit);

/* Begins an entry. More may be added to the root of the document; audit_end writes it. */
yyjson_mut_doc *audit_begin(int64_t actor, const char *act);
/* Writes the entry as one line, to the disk, and frees it. What cannot be written is logged: an act is not
 * refused because the disk is full. */
void audit_end(struct audit *audit, yyjson_mut_doc *entry);
/* The whole entry of a command that was given over the control socket, with what was asked and whether it was
 * done; nothing for one that changes nothing. */
void audit_command(struct audit *audit, int64_t actor, yyjson_val *request, yyjson_mut_doc *reply);

#endif
