/* fleet_telling: what the broker is told by the fleet: where the repository and routes have changed, and why
 * there are no workers of a version, so that who asks for it is answered instead of being left to wait.
 * SPDX-License-Identifier: MIT */
#include "fleet.h"

#include "fleet_state.h"

#include "control.h"
#include "protocol.h"
#include "runtime.h"

#include <utlist.h>

enum { TELL_BROKER_MS = 1000 /* how long the broker may take to say that routes have moved */ };

/* A model that was unloaded has no workers to wait for: its requests are to be told so at once. */
static void tell_stopped(const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->plan->model_count; i++) {
        const struct plan_model *model = &fleet->plan->models[i];
        if (model->stopped && model->serving != NULL)
            members_tell_fault(&fleet->members, model->name, model->serving, true, CATALOG_UNLOADED);
    }
}

void fleet_tell_refusals(struct fleet *fleet)
{
    const char *reason;
    fleet->tell_refusals = false;
    for (size_t i = 0; i < fleet->plan->model_count; i++)
        for (size_t j = 0; j < fleet->plan->models[i].version_count; j++) {
            const struct plan_version *version = &fleet->plan->models[i].versions[j];
            if (vetting_of(fleet->vetting, version, &reason) == VETTING_REFUSED)
                members_tell_fault(
                    &fleet->members, version->model->name, version->version,
                    members_running(&fleet->members, version->model->name, version->version) == 0, reason);
        }
}

void fleet_tell_broker(struct fleet *fleet)
{
    static const char *const lines[] = {
        [NEWS_ROUTES] = "{\"command\":\"routes\"}", [NEWS_REPOSITORY] = "{\"command\":\"reload\"}"};
    char path[RUNTIME_PATH_BYTES];
    if (fleet->news == NEWS_NONE)
        return;
    yyjson_doc_free(control_call(runtime_path(fleet->setup.basis.config, "broker.sock", path),
                                 lines[fleet->news], TELL_BROKER_MS));
    if (fleet->news == NEWS_REPOSITORY) { /* it has forgotten why workers do not start */
        members_tell_failures(&fleet->members);
        fleet_tell_refusals(fleet);
    }
    tell_stopped(fleet);
    served_look(fleet->served, fleet->view);
    broker_view_forget(fleet->view);
    fleet->news = NEWS_NONE;
    deploy_told(fleet->deploy);
}

bool fleet_greet_broker(struct fleet *fleet)
{
    const struct member *member;
    DL_FOREACH(fleet->members.first, member)
    {
        if (member->command->role != ROLE_BROKER || service_state(member->service) != SERVICE_RUNNING ||
            service_pid(member->service) == fleet->told_broker)
            continue;
        fleet->told_broker = service_pid(member->service);
        tell_stopped(fleet);
        fleet_tell_refusals(fleet);
        return true;
    }
    return false;
}
