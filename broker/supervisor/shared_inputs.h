/* shared_inputs: versions that share a route take the same inputs. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SHARED_INPUTS_H
#define OUTRIGGER_SHARED_INPUTS_H

#include "broker_view.h"
#include "route.h"

/* True when the versions that the route gives a part of the requests, or copies of them, take the same inputs
 * as `stable` (NULL: none, and nothing is compared), as far as the broker knows. Else `why` (cut at
 * `capacity`) says which does not, and what differs. Versions that are chosen by a rule or by name do not
 * count: who is led there is checked against that version. `route` NULL: one that says nothing. */
bool shared_inputs_fit(struct broker_view *view, const char *model, const struct route *route,
                       const char *stable, char *why, size_t capacity);

#endif
