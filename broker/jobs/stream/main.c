/* main: the program outrigger-stream: messages of a stream in, answers out, until it is stopped.
 *
 * It is the operator's own process, beside those of the supervisor: it asks the broker as anybody may, with
 * the priority of a job, and gives way to them on the cores. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "job_options.h"
#include "log.h"
#include "scorer.h"
#include "stats.h"
#include "stream_engine.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

enum { JOB_NICE = 10, REQUESTS_MAX = 256 /* at a time: the scorer knows how many keep workers busy */ };

struct program {
    struct job_options options;
    struct stream_job job;
    struct config *config;
    struct loop *loop;
    struct metrics *metrics;
    void *zmq;
    struct asker *asker;
    struct stream_traces *traces;
    struct stream_engine *engine; /* NULL: not begun */
    struct loop_timer second;
    uint64_t told; /* messages done, when it was told last */
    bool stopped;
};

/* Prints the complaints and exits 2 when the job is wrong. */
static void read_job(struct program *program)
{
    struct config_errors errors = {0};
    struct parameter_reader *reader =
        job_options_read(&program->options, stream_job_parameters(), &program->job, &errors);
    stream_job_settle(&program->job, reader);
    parameter_reader_free(reader);
    if (errors.count == 0)
        return;
    config_errors_print(&errors, stderr);
    exit(STREAM_EXIT_USAGE);
}

/* ---- telling ---- */

static void tell_json(const struct program *program, const struct stream_figures *figures, uint64_t rate)
{
    printf("{\"scored\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"skipped\":%" PRIu64 ",\"dropped\":%" PRIu64
           ",\"in_hand\":%zu,\"lag\":",
           figures->scored, figures->bad, figures->skipped, figures->dropped, figures->in_hand);
    printf(figures->lag < 0 ? "null" : "%" PRId64, figures->lag);
    printf(",\"rate\":%" PRIu64 ",\"retries\":%" PRIu64 ",\"connected\":%s}\n", rate,
           asker_retries(program->asker), figures->connected ? "true" : "false");
    fflush(stdout);
}

static void tell_line(const struct stream_figures *figures, uint64_t rate)
{
    char lag[32] = "?";
    if (figures->lag >= 0)
        snprintf(lag, sizeof lag, "%" PRId64, figures->lag);
    fprintf(stderr, "\r\033[K%" PRIu64 " scored, %" PRIu64 " rejected, %" PRIu64 "/s, %s wait%s",
            figures->scored, figures->bad + figures->skipped, rate, lag,
            figures->connected ? "" : " (not connected)");
}

static void tell(struct program *program)
{
    struct stream_figures figures = stream_engine_figures(program->engine);
    uint64_t done = figures.scored + figures.bad + figures.skipped, rate = done - program->told;
    program->told = done;
    if (program->options.json)
        tell_json(program, &figures, rate);
    else if (isatty(STDERR_FILENO))
        tell_line(&figures, rate);
}

static void each_second(void *self)
{
    struct program *program = self;
    loop_timer_set(program->loop, &program->second, loop_now(program->loop) + SECOND, each_second, program);
    log_settle();
    tell(program);
}

static void tell_end(struct program *program)
{
    struct stream_figures figures = stream_engine_figures(program->engine);
    if (program->options.json)
        tell(program);
    else if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    log_info("%" PRIu64 " messages scored, %" PRIu64 " rejected, %" PRIu64 " left out, %" PRIu64
             " answered by others",
             figures.scored, figures.bad, figures.skipped, figures.dropped);
}

/* ---- the parts ---- */

static void terminate(void *self)
{
    struct program *program = self;
    program->stopped = true;
    if (program->engine != NULL)
        stream_engine_stop(program->engine);
    else
        loop_stop(program->loop); /* it waits for the broker */
}

/* The model that is meant when none is named; the caller frees. NULL: there is none such. */
static char *find_model(const struct program *program)
{
    const struct config *config = program->config;
    struct config_errors errors = {0};
    if (*program->job.model != '\0')
        return object_strdup(program->job.model);
    if (*config->default_model != '\0')
        return object_strdup(config->default_model);
    struct model_list *list = model_list_load(config->models_directory, &errors);
    const char *name = model_default(config, list);
    char *model = name == NULL ? NULL : object_strdup(name);
    model_list_free(list);
    return model;
}

static void begin(struct program *program)
{
    const struct stream_job *job = &program->job;
    const char *name = program->options.options.name;
    setpriority(PRIO_PROCESS, 0, JOB_NICE);
    signal(SIGPIPE, SIG_IGN); /* a connection may end at any moment */
    program->loop = loop_new();
    ENSURE(program->loop != NULL);
    loop_signal(program->loop, SIGTERM, terminate, program);
    loop_signal(program->loop, SIGINT, terminate, program);
    program->metrics = stats_page(program->config, "stream", name);
    program->zmq = zmq_ctx_new();
    ENSURE(program->zmq != NULL);
    program->traces = stream_traces_new(program->zmq, program->loop, program->config, program->metrics, name);
    program->asker = asker_new(&(struct asker_context){.zmq = program->zmq,
                                                       .loop = program->loop,
                                                       .metrics = program->metrics,
                                                       .config = program->config,
                                                       .tenant = name,
                                                       .priority = PROTOCOL_PRIORITY_JOB,
                                                       .deadline = job->deadline_ms * MILLISECOND,
                                                       .at_a_time = REQUESTS_MAX,
                                                       .follow = *job->version == '\0',
                                                       .give_up = job->give_up_s * SECOND});
}

static enum stream_exit run_engine(struct program *program, const char *model, const struct schema *schema)
{
    char reason[STREAM_REASON_MAX] = "";
    struct stream_engine_context context = {.loop = program->loop,
                                            .metrics = program->metrics,
                                            .job = &program->job,
                                            .name = program->options.options.name,
                                            .model = model,
                                            .asker = program->asker,
                                            .schema = schema,
                                            .traces = program->traces};
    program->engine = stream_engine_new(&context, reason);
    if (program->engine == NULL) {
        log_error("%s", reason);
        asker_free(program->asker);
        return STREAM_EXIT_USAGE;
    }
    struct stats_publisher *stats = stats_publisher_new(program->zmq, program->loop, program->config,
                                                        program->metrics, "stream", context.name);
    log_info("version %s of model %s scores %s %s, to %s", asker_version_name(program->asker), model,
             program->job.source.scheme, program->job.source.name, program->job.sink.name);
    loop_timer_set(program->loop, &program->second, loop_now(program->loop) + SECOND, each_second, program);
    loop_run(program->loop);
    tell_end(program);
    enum stream_exit verdict = stream_engine_verdict(program->engine);
    loop_timer_cancel(program->loop, &program->second);
    stats_publisher_free(stats);
    asker_free(program->asker);
    stream_engine_free(program->engine);
    return verdict;
}

/* Waits for the model, and scores. */
static enum stream_exit run(struct program *program, const char *model)
{
    char reason[ASKER_REASON_MAX];
    const struct schema *schema =
        asker_version(program->asker, model, program->job.version, program->job.patience_s * SECOND, reason);
    if (schema != NULL && !program->options.dry_run && !program->stopped)
        return run_engine(program, model, schema);
    if (schema == NULL && !program->stopped)
        log_error("%s", reason);
    if (schema != NULL && program->options.dry_run)
        printf("version %s of model %s would score %s %s, to %s\n", asker_version_name(program->asker), model,
               program->job.source.scheme, program->job.source.name, program->job.sink.name);
    asker_free(program->asker);
    return schema == NULL && !program->stopped ? STREAM_EXIT_NOTHING_RUNS : STREAM_EXIT_DONE;
}

int main(int argc, char **argv)
{
    struct program program = {.options = job_options_parse(argc, argv, "stream",
                                                           "scores the messages of a stream, as a job",
                                                           stream_job_parameters())};
    read_job(&program);
    program.config = options_config(&program.options.options);
    char *model = find_model(&program);
    if (model == NULL) {
        log_error("which model? There is no default_model, and none or several in %s",
                  program.config->models_directory);
        return STREAM_EXIT_USAGE;
    }
    begin(&program);
    enum stream_exit verdict = run(&program, model);
    stream_traces_free(program.traces);
    zmq_ctx_term(program.zmq);
    loop_free(program.loop);
    metrics_free(program.metrics);
    config_free(program.config);
    stream_job_free(&program.job);
    job_options_free(&program.options);
    free(model);
    return verdict;
}
