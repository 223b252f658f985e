/* rollout_hands: what roll-outs do and see, with the real fleet. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ROLLOUT_HANDS_H
#define OUTRIGGER_ROLLOUT_HANDS_H

#include "fleet.h"
#include "rollout.h"

struct hands;
/* Both outlive it. */
struct hands *hands_new(struct fleet *fleet, const struct config *config);
void hands_free(struct hands *hands);
/* Views of `hands`. */
struct rollout_hands hands_of_rollouts(struct hands *hands);

#endif
