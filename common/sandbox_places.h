/* sandbox_places: the files that a process may open, and the question whether a path is one of them. For
 * sandbox*.c alone. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SANDBOX_PLACES_H
#define OUTRIGGER_SANDBOX_PLACES_H

#include "sandbox_policy.h"

#include <limits.h>
#include <sys/types.h>

struct places;

/* Those of the role and those of the process, as they are now: what does not exist is left out. */
struct places *places_new(const struct sandbox *sandbox);
void places_free(struct places *places);
/* Makes Landlock keep this process (and what comes of it) to them, and to connecting by TCP to `peers` alone
 * unless network_out. 0; or -1 with errno. `version` is the kernel's, at least 1. */
int places_lock(const struct places *places, const struct sandbox *sandbox, int version);

/* The path without links and relative parts, as the kernel knows it; false: there is none. `creates`: its
 * last part need not be there. Safe in a signal handler. `pid`: whose working directory and descriptors
 * count; 0: ours. */
bool places_resolve(pid_t pid, int directory, const char *path, bool creates, char resolved[PATH_MAX]);
/* Whether a resolved path may be accessed so. Safe in a signal handler. */
bool places_allow(const struct places *places, const char *resolved, unsigned access);

#endif
