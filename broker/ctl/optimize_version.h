/* optimize_version: the folder of a new version: made where nobody serves it, and there at once.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OPTIMIZE_VERSION_H
#define OUTRIGGER_OPTIMIZE_VERSION_H

#include "optimize_candidate.h"

/* A folder in the model's that is no version, since its name begins with a dot; memory for free(). NULL, and
 * `reason` says why. */
char *optimize_workplace(const struct model_config *model, char reason[OPTIMIZE_REASON_MAX]);
/* Removes it and what is in it. NULL is fine. */
void optimize_clear(char *workplace);

/* Makes a version of the candidate: its file and a golden.json of `count` rows at most, to which it gives the
 * answers that it has, within `tolerance`; the file and the folder are on the disk before they have their
 * name, which is the number behind the highest, and never one that is there. Returns the name of the version,
 * memory for free(). NULL, and `reason` says why. */
char *optimize_publish(struct candidate *candidate, const struct config *config,
                       const struct model_config *model, const char *workplace,
                       const struct validate_rows *rows, double tolerance, char reason[OPTIMIZE_REASON_MAX]);

#endif
