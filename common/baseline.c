/* baseline: see baseline.h. Used by the collector (collector/drift.c reads it, drift_window.c asks for bins),
 * by `outrigger profile`, which writes what baseline_builder.c has made, and by `outrigger validate`. What is
 * read may have been written by anybody: all that is relied on is checked. SPDX-License-Identifier: MIT */
#include "baseline.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

enum { BASELINE_FORMAT = 1 };

static void drop_feature(struct baseline_feature *feature)
{
    for (size_t i = 0; i < feature->category_count; i++)
        free(feature->categories[i].text);
    free(feature->name);
    free(feature->input);
    free(feature->steps);
    free(feature->below);
    free(feature->edges);
    free(feature->categories);
}

void baseline_free(struct baseline *baseline)
{
    if (baseline == NULL)
        return;
    for (size_t i = 0; i < baseline->feature_count; i++)
        drop_feature(&baseline->features[i]);
    drop_feature(&baseline->score);
    free(baseline->features);
    free(baseline->model);
    free(baseline->version);
    free(baseline->digest);
    free(baseline->created);
    free(baseline);
}

char *baseline_path(const char *models_directory, const char *model, const char *version)
{
    char *path;
    ENSURE(asprintf(&path, "%s/%s/baseline-%s.json", models_directory, model, version) >= 0);
    return path;
}

/* ---- bins ---- */

/* The first of the ascending steps that is not below the number; step_count when all are. */
static size_t step_of(const struct baseline_feature *feature, double number)
{
    size_t low = 0, high = feature->step_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (feature->steps[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint8_t code_of_category(const struct baseline_feature *feature, struct column_value value)
{
    for (size_t i = 0; i < feature->category_count; i++) {
        const struct baseline_category *category = &feature->categories[i];
        if (category->text == NULL ? value.text.at == NULL && category->number == value.number
                                   : value.text.at != NULL && text_is(value.text, category->text))
            return (uint8_t)i;
    }
    return BASELINE_OTHER;
}

uint8_t baseline_code(const struct baseline_feature *feature, struct column_value value)
{
    if (value.missing)
        return BASELINE_MISSING;
    if (feature->categorical)
        return code_of_category(feature, value);
    if (!isfinite(value.number)) /* a text, where there were numbers */
        return BASELINE_MISSING;
    if (feature->count > 0 && value.number < feature->minimum)
        return BASELINE_LOW;
    if (feature->count > 0 && value.number > feature->maximum)
        return BASELINE_HIGH;
    return (uint8_t)step_of(feature, value.number);
}

size_t baseline_bins(const struct baseline_feature *feature)
{
    return (feature->categorical ? feature->category_count : feature->edge_count) + 1;
}

size_t baseline_bin(const struct baseline_feature *feature, uint8_t code)
{
    size_t bin = 0;
    if (feature->categorical)
        return code < feature->category_count ? code : feature->category_count;
    if (code == BASELINE_LOW)
        return 0;
    if (code == BASELINE_HIGH)
        return feature->edge_count;
    while (bin < feature->edge_count && feature->edges[bin] < code)
        bin++;
    return bin;
}

uint64_t baseline_count(const struct baseline_feature *feature, size_t bin)
{
    if (feature->categorical)
        return bin < feature->category_count ? feature->categories[bin].count : feature->others;
    uint64_t until = bin < feature->edge_count ? feature->below[feature->edges[bin]] : feature->count;
    return until - (bin == 0 ? 0 : feature->below[feature->edges[bin - 1]]);
}

/* ---- writing ---- */

static void add_bins(const struct baseline_feature *feature, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    yyjson_mut_val *edges = yyjson_mut_obj_add_arr(document, object, "edges");
    for (size_t i = 0; i < feature->edge_count; i++)
        yyjson_mut_arr_add_real(document, edges, feature->steps[feature->edges[i]]);
    yyjson_mut_val *counts = yyjson_mut_obj_add_arr(document, object, "counts");
    for (size_t i = 0; i < baseline_bins(feature); i++)
        yyjson_mut_arr_add_uint(document, counts, baseline_count(feature, i));
    yyjson_mut_val *steps = yyjson_mut_obj_add_arr(document, object, "steps");
    yyjson_mut_val *below = yyjson_mut_obj_add_arr(document, object, "below");
    for (size_t i = 0; i < feature->step_count; i++) {
        yyjson_mut_arr_add_real(document, steps, feature->steps[i]);
        yyjson_mut_arr_add_uint(document, below, feature->below[i]);
    }
}

static void add_number(const struct baseline_feature *feature, yyjson_mut_doc *document,
                       yyjson_mut_val *object)
{
    yyjson_mut_obj_add_str(document, object, "kind", "number");
    yyjson_mut_obj_add_uint(document, object, "count", feature->count);
    yyjson_mut_obj_add_uint(document, object, "missing", feature->missing);
    if (feature->count > 0) {
        yyjson_mut_obj_add_real(document, object, "minimum", feature->minimum);
        yyjson_mut_obj_add_real(document, object, "maximum", feature->maximum);
        yyjson_mut_obj_add_real(document, object, "mean", feature->mean);
    }
    add_bins(feature, document, object);
}

static void add_categories(const struct baseline_feature *feature, yyjson_mut_doc *document,
                           yyjson_mut_val *object)
{
    yyjson_mut_obj_add_str(document, object, "kind", "category");
    yyjson_mut_obj_add_uint(document, object, "count", feature->count);
    yyjson_mut_obj_add_uint(document, object, "missing", feature->missing);
    yyjson_mut_val *names = yyjson_mut_obj_add_arr(document, object, "categories");
    yyjson_mut_val *counts = yyjson_mut_obj_add_arr(document, object, "counts");
    for (size_t i = 0; i < feature->category_count; i++) {
        const struct baseline_category *category = &feature->categories[i];
        if (category->text == NULL)
            yyjson_mut_arr_add_real(document, names, category->number);
        else
            yyjson_mut_arr_add_str(document, names, category->text);
        yyjson_mut_arr_add_uint(document, counts, category->count);
    }
    yyjson_mut_obj_add_uint(document, object, "others", feature->others);
}

static void add_feature(const struct baseline_feature *feature, yyjson_mut_doc *document,
                        yyjson_mut_val *features)
{
    yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, features);
    yyjson_mut_obj_add_str(document, object, "name", feature->name);
    yyjson_mut_obj_add_str(document, object, "input", feature->input);
    yyjson_mut_obj_add_uint(document, object, "column", feature->column);
    if (feature->categorical)
        add_categories(feature, document, object);
    else
        add_number(feature, document, object);
}

char *baseline_to_json(const struct baseline *baseline, size_t *length)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_uint(document, root, "baseline", BASELINE_FORMAT);
    yyjson_mut_obj_add_str(document, root, "model", baseline->model);
    yyjson_mut_obj_add_str(document, root, "version", baseline->version);
    yyjson_mut_obj_add_str(document, root, "digest", baseline->digest);
    yyjson_mut_obj_add_str(document, root, "created", baseline->created);
    yyjson_mut_obj_add_uint(document, root, "rows", baseline->rows);
    yyjson_mut_obj_add_uint(document, root, "left_out", baseline->left_out);
    yyjson_mut_val *features = yyjson_mut_obj_add_arr(document, root, "features");
    for (size_t i = 0; i < baseline->feature_count; i++)
        add_feature(&baseline->features[i], document, features);
    yyjson_mut_val *score = yyjson_mut_obj_add_obj(document, root, "score");
    yyjson_mut_obj_add_str(document, score, "of", score_kind_name(baseline->score_kind));
    add_number(&baseline->score, document, score);
    char *text =
        yyjson_mut_write(document, YYJSON_WRITE_PRETTY_TWO_SPACES | YYJSON_WRITE_NEWLINE_AT_END, length);
    ENSURE(text != NULL); /* texts were checked as UTF-8 where they came in */
    yyjson_mut_doc_free(document);
    return text;
}

/* ---- reading ---- */

/* The text, copied; NULL: there is none, or it is too long. */
static char *read_text(yyjson_val *object, const char *name)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, name));
    return text == NULL || strlen(text) > BASELINE_NAME_MAX ? NULL : object_strdup(text);
}

static bool read_uint(yyjson_val *object, const char *name, uint64_t *number)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    *number = yyjson_get_uint(value);
    return yyjson_is_uint(value) && *number <= INT64_MAX;
}

static bool read_real(yyjson_val *object, const char *name, double *number)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    *number = yyjson_get_num(value);
    return yyjson_is_num(value) && isfinite(*number);
}

static const char *read_steps(yyjson_val *object, struct baseline_feature *feature)
{
    yyjson_val *steps = yyjson_obj_get(object, "steps"), *below = yyjson_obj_get(object, "below");
    size_t count = yyjson_arr_size(steps);
    if (!yyjson_is_arr(steps) || !yyjson_is_arr(below) || count > BASELINE_STEPS_MAX ||
        yyjson_arr_size(below) != count)
        return "steps and below are no lists of one length";
    feature->steps = object_alloc((count + 1) * sizeof *feature->steps);
    feature->below = object_alloc((count + 1) * sizeof *feature->below);
    for (size_t i = 0; i < count; i++) {
        yyjson_val *step = yyjson_arr_get(steps, i), *sum = yyjson_arr_get(below, i);
        feature->steps[i] = yyjson_get_num(step);
        feature->below[i] = yyjson_get_uint(sum);
        if (!yyjson_is_num(step) || !isfinite(feature->steps[i]) || !yyjson_is_uint(sum) ||
            feature->below[i] > feature->count ||
            (i > 0 &&
             (feature->steps[i] <= feature->steps[i - 1] || feature->below[i] < feature->below[i - 1])))
            return "steps and below do not ascend, or hold more than there is";
    }
    feature->step_count = count;
    return NULL;
}

static const char *read_edges(yyjson_val *object, struct baseline_feature *feature)
{
    yyjson_val *edges = yyjson_obj_get(object, "edges");
    size_t count = yyjson_arr_size(edges), step = 0;
    if (!yyjson_is_arr(edges) || count >= BASELINE_BINS_MAX)
        return "edges is no list, or too long";
    feature->edges = object_alloc((count + 1) * sizeof *feature->edges);
    for (size_t i = 0; i < count; i++, step++) {
        yyjson_val *edge = yyjson_arr_get(edges, i);
        while (step < feature->step_count && feature->steps[step] != yyjson_get_num(edge))
            step++;
        if (!yyjson_is_num(edge) || step == feature->step_count)
            return "edges are not some of the steps in their order";
        feature->edges[i] = step;
    }
    feature->edge_count = count;
    return NULL;
}

static const char *read_number(yyjson_val *object, struct baseline_feature *feature)
{
    if (!read_uint(object, "count", &feature->count) || !read_uint(object, "missing", &feature->missing))
        return "count or missing is no whole number";
    if (feature->count > 0 &&
        (!read_real(object, "minimum", &feature->minimum) ||
         !read_real(object, "maximum", &feature->maximum) || !read_real(object, "mean", &feature->mean) ||
         feature->minimum > feature->maximum))
        return "minimum, maximum or mean is no number";
    const char *wrong = read_steps(object, feature);
    return wrong != NULL ? wrong : read_edges(object, feature);
}

static bool read_category(yyjson_val *name, yyjson_val *count, struct baseline_category *category)
{
    const char *text = yyjson_get_str(name);
    category->number = yyjson_get_num(name);
    category->count = yyjson_get_uint(count);
    if (text != NULL && strlen(text) <= BASELINE_NAME_MAX)
        category->text = object_strdup(text);
    return (category->text != NULL || (yyjson_is_num(name) && isfinite(category->number))) &&
           yyjson_is_uint(count);
}

static const char *read_categories(yyjson_val *object, struct baseline_feature *feature)
{
    yyjson_val *names = yyjson_obj_get(object, "categories"), *counts = yyjson_obj_get(object, "counts");
    size_t count = yyjson_arr_size(names);
    feature->categorical = true;
    if (!read_uint(object, "count", &feature->count) || !read_uint(object, "missing", &feature->missing) ||
        !read_uint(object, "others", &feature->others))
        return "count, missing or others is no whole number";
    if (!yyjson_is_arr(names) || !yyjson_is_arr(counts) || count > BASELINE_CATEGORIES_MAX ||
        yyjson_arr_size(counts) != count)
        return "categories and counts are no lists of one length";
    uint64_t left = feature->count;
    feature->categories = object_alloc((count + 1) * sizeof *feature->categories);
    for (size_t i = 0; i < count; i++) {
        struct baseline_category *category = &feature->categories[feature->category_count++];
        if (!read_category(yyjson_arr_get(names, i), yyjson_arr_get(counts, i), category) ||
            category->count > left)
            return "a category is none, or there are more than count";
        left -= category->count;
    }
    return left == feature->others ? NULL : "categories and others are not count together";
}

static const char *read_feature(yyjson_val *object, struct baseline_feature *feature)
{
    uint64_t column;
    feature->name = read_text(object, "name");
    feature->input = read_text(object, "input");
    if (feature->name == NULL || feature->input == NULL || !read_uint(object, "column", &column))
        return "a feature has no name, input or column";
    feature->column = column;
    if (yyjson_equals_str(yyjson_obj_get(object, "kind"), "category"))
        return read_categories(object, feature);
    return yyjson_equals_str(yyjson_obj_get(object, "kind"), "number") ? read_number(object, feature)
                                                                       : "a feature is of no kind";
}

static const char *read_features(yyjson_val *root, struct baseline *baseline)
{
    yyjson_val *features = yyjson_obj_get(root, "features"), *feature;
    const char *wrong = NULL;
    size_t index, count;
    if (!yyjson_is_arr(features) || yyjson_arr_size(features) > BASELINE_FEATURES_MAX)
        return "features is no list, or too long";
    baseline->features = object_alloc((yyjson_arr_size(features) + 1) * sizeof *baseline->features);
    yyjson_arr_foreach(features, index, count, feature)
    {
        wrong = wrong != NULL ? wrong : read_feature(feature, &baseline->features[baseline->feature_count++]);
    }
    return wrong;
}

static const char *read_score(yyjson_val *root, struct baseline *baseline)
{
    yyjson_val *score = yyjson_obj_get(root, "score"), *of = yyjson_obj_get(score, "of");
    baseline->score.name = object_strdup("score");
    baseline->score.input = object_strdup("");
    if (!yyjson_is_str(of) || !score_kind_parse(text_of(yyjson_get_str(of)), &baseline->score_kind))
        return "score is of no kind";
    return read_number(score, &baseline->score);
}

static const char *read_baseline(yyjson_val *root, struct baseline *baseline)
{
    baseline->model = read_text(root, "model");
    baseline->version = read_text(root, "version");
    baseline->digest = read_text(root, "digest");
    baseline->created = read_text(root, "created");
    if (yyjson_get_uint(yyjson_obj_get(root, "baseline")) != BASELINE_FORMAT)
        return "it is no baseline, or of another format";
    if (baseline->model == NULL || baseline->version == NULL || baseline->digest == NULL ||
        baseline->created == NULL || !read_uint(root, "rows", &baseline->rows) ||
        !read_uint(root, "left_out", &baseline->left_out))
        return "model, version, digest, created, rows or left_out is missing";
    const char *wrong = read_features(root, baseline);
    return wrong != NULL ? wrong : read_score(root, baseline);
}

struct baseline *baseline_read(const char *text, size_t length, const char **reason)
{
    yyjson_doc *document = yyjson_read(text, length, 0);
    *reason = "it is no JSON";
    if (document == NULL)
        return NULL;
    struct baseline *baseline = object_alloc(sizeof *baseline);
    *reason = read_baseline(yyjson_doc_get_root(document), baseline);
    yyjson_doc_free(document);
    if (*reason == NULL)
        return baseline;
    baseline_free(baseline);
    return NULL;
}

/* The whole file, which the caller frees; NULL with *reason. */
static char *slurp(int fd, size_t *length, const char **reason)
{
    struct stat status;
    *reason = "it is no file, or too large";
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > BASELINE_BYTES_MAX)
        return NULL;
    char *text = object_alloc((size_t)status.st_size + 1);
    ssize_t got = 0;
    for (*length = 0; *length < (size_t)status.st_size; *length += (size_t)got) {
        got = read(fd, text + *length, (size_t)status.st_size - *length);
        if (got <= 0)
            break;
    }
    return text;
}

struct baseline *baseline_load(const char *path, const char **reason)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct baseline *baseline = NULL;
    size_t length;
    if (fd == -1) {
        *reason = strerror(errno);
        return NULL;
    }
    char *text = slurp(fd, &length, reason);
    if (text != NULL)
        baseline = baseline_read(text, length, reason);
    free(text);
    close(fd);
    return baseline;
}

static double floored(uint64_t part, uint64_t all)
{
    return fmax((double)part / (double)all, BASELINE_SHARE_MIN);
}

double baseline_psi(const struct baseline_feature *feature, const uint64_t *bins, uint64_t count)
{
    double sum = 0;
    for (size_t bin = 0; bin < baseline_bins(feature); bin++) {
        double actual = floored(bins[bin], count);
        double expected = floored(baseline_count(feature, bin), feature->count);
        sum += (actual - expected) * log(actual / expected);
    }
    return sum;
}
