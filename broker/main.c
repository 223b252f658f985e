/* outrigger-broker: routes requests to the workers' queues and their answers back.
 *
 * The other files here, beside those that the README follows a request through: broker.c owns time and makes
 * the parts; port.c is one of the two sides, askers' or workers'. model.c is the table of models, versions,
 * queues and workers, version.c what is known of one version, likeness.c says whether two versions take the
 * same; request.c is one request. cost.c knows what batches take, executions.c and figures.c what requests
 * took, gauges.c how it is now. limit_script.c is what Redis is asked for limits. admin.c answers on the
 * control socket; batch_span.c writes spans. SPDX-License-Identifier: MIT */
#include "account.h"
#include "admin.h"
#include "clock.h"
#include "curve.h"
#include "footprint.h"
#include "log.h"
#include "options.h"
#include "process.h"
#include "sandbox_program.h"
#include "stats.h"
#include "unix_socket.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

/* How long requests that are with workers may take to come back after SIGTERM. */
#define DRAIN_TIME (1500 * MILLISECOND)

struct program {
    struct loop *loop;
    struct broker *broker;
    struct loop_timer drain;
};

static void stop(void *self)
{
    loop_stop(((struct program *)self)->loop);
}

static void terminate(void *self)
{
    struct program *program = self;
    log_info("stopping: what is open is finished first");
    loop_timer_set(program->loop, &program->drain, loop_now(program->loop) + DRAIN_TIME, stop, program);
    broker_drain(program->broker, stop, program);
}

static void hand_over(void *self)
{
    struct program *program = self;
    log_info("stopping for a new broker: what workers have in hand is finished first");
    broker_hand_over(program->broker, stop, program);
}

static void reload(void *self)
{
    struct program *program = self;
    char reason[5120];
    broker_reload(program->broker);
    broker_reload_keys(program->broker, reason, sizeof reason); /* it logs what is wrong */
}

/* Whatever is wrong with keys, or with endpoints that have none, is said before anything is bound. */
static void check_keys(const struct config *config)
{
    struct config_errors errors = {0};
    curve_check(config, &errors);
    if (errors.count == 0)
        return;
    config_errors_print(&errors, stderr);
    exit(1);
}

/* A stranger's handshakes cost ZeroMQ's thread some time: not that of our own processes. */
static void *new_context(const struct config *config)
{
    void *zmq = zmq_ctx_new();
    bool remote = *config->broker_workers_tcp != '\0' || *config->broker_askers_tcp != '\0';
    ENSURE(zmq != NULL && zmq_ctx_set(zmq, ZMQ_IO_THREADS, remote ? 2 : 1) == 0);
    return zmq;
}

/* A second broker on the same endpoints would take over new peers without a word (libzmq replaces the socket
 * file), so the directory belongs to who holds the lock. */
static int take_lock(const struct config *config)
{
    char path[256];
    if (process_make_directory(config->runtime_directory, 0750) != 0) {
        log_error("%s: %s", config->runtime_directory, strerror(errno));
        exit(1);
    }
    snprintf(path, sizeof path, "%s/broker.lock", config->runtime_directory);
    int lock = process_lock(path);
    if (lock < 0) {
        log_error("%s: %s", path, errno == EWOULDBLOCK ? "another broker runs here" : strerror(errno));
        exit(1);
    }
    return lock;
}

/* They may be another user. */
static void open_to_workers(const struct config *config)
{
    const char *endpoint = config->broker_workers;
    if (*config->worker_user != '\0' && strncmp(endpoint, "ipc:///", 7) == 0 &&
        unix_open_to_group(endpoint + 6) == -1)
        log_error("%s: %s; workers cannot come in", endpoint, strerror(errno));
}

int main(int argc, char **argv)
{
    struct options options =
        options_parse(argc, argv, "broker", "routes requests to workers, and their answers back");
    struct config *config = options_config(&options);
    account_settle(config, false);
    check_keys(config);
    int lock = take_lock(config);
    /* libzmq aborts when accept meets the limit at an ipc endpoint */
    process_descriptor_limit(65536);
    struct program program = {.loop = loop_new()};
    loop_signal(program.loop, SIGTERM, terminate, &program);
    loop_signal(program.loop, SIGINT, terminate, &program);
    loop_signal(program.loop, SIGHUP, reload, &program);
    loop_signal(program.loop, SIGUSR1, hand_over, &program);
    struct metrics *metrics = stats_page(config, "broker", options.name);
    sandbox_program_enter(sandbox_program_new(config, SANDBOX_BROKER, options.name, metrics_path(metrics)));
    void *zmq = new_context(config);
    const char *endpoint;
    program.broker = broker_new(zmq, program.loop, config, metrics, &endpoint);
    if (program.broker == NULL) {
        if (errno != 0)
            log_error("%s: %s", endpoint, zmq_strerror(errno));
        return 1;
    }
    open_to_workers(config);
    char path[256];
    snprintf(path, sizeof path, "%s/broker.sock", config->runtime_directory);
    struct control *control = control_listen(program.loop, path, admin_command, program.broker);
    if (control == NULL) {
        log_error("%s: %s", path, strerror(errno));
        return 1;
    }
    struct stats_publisher *stats =
        stats_publisher_new(zmq, program.loop, config, metrics, "broker", options.name);
    stats_publisher_before(stats, broker_measure, program.broker);
    process_ready(options.ready_fd);
    log_info("askers at %s %s, workers at %s %s", config->broker_askers, config->broker_askers_tcp,
             config->broker_workers, config->broker_workers_tcp);
    footprint_give_back();
    loop_run(program.loop);
    control_free(control);
    stats_publisher_free(stats);
    loop_timer_cancel(program.loop, &program.drain);
    broker_free(program.broker);
    zmq_ctx_term(zmq);
    loop_free(program.loop);
    metrics_free(metrics);
    config_free(config);
    options_free(&options);
    close(lock);
    return 0;
}
