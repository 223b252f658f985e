/* drift: how far what models are asked, and answer, is from their baselines (common/baseline.h), by version,
 * over the last rows that frontends have shown.
 *
 * Two threads, and no lock between them: rows are taken, and figures computed, in the one of observing.c; the
 * loop's takes over a report now and then, publishes it and answers questions from it.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DRIFT_H
#define OUTRIGGER_DRIFT_H

#include "config.h"
#include "metrics.h"
#include "observation.h"

#include <stdio.h>
#include <yyjson.h>

/* A figure of PSI from which on it is said so. */
#define DRIFT_MODERATE 0.1
#define DRIFT_DRIFTED  0.25

enum { DRIFT_VERSIONS_MAX = 64 /* that are looked at, of all models */ };

struct drift;

/* Reads baselines below config->models_directory. */
struct drift *drift_new(const struct config *config, struct metrics *metrics);
/* After the thread has ended. NULL is fine. */
void drift_free(struct drift *drift);

/* ---- for the thread: an observing_kind's functions, with the drift as `self` ---- */

/* Takes one of OBSERVATION_ROWS. */
const char *drift_take(void *drift, const struct observation_any *any);
/* Forgets what is old, looks whether baselines are others, and makes a report when there is news. */
void drift_tick(void *drift);

/* ---- for the loop ---- */

/* Takes over the newest report. The gauges are what it has figures of; others are forgotten. */
void drift_publish(struct drift *drift);
/* Adds "models": [{"model", "version", "rows", "window", "min_rows", "baseline": {"rows", "created",
 * "digest"} or null, "problem", "score": {...}, "confidence", "features": [{...}], "left_out"}]: of that
 * model alone, unless it is NULL. A feature, and the score, has "name", "kind", "values", "psi", "ks",
 * "missing", "out_of_range", "verdict" ("stable", "moderate", "drifted", or "few": too few rows to tell),
 * "edges" or "categories", and of each bin the share of the baseline's values, "expected", and of the
 * window's, "actual". What there is no figure of is left out. */
void drift_to_json(const struct drift *drift, const char *model, yyjson_mut_doc *document,
                   yyjson_mut_val *object);
/* What is wrong with the baseline of a version that rows came of lately, so that its drift is not known. Not
 * of those that have none. */
typedef void drift_problem(void *self, const char *model, const char *version, const char *problem);
void drift_each_problem(const struct drift *drift, drift_problem *visit, void *self);
/* Writes feature_value, histograms of the rows that were looked at since their window began, as Prometheus
 * text or, `open`, OpenMetrics. */
void drift_to_prometheus(const struct drift *drift, FILE *out, bool open);

#endif
