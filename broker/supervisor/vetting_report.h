/* vetting_report: what `outrigger validate` has written of a version: what it says, and where it is kept, as
 * STATE/validations/MODEL/VERSION.json. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_VETTING_REPORT_H
#define OUTRIGGER_VETTING_REPORT_H

#include "object.h"

struct vetting_report;

/* NULL when none is there, or what is there is none. */
struct vetting_report *vetting_report_read(int fd);
void vetting_report_free(struct vetting_report *report); /* NULL is fine */
/* Of the version's files; NULL. */
const char *vetting_report_digest(const struct vetting_report *report);
/* "it has not passed its validation; accuracy 0.61, which must be > 0.8". */
void vetting_report_say(const struct vetting_report *report, char *reason, size_t capacity);

/* In the place of the one before. What goes wrong is logged. */
void vetting_report_keep(const struct vetting_report *report, const char *state_directory, const char *model,
                         const char *version);
/* The digest of the files that have passed, as it was kept; NULL. The caller frees it. */
char *vetting_report_passed(const char *state_directory, const char *model, const char *version);

#endif
