/* private_stack: Outrigger once more, beside whatever runs, for one command: versions of one model, served as
 * they will be, to nobody else. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PRIVATE_STACK_H
#define OUTRIGGER_PRIVATE_STACK_H

#include "model_config.h"

#include <stdint.h>

enum { PRIVATE_REASON_MAX = 1024 };

struct private_stack;

/* Starts a supervisor with a runtime and a state directory of its own (below TMPDIR, or /tmp), that serves
 * these versions of the model, which is one of `models`, all there are, with one worker each, by what of the
 * configuration is about workers. `other` may be NULL. NULL, and `reason` says why. */
struct private_stack *private_stack_new(const struct config *config, const struct model_list *models,
                                        const char *model, const char *version, const char *other,
                                        char reason[PRIVATE_REASON_MAX]);
/* Stops it and removes its directories. NULL is fine. */
void private_stack_free(struct private_stack *stack);

/* Waits until the version is served, at most so many nanoseconds. False, and `reason` says why it is not: its
 * worker's last words. `refused`: the version itself is at fault, and not that there was too little time. */
bool private_stack_wait(struct private_stack *stack, const char *version, int64_t wait, bool *refused,
                        char reason[PRIVATE_REASON_MAX]);
/* Where its broker is asked. */
const struct config *private_stack_config(const struct private_stack *stack);

#endif
