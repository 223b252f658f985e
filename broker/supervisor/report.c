/* report: what may be said to RUNTIME/supervisor.sock.
 *
 *   {"command":"status"}                every process and every wanted model, for `outrigger status`
 *   {"command":"reload"}                read configuration and model repository again
 *   {"command":"restart","what":W,"model":M}   replace the workers (of a model), frontends, broker, collector
 * or all, one after the other; answers with a number
 *   {"command":"progress","id":N,"from":K}   what was done since line K, and whether that was all; also as
 * "restart-progress"
 *   {"command":"rescan"}                read the model repository again
 *   {"command":"models","model":M}      every model (or that one) with its versions
 *   {"command":"load"|"unload"|"reload-model","model":M,"version":V}, {"command":"promote",...},
 *   {"command":"rollback","model":M}    see deploy.h; each answers with a number
 *   {"command":"route","model":M,"route":R}   a route that shall hold, null for model.conf's; without one:
 * tells which holds
 *   {"command":"scale","model":M,"instances":N} or "min":N,"max":N, or "reset":true   so many workers
 *   {"command":"wanted","model":M,"version":V}   the broker has a request for a version without workers
 *   {"command":"rollout"...}            see report_rollout.c
 *   {"command":"key-add"|"key-rotate"|"key-revoke"|"key-revoke-previous","id":I,...}   that has been done
 *   {"command":"upgrade"}               become the program that lies in our place by now; see upgrade.c
 *   {"command":"stop"}                  stop everything in order; said twice: at once
 *   {"command":"worker-hung","pid":N}   the broker gave that worker up: it computes without end
 *   {"command":"worker-unknown","question":N}   the broker asks who there is: somebody came whom it does not
 * know
 *
 * SPDX-License-Identifier: MIT */
#include "report.h"

#include "api_key.h"
#include "audit.h"
#include "clock.h"
#include "deploy.h"
#include "inventory.h"
#include "log.h"
#include "log_file.h"
#include "process.h"
#include "report_rollout.h"
#include "turnover.h"
#include "upgrade.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- status ---- */

struct listing {
    yyjson_mut_doc *reply;
    yyjson_mut_val *processes;
};

static void add_process(void *self, const struct command *command, const struct service *service,
                        const char *origin)
{
    const struct listing *listing = self;
    yyjson_mut_doc *reply = listing->reply;
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(reply, listing->processes);
    yyjson_mut_obj_add_strcpy(reply, entry, "name", command->name);
    yyjson_mut_obj_add_str(reply, entry, "kind", role_name(command->role));
    yyjson_mut_obj_add_int(reply, entry, "pid", service_pid(service));
    uid_t uid;
    if (service_pid(service) != 0 && process_user(service_pid(service), &uid))
        yyjson_mut_obj_add_uint(reply, entry, "uid", uid);
    yyjson_mut_obj_add_str(reply, entry, "state", service_state_name(service_state(service)));
    yyjson_mut_obj_add_uint(reply, entry, "restarts", service_restarts(service));
    yyjson_mut_obj_add_int(reply, entry, "uptime_ms", service_uptime_ms(service));
    uint64_t resident_bytes, cpu_us;
    service_usage(service, &resident_bytes, &cpu_us);
    yyjson_mut_obj_add_uint(reply, entry, "rss_bytes", resident_bytes);
    yyjson_mut_obj_add_uint(reply, entry, "cpu_us", cpu_us);
    yyjson_mut_obj_add_strcpy(reply, entry, "cause", service_cause(service));
    yyjson_mut_obj_add_strcpy(reply, entry, "release", service_release(service));
    yyjson_mut_obj_add_strcpy(reply, entry, "model", command->model);
    yyjson_mut_obj_add_strcpy(reply, entry, "version", command->version);
    if (service_failures(service) > 0 || service_state(service) == SERVICE_FAILED)
        yyjson_mut_obj_add_strcpy(reply, entry, "last_words", service_last_words(service));
    yyjson_mut_obj_add_strcpy(reply, entry, "origin", origin);
}

/* One version of a model; readiness waits for the one that takes the traffic. */
static void add_version(yyjson_mut_doc *reply, yyjson_mut_val *models, const struct plan_model *model,
                        const char *version, int64_t instances, const char *why)
{
    bool serves = model->serving == NULL || strcmp(model->serving, version) == 0;
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(reply, models);
    yyjson_mut_obj_add_strcpy(reply, entry, "model", model->name);
    yyjson_mut_obj_add_strcpy(reply, entry, "version", version);
    yyjson_mut_obj_add_int(reply, entry, "wanted", instances);
    yyjson_mut_obj_add_bool(reply, entry, "required", model->required && serves && !model->stopped);
    yyjson_mut_obj_add_str(reply, entry, "why", why);
}

static void add_model(yyjson_mut_doc *reply, yyjson_mut_val *models, const struct plan_model *model)
{
    bool there = false;
    for (size_t i = 0; i < model->version_count; i++) {
        const struct plan_version *version = &model->versions[i];
        add_version(reply, models, model, version->version, version->instances, version->why);
        there = there || (model->serving != NULL && strcmp(version->version, model->serving) == 0);
    }
    if (!there) /* none runs, or its folder went while the next is being loaded */
        add_version(reply, models, model, model->serving == NULL ? "" : model->serving, 0,
                    model->stopped ? "unloaded" : "stable");
}

/* How many processes of each kind were replaced by a successor, by cause; kinds without any are left out. */
static void add_successions(yyjson_mut_doc *reply, yyjson_mut_val *root, const struct turnover *turnover)
{
    yyjson_mut_val *successions = yyjson_mut_obj_add_obj(reply, root, "successions");
    for (enum role role = 0; role < ROLE_COUNT; role++) {
        yyjson_mut_val *causes = NULL;
        for (enum turnover_cause cause = 0; cause < TURNOVER_CAUSE_COUNT; cause++) {
            uint64_t count = turnover_count(turnover, role, cause);
            if (count > 0 && causes == NULL)
                causes = yyjson_mut_obj_add_obj(reply, successions, role_name(role));
            if (count > 0)
                yyjson_mut_obj_add_uint(reply, causes, turnover_cause_name(cause), count);
        }
    }
}

static void status(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(reply);
    struct listing listing = {reply, yyjson_mut_obj_add_arr(reply, root, "processes")};
    yyjson_mut_val *models = yyjson_mut_obj_add_arr(reply, root, "models");
    const struct plan *plan = fleet_plan(report->fleet);
    (void)request;
    fleet_each(report->fleet, add_process, &listing);
    for (size_t i = 0; i < plan->model_count; i++)
        add_model(reply, models, &plan->models[i]);
    add_successions(reply, root, fleet_turnover(report->fleet));
    yyjson_mut_obj_add_str(reply, root, "release", OUTRIGGER_VERSION);
    yyjson_mut_obj_add_int(reply, root, "began_ms", report->began_ms);
    yyjson_mut_obj_add_uint(reply, root, "replacing", turnover_pending(fleet_turnover(report->fleet)));
}

/* ---- the others ---- */

struct notes {
    yyjson_mut_doc *reply;
    yyjson_mut_val *list; /* NULL: there is none yet */
};

static void note(void *self, const char *text)
{
    struct notes *notes = self;
    if (notes->list == NULL)
        notes->list = yyjson_mut_obj_add_arr(notes->reply, yyjson_mut_doc_get_root(notes->reply), "needs");
    yyjson_mut_arr_add_strcpy(notes->reply, notes->list, text);
}

static void reload(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    char reason[512];
    struct notes notes = {.reply = reply};
    (void)request;
    if (!fleet_reload(report->fleet, reason, sizeof(reason), note, &notes))
        control_refuse(reply, "%s", reason);
}

static void restart(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    char reason[1600];
    const char *what = yyjson_get_str(yyjson_obj_get(request, "what"));
    const char *model = yyjson_get_str(yyjson_obj_get(request, "model"));
    uint64_t id = fleet_restart(report->fleet, what == NULL ? "" : what, model, reason, sizeof(reason));
    if (id == 0)
        control_refuse(reply, "%s", reason);
    else
        yyjson_mut_obj_add_uint(reply, yyjson_mut_doc_get_root(reply), "id", id);
}

static void upgrade(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    char reason[1600];
    const struct plan_basis *basis = fleet_basis(report->fleet);
    (void)request;
    if (fleet_is_stopping(report->fleet))
        control_refuse(reply, "this supervisor is stopping");
    else if (turnover_pending(fleet_turnover(report->fleet)) > 0)
        control_refuse(reply, "another restart is under way");
    else if (basis->workers != NULL)
        control_refuse(
            reply,
            "worker.user is another user, whom only root's supervisor can take over: have the service "
            "manager start it again (kill -9 %ld; what runs goes on, and is replaced)",
            (long)getpid());
    else if (!upgrade_try(basis, reason, sizeof(reason)))
        control_refuse(reply, "%s", reason);
    else
        report->upgrade(report->self);
}

static void progress_told(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    struct progress_view progress;
    uint64_t from = yyjson_get_uint(yyjson_obj_get(request, "from"));
    if (!progress_look(fleet_progress(report->fleet), yyjson_get_uint(yyjson_obj_get(request, "id")),
                       &progress)) {
        control_refuse(reply, "there is no such operation");
        return;
    }
    yyjson_mut_val *root = yyjson_mut_doc_get_root(reply);
    yyjson_mut_val *lines = yyjson_mut_obj_add_arr(reply, root, "lines");
    for (; from < progress.line_count; from++)
        yyjson_mut_arr_add_strcpy(reply, lines, progress.lines[from]);
    yyjson_mut_obj_add_bool(reply, root, "done", progress.done);
    if (progress.failure != NULL)
        yyjson_mut_obj_add_strcpy(reply, root, "failure", progress.failure);
}

/* ---- models ---- */

static void rescan(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    struct config_errors errors = {0};
    (void)request;
    if (!fleet_rescan(report->fleet, &errors))
        control_refuse(reply, "this supervisor is stopping");
    else if (errors.count > 0)
        control_refuse(reply, "%.*s", (int)strcspn(errors.text, "\n"), errors.text);
}

static void models(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    const char *model = yyjson_get_str(yyjson_obj_get(request, "model"));
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(reply, yyjson_mut_doc_get_root(reply), "models");
    if (!inventory_add(report->fleet, model, reply, list))
        control_refuse(reply, "there is no model %s", model);
}

static void ask_for(const struct report *report, const struct wish *wish, yyjson_mut_doc *reply)
{
    char reason[1600];
    uint64_t id = wish->model == NULL ? 0 : fleet_wish(report->fleet, wish, reason, sizeof(reason));
    if (wish->model == NULL)
        control_refuse(reply, "expected a model's name as \"model\"");
    else if (id == 0)
        control_refuse(reply, "%s", reason);
    else
        yyjson_mut_obj_add_uint(reply, yyjson_mut_doc_get_root(reply), "id", id);
}

static void ask_of_version(const struct report *report, enum wish_kind kind, yyjson_val *request,
                           yyjson_mut_doc *reply)
{
    const struct wish wish = {.kind = kind,
                              .model = yyjson_get_str(yyjson_obj_get(request, "model")),
                              .version = yyjson_get_str(yyjson_obj_get(request, "version"))};
    ask_for(report, &wish, reply);
}

static void load(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    ask_of_version(report, WISH_LOAD, request, reply);
}

static void unload(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    ask_of_version(report, WISH_UNLOAD, request, reply);
}

static void reload_model(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    ask_of_version(report, WISH_RELOAD, request, reply);
}

static void promote(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    ask_of_version(report, WISH_PROMOTE, request, reply);
}

static void rollback(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    const struct wish wish = {.kind = WISH_ROLLBACK,
                              .model = yyjson_get_str(yyjson_obj_get(request, "model"))};
    ask_for(report, &wish, reply);
}

static void show_route(const struct report *report, const char *name, yyjson_mut_doc *reply)
{
    const struct plan_model *model = name == NULL ? NULL : plan_find(fleet_plan(report->fleet), name);
    const struct deployment *said = model == NULL ? NULL : deployments_find(fleet_said(report->fleet), name);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(reply);
    if (model == NULL) {
        control_refuse(reply, "there is no model %s", name == NULL ? "(\"model\" was expected)" : name);
        return;
    }
    yyjson_mut_obj_add_strcpy(reply, root, "stable", model->serving == NULL ? "" : model->serving);
    yyjson_mut_obj_add_str(reply, root, "from",
                           said != NULL && said->route != NULL ? "operator" : "model.conf");
    inventory_add_route(report->fleet, model, reply, yyjson_mut_obj_add_obj(reply, root, "route"));
}

static void route(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    char reason[512];
    yyjson_val *value = yyjson_obj_get(request, "route");
    struct wish wish = {.kind = WISH_ROUTE, .model = yyjson_get_str(yyjson_obj_get(request, "model"))};
    struct route *wanted = NULL;
    if (value == NULL) {
        show_route(report, wish.model, reply);
    } else if (!yyjson_is_null(value) && (wanted = route_from_json(value, reason, sizeof(reason))) == NULL) {
        control_refuse(reply, "route: %s", reason);
    } else {
        wish.route = wanted;
        ask_for(report, &wish, reply);
    }
    route_free(wanted);
}

/* A whole number, or DEPLOYMENT_UNSAID for none; false when it is something else. */
static bool count_in(yyjson_val *request, const char *name, int64_t *count)
{
    yyjson_val *value = yyjson_obj_get(request, name);
    *count = DEPLOYMENT_UNSAID;
    if (yyjson_is_uint(value) && yyjson_get_uint(value) <= INT32_MAX)
        *count = (int64_t)yyjson_get_uint(value);
    return value == NULL || *count != DEPLOYMENT_UNSAID;
}

static void scale(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    struct wish wish = {.kind = WISH_SCALE, .model = yyjson_get_str(yyjson_obj_get(request, "model"))};
    bool good = count_in(request, "instances", &wish.instances) && count_in(request, "min", &wish.min) &&
                count_in(request, "max", &wish.max);
    bool fixed = wish.instances != DEPLOYMENT_UNSAID;
    bool bounds = wish.min != DEPLOYMENT_UNSAID || wish.max != DEPLOYMENT_UNSAID;
    bool reset = yyjson_get_bool(yyjson_obj_get(request, "reset"));
    if (!good || fixed + bounds + reset != 1)
        control_refuse(reply,
                       "scale: expected instances, or min and max, as whole numbers, or reset as true");
    else
        ask_for(report, &wish, reply);
}

static void wanted(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    const char *model = yyjson_get_str(yyjson_obj_get(request, "model"));
    const char *version = yyjson_get_str(yyjson_obj_get(request, "version"));
    if (model == NULL || version == NULL)
        control_refuse(reply, "wanted: expected the texts model and version");
    else
        yyjson_mut_obj_add_bool(reply, yyjson_mut_doc_get_root(reply), "started",
                                fleet_wanted(report->fleet, model, version));
}

static void stop(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    (void)request;
    (void)reply;
    fleet_stop(report->fleet);
}

static void worker_hung(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    yyjson_val *pid = yyjson_obj_get(request, "pid");
    if (!yyjson_is_uint(pid) || yyjson_get_uint(pid) > INT32_MAX)
        control_refuse(reply, "worker-hung: pid must be a process number");
    else if (!fleet_worker_hung(report->fleet, (pid_t)yyjson_get_uint(pid)))
        control_refuse(reply, "worker-hung: no worker here has the pid %llu",
                       (unsigned long long)yyjson_get_uint(pid));
}

/* Tokens are told to the broker's own socket, not to who asks. */
static void worker_unknown(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    yyjson_val *question = yyjson_obj_get(request, "question");
    if (!yyjson_is_uint(question))
        control_refuse(reply, "worker-unknown: expected the number of the question");
    else
        fleet_introduce(report->fleet, yyjson_get_uint(question));
}

/* `outrigger key` has changed the file; who did it and what stands in the audit log. */
static void key_changed(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    (void)report;
    const char *id = yyjson_get_str(yyjson_obj_get(request, "id"));
    if (id == NULL || !api_key_id_ok(text_of(id)))
        control_refuse(reply, "expected the id of an API key");
    else
        log_info("API key %s: %s", id, yyjson_get_str(yyjson_obj_get(request, "command")));
}

/* Every command, by name. False when it is none. */
static bool run(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    static const struct {
        const char *name;
        void (*run)(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply);
    } commands[] = {{"status", status},
                    {"reload", reload},
                    {"rescan", rescan},
                    {"restart", restart},
                    {"progress", progress_told},
                    {"restart-progress", progress_told},
                    {"models", models},
                    {"load", load},
                    {"unload", unload},
                    {"reload-model", reload_model},
                    {"promote", promote},
                    {"rollback", rollback},
                    {"route", route},
                    {"scale", scale},
                    {"wanted", wanted},
                    {"rollout", report_rollout},
                    {"rollout-status", report_rollout_status},
                    {"rollout-pause", report_rollout_pause},
                    {"rollout-resume", report_rollout_resume},
                    {"rollout-abort", report_rollout_abort},
                    {"key-add", key_changed},
                    {"key-rotate", key_changed},
                    {"key-revoke", key_changed},
                    {"key-revoke-previous", key_changed},
                    {"upgrade", upgrade},
                    {"stop", stop},
                    {"worker-hung", worker_hung},
                    {"worker-unknown", worker_unknown}};
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (yyjson_equals_str(yyjson_obj_get(request, "command"), commands[i].name)) {
            commands[i].run(report, request, reply);
            return true;
        }
    return false;
}

/* Of the version that a command is about, when its files are known already: of one that serves. */
static const char *digest_of(const struct report *report, yyjson_val *request)
{
    const char *model = yyjson_get_str(yyjson_obj_get(request, "model"));
    const char *version = yyjson_get_str(yyjson_obj_get(request, "version"));
    return model == NULL || version == NULL ? "" : fleet_digest(report->fleet, model, version);
}

void report_command(void *self, yyjson_val *request, yyjson_mut_doc *reply)
{
    const struct report *report = self;
    if (!audit_forbids(report->audit, request, reply) && !report_rollout_forbids(report, request, reply) &&
        !run(report, request, reply))
        control_refuse(
            reply, "the supervisor knows status, reload, rescan, restart, progress, models, load, "
                   "unload, reload-model, promote, rollback, route, scale, wanted, rollout, rollout-status, "
                   "rollout-pause, rollout-resume, rollout-abort, key-add, key-rotate, key-revoke, "
                   "key-revoke-previous, upgrade, stop, worker-hung and worker-unknown");
    audit_command(report->audit, control_uid(report->control), request, digest_of(report, request), reply);
}

/* ---- gauges ---- */

static void measure(void *self, const struct command *command, const struct service *service,
                    const char *origin)
{
    const struct report *report = self;
    (void)origin;
    uint64_t resident_bytes;
    uint64_t cpu_us;
    service_usage(service, &resident_bytes, &cpu_us);
    series_set(metrics_series(report->metrics, METRIC_RESIDENT_BYTES, command->name, NULL, NULL),
               (int64_t)resident_bytes);
    series_set(metrics_series(report->metrics, METRIC_CPU_SECONDS, command->name, NULL, NULL),
               (int64_t)cpu_us * 1000);
}

/* When models were written; one that goes is told as it was last. */
static void measure_models(const struct report *report)
{
    const struct plan *plan = fleet_plan(report->fleet);
    struct stat status;
    for (size_t i = 0; i < plan->model_count; i++)
        for (size_t j = 0; j < plan->models[i].found_count; j++) {
            const struct plan_found *found = &plan->models[i].found[j];
            if (found->file != NULL && stat(found->file, &status) == 0)
                series_set(metrics_series(report->metrics, METRIC_MODEL_MODIFIED, plan->models[i].name,
                                          found->version, NULL),
                           status.st_mtim.tv_sec * SECOND + status.st_mtim.tv_nsec);
        }
}

void report_measure(void *self)
{
    struct report *report = self;
    fleet_each(report->fleet, measure, report);
    measure_models(report);
    audit_measure(report->audit, report->metrics);
    log_file_measure(report->log_file, report->metrics);
}
