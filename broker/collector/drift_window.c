/* drift_window: see drift_window.h.
 *
 * A ring of the codes of the values, a byte each, and beside it how often each code is in the ring: a row
 * that comes or goes is an add for each feature, and figures are computed from the counts. The ring grows as
 * rows come. Each is drift.c's, in the thread of observing.c. SPDX-License-Identifier: MIT */
#include "drift_window.h"

#include <math.h>
#include <stdlib.h>

enum { WINDOW_MAGIC = 0x0d1f0001, FIRST_ROWS = 256 };

/* How often each code is in the ring. */
struct codes {
    uint32_t of[BASELINE_CODES];
};

struct drift_window {
    unsigned magic;
    const struct baseline *baseline;
    size_t capacity, room; /* rows: at most, and those that there is memory for */
    size_t first, used;    /* of the ring */
    size_t width;          /* codes of a row: the features, and the score */
    uint8_t *ring;
    int64_t *at_ms;
    float *confidence;   /* NaN: none */
    struct codes *codes; /* for each of the width */
    uint64_t (*totals)[BASELINE_BINS_MAX];
    double *sums;
};

struct drift_window *drift_window_new(const struct baseline *baseline, size_t capacity)
{
    struct drift_window *window = object_alloc(sizeof *window);
    size_t features = baseline == NULL ? 0 : baseline->feature_count;
    window->magic = WINDOW_MAGIC;
    window->baseline = baseline;
    window->capacity = capacity;
    window->width = features + 1;
    window->codes = object_alloc(window->width * sizeof *window->codes);
    window->totals = object_alloc(window->width * sizeof *window->totals);
    window->sums = object_alloc(window->width * sizeof *window->sums);
    return window;
}

void drift_window_free(struct drift_window *window)
{
    if (window == NULL)
        return;
    CHECK_OBJECT(window, WINDOW_MAGIC);
    free(window->ring);
    free(window->at_ms);
    free(window->confidence);
    free(window->codes);
    free(window->totals);
    free(window->sums);
    window->magic = 0;
    free(window);
}

/* ---- the ring ---- */

static size_t place(const struct drift_window *window, size_t index)
{
    return (window->first + index) % window->room;
}

/* The rows begin at the first place again. */
static void grow(struct drift_window *window)
{
    size_t room = window->room == 0 ? FIRST_ROWS : 2 * window->room;
    room = room < window->capacity ? room : window->capacity;
    uint8_t *ring = object_alloc(room * window->width);
    int64_t *at_ms = object_alloc(room * sizeof *at_ms);
    float *confidence = object_alloc(room * sizeof *confidence);
    for (size_t i = 0; i < window->used; i++) {
        size_t from = place(window, i);
        memcpy(ring + i * window->width, window->ring + from * window->width, window->width);
        at_ms[i] = window->at_ms[from];
        confidence[i] = window->confidence[from];
    }
    free(window->ring);
    free(window->at_ms);
    free(window->confidence);
    window->ring = ring;
    window->at_ms = at_ms;
    window->confidence = confidence;
    window->room = room;
    window->first = 0;
}

static void drop_first(struct drift_window *window)
{
    const uint8_t *row = window->ring + window->first * window->width;
    for (size_t i = 0; i < window->width; i++)
        window->codes[i].of[row[i]]--;
    window->first = (window->first + 1) % window->room;
    window->used--;
}

void drift_window_expire(struct drift_window *window, int64_t since_ms)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    while (window->used > 0 && window->at_ms[window->first] < since_ms)
        drop_first(window);
}

size_t drift_window_rows(const struct drift_window *window)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    return window->used;
}

/* ---- adding ---- */

/* Where a feature's values come from. */
struct source {
    const struct tensor *tensor;
    struct columns_cursor cursor;
};

/* False when a feature is not there. */
static bool find_sources(const struct baseline *baseline, const struct tensor *tensors, size_t count,
                         struct source sources[BASELINE_FEATURES_MAX])
{
    for (size_t i = 0; baseline != NULL && i < baseline->feature_count; i++) {
        sources[i] = (struct source){.tensor = columns_tensor(tensors, count, baseline->features[i].input)};
        if (sources[i].tensor == NULL || baseline->features[i].column >= value_columns(sources[i].tensor))
            return false;
    }
    return true;
}

static void count_total(struct drift_window *window, size_t index, const struct baseline_feature *feature,
                        uint8_t code, double number)
{
    if (code == BASELINE_MISSING || feature->categorical)
        return;
    window->totals[index][baseline_bin(feature, code)]++;
    window->sums[index] += number;
}

static uint8_t score_code(const struct baseline *baseline, enum score_kind kind, double score)
{
    if (baseline == NULL || baseline->score_kind != kind || kind == SCORE_NONE)
        return BASELINE_MISSING;
    return baseline_code(&baseline->score,
                         (struct column_value){.missing = !isfinite(score), .number = score});
}

static void add_row(struct drift_window *window, struct source *sources, size_t row, enum score_kind kind,
                    double score, int64_t at_ms)
{
    if (window->used == window->room && window->room < window->capacity)
        grow(window);
    else if (window->used == window->room)
        drop_first(window);
    size_t to = place(window, window->used++), features = window->width - 1;
    uint8_t *codes = window->ring + to * window->width;
    for (size_t i = 0; i < features; i++) {
        const struct baseline_feature *feature = &window->baseline->features[i];
        struct column_value value =
            columns_value(sources[i].tensor, row, feature->column, &sources[i].cursor);
        codes[i] = baseline_code(feature, value);
        count_total(window, i, feature, codes[i], value.number);
    }
    codes[features] = score_code(window->baseline, kind, score);
    for (size_t i = 0; i < window->width; i++)
        window->codes[i].of[codes[i]]++;
    window->at_ms[to] = at_ms;
    window->confidence[to] = (float)score_confidence(kind, score);
}

bool drift_window_add(struct drift_window *window, const struct tensor *tensors, size_t count, size_t rows,
                      enum score_kind kind, const double *scores, int64_t at_ms)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    struct source sources[BASELINE_FEATURES_MAX] = {0};
    if (rows == 0 || !find_sources(window->baseline, tensors, count, sources))
        return false;
    for (size_t row = 0; row < rows; row++)
        add_row(window, sources, row, kind, scores[row], at_ms);
    return true;
}

/* ---- figures ---- */

static uint64_t values_of(const struct drift_window *window, const struct codes *codes)
{
    return window->used - codes->of[BASELINE_MISSING];
}

static void count_bins(const struct baseline_feature *feature, const struct codes *codes,
                       uint64_t bins[BASELINE_CATEGORIES_MAX + 1])
{
    memset(bins, 0, (BASELINE_CATEGORIES_MAX + 1) * sizeof *bins);
    for (size_t code = 0; code < BASELINE_MISSING; code++)
        if (codes->of[code] > 0)
            bins[baseline_bin(feature, (uint8_t)code)] += codes->of[code];
}

static double psi_of(const struct baseline_feature *feature, const struct codes *codes, uint64_t values)
{
    uint64_t live[BASELINE_CATEGORIES_MAX + 1];
    count_bins(feature, codes, live);
    return baseline_psi(feature, live, values);
}

static double ks_of(const struct baseline_feature *feature, const struct codes *codes, uint64_t values)
{
    uint64_t below = codes->of[BASELINE_LOW];
    double largest = 0;
    for (size_t step = 0; step < feature->step_count; step++) {
        below += codes->of[step];
        largest = fmax(largest, fabs((double)below / (double)values -
                                     (double)feature->below[step] / (double)feature->count));
    }
    return largest;
}

static struct drift_figures figures_of(const struct drift_window *window,
                                       const struct baseline_feature *feature, const struct codes *codes)
{
    struct drift_figures figures = {.values = values_of(window, codes), .psi = NAN, .ks = NAN};
    figures.missing = window->used == 0 ? NAN : (double)codes->of[BASELINE_MISSING] / (double)window->used;
    uint64_t strange = (uint64_t)codes->of[BASELINE_LOW] + codes->of[BASELINE_HIGH] +
                       (feature->categorical ? codes->of[BASELINE_OTHER] : 0);
    figures.out_of_range = window->used == 0 ? NAN : (double)strange / (double)window->used;
    if (figures.values == 0 || feature->count == 0)
        return figures;
    figures.psi = psi_of(feature, codes, figures.values);
    if (!feature->categorical)
        figures.ks = ks_of(feature, codes, figures.values);
    return figures;
}

struct drift_figures drift_window_feature(const struct drift_window *window, size_t feature)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    ENSURE(feature + 1 < window->width);
    return figures_of(window, &window->baseline->features[feature], &window->codes[feature]);
}

struct drift_figures drift_window_score(const struct drift_window *window)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    if (window->baseline == NULL)
        return (struct drift_figures){.psi = NAN, .ks = NAN, .missing = NAN, .out_of_range = NAN};
    return figures_of(window, &window->baseline->score, &window->codes[window->width - 1]);
}

void drift_window_shares(const struct drift_window *window, size_t index, double *shares)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    ENSURE(index < window->width && window->baseline != NULL);
    const struct baseline_feature *feature =
        index + 1 == window->width ? &window->baseline->score : &window->baseline->features[index];
    uint64_t live[BASELINE_CATEGORIES_MAX + 1], values = values_of(window, &window->codes[index]);
    count_bins(feature, &window->codes[index], live);
    for (size_t bin = 0; bin < baseline_bins(feature); bin++)
        shares[bin] = values == 0 ? 0 : (double)live[bin] / (double)values;
}

double drift_window_confidence(const struct drift_window *window)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < window->used; i++) {
        float confidence = window->confidence[place(window, i)];
        sum += isfinite(confidence) ? (double)confidence : 0;
        count += isfinite(confidence) != 0;
    }
    return count == 0 ? NAN : sum / (double)count;
}

uint64_t drift_window_total(const struct drift_window *window, size_t feature, size_t bin)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    ENSURE(feature + 1 < window->width && bin < BASELINE_BINS_MAX);
    return window->totals[feature][bin];
}

double drift_window_sum(const struct drift_window *window, size_t feature)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    ENSURE(feature + 1 < window->width);
    return window->sums[feature];
}
