/* missing: see missing.h. The fleet calls it once a second.
 *
 * A worker that hangs is found by the broker, which then says so. The broker that says nothing is the new
 * one: a worker that was stopped, or computes without end, when the broker before it died never registers
 * again, and keeps its place among those that run. So it is looked for from here, too. What is counted is not
 * the time on the clock, but that between two looks at which a broker that runs and answers did not know the
 * worker: a broker that is away or slow, or a supervisor that was stopped itself, costs nobody anything.
 *
 * A worker that the broker refused gets DRAIN and ends by itself. The broker knows each by the number of the
 * process that we started, as we have announced it. Who was never known is missed only when the broker has
 * fewer workers of the version than run. SPDX-License-Identifier: MIT */
#include "missing.h"

#include "log.h"

#include <inttypes.h>
#include <utlist.h>

enum {
    BATCHES_MAX = 2,       /* PROTOCOL.md: `slots` of READY */
    BEATS_TO_REGISTER = 3, /* as many as the broker itself gives a worker to be heard */
};

/* A worker that has two batches in hand when its broker dies computes both, each in the time that a batch may
 * take, before it reads that there is a new one. */
int64_t missing_bound_ms(const struct plan_model *model, const struct config *config)
{
    return BATCHES_MAX * model->compute_timeout_ms + BEATS_TO_REGISTER * config->worker_heartbeat_ms;
}

static bool runs(const struct member *member)
{
    return !member->retiring && service_state(member->service) == SERVICE_RUNNING;
}

static struct member *running_broker(const struct members *members)
{
    struct member *member;
    DL_FOREACH(members->first, member)
    {
        if (member->command->role == ROLE_BROKER && runs(member))
            return member;
    }
    return NULL;
}

/* Workers registered with the broker before may be about to do so with the next. */
static void begin_anew(struct members *members, pid_t broker)
{
    struct member *member;
    DL_FOREACH(members->first, member)
    {
        member->missing = false;
    }
    members->missing_from = broker;
}

static int64_t running_workers(const struct members *members, const struct command *command)
{
    int64_t count = 0;
    const struct member *member;
    DL_FOREACH(members->first, member)
    {
        count += member->command->role == ROLE_WORKER && runs(member) &&
                 strcmp(member->command->model, command->model) == 0 &&
                 strcmp(member->command->version, command->version) == 0;
    }
    return count;
}

static bool is_missing(struct member *member, struct broker_view *view)
{
    const struct command *command = member->command;
    if (broker_view_knows(view, service_pid(member->service))) {
        member->was_known = true;
        return false;
    }
    return member->was_known || broker_view_workers(view, command->model, command->version) <
                                    running_workers(member->members, command);
}

static void look_for(struct member *member, const struct plan_model *model, struct broker_view *view,
                     int64_t elapsed_ms)
{
    char title[MEMBER_TITLE_BYTES];
    bool before = member->missing;
    member->missing = is_missing(member, view);
    member->missing_ms = before && member->missing ? member->missing_ms + elapsed_ms : 0;
    if (member->missing_ms <= missing_bound_ms(model, member->members->setup->basis.config))
        return;
    log_warning("%s: the broker has not known it for %" PRId64 " ms", member_title(member, title),
                member->missing_ms);
    service_event(member->service, SERVICE_ON_HUNG);
}

void missing_look(struct members *members, const struct plan *plan, struct broker_view *view,
                  int64_t elapsed_ms)
{
    const struct member *broker = running_broker(members);
    if (broker == NULL || !broker_view_answers(view))
        return;
    if (service_pid(broker->service) != members->missing_from)
        begin_anew(members, service_pid(broker->service));
    struct member *member;
    DL_FOREACH(members->first, member)
    {
        const struct plan_model *model =
            member->command->role == ROLE_WORKER ? plan_find(plan, member->command->model) : NULL;
        if (model != NULL && runs(member) && !member->leaving)
            look_for(member, model, view, elapsed_ms);
    }
}
