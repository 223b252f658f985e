/* fleet_reading: how the fleet gets a new plan: because the operator says reload or rescan, because he names
 * a version, because something in the repository has changed, or because something that was being written may
 * be complete by now.
 *
 * A reload is all or nothing, since whoever says it waits for the answer. Otherwise a model whose model.conf
 * is wrong holds up nobody: it stays what it was, and the complaint is logged. SPDX-License-Identifier: MIT
 */
#include "fleet_state.h"

#include "clock.h"
#include "curve.h"
#include "fnv.h"
#include "keys.h"
#include "log.h"
#include "recycle.h"

#include <stdio.h>
#include <utlist.h>

/* How soon after a change of the repository it is read: what is done together comes together. */
#define RESCAN_AFTER (50 * MILLISECOND)
/* And this many times as long as a reading takes: a large copy changes something all the time. */
#define RESCAN_SHARE 10
/* How often it is read when not everything in it can be watched. */
#define RESCAN_BLIND (5 * SECOND)

void fleet_set_patience(struct fleet *fleet, const struct config *config)
{
    fleet->patience = (struct service_patience){
        .start_timeout_ms = config->supervisor_start_timeout_ms,
        .stop_timeout_ms = config->supervisor_stop_timeout_ms,
        .drain_timeout_ms = config->supervisor_drain_timeout_ms,
        .restart_max_ms = config->supervisor_restart_max_ms,
        .storm_count = config->supervisor_storm_count,
    };
}

void fleet_decide(struct fleet *fleet)
{
    plan_decide(fleet->plan, fleet->setup.basis.config, deploy_said(fleet->deploy));
    scaling_apply(fleet->scaling, fleet->plan);
    fleet->members.changed = true;
}

/* What cannot change while processes that were started with it run. NULL, or its name. */
static const char *changed_for_good(const struct config *old, const struct config *new)
{
    const struct {
        const char *name;
        const char *old;
        const char *new;
    } fixed[] = {
        {"runtime_directory", old->runtime_directory, new->runtime_directory},
        {"models_directory", old->models_directory, new->models_directory},
        {"binary_directory", old->binary_directory, new->binary_directory},
        {"frontend.socket", old->frontend_socket, new->frontend_socket},
        {"broker.askers", old->broker_askers, new->broker_askers},
        {"broker.workers", old->broker_workers, new->broker_workers},
        {"user", old->user, new->user},
        {"worker.user", old->worker_user, new->worker_user},
    };
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        if (strcmp(fixed[i].old, fixed[i].new) != 0)
            return fixed[i].name;
    return NULL;
}

static void log_complaints(struct config_errors *errors)
{
    char *rest = errors->text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
        if (*line != '\0')
            log_error("%s", line);
}

struct telling {
    changes_visit *visit;
    void *self;
};

static void tell_change(void *self, const char *text)
{
    const struct telling *telling = self;
    log_warning("changed, and needs more than a reload: %s", text);
    telling->visit(telling->self, text);
}

static bool runs(const struct plan_model *model)
{
    return model != NULL && model->version_count > 0 && model->instances > 0;
}

/* What the new repository changes for processes that go on running. */
static void tell_changes_of_models(const struct fleet *fleet, const struct plan *plan,
                                   struct telling *telling)
{
    for (size_t i = 0; i < plan->model_count; i++) {
        const struct plan_model *new = &plan->models[i];
        const struct plan_model *old = plan_find(fleet->plan, new->name);
        if (runs(old) && runs(new) && !new->kept && plan_version(old, new->versions[0].version) != NULL)
            changes_of_model(model_list_find(fleet->plan->repository, text_of(old->name)),
                             model_list_find(plan->repository, text_of(new->name)), tell_change, telling);
    }
}

/* Whatever made them fail may be mended now: no need to wait. All of them, or the workers of the models that
 * are not in `now` what they are. */
static void try_again(struct fleet *fleet, const struct plan *now)
{
    if (now == NULL)
        vetting_try_again(fleet->vetting, NULL);
    struct member *member;
    DL_FOREACH(fleet->members.first, member)
    {
        const struct command *command = member->command;
        if (!member->retiring && (now == NULL || (command->role == ROLE_WORKER &&
                                                  !plan_same_model(fleet->plan, now, command->model))))
            service_event(member->service, SERVICE_ON_START);
    }
}

/* The plan holds from now on. What is being written may be complete soon. */
static void take_plan(struct fleet *fleet, struct plan *plan)
{
    struct plan *before = fleet->plan;
    fleet->plan = plan;
    if (deploy_locate(fleet->deploy, plan))
        fleet_decide(fleet);
    scaling_apply(fleet->scaling, plan);
    fleet->news = NEWS_REPOSITORY;
    fleet->members.changed = true;
    plan_free(before);
}

static void rescan_due(void *self);

static void rescan_in(struct fleet *fleet, int64_t ns)
{
    int64_t at = clock_now() + ns;
    if (!heap_contains(&fleet->rescan.node) || fleet->rescan.node.at > at)
        loop_timer_set(fleet->setup.loop, &fleet->rescan, at, rescan_due, fleet);
}

void fleet_schedule_rescan(struct fleet *fleet, const struct plan *plan)
{
    if (plan->look_again_ms >= 0)
        rescan_in(fleet, plan->look_again_ms * MILLISECOND + MILLISECOND);
    if (fleet->repository != NULL && !repository_sees_all(fleet->repository))
        rescan_in(fleet, RESCAN_BLIND);
}

static void repository_changed(void *self)
{
    struct fleet *fleet = self;
    rescan_in(fleet, fleet->rescan_after > RESCAN_AFTER ? fleet->rescan_after : RESCAN_AFTER);
}

void fleet_watch(struct fleet *fleet)
{
    const struct config *config = fleet->setup.basis.config;
    if (config->supervisor_watch != 0 && fleet->repository == NULL)
        fleet->repository =
            repository_new(fleet->setup.loop, config->models_directory, repository_changed, fleet);
    if (config->supervisor_watch == 0) {
        repository_free(fleet->repository);
        fleet->repository = NULL;
    }
}

/* How the repository is to be read. */
struct look {
    const struct config *config;
    bool asked_for; /* somebody says so */
    const char *model;
    const char *version;
};

static struct plan *read_repository(struct fleet *fleet, const struct look *look,
                                    struct config_errors *errors)
{
    const struct config *config = look->config;
    /* Who does not watch says himself when a copy is complete. */
    const struct plan_reading reading = {.config = config,
                                         .said = deploy_said(fleet->deploy),
                                         .before = fleet->plan,
                                         .settle_ms =
                                             config->supervisor_watch == 0 ? 0 : config->supervisor_settle_ms,
                                         .asked_for = look->asked_for,
                                         .model = look->model,
                                         .version = look->version};
    int64_t began = clock_now();
    loop_timer_cancel(fleet->setup.loop, &fleet->rescan);
    if (fleet->repository != NULL)
        repository_rescan(fleet->repository);
    struct plan *plan = plan_new(&reading, errors);
    fleet->rescan_after = RESCAN_SHARE * (clock_now() - began);
    fleet_schedule_rescan(fleet, plan);
    return plan;
}

void fleet_log_complaints(struct fleet *fleet, struct config_errors *errors)
{
    uint64_t hash = *errors->text == '\0' ? 0 : fnv_of(text_of(errors->text));
    if (hash != fleet->complaints)
        log_complaints(errors);
    fleet->complaints = hash;
}

static void ignore_change(void *self, const char *text)
{
    (void)self;
    (void)text;
}

/* Reads the repository again; models that are wrong stay what they were. */
static void rescan(struct fleet *fleet, bool asked_for, const char *model, const char *version,
                   struct config_errors *errors)
{
    const struct look look = {fleet->setup.basis.config, asked_for, model, version};
    struct telling telling = {ignore_change, NULL};
    struct plan *plan = read_repository(fleet, &look, errors);
    fleet_log_complaints(fleet, errors);
    if (plan_same_repository(fleet->plan, plan, errors->count > 0)) {
        plan_free(plan);
        return;
    }
    tell_changes_of_models(fleet, plan, &telling);
    try_again(fleet, plan);
    if (errors->count > 0 || plan_has_kept(plan))
        plan_keep(plan, fleet->plan, errors->count > 0, fleet->setup.basis.config,
                  deploy_said(fleet->deploy));
    take_plan(fleet, plan);
    log_info("%zu models read again", plan->model_count);
}

static void rescan_due(void *self)
{
    struct fleet *fleet = self;
    struct config_errors errors = {0};
    if (!fleet->stopping)
        rescan(fleet, false, NULL, NULL, &errors);
}

bool fleet_rescan(struct fleet *fleet, struct config_errors *errors)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    if (!fleet->stopping)
        rescan(fleet, true, NULL, NULL, errors);
    return !fleet->stopping;
}

static void take_config(struct fleet *fleet, struct config *config)
{
    fleet_set_patience(fleet, config);
    fleet->setup.basis.config = config;
    config_free(fleet->config);
    fleet->config = config;
    fleet_watch(fleet);
}

bool fleet_reload(struct fleet *fleet, char *reason, size_t capacity, changes_visit *visit, void *self)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    const struct options *options = fleet->setup.basis.options;
    struct config_errors errors = {0};
    struct telling telling = {visit, self};
    struct plan *plan = NULL;
    struct config *config = fleet->stopping ? NULL
                                            : config_load(options->config_file, options->settings,
                                                          options->setting_count, &errors);
    const char *fixed = config == NULL ? NULL : changed_for_good(fleet->setup.basis.config, config);
    if (config != NULL && fixed == NULL) {
        curve_check(config, &errors);
        plan = read_repository(fleet, &(struct look){config, true, NULL, NULL}, &errors);
    }
    if (plan != NULL && errors.count == 0) {
        changes_of_config(fleet->setup.basis.config, config, tell_change, &telling);
        tell_changes_of_models(fleet, plan, &telling);
        if (plan_has_kept(plan))
            plan_keep(plan, fleet->plan, false, config, deploy_said(fleet->deploy));
        take_config(fleet, config);
        take_plan(fleet, plan);
        try_again(fleet, NULL);
        keys_reload(config, visit, self);
        log_info("configuration and %zu models read again", plan->model_count);
        return true;
    }
    if (fleet->stopping)
        snprintf(reason, capacity, "this supervisor is stopping");
    else if (fixed != NULL)
        snprintf(reason, capacity, "%s cannot change while Outrigger runs; start it again", fixed);
    else
        text_copy((struct text){errors.text, strcspn(errors.text, "\n")}, reason, capacity);
    log_complaints(&errors);
    log_error("nothing was changed: %s", reason);
    plan_free(plan);
    config_free(config);
    return false;
}

/* The workers of these versions are replaced, also when their files are the same. */
static void renew(struct fleet *fleet, const struct wish *wish)
{
    const struct plan_model *model = plan_find(fleet->plan, wish->model);
    for (size_t i = 0; model != NULL && i < model->version_count; i++) {
        const struct plan_version *version = &model->versions[i];
        if ((wish->version == NULL || strcmp(wish->version, version->version) == 0) &&
            members_count(&fleet->members, ROLE_WORKER, version, false) > 0)
            plan_renew(fleet->plan, model->name, version->version);
    }
}

/* Who wishes something of a model wants to know whether it starts now, not whether it did. */
static void try_model(struct fleet *fleet, const char *model)
{
    vetting_try_again(fleet->vetting, model);
    struct member *member;
    DL_FOREACH(fleet->members.first, member)
    {
        if (member->command->role == ROLE_WORKER && !member->retiring &&
            strcmp(member->command->model, model) == 0)
            service_event(member->service, SERVICE_ON_START);
    }
}

/* The broker must know which versions may rest. It forgets that one could not start, too: nobody tries any
 * more when there shall be none, so a request must. */
static void scale_as_said(struct fleet *fleet, const struct wish *wish)
{
    if (wish->instances == 0) {
        scaling_rest(fleet->scaling, wish->model);
        fleet->news = NEWS_REPOSITORY;
    } else if (fleet->news == NEWS_NONE) {
        fleet->news = NEWS_ROUTES;
    }
}

uint64_t fleet_wish(struct fleet *fleet, const struct wish *wish, char *reason, size_t capacity)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    struct config_errors errors = {0};
    if (fleet->stopping) {
        snprintf(reason, capacity, "this supervisor is stopping");
        return 0;
    }
    rescan(fleet, true, wish->model, wish->version, &errors); /* what is named may have come just now */
    uint64_t id = deploy_wish(fleet->deploy, fleet->plan, wish, reason, capacity);
    if (id != 0 && wish->kind == WISH_RELOAD)
        renew(fleet, wish);
    if (id != 0 && wish->kind == WISH_SCALE)
        scale_as_said(fleet, wish);
    if (id != 0) {
        try_model(fleet, wish->model);
        fleet_decide(fleet);
    }
    return id;
}
