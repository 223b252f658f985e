/* observer: the way of a process to the collector's observations.ipc (STATS.md section 8): one for each
 * process, which its loop's thread alone uses. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OBSERVER_H
#define OUTRIGGER_OBSERVER_H

#include "config.h"
#include "loop.h"
#include "observation.h"

struct observer;

/* Connects. NULL after a complaint: then nothing is ever shown. */
struct observer *observer_new(void *zmq_context, struct loop *loop, const struct config *config);
/* What is not with the collector yet is lost. NULL is fine. */
void observer_free(struct observer *observer);

enum observed {
    OBSERVED,
    OBSERVED_TOO_LARGE, /* more than OBSERVATION_BYTES_MAX */
    OBSERVED_FULL       /* the collector is away, stopped, or too slow */
};
/* Copies the observation of a shadow; it goes out within a quarter of a second. Never waits. */
enum observed observer_show(struct observer *observer, const struct observation *observation);
/* The same of one of any kind, encoded already: a whole one, or several, one behind the other. */
enum observed observer_put(struct observer *observer, const void *bytes, size_t length);

#endif
