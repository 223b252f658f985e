/* outrigger-supervisor: starts the other processes of a host, watches them, and stops them in order.
 *
 * It does not trust its children: what they inherit is listed, ready is said and not guessed, who does not
 * end is killed, who keeps dying waits longer each time. Requests do not pass through it: while it is away,
 * all goes on.
 *
 * The files here, by what they are for:
 *     one process       command.c how it is called, child.c one at a time, service.c again and again,
 *                       last_words.c what it wrote, hidden.c what it is not to know; strays.c those of nobody
 *     all of them       plan.c who should be there, fleet.c makes it so: members.c, turnover.c (one
 *                       after the other), recycle.c (in time), progress.c;
 *                       fleet_reading.c, fleet_telling.c
 *     models            repository.c, stamp.c and shared_inputs.c look at the files; deploy.c does what
 *                       the operator says, with petition.c and deploy_verdict.c; inventory.c, served.c
 *                       vetting.c lets nobody serve who has not passed; vetting_report.c
 *     how many          scale.c, scaling.c
 *     roll-outs         rollouts.c all, rollout.c one, rollout_record.c as data, judge.c and tally.c
 *                       decide, rollout_hands.c acts
 *     the broker        introduction.c, readiness.c, broker_view.c, missing.c
 *     the host          runtime.c, folders.c, descent.c, keys.c; ledger.c and heritage.c for the next, which
 *                       upgrade.c becomes; common/service_manager.c where systemd starts all this
 *     telling           report.c, report_rollout.c, changes.c, audit.c, log_file.c
 * SPDX-License-Identifier: MIT */
#include "audit.h"
#include "clock.h"
#include "descent.h"
#include "footprint.h"
#include "keys.h"
#include "ledger.h"
#include "log.h"
#include "log_file.h"
#include "process.h"
#include "report.h"
#include "rollout_hands.h"
#include "runtime.h"
#include "safety.h"
#include "sandbox_program.h"
#include "service_manager.h"
#include "stats.h"
#include "strays.h"
#include "upgrade.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

/* An answer is sent as soon as the loop has its turn. */
#define ANSWER_TIME (20 * MILLISECOND)
/* How often roll-outs are looked at. */
#define LOOK_EVERY (SECOND / 2)

struct program {
    const struct options *options;
    struct service_manager *manager;
    struct loop *loop;
    struct fleet *fleet;
    struct audit *audit;
    struct log_file *log_file; /* NULL: lines go to stderr */
    char **environment;        /* as it was at the start */
    struct hands *hands;
    struct rollouts *rollouts;
    struct loop_timer look;     /* at the roll-outs */
    struct loop_timer patience; /* of the service manager */
    struct loop_timer upgrade;  /* when the answer is out */
};

static void say_ready(void *self)
{
    struct program *program = self;
    log_info("everything runs");
    process_ready(program->options->ready_fd);
    loop_timer_cancel(program->loop, &program->patience);
    service_manager_say(program->manager, "READY=1\nSTATUS=everything runs");
}

/* A service manager stops a service that does not get ready, and one model that cannot be loaded must not end
 * those that can: after a while we are ready to look after what there is. */
static void say_ready_as_it_is(void *self)
{
    struct program *program = self;
    service_manager_say(program->manager,
                        "READY=1\nSTATUS=not everything runs yet; outrigger status tells what");
}

static void begin_with_manager(struct program *program)
{
    /* In seconds, for both of them. */
    const struct config *config = fleet_basis(program->fleet)->config;
    long long patience = (config->supervisor_start_timeout_ms + 999) / 1000;
    service_manager_watch(program->manager, program->loop);
    service_manager_say(program->manager, "STATUS=starting\nEXTEND_TIMEOUT_USEC=%lld000000", patience + 30);
    if (service_manager_is_there(program->manager))
        loop_timer_set(program->loop, &program->patience, clock_now() + patience * SECOND, say_ready_as_it_is,
                       program);
}

static void stop_loop(void *self)
{
    loop_stop(((struct program *)self)->loop);
}

static void stop(void *self)
{
    struct program *program = self;
    audit_end(program->audit, audit_begin(AUDIT_SIGNAL, "stop"));
    service_manager_say(program->manager, "STOPPING=1\nSTATUS=stopping");
    fleet_stop(program->fleet);
}

static void ignore_change(void *self, const char *text)
{
    (void)self;
    (void)text;
}

static void reload(void *self)
{
    char reason[512]; /* logged already, as the changes are */
    struct program *program = self;
    bool done = fleet_reload(program->fleet, reason, sizeof(reason), ignore_change, NULL);
    yyjson_mut_doc *entry = audit_begin(AUDIT_SIGNAL, "reload");
    yyjson_mut_obj_add_bool(entry, yyjson_mut_doc_get_root(entry), "done", done);
    audit_end(program->audit, entry);
}

/* What must last is on the disk, but for the last lines of the log; the kernel closes all else. */
static void become(void *self)
{
    struct program *program = self;
    if (fleet_is_stopping(program->fleet))
        return;
    log_file_free(program->log_file); /* it is written to the end */
    upgrade_become(fleet_basis(program->fleet), program->environment);
}

static void become_soon(void *self)
{
    struct program *program = self;
    loop_timer_set(program->loop, &program->upgrade, loop_now(program->loop) + ANSWER_TIME, become, program);
}

static void look_at_rollouts(void *self)
{
    struct program *program = self;
    if (!fleet_is_stopping(program->fleet))
        rollouts_look(program->rollouts, loop_now(program->loop));
    loop_timer_set(program->loop, &program->look, loop_now(program->loop) + LOOK_EVERY, look_at_rollouts,
                   program);
}

/* Roll-outs of an earlier supervisor go on. */
static void begin_rollouts(struct program *program, const struct config *config, struct metrics *metrics)
{
    char *rollouts_path;
    ENSURE(asprintf(&rollouts_path, "%s/rollouts.json", config->state_directory) >= 0);
    program->hands = hands_new(program->fleet, config);
    struct rollout_hands hands = hands_of_rollouts(program->hands);
    program->rollouts = rollouts_new(rollouts_path, &hands, program->audit, metrics);
    loop_timer_set(program->loop, &program->look, clock_now() + LOOK_EVERY, look_at_rollouts, program);
    free(rollouts_path);
}

static void end_rollouts(struct program *program)
{
    loop_timer_cancel(program->loop, &program->look);
    rollouts_free(program->rollouts);
    hands_free(program->hands);
}

/* What children inherit beside their descriptors. */
static bool prepare_environment(const struct config *config, struct placement *placement)
{
    struct config_errors errors = {0};
    if (!placement_plan(config, placement, &errors)) {
        log_error("%.*s", (int)strcspn(errors.text, "\n"), errors.text);
        return false;
    }
    umask(077); /* what they make is theirs; what others may reach is given its mode by name */
    /* libfcgi takes and gives back small pieces of memory for a request, a dozen of a size: of these as many
     * are to be at hand, not glibc's seven. Not many more, and only small ones: ZeroMQ's thread frees what
     * ours took for its frames, and would keep so many of each size for good. */
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=16:glibc.malloc.tcache_max=256", 0);
    setenv("OUTRIGGER_CORES_LIGHT", placement->light, 1);
    setenv("OUTRIGGER_CORES_HEAVY", placement->heavy, 1);
    setenv("OUTRIGGER_CORES_ALL", placement->all, 1);
    if (isatty(STDERR_FILENO) &&
        *config->log_file == '\0') /* their stderr is a pipe to us, but a person reads it in the end */
        setenv("OUTRIGGER_LOG", "plain", 0);
    return true;
}

static void log_lines(enum log_level level, struct config_errors *errors)
{
    char *rest = errors->text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
        if (*line != '\0')
            log_write(level, NULL, "%s", line);
}

/* False after a complaint: what is configured must not run like this. */
static bool is_safe(const struct config *config)
{
    struct config_errors errors = {0}, warnings = {0};
    safety_check(config, geteuid(), &errors, &warnings);
    log_lines(LOG_WARNING, &warnings);
    log_lines(LOG_ERROR, &errors);
    return errors.count == 0;
}

/* The listening socket of the service manager; else that of adopted frontends; else -1, for a new one.
 * *new_socket: no frontend has it yet. */
static int find_socket(const struct config *config, const struct ledger *ledger, int given, bool *new_socket)
{
    int fd = given != -1 ? given : ledger_listen_fd(ledger, config->frontend_socket);
    *new_socket = given != -1 ? !ledger_listens_at(ledger, given) : fd == -1;
    return fd;
}

/* Processes that were started with other sockets or directories cannot be ours. Those of the others are, and
 * so is their listening socket. False after a complaint: there is nothing to be supervised. */
static bool take_heritage(const struct config *config, struct runtime *runtime, struct ledger *ledger,
                          struct service_manager *manager, bool *new_socket)
{
    if (ledger_has_strangers(ledger))
        return false;
    char *fixed = plan_fixed(config);
    if (strcmp(ledger->fixed, fixed) != 0)
        ledger_end(ledger, "its sockets, directories or users are not those of the configuration",
                   config->supervisor_stop_timeout_ms);
    free(fixed);
    int given = service_manager_socket(manager, config->frontend_socket);
    return runtime_listen(runtime, find_socket(config, ledger, given, new_socket), given != -1);
}

/* The fleet's life, in a runtime directory that is ours alone. Returns the exit status. */
static int supervise(const struct options *options, const struct plan_basis *basis, struct ledger *ledger,
                     struct service_manager *manager, bool new_socket, char **environment)
{
    const struct config *config = basis->config;
    struct program program = {
        .options = options, .manager = manager, .loop = loop_new(), .environment = environment};
    char path[RUNTIME_PATH_BYTES];
    int status = 1;
    loop_signal(program.loop, SIGTERM, stop, &program);
    loop_signal(program.loop, SIGINT, stop, &program);
    loop_signal(program.loop, SIGHUP, reload, &program);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGIO, SIG_IGN); /* of a lease that somebody breaks while stamp.c asks for it */
    void *zmq = zmq_ctx_new();
    struct metrics *metrics = stats_page(config, "supervisor", options->name);
    program.audit = audit_new(config);
    program.log_file = log_file_new(config, STDERR_FILENO);
    struct fleet_setup setup = {.loop = program.loop,
                                .metrics = metrics,
                                .basis = *basis,
                                .audit = program.audit,
                                .inherited = ledger,
                                .new_socket = new_socket,
                                .ready = say_ready,
                                .stopped = stop_loop,
                                .self = &program};
    program.fleet = fleet_new(&setup);
    begin_rollouts(&program, config, metrics);
    struct strays *strays = strays_new(program.loop);
    struct report report = {.fleet = program.fleet,
                            .metrics = metrics,
                            .rollouts = program.rollouts,
                            .audit = program.audit,
                            .log_file = program.log_file,
                            .began_ms = clock_wall() / MILLISECOND,
                            .upgrade = become_soon,
                            .self = &program};
    struct control *control =
        control_listen(program.loop, runtime_path(config, "supervisor.sock", path), report_command, &report);
    report.control = control;
    struct stats_publisher *stats =
        stats_publisher_new(zmq, program.loop, config, metrics, "supervisor", options->name);
    stats_publisher_before(stats, report_measure, &report);
    if (control == NULL) {
        log_error("%s: %s", path, strerror(errno));
    } else {
        footprint_give_back();
        begin_with_manager(&program);
        loop_run(program.loop);
        log_info("stopped");
        status = 0;
    }
    loop_timer_cancel(program.loop, &program.patience);
    service_manager_watch(manager, NULL);
    control_free(control);
    stats_publisher_free(stats);
    loop_timer_cancel(program.loop, &program.upgrade);
    end_rollouts(&program);
    fleet_free(program.fleet);
    audit_free(program.audit);
    log_file_free(program.log_file);
    metrics_free(metrics);
    zmq_ctx_term(zmq);
    strays_free(strays);
    loop_free(program.loop);
    return status;
}

static void enter_sandbox(const struct config *config, const char *name, const struct descent *descent)
{
    struct sandbox *sandbox = sandbox_program_new(config, SANDBOX_SUPERVISOR, name, NULL);
    struct sandbox_user user;
    const struct account *workers = descent->workers;
    if (descent->service != NULL && workers != NULL) {
        user = (struct sandbox_user){workers->uid, workers->gid, workers->group_count};
        sandbox->becomes = &user;
    }
    sandbox_program_enter(sandbox);
}

int main(int argc, char **argv)
{
    char **environment = upgrade_remember();
    struct options options =
        options_parse(argc, argv, "supervisor", "starts, watches and stops the processes of Outrigger");
    struct service_manager *manager = service_manager_take();
    struct config *config = options_config(&options);
    struct plan_basis basis = {.config = config, .options = &options};
    struct descent descent;
    if (options.dry_run) {
        bool fine = is_safe(config) && keys_check(config) && prepare_environment(config, &basis.placement);
        upgrade_forget(environment);
        service_manager_free(manager);
        config_free(config);
        options_free(&options);
        return fine ? 0 : 1;
    }
    bool good = descent_begin(&descent, config) && is_safe(config) && keys_check(config) &&
                prepare_environment(config, &basis.placement) && descent_raise(&descent);
    struct runtime *runtime = good ? runtime_open(config) : NULL;
    char path[RUNTIME_PATH_BYTES];
    bool new_socket;
    int status = 1;
    struct ledger *ledger =
        runtime == NULL ? NULL : ledger_read(runtime_path(config, "processes.json", path), descent.workers);
    if (runtime != NULL &&
        !(take_heritage(config, runtime, ledger, manager, &new_socket) && descent_end(&descent))) {
        runtime_abandon(runtime);
    } else if (runtime != NULL) {
        enter_sandbox(config, options.name, &descent);
        basis.listen_fd = runtime_listen_fd(runtime);
        basis.workers = descent.workers;
        status = supervise(&options, &basis, ledger, manager, new_socket, environment);
        runtime_close(runtime);
    }
    upgrade_forget(environment);
    service_manager_free(manager);
    ledger_free(ledger);
    descent_free(&descent);
    config_free(config);
    options_free(&options);
    return status;
}
