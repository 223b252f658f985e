/* test_metrics: the table of metrics, counting, a page that is full, and the snapshot of it.
 * SPDX-License-Identifier: MIT */
#include "metrics_scene.h"
#include "process.h"

#include <pthread.h>

/* ---- the table ---- */

START_TEST(every_row_has_a_name_of_its_own_and_a_help)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct metric_description *row = metric_describe((enum metric)i);
        ck_assert_uint_gt(strlen(row->help), 0);
        ck_assert_uint_lt(strlen(row->name), 64);
        ck_assert_uint_le(metric_label_count((enum metric)i), METRICS_LABELS_MAX);
        ck_assert_ptr_null(strchr(row->help, '\n'));
        ck_assert_ptr_null(strchr(row->help, '\\'));
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(row->name, metric_describe((enum metric)j)->name);
    }
}
END_TEST

START_TEST(labels_are_counted)
{
    ck_assert_uint_eq(metric_label_count(METRIC_STRAY_RESULTS), 0);
    ck_assert_uint_eq(metric_label_count(METRIC_QUEUE_ROWS), 1);
    ck_assert_uint_eq(metric_label_count(METRIC_BATCHES), 3);
    ck_assert_uint_eq(metric_label_count(METRIC_REQUESTS), 3);
}
END_TEST

START_TEST(bounds_ascend)
{
    ck_assert_int_eq(metrics_duration_bounds[0], 100000);
    ck_assert_int_eq(metrics_duration_bounds[METRICS_BUCKETS - 1], 10000000000);
    ck_assert_int_eq(metrics_size_bounds[0], 1);
    for (size_t i = 1; i < METRICS_BUCKETS; i++) {
        ck_assert_int_gt(metrics_duration_bounds[i], metrics_duration_bounds[i - 1]);
        ck_assert_int_eq(metrics_size_bounds[i], 2 * metrics_size_bounds[i - 1]);
    }
}
END_TEST

/* ---- counting ---- */

START_TEST(the_same_labels_are_the_same_series)
{
    struct metrics *metrics = metrics_new(NULL);
    struct series *series = metrics_series(metrics, METRIC_REQUESTS, "iris", "1", "none");
    ck_assert_ptr_eq(series, metrics_series(metrics, METRIC_REQUESTS, "iris", "1", "none"));
    ck_assert_ptr_ne(series, metrics_series(metrics, METRIC_REQUESTS, "iris", "1", "deadline"));
    ck_assert_ptr_ne(series, metrics_series(metrics, METRIC_REQUESTS, "iris", "2", "none"));
    ck_assert_ptr_ne(series, metrics_series(metrics, METRIC_REQUESTS, "lily", "1", "none"));
    ck_assert_ptr_ne(series, metrics_series(metrics, METRIC_PREDICTION_ERRORS, "iris", "1", "none"));
    metrics_free(metrics);
}
END_TEST

START_TEST(labels_that_a_metric_does_not_have_are_passed_over)
{
    struct metrics *metrics = metrics_new(NULL);
    ck_assert_ptr_eq(metrics_series(metrics, METRIC_QUEUE_ROWS, "iris", NULL, NULL),
                     metrics_series(metrics, METRIC_QUEUE_ROWS, "iris", "x", "y"));
    ck_assert_ptr_eq(metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL),
                     metrics_series(metrics, METRIC_STRAY_RESULTS, "x", NULL, NULL));
    ck_assert_ptr_eq(metrics_series(metrics, METRIC_QUEUE_ROWS, NULL, NULL, NULL),
                     metrics_series(metrics, METRIC_QUEUE_ROWS, "", NULL, NULL));
    metrics_free(metrics);
}
END_TEST

START_TEST(adding_and_setting)
{
    struct metrics *metrics = metrics_new(NULL);
    struct series *counter = metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL);
    series_add(counter, 3);
    series_add(counter, UINT64_C(1) << 40);
    ck_assert_uint_eq(counter->value, (UINT64_C(1) << 40) + 3);
    struct series *gauge = metrics_series(metrics, METRIC_QUEUE_ROWS, "iris", NULL, NULL);
    series_set(gauge, 7);
    series_set(gauge, -7);
    ck_assert_int_eq((int64_t)gauge->value, -7);
    metrics_free(metrics);
}
END_TEST

START_TEST(an_observation_is_in_the_bucket_whose_bound_holds_it)
{
    struct metrics *metrics = metrics_new(NULL);
    struct series *series = metrics_series(metrics, METRIC_QUEUE_DURATION, "iris", NULL, NULL);
    uint64_t sum = 0;
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        series_observe_duration(series, metrics_duration_bounds[i]);
        series_observe_duration(series, metrics_duration_bounds[i] + 1);
        sum += 2 * (uint64_t)metrics_duration_bounds[i] + 1;
    }
    ck_assert_uint_eq(series->buckets[0], 1);
    for (size_t i = 1; i < METRICS_BUCKETS; i++)
        ck_assert_uint_eq(series->buckets[i], 2);
    ck_assert_uint_eq(series->buckets[METRICS_BUCKETS], 1);
    ck_assert_uint_eq(series->value, 2 * METRICS_BUCKETS);
    ck_assert_uint_eq(series->sum, sum);
    metrics_free(metrics);
}
END_TEST

START_TEST(strange_observations_are_counted_too)
{
    struct metrics *metrics = metrics_new(NULL);
    struct series *series = metrics_series(metrics, METRIC_QUEUE_DURATION, "iris", NULL, NULL);
    series_observe_duration(series, 0);
    series_observe_duration(series, -5);
    series_observe_duration(series, INT64_MIN);
    series_observe_duration(series, INT64_MAX);
    ck_assert_uint_eq(series->buckets[0], 3);
    ck_assert_uint_eq(series->buckets[METRICS_BUCKETS], 1);
    ck_assert_uint_eq(series->sum, INT64_MAX);
    struct series *sizes = metrics_series(metrics, METRIC_BATCH_ROWS, "iris", NULL, NULL);
    series_observe_size(sizes, 1);
    series_observe_size(sizes, 3);
    series_observe_size(sizes, 4);
    series_observe_size(sizes, 524289);
    ck_assert_uint_eq(sizes->buckets[0], 1);
    ck_assert_uint_eq(sizes->buckets[2], 2);
    ck_assert_uint_eq(sizes->buckets[METRICS_BUCKETS], 1);
    ck_assert_uint_eq(sizes->sum, 524297);
    metrics_free(metrics);
}
END_TEST

START_TEST(long_and_strange_label_values_are_tamed)
{
    struct metrics *metrics = metrics_new(NULL);
    char longer[200];
    memset(longer, 'x', sizeof longer);
    longer[199] = '\0';
    struct series *series = metrics_series(metrics, METRIC_QUEUE_ROWS, longer, NULL, NULL);
    longer[63] = '\0';
    ck_assert_ptr_eq(series, metrics_series(metrics, METRIC_QUEUE_ROWS, longer, NULL, NULL));
    longer[62] = '\0';
    ck_assert_ptr_ne(series, metrics_series(metrics, METRIC_QUEUE_ROWS, longer, NULL, NULL));
    ck_assert_ptr_eq(metrics_series(metrics, METRIC_QUEUE_ROWS, "a\nb\x01\x7f\xff~", NULL, NULL),
                     metrics_series(metrics, METRIC_QUEUE_ROWS, "a?b???~", NULL, NULL));
    metrics_free(metrics);
}
END_TEST

static void *add_many(void *self)
{
    for (int i = 0; i < 100000; i++)
        series_add(self, 1);
    return NULL;
}

/* One writer; a reader in another thread sees whole numbers that only grow. ThreadSanitizer watches. */
START_TEST(a_reader_may_look_while_the_writer_adds)
{
    struct metrics *metrics = metrics_new(NULL);
    struct series *series = metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL);
    pthread_t writer;
    ck_assert_int_eq(pthread_create(&writer, NULL, add_many, series), 0);
    uint64_t before = 0;
    while (before < 100000) {
        uint64_t value = __atomic_load_n(&series->value, __ATOMIC_RELAXED);
        ck_assert_uint_ge(value, before);
        before = value;
    }
    pthread_join(writer, NULL);
    metrics_free(metrics);
}
END_TEST

/* ---- a full page ---- */

static void check_full(const char *path)
{
    struct metrics *metrics = metrics_new(path);
    fill(metrics, LABEL_SETS + 10);
    struct series *other = metrics_series(metrics, METRIC_RETRIES, "other", NULL, NULL);
    ck_assert_uint_eq(other->value, 10);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_SERIES_DROPPED, NULL, NULL, NULL)->value, 10);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_RETRIES, "17", NULL, NULL)->value, 1);
    /* Every other metric still has its place, with labels and without. */
    ck_assert_ptr_ne(metrics_series(metrics, METRIC_REQUESTS, "a", "b", "c"), other);
    ck_assert_ptr_eq(metrics_series(metrics, METRIC_REQUESTS, "a", "b", "c"),
                     metrics_series(metrics, METRIC_REQUESTS, "other", "other", "other"));
    series_add(metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL), 1);
    size_t length;
    uint8_t *bytes = metrics_snapshot(metrics, "test", "full", &length);
    ck_assert_uint_lt(length, 512 * 1024);
    ck_assert_uint_eq(find(bytes, length, METRIC_RETRIES, "other").numbers[0], 10);
    ck_assert_uint_eq(head_of(bytes, length).series_count, LABEL_SETS + 4);
    free(bytes);
    metrics_free(metrics);
}

START_TEST(a_full_page_counts_the_rest_as_other)
{
    check_full(NULL);
    check_full(scratch_path("page"));
}
END_TEST

/* ---- the snapshot ---- */

START_TEST(only_series_that_were_found_are_in_a_snapshot)
{
    struct metrics *metrics = metrics_new(NULL);
    size_t length;
    uint8_t *bytes = metrics_snapshot(metrics, "test", "empty", &length);
    struct snapshot head = head_of(bytes, length);
    ck_assert_uint_eq(head.series_count, 0);
    ck_assert_uint_eq(head.sequence, 1);
    ck_assert_uint_eq(head.interval_ms, 0);
    free(bytes);
    metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL);
    metrics_series(metrics, METRIC_REQUESTS, "iris", "1", "none");
    metrics_set_interval(metrics, 1000);
    bytes = metrics_snapshot(metrics, "test", "two", &length);
    head = head_of(bytes, length);
    ck_assert_uint_eq(head.series_count, 2);
    ck_assert_uint_eq(head.sequence, 2);
    ck_assert_uint_eq(head.interval_ms, 1000);
    ck_assert_uint_eq(head.pid, (uint32_t)getpid());
    ck_assert_uint_eq(head.start, process_start_time(getpid()));
    free(bytes);
    metrics_free(metrics);
}
END_TEST

START_TEST(names_are_cut_to_their_bounds)
{
    struct metrics *metrics = metrics_new(NULL);
    char longer[1000];
    size_t length;
    memset(longer, 'n', sizeof longer);
    longer[999] = '\0';
    uint8_t *bytes = metrics_snapshot(metrics, longer, longer, &length);
    ck_assert_uint_eq(head_of(bytes, length).kind.length, SNAPSHOT_KIND_MAX);
    ck_assert_uint_eq(head_of(bytes, length).name.length, SNAPSHOT_NAME_MAX);
    free(bytes);
    metrics_free(metrics);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_row_has_a_name_of_its_own_and_a_help,
                                  labels_are_counted,
                                  bounds_ascend,
                                  the_same_labels_are_the_same_series,
                                  labels_that_a_metric_does_not_have_are_passed_over,
                                  adding_and_setting,
                                  an_observation_is_in_the_bucket_whose_bound_holds_it,
                                  strange_observations_are_counted_too,
                                  long_and_strange_label_values_are_tamed,
                                  a_reader_may_look_while_the_writer_adds,
                                  a_full_page_counts_the_rest_as_other,
                                  only_series_that_were_found_are_in_a_snapshot,
                                  names_are_cut_to_their_bounds};
    return SUITE_RUN("metrics", scratch_make, scratch_remove, tests);
}
