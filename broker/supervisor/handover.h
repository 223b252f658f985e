/* handover: what the broker still wants of workers that are to go. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HANDOVER_H
#define OUTRIGGER_HANDOVER_H

#include "config.h"

/* What the broker answers to "status" at one moment. Asking takes up to 200 ms when the broker is stuck.
 * Never NULL: of a broker that does not answer nothing is known, and nothing waits. */
struct handover;
struct handover *handover_new(const struct config *config);
void handover_free(struct handover *handover);

/* The requests that are queued for this version of the model, or in the hands of its workers. */
uint64_t handover_open(const struct handover *handover, const char *model, const char *version);

#endif
