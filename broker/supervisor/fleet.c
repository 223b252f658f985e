/* fleet: compares what runs with the plan, at the end of each turn of the loop in which anything changed.
 *
 * reconcile() is the whole policy, read from top to bottom: it may be called at any moment, does what is
 * missing and nothing else, and so a start, a reload, a scaled model and a process that died in the middle of
 * either all take the same way. How a single process is started, watched and tried again is the service's
 * business.
 *
 * Of a model any number of versions may run. Which of them takes the traffic, and when that changes, is the
 * business of deploy.c; here the workers that the plan wants are started, and those that it does not want are
 * let go: when the broker has been told, and has nothing for them any more. As long as new workers are not
 * ready, for whatever reason, nothing of the old is touched. Processes that are replaced by others of the
 * same kind are the turnover's; here it is only asked to go on. SPDX-License-Identifier: MIT */
#include "fleet.h"

#include "fleet_state.h"

#include "broker_view.h"
#include "clock.h"
#include "deploy.h"
#include "heritage.h"
#include "ledger.h"
#include "log.h"
#include "members.h"
#include "missing.h"
#include "progress.h"
#include "readiness.h"
#include "recycle.h"
#include "repository.h"
#include "runtime.h"
#include "turnover.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

/* How often the broker is asked while we wait for what only it knows. */
#define LOOK_AGAIN (20 * MILLISECOND)
/* How often processes are compared with the limits of their recycling, and with the workers that the broker
 * knows. */
#define RECYCLE_EVERY SECOND

/* ---- towards the plan ---- */

static void scale_due(void *self)
{
    struct fleet *fleet = self;
    int64_t every = fleet->setup.basis.config->supervisor_scale_every_ms * MILLISECOND;
    loop_timer_set(fleet->setup.loop, &fleet->scale, clock_now() + every, scale_due, fleet);
    if (!fleet->stopping)
        fleet_scale(fleet);
}

void fleet_scale(struct fleet *fleet)
{
    const struct config *config = fleet->setup.basis.config;
    if (!scaling_look(fleet->scaling, config, fleet->plan, &fleet->members, fleet->view))
        return;
    scaling_apply(fleet->scaling, fleet->plan);
    fleet->members.changed = true;
}

/* Traffic moves, and the broker hears of it, before anybody goes. */
static void advance_deployments(struct fleet *fleet)
{
    if (deploy_advance(fleet->deploy, fleet->plan, &fleet->look_again)) {
        fleet_decide(fleet);
        fleet->news = fleet->news == NEWS_NONE ? NEWS_ROUTES : fleet->news;
    }
    fleet_tell_broker(fleet);
}

/* True when nobody wants the worker any more, however long it takes to let it go. */
static bool is_unwanted(struct fleet *fleet, const struct member *member)
{
    const struct command *command = member->command;
    if (member->retiring || command->role != ROLE_WORKER || plan_of_command(fleet->plan, command) != NULL)
        return false;
    const struct plan_model *model = plan_find(fleet->plan, command->model);
    if (model == NULL || model->stopped || service_state(member->service) != SERVICE_RUNNING)
        return true;
    const struct plan_version *same = plan_version(model, command->version);
    if (same != NULL) /* its files are others by now */
        return readiness_settled(&fleet->members, fleet->view, same, &fleet->look_again);
    /* The traffic may still be at a version whose folder has gone. */
    return model->serving == NULL || strcmp(model->serving, command->version) != 0;
}

/* Lets a worker go when the broker wants nothing more of its version, or nobody can be waiting for it any
 * more; at once when others of its version go on. True when it goes. */
static bool let_go(struct fleet *fleet, struct member *member)
{
    const struct command *command = member->command;
    const struct plan_model *model = plan_find(fleet->plan, command->model);
    const struct plan_version *same = model == NULL ? NULL : plan_version(model, command->version);
    int64_t now = clock_now();
    if (member->handover_until == 0)
        member->handover_until = now + fleet->setup.basis.config->frontend_request_timeout_ms * MILLISECOND;
    bool waits = now < member->handover_until && (same == NULL || !same->takes_traffic) &&
                 broker_view_open(fleet->view, command->model, command->version) > 0;
    fleet->look_again = fleet->look_again || waits;
    if (!waits)
        member_drain(member);
    return !waits;
}

static void retire_unwanted(struct fleet *fleet)
{
    struct member *member;
    DL_FOREACH(fleet->members.first, member)
    {
        if (is_unwanted(fleet, member))
            let_go(fleet, member);
    }
}

/* More workers of a version than are wanted: those of a version from which the traffic has gone work off what
 * waits for them first. */
static void retire_surplus(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->plan->model_count; i++)
        for (size_t j = 0; j < fleet->plan->models[i].version_count; j++) {
            const struct plan_version *version = &fleet->plan->models[i].versions[j];
            int64_t count = members_count(&fleet->members, ROLE_WORKER, version, false);
            while (count > version->instances && let_go(fleet, members_highest(&fleet->members, version)))
                count--;
        }
}

/* The broker keeps what has gone from the repository as long as workers serve it: when the last has ended it
 * is told once more. */
static void forget_departed(struct fleet *fleet)
{
    const struct member *member;
    DL_FOREACH(fleet->members.first, member)
    {
        const struct command *command = member->command;
        if (command->role != ROLE_WORKER || !member->retiring ||
            service_state(member->service) != SERVICE_STOPPED)
            continue;
        const struct plan_model *model = plan_find(fleet->plan, command->model);
        if (model != NULL && plan_found(model, command->version) != NULL)
            continue;
        fleet->news = NEWS_REPOSITORY;
        fleet->members.changed = true;
    }
}

static void start_workers(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->plan->model_count; i++)
        for (size_t j = 0; j < fleet->plan->models[i].version_count; j++) {
            const struct plan_version *version = &fleet->plan->models[i].versions[j];
            if (vetting_look(fleet->vetting, fleet->plan, version) != VETTING_PASSED)
                continue;
            members_come_forward(&fleet->members, version);
            members_have_at_least(&fleet->members, ROLE_WORKER, version, version->instances);
        }
    vetting_advance(fleet->vetting);
}

static void vetting_changed(void *self)
{
    struct fleet *fleet = self;
    fleet->tell_refusals = true;
    fleet->members.changed = true;
}

/* Everything that readiness waits for. */
static bool all_run(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->plan->model_count; i++) {
        const struct plan_model *model = &fleet->plan->models[i];
        const struct plan_version *version =
            model->serving == NULL ? NULL : plan_version(model, model->serving);
        if (!model->required || model->stopped)
            continue;
        if (version == NULL || !readiness_settled(&fleet->members, fleet->view, version, &fleet->look_again))
            return false;
    }
    return members_count(&fleet->members, ROLE_COLLECTOR, NULL, true) == 1 &&
           members_count(&fleet->members, ROLE_BROKER, NULL, true) == 1 &&
           members_count(&fleet->members, ROLE_FRONTEND, NULL, true) >= fleet->plan->frontends;
}

static void look_due(void *self)
{
    ((struct fleet *)self)->members.changed = true;
}

static void recycle_due(void *self)
{
    struct fleet *fleet = self;
    loop_timer_set(fleet->setup.loop, &fleet->recycle, clock_now() + RECYCLE_EVERY, recycle_due, fleet);
    if (fleet->stopping)
        return;
    missing_look(&fleet->members, fleet->plan, fleet->view, RECYCLE_EVERY / MILLISECOND);
    if (fleet->ready_said)
        recycle_look(&fleet->members, fleet->plan, fleet->view, fleet->turnover);
    served_look(fleet->served, fleet->view);
    broker_view_forget(fleet->view);
}

static void reconcile(struct fleet *fleet)
{
    members_have(&fleet->members, ROLE_COLLECTOR, NULL, 1);
    members_have(&fleet->members, ROLE_BROKER, NULL, 1);
    start_workers(fleet);
    if (fleet->members.broker_was_ready)
        members_have(&fleet->members, ROLE_FRONTEND, NULL, fleet->plan->frontends);
    if (fleet_greet_broker(
            fleet)) /* it knows nothing of a version that rests, and somebody may wait for one */
        loop_timer_set(fleet->setup.loop, &fleet->scale, clock_now() + LOOK_AGAIN, scale_due, fleet);
    advance_deployments(fleet);
    if (fleet->tell_refusals)
        fleet_tell_refusals(fleet);
    retire_unwanted(fleet);
    retire_surplus(fleet);
    fleet->look_again |= turnover_advance(fleet->turnover, fleet->plan);
    forget_departed(fleet);
    members_remove_retired(&fleet->members);
    if (!fleet->ready_said && all_run(fleet)) {
        fleet->ready_said = true;
        fleet->setup.ready(fleet->setup.self);
    }
    served_look(fleet->served, fleet->view);
    broker_view_forget(fleet->view);
    if (fleet->look_again)
        loop_timer_set(fleet->setup.loop, &fleet->look, clock_now() + LOOK_AGAIN, look_due, fleet);
    fleet->look_again = false;
}

/* ---- towards the end ---- */

/* Stops the members of a role; true when none of them has a process any more. */
static bool stop_role(struct fleet *fleet, enum role role)
{
    bool stopped = true;
    struct member *member;
    DL_FOREACH(fleet->members.first, member)
    {
        if (member->command->role != role)
            continue;
        service_event(member->service, SERVICE_ON_STOP);
        if (fleet->hurried)
            service_event(member->service, SERVICE_ON_KILL_TIMEOUT);
        stopped &= service_state(member->service) == SERVICE_STOPPED;
    }
    return stopped;
}

static void wind_down(struct fleet *fleet)
{
    bool no_frontends = stop_role(fleet, ROLE_FRONTEND);
    bool none_validated = vetting_stop(fleet->vetting, fleet->hurried);
    if (!no_frontends && !fleet->hurried)
        return;
    bool no_workers = stop_role(fleet, ROLE_WORKER);
    bool no_broker = stop_role(fleet, ROLE_BROKER);
    if (!(no_workers && no_broker) && !fleet->hurried)
        return;
    if (stop_role(fleet, ROLE_COLLECTOR) && no_frontends && no_workers && no_broker && none_validated)
        fleet->setup.stopped(fleet->setup.self);
}

/* ---- each turn ---- */

static void write_ledger(void *self)
{
    const struct fleet *fleet = self;
    char path[RUNTIME_PATH_BYTES];
    size_t count = 0;
    struct member *member;
    DL_COUNT(fleet->members.first, member, count);
    struct ledger_entry *entries = object_alloc((count + 1) * sizeof(*entries));
    count = 0;
    DL_FOREACH(fleet->members.first, member)
    {
        if (service_pid(member->service) != 0)
            entries[count++] = (struct ledger_entry){.command = member->command,
                                                     .pid = service_pid(member->service),
                                                     .ready_pipe = service_ready_pipe(member->service),
                                                     .restarts = service_restarts(member->service),
                                                     .token = service_token(member->service),
                                                     .release = service_release(member->service),
                                                     .retiring = member->retiring};
    }
    ledger_write(runtime_path(fleet->setup.basis.config, "processes.json", path), fleet->fixed, entries,
                 count);
    free(entries);
}

static void end_of_turn(void *self)
{
    struct fleet *fleet = self;
    if (!fleet->members.changed)
        return;
    /* What reconciling itself changes (processes started and stopped) needs another look at once. */
    while (fleet->members.changed) {
        fleet->members.changed = false;
        if (fleet->stopping)
            wind_down(fleet);
        else
            reconcile(fleet);
    }
    if (fleet->setup.inherited != NULL) { /* whom the plan wanted has been started by now */
        heritage_mark(fleet->setup.inherited, &fleet->members);
        fleet->setup.inherited = NULL;
    }
    write_ledger(fleet);
}

/* ---- commands ---- */

uint64_t fleet_restart(struct fleet *fleet, const char *what, const char *model, char *reason,
                       size_t capacity)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    if (fleet->stopping)
        snprintf(reason, capacity, "this supervisor is stopping");
    else if (!fleet->ready_said)
        snprintf(reason, capacity, "not everything runs yet");
    else if (fleet->news != NEWS_NONE)
        snprintf(reason, capacity, "a reload is under way");
    else
        return turnover_restart(fleet->turnover, fleet->plan, what, model, reason, capacity);
    return 0;
}

bool fleet_is_stopping(const struct fleet *fleet)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    return fleet->stopping;
}

void fleet_stop(struct fleet *fleet)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    fleet->hurried = fleet->stopping;
    fleet->stopping = true;
    fleet->members.changed = true;
    turnover_cancel(fleet->turnover, "the supervisor stops");
    deploy_cancel(fleet->deploy, "the supervisor stops");
    log_info(fleet->hurried ? "stopping at once" : "stopping");
}

bool fleet_worker_hung(struct fleet *fleet, pid_t pid)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    struct member *member;
    DL_FOREACH(fleet->members.first, member)
    {
        if (member->command->role != ROLE_WORKER || pid == 0 || service_pid(member->service) != pid)
            continue;
        service_event(member->service, SERVICE_ON_HUNG);
        return true;
    }
    return false;
}

void fleet_introduce(const struct fleet *fleet, uint64_t question)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    members_introduce(&fleet->members, question);
}

bool fleet_wanted(struct fleet *fleet, const char *model, const char *version)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    if (fleet->stopping || !scaling_wanted(fleet->scaling, model, version))
        return false;
    scaling_apply(fleet->scaling, fleet->plan);
    fleet->members.changed = true;
    return true;
}

/* ---- looking ---- */

void fleet_each(const struct fleet *fleet, fleet_visit *visit, void *self)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    const struct member *member;
    DL_FOREACH(fleet->members.first, member)
    {
        visit(self, member->command, member->service, member->origin);
    }
}

const struct plan_basis *fleet_basis(const struct fleet *fleet)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    return &fleet->setup.basis;
}

const struct plan *fleet_plan(const struct fleet *fleet)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    return fleet->plan;
}

const struct deployments *fleet_said(const struct fleet *fleet)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    return deploy_said(fleet->deploy);
}

const struct progress *fleet_progress(const struct fleet *fleet)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    return fleet->progress;
}

const struct members *fleet_members(const struct fleet *fleet)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    return &fleet->members;
}

const struct turnover *fleet_turnover(const struct fleet *fleet)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    return fleet->turnover;
}

const char *fleet_digest(const struct fleet *fleet, const char *model, const char *version)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    return served_digest(fleet->served, model, version);
}

/* ---- life ---- */

static void inherit(struct fleet *fleet)
{
    struct ledger *ledger = fleet->setup.inherited;
    if (ledger == NULL)
        return;
    size_t count =
        heritage_take(ledger, &fleet->members, fleet->plan, fleet->turnover, fleet->setup.new_socket);
    if (count > 0)
        scaling_inherit(fleet->scaling, fleet->plan, &fleet->members);
    if (count > 0) /* the broker may have read another repository than we */
        fleet->news = NEWS_REPOSITORY;
}

struct fleet *fleet_new(const struct fleet_setup *setup)
{
    struct fleet *fleet = object_alloc(sizeof(*fleet));
    struct config_errors errors = {0};
    fleet->magic = FLEET_MAGIC;
    fleet->setup = *setup;
    fleet->members = (struct members){.setup = &fleet->setup,
                                      .patience = &fleet->patience,
                                      .changed = true,
                                      .born = write_ledger,
                                      .self = fleet};
    fleet_set_patience(fleet, setup->basis.config);
    fleet->fixed = plan_fixed(setup->basis.config);
    fleet->view = broker_view_new(setup->basis.config);
    fleet->progress = progress_new();
    fleet->scaling = scaling_new();
    fleet->served = served_new(setup->audit);
    fleet->turnover = turnover_new(&fleet->members, fleet->view, fleet->progress);
    fleet->vetting = vetting_new(&(struct vetting_context){.loop = setup->loop,
                                                           .basis = &fleet->setup.basis,
                                                           .audit = setup->audit,
                                                           .changed = vetting_changed,
                                                           .self = fleet});
    fleet->members.vetting = fleet->vetting;
    fleet->deploy = deploy_new(setup->basis.config, &fleet->members, fleet->view, fleet->progress);
    fleet_watch(fleet);
    const struct plan_reading reading = {.config = setup->basis.config, .said = deploy_said(fleet->deploy)};
    fleet->plan = plan_new(&reading, &errors);
    fleet_log_complaints(fleet, &errors);
    fleet_schedule_rescan(fleet, fleet->plan);
    inherit(fleet);
    if (deploy_locate(fleet->deploy, fleet->plan)) /* before the broker reads it */
        fleet_decide(fleet);
    scaling_apply(fleet->scaling, fleet->plan);
    loop_each_turn(setup->loop, end_of_turn, fleet);
    /* The first turn comes at once, not with the first event. */
    loop_timer_set(setup->loop, &fleet->look, 0, look_due, fleet);
    loop_timer_set(setup->loop, &fleet->recycle, clock_now() + RECYCLE_EVERY, recycle_due, fleet);
    loop_timer_set(setup->loop, &fleet->scale, clock_now() + LOOK_AGAIN, scale_due, fleet);
    return fleet;
}

void fleet_free(struct fleet *fleet)
{
    if (fleet == NULL)
        return;
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    loop_timer_cancel(fleet->setup.loop, &fleet->rescan);
    repository_free(fleet->repository);
    deploy_free(fleet->deploy);
    turnover_free(fleet->turnover);
    progress_free(fleet->progress);
    members_free_all(&fleet->members);
    vetting_free(fleet->vetting);
    loop_timer_cancel(fleet->setup.loop, &fleet->look);
    loop_timer_cancel(fleet->setup.loop, &fleet->recycle);
    loop_timer_cancel(fleet->setup.loop, &fleet->scale);
    scaling_free(fleet->scaling);
    served_free(fleet->served);
    broker_view_free(fleet->view);
    plan_free(fleet->plan);
    config_free(fleet->config);
    free(fleet->fixed);
    fleet->magic = 0;
    free(fleet);
}
