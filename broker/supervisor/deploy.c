/* deploy: changes of which version takes the traffic, and of which versions run at all.
 *
 * Whatever is said is written first (deployments.json), then done: the plan follows from the file, the fleet
 * follows the plan, and a supervisor that comes back in the middle goes on from the same file. There is one
 * way in which traffic moves, whether a new folder appeared, model.conf changed or somebody said promote: the
 * wanted version is started beside the one that serves, and when all its workers are ready and known to the
 * broker, `serving` is rewritten and the broker told. A version that never gets ready moves nothing. Each
 * model moves on its own.
 *
 * A wish is a job until it has come true or cannot: then what was said is taken back, and the reason told. A
 * rollback does not wait until all workers are there: one that is ready is enough, as what serves is bad.
 * SPDX-License-Identifier: MIT */
#include "deploy_state.h"

#include "clock.h"
#include "log.h"
#include "parameter.h"
#include "petition.h"
#include "readiness.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define WRITE_AGAIN_AFTER SECOND /* a full disk does not get empty at once */

static const char *kind_name(enum wish_kind kind)
{
    static const char *const names[] = {
#define X(name, text) [WISH_##name] = text,
        WISHES(X)
#undef X
    };
    ENSURE(kind < WISH_KIND_COUNT);
    return names[kind];
}

/* ---- what is written down ---- */

/* From now on `fresh` holds, which it takes; not when it cannot be written. */
static bool keep(struct deploy *deploy, struct deployments *fresh)
{
    if (deployments_write(deploy->path, fresh) == -1) {
        log_error("%s: %s; all stays as it was", deploy->path, strerror(errno));
        deploy->no_writing_before = clock_now() + WRITE_AGAIN_AFTER;
        deployments_free(fresh);
        return false;
    }
    deployments_free(deploy->said);
    deploy->said = fresh;
    return true;
}

static bool may_write(const struct deploy *deploy, bool *ask_again)
{
    bool may = clock_now() >= deploy->no_writing_before;
    *ask_again = *ask_again || !may;
    return may;
}

const struct deployments *deploy_said(const struct deploy *deploy)
{
    CHECK_OBJECT(deploy, DEPLOY_MAGIC);
    return deploy->said;
}

/* ---- jobs ---- */

static void free_job(struct deploy *deploy, struct job *job)
{
    DL_DELETE(deploy->jobs, job);
    free(job->model);
    free(job->version);
    free(job->stable_before);
    route_free(job->route);
    config_names_free(&job->asked);
    free(job);
}

/* What somebody waited for need not be loaded for that any more. */
static void ask_no_more(struct deploy *deploy, const struct job *job)
{
    struct deployment *said = deployments_find(deploy->said, job->model);
    for (size_t i = 0; said != NULL && i < job->asked.count; i++)
        deployment_ask_no_more(said, job->asked.names[i]);
}

/* Ends the job; `failure` is NULL when it came true. */
static void end(struct deploy *deploy, struct job *job, const char *failure)
{
    const char *space = job->version == NULL ? "" : " ", *version = job->version == NULL ? "" : job->version;
    if (failure == NULL)
        log_info("%s %s%s%s: done", kind_name(job->kind), job->model, space, version);
    else
        log_error("%s %s%s%s: given up: %s", kind_name(job->kind), job->model, space, version, failure);
    ask_no_more(deploy, job);
    progress_end(deploy->progress, job->id, failure);
    free_job(deploy, job);
}

static void say(const struct deploy *deploy, const struct job *job, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(const struct deploy *deploy, const struct job *job, const char *format, ...)
{
    char line[REASON_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    log_info("%s", line);
    progress_say(deploy->progress, job->id, "%s", line);
}

static struct job *begin(struct deploy *deploy, const struct wish *wish)
{
    struct job *job = object_alloc(sizeof(*job));
    job->id = progress_begin(deploy->progress);
    job->kind = wish->kind;
    job->model = object_strdup(wish->model);
    job->version = wish->version == NULL ? NULL : object_strdup(wish->version);
    DL_APPEND(deploy->jobs, job);
    return job;
}

static struct job *job_that_moves(struct deploy *deploy, const char *model)
{
    struct job *job;
    DL_FOREACH(deploy->jobs, job)
    {
        if (moves(job->kind) && strcmp(job->model, model) == 0)
            return job;
    }
    return NULL;
}

/* True when the wish means that the job is not wanted any more. */
static bool overrules(const struct wish *wish, const struct job *job)
{
    if (strcmp(wish->model, job->model) != 0)
        return false;
    if (wish->kind == WISH_UNLOAD && wish->version == NULL)
        return true;
    bool same_version = wish->version == NULL ? job->version == NULL : is_text(job->version, wish->version);
    bool replaces = wish->kind == job->kind && (wish->kind == WISH_ROUTE || wish->kind == WISH_SCALE);
    return (moves(wish->kind) && moves(job->kind)) || replaces ||
           (same_version && ((wish->kind == WISH_UNLOAD && job->kind == WISH_LOAD) ||
                             (wish->kind == WISH_LOAD && job->kind == WISH_UNLOAD)));
}

static void overrule(struct deploy *deploy, const struct wish *wish)
{
    char why[256];
    struct job *job, *next;
    snprintf(why, sizeof(why), "%s %s was asked for instead", kind_name(wish->kind), wish->model);
    DL_FOREACH_SAFE(deploy->jobs, job, next)
    {
        if (overrules(wish, job))
            end(deploy, job, why);
    }
}

/* ---- wishes ---- */

/* What the job needs to know later on. */
static void furnish(const struct deploy *deploy, struct job *job, const struct petition *petition,
                    const char *stable_before)
{
    const struct wish *wish = petition->wish;
    if (moves(wish->kind)) {
        const struct deployment *said = deployments_find(deploy->said, wish->model);
        job->stable_before = stable_before == NULL ? NULL : object_strdup(stable_before);
        deployment_say(&job->version, said == NULL ? NULL : said->stable); /* NULL: the highest */
    }
    if (wish->kind == WISH_ROUTE && wish->route != NULL) {
        job->at_once = wish->at_once;
        job->route = route_copy(wish->route);
        petition_route_versions(job->route, &job->asked);
    }
}

uint64_t deploy_wish(struct deploy *deploy, const struct plan *plan, const struct wish *wish, char *reason,
                     size_t capacity)
{
    CHECK_OBJECT(deploy, DEPLOY_MAGIC);
    struct petition petition = {.said = deploy->said,
                                .model = plan_find(plan, wish->model),
                                .config = model_list_find(plan->repository, text_of(wish->model)),
                                .wish = wish,
                                .reason = reason,
                                .capacity = capacity};
    if (petition.model == NULL || petition.config == NULL) {
        snprintf(reason, capacity, "there is no model %s", wish->model);
        return 0;
    }
    struct deployments *fresh = deployments_copy(deploy->said);
    struct deployment *said = deployments_require(fresh, wish->model);
    const struct job *before = job_that_moves(deploy, wish->model); /* what it has said does not hold yet */
    const char *stable = before != NULL && !before->written ? before->stable_before : said->stable;
    char *stable_before = stable == NULL ? NULL : object_strdup(stable);
    const struct job_counts counts = {said->instances, said->instances_min, said->instances_max};
    uint64_t id = 0;
    if (!petition_granted(&petition, said)) {
        deployments_free(fresh);
    } else if (!keep(deploy, fresh)) {
        snprintf(reason, capacity, "%s cannot be written: see the log", deploy->path);
    } else {
        overrule(deploy, wish);
        struct job *job = begin(deploy, wish);
        furnish(deploy, job, &petition, stable_before);
        job->counts_before = counts;
        id = job->id;
        for (size_t i = 0; i < job->asked.count; i++) /* the one that was overruled may have asked, too */
            deployment_ask(deployments_require(deploy->said, wish->model), job->route, job->asked.names[i]);
    }
    free(stable_before);
    return id;
}

/* ---- where the traffic is ---- */

/* The version that some worker serves; NULL. */
static const char *any_that_runs(const struct members *members, const char *model)
{
    const struct member *member;
    DL_FOREACH(members->first, member)
    {
        if (member_serves(member) && strcmp(member->command->model, model) == 0)
            return member->command->version;
    }
    return NULL;
}

/* Where the traffic of the model is, or should be at once. A version that serves keeps it; so does one that
 * did when the host went down, unless model.conf names another and nothing runs. */
static const char *locate(const struct deploy *deploy, const struct plan_model *model,
                          const struct model_config *config, const struct deployment *said)
{
    const struct members *members = deploy->members;
    if (said->serving == NULL) {
        const char *runs = any_that_runs(members, model->name);
        bool wanted = model->wanted != NULL && members_running(members, model->name, model->wanted) > 0;
        return runs == NULL || wanted ? model->wanted : runs;
    }
    if (members_running(members, model->name, said->serving) > 0)
        return said->serving;
    bool named = *config->version != '\0' && said->stable == NULL;
    return plan_found(model, said->serving) == NULL || named ? model->wanted : said->serving;
}

bool deploy_locate(struct deploy *deploy, const struct plan *plan)
{
    CHECK_OBJECT(deploy, DEPLOY_MAGIC);
    bool changed = false;
    struct deployments *fresh = deployments_copy(deploy->said);
    for (size_t i = 0; i < plan->model_count; i++) {
        const struct plan_model *model = &plan->models[i];
        struct deployment *said = deployments_require(fresh, model->name);
        const char *serving = locate(deploy, model, plan->repository->models[i], said);
        if (serving == NULL ? said->serving == NULL : is_text(said->serving, serving))
            continue;
        deployment_say(&said->serving, serving);
        changed = true;
    }
    for (size_t i = 0; i < fresh->count; i++) { /* a model that went may come back as another */
        struct deployment *said = fresh->models[i];
        if (said->serving == NULL || plan_find(plan, said->model) != NULL ||
            any_that_runs(deploy->members, said->model) != NULL)
            continue;
        deployment_say(&said->serving, NULL);
        deployment_say(&said->previous, NULL);
        changed = true;
    }
    if (changed)
        return keep(deploy, fresh);
    deployments_free(fresh);
    return false;
}

/* ---- moving ---- */

static bool may_move(struct deploy *deploy, const struct plan *plan, const struct plan_model *model,
                     bool *ask_again)
{
    char why[REASON_BYTES];
    const struct plan_version *next =
        model->wanted == NULL || model->stopped ? NULL : plan_version(model, model->wanted);
    if (next == NULL || is_text(model->serving, model->wanted))
        return false;
    const struct job *job = job_that_moves(deploy, model->name);
    bool hurried = job != NULL && job->kind == WISH_ROLLBACK;
    return (hurried && readiness_serving(deploy->members, deploy->view, next, ask_again) > 0) ||
           (readiness_settled(deploy->members, deploy->view, next, ask_again) &&
            deploy_may_promote(deploy, plan, model, job, why));
}

static bool move(struct deploy *deploy, const struct plan_model *model)
{
    struct deployments *fresh = deployments_copy(deploy->said);
    struct deployment *said = deployments_require(fresh, model->name);
    bool can_return = model->serving != NULL && plan_found(model, model->serving) != NULL;
    deployment_say(&said->previous, can_return ? model->serving : NULL);
    deployment_say(&said->serving, model->wanted);
    if (!keep(deploy, fresh))
        return false;
    log_info("%s: the traffic moves from version %s to %s", model->name,
             model->serving == NULL ? "none" : model->serving, model->wanted);
    const struct job *job = job_that_moves(deploy, model->name);
    if (job != NULL)
        progress_say(deploy->progress, job->id, "%s: the traffic moves from version %s to %s", model->name,
                     model->serving == NULL ? "none" : model->serving, model->wanted);
    return true;
}

/* ---- jobs that end ---- */

/* What has come true is written where it was not yet. False when it cannot be. */
static bool conclude(struct deploy *deploy, struct job *job)
{
    if (job->kind != WISH_ROUTE)
        return true;
    struct deployments *fresh = deployments_copy(deploy->said);
    struct deployment *said = deployments_require(fresh, job->model);
    route_free(said->route);
    said->route = job->route == NULL ? NULL : route_copy(job->route);
    for (size_t i = 0; i < job->asked.count; i++) {
        deployment_ask_no_more(said, job->asked.names[i]);
        deployment_unlist(&said->unloaded, job->asked.names[i]);
    }
    return keep(deploy, fresh);
}

/* What was said is taken back. */
static bool take_back(struct deploy *deploy, const struct job *job)
{
    struct deployments *fresh = deployments_copy(deploy->said);
    struct deployment *said = deployments_require(fresh, job->model);
    if (moves(job->kind))
        deployment_say(&said->stable, job->stable_before);
    if (job->kind == WISH_LOAD && job->version != NULL)
        deployment_unlist(&said->loaded, job->version);
    if (job->kind == WISH_SCALE) {
        said->instances = job->counts_before.instances;
        said->instances_min = job->counts_before.min;
        said->instances_max = job->counts_before.max;
    }
    return keep(deploy, fresh);
}

/* True when what is said has changed. */
static bool go_on_with(struct deploy *deploy, const struct plan *plan, struct job *job, bool *ask_again)
{
    char why[REASON_BYTES];
    if (job->written)
        return false;
    switch (deploy_verdict(deploy, plan, job, why, ask_again)) {
    case GO_ON:
        return false;
    case CAME_TRUE:
        if (!may_write(deploy, ask_again) || !conclude(deploy, job))
            return false;
        job->written = true;
        return true;
    case GIVE_UP:
        if (!may_write(deploy, ask_again) || !take_back(deploy, job))
            return false;
        end(deploy, job, why);
        return true;
    }
    return false;
}

bool deploy_advance(struct deploy *deploy, const struct plan *plan, bool *ask_again)
{
    CHECK_OBJECT(deploy, DEPLOY_MAGIC);
    bool changed = false;
    for (size_t i = 0; i < plan->model_count; i++)
        if (may_move(deploy, plan, &plan->models[i], ask_again) && may_write(deploy, ask_again))
            changed = move(deploy, &plan->models[i]) || changed;
    if (changed) /* the jobs are judged by a plan that knows of it */
        return true;
    struct job *job, *next;
    DL_FOREACH_SAFE(deploy->jobs, job, next)
    {
        changed = go_on_with(deploy, plan, job, ask_again) || changed;
    }
    return changed;
}

void deploy_told(struct deploy *deploy)
{
    CHECK_OBJECT(deploy, DEPLOY_MAGIC);
    struct job *job, *next;
    DL_FOREACH_SAFE(deploy->jobs, job, next)
    {
        if (!job->written)
            continue;
        const struct deployment *said = deployments_find(deploy->said, job->model);
        if (moves(job->kind) && said != NULL)
            say(deploy, job, "%s: version %s takes the traffic%s", job->model,
                said->serving == NULL ? "none" : said->serving,
                said->stable == NULL ? ", as the highest does" : "");
        else if (job->kind == WISH_ROUTE)
            say(deploy, job, "%s: the route holds", job->model);
        else if (job->kind == WISH_SCALE)
            say(deploy, job, "%s: its workers are as many as they shall be", job->model);
        else if (job->kind != WISH_UNLOAD)
            say(deploy, job, "%s%s%s: ready", job->model, job->version == NULL ? "" : " version ",
                job->version == NULL ? "" : job->version);
        else
            say(deploy, job, "%s%s%s: its processes have ended", job->model,
                job->version == NULL ? "" : " version ", job->version == NULL ? "" : job->version);
        end(deploy, job, NULL);
    }
}

void deploy_cancel(struct deploy *deploy, const char *why)
{
    CHECK_OBJECT(deploy, DEPLOY_MAGIC);
    while (deploy->jobs != NULL)
        end(deploy, deploy->jobs, why);
}

/* ---- life ---- */

static void log_lines(char *text)
{
    for (char *line = strsep(&text, "\n"); line != NULL; line = strsep(&text, "\n"))
        if (*line != '\0')
            log_error("%s", line);
}

/* Somebody may want to see what was in it; what could be read of it holds, and is written anew. */
static void set_aside(struct deploy *deploy)
{
    char *broken;
    ENSURE(asprintf(&broken, "%s.broken", deploy->path) >= 0);
    if (rename(deploy->path, broken) == -1)
        log_error("%s: %s", broken, strerror(errno));
    else
        log_error("%s: was not as it should be, and is kept as %s", deploy->path, broken);
    free(broken);
    if (deployments_write(deploy->path, deploy->said) == -1)
        log_error("%s: %s", deploy->path, strerror(errno));
}

struct deploy *deploy_new(const struct config *config, const struct members *members,
                          struct broker_view *view, struct progress *progress)
{
    char path[DEPLOYMENTS_PATH_BYTES];
    struct config_errors errors = {0};
    struct deploy *deploy = object_alloc(sizeof(*deploy));
    deploy->magic = DEPLOY_MAGIC;
    deploy->path = object_strdup(deployments_path(config, path));
    deploy->members = members;
    deploy->view = view;
    deploy->progress = progress;
    deploy->said = deployments_read(deploy->path, &errors);
    if (errors.count > 0) {
        log_lines(errors.text);
        set_aside(deploy);
    }
    return deploy;
}

void deploy_free(struct deploy *deploy)
{
    if (deploy == NULL)
        return;
    CHECK_OBJECT(deploy, DEPLOY_MAGIC);
    while (deploy->jobs != NULL)
        free_job(deploy, deploy->jobs);
    deployments_free(deploy->said);
    free(deploy->path);
    deploy->magic = 0;
    free(deploy);
}
