/* report: what may be said to RUNTIME/supervisor.sock.
 *
 *   {"command":"status"}                every process and every wanted model, for `outrigger status`
 *   {"command":"reload"}                read configuration and model repository again
 *   {"command":"restart","what":W,"model":M}   replace the workers (of a model), frontends, broker, collector
 * or all, one after the other; answers with a number
 *   {"command":"restart-progress","id":N,"from":K}   what was done since line K, and whether that was all
 *   {"command":"stop"}                  stop everything in order; said twice: at once
 *   {"command":"worker-hung","pid":N}   the broker gave that worker up: it computes without end
 *
 * SPDX-License-Identifier: MIT */
#include "report.h"

#include "turnover.h"

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
    yyjson_mut_obj_add_str(reply, entry, "state", service_state_name(service_state(service)));
    yyjson_mut_obj_add_uint(reply, entry, "restarts", service_restarts(service));
    yyjson_mut_obj_add_int(reply, entry, "uptime_ms", service_uptime_ms(service));
    uint64_t resident_bytes, cpu_us;
    service_usage(service, &resident_bytes, &cpu_us);
    yyjson_mut_obj_add_uint(reply, entry, "rss_bytes", resident_bytes);
    yyjson_mut_obj_add_uint(reply, entry, "cpu_us", cpu_us);
    yyjson_mut_obj_add_strcpy(reply, entry, "cause", service_cause(service));
    yyjson_mut_obj_add_strcpy(reply, entry, "model", command->model);
    yyjson_mut_obj_add_strcpy(reply, entry, "version", command->version);
    if (service_failures(service) > 0 || service_state(service) == SERVICE_FAILED)
        yyjson_mut_obj_add_strcpy(reply, entry, "last_words", service_last_words(service));
    yyjson_mut_obj_add_strcpy(reply, entry, "origin", origin);
}

static void add_model(yyjson_mut_doc *reply, yyjson_mut_val *models, const struct plan_model *model)
{
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(reply, models);
    yyjson_mut_obj_add_strcpy(reply, entry, "model", model->name);
    yyjson_mut_obj_add_strcpy(reply, entry, "version", model->version == NULL ? "" : model->version);
    yyjson_mut_obj_add_int(reply, entry, "wanted", model->instances);
    yyjson_mut_obj_add_bool(reply, entry, "required", model->required);
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

static void restart_progress(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply)
{
    struct turnover_progress progress;
    uint64_t from = yyjson_get_uint(yyjson_obj_get(request, "from"));
    if (!turnover_progress(fleet_turnover(report->fleet), yyjson_get_uint(yyjson_obj_get(request, "id")),
                           &progress)) {
        control_refuse(reply, "there is no such restart");
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

void report_command(void *self, yyjson_val *request, yyjson_mut_doc *reply)
{
    static const struct {
        const char *name;
        void (*run)(const struct report *report, yyjson_val *request, yyjson_mut_doc *reply);
    } commands[] = {{"status", status},   {"reload", reload},
                    {"restart", restart}, {"restart-progress", restart_progress},
                    {"stop", stop},       {"worker-hung", worker_hung}};
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (yyjson_equals_str(yyjson_obj_get(request, "command"), commands[i].name)) {
            commands[i].run(self, request, reply);
            return;
        }
    control_refuse(reply,
                   "the supervisor knows status, reload, restart, restart-progress, stop and worker-hung");
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

void report_measure(void *self)
{
    struct report *report = self;
    fleet_each(report->fleet, measure, report);
}
