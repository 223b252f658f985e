/* test_model_table: what the broker knows of models: from the repository, from workers, and after a reload.
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "gauge.h"
#include "gauges.h"
#include "model.h"
#include "repository.h"
#include "suite.h"

#include <utlist.h>

static struct config *config;
static struct metrics *metrics;
static struct model_table *table;

static void set_up(void)
{
    scratch_make();
    config = repository_config(NULL);
    metrics = metrics_new(NULL);
}

static void tear_down(void)
{
    model_table_free(table);
    metrics_free(metrics);
    config_free(config);
    scratch_remove();
}

static void load(void)
{
    model_table_free(table);
    table = model_table_new(config, metrics);
}

static struct model *find(const char *name)
{
    return model_find(table, text_of(name));
}

static struct version *find_version(const char *model, const char *version)
{
    return find(model) == NULL ? NULL : model_version(find(model), text_of(version));
}

static struct version *require(const char *model, const char *version)
{
    return model_require(table, text_of(model), text_of(version));
}

/* A worker that serves the version, in the test's own memory. */
static void give_worker(struct version *version, struct worker *worker, uint32_t in_flight)
{
    static struct batch batches[8][2];
    static size_t given;
    *worker =
        (struct worker){.slots = 2, .in_flight = in_flight, .batches = batches[given++ % COUNT_OF(batches)]};
    worker->state = in_flight > 0 ? WORKER_BUSY : WORKER_IDLE;
    DL_APPEND2(version->workers, worker, previous, next);
    version->worker_count++;
}

START_TEST(an_empty_repository_is_an_empty_table)
{
    load();
    ck_assert_ptr_null(model_first(table));
    ck_assert_ptr_null(find("m"));
    ck_assert_ptr_null(find(""));
    ck_assert_uint_eq(model_version_count(table), 0);
    model_table_free(NULL);
}
END_TEST

START_TEST(model_conf_sets_the_rules)
{
    repository_add("m", "1");
    repository_configure("m", "batching: { max_batch_rows = 7; max_delay_us = 8; };\n"
                              "queue: { max_rows = 9; max_bytes = 2000; };\n"
                              "limits: { compute_timeout_ms = 11; max_kills = 3; };\n"
                              "idempotent = false;\n");
    load();
    const struct model *model = find("m");
    ck_assert_uint_eq(model->rule.max_batch_rows, 7);
    ck_assert_int_eq(model->rule.max_delay, 8 * MICROSECOND);
    ck_assert_int_eq(model->compute_timeout, 11 * MILLISECOND);
    ck_assert_uint_eq(model->max_kills, 3);
    ck_assert(!model->idempotent);
    ck_assert_uint_eq(model->stable->queue.max_rows, 9);
    ck_assert_uint_eq(model->stable->queue.max_bytes, 2000);
    ck_assert_ptr_eq(find(""), model); /* the only one is the default */
}
END_TEST

START_TEST(a_model_has_a_cache_when_it_wants_one)
{
    repository_add("m", "1");
    load();
    struct model *model = find("m");
    ck_assert_ptr_null(model->cache);
    repository_configure("m", "cache: { ttl_ms = 5; };\n");
    model_table_reload(table);
    ck_assert(cache_is_on(model->cache));
    repository_configure("m", "idempotent = false;\n");
    model_table_reload(table);
    ck_assert(!cache_is_on(model->cache));
    require("far", "5");
    ck_assert_ptr_null(find("far")->cache);
}
END_TEST

START_TEST(a_model_that_a_worker_brings_has_defaults)
{
    load();
    struct version *version = require("far", "5");
    ck_assert_ptr_eq(version->model, find("far"));
    ck_assert_ptr_eq(version->model->stable, version);
    ck_assert_ptr_null(version->model->config);
    ck_assert(version->model->rule.max_batch_rows > 0 && version->model->rule.max_delay == 0);
    ck_assert(version->model->idempotent && version->model->max_kills > 0);
    ck_assert_uint_gt(version->queue.max_rows, 0);
    ck_assert_uint_eq(version->queue.max_bytes, (uint64_t)config->broker_max_queue_bytes);
    ck_assert_ptr_eq(require("far", "5"), version);
    ck_assert_ptr_ne(require("far", "6"), version);
    ck_assert_ptr_eq(version->model->stable, version);
    ck_assert_uint_eq(model_version_count(table), 2);
}
END_TEST

/* ---- reload ---- */

START_TEST(a_reload_brings_what_is_new)
{
    repository_add("m", "1");
    load();
    struct model *model = find("m");
    struct version *first = model->stable;
    repository_add("m", "2");
    repository_add("n", "1");
    repository_configure("m", "queue: { max_rows = 5; };\n");
    model_table_reload(table);
    ck_assert_ptr_eq(find("m"), model);
    ck_assert_ptr_eq(find_version("m", "1"), first);
    ck_assert_str_eq(model->stable->name, "2");
    ck_assert_uint_eq(first->queue.max_rows, 5);
    ck_assert_uint_eq(model->stable->queue.max_rows, 5);
    ck_assert_ptr_nonnull(find_version("n", "1"));
    ck_assert_ptr_null(find("")); /* two models, and no default named */
    ck_assert_uint_eq(model_version_count(table), 3);
}
END_TEST

START_TEST(a_reload_forgets_what_is_gone_and_idle)
{
    struct worker worker;
    struct request request = {.rows = 1};
    repository_add("m", "1");
    repository_add("m", "2");
    repository_add("served", "1");
    repository_add("asked", "1");
    repository_add("woken", "1");
    repository_add("idle", "1");
    load();
    require("far", "1");
    give_worker(find_version("served", "1"), &worker, 0);
    queue_push(&find_version("asked", "1")->queue, &request);
    find_version("woken", "1")->waiting = true;
    const char *const gone[] = {"served", "asked", "woken", "idle"};
    for (size_t i = 0; i < COUNT_OF(gone); i++)
        suite_remove_folder(scratch_path(gone[i]));
    suite_remove_folder(scratch_path("m/2"));
    model_table_reload(table);
    ck_assert_ptr_null(find_version("m", "2"));
    ck_assert_str_eq(find("m")->stable->name, "1");
    ck_assert_ptr_null(find("idle"));
    ck_assert_ptr_null(find("far"));
    ck_assert_ptr_nonnull(find_version("served", "1"));
    ck_assert_ptr_nonnull(find_version("asked", "1"));
    ck_assert_ptr_nonnull(find_version("woken", "1"));
    ck_assert_uint_eq(model_version_count(table), 4);
    ck_assert_ptr_null(find("served")->config);
}
END_TEST

/* ---- gauges ---- */

static void measure(void)
{
    for (struct model *model = model_first(table); model != NULL; model = model->next)
        gauges_measure(metrics, model);
}

static bool has_gauges(const char *model, const char *version)
{
    bool has = gauge_is_told(metrics, METRIC_WORKERS, model, version, "idle");
    ck_assert(gauge_is_told(metrics, METRIC_WORKERS, model, version, "draining") == has);
    ck_assert(gauge_is_told(metrics, METRIC_ROUTE_SHARE, model, version, NULL) == has);
    return has;
}

START_TEST(a_version_has_gauges_until_its_last_worker_and_route_are_gone)
{
    struct worker worker;
    repository_add("m", "1");
    repository_add("m", "2");
    repository_configure("m", "version = \"2\"; keep_previous = false;\n");
    load();
    measure();
    ck_assert(has_gauges("m", "2") && !has_gauges("m", "1")); /* the stable one, though it has none yet */
    give_worker(find_version("m", "1"), &worker, 0);
    measure();
    ck_assert(has_gauges("m", "1"));
    struct version *version = find_version("m", "1");
    DL_DELETE2(version->workers, &worker, previous, next);
    version->worker_count = 0;
    version->weight = 1;
    measure();
    ck_assert(has_gauges("m", "1"));
    version->weight = 0;
    measure();
    ck_assert(!has_gauges("m", "1"));
    measure();
    ck_assert(has_gauges("m", "2"));
    version->weight = 1;
    measure();
    ck_assert(has_gauges("m", "1"));
}
END_TEST

START_TEST(a_model_that_is_forgotten_has_no_gauges)
{
    repository_add("gone", "1");
    repository_configure("gone", "cache: { ttl_ms = 1000; };\n");
    load();
    measure();
    ck_assert(has_gauges("gone", "1"));
    ck_assert(gauge_is_told(metrics, METRIC_QUEUE_ROWS, "gone", NULL, NULL) &&
              gauge_is_told(metrics, METRIC_CACHE_BYTES, "gone", NULL, NULL));
    suite_remove_folder(scratch_path("gone"));
    model_table_reload(table);
    ck_assert(!has_gauges("gone", "1"));
    static const enum metric of_model[] = {METRIC_QUEUE_ROWS,     METRIC_QUEUE_REQUESTS,  METRIC_QUEUE_BYTES,
                                           METRIC_QUEUE_MAX_ROWS, METRIC_MODEL_IN_FLIGHT, METRIC_CACHE_BYTES};
    for (size_t i = 0; i < COUNT_OF(of_model); i++)
        ck_assert(!gauge_is_told(metrics, of_model[i], "gone", NULL, NULL));
}
END_TEST

START_TEST(a_reload_that_cannot_read_forgets_nothing)
{
    repository_add("m", "1");
    load();
    require("far", "1");
    repository_configure("m", "nonsense = 1;\n");
    model_table_reload(table);
    ck_assert_ptr_nonnull(find_version("m", "1"));
    ck_assert_ptr_nonnull(find("m")->config); /* as it was */
    ck_assert_ptr_nonnull(find_version("far", "1"));
    repository_configure("m", "");
    model_table_reload(table);
    ck_assert_ptr_nonnull(find("m")->config);
    ck_assert_ptr_null(find("far"));
}
END_TEST

START_TEST(a_model_of_workers_alone_keeps_a_stable_version)
{
    struct worker worker;
    load();
    require("far", "1");
    give_worker(require("far", "2"), &worker, 0);
    model_table_reload(table);
    ck_assert_ptr_null(find_version("far", "1"));
    ck_assert_str_eq(find("far")->stable->name, "2");
}
END_TEST

START_TEST(versions_may_come_and_go_for_ever)
{
    load();
    for (int i = 0; i < 3 * VERSIONS_MAX; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d", i);
        ck_assert_ptr_nonnull(require("m", name));
        if (i % 512 == 511)
            model_table_reload(table);
    }
}
END_TEST

/* ---- bounds ---- */

START_TEST(the_tables_have_bounds)
{
    char name[32];
    load();
    for (int i = 0; i < MODELS_MAX; i++) {
        snprintf(name, sizeof name, "m%d", i);
        ck_assert_ptr_nonnull(require(name, "1"));
    }
    ck_assert_ptr_null(require("another", "1"));
    for (int i = MODELS_MAX; i < VERSIONS_MAX; i++) {
        snprintf(name, sizeof name, "%d", i);
        ck_assert_ptr_nonnull(require("m0", name));
    }
    ck_assert_ptr_null(require("m0", "another"));
    ck_assert_ptr_nonnull(require("m0", "1"));
    ck_assert_uint_eq(model_version_count(table), VERSIONS_MAX);
    repository_add("late", "1"); /* one that has no room is left out, and said */
    model_table_reload(table);   /* (this one forgets the others, which nobody serves) */
    model_table_reload(table);
    ck_assert_ptr_nonnull(find_version("late", "1"));
}
END_TEST

/* ---- a version ---- */

START_TEST(the_state_of_a_version_follows_from_its_workers)
{
    struct worker workers[2];
    repository_add("m", "1");
    load();
    struct version *version = find_version("m", "1");
    ck_assert_int_eq(version_state(version), CATALOG_LOADING);
    give_worker(version, &workers[0], 0);
    give_worker(version, &workers[1], 1);
    ck_assert_int_eq(version_state(version), CATALOG_READY);
    workers[0].state = WORKER_DRAINING;
    ck_assert_int_eq(version_state(version), CATALOG_READY);
    workers[1].state = WORKER_DRAINING;
    ck_assert_int_eq(version_state(version), CATALOG_DRAINING);
}
END_TEST

#define NOW (1000 * SECOND)

START_TEST(the_worker_with_the_least_goes_first)
{
    struct worker workers[4], *first;
    repository_add("m", "1");
    load();
    struct version *version = find_version("m", "1");
    ck_assert_uint_eq(version_free_workers(version, NOW, &first), 0);
    ck_assert_ptr_null(first);
    give_worker(version, &workers[0], 2); /* full */
    give_worker(version, &workers[1], 1);
    ck_assert_uint_eq(version_free_workers(version, NOW, &first), 1);
    ck_assert_ptr_eq(first, &workers[1]);
    give_worker(version, &workers[2], 0);
    give_worker(version, &workers[3], 0);
    ck_assert_uint_eq(version_free_workers(version, NOW, &first), 3);
    ck_assert_ptr_eq(first, &workers[2]); /* of two that are idle the one longer unused */
    workers[2].state = WORKER_DRAINING;
    ck_assert_uint_eq(version_free_workers(version, NOW, &first), 2);
    ck_assert_ptr_eq(first, &workers[3]);
}
END_TEST

START_TEST(a_busy_worker_is_due_shortly_before_it_is_done)
{
    struct worker workers[3], *first;
    repository_add("m", "1");
    load();
    struct version *version = find_version("m", "1");
    give_worker(version, &workers[0], 1);
    workers[0].batches[0] = (struct batch){.rows = 10, .sent_at = NOW};
    ck_assert_int_le(version_due(version, &workers[0]), NOW); /* nothing is known of the cost */
    ck_assert_uint_eq(version_free_workers(version, NOW, &first), 1);
    cost_learn(&version->cost, 10, 80 * MILLISECOND);
    ck_assert_int_eq(version_due(version, &workers[0]), NOW + 68 * MILLISECOND);
    ck_assert_uint_eq(version_free_workers(version, NOW + 68 * MILLISECOND - 1, &first), 0);
    ck_assert_ptr_eq(first, &workers[0]); /* the one to wait for */
    ck_assert_uint_eq(version_free_workers(version, NOW + 68 * MILLISECOND, &first), 1);
    give_worker(version, &workers[1], 1);
    workers[1].batches[0] = (struct batch){.rows = 10, .sent_at = NOW - 99 * MILLISECOND};
    workers[1].result_at = NOW - 5 * MILLISECOND; /* only then it began */
    ck_assert_int_eq(version_due(version, &workers[1]), NOW + 63 * MILLISECOND);
    ck_assert_uint_eq(version_free_workers(version, NOW, &first), 0);
    ck_assert_ptr_eq(first, &workers[1]);
    give_worker(version, &workers[2], 0); /* idle: now, and it alone */
    ck_assert_uint_eq(version_free_workers(version, NOW, &first), 1);
    ck_assert_ptr_eq(first, &workers[2]);
    workers[2].in_flight = 1;
    workers[2].batches[0] = (struct batch){.rows = 1, .sent_at = NOW + 10 * SECOND};
    version->cost = (struct cost){0};
    cost_learn(&version->cost, 1, 2 * MILLISECOND); /* so little that it is not waited for */
    ck_assert_int_lt(version_due(version, &workers[2]), NOW + 10 * SECOND);
}
END_TEST

START_TEST(a_newer_schema_replaces_the_older)
{
    repository_add("m", "1");
    load();
    struct version *version = find_version("m", "1");
    ck_assert_ptr_null(version->schema);
    version_set_schema(version, text_of("first"));
    version_set_schema(version, text_of("second"));
    ck_assert_uint_eq(version->schema_length, 6);
    ck_assert_mem_eq(version->schema, "second", 6);
    version_set_schema(version, text_of(""));
    ck_assert_uint_eq(version->schema_length, 0);
}
END_TEST

START_TEST(the_first_costs_that_a_worker_tells_are_believed)
{
    /* {"platform": "p", "costs": [[1, 100], [2, 200]]}, and the same of a faster worker */
    const char slow[] = "\x82\xa8platform\xa1p\xa5"
                        "costs\x92\x92\x01\x64\x92\x02\xcc\xc8";
    const char fast[] = "\x82\xa8platform\xa1p\xa5"
                        "costs\x92\x92\x01\x0a\x92\x02\x14";
    const char without[] = "\x81\xa8platform\xa1p";
    repository_add("m", "1");
    load();
    struct version *version = find_version("m", "1");
    ck_assert(!cost_known(&version->cost));
    version_set_schema(version, (struct text){slow, sizeof slow - 1});
    ck_assert_uint_eq(version->schema_length, sizeof without - 1);
    ck_assert_mem_eq(version->schema, without, sizeof without - 1);
    int64_t estimate = cost_of_batch(&version->cost, 2);
    ck_assert_int_ge(estimate, 199 * MICROSECOND);
    ck_assert_int_le(estimate, 201 * MICROSECOND);
    version_set_schema(version, (struct text){fast, sizeof fast - 1});
    ck_assert_mem_eq(version->schema, without, sizeof without - 1);
    ck_assert_int_eq(cost_of_batch(&version->cost, 2), estimate);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_empty_repository_is_an_empty_table,
                                  model_conf_sets_the_rules,
                                  a_model_has_a_cache_when_it_wants_one,
                                  a_model_that_a_worker_brings_has_defaults,
                                  a_reload_brings_what_is_new,
                                  a_reload_forgets_what_is_gone_and_idle,
                                  a_reload_that_cannot_read_forgets_nothing,
                                  a_version_has_gauges_until_its_last_worker_and_route_are_gone,
                                  a_model_that_is_forgotten_has_no_gauges,
                                  a_model_of_workers_alone_keeps_a_stable_version,
                                  versions_may_come_and_go_for_ever,
                                  the_tables_have_bounds,
                                  the_state_of_a_version_follows_from_its_workers,
                                  the_worker_with_the_least_goes_first,
                                  a_busy_worker_is_due_shortly_before_it_is_done,
                                  a_newer_schema_replaces_the_older,
                                  the_first_costs_that_a_worker_tells_are_believed};
    return SUITE_RUN("model_table", set_up, tear_down, tests);
}
