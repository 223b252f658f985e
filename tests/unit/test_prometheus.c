/* test_prometheus: the text, line by line, and the cached copy of it. SPDX-License-Identifier: MIT */
#include "prometheus.h"

#include "clock.h"
#include "exposition.h"
#include "suite.h"
#include "tell.h"

#include <stdio.h>

static struct registry *registry;
static struct teller teller = {.name = "a", .pid = 10, .start = 100};
static char *text;
static enum prometheus_format format;
static bool triton;

static void set_up(void)
{
    registry = registry_new(10000);
    text = NULL;
    format = PROMETHEUS_TEXT;
    triton = false;
}

static void tear_down(void)
{
    free(text);
    registry_free(registry);
}

static void render(void)
{
    struct prometheus_process process = {
        .resident_bytes = 4096, .cpu_us = 1500000, .started = INT64_C(1700000000500000000)};
    size_t length;
    free(text);
    text = prometheus_text(registry, &process, format, triton, &length);
    ck_assert_uint_eq(strlen(text), length);
}

static void show(const struct snapshot_series *series, size_t count)
{
    registry_take(registry, tell(&teller, 1000, series, count), 0);
    render();
}

#define SHOW(...)                                                                                            \
    do {                                                                                                     \
        const struct snapshot_series series[] = {__VA_ARGS__};                                               \
        show(series, COUNT_OF(series));                                                                      \
    } while (0)

static void check_has(const char *lines)
{
    ck_assert_msg(strstr(text, lines) != NULL, "not there:\n%s\nin:\n%s", lines, text);
}

static void check_has_not(const char *part)
{
    ck_assert_msg(strstr(text, part) == NULL, "there:\n%s\nin:\n%s", part, text);
}

START_TEST(an_empty_registry_shows_the_collector_itself)
{
    render();
    ck_assert_str_eq(text,
                     "# HELP outrigger_build_info 1, with the version of the collector.\n"
                     "# TYPE outrigger_build_info gauge\n"
                     "outrigger_build_info{version=\"" OUTRIGGER_VERSION "\"} 1\n"
                     "# HELP process_cpu_seconds_total User and system time of the collector.\n"
                     "# TYPE process_cpu_seconds_total counter\n"
                     "process_cpu_seconds_total 1.5\n"
                     "# HELP process_resident_memory_bytes Resident memory of the collector.\n"
                     "# TYPE process_resident_memory_bytes gauge\n"
                     "process_resident_memory_bytes 4096\n"
                     "# HELP process_start_time_seconds Start of the collector, in seconds since 1970.\n"
                     "# TYPE process_start_time_seconds gauge\n"
                     "process_start_time_seconds 1700000000.5\n");
}
END_TEST

START_TEST(counters_and_gauges_stand_under_their_help_and_type)
{
    struct snapshot_series requests = {.metric = METRIC_REQUESTS,
                                       .labels = {text_of("iris"), text_of("1"), text_of("none")},
                                       .numbers = {UINT64_MAX}};
    SHOW(requests, value(METRIC_STRAY_RESULTS, "", 0), value(METRIC_QUEUE_ROWS, "iris", (uint64_t)-7),
         value(METRIC_QUEUE_ROWS, "lily", 7), value(METRIC_QUEUE_BYTES, "iris", (uint64_t)INT64_MIN));
    check_has(
        "# HELP outrigger_requests_total Requests that the broker finished, by outcome; what its asker takes "
        "back when the time for it is all but over counts as deadline.\n"
        "# TYPE outrigger_requests_total counter\n"
        "outrigger_requests_total{model=\"iris\",version=\"1\",outcome=\"none\"} 18446744073709551615\n");
    check_has("# TYPE outrigger_queue_rows gauge\n"
              "outrigger_queue_rows{model=\"iris\"} -7\n"
              "outrigger_queue_rows{model=\"lily\"} 7\n");
    check_has("outrigger_queue_bytes{model=\"iris\"} -9223372036854775808\n");
    check_has("\noutrigger_stray_results_total 0\n");
    check_has_not("outrigger_retries_total");
}
END_TEST

START_TEST(time_is_shown_in_seconds)
{
    SHOW(value(METRIC_CPU_SECONDS, "a", 1), value(METRIC_CPU_SECONDS, "b", UINT64_C(31536000123456789)),
         value(METRIC_CPU_SECONDS, "c", 5000000000), value(METRIC_CPU_SECONDS, "d", 0),
         value(METRIC_MODEL_LOAD, "e", 1500000000), value(METRIC_MODEL_LOAD, "f", (uint64_t)-20000000),
         value(METRIC_RESIDENT_BYTES, "g", 1000000000));
    check_has("outrigger_cpu_seconds_total{process=\"a\"} 0.000000001\n");
    check_has("outrigger_cpu_seconds_total{process=\"b\"} 31536000.123456789\n");
    check_has("outrigger_cpu_seconds_total{process=\"c\"} 5\n");
    check_has("outrigger_cpu_seconds_total{process=\"d\"} 0\n");
    check_has("outrigger_model_load_seconds{model=\"e\",version=\"e\"} 1.5\n");
    check_has("outrigger_model_load_seconds{model=\"f\",version=\"f\"} -0.02\n");
    check_has("outrigger_resident_bytes{process=\"g\"} 1000000000\n");
}
END_TEST

START_TEST(buckets_are_cumulative_with_bounds_in_seconds)
{
    struct snapshot_series histogram = {
        .metric = METRIC_QUEUE_DURATION,
        .labels = {text_of("iris")},
        .numbers = {999, 1500000000, 1, 2, [2 + 4] = 3, [2 + 19] = 4, [22] = 5}};
    SHOW(histogram);
    check_has("# TYPE outrigger_queue_duration_seconds histogram\n"
              "outrigger_queue_duration_seconds_bucket{model=\"iris\",version=\"\",le=\"0.0001\"} 1\n"
              "outrigger_queue_duration_seconds_bucket{model=\"iris\",version=\"\",le=\"0.00025\"} 3\n"
              "outrigger_queue_duration_seconds_bucket{model=\"iris\",version=\"\",le=\"0.0005\"} 3\n"
              "outrigger_queue_duration_seconds_bucket{model=\"iris\",version=\"\",le=\"0.00075\"} 3\n"
              "outrigger_queue_duration_seconds_bucket{model=\"iris\",version=\"\",le=\"0.001\"} 6\n");
    /* The count is that of the buckets, whatever the process says. */
    check_has("outrigger_queue_duration_seconds_bucket{model=\"iris\",version=\"\",le=\"10\"} 10\n"
              "outrigger_queue_duration_seconds_bucket{model=\"iris\",version=\"\",le=\"+Inf\"} 15\n"
              "outrigger_queue_duration_seconds_sum{model=\"iris\",version=\"\"} 1.5\n"
              "outrigger_queue_duration_seconds_count{model=\"iris\",version=\"\"} 15\n");
}
END_TEST

START_TEST(sizes_are_histograms_with_bounds_as_they_are)
{
    struct snapshot_series sizes = {
        .metric = METRIC_BATCH_ROWS, .labels = {text_of("iris")}, .numbers = {3, 1000000000, 1, 1, 1}};
    SHOW(sizes);
    check_has("# TYPE outrigger_batch_rows histogram\n"
              "outrigger_batch_rows_bucket{model=\"iris\",version=\"\",le=\"1\"} 1\n"
              "outrigger_batch_rows_bucket{model=\"iris\",version=\"\",le=\"2\"} 2\n"
              "outrigger_batch_rows_bucket{model=\"iris\",version=\"\",le=\"4\"} 3\n");
    check_has("outrigger_batch_rows_bucket{model=\"iris\",version=\"\",le=\"524288\"} 3\n"
              "outrigger_batch_rows_bucket{model=\"iris\",version=\"\",le=\"+Inf\"} 3\n"
              "outrigger_batch_rows_sum{model=\"iris\",version=\"\"} 1000000000\n"
              "outrigger_batch_rows_count{model=\"iris\",version=\"\"} 3\n");
}
END_TEST

START_TEST(label_values_are_escaped)
{
    SHOW(value(METRIC_RETRIES, "a\"b\\c{d},e=\"f", 1), value(METRIC_RETRIES, "line\nfeed", 2),
         value(METRIC_RETRIES, "", 3));
    check_has("outrigger_retries_total{model=\"a\\\"b\\\\c{d},e=\\\"f\"} 1\n");
    check_has("outrigger_retries_total{model=\"line?feed\"} 2\n");
    check_has("outrigger_retries_total{model=\"\"} 3\n");
}
END_TEST

START_TEST(openmetrics_names_families_without_total_and_says_its_end)
{
    struct snapshot_series batches = {
        .metric = METRIC_BATCH_ROWS, .labels = {text_of("iris")}, .numbers = {1, 1, 1}};
    format = PROMETHEUS_OPEN;
    SHOW(value(METRIC_RETRIES, "iris", 7), batches);
    check_has("# TYPE outrigger_retries counter\noutrigger_retries_total{model=\"iris\"} 7\n");
    check_has("le=\"1.0\"} 1\n");
    check_has("# TYPE outrigger_build info\noutrigger_build_info{version=");
    check_has("# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total 1.5\n");
    ck_assert_str_eq(text + strlen(text) - 7, "\n# EOF\n");
}
END_TEST

START_TEST(sums_have_the_names_of_triton_where_they_are_wanted)
{
    struct snapshot_series duration = {.metric = METRIC_PREDICTION_DURATION,
                                       .labels = {text_of("ir\"is"), text_of("1")},
                                       .numbers = {2, 1500999, 1, 1}};
    struct snapshot_series error = {.metric = METRIC_PREDICTION_ERRORS,
                                    .labels = {text_of("iris"), text_of("1"), text_of("deadline")},
                                    .numbers = {3}};
    SHOW(duration, error, value(METRIC_QUEUE_REQUESTS, "iris", 4));
    check_has_not("nv_");
    triton = true;
    render();
    check_has("# TYPE nv_inference_request_success counter\n"
              "nv_inference_request_success{model=\"ir\\\"is\",version=\"1\"} 2\n");
    check_has("nv_inference_request_duration_us{model=\"ir\\\"is\",version=\"1\"} 1500\n");
    check_has("nv_inference_request_failure{model=\"iris\",version=\"1\",reason=\"deadline\"} 3\n");
    check_has("# TYPE nv_inference_pending_request_count gauge\n"
              "nv_inference_pending_request_count{model=\"iris\"} 4\n");
    check_has_not("nv_inference_exec_count");
    format = PROMETHEUS_OPEN;
    render();
    check_has("# TYPE nv_inference_request_success unknown\n");
}
END_TEST

/* Names that OpenMetrics wants so, and help that needs no escapes in either format. */
START_TEST(the_table_suits_both_formats)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct metric_description *description = metric_describe((enum metric)i);
        size_t length = strlen(description->name);
        bool total = length > 6 && strcmp(description->name + length - 6, "_total") == 0;
        ck_assert_msg(total == (description->kind == COUNTER), "%s", description->name);
        ck_assert_msg(strpbrk(description->help, "\"\\\n") == NULL, "%s", description->name);
    }
}
END_TEST

START_TEST(every_metric_of_the_table_is_shown_once)
{
    struct snapshot_series series[METRIC_COUNT];
    for (int i = 0; i < METRIC_COUNT; i++)
        series[i] = value((enum metric)i, "x", 1);
    show(series, METRIC_COUNT);
    for (int i = 0; i < METRIC_COUNT; i++) {
        char head[128];
        snprintf(head, sizeof head, "\n# TYPE %s ", metric_describe((enum metric)i)->name);
        if (i == 0)
            memmove(head, head + 1, strlen(head));
        char *first = strstr(text, head);
        ck_assert_ptr_nonnull(first);
        ck_assert_ptr_null(strstr(first + 1, head));
    }
}
END_TEST

START_TEST(the_text_is_renewed_after_a_while)
{
    struct exposition *exposition = exposition_new(registry, false);
    struct snapshot_series series = value(METRIC_RETRIES, "iris", 1);
    struct blob *first = blob_hold(exposition_text(exposition, PROMETHEUS_TEXT, 0));
    ck_assert_ptr_null(strstr(blob_text(first).at, "outrigger_retries_total"));
    registry_take(registry, tell(&teller, 1000, &series, 1), 0);
    ck_assert_ptr_eq(exposition_text(exposition, PROMETHEUS_TEXT, 100 * MILLISECOND), first);
    struct text newer = blob_text(exposition_text(exposition, PROMETHEUS_TEXT, 100 * MILLISECOND + 1));
    ck_assert_ptr_nonnull(strstr(newer.at, "outrigger_retries_total"));
    ck_assert_uint_eq(strlen(newer.at), newer.length);
    ck_assert_ptr_null(strstr(blob_text(first).at, "outrigger_retries_total"));
    blob_drop(first);
    exposition_free(exposition);
    exposition_free(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_empty_registry_shows_the_collector_itself,
                                  counters_and_gauges_stand_under_their_help_and_type,
                                  time_is_shown_in_seconds,
                                  buckets_are_cumulative_with_bounds_in_seconds,
                                  sizes_are_histograms_with_bounds_as_they_are,
                                  label_values_are_escaped,
                                  every_metric_of_the_table_is_shown_once,
                                  openmetrics_names_families_without_total_and_says_its_end,
                                  sums_have_the_names_of_triton_where_they_are_wanted,
                                  the_table_suits_both_formats,
                                  the_text_is_renewed_after_a_while};
    return SUITE_RUN("prometheus", set_up, tear_down, tests);
}
