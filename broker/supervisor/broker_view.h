/* broker_view: what the broker knows, as it says itself. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BROKER_VIEW_H
#define OUTRIGGER_BROKER_VIEW_H

#include "config.h"

/* The broker's answer to "status" at one moment. Never NULL: a broker that does not answer within 200 ms
 * knows no workers and holds no requests. */
struct broker_view;
struct broker_view *broker_view_new(const struct config *config);
void broker_view_free(struct broker_view *view);

/* The workers of this version that have registered. */
int64_t broker_view_workers(const struct broker_view *view, const char *model, const char *version);
/* The requests that are queued for this version, or in the hands of its workers. */
int64_t broker_view_open(const struct broker_view *view, const char *model, const char *version);

#endif
