/* drift_report: what one thread tells another of all windows at one moment. Once it is made nobody changes
 * it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DRIFT_REPORT_H
#define OUTRIGGER_DRIFT_REPORT_H

#include "drift_window.h"
#include "metrics.h"

#include <yyjson.h>

enum {
    DRIFT_FEATURES_SHOWN_MAX =
        160 /* of all versions, in gauges and histograms: the page of counters has 1,024 places */
};

struct drift_line {
    char *name;
    char label[METRICS_LABEL_BYTES]; /* as metrics name it */
    bool shown;                      /* of a feature: it has gauges, and a number has a histogram */
    bool categorical;
    struct drift_figures figures;
    size_t bins;
    double *edges;     /* of a number: bins - 1 */
    char **categories; /* of a category: bins - 1, as texts */
    double *expected;  /* share of each bin in the baseline, */
    double *actual;    /* and in the window; 0 without values */
    uint64_t *totals;  /* of a number: what ever came, by bin, */
    double sum;        /* and the sum of it */
};

struct drift_version {
    char *model, *version;
    const char *problem; /* a constant: why there is no baseline; NULL: there is one */
    char *created, *digest;
    uint64_t baseline_rows, left_out, rows;
    double confidence; /* NaN: none */
    struct drift_line score;
    struct drift_line *features;
    size_t feature_count;
};

struct drift_report {
    size_t window, min_rows;
    struct drift_version *versions;
    size_t count;
    size_t shown, hidden;      /* features: DRIFT_FEATURES_SHOWN_MAX are shown at most, and of those whose
                                  labels are the same only one */
    struct drift_report *next; /* the owner's */
};

/* Room for that many versions. */
struct drift_report *drift_report_new(size_t versions, size_t window, size_t min_rows);
void drift_report_free(struct drift_report *report); /* NULL is fine */
/* Adds one; `baseline` may be NULL, then `problem` is not. */
void drift_report_add(struct drift_report *report, const char *model, const char *version,
                      const char *problem, const struct baseline *baseline,
                      const struct drift_window *window);

/* "stable", "moderate", "drifted" or "few". */
const char *drift_verdict(const struct drift_report *report, const struct drift_figures *figures);
/* drift_to_json's models. */
void drift_report_to_json(const struct drift_report *report, const char *model, yyjson_mut_doc *document,
                          yyjson_mut_val *object);

#endif
