/* sampler: the history's samples, out of the sums over all processes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SAMPLER_H
#define OUTRIGGER_SAMPLER_H

#include "history.h"
#include "registry.h"

/* Takes a sample of what the registry knows at these times (as history_begin has them), unless there is one
 * of that second. False with errno when the file did not take it. */
bool sampler_take(struct history *history, const struct registry *registry, int64_t now_ms,
                  int64_t steady_ms);

/* Which of the numbers of a request an HTTP status is. */
enum history_number sampler_outcome(int status);

#endif
