/* heritage: what becomes of the processes that an earlier supervisor left. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HERITAGE_H
#define OUTRIGGER_HERITAGE_H

#include "turnover.h"

/* Adopts every process of the ledger that still runs. Those that are not what would be started now go to the
 * turnover, as do frontends when `new_socket` says that theirs is not the one of this supervisor; those that
 * had been told to end go on ending. Says of each in the log what is done. Returns how many were adopted. */
size_t heritage_take(struct ledger *ledger, struct members *members, const struct plan *plan,
                     struct turnover *turnover, bool new_socket);
/* Writes into the origin of each member that has the name of one that was not adopted whom it replaces. */
void heritage_mark(const struct ledger *ledger, struct members *members);

#endif
