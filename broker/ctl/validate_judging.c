/* validate_judging: see validate_judging.h. Used by `outrigger validate` (validate_command.c). Pure.
 * SPDX-License-Identifier: MIT */
#include "validate_judging.h"

#include "measures.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

enum { NOT_CHECKED = -1 };

/* ---- how right ---- */

/* The column of the probabilities that a truth is about: found once for each text. */
struct truth_column {
    char *text;
    bool known;
    size_t column;
    UT_hash_handle hh;
};

static const struct truth_column *column_of(struct truth_column **columns, const struct answers *answers,
                                            struct text truth)
{
    struct truth_column *found;
    HASH_FIND(hh, *columns, truth.at, truth.length, found);
    if (found != NULL)
        return found;
    found = object_alloc(sizeof *found);
    found->text = object_alloc(truth.length + 1);
    memcpy(found->text, truth.at, truth.length);
    found->known = answers_column(answers, truth, &found->column);
    HASH_ADD_KEYPTR(hh, *columns, found->text, truth.length, found);
    return found;
}

static void free_columns(struct truth_column *columns)
{
    struct truth_column *column, *next;
    HASH_ITER(hh, columns, column, next)
    {
        HASH_DEL(columns, column);
        free(column->text);
        free(column);
    }
}

/* True when the row's truth is the positive one of two classes, of which the model gives one score. */
static bool is_positive(const struct schema *schema, struct text truth)
{
    struct answered_row one = {.prediction = 1, .label = schema->label_count == 2 ? schema->labels[1] : NULL};
    return answers_is_class(&one, truth);
}

static double auc_of(const struct validate_rows *rows, const struct answers *answers,
                     const size_t *column_of_row, size_t column, struct ranked *ranked)
{
    size_t count = 0;
    for (size_t row = 0; row < answers->rows; row++) {
        if (!answers->row[row].known)
            continue;
        struct ranked *place = &ranked[count++];
        place->score =
            answers->columns > 0 ? answers_probability(answers, row, column) : answers->row[row].score;
        place->positive = answers->columns > 0 ? column_of_row[row] == column
                                               : is_positive(answers->schema, validate_rows_truth(rows, row));
        if (!isfinite(place->score))
            return NAN;
    }
    return measures_auc(ranked, count);
}

/* Of two classes that of the second; of more the mean over those that are among the truths. */
static void find_auc(const struct validate_rows *rows, const struct answers *answers, struct figures *figures)
{
    struct truth_column *columns = NULL;
    size_t *column_of_row = object_alloc((answers->rows + 1) * sizeof *column_of_row);
    struct ranked *ranked = object_alloc((answers->rows + 1) * sizeof *ranked);
    for (size_t row = 0; row < answers->rows && answers->columns > 0 && *figures->no_auc == '\0'; row++) {
        struct text truth = validate_rows_truth(rows, row);
        const struct truth_column *found = column_of(&columns, answers, truth);
        column_of_row[row] = found->column;
        if (!found->known)
            snprintf(figures->no_auc, sizeof figures->no_auc,
                     "no probability is known to be that of \"%.60s\"; labels in model.conf would say which",
                     found->text);
    }
    double sum = 0;
    size_t classes = 0, first = answers->columns == 2 ? 1 : 0;
    size_t end = answers->columns == 0 ? 1 : answers->columns;
    for (size_t column = first; column < end && *figures->no_auc == '\0'; column++) {
        double auc = auc_of(rows, answers, column_of_row, column, ranked);
        sum += isnan(auc) ? 0 : auc;
        classes += !isnan(auc);
    }
    if (classes > 0)
        figures->auc = sum / (double)classes;
    else if (*figures->no_auc == '\0')
        snprintf(figures->no_auc, sizeof figures->no_auc, "all rows are of one class");
    free_columns(columns);
    free(ranked);
    free(column_of_row);
}

static void find_errors(const struct validate_rows *rows, const struct answers *answers,
                        struct figures *figures)
{
    struct regression_sums sums = {0};
    for (size_t row = 0; row < answers->rows; row++) {
        char *end;
        struct text truth = validate_rows_truth(rows, row);
        double actual = strtod(truth.at, &end); /* ended with a NUL */
        if (!answers->row[row].known)
            continue;
        if (*end != '\0' || !isfinite(actual))
            figures->unread++;
        else
            measures_add(&sums, answers->row[row].prediction, actual);
    }
    figures->mae = measures_mae(&sums);
    figures->rmse = measures_rmse(&sums);
    figures->r2 = measures_r2(&sums);
}

void judge_figures(const struct validate_rows *rows, const struct answers *answers, struct figures *figures)
{
    *figures = (struct figures){.accuracy = NAN, .auc = NAN, .mae = NAN, .rmse = NAN, .r2 = NAN};
    if (answers->schema->regression) {
        find_errors(rows, answers, figures);
        return;
    }
    size_t known = 0, right = 0;
    for (size_t row = 0; row < answers->rows; row++) {
        known += answers->row[row].known;
        right +=
            answers->row[row].known && answers_is_class(&answers->row[row], validate_rows_truth(rows, row));
    }
    if (known > 0)
        figures->accuracy = (double)right / (double)known;
    if (answers->score == SCORE_NONE)
        snprintf(figures->no_auc, sizeof figures->no_auc, "the model gives no probabilities");
    else if (known > 0)
        find_auc(rows, answers, figures);
}

void judge_truth(struct validation *validation, const struct model_config *wanted,
                 const struct schema *schema, const struct figures *figures)
{
    if (!schema->regression) {
        if (wanted->validation_min_accuracy > NOT_CHECKED)
            validation_add(validation, "accuracy", CHECK_PASSED, figures->accuracy, ">",
                           wanted->validation_min_accuracy, "%s", "");
        if (wanted->validation_min_auc > NOT_CHECKED && isnan(figures->auc))
            validation_add(validation, "auc", CHECK_SKIPPED, NAN, ">", wanted->validation_min_auc, "%s",
                           figures->no_auc);
        else if (wanted->validation_min_auc > NOT_CHECKED)
            validation_add(validation, "auc", CHECK_PASSED, figures->auc, ">", wanted->validation_min_auc,
                           "%s", "");
        return;
    }
    if (figures->unread > 0)
        validation_add(validation, "truth", CHECK_FAILED, NAN, NULL, 0, "%zu truths are no numbers",
                       figures->unread);
    if (wanted->validation_max_mae > NOT_CHECKED)
        validation_add(validation, "mae", CHECK_PASSED, figures->mae, "<=", wanted->validation_max_mae, "%s",
                       "");
    if (wanted->validation_max_rmse > NOT_CHECKED)
        validation_add(validation, "rmse", CHECK_PASSED, figures->rmse, "<=", wanted->validation_max_rmse,
                       "%s", "");
    validation_add(validation, "r2", CHECK_PASSED, figures->r2, ">", wanted->validation_min_r2, "%s", "");
}

/* ---- what came ---- */

void judge_rows(struct validation *validation, const struct validate_rows *rows, const struct asked *asked)
{
    const char *first;
    uint64_t refused = validate_rows_refused(rows, &first);
    validation_add(validation, "rows refused", CHECK_PASSED, (double)refused, "<=", 0, "%s", first);
    validation_add(validation, "rows without an answer", CHECK_PASSED, (double)asked->failed, "<=", 0, "%s",
                   asked->first_failure);
}

void judge_outputs(struct validation *validation, const struct model_config *wanted,
                   const struct answers *answers)
{
    size_t odd = 0, first = 0, outside = 0, first_outside = 0;
    double low = NAN, high = NAN;
    bool regression = answers->schema->regression;
    size_t columns = answers->columns > 0 && !regression ? answers->columns : 1;
    for (size_t row = 0; row < answers->rows; row++) {
        if (!answers->row[row].known)
            continue;
        bool finite = answers_finite(answers, row), within = true;
        first = !finite && odd == 0 ? row + 1 : first;
        odd += !finite;
        for (size_t column = 0; column < columns; column++) {
            double value = columns > 1 ? answers_probability(answers, row, column) : answers->row[row].score;
            low = fmin(low, value);
            high = fmax(high, value);
            within = within && !(value < (regression ? wanted->validation_min_output : 0)) &&
                     !(value > (regression ? wanted->validation_max_output : 1));
        }
        first_outside = !within && outside == 0 ? row + 1 : first_outside;
        outside += !within;
    }
    validation_add(validation, "rows with NaN", CHECK_PASSED, (double)odd, "<=", 0, odd > 0 ? "row %zu" : "",
                   first);
    if (answers->score == SCORE_NONE)
        return;
    validation_add(validation, "rows out of range", CHECK_PASSED, (double)outside, "<=", 0,
                   outside > 0 ? "%s from %g to %g; row %zu" : "%s from %g to %g",
                   regression ? "predictions" : "probabilities", low, high, first_outside);
}

void judge_speed(struct validation *validation, const struct model_config *wanted, const struct asked *asked)
{
    if (wanted->validation_max_row_ms > 0)
        validation_add(validation, "ms a row", CHECK_PASSED,
                       asked->answered == 0 ? NAN
                                            : (double)asked->compute_us / 1000 / (double)asked->answered,
                       "<", wanted->validation_max_row_ms, "%s", "");
}

void judge_again(struct validation *validation, const struct model_config *wanted, const char *name,
                 const struct answers *first, const struct answers *again, const struct asked *asked)
{
    size_t row = 0;
    double largest;
    size_t differ = answers_differ(first, again, wanted->validation_tolerance, &row, &largest);
    if (asked->failed > 0)
        validation_add(validation, name, CHECK_FAILED, NAN, NULL, 0, "%zu rows were not answered: %s",
                       asked->failed, asked->first_failure);
    else if (differ > 0)
        validation_add(validation, name, CHECK_FAILED, largest, "<=", wanted->validation_tolerance,
                       "%zu of %zu rows are answered otherwise, the first is row %zu", differ,
                       asked->answered, row + 1);
    else
        validation_add(validation, name, CHECK_PASSED, largest, "<=", wanted->validation_tolerance,
                       "%zu rows", asked->answered);
}

/* ---- the baseline ---- */

/* What PSI comes to by chance alone: (1/n + 1/m) times a chi-squared of bins - 1 degrees of freedom, of which
 * this is about the 99th percentile. */
static double psi_of_chance(size_t bins, double rows, double of_baseline)
{
    double freedom = bins > 1 ? (double)bins - 1 : 1;
    return (freedom + 2.33 * sqrt(2 * freedom)) * (1 / rows + 1 / of_baseline);
}

void judge_distribution(struct validation *validation, const struct model_config *wanted,
                        const struct answers *answers, const struct baseline *baseline, const char *reason)
{
    uint64_t bins[BASELINE_CATEGORIES_MAX + 1] = {0}, count = 0;
    if (wanted->validation_max_psi <= 0)
        return;
    if (baseline == NULL || baseline->score_kind != answers->score || baseline->score.count == 0) {
        validation_add(validation, "distribution", CHECK_SKIPPED, NAN, "<=", wanted->validation_max_psi, "%s",
                       baseline == NULL ? reason : "the baseline has another kind of predictions");
        return;
    }
    for (size_t row = 0; row < answers->rows; row++) {
        struct column_value value = {.number = answers->row[row].score};
        if (!answers->row[row].known || !isfinite(value.number))
            continue;
        bins[baseline_bin(&baseline->score, baseline_code(&baseline->score, value))]++;
        count++;
    }
    double chance = count == 0 ? 0
                               : psi_of_chance(baseline_bins(&baseline->score), (double)count,
                                               (double)baseline->score.count);
    validation_add(validation, "distribution", CHECK_PASSED,
                   count == 0 ? NAN : baseline_psi(&baseline->score, bins, count),
                   "<=", wanted->validation_max_psi + chance,
                   "PSI; %.3g of the threshold is chance, of %" PRIu64 " rows", chance, count);
}

/* ---- the schema ---- */

void judge_edges(struct validation *validation, const struct edges *edges, const struct answers *answers,
                 const struct asked *asked)
{
    size_t odd = 0;
    for (size_t row = 0; answers != NULL && row < answers->rows; row++)
        odd += answers->row[row].known && !answers_finite(answers, row);
    size_t wrong = edges->refused + asked->failed + odd;
    if (edges->inside == 0)
        validation_add(validation, "edges of the schema", CHECK_SKIPPED, NAN, NULL, 0, "%s",
                       "model.conf says nothing of what values may be");
    else
        validation_add(validation, "edges of the schema", CHECK_PASSED, (double)wrong, "<=", 0,
                       "of %zu rows%s%.200s%s%.200s%s", edges->inside, edges->refused > 0 ? "; " : "",
                       edges->first_refused, asked->failed > 0 ? "; " : "", asked->first_failure,
                       odd > 0 ? "; answers are NaN" : "");
    validation_add(validation, "beyond the schema", CHECK_PASSED, (double)edges->taken, "<=", 0,
                   "of %zu rows%s%s", edges->outside, edges->taken > 0 ? "; " : "", edges->first_taken);
}

/* ---- another version ---- */

static bool agree(const struct answered_row *one, const struct answered_row *other, bool regression,
                  double tolerance)
{
    if (!regression && one->label != NULL && other->label != NULL)
        return strcmp(one->label, other->label) == 0;
    double larger = fmax(1, fmax(fabs(one->prediction), fabs(other->prediction)));
    return fabs(one->prediction - other->prediction) <= (regression ? tolerance * larger : 0);
}

void judge_against(struct validation *validation, const struct model_config *wanted, double drop,
                   const struct validate_rows *rows, const struct answers *answers,
                   const struct answers *other)
{
    struct figures own, others;
    bool regression = answers->schema->regression;
    size_t both = 0, same = 0;
    for (size_t row = 0; row < answers->rows; row++) {
        if (!answers->row[row].known || !other->row[row].known)
            continue;
        both++;
        same += agree(&answers->row[row], &other->row[row], regression,
                      (double)wanted->shadow_tolerance_ppm / 1e6);
    }
    judge_figures(rows, answers, &own);
    judge_figures(rows, other, &others);
    double of_own = regression ? own.r2 : own.accuracy, of_other = regression ? others.r2 : others.accuracy;
    validation_add(validation, "agreement", CHECK_PASSED, both == 0 ? NAN : (double)same / (double)both, NULL,
                   0, "with version %s, %zu of %zu rows", validation->against, same, both);
    validation_add(validation, regression ? "r2 drop" : "accuracy drop", CHECK_PASSED, of_other - of_own,
                   "<=", drop, "%g, and version %s has %g", of_own, validation->against, of_other);
}
