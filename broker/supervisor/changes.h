/* changes: what of a new configuration running processes do not know yet. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CHANGES_H
#define OUTRIGGER_CHANGES_H

#include "config.h"

/* Called for each: "frontend.max_body_bytes: outrigger restart frontends". The text is good during the call.
 */
typedef void changes_visit(void *self, const char *text);

/* Names the parameters of outrigger.conf that differ, and which processes must be started again for them.
 * Those that hold at once are not named. */
void changes_of_config(const struct config *old, const struct config *new, changes_visit *visit, void *self);
/* The same with a model's model.conf, for the workers of a version that stays. */
void changes_of_model(const struct model_config *old, const struct model_config *new, changes_visit *visit,
                      void *self);

#endif
