/* served: which files serve: the digest of each version that has workers, as the broker heard it from them.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SERVED_H
#define OUTRIGGER_SERVED_H

#include "audit.h"
#include "broker_view.h"

/* `audit` outlives it; NULL: nothing is written down. */
struct served;
struct served *served_new(struct audit *audit);
void served_free(struct served *served);

/* Looks at what the broker has said this turn. A version whose workers have other files than before, or that
 * takes the traffic now and did not, is written to the audit log. */
void served_look(struct served *served, const struct broker_view *view);
/* The digest that the workers of the version said last; "" when they said none, or there were none. */
const char *served_digest(const struct served *served, const char *model, const char *version);

#endif
