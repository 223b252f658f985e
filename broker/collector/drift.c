/* drift: see drift.h.
 *
 * The thread's side keeps a window for each version that rows have come of, and its baseline, which is read
 * with the first row and again when its file is another; then the window begins anew, as its bins are others.
 * A version of which no row is in the window any more is forgotten. Windows are memory of this process: a
 * collector that is started again begins with empty ones, and says so by the number of rows.
 *
 * A report is passed through one place, `posted`, in which each side exchanges what is there for what it has:
 * nobody waits, and what nobody has taken is freed by who puts the next one there. SPDX-License-Identifier:
 * MIT */
#include "drift.h"

#include "clock.h"
#include "drift_report.h"
#include "file_stamp.h"
#include "number.h"
#include "sampled.h"

#include <math.h>
#include <stdlib.h>

enum { DRIFT_MAGIC = 0x0d1f0002, TICKS_A_LOOK = 5 /* at the files of baselines */ };
#define MILLION       1e6
#define NO_BASELINE   "there is no baseline: outrigger profile makes one"
#define OTHER_INPUTS  "the inputs are not those of the baseline"
#define OTHER_VERSION "the baseline is that of another model or version"

/* The thread's, of one version. */
struct followed {
    char model[PROTOCOL_NAME_MAX + 1], version[PROTOCOL_NAME_MAX + 1];
    char *path;
    struct file_stamp stamp;
    struct baseline *baseline; /* NULL: `problem` says why */
    const char *problem;
    struct drift_window *window;
    int64_t last_ms; /* when a row came */
};

struct drift {
    unsigned magic;
    const char *models_directory;
    size_t window, min_rows;
    int64_t window_ms;
    /* The thread's. */
    struct followed followed[DRIFT_VERSIONS_MAX];
    size_t count;
    unsigned ticks;
    bool changed; /* since the last report */
    /* Between both: atomic. */
    struct drift_report *posted;
    /* The loop's. */
    struct metrics *metrics;
    struct drift_report *report; /* NULL: none yet */
};

struct drift *drift_new(const struct config *config, struct metrics *metrics)
{
    struct drift *drift = object_alloc(sizeof *drift);
    drift->magic = DRIFT_MAGIC;
    drift->models_directory = config->models_directory;
    drift->window = (size_t)config->drift_window;
    drift->min_rows = (size_t)config->drift_min_rows;
    drift->window_ms = config->drift_window_s * (SECOND / MILLISECOND);
    drift->metrics = metrics;
    return drift;
}

static void drop(struct followed *followed)
{
    drift_window_free(followed->window);
    baseline_free(followed->baseline);
    free(followed->path);
}

void drift_free(struct drift *drift)
{
    if (drift == NULL)
        return;
    CHECK_OBJECT(drift, DRIFT_MAGIC);
    for (size_t i = 0; i < drift->count; i++)
        drop(&drift->followed[i]);
    drift_report_free(drift->posted);
    drift_report_free(drift->report);
    drift->magic = 0;
    free(drift);
}

/* ---- the thread's: versions ---- */

static void load(struct drift *drift, struct followed *followed)
{
    file_stamp_changed(&followed->stamp, followed->path);
    drift_window_free(followed->window);
    baseline_free(followed->baseline);
    followed->problem = NULL;
    followed->baseline =
        followed->stamp.error == 0 ? baseline_load(followed->path, &followed->problem) : NULL;
    if (followed->stamp.error != 0)
        followed->problem = NO_BASELINE;
    else if (followed->baseline != NULL && (strcmp(followed->baseline->model, followed->model) != 0 ||
                                            strcmp(followed->baseline->version, followed->version) != 0)) {
        followed->problem = OTHER_VERSION;
        baseline_free(followed->baseline);
        followed->baseline = NULL;
    }
    followed->window = drift_window_new(followed->baseline, drift->window);
    drift->changed = true;
}

static struct followed *find(struct drift *drift, struct text model, struct text version)
{
    for (size_t i = 0; i < drift->count; i++)
        if (text_is(model, drift->followed[i].model) && text_is(version, drift->followed[i].version))
            return &drift->followed[i];
    return NULL;
}

/* NULL when there are too many. */
static struct followed *require(struct drift *drift, struct text model, struct text version)
{
    struct followed *followed = find(drift, model, version);
    if (followed != NULL || drift->count == DRIFT_VERSIONS_MAX)
        return followed;
    followed = &drift->followed[drift->count++];
    *followed = (struct followed){0};
    text_copy(model, followed->model, sizeof followed->model);
    text_copy(version, followed->version, sizeof followed->version);
    followed->path = baseline_path(drift->models_directory, followed->model, followed->version);
    load(drift, followed);
    return followed;
}

static int64_t now_ms(void)
{
    return clock_now() / MILLISECOND;
}

const char *drift_take(void *self, const struct observation_any *any)
{
    struct drift *drift = self;
    CHECK_OBJECT(drift, DRIFT_MAGIC);
    struct sampled sampled;
    struct tensor tensors[TENSOR_COUNT_MAX];
    double scores[SAMPLED_ROWS_MAX];
    size_t count, rows;
    const char *wrong = sampled_read(any, &sampled, scores);
    if (wrong != NULL)
        return wrong;
    if (!protocol_name_ok(sampled.model) || !protocol_name_ok(sampled.version))
        return "a name is none";
    if (tensors_decode((const uint8_t *)sampled.inputs.at, sampled.inputs.length, tensors, &count, &rows) !=
            NULL ||
        rows != sampled.rows)
        return "its rows are no tensors, or others";
    struct followed *followed = require(drift, sampled.model, sampled.version);
    if (followed == NULL)
        return "there are too many versions";
    drift->changed = true;
    followed->last_ms = now_ms();
    if (!drift_window_add(followed->window, tensors, count, rows, sampled.score_kind, sampled.scores,
                          followed->last_ms))
        followed->problem = OTHER_INPUTS;
    else if (followed->baseline != NULL)
        followed->problem = NULL;
    return NULL;
}

static void look_at_baselines(struct drift *drift)
{
    for (size_t i = 0; i < drift->count; i++)
        if (file_stamp_changed(&drift->followed[i].stamp, drift->followed[i].path))
            load(drift, &drift->followed[i]);
}

/* Rows that are too old, and versions of which none has come since. */
static void forget(struct drift *drift)
{
    int64_t since_ms = now_ms() - drift->window_ms;
    size_t kept = 0;
    for (size_t i = 0; i < drift->count; i++) {
        struct followed *followed = &drift->followed[i];
        size_t before = drift_window_rows(followed->window);
        drift_window_expire(followed->window, since_ms);
        bool is_silent = followed->last_ms < since_ms;
        drift->changed = drift->changed || is_silent || drift_window_rows(followed->window) != before;
        if (is_silent)
            drop(followed);
        else
            drift->followed[kept++] = *followed;
    }
    drift->count = kept;
}

static void post(struct drift *drift)
{
    struct drift_report *report = drift_report_new(drift->count, drift->window, drift->min_rows);
    for (size_t i = 0; i < drift->count; i++) {
        const struct followed *followed = &drift->followed[i];
        drift_report_add(report, followed->model, followed->version, followed->problem, followed->baseline,
                         followed->window);
    }
    drift->changed = false;
    drift_report_free(__atomic_exchange_n(&drift->posted, report, __ATOMIC_ACQ_REL));
}

void drift_tick(void *self)
{
    struct drift *drift = self;
    CHECK_OBJECT(drift, DRIFT_MAGIC);
    if (++drift->ticks % TICKS_A_LOOK == 0)
        look_at_baselines(drift);
    forget(drift);
    if (drift->changed)
        post(drift);
}

/* ---- the loop's: gauges ---- */

static void set(struct drift *drift, enum metric metric, const struct drift_version *version,
                const char *feature, double number)
{
    struct series *series = metrics_series(drift->metrics, metric, version->model, version->version, feature);
    series_set(series, isnan(number) ? 0 : (int64_t)llround(fmin(number, 9e12) * MILLION));
}

/* Figures of too few rows are noise: none are shown. */
static double enough(const struct drift_report *report, const struct drift_figures *figures, double number)
{
    return figures->values >= report->min_rows ? number : 0;
}

static void publish_line(struct drift *drift, const struct drift_report *report,
                         const struct drift_version *version, const struct drift_line *line)
{
    const struct drift_figures *figures = &line->figures;
    set(drift, METRIC_DRIFT_PSI, version, line->name, enough(report, figures, figures->psi));
    if (!line->categorical)
        set(drift, METRIC_DRIFT_KS, version, line->name, enough(report, figures, figures->ks));
    set(drift, METRIC_MISSING_RATE, version, line->name, figures->missing);
    set(drift, METRIC_OUT_OF_RANGE_RATE, version, line->name, figures->out_of_range);
}

/* *left: features that may still be shown. */
static void publish_version(struct drift *drift, const struct drift_report *report,
                            const struct drift_version *version, size_t *left)
{
    const struct drift_figures *score = &version->score.figures;
    set(drift, METRIC_DRIFT_ROWS, version, NULL, (double)version->rows);
    if (!isnan(version->confidence))
        set(drift, METRIC_CONFIDENCE, version, NULL, version->confidence);
    if (version->problem != NULL)
        return;
    set(drift, METRIC_SCORE_PSI, version, NULL, enough(report, score, score->psi));
    set(drift, METRIC_SCORE_KS, version, NULL, enough(report, score, score->ks));
    for (size_t i = 0; i<version->feature_count && * left> 0; i++, --*left)
        publish_line(drift, report, version, &version->features[i]);
}

static bool is_in(const struct drift_report *report, const struct drift_version *version)
{
    for (size_t i = 0; i < report->count; i++)
        if (strcmp(report->versions[i].model, version->model) == 0 &&
            strcmp(report->versions[i].version, version->version) == 0)
            return true;
    return false;
}

/* The gauges of a version that is forgotten say that there is nothing. */
static void clear_version(struct drift *drift, struct drift_version *version)
{
    size_t left = DRIFT_FEATURES_SHOWN_MAX;
    const struct drift_figures nothing = {.psi = NAN, .ks = NAN, .missing = NAN, .out_of_range = NAN};
    version->rows = 0;
    version->score.figures = nothing;
    for (size_t i = 0; i < version->feature_count; i++)
        version->features[i].figures = nothing;
    publish_version(drift, drift->report, version, &left);
}

void drift_publish(struct drift *drift)
{
    CHECK_OBJECT(drift, DRIFT_MAGIC);
    struct drift_report *report = __atomic_exchange_n(&drift->posted, NULL, __ATOMIC_ACQ_REL);
    size_t left = DRIFT_FEATURES_SHOWN_MAX, features = 0;
    if (report == NULL)
        return;
    for (size_t i = 0; drift->report != NULL && i < drift->report->count; i++)
        if (!is_in(report, &drift->report->versions[i]))
            clear_version(drift, &drift->report->versions[i]);
    drift_report_free(drift->report);
    drift->report = report;
    for (size_t i = 0; i < report->count; i++) {
        publish_version(drift, report, &report->versions[i], &left);
        features += report->versions[i].feature_count;
    }
    series_set(metrics_series(drift->metrics, METRIC_DRIFT_HIDDEN, NULL, NULL, NULL),
               features > DRIFT_FEATURES_SHOWN_MAX ? (int64_t)(features - DRIFT_FEATURES_SHOWN_MAX) : 0);
}

void drift_to_json(const struct drift *drift, const char *model, yyjson_mut_doc *document,
                   yyjson_mut_val *object)
{
    CHECK_OBJECT(drift, DRIFT_MAGIC);
    drift_report_to_json(drift->report, model, document, object);
}

/* ---- the loop's: histograms, whose buckets are the baseline's ---- */

/* As labels of gauges are: printable ASCII, cut; and with what the text wants in front of quotes. */
static void write_label(FILE *out, const char *value)
{
    for (size_t i = 0; i < METRICS_LABEL_BYTES - 1 && value[i] != '\0'; i++) {
        if (value[i] == '"' || value[i] == '\\')
            fputc('\\', out);
        fputc(value[i] >= ' ' && value[i] <= '~' ? value[i] : '?', out);
    }
}

static void write_sample(FILE *out, const struct drift_version *version, const struct drift_line *line,
                         const char *suffix, const char *le, const char *value)
{
    fprintf(out, "feature_value%s{model=\"", suffix);
    write_label(out, version->model);
    fputs("\",version=\"", out);
    write_label(out, version->version);
    fputs("\",feature=\"", out);
    write_label(out, line->name);
    fprintf(out, le == NULL ? "\"%s} %s\n" : "\",le=\"%s\"} %s\n", le == NULL ? "" : le, value);
}

static void number_text(double number, char text[NUMBER_TEXT_MAX + 1])
{
    text[number_write_double(number, text)] = '\0';
}

static void write_histogram(FILE *out, const struct drift_version *version, const struct drift_line *line)
{
    char le[NUMBER_TEXT_MAX + 1], value[NUMBER_TEXT_MAX + 1];
    uint64_t below = 0;
    for (size_t bin = 0; bin < line->bins; bin++) {
        below += line->totals[bin];
        if (bin + 1 < line->bins)
            number_text(line->edges[bin], le);
        snprintf(value, sizeof value, "%llu", (unsigned long long)below);
        write_sample(out, version, line, "_bucket", bin + 1 < line->bins ? le : "+Inf", value);
    }
    write_sample(out, version, line, "_count", NULL, value);
    number_text(line->sum, value);
    write_sample(out, version, line, "_sum", NULL, value);
}

void drift_to_prometheus(const struct drift *drift, FILE *out)
{
    CHECK_OBJECT(drift, DRIFT_MAGIC);
    size_t left = DRIFT_FEATURES_SHOWN_MAX;
    if (drift->report == NULL)
        return;
    fputs(
        "# HELP feature_value Values of numeric features in the rows that were looked at since the collector "
        "began; buckets are the bins of the baseline.\n# TYPE feature_value histogram\n",
        out);
    for (size_t i = 0; i < drift->report->count; i++) {
        const struct drift_version *version = &drift->report->versions[i];
        for (size_t j = 0; j < version->feature_count && left > 0; j++, left--)
            if (!version->features[j].categorical)
                write_histogram(out, version, &version->features[j]);
    }
}
