/* test_exemplar: traces that stand for buckets, from the store in a page to the collector's sums and what it
 * shows. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "exemplar.h"
#include "prometheus.h"
#include "scratch_directory.h"
#include "suite.h"
#include "tell.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct exemplar_store *store;

static void set_up(void)
{
    scratch_make();
    store = object_alloc(sizeof *store);
}

static void tear_down(void)
{
    free(store);
    scratch_remove();
}

/* How many there are that came after `since`; the last of them to *found. */
static size_t count_of(uint64_t since, struct exemplar *found)
{
    size_t count = 0;
    for (size_t i = 0; i < EXEMPLAR_CELLS; i++)
        count += exemplar_store_get(store, i, since, found);
    return count;
}

START_TEST(the_newest_of_a_bucket_stands)
{
    struct exemplar exemplar = {.slot = 7, .trace = {1}}, found;
    ck_assert_uint_eq(count_of(0, &found), 0);
    for (uint32_t i = 0; i < 2 * (METRICS_BUCKETS + 1); i++) {
        exemplar.bucket = i % (METRICS_BUCKETS + 1);
        exemplar.value = i;
        exemplar_store_put(store, &exemplar);
    }
    ck_assert_uint_eq(count_of(0, &found), METRICS_BUCKETS + 1);
    for (size_t i = 0; i < EXEMPLAR_CELLS; i++)
        if (exemplar_store_get(store, i, 0, &found))
            ck_assert_uint_eq(found.value, METRICS_BUCKETS + 1 + found.bucket);
    ck_assert_uint_eq(count_of(store->count - 1, &found), 1);
    ck_assert_uint_eq(count_of(store->count, &found), 0);
}
END_TEST

START_TEST(what_a_killed_writer_left_half_is_nothing)
{
    struct exemplar exemplar = {.slot = 7, .value = 1}, found;
    exemplar_store_put(store, &exemplar);
    for (size_t i = 0; i < EXEMPLAR_CELLS; i++)
        store->cells[i].turn |= 1;
    ck_assert_uint_eq(count_of(0, &found), 0);
    exemplar.value = 2;
    exemplar_store_put(store, &exemplar); /* a successor does not find the lock taken */
    ck_assert_uint_eq(count_of(0, &found), 1);
    ck_assert_uint_eq(found.value, 2);
}
END_TEST

START_TEST(any_number_of_series_stays_within_the_store)
{
    struct exemplar exemplar = {0}, found;
    for (exemplar.slot = 0; exemplar.slot < 5000; exemplar.slot++)
        for (exemplar.bucket = 0; exemplar.bucket <= METRICS_BUCKETS; exemplar.bucket++)
            exemplar_store_put(store, &exemplar);
    ck_assert_uint_eq(count_of(0, &found), EXEMPLAR_CELLS);
    exemplar = (struct exemplar){.slot = UINT32_MAX, .bucket = UINT32_MAX};
    exemplar_store_put(store, &exemplar);
}
END_TEST

/* ---- through a page, a snapshot and the registry ---- */

static const uint8_t traces[3][TRACE_ID_BYTES] = {{0xab, 1}, {0xab, 2}, {0xab, 3}};

static void observe(struct metrics *metrics, const char *model, int64_t nanoseconds, size_t trace)
{
    metrics_observe_traced(metrics, metrics_series(metrics, METRIC_PREDICTION_DURATION, model, "1", NULL),
                           nanoseconds, traces[trace]);
}

static void take(struct registry *registry, uint8_t *bytes, size_t length, uint32_t exemplars)
{
    struct snapshot snapshot;
    const char *wrong = snapshot_decode(bytes, length, &snapshot);
    ck_assert_msg(wrong == NULL, "%s", wrong);
    ck_assert_uint_eq(snapshot.exemplar_count, exemplars);
    ck_assert_int_eq(registry_take(registry, &snapshot, 0), REGISTRY_TAKEN);
    free(bytes);
}

/* What stands in the text of the format behind the bucket; "" for no trace. */
static void expect_bucket(const struct registry *registry, enum prometheus_format format, const char *bucket,
                          const char *behind)
{
    size_t length;
    char *text = prometheus_text(registry, &(struct prometheus_process){0}, format, false, &length);
    const char *line = strstr(text, bucket);
    ck_assert_msg(line != NULL, "no %s", bucket);
    line += strlen(bucket);
    size_t rest = strcspn(line, "\n");
    ck_assert_msg(strncmp(line, behind, strlen(behind)) == 0 && (behind[0] != '\0' || rest == 0), "%s%.*s",
                  bucket, (int)rest, line);
    free(text);
}

#define BUCKET(model, le, count)                                                                             \
    "prediction_duration_seconds_bucket{model=\"" model "\",version=\"1\",le=\"" le "\"} " count
#define TRACE(n) " # {trace_id=\"ab" n "0000000000000000000000000000\"} "

START_TEST(traces_come_to_the_registry)
{
    struct metrics *metrics = metrics_new(NULL);
    struct registry *registry = registry_new(100);
    size_t length;
    uint8_t *told;
    metrics_set_interval(metrics, 1000);
    series_add(metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL), 1); /* others stand between */
    observe(metrics, "iris", 90000, 0);
    observe(metrics, "iris", 95000, 1);
    observe(metrics, "wine", INT64_MAX, 2);
    told = metrics_snapshot(metrics, "frontend", "f.1", &length);
    take(registry, told, length, 2);
    expect_bucket(registry, PROMETHEUS_OPEN, BUCKET("iris", "0.0001", "2"), TRACE("02") "0.000095 1");
    expect_bucket(registry, PROMETHEUS_OPEN, BUCKET("iris", "10.0", "2"), "");
    expect_bucket(registry, PROMETHEUS_OPEN, BUCKET("wine", "+Inf", "1"), TRACE("03"));
    expect_bucket(registry, PROMETHEUS_TEXT, BUCKET("iris", "0.0001", "2"), "");
    /* Told once; a series without a trace keeps the one that it had. */
    series_observe_duration(metrics_series(metrics, METRIC_PREDICTION_DURATION, "iris", "1", NULL), 90000);
    told = metrics_snapshot(metrics, "frontend", "f.1", &length);
    take(registry, told, length, 0);
    expect_bucket(registry, PROMETHEUS_OPEN, BUCKET("iris", "0.0001", "3"), TRACE("02"));
    registry_free(registry);
    metrics_free(metrics);
}
END_TEST

START_TEST(the_page_of_a_dead_process_tells_its_traces)
{
    const char *path = scratch_path("page");
    struct registry *registry = registry_new(100);
    size_t length;
    pid_t child = fork();
    if (child == 0) {
        struct metrics *metrics = metrics_new(path);
        observe(metrics, "iris", 90000, 0);
        free(metrics_snapshot(metrics, "frontend", "f.1", &length));
        observe(metrics, "iris", 200000, 1);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    uint8_t *told = metrics_page_snapshot(path, "frontend", "f.1", &length);
    take(registry, told, length, 2);
    expect_bucket(registry, PROMETHEUS_OPEN, BUCKET("iris", "0.0001", "1"), TRACE("01"));
    expect_bucket(registry, PROMETHEUS_OPEN, BUCKET("iris", "0.00025", "2"), TRACE("02"));
    registry_free(registry);
}
END_TEST

/* ---- what breaks the contract ---- */

static uint8_t bytes[4096];

/* A snapshot of a counter and a histogram with that exemplar: what is wrong with it. */
static const char *judge(struct snapshot_exemplar exemplar, uint32_t count, struct registry *registry)
{
    struct wire_writer writer;
    struct snapshot snapshot = {.kind = text_of("a"),
                                .name = text_of("b"),
                                .pid = 1,
                                .start = 1,
                                .sequence = 1,
                                .series_count = 2,
                                .exemplar_count = count};
    struct snapshot_exemplar exemplars[2] = {exemplar, exemplar};
    struct snapshot_series series[2] = {
        {.metric = METRIC_STRAY_RESULTS},
        {.metric = METRIC_PREDICTION_DURATION, .labels = {{"m", 1}, {"1", 1}}}};
    wire_writer_begin(&writer, bytes, sizeof bytes);
    snapshot_write_head(&writer, &snapshot);
    for (size_t i = 0; i < COUNT_OF(series); i++)
        snapshot_write_series(&writer, &series[i]);
    snapshot_write_exemplars(&writer, exemplars, count);
    size_t length = wire_writer_end(&writer);
    const char *wrong = snapshot_decode(bytes, length, &snapshot);
    if (wrong == NULL && registry != NULL)
        ck_assert_int_eq(registry_take(registry, &snapshot, 0), REGISTRY_TAKEN);
    for (size_t cut = 0; cut < length; cut++)
        ck_assert_ptr_nonnull(snapshot_decode(bytes, cut, &snapshot));
    return wrong;
}

START_TEST(exemplars_that_break_the_contract_are_refused)
{
    const struct snapshot_exemplar good = {.series = 1, .value = 100000, .time = 5};
    struct snapshot_exemplar bad;
    ck_assert_ptr_null(judge(good, 2, NULL));
    bad = good, bad.series = 2;
    ck_assert_str_eq(judge(bad, 1, NULL), "an exemplar is of no series");
    bad = good, bad.series = SNAPSHOT_SERIES_MAX;
    ck_assert_str_eq(judge(bad, 1, NULL), "an exemplar is none");
    bad = good, bad.bucket = 1;
    ck_assert_str_eq(judge(bad, 1, NULL), "an exemplar is not in its bucket");
    bad = good, bad.bucket = METRICS_BUCKETS + 1;
    ck_assert_str_eq(judge(bad, 1, NULL), "an exemplar is none");
    bad = good, bad.time = -1;
    ck_assert_str_eq(judge(bad, 1, NULL), "an exemplar is none");
    bad = good, bad.value = UINT64_MAX;
    ck_assert_str_eq(judge(bad, 1, NULL), "an exemplar is none");
}
END_TEST

/* Whoever says that a counter has a bucket is passed over there. */
START_TEST(a_counter_has_no_exemplar)
{
    struct registry *registry = registry_new(100);
    ck_assert_ptr_null(judge((struct snapshot_exemplar){.series = 0, .time = 5}, 1, registry));
    ck_assert(look_up(registry, METRIC_STRAY_RESULTS, NULL).found);
    registry_free(registry);
    registry = registry_new(1); /* and one of a series without room */
    ck_assert_ptr_null(judge((struct snapshot_exemplar){.series = 1, .time = 5}, 1, registry));
    registry_free(registry);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_newest_of_a_bucket_stands,
                                  what_a_killed_writer_left_half_is_nothing,
                                  any_number_of_series_stays_within_the_store,
                                  traces_come_to_the_registry,
                                  the_page_of_a_dead_process_tells_its_traces,
                                  exemplars_that_break_the_contract_are_refused,
                                  a_counter_has_no_exemplar};
    return SUITE_RUN("exemplar", set_up, tear_down, tests);
}
