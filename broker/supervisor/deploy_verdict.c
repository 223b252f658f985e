/* deploy_verdict: how far what was wished is: whether it has come true, cannot any more, or takes its time.
 * It only looks: at the plan, at the workers and at what the broker knows. What follows from it is done in
 * deploy.c. SPDX-License-Identifier: MIT */
#include "deploy_state.h"

#include "readiness.h"
#include "shared_inputs.h"

#include <stdio.h>
#include <utlist.h>

bool deploy_may_promote(const struct deploy *deploy, const struct plan *plan, const struct plan_model *model,
                        const struct job *mover, char *why)
{
    const struct model_config *config = model_list_find(plan->repository, text_of(model->name));
    if (mover == NULL || mover->kind != WISH_PROMOTE || config == NULL)
        return true;
    return shared_inputs_fit(deploy->view, model->name, deployment_route(config, deploy->said), model->wanted,
                             why, REASON_BYTES);
}

/* The versions that a job is about: its own, or all that run. */
static bool is_about(const struct job *job, const struct plan_version *version)
{
    return job->version == NULL || strcmp(job->version, version->version) == 0;
}

/* True when no worker of the model is there that the job waits to go. */
static bool all_gone(const struct deploy *deploy, const struct plan *plan, const struct job *job)
{
    const struct member *member;
    DL_FOREACH(deploy->members->first, member)
    {
        const struct command *command = member->command;
        if (command->role != ROLE_WORKER || service_state(member->service) == SERVICE_STOPPED ||
            strcmp(command->model, job->model) != 0 ||
            (job->version != NULL && strcmp(command->version, job->version) != 0))
            continue;
        if (job->kind == WISH_UNLOAD || plan_of_command(plan, command) == NULL || member->leaving)
            return false;
    }
    return true;
}

/* Whether all versions that the job is about serve. */
static enum verdict judge_versions(const struct deploy *deploy, const struct plan_model *model,
                                   const struct job *job, char *why, bool *ask_again)
{
    enum verdict verdict = CAME_TRUE;
    for (size_t i = 0; i < model->version_count; i++) {
        const struct plan_version *version = &model->versions[i];
        bool meant = job->kind == WISH_ROUTE ? deployment_lists(&job->asked, version->version)
                                             : is_about(job, version);
        const char *failure = meant ? readiness_failure(deploy->members, version) : NULL;
        if (failure != NULL) {
            snprintf(why, REASON_BYTES, "version %s of %s does not get ready: %s", version->version,
                     model->name, failure);
            return GIVE_UP;
        }
        if (meant && !readiness_settled(deploy->members, deploy->view, version, ask_again))
            verdict = GO_ON;
    }
    return verdict;
}

static enum verdict judge_counts(const struct deploy *deploy, const struct plan_model *model, char *why,
                                 bool *ask_again)
{
    const char *failure;
    if (readiness_counts(deploy->members, deploy->view, model, &failure, ask_again))
        return CAME_TRUE;
    if (failure != NULL)
        snprintf(why, REASON_BYTES, "a worker of %s does not get ready: %s", model->name, failure);
    return failure != NULL ? GIVE_UP : GO_ON;
}

static enum verdict judge_inputs(const struct deploy *deploy, const struct plan_model *model,
                                 const struct job *job, char *why)
{
    return shared_inputs_fit(deploy->view, model->name, job->route, model->serving, why, REASON_BYTES)
               ? CAME_TRUE
               : GIVE_UP;
}

static enum verdict judge_move(const struct deploy *deploy, const struct plan *plan,
                               const struct plan_model *model, const struct job *job, char *why,
                               bool *ask_again)
{
    if (is_text(model->serving, model->wanted) &&
        (job->version == NULL || is_text(model->serving, job->version)))
        return CAME_TRUE;
    const struct plan_version *next = model->wanted == NULL ? NULL : plan_version(model, model->wanted);
    const char *failure = next == NULL ? NULL : readiness_failure(deploy->members, next);
    if (failure != NULL) {
        snprintf(why, REASON_BYTES, "version %s of %s does not get ready, %s stays: %s", next->version,
                 model->name, model->serving == NULL ? "none" : model->serving, failure);
        return GIVE_UP;
    }
    return next != NULL && readiness_settled(deploy->members, deploy->view, next, ask_again) &&
                   !deploy_may_promote(deploy, plan, model, job, why)
               ? GIVE_UP
               : GO_ON;
}

enum verdict deploy_verdict(const struct deploy *deploy, const struct plan *plan, const struct job *job,
                            char *why, bool *ask_again)
{
    const struct plan_model *model = plan_find(plan, job->model);
    if (job->kind == WISH_UNLOAD)
        return all_gone(deploy, plan, job) ? CAME_TRUE : GO_ON;
    snprintf(why, REASON_BYTES, "it went from the repository");
    if (model == NULL || (job->version != NULL && plan_found(model, job->version) == NULL))
        return GIVE_UP;
    if (moves(job->kind))
        return judge_move(deploy, plan, model, job, why, ask_again);
    if (job->kind == WISH_SCALE)
        return judge_counts(deploy, model, why, ask_again);
    if (job->at_once)
        return judge_inputs(deploy, model, job, why);
    for (size_t i = 0; i < job->asked.count; i++)
        if (plan_found(model, job->asked.names[i]) == NULL)
            return GIVE_UP;
    enum verdict verdict = judge_versions(deploy, model, job, why, ask_again);
    if (job->kind == WISH_RELOAD && verdict == CAME_TRUE && !all_gone(deploy, plan, job))
        return GO_ON;
    return verdict == CAME_TRUE ? judge_inputs(deploy, model, job, why) : verdict;
}
