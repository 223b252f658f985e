/* upgrade: the supervisor becomes the program that lies in its place by now. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_UPGRADE_H
#define OUTRIGGER_UPGRADE_H

#include "plan.h"

/* Has the program that lies there look at the configuration, with our own options (--dry-run). False with the
 * reason when it cannot run, complains, or takes too long. Waits for it: some tens of milliseconds, in which
 * the loop stands still and requests go on. */
bool upgrade_try(const struct plan_basis *basis, char *reason, size_t capacity);
/* Becomes that program, in this same process. Returns only when the kernel refuses, with errno. */
void upgrade_become(const struct plan_basis *basis);

#endif
