/* trace_hand: the process that posts spans to trace.endpoint. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TRACE_HAND_H
#define OUTRIGGER_TRACE_HAND_H

#include "config.h"
#include "exporter.h"

struct trace_hand;

/* Starts it, for a collector of that name: before there are threads, and before the sandbox. NULL: there is
 * no trace.endpoint. Ends our process with a complaint when it cannot be started, or the secret of
 * trace.header cannot be read. */
struct trace_hand *trace_hand_start(const struct config *config, const char *name);
/* Ends it. NULL is fine. */
void trace_hand_free(struct trace_hand *hand);
/* An exporter_context's `post` and `interrupt`. One that ended by mistake is followed by another a second
 * later. */
bool trace_hand_post(void *hand, const void *bytes, size_t length, struct export_answer *answer);
void trace_hand_interrupt(void *hand);

/* The URL that is meant: with /v1/traces where trace.endpoint has no path. The caller frees it. */
char *trace_hand_url(const char *endpoint);

#endif
