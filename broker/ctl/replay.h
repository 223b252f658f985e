/* replay: what `outrigger replay` does beside sending what is kept of those that killed workers.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REPLAY_H
#define OUTRIGGER_REPLAY_H

#include "ctl.h"

/* Asks the versions that answered, and the one of --against, the recorded requests again, and tells how their
 * answers agree. An exit status; CTL_FAULT also when they agree less than --min-agreement. A broker runs. */
int replay_against(const struct arguments *arguments, const struct config *config);

#endif
