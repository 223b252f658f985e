/* admin: what the supervisor and the operator may say to the broker.
 *
 *   {"command":"announce","workers":[{"token":T,"model":M,"version":V,"pid":N},...],"answer":N}
 *                                       the supervisor has started those; with `answer`: to that question,
 * and all others were announced before
 *   {"command":"worker-gone","pid":N}   the supervisor saw that process die
 *   {"command":"worker-failed","model":M,"version":V,"all":B,"reason":TEXT}
 *                                       a worker of that version could not start; B: none of them can
 *   {"command":"status"}                every worker and every model version, for `outrigger status`
 *   {"command":"figures"}               what became of the requests of each version since the broker began
 *   {"command":"statistics"}            how long they took, part by part, and how large batches were
 *   {"command":"batching","model":M}    what batches of each size take, and which was chosen; without a
 * model: of all
 *   {"command":"inputs","model":M,"one":V,"other":V}
 *                                       whether the two versions take the same inputs ("same"), or "how" not
 *   {"command":"reload"}                the model repository changed
 *   {"command":"routes"}                the operator said something: every request that comes after the
 * answer follows the stable versions and routes of deployments.json
 *   {"command":"reload-keys"}           so may the list of keys that come in over tcp (broker.curve_allow)
 *
 * The socket is not the data path's: it is made by main with mode 0600, and control.c checks the peer's uid.
 * SPDX-License-Identifier: MIT */
#include "admin.h"

#include "admission.h"
#include "clock.h"
#include "likeness.h"
#include "schema.h"

#include <utlist.h>

static uint64_t requests_in_flight(const struct worker *worker)
{
    uint64_t requests = 0;
    for (uint32_t i = 0; i < worker->in_flight; i++)
        requests += worker->batches[i].count;
    return requests;
}

/* "managed": it is a process of the supervisor's; else where it is, and whose key it has, unless it was
 * started here. */
void admin_add_origin(yyjson_mut_doc *reply, yyjson_mut_val *entry, const struct worker *worker)
{
    yyjson_mut_obj_add_bool(reply, entry, "managed", worker->pass != 0);
    if (!worker->remote)
        return;
    yyjson_mut_obj_add_strcpy(reply, entry, "address", worker->address);
    yyjson_mut_obj_add_strcpy(reply, entry, "key_name", worker->key_name);
}

static void add_worker(yyjson_mut_doc *reply, yyjson_mut_val *list, const struct worker *worker)
{
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(reply, list);
    yyjson_mut_obj_add_strcpy(reply, entry, "model", worker->version->model->name);
    yyjson_mut_obj_add_strcpy(reply, entry, "version", worker->version->name);
    yyjson_mut_obj_add_uint(reply, entry, "pid", worker->pid);
    yyjson_mut_obj_add_str(reply, entry, "state", worker_state_name(worker->state));
    yyjson_mut_obj_add_uint(reply, entry, "in_flight", requests_in_flight(worker));
    yyjson_mut_obj_add_uint(reply, entry, "answered", worker->answered);
    admin_add_origin(reply, entry, worker);
}

static const char *state_name(enum catalog_state state)
{
    static const char *const names[] = {[CATALOG_LOADING] = "loading",
                                        [CATALOG_READY] = "ready",
                                        [CATALOG_DRAINING] = "draining",
                                        [CATALOG_FAILED] = "failed"};
    return names[state];
}

/* What autoscaling goes by. */
static void add_load(yyjson_mut_doc *reply, yyjson_mut_val *entry, const struct version *version)
{
    yyjson_mut_obj_add_sint(reply, entry, "busy_us", version_busy(version, clock_now()) / MICROSECOND);
    yyjson_mut_obj_add_sint(reply, entry, "wait_us", version_wait(version) / MICROSECOND);
    yyjson_mut_obj_add_bool(reply, entry, "known", version->schema != NULL);
}

static void add_version(yyjson_mut_doc *reply, yyjson_mut_val *list, const struct version *version)
{
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(reply, list);
    yyjson_mut_obj_add_strcpy(reply, entry, "model", version->model->name);
    yyjson_mut_obj_add_strcpy(reply, entry, "version", version->name);
    yyjson_mut_obj_add_str(reply, entry, "state", state_name(version_state(version)));
    const char *reason = version_reason(version);
    if (*reason != '\0')
        yyjson_mut_obj_add_strcpy(reply, entry, "reason", reason);
    yyjson_mut_obj_add_bool(reply, entry, "stable", version == version->model->stable);
    struct text digest = schema_find_digest(version->schema, version->schema_length);
    if (digest.length > 0)
        yyjson_mut_obj_add_strncpy(reply, entry, "digest", digest.at, digest.length);
    yyjson_mut_obj_add_uint(reply, entry, "workers", version->worker_count);
    yyjson_mut_obj_add_uint(reply, entry, "queue_rows", version->queue.rows);
    yyjson_mut_obj_add_uint(reply, entry, "queue_requests", version->queue.requests);
    uint64_t in_flight = 0, unmanaged = 0;
    const struct worker *worker;
    DL_FOREACH2(version->workers, worker, next)
    {
        unmanaged += worker->pass == 0;
        in_flight += requests_in_flight(worker);
    }
    yyjson_mut_obj_add_uint(reply, entry, "in_flight", in_flight);
    add_load(reply, entry, version);
    yyjson_mut_obj_add_uint(reply, entry, "unmanaged", unmanaged); /* of the workers */
}

static void reload_keys(struct broker *broker, yyjson_mut_doc *reply)
{
    char reason[5120];
    if (!broker_reload_keys(broker, reason, sizeof reason))
        control_refuse(reply, "broker.curve_allow: %s", reason);
}

static void add_limits(struct broker *broker, yyjson_mut_doc *reply, yyjson_mut_val *root)
{
    struct broker_limits limits = broker_limits(broker);
    yyjson_mut_val *entry = yyjson_mut_obj_add_obj(reply, root, "limits");
    yyjson_mut_obj_add_bool(reply, entry, "any", limits.any);
    yyjson_mut_obj_add_uint(reply, entry, "refused", limits.refused);
    if (limits.redis != NULL)
        yyjson_mut_obj_add_str(reply, entry, "redis", limits.redis);
}

static void status(struct broker *broker, yyjson_mut_doc *reply)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(reply);
    yyjson_mut_val *workers = yyjson_mut_obj_add_arr(reply, root, "workers");
    yyjson_mut_val *models = yyjson_mut_obj_add_arr(reply, root, "models");
    add_limits(broker, reply, root);
    for (struct model *model = model_first(broker_models(broker)); model != NULL; model = model->next)
        for (struct version *version = model->versions; version != NULL; version = version->next) {
            add_version(reply, models, version);
            const struct worker *worker;
            DL_FOREACH2(version->workers, worker, next)
            {
                add_worker(reply, workers, worker);
            }
        }
}

/* ---- figures ---- */

static void add_figures_worker(yyjson_mut_doc *reply, yyjson_mut_val *list, const struct worker *worker)
{
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(reply, list);
    yyjson_mut_obj_add_uint(reply, entry, "pid", worker->pid);
    yyjson_mut_obj_add_str(reply, entry, "state", worker_state_name(worker->state));
    yyjson_mut_obj_add_uint(reply, entry, "in_flight", requests_in_flight(worker));
    admin_add_origin(reply, entry, worker);
}

static void add_figures_version(yyjson_mut_doc *reply, yyjson_mut_val *list, const struct version *version)
{
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(reply, list);
    yyjson_mut_obj_add_strcpy(reply, entry, "version", version->name);
    yyjson_mut_obj_add_str(reply, entry, "state", state_name(version_state(version)));
    figures_to_json(&version->figures, reply, entry);
    yyjson_mut_obj_add_uint(reply, entry, "queue_requests", version->queue.requests);
    add_load(reply, entry, version);
    yyjson_mut_obj_add_sint(reply, entry, "cost_row_ns", cost_of_batch(&version->cost, 1));
    yyjson_mut_val *workers = yyjson_mut_obj_add_arr(reply, entry, "workers");
    uint64_t in_flight = 0;
    const struct worker *worker;
    DL_FOREACH2(version->workers, worker, next)
    {
        in_flight += requests_in_flight(worker);
        add_figures_worker(reply, workers, worker);
    }
    yyjson_mut_obj_add_uint(reply, entry, "in_flight", in_flight);
}

static void figures(struct broker *broker, yyjson_mut_doc *reply)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(reply);
    yyjson_mut_obj_add_uint(reply, root, "epoch", broker_epoch(broker));
    yyjson_mut_obj_add_sint(reply, root, "now_ms", clock_now() / MILLISECOND);
    yyjson_mut_val *models = yyjson_mut_obj_add_arr(reply, root, "models");
    const struct model *fallback = model_find(broker_models(broker), (struct text){0});
    for (struct model *model = model_first(broker_models(broker)); model != NULL; model = model->next) {
        yyjson_mut_val *entry = yyjson_mut_arr_add_obj(reply, models);
        uint64_t rows = 0, requests = 0;
        yyjson_mut_obj_add_strcpy(reply, entry, "model", model->name);
        yyjson_mut_obj_add_bool(reply, entry, "default", model == fallback);
        if (model->stable != NULL)
            yyjson_mut_obj_add_strcpy(reply, entry, "stable", model->stable->name);
        yyjson_mut_val *versions = yyjson_mut_obj_add_arr(reply, entry, "versions");
        for (struct version *version = model->versions; version != NULL; version = version->next) {
            rows += version->queue.rows;
            requests += version->queue.requests;
            add_figures_version(reply, versions, version);
        }
        yyjson_mut_obj_add_uint(reply, entry, "queue_rows", rows);
        yyjson_mut_obj_add_uint(reply, entry, "queue_requests", requests);
        yyjson_mut_obj_add_uint(reply, entry, "limited", model->limited_count);
    }
}

static void statistics(struct broker *broker, yyjson_mut_doc *reply)
{
    yyjson_mut_val *models = yyjson_mut_obj_add_arr(reply, yyjson_mut_doc_get_root(reply), "models");
    for (struct model *model = model_first(broker_models(broker)); model != NULL; model = model->next)
        for (struct version *version = model->versions; version != NULL; version = version->next) {
            yyjson_mut_val *entry = yyjson_mut_arr_add_obj(reply, models);
            yyjson_mut_obj_add_strcpy(reply, entry, "model", model->name);
            yyjson_mut_obj_add_strcpy(reply, entry, "version", version->name);
            yyjson_mut_obj_add_bool(reply, entry, "caches", cache_is_on(model->cache));
            executions_to_json(&version->executions, reply, entry);
        }
}

/* ---- what batches cost ---- */

static void add_curve(yyjson_mut_doc *reply, yyjson_mut_val *entry, const struct sizing *sizing)
{
    yyjson_mut_val *sizes = yyjson_mut_obj_add_arr(reply, entry, "sizes");
    for (size_t i = 0; i < sizing->count; i++) {
        const struct sizing_point *point = &sizing->points[i];
        yyjson_mut_val *size = yyjson_mut_arr_add_obj(reply, sizes);
        yyjson_mut_obj_add_uint(reply, size, "rows", point->rows);
        yyjson_mut_obj_add_sint(reply, size, "told_ns", (int64_t)point->told);
        yyjson_mut_obj_add_bool(reply, size, "guessed", point->guessed);
        yyjson_mut_obj_add_sint(reply, size, "ns", sizing_cost(sizing, i));
        yyjson_mut_obj_add_uint(reply, size, "batches", point->seen);
    }
}

static void batching(struct broker *broker, yyjson_val *request, yyjson_mut_doc *reply)
{
    const char *wanted = yyjson_get_str(yyjson_obj_get(request, "model"));
    yyjson_mut_val *models = yyjson_mut_obj_add_arr(reply, yyjson_mut_doc_get_root(reply), "models");
    for (struct model *model = model_first(broker_models(broker)); model != NULL; model = model->next)
        for (struct version *version = model->versions; version != NULL; version = version->next) {
            if (wanted != NULL && strcmp(wanted, model->name) != 0)
                continue;
            yyjson_mut_val *entry = yyjson_mut_arr_add_obj(reply, models);
            yyjson_mut_obj_add_strcpy(reply, entry, "model", model->name);
            yyjson_mut_obj_add_strcpy(reply, entry, "version", version->name);
            yyjson_mut_obj_add_bool(reply, entry, "learned", version_learns(version));
            yyjson_mut_obj_add_uint(reply, entry, "max_batch_rows", model->rule.max_batch_rows);
            yyjson_mut_obj_add_uint(reply, entry, "rows", version_batch_rows(version));
            yyjson_mut_obj_add_uint(reply, entry, "chosen", version->sizing.chosen);
            add_curve(reply, entry, &version->sizing);
        }
}

/* ---- what happened elsewhere ---- */

static struct text text_in(yyjson_val *request, const char *name)
{
    yyjson_val *value = yyjson_obj_get(request, name);
    return (struct text){yyjson_get_str(value), yyjson_get_len(value)};
}

static void worker_failed(struct broker *broker, yyjson_val *request, yyjson_mut_doc *reply)
{
    yyjson_val *all = yyjson_obj_get(request, "all");
    struct text model = text_in(request, "model"), version = text_in(request, "version");
    struct text reason = text_in(request, "reason");
    if (model.at == NULL || version.at == NULL || reason.at == NULL || !yyjson_is_bool(all)) {
        control_refuse(reply,
                       "worker-failed: expected the texts model, version, reason, and all as a boolean");
        return;
    }
    bool known = broker_worker_failed(broker, model, version, reason, yyjson_get_bool(all));
    yyjson_mut_obj_add_bool(reply, yyjson_mut_doc_get_root(reply), "known", known);
}

/* False when it is none. */
static bool read_claim(yyjson_val *entry, struct claim *claim)
{
    struct text model = text_in(entry, "model"), version = text_in(entry, "version");
    yyjson_val *pid = yyjson_obj_get(entry, "pid");
    claim->token = worker_token_read(text_in(entry, "token"));
    if (claim->token.text[0] == '\0' || !protocol_name_ok(model) || !protocol_name_ok(version) ||
        !yyjson_is_uint(pid) || yyjson_get_uint(pid) > UINT32_MAX)
        return false;
    text_copy(model, claim->model, sizeof claim->model);
    text_copy(version, claim->version, sizeof claim->version);
    claim->pid = (uint32_t)yyjson_get_uint(pid);
    return true;
}

static void announce(struct broker *broker, yyjson_val *request, yyjson_mut_doc *reply)
{
    struct claim claim;
    yyjson_val *workers = yyjson_obj_get(request, "workers"), *answer = yyjson_obj_get(request, "answer");
    yyjson_val *entry;
    size_t i, count, bad = 0;
    yyjson_arr_foreach(workers, i, count, entry)
    {
        if (read_claim(entry, &claim))
            broker_announce(broker, &claim);
        else
            bad++;
    }
    key_wipe(&claim, sizeof claim);
    broker_announced(broker, yyjson_get_uint(answer));
    if (!yyjson_is_arr(workers) || bad > 0)
        control_refuse(reply,
                       "announce: expected a list workers of token, model, version and pid; "
                       "%zu of them are none",
                       bad);
}

/* What nobody knows is the same. */
static void inputs(struct broker *broker, yyjson_val *request, yyjson_mut_doc *reply)
{
    char how[512] = "";
    yyjson_mut_val *root = yyjson_mut_doc_get_root(reply);
    struct model *model = model_find(broker_models(broker), text_in(request, "model"));
    const struct version *one = model == NULL ? NULL : model_version(model, text_in(request, "one"));
    const struct version *other = model == NULL ? NULL : model_version(model, text_in(request, "other"));
    bool same = one == NULL || other == NULL || likeness_of_inputs(one, other, how, sizeof how);
    yyjson_mut_obj_add_bool(reply, root, "same", same);
    if (!same)
        yyjson_mut_obj_add_strcpy(reply, root, "how", how);
}

void admin_command(void *self, yyjson_val *request, yyjson_mut_doc *reply)
{
    struct broker *broker = self;
    const char *command = yyjson_get_str(yyjson_obj_get(request, "command"));
    yyjson_val *pid = yyjson_obj_get(request, "pid");
    if (command != NULL && strcmp(command, "status") == 0) {
        status(broker, reply);
    } else if (command != NULL && strcmp(command, "figures") == 0) {
        figures(broker, reply);
    } else if (command != NULL && strcmp(command, "statistics") == 0) {
        statistics(broker, reply);
    } else if (command != NULL && strcmp(command, "batching") == 0) {
        batching(broker, request, reply);
    } else if (command != NULL && strcmp(command, "inputs") == 0) {
        inputs(broker, request, reply);
    } else if (command != NULL && strcmp(command, "reload") == 0) {
        broker_reload(broker);
    } else if (command != NULL && strcmp(command, "routes") == 0) {
        broker_route(broker);
    } else if (command != NULL && strcmp(command, "reload-keys") == 0) {
        reload_keys(broker, reply);
    } else if (command != NULL && strcmp(command, "announce") == 0) {
        announce(broker, request, reply);
    } else if (command != NULL && strcmp(command, "worker-failed") == 0) {
        worker_failed(broker, request, reply);
    } else if (command == NULL || strcmp(command, "worker-gone") != 0) {
        control_refuse(reply,
                       "the broker knows status, figures, inputs, statistics, batching, reload, reload-keys, "
                       "routes, announce, worker-gone and worker-failed");
    } else if (!yyjson_is_uint(pid) || yyjson_get_uint(pid) > UINT32_MAX) {
        control_refuse(reply, "worker-gone: pid must be a process number");
    } else {
        bool known = broker_worker_gone(broker, (uint32_t)yyjson_get_uint(pid));
        yyjson_mut_obj_add_bool(reply, yyjson_mut_doc_get_root(reply), "known", known);
    }
}
