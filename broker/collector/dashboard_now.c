/* dashboard_now: how it is, out of the registry and the history (the last minute; hours, for objectives).
 *
 *     {"time", "newest", "interval_ms", "version", "slo": {"latency_ms", "availability_ppm", "error_ppm"},
 *      "burn": [{"seconds", "requests", "unavailable", "errors", "slow"}],
 *      "last": {figures of all models}, "host": {"connections", "in_flight"},
 *      "models": [{"model", "queue_rows", ..., "rolled_back", "last": {...},
 *                  "versions": [{"version", "share", "rollout_share", "workers": {STATE: n}, "last": {...},
 *                                "figures": {"accuracy", ...}, "features": [{"feature", ...}],
 *                               "baseline_problem"?}]}],
 *      "processes": [{"process", "state", "restarts", "causes": {CAUSE: n},
 *                     "resident_bytes", "cpu_seconds"}],
 *      "jobs": [{"job", "rows": {OUTCOME: n}, "in_flight", "retries", "lag"}]}
 *
 * The rows below say which metric goes where; every gauge of a model (model_...) is told by its own name
 * without that, so that what is measured anew needs no line here. Called by dashboard_page.c.
 * SPDX-License-Identifier: MIT */
#include "dashboard.h"
#include "figures.h"
#include "prometheus.h"

#include <stdlib.h>

enum { LAST_SECONDS = 60 };

static const int64_t burn_windows[] = {300, 3600, 6 * 3600};

struct now {
    const struct dashboard_sources *sources;
    yyjson_mut_doc *document;
    yyjson_mut_val *host;
    yyjson_mut_val *models;
    yyjson_mut_val *processes;
    yyjson_mut_val *jobs;
};

/* ---- objects, found by name or made ---- */

static yyjson_mut_val *named(struct now *now, yyjson_mut_val *array, const char *key, const char *name)
{
    size_t index;
    size_t count;
    yyjson_mut_val *object;
    yyjson_mut_arr_foreach(array, index, count, object)
    {
        if (strcmp(yyjson_mut_get_str(yyjson_mut_obj_get(object, key)), name) == 0)
            return object;
    }
    object = yyjson_mut_arr_add_obj(now->document, array);
    yyjson_mut_obj_add_strcpy(now->document, object, key, name);
    return object;
}

/* A member of the object, made when it is not there. */
static yyjson_mut_val *part(struct now *now, yyjson_mut_val *object, const char *key, bool array)
{
    yyjson_mut_val *value = yyjson_mut_obj_get(object, key);
    if (value == NULL)
        value = array ? yyjson_mut_obj_add_arr(now->document, object, key)
                      : yyjson_mut_obj_add_obj(now->document, object, key);
    return value;
}

static yyjson_mut_val *model_of(struct now *now, const char *model)
{
    return named(now, now->models, "model", model);
}

static yyjson_mut_val *version_of(struct now *now, const char *model, const char *version)
{
    return named(now, part(now, model_of(now, model), "versions", true), "version", version);
}

static void put(struct now *now, yyjson_mut_val *object, const char *key, double value)
{
    yyjson_mut_val *name = yyjson_mut_strcpy(now->document, key);
    yyjson_mut_obj_put(object, name, figures_number(now->document, value));
}

/* Adds to what stands there: of metrics that tell more than is shown apart. */
static void put_more(struct now *now, yyjson_mut_val *object, const char *key, double value)
{
    put(now, object, key, value + yyjson_mut_get_num(yyjson_mut_obj_get(object, key)));
}

/* In the units of the Prometheus text. */
static double number_of(const struct registry_total *total)
{
    bool gauge = metric_describe(total->metric)->kind == GAUGE;
    return prometheus_in_units(total->metric,
                               gauge ? (double)(int64_t)total->numbers[0] : (double)total->numbers[0]);
}

/* ---- the rows ---- */

struct row;
typedef void put_total(struct now *now, const struct row *row, const struct registry_total *total);
struct row {
    const char *metric; /* its name; one that this build does not count is passed over */
    const char *key;
    put_total *put;
};

static void put_host(struct now *now, const struct row *row, const struct registry_total *total)
{
    put_more(now, now->host, row->key, number_of(total));
}

/* Of the model, whatever other labels there are. */
static void put_model(struct now *now, const struct row *row, const struct registry_total *total)
{
    put_more(now, model_of(now, total->labels[0]), row->key, number_of(total));
}

static void put_version(struct now *now, const struct row *row, const struct registry_total *total)
{
    put(now, version_of(now, total->labels[0], total->labels[1]), row->key, number_of(total));
}

static void put_workers(struct now *now, const struct row *row, const struct registry_total *total)
{
    yyjson_mut_val *version = version_of(now, total->labels[0], total->labels[1]);
    put(now, part(now, version, row->key, false), total->labels[2], number_of(total));
}

static void put_process(struct now *now, const struct row *row, const struct registry_total *total)
{
    put(now, named(now, now->processes, "process", total->labels[0]), row->key, number_of(total));
}

static void put_state(struct now *now, const struct row *row, const struct registry_total *total)
{
    if (total->numbers[0] == 0)
        return;
    yyjson_mut_val *process = named(now, now->processes, "process", total->labels[0]);
    yyjson_mut_obj_put(process, yyjson_mut_str(now->document, row->key),
                       yyjson_mut_strcpy(now->document, total->labels[1]));
}

static void put_restarts(struct now *now, const struct row *row, const struct registry_total *total)
{
    yyjson_mut_val *process = named(now, now->processes, "process", total->labels[0]);
    put_more(now, process, row->key, number_of(total));
    if (total->numbers[0] > 0)
        put_more(now, part(now, process, "causes", false), total->labels[1], number_of(total));
}

/* Of the job, whatever other labels there are. */
static void put_job(struct now *now, const struct row *row, const struct registry_total *total)
{
    put_more(now, named(now, now->jobs, "job", total->labels[0]), row->key, number_of(total));
}

static void put_job_rows(struct now *now, const struct row *row, const struct registry_total *total)
{
    yyjson_mut_val *job = named(now, now->jobs, "job", total->labels[0]);
    put(now, part(now, job, row->key, false), total->labels[1], number_of(total));
}

static const struct row rows[] = {
    {"outrigger_frontend_connections", "connections", put_host},
    {"outrigger_frontend_in_flight", "in_flight", put_host},
    {"outrigger_workers", "workers", put_workers},
    {"outrigger_route_share", "share", put_version},
    {"outrigger_rollout_share", "rollout_share", put_version},
    {"outrigger_feedback_window", "feedback_window", put_version},
    {"outrigger_queue_rows", "queue_rows", put_model},
    {"outrigger_queue_requests", "queue_requests", put_model},
    {"outrigger_queue_max_rows", "queue_max_rows", put_model},
    {"outrigger_rollout_rolled_back_timestamp_seconds", "rolled_back", put_model},
    {"outrigger_process_up", "state", put_state},
    {"outrigger_process_restarts_total", "restarts", put_restarts},
    {"outrigger_resident_bytes", "resident_bytes", put_process},
    {"outrigger_cpu_seconds_total", "cpu_seconds", put_process},
    {"outrigger_job_rows_total", "rows", put_job_rows},
    {"outrigger_job_in_flight", "in_flight", put_job},
    {"outrigger_job_retries_total", "retries", put_job},
    {"outrigger_job_lag", "lag", put_job},
};

/* A figure of a version, or of one of its features. */
static void put_figure(struct now *now, const struct row *row, const struct registry_total *total)
{
    size_t labels = metric_label_count(total->metric);
    yyjson_mut_val *object = version_of(now, total->labels[0], total->labels[1]);
    if (labels == 2)
        object = part(now, object, "figures", false);
    else
        object = named(now, part(now, object, "features", true), "feature", total->labels[2]);
    put(now, object, row->key, number_of(total));
}

struct visit {
    struct now *now;
    const struct row *row;
};

static void visit_total(void *self, const struct registry_total *total)
{
    const struct visit *visit = self;
    visit->row->put(visit->now, visit->row, total);
}

static void put_rows(struct now *now, enum metric metric)
{
    const struct metric_description *description = metric_describe(metric);
    struct visit visit = {.now = now};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        visit.row = &rows[i];
        if (strcmp(rows[i].metric, description->name) == 0)
            registry_each(now->sources->registry, metric, visit_total, &visit);
    }
    const struct row figure = {description->name, description->name + strlen("model_"), put_figure};
    visit.row = &figure;
    if (description->kind == GAUGE && strncmp(description->name, "model_", 6) == 0 &&
        strncmp(description->labels, "model,version", 13) == 0)
        registry_each(now->sources->registry, metric, visit_total, &visit);
}

static void put_problem(void *self, const char *model, const char *version, const char *problem)
{
    struct now *now = self;
    yyjson_mut_obj_add_strcpy(now->document, version_of(now, model, version), "baseline_problem", problem);
}

/* ---- what the history knows ---- */

static yyjson_mut_val *last(struct now *now, const char *model, const char *version)
{
    struct history_scope scope = {model, version};
    struct history_point point = history_last(now->sources->history, scope, LAST_SECONDS);
    return figures_to_json(now->document, &point);
}

static void put_last(struct now *now, yyjson_mut_val *root)
{
    size_t i, j, models, versions;
    yyjson_mut_val *model, *version;
    yyjson_mut_obj_add_val(now->document, root, "last", last(now, NULL, NULL));
    yyjson_mut_arr_foreach(now->models, i, models, model)
    {
        const char *name = yyjson_mut_get_str(yyjson_mut_obj_get(model, "model"));
        yyjson_mut_obj_add_val(now->document, model, "last", last(now, name, NULL));
        yyjson_mut_val *all = part(now, model, "versions", true);
        yyjson_mut_arr_foreach(all, j, versions, version)
        {
            const char *number = yyjson_mut_get_str(yyjson_mut_obj_get(version, "version"));
            yyjson_mut_obj_add_val(now->document, version, "last", last(now, name, number));
        }
    }
}

static void put_burn(struct now *now, yyjson_mut_val *root, const struct figures_slo *slo)
{
    yyjson_mut_val *array = yyjson_mut_obj_add_arr(now->document, root, "burn");
    for (size_t i = 0; i < COUNT_OF(burn_windows); i++) {
        struct history_scope all = {NULL, NULL};
        struct history_point point = history_last(now->sources->history, all, burn_windows[i]);
        struct figures_burn burn = figures_burn(&point, slo);
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(now->document, array);
        put(now, object, "seconds", (double)burn_windows[i]);
        put(now, object, "requests", figures_requests(&point));
        put(now, object, "unavailable", burn.unavailable);
        put(now, object, "errors", burn.errors);
        put(now, object, "slow", burn.slow);
    }
}

static void put_slo(struct now *now, yyjson_mut_val *root)
{
    const struct config *config = now->sources->config;
    const struct figures_slo slo = {config->slo_latency_ms, config->slo_availability_ppm,
                                    config->slo_error_ppm};
    yyjson_mut_val *object = yyjson_mut_obj_add_obj(now->document, root, "slo");
    put(now, object, "latency_ms", (double)slo.latency_ms);
    put(now, object, "availability_ppm", (double)slo.availability_ppm);
    put(now, object, "error_ppm", (double)slo.error_ppm);
    put_burn(now, root, &slo);
}

/* ---- the whole ---- */

char *dashboard_now(const struct dashboard_sources *sources, size_t *length)
{
    struct now now = {.sources = sources, .document = yyjson_mut_doc_new(NULL)};
    yyjson_mut_val *root = yyjson_mut_obj(now.document);
    yyjson_mut_doc_set_root(now.document, root);
    yyjson_mut_obj_add_sint(now.document, root, "time", sources->now_ms);
    yyjson_mut_obj_add_sint(now.document, root, "newest", history_newest(sources->history));
    yyjson_mut_obj_add_sint(now.document, root, "interval_ms", sources->config->collector_interval_ms);
    yyjson_mut_obj_add_str(now.document, root, "version", OUTRIGGER_VERSION);
    put_slo(&now, root);
    now.host = yyjson_mut_obj_add_obj(now.document, root, "host");
    now.models = yyjson_mut_obj_add_arr(now.document, root, "models");
    now.processes = yyjson_mut_obj_add_arr(now.document, root, "processes");
    now.jobs = yyjson_mut_obj_add_arr(now.document, root, "jobs");
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        put_rows(&now, (enum metric)metric);
    if (sources->drift != NULL)
        drift_each_problem(sources->drift, put_problem, &now);
    put_last(&now, root);
    char *text = yyjson_mut_write(now.document, 0, length);
    yyjson_mut_doc_free(now.document);
    ENSURE(text != NULL);
    return text;
}
