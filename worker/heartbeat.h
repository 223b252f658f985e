/* heartbeat: says that this process runs, whatever the session is doing. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HEARTBEAT_H
#define OUTRIGGER_HEARTBEAT_H

#include "object.h"

struct heartbeat;

/* Starts a thread that sends HEARTBEAT for the worker `instance` (READY's, not 0) to the workers' endpoint
 * every `every_ms`, over a connection of its own. Signals must be blocked already (loop_signal). Never NULL.
 */
struct heartbeat *heartbeat_new(void *zmq_context, const char *endpoint, uint64_t instance,
                                uint32_t every_ms);
/* Ends the thread, at once. */
void heartbeat_free(struct heartbeat *heartbeat);

#endif
