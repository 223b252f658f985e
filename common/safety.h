/* safety: settings and files that would let in somebody who does not belong. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SAFETY_H
#define OUTRIGGER_SAFETY_H

#include "account.h"
#include "config.h"

#include <sys/types.h>

/* What the supervisor does not start with goes to `errors`, each with what to do about it; what it starts
 * with, and is surely not meant where others are, to `warnings`. `uid` is the user that it runs as. */
void safety_check(const struct config *config, uid_t uid, struct config_errors *errors,
                  struct config_errors *warnings);
/* Root alone can: tries whether these users (NULL: none) can read what their processes will, and complains of
 * what they cannot, and of the two directories when they are somebody else's. */
void safety_check_readers(const struct config *config, const struct account *service,
                          const struct account *workers, struct config_errors *errors);
/* True for a descriptor of a folder in which nothing is. */
bool safety_is_empty(int folder);
/* No process of ours leaves a core file, which would hold what it knows, unless core_dumps says so. */
void safety_limit_core(const struct config *config);

#endif
