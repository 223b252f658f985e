/* dashboard: what the page at /outrigger/ asks for: how it is now, and how it was. SPDX-License-Identifier:
 * MIT */
#ifndef OUTRIGGER_DASHBOARD_H
#define OUTRIGGER_DASHBOARD_H

#include "config.h"
#include "drift.h"
#include "history.h"
#include "registry.h"

struct dashboard_sources {
    const struct config *config;
    const struct registry *registry;
    struct history *history;
    const struct drift *drift; /* NULL: nobody looks at it */
    int64_t now_ms;            /* since 1970 */
};

/* {"time", "slo": {...}, "burn": [...], "last": {...}, "host": {...}, "models": [...], "processes": [...],
 * "jobs": [...]},
 * as dashboard_now.c has it. The caller frees; *length without the terminator. */
char *dashboard_now(const struct dashboard_sources *sources, size_t *length);

/* The history as columns, by a query as "step=10&since=1700000000&model=iris&version=2":
 *   step      seconds of a point: 1, ... (whole minutes reach back a day, others an hour); without: 1
 *   since     second since 1970 from which on; without: all that one window of `span` has
 *   span      seconds; without: 300
 *   model, version   of which; without: all models together
 * {"newest", "from", "step", "count", NAME: [count numbers or null]}: rates are per second, durations in
 * milliseconds; null: not known. What is not a number, or out of bounds, counts as not said. */
char *dashboard_history(const struct dashboard_sources *sources, struct text query, size_t *length);

#endif
