/* petition: see petition.h. Each wish has its own check, which also writes what it says into the deployment
 * that is to be. SPDX-License-Identifier: MIT */
#include "petition.h"

#include "parameter.h"

#include <stdarg.h>
#include <stdio.h>

static bool is_text(const char *text, const char *other)
{
    return text != NULL && other != NULL && strcmp(text, other) == 0;
}

static bool refuse(const struct petition *petition, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool refuse(const struct petition *petition, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(petition->reason, petition->capacity, format, arguments);
    va_end(arguments);
    return false;
}

static bool has_version(const struct petition *petition, const char *version)
{
    const struct plan_model *model = petition->model;
    const struct plan_found *found = plan_found(model, version);
    char list[512] = "";
    if (found != NULL && found->file != NULL)
        return true;
    if (found != NULL)
        return refuse(petition, "version %s of the model %s holds no model file", version, model->name);
    for (size_t i = 0; i < model->found_count && strlen(list) + 140 < sizeof(list); i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i == 0 ? "" : ", ",
                 model->found[i].version);
    return refuse(petition, "the model %s has no version %s%s%s", model->name, version,
                  *list == '\0' ? "" : "; it has ", list);
}

static const struct route *present_route(const struct petition *petition)
{
    return deployment_route(petition->config, petition->said);
}

static bool may_load(const struct petition *petition, struct deployment *said)
{
    const char *version = petition->wish->version;
    if (version != NULL && !has_version(petition, version))
        return false;
    if (version == NULL && petition->model->wanted == NULL)
        return refuse(petition, "the model %s has no version", petition->model->name);
    said->stopped = false;
    if (version != NULL) {
        deployment_list(&said->loaded, version);
        deployment_unlist(&said->unloaded, version);
    }
    return true;
}

static bool may_unload(const struct petition *petition, struct deployment *said)
{
    const char *version = petition->wish->version, *name = petition->model->name;
    const struct plan_model *model = petition->model;
    if (version == NULL) {
        said->stopped = true;
        return true;
    }
    if (plan_found(model, version) == NULL)
        return has_version(petition, version);
    if (is_text(model->serving, version) || is_text(model->wanted, version))
        return refuse(petition,
                      "version %s takes the traffic of %s; promote another first, or unload %s as a "
                      "whole",
                      version, name, name);
    if (route_names(present_route(petition), version))
        return refuse(petition,
                      "the route of %s names version %s; change the route first (outrigger route %s)", name,
                      version, name);
    deployment_unlist(&said->loaded, version);
    if (is_text(said->previous, version) || model_policy_serves(petition->config, version))
        deployment_list(&said->unloaded, version);
    return true;
}

static bool may_reload(const struct petition *petition, struct deployment *said)
{
    (void)said;
    const char *version = petition->wish->version;
    if (version != NULL && !has_version(petition, version))
        return false;
    if (petition->model->version_count == 0)
        return refuse(petition, "no version of the model %s runs", petition->model->name);
    if (version != NULL && plan_version(petition->model, version) == NULL)
        return refuse(petition, "version %s of the model %s does not run; outrigger models load %s %s",
                      version, petition->model->name, petition->model->name, version);
    return true;
}

static bool is_latest(const struct petition *petition)
{
    return strcmp(petition->wish->version, "latest") == 0 && plan_found(petition->model, "latest") == NULL;
}

static bool may_promote(const struct petition *petition, struct deployment *said)
{
    const char *version = petition->wish->version;
    if (version == NULL)
        return refuse(petition, "promote needs a version, or latest");
    if (is_latest(petition)) {
        deployment_say(&said->stable, NULL);
    } else {
        if (!has_version(petition, version))
            return false;
        deployment_say(&said->stable, version);
        deployment_unlist(&said->unloaded, version);
    }
    said->stopped = false;
    return true;
}

static bool may_roll_back(const struct petition *petition, struct deployment *said)
{
    const struct plan_model *model = petition->model;
    if (model->stopped)
        return refuse(petition, "the model %s is unloaded; outrigger models load %s", model->name,
                      model->name);
    if (!is_text(model->serving, model->wanted) && model->serving != NULL &&
        plan_found(model, model->serving) != NULL) {
        deployment_say(&said->stable, model->serving); /* what has not happened yet shall not */
        return true;
    }
    if (said->previous == NULL)
        return refuse(petition, "no other version has taken the traffic of %s before", model->name);
    if (!has_version(petition, said->previous))
        return false;
    deployment_say(&said->stable, said->previous);
    deployment_unlist(&said->unloaded, said->previous);
    return true;
}

void petition_route_versions(const struct route *route, struct config_names *list)
{
    for (size_t i = 0; i < route->arm_count; i++)
        deployment_list(list, route->arms[i].version);
    for (size_t i = 0; i < route->rule_count; i++)
        deployment_list(list, route->rules[i].version);
    if (route->shadow.version != NULL)
        deployment_list(list, route->shadow.version);
}

static bool may_route(const struct petition *petition, struct deployment *said)
{
    struct config_names names = {0};
    bool good = true;
    if (petition->model->stopped)
        return refuse(petition, "the model %s is unloaded; outrigger models load %s", petition->model->name,
                      petition->model->name);
    if (petition->wish->route != NULL)
        petition_route_versions(petition->wish->route, &names);
    for (size_t i = 0; good && i < names.count; i++) {
        good = petition->wish->at_once || has_version(petition, names.names[i]);
        if (good)
            deployment_ask(said, petition->wish->route, names.names[i]);
    }
    config_names_free(&names);
    return good;
}

/* What is said of numbers stands for itself: a fixed one, or bounds. */
static void say_counts(const struct wish *wish, struct deployment *said)
{
    bool nothing = wish->instances == DEPLOYMENT_UNSAID && wish->min == DEPLOYMENT_UNSAID &&
                   wish->max == DEPLOYMENT_UNSAID;
    said->instances = wish->instances;
    if (nothing || wish->instances > 0)
        said->instances_min = said->instances_max = DEPLOYMENT_UNSAID;
    if (wish->min != DEPLOYMENT_UNSAID)
        said->instances_min = wish->min;
    if (wish->max != DEPLOYMENT_UNSAID)
        said->instances_max = wish->max;
}

static bool may_scale(const struct petition *petition, struct deployment *said)
{
    const struct wish *wish = petition->wish;
    const char *name = petition->model->name;
    if (petition->model->stopped)
        return refuse(petition, "the model %s is unloaded; outrigger models load %s", name, name);
    if (wish->instances > SCALE_WORKERS_MAX || wish->min > SCALE_WORKERS_MAX || wish->max > SCALE_WORKERS_MAX)
        return refuse(petition, "a version has at most %d workers", SCALE_WORKERS_MAX);
    if (wish->max == 0)
        return refuse(petition, "the most must be 1 at least; outrigger models unload %s ends the model",
                      name);
    say_counts(wish, said);
    if (said->instances_min != DEPLOYMENT_UNSAID && said->instances_max != DEPLOYMENT_UNSAID &&
        said->instances_min > said->instances_max)
        return refuse(petition, "%lld at least and %lld at most contradict each other; say both",
                      (long long)said->instances_min, (long long)said->instances_max);
    struct deployment_bounds bounds = deployment_bounds(petition->config, said);
    if (wish->instances == 0 && !deployment_may_rest(&bounds))
        return refuse(
            petition,
            "the model %s may not be without workers; say outrigger scale %s --min 0 --max %lld, or "
            "scaling.min = 0 and scaling.max in its model.conf, first",
            name, name, (long long)(bounds.max > 0 ? bounds.max : 1));
    return true;
}

bool petition_granted(const struct petition *petition, struct deployment *said)
{
    static bool (*const checks[])(const struct petition *, struct deployment *) = {
        [WISH_LOAD] = may_load,       [WISH_UNLOAD] = may_unload,      [WISH_RELOAD] = may_reload,
        [WISH_PROMOTE] = may_promote, [WISH_ROLLBACK] = may_roll_back, [WISH_ROUTE] = may_route,
        [WISH_SCALE] = may_scale,
    };
    _Static_assert(COUNT_OF(checks) == WISH_KIND_COUNT, "each wish is checked");
    return checks[petition->wish->kind](petition, said);
}
