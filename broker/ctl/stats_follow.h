/* stats_follow: the snapshots of all processes, as they come. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STATS_FOLLOW_H
#define OUTRIGGER_STATS_FOLLOW_H

#include "ctl.h"

/* Subscribes to the collector and prints each snapshot, those of the kind of process that --topic says alone,
 * and of it the series that have METRIC in their names: a block of text, with --json an object on a line.
 * Ends when nobody reads it any more, or with an exit status when there is no collector. */
int stats_follow(const struct arguments *arguments, const struct config *config);

#endif
