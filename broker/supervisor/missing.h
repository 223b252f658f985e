/* missing: workers that run, and that the broker does not know. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MISSING_H
#define OUTRIGGER_MISSING_H

#include "broker_view.h"
#include "members.h"

/* Looks for each running worker once, `elapsed_ms` after the look before, and has those killed and started
 * again (SERVICE_ON_HUNG) that the broker has missed for longer than any honest work takes. Does nothing
 * while the broker does not run, or does not answer. */
void missing_look(struct members *members, const struct plan *plan, struct broker_view *view,
                  int64_t elapsed_ms);

/* For how long a broker may not know a worker of this model that runs. */
int64_t missing_bound_ms(const struct plan_model *model, const struct config *config);

#endif
