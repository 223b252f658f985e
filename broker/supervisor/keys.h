/* keys: what the supervisor has to do with keys: those of clients, and those of the broker's tcp endpoints.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_KEYS_H
#define OUTRIGGER_KEYS_H

#include "changes.h"

/* False, after complaints in the log, when the broker could not start with these keys, and would only be
 * started in vain again and again, or when the clients' cannot be taken as they are: a file that others may
 * read, or that means something else than it says. Warns when clients need none. */
bool keys_check(const struct config *config);
/* The broker reads its list of allowed keys again, before this returns: who is not in it any more is out
 * then. What it says against the list is told to `visit`. A broker that is away reads it when it starts. */
void keys_reload(const struct config *config, changes_visit *visit, void *self);

#endif
