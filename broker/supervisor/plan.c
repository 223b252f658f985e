/* plan: turns configuration, model repository and what the operator said into the versions that shall run,
 * which the fleet then makes true.
 *
 * Reading the repository and deciding are two steps: the first is done when files may have changed, the
 * second also whenever the operator has said something or traffic has moved. A version runs because of the
 * first of these that fits:
 *
 *   stable     the traffic is at it, or shall be
 *   next       it shall take the traffic as soon as it is ready
 *   canary     the route gives it a share;   rule   the route names it for some;   shadow   it gets copies
 *   asked      somebody waits for it (a route that is to hold when all its versions run)
 *   part       a pipeline that runs asks for it by its number
 *   previous   it took the traffic before (model.conf: keep_previous)
 *   serve      model.conf's `serve` names it
 *   loaded     the operator said so
 *
 * The last four do not hold for a version that the operator unloaded. What is still being written is no
 * version yet; one that runs already stays what it was. SPDX-License-Identifier: MIT */
#include "plan.h"

#include "clock.h"
#include "stamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- reading ---- */

/* The version of the plan before; NULL. */
static const struct plan_found *found_before(const struct plan_reading *reading, const char *model,
                                             const char *version)
{
    const struct plan_model *before = reading->before == NULL ? NULL : plan_find(reading->before, model);
    return before == NULL ? NULL : plan_found(before, version);
}

static void set_stamp(char **stamp, char *text)
{
    free(*stamp);
    *stamp = text;
}

static void wait_for(struct plan *plan, int64_t left_ms)
{
    if (plan->look_again_ms == -1 || left_ms < plan->look_again_ms)
        plan->look_again_ms = left_ms;
}

static bool is_named(const struct plan_reading *reading, const char *model, const char *version)
{
    return reading->model != NULL && strcmp(reading->model, model) == 0 &&
           (reading->version == NULL || strcmp(reading->version, version) == 0);
}

/* Whether the version's files are taken as they are: not while they are being written. */
static void settle(struct plan *plan, const struct plan_reading *reading, const char *model,
                   const char *directory, struct plan_found *found)
{
    const struct plan_found *before = found_before(reading, model, found->version);
    bool same = before != NULL && stamp_same_files(before->stamp, found->stamp);
    if (same)
        set_stamp(&found->stamp, object_strdup(before->stamp)); /* with its count */
    if (reading->before == NULL || (same && !before->unsettled) || is_named(reading, model, found->version))
        return;
    int64_t left = stamp_unsettled_ms(directory, reading->settle_ms);
    if (left == 0)
        return;
    wait_for(plan, left);
    if (before != NULL && !before->unsettled)
        set_stamp(&found->stamp, object_strdup(before->stamp)); /* it runs, and goes on as it was */
    else
        found->unsettled = true;
}

static void find_versions(struct plan *plan, const struct plan_reading *reading,
                          const struct model_config *model, struct plan_model *planned)
{
    planned->found = object_alloc(model->versions.count * sizeof(*planned->found));
    for (size_t i = 0; i < model->versions.count; i++) {
        struct config_errors ignored = {0}; /* it need not run */
        struct plan_found *found = &planned->found[planned->found_count++];
        const char *backend = "";
        char *directory;
        ENSURE(asprintf(&directory, "%s/%s", model->directory, model->versions.names[i]) >= 0);
        found->version = object_strdup(model->versions.names[i]);
        found->file = model_file(model, found->version, &backend, &ignored);
        if (strcmp(backend, "python") == 0)
            found->python = model_python(model, found->version, reading->config->python);
        if (found->file != NULL && strcmp(backend, "pipeline") == 0)
            found->pipeline = pipeline_read(found->file, &ignored);
        found->stamp = stamp_of_folder(directory);
        settle(plan, reading, model->name, directory, found);
        free(directory);
    }
}

/* True for a model.conf that is still being written: what it says now may be half of it. */
static bool conf_unsettled(struct plan *plan, const struct plan_reading *reading,
                           const struct plan_model *planned)
{
    const struct plan_model *before =
        reading->before == NULL ? NULL : plan_find(reading->before, planned->name);
    if (before == NULL || reading->asked_for ||
        stamp_same_files(before->configuration_stamp, planned->configuration_stamp) ||
        is_named(reading, planned->name, ""))
        return false;
    int64_t left = stamp_unsettled_ms(planned->configuration, reading->settle_ms);
    if (left > 0)
        wait_for(plan, left);
    return left > 0;
}

static void read_one(struct plan *plan, const struct plan_reading *reading, const struct model_config *model,
                     struct plan_model *planned)
{
    const struct config *config = reading->config;
    planned->name = object_strdup(model->name);
    ENSURE(asprintf(&planned->configuration, "%s/model.conf", model->directory) >= 0);
    planned->configuration_stamp = stamp_of_file(planned->configuration);
    planned->required = model->required != 0;
    planned->compute_timeout_ms = model->limits_compute_timeout_ms;
    planned->max_requests =
        model->limits_max_requests < 0 ? config->worker_max_requests : model->limits_max_requests;
    planned->max_rss_mb = model->limits_max_rss_mb < 0 ? config->worker_max_rss_mb : model->limits_max_rss_mb;
    planned->cores = object_strdup(model->cores);
    planned->limits = (struct cgroup_limits){.memory_mb = model->limits_memory_mb,
                                             .cpu_percent = model->limits_cpu_percent};
    planned->threads = model->threads > 0 ? model->threads : config->worker_threads;
    planned->scaling = (struct scale_rule){.target_wait = model->scaling_target_wait_ms * MILLISECOND,
                                           .up_percent = model->scaling_up_percent,
                                           .down_percent = model->scaling_down_percent,
                                           .down_after = model->scaling_down_after_s * SECOND,
                                           .idle = model->scaling_idle_s * SECOND};
    find_versions(plan, reading, model, planned);
    planned->kept = conf_unsettled(plan, reading, planned);
}

/* True for a version that is to run, or would if there were anything in its folder that could. */
static bool must_have_file(const struct plan_model *model, size_t index)
{
    const struct plan_found *found = &model->found[index];
    return !found->unsettled &&
           (index + 1 == model->found_count || plan_version(model, found->version) != NULL);
}

static void complain_of_files(const struct plan *plan, struct config_errors *errors)
{
    for (size_t i = 0; i < plan->model_count; i++)
        for (size_t j = 0; j < plan->models[i].found_count; j++) {
            const struct plan_found *found = &plan->models[i].found[j];
            const char *backend;
            if (found->file == NULL && must_have_file(&plan->models[i], j))
                free(model_file(plan->repository->models[i], found->version, &backend, errors));
        }
}

struct plan *plan_new(const struct plan_reading *reading, struct config_errors *errors)
{
    const struct config *config = reading->config;
    struct plan *plan = object_alloc(sizeof(*plan));
    struct model_list *list = model_list_load(config->models_directory, errors);
    plan->frontends = config->frontend_processes;
    plan->frontend_max_requests = config->frontend_max_requests;
    plan->repository = list;
    plan->look_again_ms = -1;
    plan->models = object_alloc(list->count * sizeof(*plan->models));
    for (; plan->model_count < list->count; plan->model_count++)
        read_one(plan, reading, list->models[plan->model_count], &plan->models[plan->model_count]);
    plan_decide(plan, config, reading->said);
    complain_of_files(plan, errors);
    return plan;
}

/* ---- freeing ---- */

static void free_model(struct plan_model *model)
{
    for (size_t i = 0; i < model->found_count; i++) {
        free(model->found[i].version);
        free(model->found[i].file);
        free(model->found[i].python);
        pipeline_free(model->found[i].pipeline);
        free(model->found[i].stamp);
    }
    free(model->found);
    free(model->versions);
    free(model->name);
    free(model->configuration);
    free(model->configuration_stamp);
    free(model->cores);
    free(model->wanted);
    free(model->serving);
}

void plan_free(struct plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->model_count; i++)
        free_model(&plan->models[i]);
    free(plan->models);
    model_list_free(plan->repository);
    free(plan);
}

/* ---- keeping ---- */

static struct plan_model *find_mutable(struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->model_count; i++)
        if (strcmp(plan->models[i].name, name) == 0)
            return &plan->models[i];
    return NULL;
}

static void swap_configs(struct model_list *left, struct model_list *right, const char *name)
{
    for (size_t i = 0; i < left->count; i++)
        for (size_t j = 0; j < right->count; j++)
            if (strcmp(left->models[i]->name, name) == 0 && strcmp(right->models[j]->name, name) == 0) {
                struct model_config *other = left->models[i];
                left->models[i] = right->models[j];
                right->models[j] = other;
            }
}

static void swap_models(struct plan_model *left, struct plan_model *right)
{
    struct plan_model other = *left;
    *left = *right;
    *right = other;
}

void plan_keep(struct plan *plan, struct plan *before, bool wrong, const struct config *config,
               const struct deployments *said)
{
    for (size_t i = 0; i < plan->model_count; i++) {
        struct plan_model *old = find_mutable(before, plan->models[i].name);
        if (!plan->models[i].kept || old == NULL)
            continue;
        swap_configs(plan->repository, before->repository, old->name);
        swap_models(&plan->models[i], old);
    }
    size_t count = plan->repository->count;
    if (wrong)
        model_list_keep(plan->repository, before->repository);
    size_t kept = plan->repository->count - count;
    if (kept > 0) {
        plan->models = realloc(plan->models, plan->repository->count * sizeof(*plan->models));
        ENSURE(plan->models != NULL);
    }
    for (size_t i = count; i < count + kept; i++) {
        struct plan_model *old = find_mutable(before, plan->repository->models[i]->name);
        ENSURE(old != NULL); /* a plan has one for each of its repository */
        plan->models[plan->model_count++] = *old;
        *old = (struct plan_model){.name = object_strdup("")};
    }
    plan_decide(plan, config, said);
}

/* ---- deciding ---- */

static const struct deployment *said_about(const struct deployments *said, const char *model)
{
    static const struct deployment nothing = {.instances = DEPLOYMENT_UNSAID,
                                              .instances_min = DEPLOYMENT_UNSAID,
                                              .instances_max = DEPLOYMENT_UNSAID};
    const struct deployment *found = deployments_find(said, model);
    return found == NULL ? &nothing : found;
}

static bool is_text(const char *text, const char *other)
{
    return text != NULL && strcmp(text, other) == 0;
}

/* What the traffic goes to when nobody names a version: the highest that is complete, before one in whose
 * folder there is nothing to be served. */
static const char *highest(const struct plan_model *model)
{
    const char *any = NULL;
    for (size_t i = model->found_count; i-- > 0;) {
        const struct plan_found *found = &model->found[i];
        if (!found->unsettled && found->file != NULL)
            return found->version;
        if (!found->unsettled && any == NULL)
            any = found->version;
    }
    return any;
}

static const char *choose_wanted(const struct plan_model *model, const struct model_config *config,
                                 const struct deployment *said)
{
    if (said->stable != NULL && plan_found(model, said->stable) != NULL)
        return said->stable;
    return *config->version != '\0' ? config->version : highest(model);
}

/* Why the version runs; NULL: it does not. */
static const char *reason(const struct plan_model *model, const struct model_config *config,
                          const struct deployment *said, const char *version)
{
    const struct route *route = said->route != NULL ? said->route : config->route;
    if (is_text(model->serving, version) || (model->serving == NULL && is_text(model->wanted, version)))
        return "stable";
    if (is_text(model->wanted, version))
        return "next";
    if (route_weight(route, version) > 0)
        return "canary";
    if (is_text(route->shadow.version, version))
        return "shadow";
    if (route_names(route, version))
        return "rule";
    if (deployment_lists(&said->asked, version))
        return "asked";
    if (deployment_lists(&said->asked_as_shadow, version))
        return "shadow"; /* what it shall be: a worker that serves cannot become one that gives way */
    if (deployment_lists(&said->unloaded, version))
        return NULL;
    if (plan_found(model, version)->part)
        return "part";
    if (is_text(said->previous, version) && config->keep_previous != 0)
        return "previous";
    if (model_policy_serves(config, version))
        return "serve";
    return deployment_lists(&said->loaded, version) ? "loaded" : NULL;
}

static bool takes_traffic(const char *why)
{
    static const char *const those[] = {"stable", "next", "canary", "rule", "asked", "part"};
    for (size_t i = 0; i < COUNT_OF(those); i++)
        if (strcmp(those[i], why) == 0)
            return true;
    return false;
}

/* Nothing but copies goes to it, by the route that holds or the one that shall. */
static bool is_shadow_only(const struct route *route, const char *why, const char *version)
{
    return strcmp(why, "shadow") == 0 && (!route_names(route, version) || route_only_shadows(route, version));
}

static void set_text(char **member, const char *text)
{
    char *copy = text == NULL ? NULL : object_strdup(text);
    free(*member);
    *member = copy;
}

static int64_t at_most(int64_t count, int64_t most)
{
    return count < most ? count : most;
}

static void decide_one(struct plan_model *model, const struct model_config *config,
                       const struct deployment *said)
{
    const struct route *route = said->route != NULL ? said->route : config->route;
    set_text(&model->wanted, choose_wanted(model, config, said));
    set_text(&model->serving, said->serving == NULL ? model->wanted : said->serving);
    model->stopped = said->stopped;
    model->bounds = deployment_bounds(config, said);
    model->instances = model->bounds.begin;
    free(model->versions);
    model->versions = object_alloc(model->found_count * sizeof(*model->versions));
    model->version_count = 0;
    for (size_t i = 0; i < model->found_count && !model->stopped; i++) {
        const struct plan_found *found = &model->found[i];
        const char *why = found->unsettled ? NULL : reason(model, config, said, found->version);
        if (why == NULL)
            continue;
        int64_t most = takes_traffic(why) ? SCALE_WORKERS_MAX : 1;
        int64_t begin = at_most(model->instances, most);
        if (begin == 0 && model->bounds.max > 0 && strcmp(why, "stable") != 0)
            begin = 1; /* whether it can is known before traffic comes */
        model->versions[model->version_count++] =
            (struct plan_version){.model = model,
                                  .version = found->version,
                                  .file = found->file,
                                  .python = found->python,
                                  .stamp = found->stamp,
                                  .instances = begin,
                                  .min = at_most(model->bounds.min, most),
                                  .max = at_most(model->bounds.max, most),
                                  .background = is_shadow_only(route, why, found->version),
                                  .takes_traffic = takes_traffic(why),
                                  .why = why};
    }
}

/* True when it was not known to be one. */
static bool mark_part(struct plan *plan, const struct pipeline_part *part)
{
    struct plan_model *model = find_mutable(plan, part->model);
    for (size_t i = 0; model != NULL && i < model->found_count; i++) {
        struct plan_found *found = &model->found[i];
        if (found->part || strcmp(found->version, part->version) != 0)
            continue;
        found->part = true;
        return true;
    }
    return false;
}

/* Of a pipeline that runs. Returns how many parts were not known to be some. */
static size_t mark_parts(struct plan *plan, const struct pipeline *pipeline)
{
    size_t marked = 0;
    for (size_t i = 0; i < pipeline->step_count; i++)
        for (size_t j = 0; j < pipeline->steps[i].part_count; j++)
            marked += mark_part(plan, &pipeline->steps[i].parts[j]);
    return marked;
}

static size_t mark_all_parts(struct plan *plan)
{
    size_t marked = 0;
    for (size_t i = 0; i < plan->model_count; i++)
        for (size_t j = 0; j < plan->models[i].version_count; j++) {
            const struct plan_found *found =
                plan_found(&plan->models[i], plan->models[i].versions[j].version);
            if (found->pipeline != NULL)
                marked += mark_parts(plan, found->pipeline);
        }
    return marked;
}

/* A version may run because another does, which may run for the same reason: so it is decided again until
 * nothing more comes of it. */
void plan_decide(struct plan *plan, const struct config *config, const struct deployments *said)
{
    plan->frontends = config->frontend_processes;
    for (size_t i = 0; i < plan->model_count; i++)
        for (size_t j = 0; j < plan->models[i].found_count; j++)
            plan->models[i].found[j].part = false;
    do
        for (size_t i = 0; i < plan->model_count; i++)
            decide_one(&plan->models[i], plan->repository->models[i], said_about(said, plan->models[i].name));
    while (mark_all_parts(plan) > 0);
}

void plan_renew(struct plan *plan, const char *model, const char *version)
{
    struct plan_model *planned = find_mutable(plan, model);
    for (size_t i = 0; planned != NULL && i < planned->found_count; i++)
        if (strcmp(planned->found[i].version, version) == 0)
            set_stamp(&planned->found[i].stamp, stamp_renewed(planned->found[i].stamp));
    for (size_t i = 0; planned != NULL && i < planned->version_count; i++)
        planned->versions[i].stamp = plan_found(planned, planned->versions[i].version)->stamp;
}

/* ---- finding ---- */

static bool same_model(const struct plan_model *left, const struct plan_model *right)
{
    bool same = strcmp(left->name, right->name) == 0 && left->found_count == right->found_count &&
                (left->kept || right->kept ||
                 stamp_same_files(left->configuration_stamp, right->configuration_stamp));
    for (size_t i = 0; same && i < left->found_count; i++)
        same = strcmp(left->found[i].version, right->found[i].version) == 0 &&
               left->found[i].unsettled == right->found[i].unsettled &&
               strcmp(left->found[i].stamp, right->found[i].stamp) == 0;
    return same;
}

bool plan_same_repository(const struct plan *before, const struct plan *now, bool wrong)
{
    bool same = true;
    for (size_t i = 0; same && i < now->model_count; i++)
        same = plan_find(before, now->models[i].name) != NULL;
    for (size_t i = 0; same && i < before->model_count; i++) {
        const struct plan_model *model = plan_find(now, before->models[i].name);
        same = model == NULL ? wrong && access(before->repository->models[i]->directory, F_OK) == 0
                             : same_model(&before->models[i], model);
    }
    return same;
}

bool plan_same_model(const struct plan *before, const struct plan *now, const char *model)
{
    const struct plan_model *left = plan_find(before, model), *right = plan_find(now, model);
    return left != NULL && right != NULL && same_model(left, right);
}

bool plan_has_kept(const struct plan *plan)
{
    bool has = false;
    for (size_t i = 0; i < plan->model_count; i++)
        has = has || plan->models[i].kept;
    return has;
}

const struct plan_model *plan_find(const struct plan *plan, const char *model)
{
    for (size_t i = 0; i < plan->model_count; i++)
        if (strcmp(plan->models[i].name, model) == 0)
            return &plan->models[i];
    return NULL;
}

const struct plan_version *plan_version(const struct plan_model *model, const char *version)
{
    for (size_t i = 0; i < model->version_count; i++)
        if (strcmp(model->versions[i].version, version) == 0)
            return &model->versions[i];
    return NULL;
}

const struct plan_found *plan_found(const struct plan_model *model, const char *version)
{
    for (size_t i = 0; i < model->found_count; i++)
        if (strcmp(model->found[i].version, version) == 0)
            return &model->found[i];
    return NULL;
}

const struct plan_version *plan_of_command(const struct plan *plan, const struct command *command)
{
    const struct plan_model *model = plan_find(plan, command->model);
    const struct plan_version *version = model == NULL ? NULL : plan_version(model, command->version);
    return version != NULL && command_serves(command, version) ? version : NULL;
}
