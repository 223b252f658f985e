/* folders: whose the runtime and the state directory are, where root starts and others shall have them.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FOLDERS_H
#define OUTRIGGER_FOLDERS_H

#include "account.h"
#include "config.h"

/* Makes what is missing of them for the user of all processes and for that of the workers (NULL: the same as
 * ours, or as the others'); as root, before it becomes one. An empty folder is given away, too; one with
 * something in it is only taken when it is that user's already. False after a complaint that says what to do.
 */
bool folders_give(const struct config *config, const struct account *service, const struct account *workers);

#endif
