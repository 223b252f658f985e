/* scaling: brings the numbers of workers that scale.c finds into the plan. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCALING_H
#define OUTRIGGER_SCALING_H

#include "broker_view.h"
#include "members.h"

struct scaling;

struct scaling *scaling_new(void); /* never NULL */
void scaling_free(struct scaling *scaling);

/* Versions begin with as many workers as an earlier supervisor left. Before the first scaling_apply. */
void scaling_inherit(struct scaling *scaling, const struct plan *plan, const struct members *members);
/* Sets `instances` of each version of the plan; to be called whenever it was decided anew. */
void scaling_apply(struct scaling *scaling, struct plan *plan);
/* The versions of the model have no workers from now on, where they may, until somebody asks for them. */
void scaling_rest(struct scaling *scaling, const char *model);
/* Looks at all versions that may have more or fewer workers. `config`: the budget of cores. True when one has
 * another number now, and scaling_apply is due. */
bool scaling_look(struct scaling *scaling, const struct config *config, const struct plan *plan,
                  const struct members *members, struct broker_view *view);
/* Somebody waits for that version. True when it had no workers and shall have one now; scaling_apply is due.
 */
bool scaling_wanted(struct scaling *scaling, const char *model, const char *version);

/* How many cores autoscaling may fill: config's, else those that this process may run on. */
int64_t scaling_cores(const struct config *config);

#endif
