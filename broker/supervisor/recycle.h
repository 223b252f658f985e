/* recycle: processes that have served long enough, or have grown too large, are replaced in time.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_RECYCLE_H
#define OUTRIGGER_RECYCLE_H

#include "turnover.h"

/* Looks at every running worker and frontend once, and gives those beyond a limit of the plan to the
 * turnover. */
void recycle_look(struct members *members, const struct plan *plan, struct broker_view *view,
                  struct turnover *turnover);

#endif
