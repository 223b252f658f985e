/* sandbox_watch: mode "log": a thread that the kernel asks about each call that the filter does not let pass,
 * that names those which mode "on" would refuse, and lets all be made. For sandbox*.c alone.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SANDBOX_WATCH_H
#define OUTRIGGER_SANDBOX_WATCH_H

#include "sandbox_judge.h"

struct watch_thread;

/* Starts it, before the filter is loaded: it is not under it. NULL with errno. */
struct watch_thread *watch_new(const struct sandbox_judge *judge);
/* Gives it the descriptor on which the kernel asks; -1: there is none, the thread ends. */
void watch_begin(struct watch_thread *thread, int notify);

#endif
