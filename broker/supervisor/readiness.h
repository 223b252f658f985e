/* readiness: whether the workers of a version serve. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_READINESS_H
#define OUTRIGGER_READINESS_H

#include "broker_view.h"
#include "members.h"

/* How many workers of the version have said ready and are known to the broker. Sets *ask_again when some have
 * said so and the broker does not know them yet: that follows within milliseconds, but no event tells. */
int64_t readiness_serving(const struct members *members, struct broker_view *view,
                          const struct plan_version *version, bool *ask_again);
/* True when as many as are wanted do. */
bool readiness_settled(const struct members *members, struct broker_view *view,
                       const struct plan_version *version, bool *ask_again);
/* What a worker of the version ended with that has failed to start twice in a row (once may be an accident),
 * or for good; NULL: none has. */
const char *readiness_failure(const struct members *members, const struct plan_version *version);

/* True when each version of the model that takes traffic has as many workers as it shall, all ready, and
 * those that were too many have ended. Else *failure is why one does not get ready, or NULL. */
bool readiness_counts(const struct members *members, struct broker_view *view, const struct plan_model *model,
                      const char **failure, bool *ask_again);

#endif
