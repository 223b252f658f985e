/* drift: see drift.h.
 *
 * The thread's side keeps a window for each version that rows have come of, and its baseline, which is read
 * with the first row and again when its file is another; then the window begins anew, as its bins are others.
 * A version of which no row is in the window any more is forgotten. Windows are memory of this process: a
 * collector that is started again begins with empty ones, and says so by the number of rows.
 *
 * A report is passed through one place, `posted`, in which each side exchanges what is there for what it has:
 * nobody waits, and what nobody has taken is freed by who puts the next one there. One that the loop is done
 * with goes back through `returned`: to free it itself it would have to wait for a lock of malloc's that the
 * thread, which gets only what others leave of the processors, may hold. Made by main.c, which hangs it into
 * observing.c, its exposition and its control socket. SPDX-License-Identifier: MIT */
#include "drift.h"

#include "clock.h"
#include "drift_report.h"
#include "drift_text.h"
#include "file_stamp.h"
#include "sampled.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { DRIFT_MAGIC = 0x0d1f0002, TICKS_A_LOOK = 5 /* at the files of baselines */ };
#define MILLION       1e6
#define OTHER_INPUTS  "the inputs are not those of the baseline"
#define OTHER_VERSION "the baseline is that of another model or version"

/* Of most versions, whose owners want none. */
static const char no_baseline[] = "there is no baseline: outrigger profile makes one";

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
    struct drift_report *returned; /* and those behind it */
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

static void free_returned(struct drift *drift)
{
    struct drift_report *report = __atomic_exchange_n(&drift->returned, NULL, __ATOMIC_ACQ_REL);
    while (report != NULL) {
        struct drift_report *next = report->next;
        drift_report_free(report);
        report = next;
    }
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
    free_returned(drift);
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
    bool absent = followed->stamp.error == ENOENT || followed->stamp.error == ENOTDIR;
    followed->baseline = absent ? NULL : baseline_load(followed->path, &followed->problem);
    if (absent)
        followed->problem = no_baseline;
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
    free_returned(drift);
    if (++drift->ticks % TICKS_A_LOOK == 0)
        look_at_baselines(drift);
    forget(drift);
    if (drift->changed)
        post(drift);
}

/* ---- the loop's ---- */

static void give_back(struct drift *drift, struct drift_report *report)
{
    report->next = __atomic_load_n(&drift->returned, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&drift->returned, &report->next, report, true, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
        continue;
}

/* What there is no figure of has no gauge. */
static void set(struct drift *drift, enum metric metric, const struct drift_version *version,
                const char *feature, double number)
{
    if (!isnan(number))
        series_set(metrics_series(drift->metrics, metric, version->model, version->version, feature),
                   (int64_t)llround(fmin(number, 9e12) * MILLION));
}

/* Figures of too few rows are noise. */
static double enough(const struct drift_report *report, const struct drift_figures *figures, double number)
{
    return figures->values >= report->min_rows ? number : NAN;
}

static void publish_line(struct drift *drift, const struct drift_report *report,
                         const struct drift_version *version, const struct drift_line *line)
{
    const struct drift_figures *figures = &line->figures;
    set(drift, METRIC_DRIFT_PSI, version, line->name, enough(report, figures, figures->psi));
    set(drift, METRIC_DRIFT_KS, version, line->name, enough(report, figures, figures->ks));
    set(drift, METRIC_MISSING_RATE, version, line->name, figures->missing);
    set(drift, METRIC_OUT_OF_RANGE_RATE, version, line->name, figures->out_of_range);
}

static void publish(struct drift *drift, const struct drift_report *report,
                    const struct drift_version *version)
{
    const struct drift_figures *score = &version->score.figures;
    set(drift, METRIC_DRIFT_ROWS, version, NULL, (double)version->rows);
    set(drift, METRIC_CONFIDENCE, version, NULL, version->confidence);
    if (version->problem != NULL)
        return;
    set(drift, METRIC_SCORE_PSI, version, NULL, enough(report, score, score->psi));
    set(drift, METRIC_SCORE_KS, version, NULL, enough(report, score, score->ks));
    for (size_t i = 0; i < version->feature_count; i++)
        if (version->features[i].shown)
            publish_line(drift, report, version, &version->features[i]);
}

static void withdraw(struct drift *drift, const struct drift_version *version)
{
    static const enum metric of_version[] = {METRIC_DRIFT_ROWS, METRIC_CONFIDENCE, METRIC_SCORE_PSI,
                                             METRIC_SCORE_KS};
    static const enum metric of_feature[] = {METRIC_DRIFT_PSI, METRIC_DRIFT_KS, METRIC_MISSING_RATE,
                                             METRIC_OUT_OF_RANGE_RATE};
    for (size_t i = 0; i < COUNT_OF(of_version); i++)
        metrics_forget(drift->metrics, of_version[i], version->model, version->version, NULL);
    for (size_t i = 0; i < version->feature_count; i++)
        for (size_t j = 0; version->features[i].shown && j < COUNT_OF(of_feature); j++)
            metrics_forget(drift->metrics, of_feature[j], version->model, version->version,
                           version->features[i].name);
}

void drift_publish(struct drift *drift)
{
    CHECK_OBJECT(drift, DRIFT_MAGIC);
    struct drift_report *before = drift->report,
                        *report = __atomic_exchange_n(&drift->posted, NULL, __ATOMIC_ACQ_REL);
    if (report == NULL)
        return;
    for (size_t i = 0; before != NULL && i < before->count; i++)
        withdraw(drift, &before->versions[i]);
    for (size_t i = 0; i < report->count; i++)
        publish(drift, report, &report->versions[i]);
    series_set(metrics_series(drift->metrics, METRIC_DRIFT_HIDDEN, NULL, NULL, NULL),
               (int64_t)report->hidden);
    drift->report = report;
    if (before != NULL)
        give_back(drift, before);
}

void drift_each_problem(const struct drift *drift, drift_problem *visit, void *self)
{
    CHECK_OBJECT(drift, DRIFT_MAGIC);
    for (size_t i = 0; drift->report != NULL && i < drift->report->count; i++) {
        const struct drift_version *version = &drift->report->versions[i];
        if (version->problem != NULL && version->problem != no_baseline)
            visit(self, version->model, version->version, version->problem);
    }
}

void drift_to_json(const struct drift *drift, const char *model, yyjson_mut_doc *document,
                   yyjson_mut_val *object)
{
    CHECK_OBJECT(drift, DRIFT_MAGIC);
    drift_report_to_json(drift->report, model, document, object);
}

void drift_to_prometheus(const struct drift *drift, FILE *out, bool open)
{
    CHECK_OBJECT(drift, DRIFT_MAGIC);
    if (drift->report != NULL)
        drift_text_write(drift->report, out, open);
}
