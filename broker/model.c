/* model: the table of models and versions.
 *
 * It is made from the repository, so that a request for a model whose workers are still loading (or just
 * died) waits for them instead of being told that there is no such model; a broker that comes back knows all
 * models before the first worker has registered again. Workers may bring versions, and even models, that the
 * repository does not name: those of another host. broker.c changes the queues and workers of a version; this
 * file owns their memory. SPDX-License-Identifier: MIT */
#include "model.h"

#include "clock.h"
#include "deployments.h"
#include "fnv.h"
#include "gauges.h"
#include "likeness.h"
#include "log.h"
#include "pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

enum { TABLE_MAGIC = 0x30de0001, MODEL_MAGIC = 0x30de0002, VERSION_MAGIC = 0x30de0003 };

struct model_table {
    unsigned magic;
    const struct config *config;
    struct metrics *metrics;
    struct model_list *repository;
    struct deployments *deployments;
    struct route *plain; /* of models that are not in the repository: everything to the stable version */
    struct model *models;
    struct model *default_model;
    size_t model_count;
    size_t version_count;
};

/* ---- making ---- */

/* What model.conf leaves out is outrigger.conf's. */
static void apply_limit(struct model *model, const struct config *config, const struct model_config *from)
{
    int64_t requests = from == NULL ? -1 : from->rate_requests_per_s;
    int64_t rows = from == NULL ? -1 : from->rate_rows_per_s;
    int64_t burst_s = from == NULL ? -1 : from->rate_burst_s;
    model->limit = limit_rule((double)(requests < 0 ? config->limit_model_requests_per_s : requests),
                              (double)(rows < 0 ? config->limit_model_rows_per_s : rows),
                              (double)(burst_s < 1 ? config->limit_model_burst_s : burst_s));
}

static void apply_config(struct model *model, const struct config *config, struct model_config *from)
{
    model->config = from;
    model->rule =
        (struct dispatch_rule){.max_batch_rows = from == NULL ? 64 : (uint32_t)from->batching_max_batch_rows,
                               .max_delay = from == NULL ? 0 : from->batching_max_delay_us * MICROSECOND};
    model->learned = from != NULL && from->batching_learned != 0;
    model->compute_timeout = (from == NULL ? 10000 : from->limits_compute_timeout_ms) * MILLISECOND;
    model->max_kills = from == NULL ? 2 : (uint32_t)from->limits_max_kills;
    model->idempotent = from == NULL || from->idempotent != 0;
    apply_limit(model, config, from);
    struct version *version;
    DL_FOREACH2(model->versions, version, next)
    {
        version->queue.max_rows = from == NULL ? 100000 : (uint64_t)from->queue_max_rows;
        version->queue.max_bytes =
            from == NULL ? (uint64_t)config->broker_max_queue_bytes : (uint64_t)from->queue_max_bytes;
    }
}

/* A model that never wanted a cache has none, and no counters of one. */
static void apply_cache(struct model *model, const struct model_config *from, struct metrics *metrics)
{
    int64_t ttl = model->idempotent ? from->cache_ttl_ms * MILLISECOND : 0;
    if (model->cache == NULL && ttl > 0)
        model->cache = cache_new(model->name, metrics);
    if (model->cache != NULL)
        cache_set_rule(model->cache, ttl, (uint64_t)from->cache_max_bytes);
}

static struct model *add_model(struct model_table *table, struct text name)
{
    if (table->model_count >= MODELS_MAX)
        return NULL;
    struct model *model = object_alloc(sizeof *model);
    model->magic = MODEL_MAGIC;
    model->name = object_alloc(name.length + 1);
    text_copy(name, model->name, name.length + 1);
    model->limit_number = fnv_of(text_of(model->name));
    struct metrics *metrics = table->metrics;
    model->queue_rows = metrics_series(metrics, METRIC_QUEUE_ROWS, model->name, NULL, NULL);
    model->queue_requests = metrics_series(metrics, METRIC_QUEUE_REQUESTS, model->name, NULL, NULL);
    model->queue_bytes = metrics_series(metrics, METRIC_QUEUE_BYTES, model->name, NULL, NULL);
    model->queue_max_rows = metrics_series(metrics, METRIC_QUEUE_MAX_ROWS, model->name, NULL, NULL);
    model->in_flight = metrics_series(metrics, METRIC_MODEL_IN_FLIGHT, model->name, NULL, NULL);
    model->retries = metrics_series(metrics, METRIC_RETRIES, model->name, NULL, NULL);
    model->route = table->plain;
    model->stable_weight = ROUTE_WHOLE;
    DL_APPEND2(table->models, model, previous, next);
    table->model_count++;
    apply_config(model, table->config, NULL);
    return model;
}

static struct version *add_version(struct model_table *table, struct model *model, struct text name)
{
    if (table->version_count >= VERSIONS_MAX)
        return NULL;
    struct version *version = object_alloc(sizeof *version);
    version->magic = VERSION_MAGIC;
    version->model = model;
    version->name = object_alloc(name.length + 1);
    text_copy(name, version->name, name.length + 1);
    version->again_at = INT64_MAX;
    version->batch_duration =
        metrics_series(table->metrics, METRIC_BATCH_DURATION, model->name, version->name, NULL);
    version->batch_wait = metrics_series(table->metrics, METRIC_BATCH_WAIT, model->name, version->name, NULL);
    version->queue_duration =
        metrics_series(table->metrics, METRIC_QUEUE_DURATION, model->name, version->name, NULL);
    version->batch_rows = metrics_series(table->metrics, METRIC_BATCH_ROWS, model->name, version->name, NULL);
    version->answered = metrics_series(table->metrics, METRIC_REQUESTS, model->name, version->name, "none");
    DL_APPEND2(model->versions, version, previous, next);
    table->version_count++;
    apply_config(model, table->config, model->config);
    return version;
}

static void take_over(struct model_table *table, struct model_config *from)
{
    struct model *model = model_find(table, text_of(from->name));
    if (model == NULL)
        model = add_model(table, text_of(from->name));
    if (model == NULL) {
        log_error("more than %d models; %s is left out", MODELS_MAX, from->name);
        return;
    }
    for (size_t i = 0; i < from->versions.count; i++)
        if (model_version(model, text_of(from->versions.names[i])) == NULL)
            add_version(table, model, text_of(from->versions.names[i]));
    apply_config(model, table->config, from);
    apply_cache(model, from, table->metrics);
}

/* ---- routes ---- */

static bool in_repository(const struct version *version)
{
    const struct model_config *config = version->model->config;
    return config != NULL && model_has_version(config, version->name);
}

/* The version, if the route may lead requests to it that were checked against the stable one; else NULL. */
static struct version *fit_for_route(const struct model *model, const char *name)
{
    char how[512];
    struct version *version = model_version((struct model *)model, text_of(name));
    if (version == NULL || model->stable == NULL ||
        likeness_of_inputs(model->stable, version, how, sizeof how))
        return version;
    log_warning("%s: the route leads nothing to version %s, whose inputs are others than those of the stable "
                "one: %s",
                model->name, name, how);
    return NULL;
}

/* The version that takes the traffic needs no copies of it. */
static void settle_shadow(struct model *model)
{
    const struct route_arm *arm = &model->route->shadow;
    struct version *version =
        arm->version == NULL || arm->weight == 0 ? NULL : fit_for_route(model, arm->version);
    model->shadow.version = version == model->stable ? NULL : version;
    model->shadow.weight = arm->weight;
    model->shadow.copies = NULL;
}

/* A pipeline that is served asks for this version by its number. */
static bool is_part(const struct model_table *table, const struct version *part)
{
    const struct model *model;
    const struct version *version;
    DL_FOREACH2(table->models, model, next)
    {
        DL_FOREACH2(model->versions, version, next)
        {
            for (size_t i = 0; i < version->part_count; i++)
                if (text_is(version->parts[i].model, part->model->name) &&
                    text_is(version->parts[i].version, part->name))
                    return true;
        }
    }
    return false;
}

/* True for a version that the supervisor keeps workers of, for what the operator and model.conf say. */
static bool is_kept(const struct model_table *table, const struct version *version)
{
    const struct model *model = version->model;
    const struct deployment *said = deployments_find(table->deployments, model->name);
    const char *wanted = deployment_wanted(model->config, table->deployments);
    if (route_names(model->route, version->name) || (wanted != NULL && strcmp(wanted, version->name) == 0))
        return true;
    if (said != NULL && deployment_lists(&said->unloaded, version->name))
        return false;
    if (is_part(table, version))
        return true;
    bool previous = said != NULL && said->previous != NULL && strcmp(said->previous, version->name) == 0;
    return (previous && model->config->keep_previous != 0) ||
           model_policy_serves(model->config, version->name) ||
           (said != NULL && deployment_lists(&said->loaded, version->name));
}

void model_settle_arms(struct model *model)
{
    model->arm_count = model->route->arm_count;
    model->stable_weight = route_rest(model->route);
    for (size_t i = 0; i < model->arm_count; i++) {
        const struct route_arm *arm = &model->route->arms[i];
        model->arms[i] = (struct model_arm){arm->version, fit_for_route(model, arm->version), arm->weight};
    }
    settle_shadow(model);
}

static bool is_expected(const struct model_table *table, const struct version *version)
{
    const struct model *model = version->model;
    bool managed = model->config != NULL && !model->stopped;
    return managed && (version == model->stable || (version->ours && is_kept(table, version)));
}

/* What follows for its versions from the model's route and stable version, and from which versions there are.
 */
static void settle(const struct model_table *table, struct model *model)
{
    model_settle_arms(model);
    struct version *version;
    DL_FOREACH2(model->versions, version, next)
    {
        bool is_stable = version == model->stable;
        version->ours = in_repository(version);
        version->expected = is_expected(table, version);
        version->weight = route_weight(model->route, version->name) + (is_stable ? model->stable_weight : 0);
    }
}

/* The version that takes the traffic may have left the repository already: then its workers are to come. */
static void apply_stable(struct model_table *table, struct model *model)
{
    const char *name = deployment_stable(model->config, table->deployments);
    if (name == NULL)
        return;
    struct version *stable = model_version(model, text_of(name));
    model->stable = stable != NULL ? stable : add_version(table, model, text_of(name));
}

static void apply_route(struct model_table *table, struct model *model)
{
    const struct deployment *said = deployments_find(table->deployments, model->name);
    model->route = model->config == NULL ? table->plain : deployment_route(model->config, table->deployments);
    model->stopped = model->config != NULL && said != NULL && said->stopped;
    struct deployment_bounds bounds = {0};
    if (model->config != NULL)
        bounds = deployment_bounds(model->config, said);
    model->may_rest = deployment_may_rest(&bounds);
    free(model->route_text);
    model->route_text = route_text(model->route, &model->route_text_length);
    if (model->config != NULL)
        apply_stable(table, model);
    settle(table, model);
}

/* Returns what was read before, which routes may still be views of until they are applied anew. */
static struct deployments *read_deployments(struct model_table *table)
{
    char path[DEPLOYMENTS_PATH_BYTES];
    struct config_errors errors = {0};
    struct deployments *old = table->deployments;
    table->deployments = deployments_read(deployments_path(table->config, path), &errors);
    if (errors.count > 0)
        log_warning("%s", errors.text);
    return old;
}

void model_table_route(struct model_table *table)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    struct deployments *old = read_deployments(table);
    struct model *model;
    DL_FOREACH2(table->models, model, next)
    {
        apply_route(table, model);
    }
    deployments_free(old);
}

/* ---- forgetting: a broker that runs for years sees more versions than a catalog may hold ---- */

static void free_version(struct version *version)
{
    queue_free(&version->queue);
    executions_free(&version->executions);
    free(version->name);
    free(version->schema);
    free(version->parts);
    version->magic = 0;
    free(version);
}

static void free_model(struct model *model)
{
    struct version *version, *next;
    DL_FOREACH_SAFE2(model->versions, version, next, next)
    {
        free_version(version);
    }
    cache_free(model->cache);
    free(model->route_text);
    free(model->name);
    model->magic = 0;
    free(model);
}

/* Forgets the versions that are in no repository and with no worker, and that nothing waits for. */
static void forget_versions(struct model_table *table, struct model *model)
{
    struct version *version, *next;
    DL_FOREACH_SAFE2(model->versions, version, next, next)
    {
        if (in_repository(version) || version->expected || version->worker_count > 0 ||
            version->queue.requests > 0 || version->waiting || version->copies != NULL ||
            version->copied_from > 0)
            continue;
        if (model->stable == version)
            model->stable = NULL;
        /* The analyzer does not know that the head has no next only when it is its own previous. */
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        DL_DELETE2(model->versions, version, previous, next);
        table->version_count--;
        gauges_forget_version(table->metrics, version);
        free_version(version);
    }
    if (model->stable == NULL && model->config == NULL)
        model->stable = model->versions;
    settle(table, model);
}

static void forget(struct model_table *table)
{
    struct model *model, *next;
    DL_FOREACH_SAFE2(table->models, model, next, next)
    {
        forget_versions(table, model);
        if (model->config != NULL || model->versions != NULL)
            continue;
        DL_DELETE2(table->models, model, previous, next);
        table->model_count--;
        cache_free(model->cache); /* which has a gauge of its own until then */
        model->cache = NULL;
        gauges_forget_model(table->metrics, model);
        free_model(model);
    }
}

void model_table_reload(struct model_table *table)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    struct config_errors errors = {0};
    struct model_list *old = table->repository;
    table->repository = model_list_load(table->config->models_directory, &errors);
    if (errors.count > 0)
        log_warning("%s", errors.text);
    if (errors.count > 0 && old != NULL)
        model_list_keep(table->repository,
                        old); /* its route and its bounds hold until it can be read again */
    struct model *model;
    DL_FOREACH2(table->models, model, next)
    {
        model->config = NULL;
        cache_empty(model->cache, NULL); /* of those, too, that are not in the repository any more */
        for (struct version *version = model->versions; version != NULL; version = version->next)
            version_set_fault(version, text_of(""), false); /* it may be mended now */
    }
    for (size_t i = 0; i < table->repository->count; i++)
        take_over(table, table->repository->models[i]);
    model_table_route(table);
    if (errors.count == 0) /* what could not be read may still be there */
        forget(table);
    const char *name = model_default(table->config, table->repository);
    table->default_model = name == NULL ? NULL : model_find(table, text_of(name));
    model_list_free(old);
}

struct model_table *model_table_new(const struct config *config, struct metrics *metrics)
{
    struct model_table *table = object_alloc(sizeof *table);
    table->magic = TABLE_MAGIC;
    table->config = config;
    table->metrics = metrics;
    table->plain = route_new();
    model_table_reload(table);
    return table;
}

void model_table_free(struct model_table *table)
{
    if (table == NULL)
        return;
    CHECK_OBJECT(table, TABLE_MAGIC);
    struct model *model, *next;
    DL_FOREACH_SAFE2(table->models, model, next, next)
    {
        free_model(model);
    }
    model_list_free(table->repository);
    deployments_free(table->deployments);
    route_free(table->plain);
    table->magic = 0;
    free(table);
}

/* ---- finding ---- */

struct model *model_find(struct model_table *table, struct text name)
{
    if (name.length == 0)
        return table->default_model;
    for (struct model *model = table->models; model != NULL; model = model->next)
        if (text_is(name, model->name))
            return model;
    return NULL;
}

struct version *model_version(struct model *model, struct text name)
{
    for (struct version *version = model->versions; version != NULL; version = version->next)
        if (text_is(name, version->name))
            return version;
    return NULL;
}

struct version *model_require(struct model_table *table, struct text model_name, struct text version_name)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    struct model *model = model_find(table, model_name);
    if (model == NULL && (model = add_model(table, model_name)) == NULL)
        return NULL;
    struct version *version = model_version(model, version_name);
    if (version == NULL && (version = add_version(table, model, version_name)) == NULL)
        return NULL;
    if (model->stable == NULL)
        model->stable = version;
    settle(table, model);
    return version;
}

struct model *model_first(struct model_table *table)
{
    return table->models;
}

size_t model_version_count(const struct model_table *table)
{
    return table->version_count;
}

/* ---- what pipelines are made of ---- */

static struct version *version_of_part(struct model_table *table, const struct schema_part *part)
{
    struct model *model = model_find(table, part->model);
    if (model == NULL)
        return NULL;
    return part->version.length == 0 ? model->stable : model_version(model, part->version);
}

/* Parts may be pipelines themselves. Those that a worker says in a circle are never ready. */
static bool has_parts(struct model_table *table, struct version *version, int depth)
{
    version->lacks[0] = '\0';
    for (size_t i = 0; i < version->part_count; i++) {
        const struct schema_part *part = &version->parts[i];
        struct version *found = version_of_part(table, part);
        if (found != NULL && depth < PIPELINE_DEPTH_MAX && version_workers_state(found) == CATALOG_READY &&
            has_parts(table, found, depth + 1))
            continue;
        snprintf(version->lacks, sizeof version->lacks, "step %.*s: model %.*s%s%.*s is not ready%s%.200s",
                 (int)part->step.length, part->step.at, (int)part->model.length, part->model.at,
                 part->version.length > 0 ? " " : "", (int)part->version.length, part->version.at,
                 found != NULL && found->reason[0] != '\0' ? ": " : "", found == NULL ? "" : found->reason);
        return false;
    }
    return true;
}

void model_table_settle_parts(struct model_table *table)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    struct model *model;
    struct version *version;
    DL_FOREACH2(table->models, model, next)
    {
        DL_FOREACH2(model->versions, version, next)
        {
            has_parts(table, version, 0);
            version->expected = is_expected(table, version);
        }
    }
}
