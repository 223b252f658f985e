/* fleet: compares what runs with the plan, at the end of each turn of the loop in which anything changed.
 *
 * reconcile() is the whole policy, read from top to bottom: it may be called at any moment, does what is
 * missing and nothing else, and so a start, a reload, a scaled model and a process that died in the middle of
 * either all take the same way. How a single process is started, watched and tried again is the service's
 * business.
 *
 * A model whose version changed has its new workers started beside the old ones. When all new workers of all
 * such models are ready the broker is told to read the repository again, which moves the routes; then the old
 * workers work off what was queued for them and are drained. As long as new workers are not
 * ready, for whatever reason, nothing of the old is touched. Processes that are replaced by others of the
 * same kind are the turnover's; here it is only asked to go on. SPDX-License-Identifier: MIT */
#include "fleet.h"

#include "broker_view.h"
#include "clock.h"
#include "control.h"
#include "curve.h"
#include "heritage.h"
#include "keys.h"
#include "ledger.h"
#include "log.h"
#include "members.h"
#include "missing.h"
#include "recycle.h"
#include "runtime.h"
#include "turnover.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

enum {
    FLEET_MAGIC = 0x0f1ee700,
    TELL_BROKER_MS = 1000 /* how long the broker may take to say that routes have moved */
};

/* How often the broker is asked while we wait for what only it knows. */
#define LOOK_AGAIN (20 * MILLISECOND)
/* How often processes are compared with the limits of their recycling, and with the workers that the broker
 * knows. */
#define RECYCLE_EVERY SECOND

struct fleet {
    unsigned magic;
    struct fleet_setup setup;
    struct config *config; /* what setup.basis.config is since the first reload; NULL: the caller's */
    char *fixed;           /* plan_fixed of it, for the ledger */
    struct plan *plan;
    struct service_patience patience;
    struct members members;
    bool routes_outdated; /* the broker has not read the present repository yet */
    bool ready_said;
    bool stopping;
    bool hurried;           /* stopping, and told a second time */
    int64_t handover_until; /* old workers have until then to work off their queue; 0: none is asked to */
    bool look_again;        /* reconciling left something open that no event will tell of */
    struct loop_timer look;
    struct loop_timer recycle;
    struct broker_view *view; /* forgotten after each reconciling */
    struct turnover *turnover;
};

static void set_patience(struct fleet *fleet, const struct config *config)
{
    fleet->patience = (struct service_patience){
        .start_timeout_ms = config->supervisor_start_timeout_ms,
        .stop_timeout_ms = config->supervisor_stop_timeout_ms,
        .drain_timeout_ms = config->supervisor_drain_timeout_ms,
        .restart_max_ms = config->supervisor_restart_max_ms,
        .storm_count = config->supervisor_storm_count,
    };
}

/* ---- towards the plan ---- */

/* A model is settled when all its workers have said ready and the broker knows them. The second follows the
 * first within milliseconds, but no event of ours tells: so we look again. */
static bool is_settled(struct fleet *fleet, const struct plan_model *model)
{
    if (model->instances == 0)
        return true;
    if (members_count(&fleet->members, ROLE_WORKER, model, true) < model->instances)
        return false;
    if (broker_view_workers(fleet->view, model->name, model->version) >= model->instances)
        return true;
    fleet->look_again = true;
    return false;
}

/* True while a model has old workers and its new ones do not serve yet: routes must not move. */
static bool is_switching(struct fleet *fleet)
{
    const struct member *member;
    DL_FOREACH(fleet->members.first, member)
    {
        const struct plan_model *model = plan_find(fleet->plan, member->command->model);
        if (model != NULL && member_outdated(member, model) && !is_settled(fleet, model))
            return true;
    }
    return false;
}

/* Routes move for all models at once, and only to workers that serve. */
static void move_routes(struct fleet *fleet)
{
    char path[RUNTIME_PATH_BYTES];
    const struct config *config = fleet->setup.basis.config;
    if (!fleet->routes_outdated || is_switching(fleet))
        return;
    /* We wait for the answer: an old worker that is stopped before the routes have moved would leave its
     * queue to nobody. A broker that is away reads the repository when it starts. */
    yyjson_doc_free(
        control_call(runtime_path(config, "broker.sock", path), "{\"command\":\"reload\"}", TELL_BROKER_MS));
    broker_view_forget(fleet->view);
    fleet->routes_outdated = false;
    fleet->handover_until = clock_now() + config->frontend_request_timeout_ms * MILLISECOND;
}

/* Workers that the routes do not lead to any more: those of models that went, and those of an earlier
 * version. They go when the broker wants nothing more of them, or when nobody can be waiting for it any more.
 */
static void retire_outdated(struct fleet *fleet)
{
    struct member *member;
    if (fleet->routes_outdated)
        return;
    DL_FOREACH(fleet->members.first, member)
    {
        const struct command *command = member->command;
        const struct plan_model *model = plan_find(fleet->plan, command->model);
        if (member->retiring || command->role != ROLE_WORKER ||
            (model != NULL && !member_outdated(member, model)))
            continue;
        if (clock_now() < fleet->handover_until &&
            broker_view_open(fleet->view, command->model, command->version) > 0)
            fleet->look_again = true;
        else
            member_drain(member);
    }
}

/* Everything that readiness waits for. */
static bool all_run(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->plan->model_count; i++) {
        const struct plan_model *model = &fleet->plan->models[i];
        if (model->required && (model->version == NULL || !is_settled(fleet, model)))
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
    broker_view_forget(fleet->view);
}

static void reconcile(struct fleet *fleet)
{
    members_have(&fleet->members, ROLE_COLLECTOR, NULL, 1);
    members_have(&fleet->members, ROLE_BROKER, NULL, 1);
    for (size_t i = 0; i < fleet->plan->model_count; i++)
        members_have(&fleet->members, ROLE_WORKER, &fleet->plan->models[i], fleet->plan->models[i].instances);
    if (fleet->members.broker_was_ready)
        members_have(&fleet->members, ROLE_FRONTEND, NULL, fleet->plan->frontends);
    move_routes(fleet);
    retire_outdated(fleet);
    fleet->look_again |= turnover_advance(fleet->turnover, fleet->plan);
    members_remove_retired(&fleet->members);
    if (!fleet->ready_said && all_run(fleet)) {
        fleet->ready_said = true;
        fleet->setup.ready(fleet->setup.self);
    }
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
    if (!no_frontends && !fleet->hurried)
        return;
    bool no_workers = stop_role(fleet, ROLE_WORKER);
    bool no_broker = stop_role(fleet, ROLE_BROKER);
    if (!(no_workers && no_broker) && !fleet->hurried)
        return;
    if (stop_role(fleet, ROLE_COLLECTOR) && no_frontends && no_workers && no_broker)
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

/* All that the new configuration and the new repository change for processes that go on running. */
static void tell_changes(const struct fleet *fleet, const struct config *config, const struct plan *plan,
                         struct telling *telling)
{
    changes_of_config(fleet->setup.basis.config, config, tell_change, telling);
    for (size_t i = 0; i < plan->model_count; i++) {
        const struct plan_model *new = &plan->models[i];
        const struct plan_model *old = plan_find(fleet->plan, new->name);
        if (old != NULL && old->version != NULL && new->version != NULL &&new->instances > 0 &&
            strcmp(old->version, new->version) == 0)
            changes_of_model(model_list_find(fleet->plan->repository, text_of(old->name)),
                             model_list_find(plan->repository, text_of(new->name)), tell_change, telling);
    }
}

static void take_over(struct fleet *fleet, struct config *config, struct plan *plan)
{
    set_patience(fleet, config);
    fleet->setup.basis.config = config;
    config_free(fleet->config);
    fleet->config = config;
    plan_free(fleet->plan);
    fleet->plan = plan;
    fleet->routes_outdated = true;
    fleet->members.changed = true;
    struct member *member;
    DL_FOREACH(fleet->members.first, member)
    {
        if (!member->retiring) /* whatever made it fail may be mended now: no need to wait */
            service_event(member->service, SERVICE_ON_START);
    }
    log_info("configuration and %zu models read again", plan->model_count);
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
        plan = plan_new(config, &errors);
    }
    if (plan != NULL && errors.count == 0) {
        tell_changes(fleet, config, plan, &telling);
        take_over(fleet, config, plan);
        keys_reload(config, visit, self);
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

uint64_t fleet_restart(struct fleet *fleet, const char *what, const char *model, char *reason,
                       size_t capacity)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    if (fleet->stopping)
        snprintf(reason, capacity, "this supervisor is stopping");
    else if (!fleet->ready_said)
        snprintf(reason, capacity, "not everything runs yet");
    else if (fleet->routes_outdated)
        snprintf(reason, capacity, "a reload is under way");
    else
        return turnover_restart(fleet->turnover, fleet->plan, what, model, reason, capacity);
    return 0;
}

void fleet_stop(struct fleet *fleet)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    fleet->hurried = fleet->stopping;
    fleet->stopping = true;
    fleet->members.changed = true;
    turnover_cancel(fleet->turnover, "the supervisor stops");
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

const struct plan *fleet_plan(const struct fleet *fleet)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    return fleet->plan;
}

const struct turnover *fleet_turnover(const struct fleet *fleet)
{
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    return fleet->turnover;
}

/* ---- life ---- */

static void inherit(struct fleet *fleet)
{
    struct ledger *ledger = fleet->setup.inherited;
    if (ledger == NULL)
        return;
    size_t count =
        heritage_take(ledger, &fleet->members, fleet->plan, fleet->turnover, fleet->setup.new_socket);
    fleet->routes_outdated = count > 0; /* the broker may have read another repository than we */
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
    set_patience(fleet, setup->basis.config);
    fleet->fixed = plan_fixed(setup->basis.config);
    fleet->plan = plan_new(setup->basis.config, &errors);
    log_complaints(&errors);
    fleet->view = broker_view_new(setup->basis.config);
    fleet->turnover = turnover_new(&fleet->members, fleet->view);
    inherit(fleet);
    loop_each_turn(setup->loop, end_of_turn, fleet);
    /* The first turn comes at once, not with the first event. */
    loop_timer_set(setup->loop, &fleet->look, 0, look_due, fleet);
    loop_timer_set(setup->loop, &fleet->recycle, clock_now() + RECYCLE_EVERY, recycle_due, fleet);
    return fleet;
}

void fleet_free(struct fleet *fleet)
{
    if (fleet == NULL)
        return;
    CHECK_OBJECT(fleet, FLEET_MAGIC);
    turnover_free(fleet->turnover);
    members_free_all(&fleet->members);
    loop_timer_cancel(fleet->setup.loop, &fleet->look);
    loop_timer_cancel(fleet->setup.loop, &fleet->recycle);
    broker_view_free(fleet->view);
    plan_free(fleet->plan);
    config_free(fleet->config);
    free(fleet->fixed);
    fleet->magic = 0;
    free(fleet);
}
