/* heartbeat: says that this process runs, whatever the session is doing. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HEARTBEAT_H
#define OUTRIGGER_HEARTBEAT_H

#include "object.h"

struct curve_keys;
struct heartbeat;

/* Starts a thread that sends HEARTBEAT for the worker `instance` (READY's, not 0) to the workers' endpoint
 * every `every_ms`, over a connection of its own, with `keys` over tcp (NULL: none). Signals must be blocked
 * already (loop_signal). The endpoint outlives it. Never NULL.
 */
struct heartbeat *heartbeat_new(void *zmq_context, const char *endpoint, const struct curve_keys *keys,
                                uint64_t instance, uint32_t every_ms);
/* Ends the thread, at once. */
void heartbeat_free(struct heartbeat *heartbeat);

#endif
