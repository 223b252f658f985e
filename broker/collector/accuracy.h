/* accuracy: how right the answers of each version were, over the last of those whose truth is known.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ACCURACY_H
#define OUTRIGGER_ACCURACY_H

#include "metrics.h"
#include "predictions.h"

#include <yyjson.h>

struct accuracy;

/* Of each version the last `window` count, and of those what was answered in the last `window_ms`. Gauges are
 * kept in `metrics`, which must outlive it. */
struct accuracy *accuracy_new(struct metrics *metrics, size_t window, int64_t window_ms);
void accuracy_free(struct accuracy *accuracy); /* NULL is fine */

/* Takes a prediction whose truth is known (PREDICTION_JOINED). False when the same was known already; a truth
 * that is another than before takes its place. */
bool accuracy_take(struct accuracy *accuracy, const struct prediction *joined);

/* What a window comes to. A figure that the task does not have, or that nothing is known for, is NaN. */
struct accuracy_figures {
    size_t count;      /* predictions in the window */
    int64_t oldest_ms; /* of them; 0: there are none */
    double accuracy;   /* the share that was right; classification */
    double auc;        /* area under the ROC curve; two classes, both of them seen */
    double brier;      /* mean squared error of the probability; two classes */
    double mae, rmse;  /* of a regression */
    uint64_t known;    /* predictions whose truth came, since the first: also those that left the window */
    uint64_t right;    /* of them; classification */
};
/* False when nothing is known of the version. `now_ms`: since 1970. */
bool accuracy_of(struct accuracy *accuracy, struct text model, struct text version, int64_t now_ms,
                 struct accuracy_figures *figures);

/* Sets the gauges of the versions of which something came, or left, since the last time. */
void accuracy_publish(struct accuracy *accuracy, int64_t now_ms);
/* Adds "models": [{"model", "version", "task", "count", "known", "right", "accuracy", "auc", "brier", "mae",
 * "rmse"}]; figures that there are none of are left out. */
void accuracy_to_json(struct accuracy *accuracy, int64_t now_ms, yyjson_mut_doc *document,
                      yyjson_mut_val *object);

#endif
