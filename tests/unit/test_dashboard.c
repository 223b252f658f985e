/* test_dashboard: what the page is told, out of a registry that processes have told of and a history that was
 * sampled from it. SPDX-License-Identifier: MIT */
#include "dashboard.h"
#include "figures.h"
#include "sampler.h"

#include "clock.h"
#include "suite.h"
#include "tell.h"

#include <math.h>
#include <sys/mman.h>

enum { START = 1800000000 }; /* a whole minute */

static struct registry *registry;
static struct history *history;
static struct config *config;
static struct drift *drift; /* NULL: none is looked at */
static struct teller teller = {.name = "a", .pid = 10, .start = 100};
static int64_t second;
static yyjson_doc *document;

static void set_up(void)
{
    struct config_errors errors = {0};
    config = config_load(NULL, NULL, 0, &errors);
    ck_assert_ptr_nonnull(config);
    registry = registry_new(1000);
    history = history_new(memfd_create("history", 0), 1);
    second = START;
}

static void tear_down(void)
{
    yyjson_doc_free(document);
    document = NULL;
    history_free(history);
    registry_free(registry);
    config_free(config);
}

static struct snapshot_series one(enum metric metric, const char *label1, const char *label2,
                                  const char *label3, uint64_t number)
{
    return (struct snapshot_series){
        .metric = metric, .labels = {text_of(label1), text_of(label2), text_of(label3)}, .numbers = {number}};
}

/* So many durations between 1 and 1.5 ms. */
static struct snapshot_series durations(const char *version, uint64_t count)
{
    struct snapshot_series series = one(METRIC_PREDICTION_DURATION, "iris", version, "", count);
    series.numbers[1] = count * 1250000;
    series.numbers[2 + 5] = count;
    return series;
}

/* The process tells, and a sample is taken of the second. */
static void say(const struct snapshot_series *series, size_t count)
{
    ck_assert_int_eq(registry_take(registry, tell(&teller, 1000, series, count), second * SECOND),
                     REGISTRY_TAKEN);
    ck_assert(sampler_take(history, registry, second * 1000 + 500, second * 1000 + 500));
    second++;
}

/* Each second a hundred more are answered by version 1, and ten more of version 2 fail. */
static void say_traffic(uint64_t seconds)
{
    const struct snapshot_series series[] = {
        durations("1", 100 * seconds),
        one(METRIC_PREDICTIONS, "iris", "1", "", 300 * seconds),
        one(METRIC_PREDICTION_ERRORS, "iris", "2", "model_failed", 10 * seconds),
        one(METRIC_PREDICTION_ERRORS, "iris", "1", "rate_limited", 5 * seconds),
        one(METRIC_PREDICTION_ERRORS, "", "", "unknown_model", 7 * seconds),
        one(METRIC_PREDICTION_ERRORS, "", "", "overloaded", 1 * seconds),
        one(METRIC_HTTP_REQUESTS, "predict", "503", "", 4 * seconds),
        one(METRIC_ROUTE_SHARE, "iris", "1", "", 9000),
        one(METRIC_ROUTE_SHARE, "iris", "2", "", 1000),
        one(METRIC_ROLLOUT_SHARE, "iris", "2", "", 1000),
        one(METRIC_ROLLED_BACK, "iris", "", "", (START - 60) * UINT64_C(1000000000)),
        one(METRIC_WORKERS, "iris", "1", "busy", 2),
        one(METRIC_WORKERS, "iris", "2", "idle", 1),
        one(METRIC_MODEL_ACCURACY, "iris", "1", "", 953125),
        one(METRIC_PROCESS_UP, "broker", "running", "", 1),
        one(METRIC_PROCESS_UP, "broker", "failed", "", 0),
        one(METRIC_PROCESS_RESTARTS, "broker", "crash", "", 2),
        one(METRIC_PROCESS_RESTARTS, "broker", "exit", "", 1),
        one(METRIC_RESIDENT_BYTES, "broker", "", "", 5000000),
        one(METRIC_CPU_SECONDS, "broker", "", "", 2500000000),
    };
    say(series, COUNT_OF(series));
}

static struct dashboard_sources sources(void)
{
    return (struct dashboard_sources){config, registry, history, drift, second * 1000};
}

static void read_text(char *text, size_t length)
{
    yyjson_doc_free(document);
    document = yyjson_read(text, length, 0);
    ck_assert_msg(document != NULL, "%s", text);
    free(text);
}

static void ask_now(void)
{
    size_t length;
    const struct dashboard_sources ours = sources();
    char *text = dashboard_now(&ours, &length);
    read_text(text, length);
}

static void ask_history(const char *query)
{
    size_t length;
    const struct dashboard_sources ours = sources();
    char *text = dashboard_history(&ours, text_of(query), &length);
    read_text(text, length);
}

static yyjson_val *at(const char *pointer)
{
    yyjson_val *value = yyjson_doc_ptr_get(document, pointer);
    ck_assert_msg(value != NULL, "%s is not there", pointer);
    return value;
}

static void expect(const char *pointer, double number)
{
    ck_assert_msg(fabs(yyjson_get_num(at(pointer)) - number) < 0.005 * (fabs(number) + 0.01), "%s is %f",
                  pointer, yyjson_get_num(at(pointer)));
}

static void expect_null(const char *pointer)
{
    ck_assert_msg(yyjson_is_null(at(pointer)), "%s is known", pointer);
}

/* ---- now ---- */

START_TEST(models_are_told_with_their_versions)
{
    for (uint64_t i = 0; i < 11; i++)
        say_traffic(i);
    ask_now();
    ck_assert_uint_eq(yyjson_arr_size(at("/models")), 1);
    ck_assert_str_eq(yyjson_get_str(at("/models/0/model")), "iris");
    expect("/models/0/rolled_back", START - 60);
    ck_assert_uint_eq(yyjson_arr_size(at("/models/0/versions")), 2);
    ck_assert_str_eq(yyjson_get_str(at("/models/0/versions/0/version")), "1");
    expect("/models/0/versions/0/share", 90);
    expect("/models/0/versions/0/workers/busy", 2);
    expect("/models/0/versions/0/figures/accuracy", 0.953125);
    expect("/models/0/versions/0/last/ok", 1000.0 / 11);
    expect("/models/0/versions/0/last/p99", 1.495);
    expect("/models/0/versions/0/last/limited", 50.0 / 11);
    expect("/models/0/versions/0/last/failed", 0);
    expect("/models/0/versions/1/rollout_share", 10);
    expect("/models/0/versions/1/last/failed", 100.0 / 11);
    expect_null("/models/0/versions/1/last/p99");
    expect("/models/0/last/rows", 3000.0 / 11);
    expect("/last/ok", 1000.0 / 11);
}
END_TEST

START_TEST(jobs_are_told_with_what_became_of_their_rows)
{
    const struct snapshot_series series[] = {one(METRIC_JOB_ROWS, "nightly", "scored", "", 900),
                                             one(METRIC_JOB_ROWS, "nightly", "rejected", "", 7),
                                             one(METRIC_JOB_IN_FLIGHT, "nightly", "", "", 16),
                                             one(METRIC_JOB_RETRIES, "nightly", "overloaded", "", 2),
                                             one(METRIC_JOB_RETRIES, "nightly", "not_ready", "", 3),
                                             one(METRIC_JOB_LAG, "topic-job", "clicks", "0", 40),
                                             one(METRIC_JOB_LAG, "topic-job", "clicks", "1", 2)};
    say(series, COUNT_OF(series));
    ask_now();
    ck_assert_uint_eq(yyjson_arr_size(at("/jobs")), 2);
    ck_assert_str_eq(yyjson_get_str(at("/jobs/0/job")), "nightly");
    expect("/jobs/0/rows/scored", 900);
    expect("/jobs/0/rows/rejected", 7);
    expect("/jobs/0/in_flight", 16);
    expect("/jobs/0/retries", 5);
    ck_assert_str_eq(yyjson_get_str(at("/jobs/1/job")), "topic-job");
    expect("/jobs/1/lag", 42);
}
END_TEST

START_TEST(processes_are_told_with_their_restarts)
{
    say_traffic(1);
    ask_now();
    ck_assert_uint_eq(yyjson_arr_size(at("/processes")), 1);
    ck_assert_str_eq(yyjson_get_str(at("/processes/0/state")), "running");
    expect("/processes/0/restarts", 3);
    expect("/processes/0/causes/crash", 2);
    expect("/processes/0/resident_bytes", 5000000);
    expect("/processes/0/cpu_seconds", 2.5);
}
END_TEST

START_TEST(budgets_are_held_against_the_objectives)
{
    for (uint64_t i = 0; i < 11; i++)
        say_traffic(i);
    ask_now();
    expect("/slo/latency_ms", 200);
    expect("/burn/0/seconds", 300);
    expect("/burn/0/requests", 1160);
    expect("/burn/0/errors", 100 / 1160.0 / 0.001);
    expect("/burn/0/unavailable", 110 / 1160.0 / 0.001);
    expect("/burn/0/slow", 0);
    expect("/burn/2/requests", 1160);
}
END_TEST

START_TEST(nothing_is_known_at_the_beginning)
{
    ask_now();
    expect("/newest", 0);
    expect_null("/last/ok");
    expect_null("/burn/0/errors");
    ck_assert_uint_eq(yyjson_arr_size(at("/models")), 0);
    ask_history("span=10");
    expect("/count", 1);
    expect_null("/ok/0");
}
END_TEST

/* ---- history ---- */

START_TEST(columns_have_one_number_for_each_step)
{
    for (uint64_t i = 0; i < 11; i++)
        say_traffic(i);
    ask_history("step=1&span=12");
    expect("/newest", START + 10);
    expect("/from", START - 1);
    expect("/count", 12);
    expect_null("/ok/0");
    expect("/ok/1", 0);
    expect("/ok/11", 100);
    expect("/failed/11", 10);
    expect("/p50/11", 1.25);
    expect_null("/p50/1");
    expect("/restarts/11", 0);
    ask_history("step=5&span=10&model=iris&version=1");
    expect("/from", START);
    expect("/count", 3);
    expect("/ok/0", 80);
    expect("/failed/2", 0);
    ck_assert_ptr_null(yyjson_obj_get(yyjson_doc_get_root(document), "restarts"));
}
END_TEST

START_TEST(who_has_the_past_asks_for_what_is_new)
{
    for (uint64_t i = 0; i < 11; i++)
        say_traffic(i);
    char query[64];
    snprintf(query, sizeof query, "since=%d&step=1", START + 9);
    ask_history(query);
    expect("/from", START + 9);
    expect("/count", 2);
}
END_TEST

START_TEST(what_is_out_of_bounds_counts_as_not_said)
{
    static const struct {
        const char *query;
        double count;
    } cases[] = {{"", 300},
                 {"step=0&span=-1", 300},
                 {"step=99999&span=99999999999999999999", 300},
                 {"step=&span", 300},
                 {"span=86400&step=1", 3600},
                 {"span=86400&step=60", 1440},
                 {"since=99999999999999", 300},
                 {"since=0", 3600},
                 {"since=0&step=300", 288},
                 {"step=3599&span=86400", 2}, /* of seconds there is an hour */
                 {"step=7&since=0", 515},
                 {"step=60x&span=5&&&=&model=", 5},
                 {"span=7&model=nobody&version=%00", 7}};
    say_traffic(1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ask_history(cases[i].query);
        ck_assert_msg(fabs(yyjson_get_num(at("/count")) - cases[i].count) <= 1, "%s: %f", cases[i].query,
                      yyjson_get_num(at("/count")));
        ck_assert_uint_eq(yyjson_arr_size(at("/ok")), yyjson_get_uint(at("/count")));
    }
}
END_TEST

/* ---- outcomes ---- */

START_TEST(each_status_is_one_outcome)
{
    static const struct {
        int status;
        enum history_number outcome;
    } cases[] = {{200, HISTORY_OK},      {304, HISTORY_OK},          {400, HISTORY_CLIENT},
                 {429, HISTORY_LIMITED}, {499, HISTORY_CLIENT},      {500, HISTORY_FAILED},
                 {502, HISTORY_FAILED},  {503, HISTORY_UNAVAILABLE}, {504, HISTORY_LATE}};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_int_eq(sampler_outcome(cases[i].status), cases[i].outcome);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {models_are_told_with_their_versions,
                                  jobs_are_told_with_what_became_of_their_rows,
                                  processes_are_told_with_their_restarts,
                                  budgets_are_held_against_the_objectives,
                                  nothing_is_known_at_the_beginning,
                                  columns_have_one_number_for_each_step,
                                  who_has_the_past_asks_for_what_is_new,
                                  what_is_out_of_bounds_counts_as_not_said,
                                  each_status_is_one_outcome};
    return SUITE_RUN("dashboard", set_up, tear_down, tests);
}
