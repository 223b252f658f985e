/* safety: settings and files that would let in somebody who does not belong. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SAFETY_H
#define OUTRIGGER_SAFETY_H

#include "config.h"

#include <sys/types.h>

/* What the supervisor does not start with goes to `errors`, each with what to do about it; what it starts
 * with, and is surely not meant where others are, to `warnings`. `uid` is the user that it runs as. */
void safety_check(const struct config *config, uid_t uid, struct config_errors *errors,
                  struct config_errors *warnings);
/* No process of ours leaves a core file, which would hold what it knows, unless core_dumps says so. */
void safety_limit_core(const struct config *config);

#endif
