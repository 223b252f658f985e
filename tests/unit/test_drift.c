/* test_drift: rows that frontends show become figures, gauges and histograms of their version, and are gone
 * with what they were made of: too few rows, another baseline or none, a version of which nothing comes any
 * more. Both sides, the thread's and the loop's, are the test's own here. SPDX-License-Identifier: MIT */
#include "drift.h"
#include "gauge.h"

#include "baseline.h"
#include "sampled.h"
#include "scratch_directory.h"

#include <math.h>

enum { BASE = 1000, MIN_ROWS = 20, LOOK_TICKS = 5 };

static struct config config;
static struct metrics *metrics;
static struct drift *drift;
static char text[1 << 20]; /* of histograms */

static void open_drift(int window_s)
{
    config.drift_window_s = window_s;
    drift_free(drift);
    metrics_free(metrics);
    metrics = metrics_new(NULL);
    drift = drift_new(&config, metrics);
}

static void set_up(void)
{
    scratch_make();
    scratch_folder("m");
    config.models_directory = scratch_directory;
    config.drift_window = 500;
    config.drift_min_rows = MIN_ROWS;
    open_drift(3600);
}

static void tear_down(void)
{
    drift_free(drift);
    metrics_free(metrics);
    scratch_remove();
}

/* ---- baselines ---- */

static struct tensor tensor_of(const double *numbers, size_t rows, size_t columns)
{
    return (struct tensor){.name = text_of("x"),
                           .datatype = DATATYPE_FP64,
                           .rank = 2,
                           .shape = {(int64_t)rows, (int64_t)columns},
                           .data = (const uint8_t *)numbers,
                           .bytes = rows * columns * sizeof *numbers};
}

/* Features of these names, whose values, and the score's, are scale * 0 to scale * 999, each once. */
static void write_baseline(const char *version, const char *const names[], size_t count, double scale)
{
    size_t length;
    double *numbers = object_alloc(BASE * count * sizeof *numbers), scores[BASE];
    for (size_t i = 0; i < BASE; i++) {
        scores[i] = (double)i / BASE;
        for (size_t column = 0; column < count; column++)
            numbers[i * count + column] = scale * (double)i;
    }
    struct baseline_builder *builder = baseline_builder_new(BASELINE_BINS);
    struct tensor tensor = tensor_of(numbers, BASE, count);
    for (size_t i = 0; i < count; i++)
        baseline_builder_feature(builder, names[i], "x", i, false);
    ck_assert(baseline_builder_add(builder, &tensor, 1, BASE, SCORE_POSITIVE, scores));
    struct baseline *baseline = baseline_builder_end(builder, "m", version, "");
    char *json = baseline_to_json(baseline, &length), *path = baseline_path(scratch_directory, "m", version);
    char *fresh;
    ENSURE(asprintf(&fresh, "%s.new", path) != -1);
    FILE *file = fopen(fresh, "w");
    ck_assert_uint_eq(fwrite(json, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(rename(fresh, path), 0); /* another file, whatever the clock says */
    free(fresh);
    free(path);
    free(json);
    free(numbers);
    baseline_free(baseline);
    baseline_builder_free(builder);
}

static const char *const ab[] = {"a", "b"};

/* ---- rows ---- */

static const char *take(const char *model, const char *version, const double *numbers, size_t rows,
                        size_t columns, enum score_kind kind)
{
    static uint8_t inputs[SAMPLED_BYTES_MAX], bytes[2 * SAMPLED_BYTES_MAX];
    double scores[SAMPLED_ROWS_MAX];
    struct observation_any any;
    struct tensor tensor = tensor_of(numbers, rows, columns);
    for (size_t i = 0; i < rows; i++)
        scores[i] = 0.9;
    size_t length = tensors_encode(&tensor, 1, inputs, sizeof inputs, NULL);
    struct sampled sampled = {.model = text_of(model),
                              .version = text_of(version),
                              .score_kind = kind,
                              .rows = (uint32_t)rows,
                              .inputs = {(const char *)inputs, length},
                              .scores = scores};
    struct wire_reader reader = wire_reader(bytes, sampled_encode(&sampled, bytes, sizeof bytes));
    ck_assert_ptr_null(observation_next(&reader, &any));
    return drift_take(drift, &any);
}

/* So many rows of m, all numbers the same. */
static void take_rows(const char *version, size_t rows, size_t columns, double number)
{
    double numbers[SAMPLED_ROWS_MAX];
    for (size_t i = 0; i < rows * columns; i++)
        numbers[i] = number;
    ck_assert_ptr_null(take("m", version, numbers, rows, columns, SCORE_POSITIVE));
}

/* The thread's turns, and then the loop's. */
static void turn(int ticks)
{
    for (int i = 0; i < ticks; i++)
        drift_tick(drift);
    drift_publish(drift);
}

/* ---- what is told ---- */

/* The gauge's number; NaN: there is none. */
static double gauge(enum metric metric, const char *version, const char *feature)
{
    int64_t number;
    const char *const labels[METRICS_LABELS_MAX] = {NULL, version, feature};
    return gauge_find(metrics, metric, labels, &number) ? (double)number / 1e6 : NAN;
}

static size_t gauges(void)
{
    size_t length, count = 0;
    struct snapshot snapshot;
    struct snapshot_series series;
    uint8_t *bytes = metrics_snapshot(metrics, "collector", "test", &length);
    ck_assert_ptr_null(snapshot_decode(bytes, length, &snapshot));
    while (snapshot_next(&snapshot, &series))
        count += series.metric != METRIC_DRIFT_HIDDEN;
    free(bytes);
    return count;
}

/* The drift's JSON of the version that came first. */
static yyjson_mut_val *told(yyjson_mut_doc *document)
{
    yyjson_mut_val *root = yyjson_mut_obj(document);
    drift_to_json(drift, NULL, document, root);
    return yyjson_mut_arr_get_first(yyjson_mut_obj_get(root, "models"));
}

static void expect_told(const char *key, const char *value)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    const char *said = yyjson_mut_get_str(yyjson_mut_obj_get(told(document), key));
    ck_assert_pstr_eq(said, value);
    yyjson_mut_doc_free(document);
}

static const char *histograms(bool open)
{
    FILE *out = fmemopen(text, sizeof text, "w");
    drift_to_prometheus(drift, out, open);
    fclose(out);
    return text;
}

static size_t occurrences(const char *where, const char *what)
{
    size_t count = 0;
    for (const char *at = where; (at = strstr(at, what)) != NULL; at += strlen(what))
        count++;
    return count;
}

/* ---- tests ---- */

START_TEST(rows_become_figures_of_their_version)
{
    write_baseline("1", ab, 2, 1);
    ck_assert_str_eq(histograms(false), "");
    turn(1);
    ck_assert_uint_eq(gauges(), 0);
    take_rows("1", 100, 2, 500); /* all in one bin of ten */
    turn(1);
    const double psi = 0.9 * log(10) + 9 * (1e-4 - 0.1) * log(1e-4 / 0.1);
    ck_assert_double_eq_tol(gauge(METRIC_DRIFT_PSI, "1", "a"), psi, 1e-5);
    ck_assert_double_eq_tol(gauge(METRIC_DRIFT_PSI, "1", "b"), psi, 1e-5);
    ck_assert_double_gt(gauge(METRIC_DRIFT_KS, "1", "b"), 0.4);
    ck_assert_double_eq(gauge(METRIC_MISSING_RATE, "1", "a"), 0);
    ck_assert_double_eq(gauge(METRIC_OUT_OF_RANGE_RATE, "1", "a"), 0);
    ck_assert_double_eq(gauge(METRIC_DRIFT_ROWS, "1", NULL), 100);
    ck_assert_double_eq_tol(gauge(METRIC_CONFIDENCE, "1", NULL), 0.9, 1e-5);
    ck_assert_double_gt(gauge(METRIC_SCORE_PSI, "1", NULL), 0.25);
    ck_assert_ptr_nonnull(
        strstr(histograms(false),
               "feature_value_bucket{model=\"m\",version=\"1\",feature=\"a\",le=\"+Inf\"} 100\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "feature_value_sum{model=\"m\",version=\"1\",feature=\"b\"} 50000.0\n"));
    expect_told("problem", NULL);
}
END_TEST

START_TEST(too_few_rows_have_no_figures)
{
    write_baseline("1", ab, 2, 1);
    take_rows("1", MIN_ROWS - 1, 2, 500);
    turn(1);
    ck_assert_double_eq(gauge(METRIC_DRIFT_ROWS, "1", NULL), MIN_ROWS - 1);
    ck_assert(isnan(gauge(METRIC_DRIFT_PSI, "1", "a")) && isnan(gauge(METRIC_DRIFT_KS, "1", "a")) &&
              isnan(gauge(METRIC_SCORE_PSI, "1", NULL)));
    take_rows("1", 1, 2, 500);
    turn(1);
    ck_assert_double_gt(gauge(METRIC_DRIFT_PSI, "1", "a"), 0.25);
}
END_TEST

/* With another baseline the window begins anew, and what it has not any more has no gauges. */
START_TEST(a_baseline_that_is_another_takes_its_features_along)
{
    write_baseline("1", ab, 2, 1);
    take_rows("1", 100, 2, 500);
    turn(1);
    write_baseline("1", &ab[1], 1, 1);
    turn(LOOK_TICKS);
    take_rows("1", 50, 2, 500);
    turn(1);
    ck_assert_double_eq(gauge(METRIC_DRIFT_ROWS, "1", NULL), 50);
    ck_assert_double_gt(gauge(METRIC_DRIFT_PSI, "1", "b"), 0.25);
    ck_assert(isnan(gauge(METRIC_DRIFT_PSI, "1", "a")) && isnan(gauge(METRIC_MISSING_RATE, "1", "a")));
}
END_TEST

START_TEST(without_a_baseline_there_are_rows_and_their_confidence)
{
    write_baseline("1", ab, 2, 1);
    take_rows("1", 100, 2, 500);
    turn(1);
    ck_assert_int_eq(remove(scratch_path("m/baseline-1.json")), 0);
    turn(LOOK_TICKS);
    take_rows("1", 30, 2, 500);
    turn(1);
    ck_assert_uint_eq(gauges(), 2);
    ck_assert_double_eq(gauge(METRIC_DRIFT_ROWS, "1", NULL), 30);
    ck_assert_double_eq_tol(gauge(METRIC_CONFIDENCE, "1", NULL), 0.9, 1e-5);
    expect_told("problem", "there is no baseline: outrigger profile makes one");
    ck_assert_str_eq(histograms(false), "");
}
END_TEST

static char problems[256];

static void note_problem(void *self, const char *model, const char *version, const char *problem)
{
    ck_assert_ptr_eq(self, problems);
    snprintf(problems + strlen(problems), sizeof problems - strlen(problems), "%s %s: %s\n", model, version,
             problem);
}

/* What people are shown of baselines. */
static void expect_problems(const char *expected)
{
    problems[0] = '\0';
    drift_each_problem(drift, note_problem, problems);
    ck_assert_str_eq(problems, expected);
}

/* That there is none is nothing to be told of. */
START_TEST(what_is_wrong_with_a_baseline_is_told)
{
    expect_problems("");
    take_rows("1", 10, 2, 500);
    turn(1);
    expect_problems("");
    mkdir(scratch_path("m"), 0700);
    scratch_file("m/baseline-1.json", "{");
    turn(LOOK_TICKS);
    expect_problems("m 1: it is no JSON\n");
    ck_assert_int_eq(unlink(scratch_path("m/baseline-1.json")), 0);
    ck_assert_int_eq(mkdir(scratch_path("m/baseline-1.json"), 0700), 0);
    turn(LOOK_TICKS);
    expect_problems("m 1: it is no file, or too large\n");
    ck_assert_int_eq(rmdir(scratch_path("m/baseline-1.json")), 0);
    write_baseline("1", ab, 2, 1);
    turn(LOOK_TICKS);
    expect_problems("");
}
END_TEST

START_TEST(other_inputs_and_the_baseline_of_another_are_a_problem)
{
    write_baseline("1", ab, 2, 1);
    take_rows("1", 100, 2, 500);
    turn(1);
    take_rows("1", 5, 1, 500);
    turn(1);
    ck_assert_uint_eq(gauges(), 2);
    ck_assert_double_eq(gauge(METRIC_DRIFT_ROWS, "1", NULL), 100);
    expect_told("problem", "the inputs are not those of the baseline");
    take_rows("1", 5, 2, 500);
    turn(1);
    expect_told("problem", NULL);
    ck_assert_double_gt(gauge(METRIC_DRIFT_PSI, "1", "a"), 0.25);
    write_baseline("2", ab, 2, 1);
    ck_assert_int_eq(rename(scratch_path("m/baseline-2.json"), scratch_path("m/baseline-1.json")), 0);
    turn(LOOK_TICKS);
    expect_told("problem", "the baseline is that of another model or version");
}
END_TEST

/* A window of no time at all forgets its rows with the next tick of the clock, and the version with them. */
START_TEST(a_version_of_which_nothing_comes_is_forgotten)
{
    open_drift(0);
    write_baseline("1", ab, 2, 1);
    take_rows("1", 100, 2, 500);
    do
        turn(1);
    while (gauges() > 0);
    ck_assert_str_eq(histograms(false), "");
}
END_TEST

/* Rows without scores take the place of those that had some. */
START_TEST(confidence_goes_with_the_scores)
{
    double numbers[500] = {0};
    write_baseline("1", ab, 1, 1);
    take_rows("1", 100, 1, 500);
    turn(1);
    ck_assert(!isnan(gauge(METRIC_CONFIDENCE, "1", NULL)));
    ck_assert_ptr_null(take("m", "1", numbers, 500, 1, SCORE_NONE));
    turn(1);
    ck_assert(isnan(gauge(METRIC_CONFIDENCE, "1", NULL)) && isnan(gauge(METRIC_SCORE_PSI, "1", NULL)));
}
END_TEST

/* Versions come and go, and none of them leaves anything on the page of counters. */
START_TEST(the_page_of_counters_has_room_for_those_that_come_later)
{
    enum { WIDE = 150, ROUNDS = 6 };
    static char names[WIDE][24];
    const char *pointers[WIDE];
    for (size_t i = 0; i < WIDE; i++)
        pointers[i] = (snprintf(names[i], sizeof names[i], "%zu", i), names[i]);
    open_drift(0);
    for (int round = 0; round < ROUNDS; round++) {
        char version[16];
        snprintf(version, sizeof version, "%d", round);
        write_baseline(version, pointers, WIDE, 1);
        double *numbers = object_alloc(MIN_ROWS * WIDE * sizeof *numbers);
        ck_assert_ptr_null(take("m", version, numbers, MIN_ROWS, WIDE, SCORE_POSITIVE));
        free(numbers);
        turn(1);
        while (gauges() > 0)
            turn(1);
    }
    ck_assert_uint_eq(metrics_series(metrics, METRIC_SERIES_DROPPED, NULL, NULL, NULL)->value, 0);
}
END_TEST

/* Labels have 63 bytes, and are ASCII. */
START_TEST(features_whose_labels_are_the_same_are_shown_once)
{
    static const char *const names[] = {
        "a name that is so long that what tells it from others is cut off, one",
        "a name that is so long that what tells it from others is cut off, two", "\"quoted\\\"", "ä", "ö"};
    write_baseline("1", names, 5, 1);
    take_rows("1", 30, 5, 500);
    turn(1);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_DRIFT_HIDDEN, NULL, NULL, NULL)->value, 2);
    ck_assert_uint_eq(occurrences(histograms(true), "le=\"+Inf\""), 3);
    ck_assert_uint_eq(occurrences(text, "feature=\"\\\"quoted\\\\\\\"\",le=\"+Inf\""), 1);
    ck_assert_uint_eq(occurrences(text, "feature=\"?\?\",le=\"+Inf\""), 1);
    ck_assert_uint_eq(occurrences(text, "# TYPE"), 1);
}
END_TEST

START_TEST(features_beyond_the_bound_are_counted)
{
    static char names[200][24];
    const char *pointers[200];
    for (size_t i = 0; i < 200; i++)
        pointers[i] = (snprintf(names[i], sizeof names[i], "%zu", i), names[i]);
    write_baseline("1", pointers, 200, 1);
    double *numbers = object_alloc(30 * 200 * sizeof *numbers);
    ck_assert_ptr_null(take("m", "1", numbers, 30, 200, SCORE_POSITIVE));
    free(numbers);
    turn(1);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_DRIFT_HIDDEN, NULL, NULL, NULL)->value, 40);
    ck_assert_uint_eq(occurrences(histograms(false), "feature_value_sum"), 160);
    ck_assert(!isnan(gauge(METRIC_DRIFT_PSI, "1", "159")) && isnan(gauge(METRIC_DRIFT_PSI, "1", "160")));
}
END_TEST

START_TEST(a_sum_may_leave_the_range_of_numbers)
{
    write_baseline("1", ab, 1, 1e300);
    take_rows("1", 400, 1, 1e306);
    turn(1);
    ck_assert_ptr_nonnull(strstr(histograms(false), "feature=\"a\"} +Inf\n"));
    ck_assert_ptr_nonnull(strstr(histograms(true), "feature=\"a\"} +Inf\n"));
}
END_TEST

/* What OpenMetrics says of sums below 0. */
START_TEST(bounds_below_zero_have_no_sum_in_openmetrics)
{
    write_baseline("1", ab, 1, -1);
    take_rows("1", 30, 1, -500);
    turn(1);
    ck_assert_uint_eq(occurrences(histograms(true), "feature_value_sum"), 0);
    ck_assert_uint_eq(occurrences(text, "feature_value_count"), 0);
    ck_assert_uint_eq(occurrences(text, "feature_value_bucket"), BASELINE_BINS);
    ck_assert_ptr_nonnull(strstr(histograms(false), "feature=\"a\"} -15000.0\n"));
}
END_TEST

START_TEST(what_is_no_observation_is_refused)
{
    const double number = 1;
    struct observation_any any = {.kind = OBSERVATION_ROWS, .fields = 1, .body = text_of("\x01")};
    ck_assert_ptr_nonnull(drift_take(drift, &any));
    ck_assert_ptr_nonnull(take("a/b", "1", &number, 1, 1, SCORE_NONE));
    ck_assert_ptr_nonnull(take("m", "..", &number, 1, 1, SCORE_NONE));
    for (int i = 0; i <= DRIFT_VERSIONS_MAX; i++) {
        char version[16];
        snprintf(version, sizeof version, "%d", i);
        const char *wrong = take("m", version, &number, 1, 1, SCORE_NONE);
        ck_assert(i < DRIFT_VERSIONS_MAX ? wrong == NULL : wrong != NULL);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {rows_become_figures_of_their_version,
                                  too_few_rows_have_no_figures,
                                  a_baseline_that_is_another_takes_its_features_along,
                                  without_a_baseline_there_are_rows_and_their_confidence,
                                  what_is_wrong_with_a_baseline_is_told,
                                  other_inputs_and_the_baseline_of_another_are_a_problem,
                                  a_version_of_which_nothing_comes_is_forgotten,
                                  confidence_goes_with_the_scores,
                                  the_page_of_counters_has_room_for_those_that_come_later,
                                  features_whose_labels_are_the_same_are_shown_once,
                                  features_beyond_the_bound_are_counted,
                                  a_sum_may_leave_the_range_of_numbers,
                                  bounds_below_zero_have_no_sum_in_openmetrics,
                                  what_is_no_observation_is_refused};
    return SUITE_RUN("drift", set_up, tear_down, tests);
}
