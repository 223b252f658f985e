/* readiness: see readiness.h. Of workers whose process is not the one that we started (an interpreter that
 * starts another) the broker knows another number: they are known when the broker has as many workers of the
 * version as run. SPDX-License-Identifier: MIT */
#include "readiness.h"

#include "vetting.h"

#include <utlist.h>

enum { FAILED_STARTS_MAX = 2 };

int64_t readiness_serving(const struct members *members, struct broker_view *view,
                          const struct plan_version *version, bool *ask_again)
{
    int64_t count = 0, unknown = 0;
    const struct member *member;
    DL_FOREACH(members->first, member)
    {
        if (!member_fits(member, ROLE_WORKER, version) || !member_serves(member))
            continue;
        if (broker_view_knows(view, service_pid(member->service)))
            count++;
        else
            unknown++;
    }
    if (unknown > 0 && broker_view_workers(view, version->model->name, version->version) >=
                           members_running(members, version->model->name, version->version))
        return count + unknown;
    *ask_again = *ask_again || unknown > 0;
    return count;
}

bool readiness_settled(const struct members *members, struct broker_view *view,
                       const struct plan_version *version, bool *ask_again)
{
    if (version->instances == 0)
        return true;
    return members_count(members, ROLE_WORKER, version, true) >= version->instances &&
           readiness_serving(members, view, version, ask_again) >= version->instances;
}

const char *readiness_failure(const struct members *members, const struct plan_version *version)
{
    const struct member *member;
    const char *refused = vetting_failure(members->vetting, version);
    if (refused != NULL)
        return refused;
    DL_FOREACH(members->first, member)
    {
        if (member_fits(member, ROLE_WORKER, version) &&
            (service_state(member->service) == SERVICE_FAILED ||
             service_failures(member->service) >= FAILED_STARTS_MAX))
            return service_cause(member->service);
    }
    return NULL;
}

/* Workers of the version that have a process, also those on their way out. */
static int64_t processes(const struct members *members, const struct plan_version *version)
{
    int64_t count = 0;
    const struct member *member;
    DL_FOREACH(members->first, member)
    {
        const struct command *command = member->command;
        count += command->role == ROLE_WORKER && service_pid(member->service) != 0 &&
                 strcmp(command->model, version->model->name) == 0 &&
                 strcmp(command->version, version->version) == 0;
    }
    return count;
}

bool readiness_counts(const struct members *members, struct broker_view *view, const struct plan_model *model,
                      const char **failure, bool *ask_again)
{
    bool reached = true;
    *failure = NULL;
    for (size_t i = 0; i < model->version_count && *failure == NULL; i++) {
        const struct plan_version *version = &model->versions[i];
        if (!version->takes_traffic)
            continue;
        *failure = readiness_failure(members, version);
        reached = reached && *failure == NULL && readiness_settled(members, view, version, ask_again) &&
                  processes(members, version) <= version->instances;
    }
    return reached;
}
