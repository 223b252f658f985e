/* gauges: what the page of counters tells of models, versions and their workers as they are now.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_GAUGES_H
#define OUTRIGGER_GAUGES_H

#include "model.h"

/* Sets them, of the model and its versions. Those of a version that is gone, without a worker, a share of the
 * route, and anybody who keeps it, are forgotten, until it comes again. */
void gauges_measure(struct metrics *metrics, struct model *model);
/* The version, or the model, is about to be freed. */
void gauges_forget_version(struct metrics *metrics, struct version *version);
void gauges_forget_model(struct metrics *metrics, const struct model *model);

#endif
