/* measures: how right predictions are, held against the truth: what scikit-learn's metrics of the same names
 * give for the same rows. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MEASURES_H
#define OUTRIGGER_MEASURES_H

#include "object.h"

/* How likely a row is of a class, as the model has it, and whether it is. */
struct ranked {
    double score; /* finite */
    bool positive;
};

/* The area under the ROC curve (roc_auc_score). Sorts the rows. NaN when all are of one kind. */
double measures_auc(struct ranked *rows, size_t count);

/* What a regression comes to over the rows that were added; zeroed: none yet. */
struct regression_sums {
    size_t count;
    double absolute, squares; /* of the errors */
    double mean, spread;      /* of the truths, and their squared distances from it (Welford) */
};
void measures_add(struct regression_sums *sums, double predicted, double actual);
/* mean_absolute_error, and the root of mean_squared_error; NaN without rows. */
double measures_mae(const struct regression_sums *sums);
double measures_rmse(const struct regression_sums *sums);
/* r2_score: 1 less the share of the variance that is left; where the truths do not differ 1 when all is
 * right, else 0. NaN for less than two rows. */
double measures_r2(const struct regression_sums *sums);

#endif
