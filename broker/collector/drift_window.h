/* drift_window: the last rows of one version, and how far they are from its baseline. Pure.
 *
 * PSI is that of baseline.h; the shares are not made to sum to 1 again. Missing values have no bin: they are
 * a rate of their own. Values below or above all that the baseline had are in the first or last bin.
 *
 * KS, the statistic of Kolmogorov and Smirnov, of two samples, is the largest difference of the shares of
 * values at most as large as a number, taken at the baseline's steps, which lie a hundredth of its values
 * apart (where it has fewer than a hundred different numbers: at all of them). The exact one is larger by at
 * most a step's share. Categories have none. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DRIFT_WINDOW_H
#define OUTRIGGER_DRIFT_WINDOW_H

#include "baseline.h"

/* Of one feature, or the score; NaN: there are no values to tell it of. */
struct drift_figures {
    uint64_t values; /* in the window, without the missing ones */
    double psi, ks;
    double missing;      /* share of the rows */
    double out_of_range; /* likewise: below the baseline's minimum, above its maximum, or a category that it
                            has not */
};

struct drift_window;

/* Keeps at most `capacity` rows. `baseline` may be NULL (then rows have only scores) and must outlive it. */
struct drift_window *drift_window_new(const struct baseline *baseline, size_t capacity);
void drift_window_free(struct drift_window *window); /* NULL is fine */
/* Adds `rows` rows. False when the tensors have not the baseline's features. `at_ms` never goes back. */
bool drift_window_add(struct drift_window *window, const struct tensor *tensors, size_t count, size_t rows,
                      enum score_kind kind, const double *scores, int64_t at_ms);
/* Forgets what is older. */
void drift_window_expire(struct drift_window *window, int64_t since_ms);

size_t drift_window_rows(const struct drift_window *window);
/* Of one of the baseline's features, in the window. */
struct drift_figures drift_window_feature(const struct drift_window *window, size_t feature);
/* Of the score; figures without values when there is no baseline, or it is of another kind of score. */
struct drift_figures drift_window_score(const struct drift_window *window);
/* The share of each of its bins (baseline_bins) of the values in the window; zeros when there are none. The
 * score comes behind the features. Not without a baseline. */
void drift_window_shares(const struct drift_window *window, size_t feature, double *shares);
/* The mean confidence of the rows in the window; NaN: they have none. */
double drift_window_confidence(const struct drift_window *window);

/* What has ever come of a number: in each of its bins, and the sum of all. */
uint64_t drift_window_total(const struct drift_window *window, size_t feature, size_t bin);
double drift_window_sum(const struct drift_window *window, size_t feature);

#endif
