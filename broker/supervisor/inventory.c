/* inventory: what the repository has, what of it runs and why, and who gets the requests, put together from
 * the plan, the processes and what the operator said. SPDX-License-Identifier: MIT */
#include "inventory.h"

#include "members.h"
#include "vetting.h"

#include <stdlib.h>
#include <utlist.h>

/* The workers of one version, as they are. */
struct crew {
    int64_t all;
    int64_t running;
    int64_t leaving; /* on their way out */
    const char *failure;
    bool validating;    /* what there is waits for that */
    const char *vetted; /* what is said of it; "" */
};

static struct crew count_crew(const struct members *members, const char *model, const char *version)
{
    struct crew crew = {0};
    const struct member *member;
    DL_FOREACH(members->first, member)
    {
        if (member->command->role != ROLE_WORKER || strcmp(member->command->model, model) != 0 ||
            (version != NULL && strcmp(member->command->version, version) != 0))
            continue;
        crew.all++;
        crew.running += member_serves(member);
        crew.leaving += member->retiring;
        if (!member->retiring &&
            (service_failures(member->service) > 0 || service_state(member->service) == SERVICE_FAILED))
            crew.failure = service_cause(member->service);
    }
    return crew;
}

/* What its gate says of a version that shall run. */
static void ask_gate(const struct members *members, const struct plan_version *planned, struct crew *crew)
{
    crew->vetted = "";
    enum vetting_state state =
        planned == NULL ? VETTING_PASSED : vetting_of(members->vetting, planned, &crew->vetted);
    crew->validating = state == VETTING_UNDER_WAY;
    if (state == VETTING_REFUSED)
        crew->failure = crew->vetted;
}

/* `planned` is NULL for a version that shall not run. */
static const char *state_of(const struct crew *crew, const struct plan_version *planned)
{
    if (crew->running > 0)
        return "ready";
    if (crew->failure != NULL)
        return "failed";
    if (crew->validating)
        return "validating";
    if (crew->all == 0)
        return planned != NULL && planned->max > 0 && planned->instances == 0 ? "resting" : "unloaded";
    return crew->leaving == crew->all ? "draining" : "loading";
}

/* Of all requests that no rule leads elsewhere, in percent. */
static double share_of(const struct plan_model *model, const struct route *route, const char *version)
{
    bool stable = model->serving != NULL && strcmp(model->serving, version) == 0;
    uint32_t weight = route_weight(route, version);
    return model->stopped ? 0
                          : (double)(weight == 0 && stable ? route_rest(route) : weight) * 100 / ROUTE_WHOLE;
}

static const char *reason_of(const struct crew *crew, const struct plan_found *found)
{
    if (crew->failure != NULL)
        return crew->failure;
    if (crew->validating)
        return crew->vetted;
    if (found == NULL)
        return "its folder has gone";
    if (found->unsettled)
        return "it is still being written";
    return found->file == NULL ? "it holds no model file" : "";
}

struct entry {
    const struct fleet *fleet;
    const struct plan_model *model;
    const struct route *route;
    const struct members *members;
    yyjson_mut_doc *reply;
    yyjson_mut_val *versions;
};

/* What a pipeline asks, or does with it: {"step", "kind", "models": [{"model", "version"}]}. */
static void add_steps(yyjson_mut_doc *reply, yyjson_mut_val *object, const struct pipeline *pipeline)
{
    yyjson_mut_val *steps = yyjson_mut_obj_add_arr(reply, object, "steps");
    for (size_t i = 0; i < pipeline->step_count; i++) {
        const struct pipeline_step *step = &pipeline->steps[i];
        yyjson_mut_val *entry = yyjson_mut_arr_add_obj(reply, steps);
        yyjson_mut_obj_add_strcpy(reply, entry, "step", step->name);
        yyjson_mut_obj_add_str(reply, entry, "kind", pipeline_kind_name(step->kind));
        yyjson_mut_val *models = yyjson_mut_obj_add_arr(reply, entry, "models");
        for (size_t j = 0; j < step->part_count; j++) {
            yyjson_mut_val *part = yyjson_mut_arr_add_obj(reply, models);
            yyjson_mut_obj_add_strcpy(reply, part, "model", step->parts[j].model);
            if (*step->parts[j].version != '\0')
                yyjson_mut_obj_add_strcpy(reply, part, "version", step->parts[j].version);
        }
    }
}

static void add_version(const struct entry *entry, const char *version, const struct plan_found *found)
{
    yyjson_mut_doc *reply = entry->reply;
    const struct plan_model *model = entry->model;
    const struct plan_version *planned = plan_version(model, version);
    struct crew crew = count_crew(entry->members, model->name, version);
    ask_gate(entry->members, planned, &crew);
    yyjson_mut_val *object = yyjson_mut_arr_add_obj(reply, entry->versions);
    yyjson_mut_obj_add_strcpy(reply, object, "version", version);
    yyjson_mut_obj_add_str(reply, object, "state", state_of(&crew, planned));
    yyjson_mut_obj_add_str(reply, object, "why", planned == NULL ? "" : planned->why);
    yyjson_mut_obj_add_int(reply, object, "workers", crew.running);
    yyjson_mut_obj_add_int(reply, object, "wanted", planned == NULL ? 0 : planned->instances);
    yyjson_mut_obj_add_strcpy(reply, object, "reason", reason_of(&crew, found));
    yyjson_mut_obj_add_strcpy(reply, object, "file", found == NULL || found->file == NULL ? "" : found->file);
    if (found != NULL && found->pipeline != NULL)
        add_steps(reply, object, found->pipeline);
    const char *digest = fleet_digest(entry->fleet, model->name, version);
    if (*digest != '\0')
        yyjson_mut_obj_add_strcpy(reply, object, "digest", digest);
    yyjson_mut_obj_add_real(reply, object, "share", share_of(model, entry->route, version));
    bool shadow = entry->route->shadow.version != NULL && strcmp(entry->route->shadow.version, version) == 0;
    yyjson_mut_obj_add_bool(reply, object, "shadow", shadow);
}

/* Workers of versions that are not in the repository any more. */
static void add_departed(const struct entry *entry)
{
    const struct member *member, *other;
    DL_FOREACH(entry->members->first, member)
    {
        const struct command *command = member->command;
        if (command->role != ROLE_WORKER || strcmp(command->model, entry->model->name) != 0 ||
            plan_found(entry->model, command->version) != NULL)
            continue;
        for (other = entry->members->first; other != member; other = other->next)
            if (strcmp(other->command->model, command->model) == 0 &&
                strcmp(other->command->version, command->version) == 0)
                break;
        if (other == member) /* the first of its version */
            add_version(entry, command->version, NULL);
    }
}

static void add_text(yyjson_mut_doc *reply, yyjson_mut_val *object, const char *key, const char *text)
{
    yyjson_mut_obj_add_strcpy(reply, object, key, text == NULL ? "" : text);
}

static void add_instances(const struct plan_model *model, const struct deployment *said,
                          const struct crew *crew, yyjson_mut_doc *reply, yyjson_mut_val *object)
{
    yyjson_mut_val *instances = yyjson_mut_obj_add_obj(reply, object, "instances");
    const struct plan_version *stable = model->serving == NULL ? NULL : plan_version(model, model->serving);
    bool by_operator =
        said != NULL && (said->instances != DEPLOYMENT_UNSAID || said->instances_min != DEPLOYMENT_UNSAID ||
                         said->instances_max != DEPLOYMENT_UNSAID);
    int64_t wanted = stable != NULL ? stable->instances : model->instances;
    yyjson_mut_obj_add_int(reply, instances, "wanted", model->stopped ? 0 : wanted);
    yyjson_mut_obj_add_int(reply, instances, "min", model->bounds.min);
    yyjson_mut_obj_add_int(reply, instances, "max", model->bounds.max);
    yyjson_mut_obj_add_str(reply, instances, "from", by_operator ? "operator" : "model.conf");
    yyjson_mut_obj_add_int(reply, instances, "running", crew->running);
}

static const struct model_config *config_of(const struct fleet *fleet, const struct plan_model *model)
{
    return model_list_find(fleet_plan(fleet)->repository, text_of(model->name));
}

void inventory_add_route(const struct fleet *fleet, const struct plan_model *model, yyjson_mut_doc *reply,
                         yyjson_mut_val *object)
{
    route_to_json(deployment_route(config_of(fleet, model), fleet_said(fleet)), reply, object);
}

static void add_model(const struct fleet *fleet, const struct plan_model *model, yyjson_mut_doc *reply,
                      yyjson_mut_val *list)
{
    const struct model_config *config = config_of(fleet, model);
    const struct deployment *said = deployments_find(fleet_said(fleet), model->name);
    struct crew crew = count_crew(fleet_members(fleet), model->name, NULL);
    yyjson_mut_val *object = yyjson_mut_arr_add_obj(reply, list);
    add_text(reply, object, "model", model->name);
    add_text(reply, object, "stable", model->serving);
    add_text(reply, object, "wanted", model->wanted);
    add_text(reply, object, "previous", said == NULL ? NULL : said->previous);
    yyjson_mut_obj_add_bool(reply, object, "pinned", said != NULL && said->stable != NULL);
    yyjson_mut_obj_add_bool(reply, object, "stopped", model->stopped);
    add_text(reply, object, "policy", config->serve);
    inventory_add_route(fleet, model, reply, yyjson_mut_obj_add_obj(reply, object, "route"));
    add_instances(model, said, &crew, reply, object);
    const struct entry entry = {.fleet = fleet,
                                .model = model,
                                .route = deployment_route(config, fleet_said(fleet)),
                                .members = fleet_members(fleet),
                                .reply = reply,
                                .versions = yyjson_mut_obj_add_arr(reply, object, "versions")};
    for (size_t i = 0; i < model->found_count; i++)
        add_version(&entry, model->found[i].version, &model->found[i]);
    add_departed(&entry);
}

bool inventory_add(const struct fleet *fleet, const char *model, yyjson_mut_doc *reply, yyjson_mut_val *list)
{
    const struct plan *plan = fleet_plan(fleet);
    bool found = model == NULL;
    for (size_t i = 0; i < plan->model_count; i++) {
        if (model != NULL && strcmp(plan->models[i].name, model) != 0)
            continue;
        add_model(fleet, &plan->models[i], reply, list);
        found = true;
    }
    return found;
}
