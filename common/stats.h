/* stats: publishing a page of counters, and fetching what the collector shows. SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_STATS_H
#define OUTRIGGER_STATS_H

#include "config.h"
#include "loop.h"
#include "metrics.h"
#include "page_message.h"

/* Publishes the page every config->collector_interval_ms as PUB to the collector (ipc://RUNTIME/stats.ipc,
 * which the collector binds; a collector that is away costs nothing), topic "KIND.NAME.PID". zmq_context is
 * libzmq's (void *). */
struct stats_publisher;
struct stats_publisher *stats_publisher_new(void *zmq_context, struct loop *loop, const struct config *config,
                                            struct metrics *metrics, const char *kind, const char *name);
/* When to look at what all have published, next after `now`, so that exactly one snapshot of each came since
 * the look before: they publish at other moments of the interval (nanoseconds, as clock_now). */
int64_t stats_next_look(int64_t now, int64_t interval);
/* Publishes a last time and closes. */
void stats_publisher_free(struct stats_publisher *publisher);
/* Called just before each snapshot, to set gauges that are cheaper computed than kept. */
void stats_publisher_before(struct stats_publisher *publisher, loop_call *call, void *self);

/* Makes the page of a process at RUNTIME/stats/KIND.NAME.PID. Never NULL: falls back to private memory. */
struct metrics *stats_page(const struct config *config, const char *kind, const char *name);

/* Asks the collector for pages (STATS.md section 9; DEALER to ipc://RUNTIME/exposition.ipc). `done` is called
 * exactly once per ask, with the answer, whose texts are good during the call, or with NULL when there is
 * none within timeout_ms or 64 asks wait already. */
struct stats_exposition;
typedef void stats_answered(void *self, const struct page_answer *answer);
struct stats_exposition *stats_exposition_new(void *zmq_context, struct loop *loop,
                                              const struct config *config);
void stats_exposition_free(struct stats_exposition *exposition);
/* `request` is copied; its texts are within their bounds (page_request_fit). */
void stats_exposition_ask(struct stats_exposition *exposition, const struct page_request *request,
                          int timeout_ms, stats_answered *done, void *self);

#endif
