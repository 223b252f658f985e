/* measures: see measures.h. Used by the collector for what feedback tells of answers to clients
 * (collector/accuracy.c), and by `outrigger validate` (ctl/validate_checks.c).
 *
 *   AUC     (the sum of the ranks of the positive ones, ties at their mean - p (p + 1) / 2) / (p n)
 *   MAE     the mean of the absolute error
 *   RMSE    the root of the mean of its square
 *   R2      1 - (the sum of the squared errors) / (that of the truths' squared distances from their mean)
 *
 * SPDX-License-Identifier: MIT */
#include "measures.h"

#include <math.h>
#include <stdlib.h>

static int by_score(const void *left, const void *right)
{
    double a = ((const struct ranked *)left)->score, b = ((const struct ranked *)right)->score;
    return (a > b) - (a < b);
}

double measures_auc(struct ranked *rows, size_t count)
{
    double ranks = 0, positive = 0;
    if (count > 0)
        qsort(rows, count, sizeof *rows, by_score);
    for (size_t first = 0, end; first < count; first = end) {
        size_t positive_here = 0;
        for (end = first; end < count && rows[end].score == rows[first].score; end++)
            positive_here += rows[end].positive;
        ranks += (double)positive_here * ((double)(first + end + 1) / 2); /* ranks begin at 1 */
        positive += (double)positive_here;
    }
    double negative = (double)count - positive;
    return positive == 0 || negative == 0 ? NAN
                                          : (ranks - positive * (positive + 1) / 2) / (positive * negative);
}

void measures_add(struct regression_sums *sums, double predicted, double actual)
{
    double error = predicted - actual, distance = actual - sums->mean;
    sums->count++;
    sums->absolute += fabs(error);
    sums->squares += error * error;
    sums->mean += distance / (double)sums->count;
    sums->spread += distance * (actual - sums->mean);
}

double measures_mae(const struct regression_sums *sums)
{
    return sums->count == 0 ? NAN : sums->absolute / (double)sums->count;
}

double measures_rmse(const struct regression_sums *sums)
{
    return sums->count == 0 ? NAN : sqrt(sums->squares / (double)sums->count);
}

double measures_r2(const struct regression_sums *sums)
{
    if (sums->count < 2)
        return NAN;
    if (sums->spread == 0)
        return sums->squares == 0 ? 1 : 0;
    return 1 - sums->squares / sums->spread;
}
