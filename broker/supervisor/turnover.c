/* turnover: the queue of processes to be replaced, and the one that is being replaced now.
 *
 * Used by the fleet: restarts that the operator asks for, recycling, and adopted processes that are not what
 * would be started now all go through this queue, one at a time, so that they never go together:
 *
 *   a worker, a frontend:   STARTING a successor beside it -> ready (a worker: the broker knows it)
 *                           -> FINISHING the old one, which gets nothing new -> gone
 *   broker, collector:      AWAY: it finishes what it has and ends, a new one is started at once (two cannot
 *                           be: the sockets are theirs alone) -> ready, and the broker knows its workers
 *
 * Only then comes the next. A successor that does not get ready is given up after its second failed start;
 * the old one goes on as if nothing had been, and what else the operator asked for is not done: it would fail
 * as well. Deaths on the way need no care here: services start again what died, and each step looks at the
 * states as they are. SPDX-License-Identifier: MIT */
#include "turnover.h"

#include "clock.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

enum {
    TURNOVER_MAGIC = 0x704e404e,
    FAILED_STARTS_MAX = 2 /* one may be an accident */
};

/* After a recycling that failed: the reason will not go away by itself. */
#define RECYCLE_AGAIN_AFTER (30 * SECOND)

enum phase { PHASE_NONE, PHASE_STARTING, PHASE_FINISHING, PHASE_AWAY };

struct job {
    struct member *member;
    enum turnover_cause cause;
    struct job *prev, *next;
};

struct turnover {
    unsigned magic;
    struct members *members;
    struct broker_view *view;
    struct job *queue;
    /* what is being done */
    enum phase phase;
    enum turnover_cause cause;
    struct member *old;
    struct member *successor;       /* STARTING, FINISHING */
    pid_t old_pid;                  /* AWAY: until there is another */
    char title[MEMBER_TITLE_BYTES]; /* of the old one, as it was */
    int64_t since;
    /* what is told of the operator's */
    struct progress *progress;
    uint64_t id; /* of what is under way, or was last */
    char failure[512];
    uint64_t counts[ROLE_COUNT][TURNOVER_CAUSE_COUNT];
};

const char *turnover_cause_name(enum turnover_cause cause)
{
    static const char *const names[] = {
#define X(name, text) [TURNOVER_##name] = text,
        TURNOVER_CAUSES(X)
#undef X
    };
    ENSURE(cause < TURNOVER_CAUSE_COUNT);
    return names[cause];
}

/* ---- telling ---- */

static void say(struct turnover *turnover, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct turnover *turnover, const char *format, ...)
{
    char line[1600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    log_info("%s: %s", turnover_cause_name(turnover->cause), line);
    if (turnover->cause == TURNOVER_RESTART)
        progress_say(turnover->progress, turnover->id, "%s", line);
}

static double seconds_since(int64_t since)
{
    return (double)(clock_now() - since) / (double)SECOND;
}

static bool operator_waits(const struct turnover *turnover)
{
    const struct job *job;
    if (turnover->phase != PHASE_NONE && turnover->cause == TURNOVER_RESTART)
        return true;
    DL_FOREACH(turnover->queue, job)
    {
        if (job->cause == TURNOVER_RESTART)
            return true;
    }
    return false;
}

/* Says that all that the operator asked for is done, once it is. */
static void tell_end(const struct turnover *turnover)
{
    if (!operator_waits(turnover))
        progress_end(turnover->progress, turnover->id,
                     turnover->failure[0] == '\0' ? NULL : turnover->failure);
}

uint64_t turnover_count(const struct turnover *turnover, enum role role, enum turnover_cause cause)
{
    CHECK_OBJECT(turnover, TURNOVER_MAGIC);
    return turnover->counts[role][cause];
}

/* ---- the queue ---- */

size_t turnover_pending(const struct turnover *turnover)
{
    CHECK_OBJECT(turnover, TURNOVER_MAGIC);
    size_t count;
    const struct job *job;
    DL_COUNT(turnover->queue, job, count);
    return count + (turnover->phase != PHASE_NONE);
}

static void drop(struct turnover *turnover, struct job *job)
{
    DL_DELETE(turnover->queue, job);
    free(job);
}

/* Forgets those that the function says; NULL: all. */
static void drop_those(struct turnover *turnover, bool (*which)(const struct job *job))
{
    struct job *job, *next;
    DL_FOREACH_SAFE(turnover->queue, job, next)
    {
        if (which == NULL || which(job))
            drop(turnover, job);
    }
}

static bool is_going_anyway(const struct job *job)
{
    return job->member->retiring;
}

static bool is_operators(const struct job *job)
{
    return job->cause == TURNOVER_RESTART;
}

void turnover_add(struct turnover *turnover, struct member *member, enum turnover_cause cause)
{
    CHECK_OBJECT(turnover, TURNOVER_MAGIC);
    struct job *job;
    if (member->retiring || member->leaving || (turnover->phase != PHASE_NONE && member == turnover->old))
        return;
    DL_FOREACH(turnover->queue, job)
    {
        if (job->member == member) {
            if (cause == TURNOVER_RESTART)
                job->cause = cause; /* somebody waits for it now */
            return;
        }
    }
    job = object_alloc(sizeof(*job));
    *job = (struct job){.member = member, .cause = cause};
    DL_APPEND(turnover->queue, job);
    turnover->members->changed = true;
}

/* ---- what the operator asks for ---- */

/* True when it means members of this role. */
static bool means(const char *what, enum role role)
{
    static const char *const words[ROLE_COUNT] = {[ROLE_COLLECTOR] = "collector",
                                                  [ROLE_BROKER] = "broker",
                                                  [ROLE_WORKER] = "workers",
                                                  [ROLE_FRONTEND] = "frontends"};
    return strcmp(what, "all") == 0 || strcmp(what, words[role]) == 0;
}

static bool is_meant(const struct member *member, const char *what, const char *model)
{
    return !member->retiring && !member->leaving && means(what, member->command->role) &&
           (model == NULL || strcmp(member->command->model, model) == 0);
}

/* True when each of those that are meant runs; else the reason. */
static bool may_restart(const struct turnover *turnover, const char *what, const char *model, char *reason,
                        size_t capacity)
{
    size_t count = 0;
    const struct member *member;
    DL_FOREACH(turnover->members->first, member)
    {
        enum service_state state = service_state(member->service);
        if (!is_meant(member, what, model))
            continue;
        count++;
        if (state == SERVICE_RUNNING)
            continue;
        const char *cause = service_cause(member->service);
        snprintf(reason, capacity, "%s is %s%s%s", member->command->name, service_state_name(state),
                 *cause == '\0' ? "" : ": ", cause);
        return false;
    }
    if (count == 0 && model != NULL)
        snprintf(reason, capacity, "there is no worker of a model %s", model);
    else if (count == 0)
        snprintf(reason, capacity, "there are no %s", what);
    return count > 0;
}

uint64_t turnover_restart(struct turnover *turnover, const struct plan *plan, const char *what,
                          const char *model, char *reason, size_t capacity)
{
    CHECK_OBJECT(turnover, TURNOVER_MAGIC);
    struct member *member;
    bool known = false;
    for (enum role role = 0; role < ROLE_COUNT; role++)
        known = known || means(what, role);
    if (!known)
        snprintf(reason, capacity, "what can be restarted: workers, frontends, broker, collector, all");
    else if (model != NULL && strcmp(what, "workers") != 0)
        snprintf(reason, capacity, "only workers are of a model");
    else if (model != NULL && plan_find(plan, model) == NULL)
        snprintf(reason, capacity, "there is no model %s", model);
    else if (operator_waits(turnover))
        snprintf(reason, capacity, "another restart is under way");
    else if (may_restart(turnover, what, model, reason, capacity)) {
        turnover->failure[0] = '\0';
        DL_FOREACH(turnover->members->first, member)
        {
            if (is_meant(member, what, model))
                turnover_add(turnover, member, TURNOVER_RESTART);
        }
        return turnover->id = progress_begin(turnover->progress);
    }
    return 0;
}

/* ---- one after the other ---- */

static void finish(struct turnover *turnover)
{
    const struct command *command = turnover->old->command;
    const char *cause = turnover_cause_name(turnover->cause);
    turnover->counts[command->role][turnover->cause]++;
    series_add(metrics_series(turnover->members->setup->metrics, METRIC_PROCESS_SUCCESSIONS,
                              role_name(command->role), command->model, cause),
               1);
    turnover->phase = PHASE_NONE;
}

static void give_up(struct turnover *turnover, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void give_up(struct turnover *turnover, const char *format, ...)
{
    char why[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    log_error("%s: %s: %s", turnover_cause_name(turnover->cause), turnover->title, why);
    if (turnover->cause == TURNOVER_RESTART) {
        snprintf(turnover->failure, sizeof(turnover->failure), "%s", why);
        drop_those(turnover, is_operators);
    } else if (turnover->old != NULL) {
        turnover->old->no_recycling_before = clock_now() + RECYCLE_AGAIN_AFTER;
    }
    turnover->phase = PHASE_NONE;
}

static bool has_failed(const struct member *member)
{
    return service_state(member->service) == SERVICE_FAILED ||
           service_failures(member->service) >= FAILED_STARTS_MAX;
}

/* Who is just being started again is replaced by that already; but an adopted one is started as it was. */
static bool needs_another(const struct job *job)
{
    enum role role = job->member->command->role;
    return service_state(job->member->service) == SERVICE_RUNNING ||
           (job->cause == TURNOVER_OUTDATED && role != ROLE_BROKER && role != ROLE_COLLECTOR);
}

/* Starts with the first. */
static void begin(struct turnover *turnover, const struct plan *plan)
{
    struct job *job = turnover->queue;
    struct member *old = turnover->old = job->member;
    enum role role = old->command->role;
    const struct plan_version *version = role == ROLE_WORKER ? plan_of_command(plan, old->command) : NULL;
    char successor[MEMBER_TITLE_BYTES];
    turnover->cause = job->cause;
    turnover->since = clock_now();
    bool needed = needs_another(job);
    drop(turnover, job);
    if (!needed || (role == ROLE_WORKER && version == NULL)) {
        say(turnover, "%s: is being replaced already", old->command->name);
        return;
    }
    member_title(old, turnover->title);
    turnover->old_pid = service_pid(old->service);
    if (role == ROLE_BROKER || role == ROLE_COLLECTOR) {
        turnover->phase = PHASE_AWAY;
        say(turnover, "%s: finishes what it has; a new one follows at once", turnover->title);
        service_event(old->service, SERVICE_ON_RESTART);
        return;
    }
    turnover->phase = PHASE_STARTING;
    turnover->successor =
        members_succeed(turnover->members, old, version, turnover_cause_name(turnover->cause));
    say(turnover, "%s: %s is started beside it", turnover->title,
        member_title(turnover->successor, successor));
}

/* True when there is more to do now. */
static bool while_starting(struct turnover *turnover, bool *ask_again)
{
    struct member *old = turnover->old, *successor = turnover->successor;
    char title[MEMBER_TITLE_BYTES];
    if (old->retiring) { /* the plan has changed: what counts now is the successor, or neither */
        say(turnover, "%s: is not wanted any more", turnover->title);
        turnover->phase = PHASE_NONE;
        return true;
    }
    if (successor->retiring) {
        old->leaving = false;
        give_up(turnover, "fewer are wanted now");
        return true;
    }
    if (has_failed(successor)) {
        old->leaving = false;
        member_retire(successor);
        give_up(turnover, "%s does not get ready, %s stays: %s", successor->command->name, old->command->name,
                service_cause(successor->service));
        return true;
    }
    if (service_state(successor->service) != SERVICE_RUNNING)
        return false;
    if (successor->command->role == ROLE_WORKER &&
        !broker_view_knows(turnover->view, service_pid(successor->service))) {
        *ask_again = true; /* it says ready to us a moment before it does to the broker */
        return false;
    }
    say(turnover, "%s: ready after %.1f s; %s finishes what it has", member_title(successor, title),
        seconds_since(turnover->since), old->command->name);
    turnover->since = clock_now();
    turnover->phase = PHASE_FINISHING;
    member_drain(old);
    return true;
}

static bool while_finishing(struct turnover *turnover)
{
    if (service_state(turnover->old->service) != SERVICE_STOPPED)
        return false;
    say(turnover, "%s: gone after %.1f s", turnover->title, seconds_since(turnover->since));
    finish(turnover);
    return true;
}

/* The new broker has a worker of each model that has one. */
static bool workers_are_known(const struct turnover *turnover)
{
    const struct member *member;
    DL_FOREACH(turnover->members->first, member)
    {
        if (member->command->role == ROLE_WORKER && !member->retiring &&
            service_state(member->service) == SERVICE_RUNNING &&
            !broker_view_knows(turnover->view, service_pid(member->service)))
            return false;
    }
    return true;
}

static bool while_away(struct turnover *turnover, bool *ask_again)
{
    struct member *old = turnover->old;
    pid_t pid = service_pid(old->service);
    if (has_failed(old)) {
        give_up(turnover, "%s does not get ready: %s", old->command->name, service_cause(old->service));
        return true;
    }
    if (pid == turnover->old_pid || service_state(old->service) != SERVICE_RUNNING)
        return false;
    if (old->command->role == ROLE_BROKER && !workers_are_known(turnover)) {
        *ask_again = true;
        return false;
    }
    snprintf(old->origin, sizeof(old->origin), "after %ld: %s", (long)turnover->old_pid,
             turnover_cause_name(turnover->cause));
    say(turnover, "%s (%ld): ready after %.1f s", old->command->name, (long)pid,
        seconds_since(turnover->since));
    finish(turnover);
    return true;
}

bool turnover_advance(struct turnover *turnover, const struct plan *plan)
{
    CHECK_OBJECT(turnover, TURNOVER_MAGIC);
    bool more = true, ask_again = false;
    drop_those(turnover, is_going_anyway);
    while (more) {
        switch (turnover->phase) {
        case PHASE_NONE:
            more = turnover->queue != NULL;
            if (more)
                begin(turnover, plan);
            break;
        case PHASE_STARTING:
            more = while_starting(turnover, &ask_again);
            break;
        case PHASE_FINISHING:
            more = while_finishing(turnover);
            break;
        case PHASE_AWAY:
            more = while_away(turnover, &ask_again);
            break;
        }
    }
    tell_end(turnover);
    return ask_again;
}

void turnover_cancel(struct turnover *turnover, const char *why)
{
    CHECK_OBJECT(turnover, TURNOVER_MAGIC);
    if (operator_waits(turnover))
        snprintf(turnover->failure, sizeof(turnover->failure), "%s", why);
    drop_those(turnover, NULL);
    turnover->phase = PHASE_NONE;
    tell_end(turnover);
}

/* ---- life ---- */

struct turnover *turnover_new(struct members *members, struct broker_view *view, struct progress *progress)
{
    struct turnover *turnover = object_alloc(sizeof(*turnover));
    turnover->magic = TURNOVER_MAGIC;
    turnover->members = members;
    turnover->view = view;
    turnover->progress = progress;
    return turnover;
}

void turnover_free(struct turnover *turnover)
{
    if (turnover == NULL)
        return;
    CHECK_OBJECT(turnover, TURNOVER_MAGIC);
    drop_those(turnover, NULL);
    turnover->magic = 0;
    free(turnover);
}
