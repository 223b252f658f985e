/* accept: what a client says that it takes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ACCEPT_H
#define OUTRIGGER_ACCEPT_H

#include "object.h"

/* Whether the value of an Accept header (RFC 9110 section 12.5.1) lets through `type`, as "application/json".
 * One that is empty, or says nothing that can be read, lets everything through. */
bool accept_allows(struct text accept, const char *type);
/* How much it likes that type, in thousandths; 0: not at all. `named`: by its own name, not by a range that
 * it falls in. */
int accept_weight(struct text accept, const char *type, bool named);

#endif
