/* drift_report: see drift_report.h. Made in the thread that observes, and read in the collector's loop:
 * drift.c hands it over. SPDX-License-Identifier: MIT */
#include "drift_report.h"

#include "drift.h"
#include "schema_fields.h"

#include <math.h>
#include <stdlib.h>

struct drift_report *drift_report_new(size_t versions, size_t window, size_t min_rows)
{
    struct drift_report *report = object_alloc(sizeof *report);
    report->window = window;
    report->min_rows = min_rows;
    report->versions = object_alloc((versions + 1) * sizeof *report->versions);
    return report;
}

static void drop_line(struct drift_line *line)
{
    for (size_t i = 0; line->categories != NULL && i + 1 < line->bins; i++)
        free(line->categories[i]);
    free(line->categories);
    free(line->name);
    free(line->edges);
    free(line->expected);
    free(line->actual);
    free(line->totals);
}

static void drop_version(struct drift_version *version)
{
    for (size_t i = 0; i < version->feature_count; i++)
        drop_line(&version->features[i]);
    drop_line(&version->score);
    free(version->features);
    free(version->model);
    free(version->version);
    free(version->created);
    free(version->digest);
}

void drift_report_free(struct drift_report *report)
{
    if (report == NULL)
        return;
    for (size_t i = 0; i < report->count; i++)
        drop_version(&report->versions[i]);
    free(report->versions);
    free(report);
}

/* ---- making one ---- */

static void add_bounds(const struct baseline_feature *feature, struct drift_line *line)
{
    char number[SCHEMA_NUMBER_MAX];
    if (!feature->categorical) {
        line->edges = object_alloc(line->bins * sizeof *line->edges);
        for (size_t i = 0; i < feature->edge_count; i++)
            line->edges[i] = feature->steps[feature->edges[i]];
        return;
    }
    line->categories = object_alloc(line->bins * sizeof *line->categories);
    for (size_t i = 0; i < feature->category_count; i++) {
        const struct baseline_category *category = &feature->categories[i];
        line->categories[i] = object_strdup(
            category->text != NULL ? category->text : schema_number_text(category->number, false, number));
    }
}

static void fill(struct drift_line *line, const struct baseline_feature *feature,
                 struct drift_figures figures)
{
    line->name = object_strdup(feature->name);
    metrics_label(text_of(feature->name), line->label);
    line->categorical = feature->categorical;
    line->figures = figures;
    line->bins = baseline_bins(feature);
    line->expected = object_alloc(line->bins * sizeof *line->expected);
    line->actual = object_alloc(line->bins * sizeof *line->actual);
    add_bounds(feature, line);
    for (size_t bin = 0; bin < line->bins && feature->count > 0; bin++)
        line->expected[bin] = (double)baseline_count(feature, bin) / (double)feature->count;
}

static void fill_feature(struct drift_line *line, const struct baseline_feature *feature,
                         const struct drift_window *window, size_t index)
{
    fill(line, feature, drift_window_feature(window, index));
    drift_window_shares(window, index, line->actual);
    if (feature->categorical)
        return;
    line->totals = object_alloc(line->bins * sizeof *line->totals);
    for (size_t bin = 0; bin < line->bins; bin++)
        line->totals[bin] = drift_window_total(window, index, bin);
    line->sum = drift_window_sum(window, index);
}

static bool same_label(const char *one, const char *other)
{
    return strncmp(one, other, METRICS_LABEL_BYTES - 1) == 0;
}

/* Whether metrics name another feature likewise: labels are cut. */
static bool is_taken(const struct drift_report *report, const struct drift_version *version,
                     const char *label)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct drift_version *other = &report->versions[i];
        if (!same_label(other->model, version->model) || !same_label(other->version, version->version))
            continue;
        for (size_t j = 0; j < other->feature_count; j++)
            if (other->features[j].shown && strcmp(other->features[j].label, label) == 0)
                return true;
    }
    return false;
}

static void show(struct drift_report *report, const struct drift_version *version, struct drift_line *line)
{
    line->shown = report->shown < DRIFT_FEATURES_SHOWN_MAX && !is_taken(report, version, line->label);
    *(line->shown ? &report->shown : &report->hidden) += 1;
}

void drift_report_add(struct drift_report *report, const char *model, const char *name, const char *problem,
                      const struct baseline *baseline, const struct drift_window *window)
{
    struct drift_version *version = &report->versions[report->count++];
    version->model = object_strdup(model);
    version->version = object_strdup(name);
    version->problem = problem;
    version->rows = drift_window_rows(window);
    version->confidence = drift_window_confidence(window);
    if (baseline == NULL)
        return;
    version->created = object_strdup(baseline->created);
    version->digest = object_strdup(baseline->digest);
    version->baseline_rows = baseline->rows;
    version->left_out = baseline->left_out;
    version->feature_count = baseline->feature_count;
    version->features = object_alloc((baseline->feature_count + 1) * sizeof *version->features);
    for (size_t i = 0; i < baseline->feature_count; i++)
        fill_feature(&version->features[i], &baseline->features[i], window, i);
    for (size_t i = 0; i < baseline->feature_count; i++)
        show(report, version, &version->features[i]);
    fill(&version->score, &baseline->score, drift_window_score(window));
    drift_window_shares(window, baseline->feature_count, version->score.actual);
}

/* ---- telling it ---- */

const char *drift_verdict(const struct drift_report *report, const struct drift_figures *figures)
{
    if (figures->values < report->min_rows || isnan(figures->psi))
        return "few";
    return figures->psi < DRIFT_MODERATE ? "stable" : figures->psi < DRIFT_DRIFTED ? "moderate" : "drifted";
}

static void add_number(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, double number)
{
    if (!isnan(number))
        yyjson_mut_obj_add_real(document, object, name, number);
}

static void add_numbers(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name,
                        const double *numbers, size_t count)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, name);
    for (size_t i = 0; i < count; i++)
        yyjson_mut_arr_add_real(document, list, numbers[i]);
}

static void add_line(const struct drift_report *report, const struct drift_line *line,
                     yyjson_mut_doc *document, yyjson_mut_val *object)
{
    const struct drift_figures *figures = &line->figures;
    yyjson_mut_obj_add_strcpy(document, object, "name", line->name);
    yyjson_mut_obj_add_str(document, object, "kind", line->categorical ? "category" : "number");
    yyjson_mut_obj_add_uint(document, object, "values", figures->values);
    add_number(document, object, "psi", figures->psi);
    add_number(document, object, "ks", figures->ks);
    add_number(document, object, "missing", figures->missing);
    add_number(document, object, "out_of_range", figures->out_of_range);
    yyjson_mut_obj_add_str(document, object, "verdict", drift_verdict(report, figures));
    if (line->categorical) {
        yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, "categories");
        for (size_t i = 0; i + 1 < line->bins; i++)
            yyjson_mut_arr_add_strcpy(document, list, line->categories[i]);
    } else {
        add_numbers(document, object, "edges", line->edges, line->bins - 1);
    }
    add_numbers(document, object, "expected", line->expected, line->bins);
    add_numbers(document, object, "actual", line->actual, line->bins);
}

static void add_version(const struct drift_report *report, const struct drift_version *version,
                        yyjson_mut_doc *document, yyjson_mut_val *models)
{
    yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, models);
    yyjson_mut_obj_add_strcpy(document, object, "model", version->model);
    yyjson_mut_obj_add_strcpy(document, object, "version", version->version);
    yyjson_mut_obj_add_uint(document, object, "rows", version->rows);
    yyjson_mut_obj_add_uint(document, object, "window", report->window);
    yyjson_mut_obj_add_uint(document, object, "min_rows", report->min_rows);
    add_number(document, object, "confidence", version->confidence);
    if (version->problem != NULL) {
        yyjson_mut_obj_add_null(document, object, "baseline");
        yyjson_mut_obj_add_strcpy(document, object, "problem", version->problem);
        return;
    }
    yyjson_mut_val *baseline = yyjson_mut_obj_add_obj(document, object, "baseline");
    yyjson_mut_obj_add_uint(document, baseline, "rows", version->baseline_rows);
    yyjson_mut_obj_add_strcpy(document, baseline, "created", version->created);
    yyjson_mut_obj_add_strcpy(document, baseline, "digest", version->digest);
    yyjson_mut_obj_add_uint(document, object, "left_out", version->left_out);
    add_line(report, &version->score, document, yyjson_mut_obj_add_obj(document, object, "score"));
    yyjson_mut_val *features = yyjson_mut_obj_add_arr(document, object, "features");
    for (size_t i = 0; i < version->feature_count; i++)
        add_line(report, &version->features[i], document, yyjson_mut_arr_add_obj(document, features));
}

void drift_report_to_json(const struct drift_report *report, const char *model, yyjson_mut_doc *document,
                          yyjson_mut_val *object)
{
    yyjson_mut_val *models = yyjson_mut_obj_add_arr(document, object, "models");
    for (size_t i = 0; report != NULL && i < report->count; i++)
        if (model == NULL || strcmp(report->versions[i].model, model) == 0)
            add_version(report, &report->versions[i], document, models);
}
