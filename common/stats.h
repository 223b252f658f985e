/* stats: publishing a page of counters, and fetching the collector's exposition. SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_STATS_H
#define OUTRIGGER_STATS_H

#include "config.h"
#include "loop.h"
#include "metrics.h"

/* Publishes the page every config->collector_interval_ms as PUB to the collector (ipc://RUNTIME/stats.ipc,
 * which the collector binds; a collector that is away costs nothing), topic "KIND.NAME.PID". zmq_context is
 * libzmq's (void *). */
struct stats_publisher;
struct stats_publisher *stats_publisher_new(void *zmq_context, struct loop *loop, const struct config *config,
                                            struct metrics *metrics, const char *kind, const char *name);
/* Publishes a last time and closes. */
void stats_publisher_free(struct stats_publisher *publisher);
/* Called just before each snapshot, to set gauges that are cheaper computed than kept. */
void stats_publisher_before(struct stats_publisher *publisher, loop_call *call, void *self);

/* Makes the page of a process at RUNTIME/stats/KIND.NAME.PID. Never NULL: falls back to private memory. */
struct metrics *stats_page(const struct config *config, const char *kind, const char *name);

/* Asks the collector for its Prometheus text (DEALER to ipc://RUNTIME/exposition.ipc). `done` is called
 * exactly once per ask, with the text, or with NULL when there is no answer within timeout_ms or 64 asks wait
 * already. */
struct stats_exposition;
typedef void stats_text(void *self, const char *text, size_t length);
struct stats_exposition *stats_exposition_new(void *zmq_context, struct loop *loop,
                                              const struct config *config);
void stats_exposition_free(struct stats_exposition *exposition);
void stats_exposition_ask(struct stats_exposition *exposition, int timeout_ms, stats_text *done, void *self);

#endif
