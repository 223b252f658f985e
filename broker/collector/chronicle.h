/* chronicle: the collector's history and its file, sampled once a second. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CHRONICLE_H
#define OUTRIGGER_CHRONICLE_H

#include "config.h"
#include "history.h"
#include "loop.h"
#include "registry.h"

struct chronicle;

/* Opens STATE/history, before the sandbox is entered. A file that cannot be had costs the past: the history
 * is in memory then. Never NULL. */
struct chronicle *chronicle_new(const struct config *config, const struct registry *registry);
void chronicle_free(struct chronicle *chronicle); /* NULL is fine */
/* Takes a sample each second (or each collector.interval_ms, if that is longer), as soon as all processes
 * have been heard. */
void chronicle_start(struct chronicle *chronicle, struct loop *loop);
/* Takes no more. `over`: the service ends, and what it counts begins anew the next time. */
void chronicle_end(struct chronicle *chronicle, bool over);
struct history *chronicle_history(struct chronicle *chronicle);

#endif
