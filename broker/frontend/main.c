/* outrigger-frontend: the FastCGI edge.
 *
 * It takes its listening socket as descriptor 0 (from the supervisor, spawn-fcgi) or 3 (systemd), so that a
 * restart refuses nobody: who holds the socket is not who serves it.
 *
 * The files here that the README does not name: media.c says what a body is, record.c makes a row of a record
 * of CSV or a form, output.c is the text that an answer grows in, problem.c says what is wrong (RFC 9457),
 * etag.c whether a client has it already. jwks.c has the issuer's keys, token_cache.c what is known of
 * tokens. For the Open Inference Protocol oip_request.c, oip_tensors.c, oip_infer.c, oip_response.c and
 * oip_classes.c take a request from beginning to end; oip_describe.c, oip_repository.c, oip_settings.c and
 * oip_statistics.c are its other calls. SPDX-License-Identifier: MIT */
#include "account.h"
#include "audit_log.h"
#include "clock.h"
#include "connection.h"
#include "fetch_hand.h"
#include "footprint.h"
#include "log.h"
#include "options.h"
#include "predictions.h"
#include "process.h"
#include "sampling.h"
#include "sandbox_program.h"
#include "token.h"
#include "tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

/* After SIGTERM: what is not answered by then is broken off, so that the end comes within 2 s. */
#define DRAIN_TIME (1700 * MILLISECOND)

/* How long a frontend waits for the broker to tell it the models before it accepts all the same, to answer
 * /health and to say that it is not ready. Time enough for a broker and a worker to be started again. */
#define CATALOG_WAIT (5 * SECOND)

#define FLUSH_INTERVAL (500 * MILLISECOND)

struct program {
    struct loop *loop;
    void *zmq;
    struct client *client;
    struct api *api;
    struct auth *auth;
    struct tokens *tokens; /* NULL: no issuer is configured */
    struct metrics *metrics;
    struct stats_publisher *stats;
    struct audit_log *audit;
    struct recorder *recorder; /* NULL, as the next: nothing is recorded, or observed */
    struct observer *observer;
    struct sampling *sampling;
    struct tracer *tracer;
    struct connections_context context;
    struct connections *connections; /* NULL until the models are known */
    struct predictions *predictions; /* NULL: none are kept */
    struct loop_timer drain, catalog_wait, predictions_flush;
    int listen_fd, ready_fd;
    bool draining;
    long long flush_logged;
};

static void stop(void *self)
{
    loop_stop(((struct program *)self)->loop);
}

/* From now on it accepts. Not before it knows the models: a frontend that was just started again would answer
 * 503 to requests that a sibling, or itself a moment later, can serve. Until then they wait in the backlog.
 */
static void open_the_door(void *self)
{
    struct program *program = self;
    if (program->connections != NULL)
        return;
    loop_timer_cancel(program->loop, &program->catalog_wait);
    program->connections = connections_new(&program->context, program->listen_fd);
    process_ready(program->ready_fd);
}

static void catalog_came(void *self, const struct catalog_entry *entries, size_t count)
{
    struct program *program = self;
    api_catalog(program->api, entries, count);
    if (api_complete(program->api))
        open_the_door(program);
}

/* The issuer of tokens has answered, or did not in time. */
static void tokens_settled(void *self)
{
    struct program *program = self;
    if (program->connections != NULL)
        connections_settled(program->connections);
}

/* Somebody else accepts from now on (SIGUSR1): whatever has come in is answered, however long that takes. The
 * supervisor sets the limit. */
static void drain(void *self)
{
    struct program *program = self;
    if (program->connections == NULL) {
        stop(program);
        return;
    }
    if (program->draining)
        return;
    log_info("stopping: requests under way are finished first");
    program->draining = true;
    connections_drain(program->connections, stop, program);
}

static void terminate(void *self)
{
    struct program *program = self;
    if (heap_contains(&program->drain.node) || program->connections == NULL) {
        stop(program);
        return;
    }
    loop_timer_set(program->loop, &program->drain, loop_now(program->loop) + DRAIN_TIME, stop, program);
    drain(program);
}

/* No token can be asked about any more. Nobody else accepts meanwhile, and the supervisor hears of it when
 * this process has ended: so that is soon, whatever is still under way. */
static void lose_issuer(void *self)
{
    struct program *program = self;
    if (!program->draining)
        terminate(program);
}

static struct tokens *open_tokens(struct program *program, const struct config *config, int fetch_fd)
{
    char reason[1024];
    struct tokens *tokens = tokens_new(&(struct tokens_context){.config = config,
                                                                .loop = program->loop,
                                                                .settled = tokens_settled,
                                                                .lost = lose_issuer,
                                                                .self = program,
                                                                .fetch_fd = fetch_fd},
                                       reason, sizeof reason);
    if (tokens == NULL && *reason != '\0') {
        log_error("token: %s", reason);
        exit(1);
    }
    return tokens;
}

/* What was predicted is on the disk this soon. */
static void flush_predictions(void *self)
{
    struct program *program = self;
    if (!predictions_flush(program->predictions) && log_allowed(&program->flush_logged, 60))
        log_error("state_directory/predictions cannot be written: feedback will not find some predictions");
    loop_timer_set(program->loop, &program->predictions_flush, loop_now(program->loop) + FLUSH_INTERVAL,
                   flush_predictions, program);
}

static void make_folder(const char *above, const char *name)
{
    char *path;
    ENSURE(asprintf(&path, "%s/%s", above, name) >= 0);
    (void)process_make_directory(path, 0750);
    free(path);
}

static void make_file(const char *above, const char *name)
{
    char *path;
    ENSURE(asprintf(&path, "%s/%s", above, name) >= 0);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd != -1)
        close(fd);
    free(path);
}

/* A sandbox lets in to what is there when it begins. Whoever cannot make them says so when it needs them. */
static void make_places(const struct config *config)
{
    make_folder(config->state_directory, "audit");
    make_folder(config->state_directory, "predictions");
    make_folder(config->runtime_directory, "flight");
    make_file(config->runtime_directory, "failures.table");
    make_file(config->state_directory, "key_uses.table");
}

static void keep_predictions(struct program *program, const struct config *config, const char *name)
{
    char *directory;
    if (config->feedback_keep == 0)
        return;
    ENSURE(asprintf(&directory, "%s/predictions", config->state_directory) != -1);
    program->predictions = predictions_new(directory, name, (size_t)config->feedback_keep);
    if (program->predictions == NULL)
        log_error("%s: %s; predictions are not kept for feedback", directory, strerror(errno));
    else
        flush_predictions(program);
    free(directory);
}

static bool connected(void *self)
{
    const struct program *program = self;
    return program->client != NULL && client_connected(program->client);
}

static void set_gauge(const struct program *program, enum metric metric, size_t value)
{
    series_set(metrics_series(program->metrics, metric, NULL, NULL, NULL), (int64_t)value);
}

static void measure(void *self)
{
    const struct program *program = self;
    if (program->audit != NULL)
        audit_log_measure(program->audit, program->metrics);
    if (program->context.lane == NULL)
        return; /* not yet, or not any more */
    struct lane_load load = lane_load(program->context.lane);
    set_gauge(program, METRIC_LANE_THREADS, load.threads);
    set_gauge(program, METRIC_LANE_BUSY, load.busy);
    set_gauge(program, METRIC_LANE_WAITING, load.waiting);
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t length = sizeof listening;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening;
}

static int listening_socket(void)
{
    if (is_listening(0))
        return 0;
    if (is_listening(3))
        return 3;
    log_error(
        "there is no listening socket on descriptor 0 or 3: start me with outrigger run, spawn-fcgi or a "
        "systemd socket unit");
    exit(1);
}

/* libfcgi takes and gives back some forty pieces of memory a request, two of them of 8 KB: without the fast
 * lists, whose pieces are joined again each time a large one is freed, and with a margin at the top, that
 * costs a third less. */
static void tune_memory(void)
{
    mallopt(M_MXFAST, 0);
    mallopt(M_TOP_PAD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 2 << 20);
    mallopt(M_MMAP_THRESHOLD, 1 << 20); /* a batch's buffers: mapping them costs more than filling them */
}

/* Before fcgi_init: libfcgi takes SIGTERM and SIGUSR1 where nobody has them yet. */
static void listen_to_signals(struct program *program)
{
    loop_signal(program->loop, SIGTERM, terminate, program);
    loop_signal(program->loop, SIGINT, terminate, program);
    loop_signal(program->loop, SIGUSR1, drain, program);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN); /* who asks the issuer is waited for by nobody */
}

/* What is mapped or made before the sandbox, and the sandbox: before there are threads (ZeroMQ's, the lane's,
 * and that of the audit log). */
static void confine(struct program *program, const struct config *config, const char *name)
{
    program->metrics = stats_page(config, "frontend", name);
    make_places(config);
    program->recorder = recorder_new(config, name);
    sandbox_program_enter(
        sandbox_program_new(config, SANDBOX_FRONTEND, name, metrics_path(program->metrics)));
}

/* What a request passes through, from the outside in. */
static void open_rooms(struct program *program, const struct config *config, const char *name, int fetch_fd)
{
    if (audited_wanted(config))
        program->audit = audit_log_new(config, name, AUDIT_BUFFERED);
    program->zmq = zmq_ctx_new();
    keep_predictions(program, config, name);
    program->tokens = open_tokens(program, config, fetch_fd);
    program->auth =
        auth_new(&(struct auth_context){.config = config,
                                        .loop = program->loop,
                                        .metrics = program->metrics,
                                        .check_token = program->tokens == NULL ? NULL : tokens_check,
                                        .self = program->tokens});
    if (*config->trace_endpoint != '\0' || config->drift_rows_per_s > 0)
        program->observer = observer_new(program->zmq, program->loop, config);
    program->sampling = sampling_new(program->loop, config, program->metrics, program->observer);
    program->tracer = tracer_new(config, program->metrics, program->observer, name);
    program->api = api_new(&(struct api_context){.config = config,
                                                 .metrics = program->metrics,
                                                 .predictions = program->predictions,
                                                 .audit = program->audit,
                                                 .sampling = program->sampling,
                                                 .recorder = program->recorder,
                                                 .tracer = program->tracer,
                                                 .broker_connected = connected,
                                                 .self = program,
                                                 .auth = program->auth});
    program->client =
        client_new(program->zmq, program->loop, config->broker_askers, (size_t)config->frontend_max_in_flight,
                   program->metrics, catalog_came, program);
    program->stats =
        stats_publisher_new(program->zmq, program->loop, config, program->metrics, "frontend", name);
    stats_publisher_before(program->stats, measure, program);
    program->context = (struct connections_context){
        .loop = program->loop,
        .config = config,
        .metrics = program->metrics,
        .api = program->api,
        .client = program->client,
        .exposition = stats_exposition_new(program->zmq, program->loop, config),
        .errands = errands_new(program->loop, config->runtime_directory),
        .lane = lane_new(program->loop, program->api, (size_t)config->frontend_lane_threads)};
}

static void close_rooms(struct program *program)
{
    lane_free(program->context.lane);
    program->context.lane = NULL;
    stats_exposition_free(program->context.exposition); /* answers who still waits for it */
    errands_free(program->context.errands);             /* likewise */
    connections_free(program->connections);
    client_free(program->client);
    stats_publisher_free(program->stats);
    api_free(program->api);
    auth_free(program->auth);
    tokens_free(program->tokens);
    audit_log_free(program->audit);
    sampling_free(program->sampling);
    recorder_free(program->recorder);
    tracer_free(program->tracer);
    observer_free(program->observer);
    zmq_ctx_term(program->zmq);
    loop_timer_cancel(program->loop, &program->drain);
    loop_timer_cancel(program->loop, &program->catalog_wait);
    loop_timer_cancel(program->loop, &program->predictions_flush);
    predictions_free(program->predictions);
    loop_free(program->loop);
    metrics_free(program->metrics);
}

int main(int argc, char **argv)
{
    struct options options = options_parse(argc, argv, "frontend", "answers web servers over FastCGI");
    struct config *config = options_config(&options);
    account_settle(config, false);
    int fetch_fd =
        fetch_hand_start(config, options.name); /* before there is anything that it shall not have */
    struct program program = {.listen_fd = listening_socket(), .ready_fd = options.ready_fd};
    process_descriptor_limit((size_t)config->frontend_max_connections + 256);
    tune_memory();
    program.loop = loop_new();
    listen_to_signals(&program);
    if (!fcgi_init()) {
        log_error("libfcgi does not start");
        return 1;
    }
    confine(&program, config, options.name);
    open_rooms(&program, config, options.name, fetch_fd);
    loop_timer_set(program.loop, &program.catalog_wait, loop_now(program.loop) + CATALOG_WAIT, open_the_door,
                   &program);
    footprint_give_back();
    loop_run(program.loop);
    close_rooms(&program);
    config_free(config);
    options_free(&options);
    return 0;
}
