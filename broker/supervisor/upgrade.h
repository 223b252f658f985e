/* upgrade: the supervisor becomes the program that lies in its place by now. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_UPGRADE_H
#define OUTRIGGER_UPGRADE_H

#include "plan.h"

/* Has the program that lies there look at the configuration, with our own options (--dry-run). False with the
 * reason when it cannot run, complains, or takes too long. Waits for it: some tens of milliseconds, in which
 * the loop stands still and requests go on. */
bool upgrade_try(const struct plan_basis *basis, char *reason, size_t capacity);
/* The environment as it is now, to be said first of all: what a service manager says in it is taken out of it
 * for our children. The caller frees it with upgrade_forget. */
char **upgrade_remember(void);
void upgrade_forget(char **environment);
/* Becomes that program, in this same process, with that environment. When the kernel refuses, this process
 * ends with status 1: what runs goes on, and who watches us starts us again. */
_Noreturn void upgrade_become(const struct plan_basis *basis, char **environment);

#endif
