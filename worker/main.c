/* outrigger-worker: one version of one model in memory, computing batches for the broker. More of them serve
 * a model side by side; they share nothing.
 *
 * It loads and tries the model first and connects then: a model that cannot be served never reaches the
 * broker, and the threads of ZeroMQ inherit the cores that the model, known by its speed, belongs on. Before
 * it looks at the model file it gives up all rights that serving does not need (confinement.h), and then
 * asks who has signed it, where that is demanded (provenance.h). Whoever only wants to know what a file is
 * has it tell that (inspecting.h). SPDX-License-Identifier: MIT */
#include "account.h"
#include "clock.h"
#include "confinement.h"
#include "curve.h"
#include "heartbeat.h"
#include "inspecting.h"
#include "log.h"
#include "model_config.h"
#include "options.h"
#include "pipeline_host.h"
#include "process.h"
#include "protocol.h"
#include "service_manager.h"
#include "session.h"
#include "stats.h"
#include "trial.h"
#include "worker_token.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>
#include <zmq.h>

/* The configuration of the model that the command line names; ends the process when there is none. */
static const struct model_config *find_model(const struct options *options, struct model_list *list,
                                             const struct config_errors *errors)
{
    if (options->model == NULL) {
        fprintf(stderr, "%s: --model is missing\n", options->name);
        exit(2);
    }
    const struct model_config *config = model_list_find(list, text_of(options->model));
    if (config == NULL) {
        fprintf(stderr, "%sno model %s\n", errors->text, options->model);
        exit(1);
    }
    return config;
}

static const char *find_version(const struct options *options, const struct model_config *config)
{
    const char *version =
        options->model_version != NULL ? options->model_version : model_stable_version(config);
    if (version == NULL || !protocol_name_ok(text_of(version))) {
        fprintf(stderr, "%s: %s\n", config->directory,
                version == NULL ? "no version" : "no version of that name");
        exit(1);
    }
    return version;
}

/* What is to be loaded, of which nothing but the name is known yet; ends the process when there is none. The
 * caller frees its path. */
static struct trial choose(const struct config *config, const struct model_config *model_config,
                           const char *version)
{
    struct config_errors errors = {0};
    const char *name;
    char *path = model_file(model_config, version, &name, &errors);
    if (path == NULL) {
        fprintf(stderr, "%s", errors.text);
        exit(1);
    }
    struct trial trial = {
        .path = path,
        .backend = backend_named(name),
        .config = model_config,
        .threads = (int)(model_config->threads > 0 ? model_config->threads : config->worker_threads),
        .most_rows = (size_t)model_config->batching_max_batch_rows,
        .max_answer_bytes = (size_t)config->broker_max_message_bytes,
        .warm_up_limit = config->worker_warm_up_ms * MILLISECOND};
    if (trial.backend == NULL && !pipeline_is_file(path)) {
        fprintf(stderr, "%s: this program has no backend %s\n", path, name);
        exit(TRIAL_DO_NOT_RESTART);
    }
    return trial;
}

/* Loads the version and tries it out; ends the process with one line when it cannot be served. */
static void load(struct trial *trial, struct metrics *metrics)
{
    char error[TRIAL_ERROR_MAX];
    int status = trial_status(trial_run(trial, error), error);
    provenance_free(trial->provenance);
    trial->provenance = NULL;
    if (status == 0)
        return;
    metrics_free(metrics); /* and its file */
    exit(status);
}

/* From here on this process reads its model and speaks with its broker and collector. */
static void lock_in(const struct config *config, const struct trial *trial, const char *name,
                    const char *endpoint, const struct metrics *metrics)
{
    char *collector;
    ENSURE(asprintf(&collector, "ipc://%s/stats.ipc", config->runtime_directory) >= 0);
    struct confinement confinement = {
        .mode = config->sandbox_mode,
        .name = name,
        .path = trial->path,
        .model = trial->config->directory,
        .models_directory = config->models_directory,
        .also = config->sandbox_worker_read,
        .host = host(),
        .endpoints = {endpoint, collector, trial->pipeline == NULL ? NULL : config->broker_askers},
        .page = metrics_path(metrics)};
    confine(&confinement);
    free(collector);
}

/* Light models sleep where the frontends and the broker do, heavy ones elsewhere. */
static void choose_cores(const struct config *config, const struct model_config *model, int64_t one_row)
{
    bool heavy = one_row > config->worker_heavy_us * MICROSECOND;
    const char *cores = *model->cores != '\0' ? model->cores
                        : heavy               ? getenv("OUTRIGGER_CORES_HEAVY")
                                              : getenv("OUTRIGGER_CORES_LIGHT");
    if (cores != NULL && process_pin(cores) != 0)
        log_warning("cannot stay on cores %s: %s", cores, strerror(errno));
    log_info("a batch of one takes %lld us: %s%s%s", (long long)(one_row / MICROSECOND),
             heavy ? "heavy" : "light", cores != NULL && *cores != '\0' ? ", on cores " : "",
             cores != NULL ? cores : "");
}

/* A signal before there is a session stops the loop as soon as it runs. */
struct worker {
    struct loop *loop;
    struct service_manager *manager;
    struct session *session;
    bool changed; /* what its models take or give is not any more what it was made for */
};

static void on_signal(void *self)
{
    struct worker *worker = self;
    if (worker->session != NULL)
        session_leave(worker->session);
    else
        loop_stop(worker->loop);
}

/* The one that is started next finds out whether it can go on so. */
static void on_change(void *self, const char *reason)
{
    struct worker *worker = self;
    log_error("the pipeline is started again: %s", reason);
    worker->changed = true;
    session_leave(worker->session);
}

/* What asks the models of a pipeline; ends the process where there is no way to them. */
static struct pipeline_host *host_pipeline(const struct config *config, const struct worker *worker,
                                           const struct session_options *options, const struct trial *trial,
                                           struct metrics *metrics, struct pipeline_tree *tree,
                                           void *zmq_context)
{
    if (curve_needed(config->broker_workers)) {
        fprintf(stderr,
                "%s: a pipeline is served on the host of its broker alone, and broker.workers is %s\n",
                trial->path, config->broker_workers);
        exit(TRIAL_DO_NOT_RESTART);
    }
    return pipeline_host_new(
        &(struct pipeline_host_options){.zmq = zmq_context,
                                        .loop = worker->loop,
                                        .metrics = metrics,
                                        .endpoint = config->broker_askers,
                                        .tree = tree,
                                        .model = options->model,
                                        .version = options->version,
                                        .slots = options->slots,
                                        .patience = config->supervisor_start_timeout_ms * MILLISECOND / 5 * 4,
                                        .most_time = options->most_time});
}

/* No two workers have the same, wherever they run. */
static uint64_t draw_instance(void)
{
    uint64_t instance;
    ENSURE(getrandom(&instance, sizeof instance, 0) == sizeof instance);
    return instance | 1; /* never 0: that means "none" */
}

/* The keys for a broker that is reached over tcp; NULL for one on this host. Ends the process with one line
 * when they are not there: nothing of ours goes over a network in the clear. */
static struct curve_keys *find_keys(const struct config *config, struct curve_keys *keys)
{
    char reason[5120];
    if (!curve_needed(config->broker_workers))
        return NULL;
    if (curve_worker_keys(config, keys, reason, sizeof reason))
        return keys;
    fprintf(stderr, "%s: %s\n", config->broker_workers, reason);
    exit(TRIAL_DO_NOT_RESTART);
}

/* Where the broker is; ends the process when that cannot be found out just now. */
static char *find_endpoint(const struct config *config)
{
    char reason[5120];
    bool free_to_ask = strcmp(config->sandbox_mode, "off") == 0;
    char *endpoint = free_to_ask ? object_strdup(config->broker_workers)
                                 : confined_endpoint(config->broker_workers, reason, sizeof reason);
    if (endpoint != NULL)
        return endpoint;
    fprintf(stderr, "%s\n", reason);
    exit(1);
}

/* What the supervisor gave us to show to the broker; none without one. */
static struct worker_token take_token(const struct options *options)
{
    struct worker_token token = {""};
    if (options->token_fd == -1 || worker_token_take(options->token_fd, &token))
        return token;
    fprintf(stderr, "--token-fd: descriptor %d holds no token\n", options->token_fd);
    exit(1);
}

/* Until a signal or the broker ends it; false when the broker does not want it. */
static bool serve(struct worker *worker, const struct options *options, const struct config *config,
                  struct session_options *session_options, struct curve_keys *keys, const struct trial *trial,
                  struct metrics *metrics, void *context, int64_t started)
{
    if (trial->pipeline != NULL)
        session_options->flows = pipeline_host_flows(trial->pipeline);
    worker->session = session_new(context, worker->loop, session_options, trial->model, metrics);
    if (worker->session == NULL) {
        fprintf(stderr, "%s: %s\n", session_options->endpoint, zmq_strerror(errno));
        exit(1);
    }
    struct stats_publisher *publisher =
        stats_publisher_new(context, worker->loop, config, metrics, "worker", options->name);
    struct series *load_time =
        metrics_series(metrics, METRIC_MODEL_LOAD, session_options->model, session_options->version, NULL);
    series_set(load_time, clock_now() - started);
    struct heartbeat *heartbeat = heartbeat_new(context, session_options->endpoint, session_options->keys,
                                                session_options->instance, session_options->heartbeat_ms);
    key_wipe(keys, sizeof *keys);
    process_ready(options->ready_fd);
    service_manager_watch(worker->manager, worker->loop);
    service_manager_say(worker->manager, "READY=1\nSTATUS=serves %s %s", session_options->model,
                        session_options->version);
    if (trial->pipeline != NULL)
        pipeline_host_watch(trial->pipeline, on_change, worker);
    loop_run(worker->loop);
    const char *sent_away = session_sent_away(worker->session);
    bool wanted = *sent_away == '\0';
    service_manager_watch(worker->manager, NULL);
    if (!wanted)
        log_error("the broker sends this worker away: %s", sent_away);
    heartbeat_free(heartbeat);
    session_free(worker->session);
    stats_publisher_free(publisher);
    return wanted && !worker->changed;
}

int main(int argc, char **argv)
{
    int64_t started = host()->started > 0 ? host()->started : clock_now();
    if (inspecting_asked(argc, argv))
        return inspecting_run(argc, argv);
    struct options options = options_parse(
        argc, argv, "worker", "Serves one version of one model: computes what the broker sends.");
    struct config *config = options_config(&options);
    account_settle(config, true);

    /* First of all, since engines start threads, and those must not get our signals. */
    struct worker worker = {.loop = loop_new(), .manager = service_manager_take()};
    ENSURE(worker.loop != NULL);
    ENSURE(loop_signal(worker.loop, SIGTERM, on_signal, &worker) == 0);
    ENSURE(loop_signal(worker.loop, SIGINT, on_signal, &worker) == 0);

    struct config_errors errors = {0};
    struct model_list *list = model_list_load(config->models_directory, &errors);
    const struct model_config *model_config = find_model(&options, list, &errors);
    const char *version = find_version(&options, model_config);
    struct trial trial = choose(config, model_config, version);
    trial_identify(&trial, config_signing_keys(config, model_config->name));
    struct curve_keys keys = {0};
    struct metrics *metrics = stats_page(config, "worker", options.name);
    struct worker_token token = take_token(&options);
    char *endpoint = find_endpoint(config);
    struct session_options session_options = {
        .endpoint = endpoint,
        .keys = find_keys(config, &keys),
        .model = model_config->name,
        .version = version,
        .capacity_rows = (uint32_t)model_config->batching_max_batch_rows,
        .slots = (uint32_t)config->worker_slots,
        .heartbeat_ms = (uint32_t)config->worker_heartbeat_ms,
        .token = text_of(token.text),
        .instance = draw_instance(),
        .max_message_bytes = (size_t)config->broker_max_message_bytes,
        /* A pipeline is to say itself that its time is over, before the broker takes it for one that hangs.
         */
        .most_time = model_config->limits_compute_timeout_ms * MILLISECOND / 10 * 9,
    };
    void *context = zmq_ctx_new();
    ENSURE(context != NULL);
    struct pipeline_tree *tree = NULL;
    if (pipeline_is_file(trial.path)) {
        tree = pipeline_tree_new(list);
        session_options.slots = (uint32_t)config->worker_pipeline_slots;
        trial.pipeline = host_pipeline(config, &worker, &session_options, &trial, metrics, tree, context);
        trial.warm_up_limit = 0;           /* its models have warmed up, and are asked by others */
        session_options.capacity_rows = 1; /* requests stay apart: batches are made in its models' queues */
    }
    metrics_fix_size(metrics);
    lock_in(config, &trial, options.name, endpoint, metrics);
    load(&trial, metrics);
    choose_cores(config, model_config, trial.pipeline != NULL ? 0 : trial.one_row);
    bool wanted =
        serve(&worker, &options, config, &session_options, &keys, &trial, metrics, context, started);
    loaded_model_free(trial.model);
    pipeline_host_free(trial.pipeline);
    pipeline_tree_free(tree);
    zmq_ctx_term(context);
    metrics_free(metrics);
    free((char *)trial.path);
    free(endpoint);
    model_list_free(list);
    service_manager_free(worker.manager);
    loop_free(worker.loop);
    config_free(config);
    options_free(&options);
    return wanted ? 0 : 1;
}
