/* validate_judging: whether what a version answered is good enough: each function adds its checks to the
 * report. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_VALIDATE_JUDGING_H
#define OUTRIGGER_VALIDATE_JUDGING_H

#include "baseline.h"
#include "config.h"
#include "validate_answers.h"
#include "validate_asking.h"
#include "validate_edges.h"
#include "validate_report.h"
#include "validate_rows.h"

/* How right answers are. What cannot be said is NaN. */
struct figures {
    double accuracy, auc; /* classification */
    double mae, rmse, r2; /* regression */
    char no_auc[160];     /* why there is none */
    size_t unread;        /* truths of a regression that are no numbers */
};
void judge_figures(const struct validate_rows *rows, const struct answers *answers, struct figures *figures);

/* Below, `wanted` is model.conf's validation. */

/* The rows of the file: all are taken, and answered. */
void judge_rows(struct validation *validation, const struct validate_rows *rows, const struct asked *asked);
void judge_truth(struct validation *validation, const struct model_config *wanted,
                 const struct schema *schema, const struct figures *figures);
/* No NaN, nothing outside of its range. */
void judge_outputs(struct validation *validation, const struct model_config *wanted,
                   const struct answers *answers);
void judge_speed(struct validation *validation, const struct model_config *wanted, const struct asked *asked);
/* The same rows once more, in another order (`name` "order") or in other batches. */
void judge_again(struct validation *validation, const struct model_config *wanted, const char *name,
                 const struct answers *first, const struct answers *again, const struct asked *asked);
/* `baseline` NULL: there is none, for that reason. */
void judge_distribution(struct validation *validation, const struct model_config *wanted,
                        const struct answers *answers, const struct baseline *baseline, const char *reason);
/* `answers` and `asked` are of edges->rows. */
void judge_edges(struct validation *validation, const struct edges *edges, const struct answers *answers,
                 const struct asked *asked);
/* Beside another version, by the same rows. `drop`: the accuracy may be so much lower. */
void judge_against(struct validation *validation, const struct model_config *wanted, double drop,
                   const struct validate_rows *rows, const struct answers *answers,
                   const struct answers *other);

#endif
