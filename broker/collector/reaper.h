/* reaper: what is done about processes that ended (STATS.md section 4). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REAPER_H
#define OUTRIGGER_REAPER_H

#include "registry.h"

struct reaper;

/* Looks after `directory` (RUNTIME/stats), and loads what a predecessor of ours kept there. */
struct reaper *reaper_new(struct registry *registry, const char *directory);
void reaper_free(struct reaper *reaper);

/* Once an interval: retires processes that are silent and dead, after reading the page that they left; keeps
 * their sums; removes their pages. */
void reaper_run(struct reaper *reaper, int64_t now);

/* At the end of the collector: keeps the sums for the next one. When no process but the supervisor is left,
 * the service is over: removes the pages of dead processes and the sums, and returns true. */
bool reaper_finish(struct reaper *reaper);

#endif
