/* baseline_builder: a baseline is made from rows, by `outrigger profile` (profile_command.c). All numbers are
 * kept until the end, since quantiles are of all; of categories there are counts, of as many as COUNTED_MAX,
 * beyond which new ones are others.
 *
 * A quantile is a value that was there: the smallest that so much of all is at most as large as. Where values
 * are few, quantiles coincide and their bins are one. A value that several quantiles meet, or all, has an
 * edge just below it as well: it is a bin of its own, or else what lies between it and the edge before would
 * be taken for it, and were it the largest, nearly everything. SPDX-License-Identifier: MIT */
#include "baseline.h"

#include "utf8.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>
#include <uthash.h>

enum { BUILDER_MAGIC = 0x0ba50001, COUNTED_MAX = 65536 };

/* A category while it is counted. */
struct counted {
    UT_hash_handle hh;
    struct baseline_category category;
    size_t length;
    char key[]; /* the text, or the bytes of the number */
};

/* Values of one feature. */
struct column {
    struct baseline_feature feature; /* name, input, column, kind, missing */
    double *numbers;
    size_t count, room;
    struct counted *counted;
    uint64_t uncounted; /* those that were too many */
};

struct baseline_builder {
    unsigned magic;
    size_t bins;
    struct column *columns; /* BASELINE_FEATURES_MAX */
    size_t column_count;
    uint64_t left_out, rows;
    struct column score;
    enum score_kind score_kind;
};

struct baseline_builder *baseline_builder_new(size_t bins)
{
    ENSURE(bins >= 2 && bins <= BASELINE_BINS_MAX);
    struct baseline_builder *builder = object_alloc(sizeof *builder);
    builder->magic = BUILDER_MAGIC;
    builder->bins = bins;
    builder->columns = object_alloc(BASELINE_FEATURES_MAX * sizeof *builder->columns);
    return builder;
}

static void drop_column(struct column *column)
{
    struct counted *counted, *next;
    HASH_ITER(hh, column->counted, counted, next)
    {
        HASH_DEL(column->counted, counted);
        free(counted);
    }
    free(column->feature.name);
    free(column->feature.input);
    free(column->numbers);
}

void baseline_builder_free(struct baseline_builder *builder)
{
    if (builder == NULL)
        return;
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    for (size_t i = 0; i < builder->column_count; i++)
        drop_column(&builder->columns[i]);
    drop_column(&builder->score);
    free(builder->columns);
    builder->magic = 0;
    free(builder);
}

void baseline_builder_feature(struct baseline_builder *builder, const char *name, const char *input,
                              size_t column, bool categorical)
{
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    if (builder->column_count == BASELINE_FEATURES_MAX) {
        builder->left_out++;
        return;
    }
    builder->columns[builder->column_count++].feature =
        (struct baseline_feature){.name = object_strdup(name),
                                  .input = object_strdup(input),
                                  .column = column,
                                  .categorical = categorical};
}

/* ---- adding ---- */

static void add_number(struct column *column, double number)
{
    if (column->count == column->room) {
        column->room = column->room == 0 ? 1024 : 2 * column->room;
        column->numbers = realloc(column->numbers, column->room * sizeof *column->numbers);
        ENSURE(column->numbers != NULL);
    }
    column->numbers[column->count++] = number;
}

static void add_category(struct column *column, struct column_value value)
{
    bool is_text = value.text.at != NULL;
    const void *key = is_text ? (const void *)value.text.at : &value.number;
    size_t length = is_text ? value.text.length : sizeof value.number;
    struct counted *counted;
    column->feature.count++;
    HASH_FIND(hh, column->counted, key, length, counted);
    bool fits = HASH_COUNT(column->counted) < COUNTED_MAX &&
                (!is_text || (length <= BASELINE_NAME_MAX && utf8_ok(value.text) &&
                              memchr(value.text.at, '\0', length) == NULL));
    if (counted == NULL && !fits) {
        column->uncounted++;
        return;
    }
    if (counted == NULL) {
        counted = object_alloc(sizeof *counted + length + 1);
        memcpy(counted->key, key, length);
        counted->category.text = is_text ? counted->key : NULL;
        counted->category.number = is_text ? 0 : value.number;
        HASH_ADD_KEYPTR(hh, column->counted, counted->key, length, counted);
    }
    counted->category.count++;
}

static void add_value(struct column *column, struct column_value value)
{
    if (value.missing || (!column->feature.categorical && !isfinite(value.number)))
        column->feature.missing++;
    else if (column->feature.categorical)
        add_category(column, value);
    else
        add_number(column, value.number);
}

static bool has_features(const struct baseline_builder *builder, const struct tensor *tensors, size_t count,
                         size_t rows)
{
    for (size_t i = 0; i < builder->column_count; i++) {
        const struct baseline_feature *feature = &builder->columns[i].feature;
        const struct tensor *tensor = columns_tensor(tensors, count, feature->input);
        if (tensor == NULL || (rows > 0 && feature->column >= value_columns(tensor)))
            return false;
    }
    return true;
}

bool baseline_builder_add(struct baseline_builder *builder, const struct tensor *tensors, size_t count,
                          size_t rows, enum score_kind kind, const double *scores)
{
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    if (!has_features(builder, tensors, count, rows))
        return false;
    for (size_t i = 0; i < builder->column_count; i++) {
        struct column *column = &builder->columns[i];
        const struct tensor *tensor = columns_tensor(tensors, count, column->feature.input);
        struct columns_cursor cursor = {0};
        for (size_t row = 0; row < rows; row++)
            add_value(column, columns_value(tensor, row, column->feature.column, &cursor));
    }
    for (size_t row = 0; row < rows && kind != SCORE_NONE && scores != NULL; row++)
        add_value(&builder->score,
                  (struct column_value){.missing = !isfinite(scores[row]), .number = scores[row]});
    builder->score_kind = kind;
    builder->rows += rows;
    return true;
}

/* ---- numbers ---- */

static int by_number(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The number that `part` of `parts` of all, sorted, are at most as large as. */
static double quantile(const double *sorted, size_t count, size_t part, size_t parts)
{
    return sorted[(part * count + parts - 1) / parts - 1];
}

/* Values, of all that are sorted, at most as large. */
static uint64_t count_below(const double *sorted, size_t count, double number)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] <= number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Sorts, and leaves out what is there twice. */
static size_t unique(double *numbers, size_t count)
{
    size_t kept = 0;
    qsort(numbers, count, sizeof *numbers, by_number);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || numbers[i] != numbers[kept - 1])
            numbers[kept++] = numbers[i];
    return kept;
}

static size_t quantiles(const double *sorted, size_t count, size_t parts, double *numbers)
{
    for (size_t part = 1; part < parts; part++)
        numbers[part - 1] = quantile(sorted, count, part, parts);
    return parts - 1;
}

/* Adds what is just below a number, if there is such a number. Returns how many there are then. */
static size_t add_below(double number, double *numbers, size_t count)
{
    double below = nextafter(number, -INFINITY);
    if (isfinite(below))
        numbers[count++] = below;
    return count;
}

/* The quantiles, each once, and what is just below those that several meet; below the smallest there is
 * nothing to be told apart, unless it is all there is. */
static size_t find_edges(const struct baseline_feature *feature, const double *sorted, size_t bins,
                         double edges[BASELINE_BINS_MAX])
{
    double quantile[BASELINE_BINS_MAX];
    size_t quantile_count = quantiles(sorted, feature->count, bins, quantile), count = 0;
    if (feature->minimum == feature->maximum) {
        edges[count++] = feature->minimum;
        return unique(edges, add_below(feature->minimum, edges, count));
    }
    for (size_t i = 0, next; i < quantile_count; i = next) {
        for (next = i + 1; next < quantile_count && quantile[next] == quantile[i];)
            next++;
        bool is_last = quantile[i] == feature->maximum;
        if (!is_last || next - i > 1) /* one alone is replaced: there are as many bins as there may be */
            edges[count++] = quantile[i];
        if ((next - i > 1 && quantile[i] > feature->minimum) || is_last)
            count = add_below(quantile[i], edges, count);
    }
    return unique(edges, count);
}

static void set_steps(struct baseline_feature *feature, const double *sorted, size_t bins)
{
    double steps[BASELINE_STEPS_MAX], edges[BASELINE_BINS_MAX];
    size_t edge_count = find_edges(feature, sorted, bins, edges), step_count;
    memcpy(steps, edges, edge_count * sizeof *edges);
    step_count = edge_count + quantiles(sorted, feature->count, BASELINE_PERCENTILES, steps + edge_count);
    step_count = unique(steps, step_count);
    feature->steps = object_alloc(step_count * sizeof *feature->steps);
    feature->below = object_alloc(step_count * sizeof *feature->below);
    feature->edges = object_alloc(edge_count * sizeof *feature->edges);
    for (size_t i = 0, edge = 0; i < step_count; i++) {
        feature->steps[i] = steps[i];
        feature->below[i] = count_below(sorted, feature->count, steps[i]);
        if (edge < edge_count && edges[edge] == steps[i])
            feature->edges[edge++] = i;
    }
    feature->step_count = step_count;
    feature->edge_count = edge_count;
}

static void finish_number(struct column *column, size_t bins, struct baseline_feature *feature)
{
    double *sorted = column->numbers, sum = 0;
    feature->count = column->count;
    if (column->count == 0)
        return;
    qsort(sorted, column->count, sizeof *sorted, by_number);
    for (size_t i = 0; i < column->count; i++)
        sum += sorted[i];
    feature->minimum = sorted[0];
    feature->maximum = sorted[column->count - 1];
    feature->mean = sum / (double)column->count;
    if (!isfinite(feature->mean))
        feature->mean = sorted[column->count / 2];
    set_steps(feature, sorted, bins);
}

/* ---- categories ---- */

static int by_count(const struct counted *left, const struct counted *right)
{
    if (left->category.count != right->category.count)
        return left->category.count > right->category.count ? -1 : 1;
    if (left->category.text != NULL && right->category.text != NULL)
        return strcmp(left->category.text, right->category.text);
    return by_number(&left->category.number, &right->category.number);
}

static void finish_category(struct column *column, struct baseline_feature *feature)
{
    HASH_SORT(column->counted, by_count);
    feature->categories = object_alloc(BASELINE_CATEGORIES_MAX * sizeof *feature->categories);
    feature->others = column->uncounted;
    for (struct counted *counted = column->counted; counted != NULL; counted = counted->hh.next) {
        if (feature->category_count == BASELINE_CATEGORIES_MAX) {
            feature->others += counted->category.count;
            continue;
        }
        struct baseline_category *category = &feature->categories[feature->category_count++];
        *category = counted->category;
        if (category->text != NULL)
            category->text = object_strdup(category->text);
    }
}

/* ---- the end ---- */

static void finish(struct column *column, size_t bins, struct baseline_feature *feature)
{
    *feature = column->feature;
    column->feature.name = column->feature.input = NULL; /* they are the baseline's now */
    if (feature->categorical)
        finish_category(column, feature);
    else
        finish_number(column, bins, feature);
}

static char *now(void)
{
    time_t seconds = time(NULL);
    struct tm parts;
    char text[32];
    ENSURE(strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts)) > 0);
    return object_strdup(text);
}

struct baseline *baseline_builder_end(struct baseline_builder *builder, const char *model,
                                      const char *version, const char *digest)
{
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    struct baseline *baseline = object_alloc(sizeof *baseline);
    baseline->model = object_strdup(model);
    baseline->version = object_strdup(version);
    baseline->digest = object_strdup(digest);
    baseline->created = now();
    baseline->rows = builder->rows;
    baseline->left_out = builder->left_out;
    baseline->feature_count = builder->column_count;
    baseline->features = object_alloc((builder->column_count + 1) * sizeof *baseline->features);
    for (size_t i = 0; i < builder->column_count; i++)
        finish(&builder->columns[i], builder->bins, &baseline->features[i]);
    baseline->score_kind = builder->score_kind;
    builder->score.feature.name = object_strdup("score");
    builder->score.feature.input = object_strdup("");
    finish(&builder->score, builder->bins, &baseline->score);
    return baseline;
}
