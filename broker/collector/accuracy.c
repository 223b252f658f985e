/* accuracy: see accuracy.h.
 *
 * A version's window is a ring; an index by request and row finds what is in it, so that the truth of one
 * prediction counts once, however often it is told, and may be corrected. The figures are computed from the
 * ring when somebody asks, at most once a second: sorting ten thousand probabilities takes a millisecond.
 * Accuracy is the share of predictions whose class was the true one, the Brier score the mean of
 * (probability - truth)^2; the others are those of measures.h.
 *
 * Filled by truth.c, published and asked by main.c. SPDX-License-Identifier: MIT */
#include "accuracy.h"

#include "measures.h"

#include <math.h>
#include <stdlib.h>
#include <uthash.h>

enum { ACCURACY_MAGIC = 0x0acc0001, VERSIONS_MAX = 256 /* a page of counters has room for fewer */ };
#define MILLION 1e6

struct key {
    uint64_t request;
    uint64_t row;
};

struct outcome {
    struct key key;
    unsigned flags;
    int64_t at_ms;
    double value, probability, actual;
    UT_hash_handle hh;
};

struct version_key {
    char model[PROTOCOL_NAME_MAX + 1];
    char version[PROTOCOL_NAME_MAX + 1];
};

struct version {
    struct version_key key;
    struct outcome *ring;
    size_t used, next;
    struct outcome *index;
    unsigned flags; /* of the last one: the task */
    uint64_t known, right;
    bool changed;
    int64_t leaves_ms; /* when the first of those that were published leaves the window; 0: none was */
    struct series *accuracy, *auc, *brier, *mae, *rmse; /* NULL: no number yet */
    UT_hash_handle hh;
};

struct accuracy {
    unsigned magic;
    struct metrics *metrics;
    size_t window;
    int64_t window_ms;
    struct version *versions;
};

struct accuracy *accuracy_new(struct metrics *metrics, size_t window, int64_t window_ms)
{
    struct accuracy *accuracy = object_alloc(sizeof *accuracy);
    accuracy->magic = ACCURACY_MAGIC;
    accuracy->metrics = metrics;
    accuracy->window = window;
    accuracy->window_ms = window_ms;
    return accuracy;
}

void accuracy_free(struct accuracy *accuracy)
{
    if (accuracy == NULL)
        return;
    CHECK_OBJECT(accuracy, ACCURACY_MAGIC);
    struct version *version, *next;
    HASH_ITER(hh, accuracy->versions, version, next)
    {
        HASH_CLEAR(hh, version->index);
        HASH_DEL(accuracy->versions, version);
        free(version->ring);
        free(version);
    }
    accuracy->magic = 0;
    free(accuracy);
}

/* ---- taking ---- */

static struct version *find(struct accuracy *accuracy, struct text model, struct text name)
{
    struct version_key key = {0};
    struct version *version;
    text_copy(model, key.model, sizeof key.model);
    text_copy(name, key.version, sizeof key.version);
    HASH_FIND(hh, accuracy->versions, &key, sizeof key, version);
    return version;
}

/* NULL when there are too many. */
static struct version *require(struct accuracy *accuracy, const struct prediction *joined)
{
    struct version *version = find(accuracy, joined->model, joined->version);
    if (version != NULL || HASH_COUNT(accuracy->versions) >= VERSIONS_MAX)
        return version;
    version = object_alloc(sizeof *version);
    version->ring = object_alloc(accuracy->window * sizeof *version->ring);
    text_copy(joined->model, version->key.model, sizeof version->key.model);
    text_copy(joined->version, version->key.version, sizeof version->key.version);
    HASH_ADD(hh, accuracy->versions, key, sizeof version->key, version);
    return version;
}

static void fill(struct outcome *outcome, const struct prediction *joined)
{
    outcome->flags = joined->flags;
    outcome->at_ms = joined->at_ms;
    outcome->value = joined->value;
    outcome->probability = joined->probability;
    outcome->actual = joined->actual;
}

static bool is_right(const struct outcome *outcome)
{
    return (outcome->flags & PREDICTION_RIGHT) != 0;
}

static bool same_number(double one, double other)
{
    return one == other || (isnan(one) && isnan(other));
}

/* The oldest makes room. */
static struct outcome *place_for(struct version *version, size_t window)
{
    struct outcome *outcome = &version->ring[version->next];
    version->next = (version->next + 1) % window;
    if (version->used == window)
        HASH_DEL(version->index, outcome);
    else
        version->used++;
    return outcome;
}

bool accuracy_take(struct accuracy *accuracy, const struct prediction *joined)
{
    CHECK_OBJECT(accuracy, ACCURACY_MAGIC);
    struct version *version = require(accuracy, joined);
    const struct key key = {joined->request, joined->row};
    struct outcome *outcome;
    if (version == NULL)
        return false;
    HASH_FIND(hh, version->index, &key, sizeof key, outcome);
    if (outcome != NULL && outcome->flags == joined->flags && same_number(outcome->actual, joined->actual))
        return false;
    if (outcome != NULL) { /* corrected */
        version->right -= is_right(outcome);
        fill(outcome, joined);
    } else {
        outcome = place_for(version, accuracy->window);
        outcome->key = key;
        fill(outcome, joined);
        HASH_ADD(hh, version->index, key, sizeof outcome->key, outcome);
        version->known++;
    }
    version->right += is_right(outcome);
    version->flags = joined->flags;
    version->changed = true;
    return true;
}

/* ---- figures ---- */

static bool is_positive(const struct outcome *outcome)
{
    return outcome->actual > 0.5;
}

/* Takes part in the figures of two classes. */
static bool is_binary(const struct outcome *outcome)
{
    return (outcome->flags & PREDICTION_BINARY) && isfinite(outcome->probability) &&
           isfinite(outcome->actual);
}

static void compute(struct version *version, int64_t since_ms, struct accuracy_figures *figures)
{
    struct ranked *binary = object_alloc((version->used + 1) * sizeof *binary);
    struct regression_sums numbers = {0};
    double squares = 0;
    size_t right = 0, classes = 0, binaries = 0;
    int64_t oldest_ms = INT64_MAX;
    *figures = (struct accuracy_figures){.accuracy = NAN,
                                         .auc = NAN,
                                         .brier = NAN,
                                         .mae = NAN,
                                         .rmse = NAN,
                                         .known = version->known,
                                         .right = version->right};
    for (size_t i = 0; i < version->used; i++) {
        struct outcome *outcome = &version->ring[i];
        if (outcome->at_ms < since_ms)
            continue;
        figures->count++;
        oldest_ms = outcome->at_ms < oldest_ms ? outcome->at_ms : oldest_ms;
        if (outcome->flags & PREDICTION_REGRESSION) {
            measures_add(&numbers, outcome->value, outcome->actual);
            continue;
        }
        classes++;
        right += is_right(outcome);
        if (is_binary(outcome)) {
            double error = outcome->probability - (double)is_positive(outcome);
            squares += error * error;
            binary[binaries++] = (struct ranked){outcome->probability, is_positive(outcome)};
        }
    }
    figures->oldest_ms = figures->count == 0 ? 0 : oldest_ms;
    if (classes > 0)
        figures->accuracy = (double)right / (double)classes;
    if (binaries > 0)
        figures->brier = squares / (double)binaries;
    figures->mae = measures_mae(&numbers);
    figures->rmse = measures_rmse(&numbers);
    figures->auc = measures_auc(binary, binaries);
    free(binary);
}

bool accuracy_of(struct accuracy *accuracy, struct text model, struct text name, int64_t now_ms,
                 struct accuracy_figures *figures)
{
    CHECK_OBJECT(accuracy, ACCURACY_MAGIC);
    struct version *version = find(accuracy, model, name);
    if (version != NULL)
        compute(version, now_ms - accuracy->window_ms, figures);
    return version != NULL;
}

/* ---- showing ---- */

/* A gauge is there as long as there is a number of it. */
static void set(struct accuracy *accuracy, const struct version *version, struct series **series,
                enum metric metric, double number)
{
    if (isnan(number)) {
        if (*series != NULL)
            metrics_forget(accuracy->metrics, metric, version->key.model, version->key.version, NULL);
        *series = NULL;
        return;
    }
    if (*series == NULL)
        *series = metrics_series(accuracy->metrics, metric, version->key.model, version->key.version, NULL);
    series_set(*series, (int64_t)llround(fmin(number, 9e12) * MILLION));
}

static void publish(struct accuracy *accuracy, struct version *version,
                    const struct accuracy_figures *figures)
{
    set(accuracy, version, &version->accuracy, METRIC_MODEL_ACCURACY, figures->accuracy);
    set(accuracy, version, &version->auc, METRIC_MODEL_AUC, figures->auc);
    set(accuracy, version, &version->brier, METRIC_MODEL_BRIER, figures->brier);
    set(accuracy, version, &version->mae, METRIC_MODEL_MAE, figures->mae);
    set(accuracy, version, &version->rmse, METRIC_MODEL_RMSE, figures->rmse);
    series_set(metrics_series(accuracy->metrics, METRIC_FEEDBACK_WINDOW, version->key.model,
                              version->key.version, NULL),
               (int64_t)figures->count);
}

void accuracy_publish(struct accuracy *accuracy, int64_t now_ms)
{
    CHECK_OBJECT(accuracy, ACCURACY_MAGIC);
    for (struct version *version = accuracy->versions; version != NULL; version = version->hh.next) {
        struct accuracy_figures figures;
        if (!version->changed && (version->leaves_ms == 0 || now_ms <= version->leaves_ms))
            continue;
        version->changed = false;
        compute(version, now_ms - accuracy->window_ms, &figures);
        version->leaves_ms = figures.count == 0 ? 0 : figures.oldest_ms + accuracy->window_ms;
        publish(accuracy, version, &figures);
    }
}

static void add_number(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, double number)
{
    if (!isnan(number))
        yyjson_mut_obj_add_real(document, object, name, number);
}

void accuracy_to_json(struct accuracy *accuracy, int64_t now_ms, yyjson_mut_doc *document,
                      yyjson_mut_val *object)
{
    CHECK_OBJECT(accuracy, ACCURACY_MAGIC);
    yyjson_mut_val *models = yyjson_mut_obj_add_arr(document, object, "models");
    for (struct version *version = accuracy->versions; version != NULL; version = version->hh.next) {
        struct accuracy_figures figures;
        bool regression = (version->flags & PREDICTION_REGRESSION) != 0;
        compute(version, now_ms - accuracy->window_ms, &figures);
        yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, models);
        yyjson_mut_obj_add_strcpy(document, entry, "model", version->key.model);
        yyjson_mut_obj_add_strcpy(document, entry, "version", version->key.version);
        yyjson_mut_obj_add_str(document, entry, "task", regression ? "regression" : "classification");
        yyjson_mut_obj_add_uint(document, entry, "count", figures.count);
        yyjson_mut_obj_add_uint(document, entry, "known", figures.known);
        if (!regression)
            yyjson_mut_obj_add_uint(document, entry, "right", figures.right);
        add_number(document, entry, "accuracy", figures.accuracy);
        add_number(document, entry, "auc", figures.auc);
        add_number(document, entry, "brier", figures.brier);
        add_number(document, entry, "mae", figures.mae);
        add_number(document, entry, "rmse", figures.rmse);
    }
}
