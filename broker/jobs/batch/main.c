/* main: the program outrigger-batch: rows of a table in, predictions out, once.
 *
 * The main thread has the loop: the broker, signals, what is told. The lanes' threads have the tables.
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "job.h"
#include "job_options.h"
#include "lanes.h"
#include "log.h"
#include "mapping.h"
#include "stats.h"
#include "telling.h"

#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

/* Exit statuses, which scripts go by. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_RUNNING = 3,
    EXIT_REJECTS = 4,
    EXIT_INTERRUPTED = 5
};

enum { NICE_OF_JOBS = 10 };
/* After the first signal: what is not answered by then is given up, and done by the next run. */
#define STOP_TIME (10 * SECOND)

struct program {
    const struct job_options *options;
    const struct config *config;
    struct job job;
    struct loop *loop;
    void *zmq;
    struct metrics *metrics;
    struct stats_publisher *stats;
    struct asker *asker;
    struct scorer *scorer;
    const struct schema *schema;
    const char *model;
    struct mapping mapping;
    char *name; /* table_job.name */
    struct table_job table_job;
    const struct table *source, *sink; /* sink NULL: the source's, or nothing is written */
    void *source_self, *sink_self;
    struct desk *desk;
    struct pace *pace;
    struct lanes *lanes; /* NULL until they run */
    struct telling *telling;
    struct series *scored, *rejected, *take, *commit;
    struct loop_timer tick, give_up;
    int64_t begun;
    uint64_t whole;
    bool interrupted;
    atomic_bool stop;
};

/* ---- what is told ---- */

static struct telling_state state_of(struct program *program)
{
    struct lanes_totals totals = lanes_totals(program->lanes);
    double seconds = (double)(clock_now() - program->begun) / (double)SECOND;
    const struct table *table = program->source;
    struct telling_state state = {.scored = totals.scored,
                                  .rejected = totals.rejected,
                                  .whole = program->whole,
                                  .retries = asker_retries(program->asker),
                                  .seconds = seconds,
                                  .take_seconds = (double)totals.take.sum / (double)SECOND,
                                  .commit_seconds = (double)totals.commit.sum / (double)SECOND};
    if (table->part_read != NULL)
        state.part = table->part_read(program->source_self);
    double busy = 0, room = 0;
    if (table->busy != NULL) {
        busy += (double)table->busy(program->source_self) / (double)SECOND;
        room += seconds * table->connections(program->source_self);
    }
    if (program->sink != NULL && program->sink->busy != NULL) {
        busy += (double)program->sink->busy(program->sink_self) / (double)SECOND;
        room += seconds * program->sink->connections(program->sink_self);
    }
    state.share = room > 0 ? fmin(1, busy / room) : 0;
    if (table->busy == NULL && (program->sink == NULL || program->sink->busy == NULL) && seconds > 0)
        state.share = fmin(1, (state.take_seconds + state.commit_seconds) / seconds);
    return state;
}

static void publish(void *self)
{
    struct program *program = self;
    if (program->lanes == NULL)
        return;
    struct lanes_totals totals = lanes_totals(program->lanes);
    series_set(program->scored, (int64_t)totals.scored);
    series_set(program->rejected, (int64_t)totals.rejected);
    *program->take = totals.take;
    *program->commit = totals.commit;
}

static void tick(void *self)
{
    struct program *program = self;
    struct telling_state state = state_of(program);
    telling_progress(program->telling, &state);
    loop_timer_set(program->loop, &program->tick, clock_now() + SECOND, tick, program);
}

static void tell(void *self, const char *line)
{
    telling_line(((struct program *)self)->telling, line);
}

/* ---- signals ---- */

/* While tables are opened the loop does not run, and a signal waits for it. */
static bool stopping(void *self)
{
    sigset_t waiting;
    return atomic_load(&((struct program *)self)->stop) ||
           (sigpending(&waiting) == 0 &&
            (sigismember(&waiting, SIGINT) == 1 || sigismember(&waiting, SIGTERM) == 1));
}

static void give_up(void *self)
{
    asker_stop(((struct program *)self)->asker);
}

/* The first one lets what is on its way be committed, a second one does not. */
static void interrupt(void *self)
{
    struct program *program = self;
    bool again = program->interrupted;
    program->interrupted = true;
    atomic_store(&program->stop, true);
    if (program->lanes != NULL)
        lanes_stop(program->lanes);
    if (program->asker == NULL)
        loop_stop(program->loop);
    else if (again || program->lanes == NULL)
        give_up(program);
    else
        loop_timer_set(program->loop, &program->give_up, clock_now() + STOP_TIME, give_up, program);
}

/* ---- setting up ---- */

/* Prints the complaints and exits when the job is wrong. */
static void read_job(const struct job_options *options, struct job *job)
{
    struct config_errors errors = {0};
    struct parameter_reader *reader = job_options_read(options, job_parameters(), job, &errors);
    job_settle(job, reader);
    parameter_reader_free(reader);
    if (errors.count == 0)
        return;
    config_errors_print(&errors, stderr);
    exit(EXIT_USAGE);
}

/* What ps shows from now on: the job has a copy of its own. */
static void hide_passwords(const struct job_options *options)
{
    for (size_t i = 0; i < options->job_setting_count; i++)
        place_hide((char *)(uintptr_t)options->job_settings[i]);
}

static int complain(const char *reason)
{
    fprintf(stderr, "outrigger-batch: %s\n", reason);
    return EXIT_FAILED;
}

/* What could not be done, or was broken off. */
static int fail(struct program *program, const char *reason)
{
    complain(*reason != '\0' ? reason : "interrupted");
    return stopping(program) ? EXIT_INTERRUPTED : EXIT_FAILED;
}

static int connect_to_broker(struct program *program)
{
    const struct job *job = &program->job;
    const char *name = program->options->options.name;
    char reason[ASKER_REASON_MAX];
    program->asker = asker_new(&(struct asker_context){.zmq = program->zmq,
                                                       .loop = program->loop,
                                                       .metrics = program->metrics,
                                                       .config = program->config,
                                                       .tenant = name,
                                                       .priority = PROTOCOL_PRIORITY_JOB,
                                                       .deadline = job->try_s * SECOND,
                                                       .at_a_time = (size_t)job->window,
                                                       .follow = *job->version == '\0',
                                                       .give_up = job->give_up_s * SECOND});
    program->schema =
        asker_version(program->asker, program->model, job->version, job->wait_s * SECOND, reason);
    if (program->interrupted)
        return EXIT_INTERRUPTED;
    if (program->schema == NULL) {
        complain(reason);
        return asker_connected(program->asker) ? EXIT_FAILED : EXIT_NOT_RUNNING;
    }
    program->scorer = scorer_new(program->asker, (size_t)job->request_rows);
    return EXIT_DONE;
}

/* A path as it is from anywhere; a file that is not there yet is in its folder. The caller frees. */
static char *whole_path(const char *path)
{
    char *folder, *whole = realpath(path, NULL), *joined;
    if (whole != NULL)
        return whole;
    const char *slash = strrchr(path, '/');
    folder = slash == NULL ? object_strdup(".") : strndup(path, (size_t)(slash - path + 1));
    whole = folder == NULL ? NULL : realpath(folder, NULL);
    free(folder);
    if (whole == NULL)
        return object_strdup(path);
    ENSURE(asprintf(&joined, "%s/%s", whole, slash == NULL ? path : slash + 1) >= 0);
    free(whole);
    return joined;
}

static char *place_name(const struct place *place)
{
    struct place named = *place;
    char *path = NULL;
    bool is_path = place->kind == PLACE_SQLITE || place->kind == PLACE_CSV || place->kind == PLACE_JSONL;
    if (is_path && strcmp(place->at, "-") != 0)
        named.at = path = whole_path(place->at);
    char *name = place_text(&named);
    free(path);
    return name;
}

/* The same for the same job whenever and from wherever it is started, and without secrets. */
static char *name_of(const struct program *program)
{
    char *name, *from = place_name(&program->job.source), *to = place_name(&program->job.sink);
    ENSURE(asprintf(&name, "%s %s %s", program->model, from, to) >= 0);
    free(from);
    free(to);
    return name;
}

static int open_tables(struct program *program)
{
    struct job *job = &program->job;
    char reason[TABLE_REASON_MAX];
    if (!mapping_make(&program->mapping, program->schema, job->source.columns, reason))
        return fail(program, reason);
    program->name = name_of(program);
    bool dry = program->options->dry_run;
    program->table_job = (struct table_job){.from = &job->source,
                                            .to = &job->sink,
                                            .rejects = job->rejects_name,
                                            .name = program->name,
                                            .model = program->model,
                                            .columns = program->mapping.columns,
                                            .optional = program->mapping.optional,
                                            .is_text = program->mapping.is_text,
                                            .width = program->mapping.width,
                                            .prediction = program->mapping.prediction,
                                            .lanes = (unsigned)job->lanes,
                                            .batch_size = (size_t)job->batch_size,
                                            .create = job->create != 0,
                                            .dry = dry,
                                            .overwrite = job->overwrite != 0,
                                            .stopping = stopping,
                                            .tell = tell,
                                            .self = program};
    enum table_part part = job->together && !dry ? TABLE_BOTH : TABLE_SOURCE;
    program->source = table_of(&job->source, part);
    program->source_self = program->source->open(&program->table_job, part, reason);
    if (program->source_self == NULL)
        return fail(program, reason);
    if (dry || job->together)
        return EXIT_DONE;
    if (program->source->head != NULL)
        program->table_job.head = program->source->head(program->source_self);
    const struct table *sink = table_of(&job->sink, TABLE_SINK);
    program->sink_self = sink->open(&program->table_job, TABLE_SINK, reason);
    if (program->sink_self == NULL)
        return fail(program, reason);
    program->sink = sink;
    return EXIT_DONE;
}

/* Where an earlier run of the job ended. */
static int go_on(struct program *program)
{
    char position[CHUNK_POSITION_MAX], reason[TABLE_REASON_MAX];
    if (program->sink == NULL)
        return EXIT_DONE;
    if (!program->sink->resume(program->sink_self, position, reason))
        return fail(program, reason);
    if (*position != '\0' && !program->source->seek(program->source_self, position, reason))
        return fail(program, reason);
    return EXIT_DONE;
}

static void count_rows(struct program *program)
{
    uint64_t rows, limit = (uint64_t)program->job.limit;
    if (program->source->count != NULL && program->source->count(program->source_self, &rows))
        program->whole = rows;
    if (limit > 0 && (program->whole == 0 || program->whole > limit))
        program->whole = limit;
}

/* ---- running ---- */

static void ended(void *self)
{
    loop_stop(((struct program *)self)->loop);
}

static int start(struct program *program)
{
    const struct job *job = &program->job;
    char reason[TABLE_REASON_MAX];
    program->desk = desk_new(program->loop, program->scorer);
    ENSURE(program->desk != NULL);
    program->pace = pace_new((uint64_t)job->limit, (uint64_t)job->rate);
    program->begun = clock_now();
    program->lanes = lanes_new(&(struct lanes_context){.loop = program->loop,
                                                       .desk = program->desk,
                                                       .pace = program->pace,
                                                       .source = program->source,
                                                       .source_self = program->source_self,
                                                       .sink = program->sink,
                                                       .sink_self = program->sink_self,
                                                       .dry = program->options->dry_run,
                                                       .stop = &program->stop,
                                                       .schema = program->schema,
                                                       .width = program->mapping.width,
                                                       .lanes = (unsigned)job->lanes,
                                                       .batch_size = (size_t)job->batch_size,
                                                       .max_rejects = job->max_rejects,
                                                       .ended = ended,
                                                       .self = program},
                               reason);
    return program->lanes == NULL ? complain(reason) : EXIT_DONE;
}

/* What was committed is on the disk. False with `reason`. */
static bool settle(struct program *program, bool finished, char reason[TABLE_REASON_MAX])
{
    return program->sink == NULL || program->sink->settle == NULL ||
           program->sink->settle(program->sink_self, finished, reason);
}

static int tell_end(struct program *program)
{
    static const struct {
        const char *result;
        int status;
    } ends[] = {[LANES_FINISHED] = {"done", EXIT_DONE},
                [LANES_LIMITED] = {"limit", EXIT_DONE},
                [LANES_REJECTS] = {"rejects", EXIT_REJECTS},
                [LANES_INTERRUPTED] = {"interrupted", EXIT_INTERRUPTED},
                [LANES_FAILED] = {"failed", EXIT_FAILED}};
    const char *reason;
    char unsettled[TABLE_REASON_MAX];
    enum lanes_end end = lanes_end(program->lanes, &reason);
    if (!settle(program, end == LANES_FINISHED, unsettled) && end != LANES_FAILED) {
        end = LANES_FAILED;
        reason = unsettled;
    }
    struct lanes_totals totals = lanes_totals(program->lanes);
    struct telling_state state = state_of(program);
    telling_last(program->telling, &state,
                 &(struct telling_end){.result = ends[end].result,
                                       .reason = *reason != '\0' ? reason : totals.first_reject,
                                       .model = program->model,
                                       .version = asker_version_name(program->asker),
                                       .lost = totals.lost});
    if (end == LANES_FAILED)
        complain(reason);
    return end == LANES_FAILED && asker_gave_up(program->asker) ? EXIT_NOT_RUNNING : ends[end].status;
}

/* Makes the loop answer what asker_stop answers at the end of its turn. */
static void turn_once(struct program *program)
{
    loop_timer_set(program->loop, &program->tick, clock_now(), ended, program);
    loop_run(program->loop);
}

static int run(struct program *program)
{
    int status = connect_to_broker(program);
    if (status == EXIT_DONE)
        status = open_tables(program);
    if (status == EXIT_DONE)
        status = go_on(program);
    if (status != EXIT_DONE)
        return status;
    count_rows(program);
    status = start(program);
    if (status != EXIT_DONE)
        return status;
    if (program->interrupted)
        lanes_stop(program->lanes);
    loop_timer_set(program->loop, &program->tick, clock_now() + SECOND, tick, program);
    loop_run(program->loop);
    loop_timer_cancel(program->loop, &program->tick);
    loop_timer_cancel(program->loop, &program->give_up);
    status = tell_end(program);
    asker_stop(program->asker);
    turn_once(program);
    return status;
}

static void close_all(struct program *program)
{
    if (program->sink != NULL)
        program->sink->close(program->sink_self);
    if (program->source_self != NULL)
        program->source->close(program->source_self);
    stats_publisher_free(program->stats);
    lanes_free(program->lanes);
    desk_free(program->desk);
    pace_free(program->pace);
    scorer_free(program->scorer);
    asker_free(program->asker);
    mapping_free(&program->mapping);
    free(program->name);
    telling_free(program->telling);
    zmq_ctx_term(program->zmq);
    metrics_free(program->metrics);
    loop_free(program->loop);
}

/* Predictions that go to stdout leave it to them. */
static FILE *told_to(const struct job *job)
{
    bool taken =
        (job->sink.kind == PLACE_CSV || job->sink.kind == PLACE_JSONL) && strcmp(job->sink.at, "-") == 0;
    return taken ? stderr : stdout;
}

/* Between sessions the kernel may share processors out evenly, whatever is said within one (sched(7), "The
 * autogroup feature"): one that we lead, as a timer begins it, stands back as a whole. */
static void lower_session(void)
{
    FILE *autogroup = getsid(0) == getpid() ? fopen("/proc/self/autogroup", "w") : NULL;
    if (autogroup == NULL)
        return;
    fprintf(autogroup, "%d", NICE_OF_JOBS);
    fclose(autogroup);
}

/* Others first: a job has time. Between files it takes of the processors what is left, and makes way at once
 * for whoever answers a client: those are batch processes (common/process.c), which interrupt nobody else.
 * Into SQLite it holds the lock of a whole database, which must not wait until there is a processor left; in
 * PostgreSQL those of the rows that it scores, for which few wait. */
static void stand_back(const struct job *job)
{
    bool beside = job->sink.kind == PLACE_COLUMN || job->sink.kind == PLACE_TABLE;
    bool locks = (beside ? job->source.kind : job->sink.kind) == PLACE_SQLITE;
    if (locks || sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}) != 0)
        (void)setpriority(PRIO_PROCESS, 0, NICE_OF_JOBS);
    lower_session();
}

static void begin(struct program *program)
{
    const char *name = program->options->options.name;
    const struct config *config = program->config;
    program->loop = loop_new();
    program->zmq = zmq_ctx_new();
    ENSURE(program->loop != NULL && program->zmq != NULL);
    signal(SIGPIPE, SIG_IGN);
    loop_signal(program->loop, SIGTERM, interrupt, program);
    loop_signal(program->loop, SIGINT, interrupt, program);
    stand_back(&program->job);
    program->metrics = stats_page(config, "batch", name);
    program->stats =
        stats_publisher_new(program->zmq, program->loop, config, program->metrics, "batch", name);
    stats_publisher_before(program->stats, publish, program);
    program->scored = metrics_series(program->metrics, METRIC_JOB_ROWS, name, "scored", NULL);
    program->rejected = metrics_series(program->metrics, METRIC_JOB_ROWS, name, "rejected", NULL);
    program->take = metrics_series(program->metrics, METRIC_JOB_STORE, name, "take", NULL);
    program->commit = metrics_series(program->metrics, METRIC_JOB_STORE, name, "commit", NULL);
    program->telling = telling_new(told_to(&program->job), program->options->json);
    program->model = *program->job.model != '\0' ? program->job.model : config->default_model;
}

int main(int argc, char **argv)
{
    struct job_options options = job_options_parse(
        argc, argv, "batch", "scores the rows of a table, each of them once", job_parameters());
    struct program program = {.options = &options};
    read_job(&options, &program.job);
    hide_passwords(&options);
    struct config *config = options_config(&options.options);
    program.config = config;
    begin(&program);
    int status = EXIT_USAGE;
    if (*program.model != '\0')
        status = run(&program);
    else
        fputs("outrigger-batch: no model: say which, or let the configuration have a default_model\n",
              stderr);
    close_all(&program);
    job_free(&program.job);
    config_free(config);
    job_options_free(&options);
    return status;
}
