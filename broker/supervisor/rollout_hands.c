/* rollout_hands: roll-outs act as the operator would: by wishes to the fleet, which keeps what is said in
 * deployments.json and tells the broker. Only that their routes hold at once: the candidate is known to be
 * ready, and a way back must not wait for anything. What was counted is asked of the broker and of the
 * collector, over their control sockets. SPDX-License-Identifier: MIT */
#include "rollout_hands.h"

#include "broker_view.h"
#include "deploy.h"
#include "readiness.h"
#include "runtime.h"
#include "shared_inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

enum { ANSWER_MS = 200 };

/* What was wished of one model last. */
struct errand {
    char *model;
    uint64_t load;        /* its number; 0: none */
    uint64_t route;       /* likewise */
    struct route *wanted; /* by that; NULL: model.conf's */
    struct errand *prev, *next;
};

struct hands {
    struct fleet *fleet;
    const struct config *config;
    struct broker_view *view;
    struct errand *errands;
};

static struct errand *errand_of(struct hands *hands, const char *model)
{
    struct errand *errand;
    DL_FOREACH(hands->errands, errand)
    {
        if (strcmp(errand->model, model) == 0)
            return errand;
    }
    errand = object_alloc(sizeof *errand);
    errand->model = object_strdup(model);
    DL_APPEND(hands->errands, errand);
    return errand;
}

static const struct plan_model *model_of(const struct hands *hands, const char *model)
{
    return plan_find(fleet_plan(hands->fleet), model);
}

static const struct model_config *config_of(const struct hands *hands, const char *model)
{
    return model_list_find(fleet_plan(hands->fleet)->repository, text_of(model));
}

static bool is_text(const char *text, const char *other)
{
    return text != NULL && other != NULL && strcmp(text, other) == 0;
}

/* ---- seeing ---- */

static const char *stable(void *self, const char *name)
{
    const struct plan_model *model = model_of(self, name);
    return model == NULL || model->stopped ? NULL : model->serving;
}

static struct route *route(void *self, const char *model)
{
    const struct hands *hands = self;
    const struct model_config *config = config_of(hands, model);
    return config == NULL ? NULL : route_copy(deployment_route(config, fleet_said(hands->fleet)));
}

/* A view; NULL: the operator said nothing. */
static const struct route *said_route(const struct hands *hands, const char *model)
{
    const struct deployment *said = deployments_find(fleet_said(hands->fleet), model);
    return said == NULL ? NULL : said->route;
}

static struct route *said(void *self, const char *model)
{
    const struct route *found = said_route(self, model);
    return found == NULL ? NULL : route_copy(found);
}

/* Why the version will not get ready; NULL: it may. */
static const char *failure_of(struct hands *hands, const char *name, const char *version)
{
    struct progress_view view;
    const struct plan_model *model = model_of(hands, name);
    const struct plan_version *planned = model == NULL ? NULL : plan_version(model, version);
    const char *failure = planned == NULL ? NULL : readiness_failure(fleet_members(hands->fleet), planned);
    if (failure != NULL)
        return failure;
    if (progress_look(fleet_progress(hands->fleet), errand_of(hands, name)->load, &view) && view.done &&
        view.failure != NULL)
        return view.failure;
    if (model == NULL)
        return "the model is not in the repository any more";
    return planned == NULL ? "it does not run any more" : NULL;
}

static enum rollout_version version(void *self, const char *name, const char *wanted, char *reason,
                                    size_t capacity)
{
    struct hands *hands = self;
    const char *failure = failure_of(hands, name, wanted);
    snprintf(reason, capacity, "%s", failure == NULL ? "" : failure);
    if (failure != NULL)
        return ROLLOUT_VERSION_FAILED;
    bool ask_again = false;
    const struct plan_version *planned = plan_version(model_of(hands, name), wanted);
    bool ready = readiness_settled(fleet_members(hands->fleet), hands->view, planned, &ask_again);
    broker_view_forget(hands->view);
    const struct route only = {.shadow = {.version = (char *)wanted}};
    if (ready &&
        !shared_inputs_fit(hands->view, name, &only, model_of(hands, name)->serving, reason, capacity))
        return ROLLOUT_VERSION_FAILED;
    return ready ? ROLLOUT_VERSION_READY : ROLLOUT_VERSION_LOADING;
}

static yyjson_doc *ask(const struct hands *hands, const char *socket, const char *line)
{
    char path[RUNTIME_PATH_BYTES];
    return control_call(runtime_path(hands->config, socket, path), line, ANSWER_MS);
}

static yyjson_doc *figures(void *self)
{
    return ask(self, "broker.sock", "{\"command\":\"figures\"}");
}

static bool agreement(void *self, const char *model, const char *version_, struct judged_share *share)
{
    yyjson_doc *answer = ask(self, "collector.sock", "{\"command\":\"shadow\"}");
    yyjson_val *entry;
    size_t index, count;
    bool found = false;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(answer), "models"), index, count, entry)
    {
        if (!yyjson_equals_str(yyjson_obj_get(entry, "model"), model) ||
            !yyjson_equals_str(yyjson_obj_get(entry, "shadow"), version_))
            continue;
        share->count = yyjson_get_uint(yyjson_obj_get(entry, "compared"));
        share->good = yyjson_get_uint(yyjson_obj_get(entry, "agreed"));
        found = true;
    }
    yyjson_doc_free(answer);
    return found;
}

static bool accuracy(void *self, const char *model, const char *version_, struct judged_share *share)
{
    yyjson_doc *answer = ask(self, "collector.sock", "{\"command\":\"accuracy\"}");
    yyjson_val *entry;
    size_t index, count;
    bool found = false;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(answer), "models"), index, count, entry)
    {
        if (!yyjson_equals_str(yyjson_obj_get(entry, "model"), model) ||
            !yyjson_equals_str(yyjson_obj_get(entry, "version"), version_) ||
            yyjson_obj_get(entry, "right") == NULL) /* a regression's answers are not right or wrong */
            continue;
        share->count = yyjson_get_uint(yyjson_obj_get(entry, "known"));
        share->good = yyjson_get_uint(yyjson_obj_get(entry, "right"));
        found = true;
    }
    yyjson_doc_free(answer);
    return found;
}

/* ---- doing ---- */

static bool wish(const struct hands *hands, const struct wish *wanted, uint64_t *id, char *reason,
                 size_t capacity)
{
    *id = fleet_wish(hands->fleet, wanted, reason, capacity);
    return *id != 0;
}

static bool load(void *self, const char *model, const char *wanted, char *reason, size_t capacity)
{
    return wish(self, &(struct wish){.kind = WISH_LOAD, .model = model, .version = wanted},
                &errand_of(self, model)->load, reason, capacity);
}

static bool pin(void *self, const char *name, const char *wanted, char *reason, size_t capacity)
{
    const struct hands *hands = self;
    const struct deployment *said_of = deployments_find(fleet_said(hands->fleet), name);
    const struct model_config *config = config_of(hands, name);
    const char *pinned = said_of != NULL && said_of->stable != NULL   ? said_of->stable
                         : config != NULL && *config->version != '\0' ? config->version
                                                                      : NULL;
    uint64_t id;
    if (is_text(pinned, wanted))
        return true;
    if (pinned != NULL) {
        snprintf(reason, capacity, "version %s is about to take the traffic of %s", pinned, name);
        return false;
    }
    return wish(hands, &(struct wish){.kind = WISH_PROMOTE, .model = name, .version = wanted}, &id, reason,
                capacity);
}

static bool promote(void *self, const char *model, const char *wanted, char *reason, size_t capacity)
{
    uint64_t id;
    return wish(self, &(struct wish){.kind = WISH_PROMOTE, .model = model, .version = wanted}, &id, reason,
                capacity);
}

static bool same_route(const struct route *left, const struct route *right)
{
    return left == NULL || right == NULL ? left == right : route_equals(left, right);
}

static enum rollout_act set_route(void *self, const char *model, const struct route *wanted, char *reason,
                                  size_t capacity)
{
    struct hands *hands = self;
    struct errand *errand = errand_of(hands, model);
    struct progress_view view;
    if (same_route(said_route(hands, model), wanted))
        return ROLLOUT_ACT_DONE;
    bool known = errand->route != 0 && same_route(errand->wanted, wanted) &&
                 progress_look(fleet_progress(hands->fleet), errand->route, &view);
    if (known && !view.done)
        return ROLLOUT_ACT_UNDER_WAY;
    if (known && view.failure != NULL) {
        snprintf(reason, capacity, "%s", view.failure);
        errand->route = 0;
        return ROLLOUT_ACT_REFUSED;
    }
    route_free(errand->wanted);
    errand->wanted = wanted == NULL ? NULL : route_copy(wanted);
    const struct wish asked = {.kind = WISH_ROUTE, .model = model, .route = wanted, .at_once = true};
    return wish(hands, &asked, &errand->route, reason, capacity) ? ROLLOUT_ACT_UNDER_WAY
                                                                 : ROLLOUT_ACT_REFUSED;
}

/* ---- life ---- */

struct rollout_hands hands_of_rollouts(struct hands *hands)
{
    return (struct rollout_hands){.self = hands,
                                  .load = load,
                                  .version = version,
                                  .stable = stable,
                                  .route = route,
                                  .said = said,
                                  .set_route = set_route,
                                  .pin = pin,
                                  .promote = promote,
                                  .figures = figures,
                                  .agreement = agreement,
                                  .accuracy = accuracy};
}

struct hands *hands_new(struct fleet *fleet, const struct config *config)
{
    struct hands *hands = object_alloc(sizeof *hands);
    hands->fleet = fleet;
    hands->config = config;
    hands->view = broker_view_new(config);
    return hands;
}

void hands_free(struct hands *hands)
{
    if (hands == NULL)
        return;
    struct errand *errand, *next;
    DL_FOREACH_SAFE(hands->errands, errand, next)
    {
        DL_DELETE(hands->errands, errand);
        route_free(errand->wanted);
        free(errand->model);
        free(errand);
    }
    broker_view_free(hands->view);
    free(hands);
}
