/* outrigger-collector: adds up what all processes count, and shows it.
 *
 *     processes -- stats.ipc --> exchange --> registry --> exposition --> pages --> scrape (HTTP)
 *                                   |          ^ |                         |
 *                                   |          | |                         +--> exposition.ipc (frontends)
 *                                   |          | +-- each second --> chronicle --> history --> dashboard
 *                                   |          +---- reaper (pages and sums in RUNTIME/stats)
 *                                   +--> stats-out.ipc (subscribers)
 *     broker, frontends -- observations.ipc --> observing (a thread) --> comparison --> our own counters
 *                                                   |   |
 *                                                   |   +--> drift (windows; reports to the loop)
 *                                                   +--> exporter (a thread) --> trace_hand (a process)
 *     frontends -- STATE/predictions --> truth --> accuracy
 *
 * One loop, a thread that looks at single requests, and one that waits for who gets traces. Nobody waits for
 * this process: it may be stopped, killed and started again at any time, and the totals are right again one
 * interval later.
 *
 * The files here that the README does not name: accuracy.c says how right versions were, agreement.c how
 * shadows agree; drift_text.c is what Prometheus reads of drift. reaper.c sees to processes that ended, whose
 * sums retired.c keeps. SPDX-License-Identifier: MIT */
#include "account.h"
#include "accuracy.h"
#include "agreement.h"
#include "chronicle.h"
#include "clock.h"
#include "comparison.h"
#include "control.h"
#include "dashboard_page.h"
#include "drift.h"
#include "exchange.h"
#include "exporter.h"
#include "exposition.h"
#include "footprint.h"
#include "log.h"
#include "observing.h"
#include "options.h"
#include "pages.h"
#include "path.h"
#include "process.h"
#include "reaper.h"
#include "registry.h"
#include "sandbox_program.h"
#include "scrape.h"
#include "stats.h"
#include "totals.h"
#include "trace_hand.h"
#include "truth.h"
#include "unix_socket.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum {
    DESCRIPTORS_WANTED =
        4096, /* one for each process and subscriber; ZeroMQ aborts when an accept finds none */
    COMPLAINT_SECONDS = 10,
    LISTEN_AGAIN_INTERVALS = 5
};

#define EXPORT_GATHER     SECOND
#define EXPORT_FIRST_WAIT SECOND         /* then twice that, and so on up to a minute */
#define EXPORT_GIVE_UP    (300 * SECOND) /* as OpenTelemetry's collector does */

struct collector {
    const char *name;
    const struct config *config;
    struct loop *loop;
    struct registry *registry;
    struct reaper *reaper;
    struct exposition *exposition;
    struct page_sources sources;
    struct exchange *exchange;
    struct scrape *scrape;   /* NULL: no address is configured, or it is taken */
    struct metrics *metrics; /* our own */
    struct comparison *comparison;
    struct drift *drift;
    struct observing *observing; /* NULL: not yet, or no thread could be had */
    char host[256];
    struct trace_hand *hand;   /* NULL: no traces are exported */
    struct exporter *exporter; /* likewise, or no thread could be had */
    struct chronicle *chronicle;
    struct dashboard_page *dashboard;
    struct accuracy *accuracy;
    struct truth *truth;     /* NULL: predictions are not kept */
    struct control *control; /* NULL: the socket could not be made */
    struct loop_timer tick;
    unsigned tick_count;
    long long refusal_logged;
};

/* ---- what the exchange asks ---- */

static void refuse(struct collector *collector, enum exchange_refusal refusal, const char *detail)
{
    const char *label = exchange_refusal_label(refusal);
    series_add(metrics_series(collector->metrics, METRIC_SNAPSHOTS_REFUSED, label, NULL, NULL), 1);
    if (log_allowed(&collector->refusal_logged, COMPLAINT_SECONDS))
        log_warning("a message was refused: %s: %s (more of them are only counted)", label, detail);
}

static void count_refused(void *self, enum exchange_refusal refusal)
{
    refuse(self, refusal, "not as STATS.md wants it");
}

/* *detail is said of what is refused. */
static enum exchange_refusal judge(struct collector *collector, struct text topic, struct text body,
                                   const char **detail)
{
    struct snapshot snapshot;
    char expected[SNAPSHOT_TOPIC_BYTES];
    *detail = snapshot_decode((const uint8_t *)body.at, body.length, &snapshot);
    if (*detail != NULL)
        return EXCHANGE_CONTRACT;
    snapshot_topic(&snapshot, expected);
    *detail = "it is not that of the body";
    if (!text_is(topic, expected))
        return EXCHANGE_TOPIC;
    switch (registry_take(collector->registry, &snapshot, loop_now(collector->loop))) {
    case REGISTRY_TAKEN:
        break;
    case REGISTRY_STALE:
        *detail = "the sequence does not go on";
        return EXCHANGE_STALE;
    case REGISTRY_FULL:
        *detail = "too many processes";
        return EXCHANGE_FULL;
    }
    return EXCHANGE_NONE;
}

static enum exchange_refusal take(void *self, struct text topic, struct text body)
{
    const char *detail;
    enum exchange_refusal refusal = judge(self, topic, body, &detail);
    if (refusal != EXCHANGE_NONE)
        refuse(self, refusal, detail);
    return refusal;
}

static void show_page(void *self, const struct page_request *request, struct page *page)
{
    struct collector *collector = self;
    pages_answer(&collector->sources, request, page);
}

/* What has been observed since the last look. */
static void look_at_observing(struct collector *collector)
{
    if (collector->observing == NULL)
        return;
    comparison_publish(collector->comparison, collector->metrics);
    if (collector->exporter != NULL)
        exporter_publish(collector->exporter, collector->metrics);
    drift_publish(collector->drift);
    struct observing_refused refused = observing_refusals(collector->observing);
    for (; refused.messages > 0; refused.messages--)
        count_refused(collector, EXCHANGE_FRAMES);
    if (refused.frames == 0)
        return;
    series_add(metrics_series(collector->metrics, METRIC_OBSERVATIONS_REFUSED, NULL, NULL, NULL),
               refused.frames);
    if (log_allowed(&collector->refusal_logged, COMPLAINT_SECONDS))
        log_warning("an observation was refused: %s (more of them are only counted)", refused.wrong);
}

/* ---- our own counters ---- */

static void set_own(struct collector *collector, enum metric metric, uint64_t value)
{
    series_set(metrics_series(collector->metrics, metric, NULL, NULL, NULL), (int64_t)value);
}

/* We do not publish to ourselves over a socket: the snapshot goes straight into the registry, and out to
 * subscribers. */
static void count_own(struct collector *collector)
{
    look_at_observing(collector);
    struct registry_counts counts = registry_counts(collector->registry);
    set_own(collector, METRIC_SNAPSHOTS, counts.taken);
    set_own(collector, METRIC_SNAPSHOTS_LOST, counts.lost);
    set_own(collector, METRIC_COLLECTOR_DROPPED, counts.dropped);
    set_own(collector, METRIC_COLLECTOR_SERIES, counts.series);
    set_own(collector, METRIC_COLLECTOR_PROCESSES, counts.processes);
    if (collector->exchange != NULL)
        set_own(collector, METRIC_SUBSCRIPTIONS, exchange_subscriptions(collector->exchange));
    size_t length;
    uint8_t *bytes = metrics_snapshot(collector->metrics, "collector", collector->name, &length);
    struct snapshot snapshot;
    char topic[SNAPSHOT_TOPIC_BYTES];
    if (snapshot_decode(bytes, length, &snapshot) == NULL) {
        size_t topic_length = snapshot_topic(&snapshot, topic);
        registry_take(collector->registry, &snapshot, loop_now(collector->loop));
        if (collector->exchange != NULL)
            exchange_publish(collector->exchange, (struct text){topic, topic_length},
                             (struct text){(const char *)bytes, length});
    }
    free(bytes);
}

/* ---- questions ---- */

static void answer(void *self, yyjson_val *request, yyjson_mut_doc *reply)
{
    struct collector *collector = self;
    const char *command = yyjson_get_str(yyjson_obj_get(request, "command"));
    if (command != NULL && strcmp(command, "shadow") == 0) {
        count_own(collector);
        agreement_to_json(collector->registry, reply, yyjson_mut_doc_get_root(reply));
    } else if (command != NULL && strcmp(command, "accuracy") == 0) {
        accuracy_to_json(collector->accuracy, clock_wall() / MILLISECOND, reply,
                         yyjson_mut_doc_get_root(reply));
    } else if (command != NULL && strcmp(command, "stats") == 0) {
        count_own(collector);
        totals_to_json(collector->registry, reply, yyjson_mut_doc_get_root(reply));
    } else if (command != NULL && strcmp(command, "drift") == 0) {
        drift_publish(collector->drift);
        drift_to_json(collector->drift, yyjson_get_str(yyjson_obj_get(request, "model")), reply,
                      yyjson_mut_doc_get_root(reply));
    } else {
        control_refuse(reply, "the collector knows accuracy, drift, shadow and stats");
    }
}

static void listen_for_questions(struct collector *collector)
{
    char *path = path_in(collector->config->runtime_directory, "collector.sock");
    collector->control = control_listen(collector->loop, path, answer, collector);
    if (collector->control == NULL)
        log_error("%s: %s; outrigger cannot ask how versions agree and how right they are", path,
                  strerror(errno));
    free(path);
}

/* ---- the loop's calls ---- */

/* The frontends' /metrics works without a listener of ours, so a port that is taken is no reason to stop. */
static void listen_for_scrapers(struct collector *collector)
{
    const char *address = collector->config->collector_listen;
    if (address[0] == '\0' || collector->scrape != NULL ||
        collector->tick_count % LISTEN_AGAIN_INTERVALS != 0)
        return;
    collector->scrape = scrape_new(address, &collector->sources);
    if (collector->scrape == NULL && collector->tick_count == 0)
        log_error("collector.listen = %s: %s; tried again until it is free", address, strerror(errno));
}

static void look_for_truth(struct collector *collector)
{
    int64_t now_ms = clock_wall() / MILLISECOND;
    if (collector->truth != NULL)
        truth_look(collector->truth, now_ms);
    accuracy_publish(collector->accuracy, now_ms);
}

static void tick(void *self)
{
    struct collector *collector = self;
    int64_t interval = collector->config->collector_interval_ms * MILLISECOND;
    log_settle();
    exchange_receive(collector->exchange);
    look_for_truth(collector);
    count_own(collector);
    reaper_run(collector->reaper, loop_now(collector->loop));
    listen_for_scrapers(collector);
    collector->tick_count++;
    loop_timer_set(collector->loop, &collector->tick, loop_now(collector->loop) + interval, tick, collector);
}

static void stop(void *self)
{
    struct collector *collector = self;
    log_info("stopping");
    loop_stop(collector->loop);
}

/* ---- life ---- */

static void write_drift(void *drift, FILE *out, bool open)
{
    drift_to_prometheus(drift, out, open);
}

/* Everything but the sockets; false after a complaint. */
static bool prepare(struct collector *collector)
{
    char *directory = path_in(collector->config->runtime_directory, "stats");
    bool made = process_make_directory(directory, 0750) == 0;
    if (!made)
        log_error("%s: %s", directory, strerror(errno));
    else {
        collector->registry = registry_new((size_t)collector->config->collector_max_series);
        collector->reaper = reaper_new(collector->registry, directory);
        collector->exposition = exposition_new(collector->registry, collector->config->metrics_triton != 0);
        collector->metrics = stats_page(collector->config, "collector", collector->name);
        collector->comparison = comparison_new();
        collector->drift = drift_new(collector->config, collector->metrics);
        exposition_more(collector->exposition, write_drift, collector->drift);
        collector->accuracy = accuracy_new(collector->metrics, (size_t)collector->config->feedback_window,
                                           collector->config->feedback_window_s * 1000);
        collector->truth = truth_new(collector->config, collector->metrics, collector->accuracy);
        metrics_set_interval(collector->metrics, (uint32_t)collector->config->collector_interval_ms);
        collector->loop = loop_new();
        collector->chronicle = chronicle_new(collector->config, collector->registry);
        collector->dashboard = dashboard_page_new();
        collector->sources = (struct page_sources){.loop = collector->loop,
                                                   .config = collector->config,
                                                   .registry = collector->registry,
                                                   .exposition = collector->exposition,
                                                   .history = chronicle_history(collector->chronicle),
                                                   .drift = collector->drift,
                                                   .dashboard = collector->dashboard};
    }
    free(directory);
    return made && collector->loop != NULL && loop_signal(collector->loop, SIGTERM, stop, collector) == 0 &&
           loop_signal(collector->loop, SIGINT, stop, collector) == 0;
}

/* Publishes nothing more, and leaves what the next collector, or nobody, needs. */
static void finish(struct collector *collector)
{
    exchange_receive(collector->exchange); /* last words of who was stopped just before us */
    observing_end(collector->observing);
    exporter_end(collector->exporter);
    look_at_observing(collector);
    observing_free(collector->observing);
    collector->observing = NULL;
    exchange_free(collector->exchange);
    collector->exchange = NULL;
    metrics_set_interval(collector->metrics, 0);
    count_own(collector);
    chronicle_end(collector->chronicle, reaper_finish(collector->reaper));
}

static void release(struct collector *collector)
{
    scrape_free(collector->scrape);
    control_free(collector->control);
    observing_free(collector->observing);
    comparison_free(collector->comparison);
    exporter_free(collector->exporter);
    trace_hand_free(collector->hand);
    drift_free(collector->drift);
    exchange_free(collector->exchange);
    exposition_free(collector->exposition);
    chronicle_free(collector->chronicle);
    dashboard_page_free(collector->dashboard);
    reaper_free(collector->reaper);
    registry_free(collector->registry);
    truth_free(collector->truth);
    accuracy_free(collector->accuracy);
    metrics_free(collector->metrics);
    loop_free(collector->loop);
}

/* They publish to us, and may be another user. */
static void open_to_workers(const struct config *config)
{
    char *path = path_in(config->runtime_directory, "stats.ipc");
    if (*config->worker_user != '\0' && unix_open_to_group(path) == -1)
        log_warning("%s: %s; workers cannot publish what they count", path, strerror(errno));
    free(path);
}

static void start_exporter(struct collector *collector)
{
    const struct config *config = collector->config;
    if (collector->hand == NULL)
        return;
    (void)gethostname(collector->host, sizeof collector->host - 1);
    collector->exporter = exporter_new(&(struct exporter_context){
        .sender = {.service = config->trace_service, .version = OUTRIGGER_VERSION, .host = collector->host},
        .most = (size_t)config->trace_buffer_spans,
        .gather = EXPORT_GATHER,
        .first_wait = EXPORT_FIRST_WAIT,
        .give_up = EXPORT_GIVE_UP,
        .post = trace_hand_post,
        .interrupt = trace_hand_interrupt,
        .self = collector->hand});
    if (collector->exporter == NULL)
        log_error("traces are not exported: %s", strerror(errno));
}

static int serve(struct collector *collector, void *zmq_context, int ready_fd)
{
    const struct exchange_owner owner = {collector, take, count_refused, show_page};
    collector->exchange =
        exchange_new(zmq_context, collector->loop, collector->config->runtime_directory, &owner);
    if (collector->exchange == NULL)
        return 1;
    open_to_workers(collector->config);
    start_exporter(collector);
    const struct observing_kind kinds[] = {
        {OBSERVATION_SHADOW, comparison_take, collector->comparison, NULL},
        {OBSERVATION_ROWS, drift_take, collector->drift, drift_tick},
        /* Without an exporter the rows end here, and spans are passed over. */
        {OBSERVATION_SPANS, collector->exporter == NULL ? NULL : exporter_take, collector->exporter, NULL},
        {0},
    };
    collector->observing = observing_new(exchange_observations(collector->exchange), kinds);
    if (collector->observing == NULL)
        log_error("what is observed is not looked at: %s", strerror(errno));
    listen_for_questions(collector);
    tick(collector);
    chronicle_start(collector->chronicle, collector->loop);
    process_ready(ready_fd);
    log_info("ready");
    footprint_give_back();
    loop_run(collector->loop);
    finish(collector);
    return 0;
}

/* Taken for the whole life: binding an ipc path would take it away from a collector that runs. -1 after a
 * complaint. */
static int take_lock(const struct config *config, const char *path)
{
    if (process_make_directory(config->runtime_directory, 0750) != 0) {
        log_error("%s: %s", config->runtime_directory, strerror(errno));
        return -1;
    }
    int lock = process_lock(path);
    if (lock == -1)
        log_error("%s: %s", path, errno == EWOULDBLOCK ? "another collector runs here" : strerror(errno));
    return lock;
}

int main(int argc, char **argv)
{
    struct options options =
        options_parse(argc, argv, "collector", "Adds up the counters of all processes of Outrigger.");
    struct config *config = options_config(&options);
    account_settle(config, false);
    char *lock_path = path_in(config->runtime_directory, "collector.lock");
    int lock = take_lock(config, lock_path);
    int result = 1;
    if (lock != -1) {
        struct collector collector = {.name = options.name, .config = config};
        signal(SIGCHLD, SIG_IGN);                                /* who sends spans is waited for by nobody */
        collector.hand = trace_hand_start(config, options.name); /* before there are threads */
        process_descriptor_limit(DESCRIPTORS_WANTED);
        void *zmq_context = zmq_ctx_new();
        if (prepare(&collector) && zmq_context != NULL) {
            sandbox_program_enter(sandbox_program_new(config, SANDBOX_COLLECTOR, options.name, NULL));
            result = serve(&collector, zmq_context, options.ready_fd);
        }
        release(&collector);
        zmq_ctx_term(zmq_context);
        process_unlock(lock_path, lock);
    }
    free(lock_path);
    config_free(config);
    options_free(&options);
    return result;
}
