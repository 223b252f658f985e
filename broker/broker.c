/* broker: one thread, one loop, one heap of deadlines.
 *
 * main.c makes it and runs the loop. The life of a request goes through four files: asking.c takes it in and
 * answers it, serving.c gives it to workers, losing.c takes it back from dead ones, and this one owns time:
 * the deadline of every request, the janitor's look at every worker, the batches that wait for company, and
 * the end of each turn, when what came in during the turn is dispatched together. It never looks inside a
 * payload. SPDX-License-Identifier: MIT */
#include "state.h"

#include "footprint.h"
#include "gauges.h"
#include "handover.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <utlist.h>

enum { BROKER_MAGIC = 0x0b40ce40 };

/* Often enough that a hung worker is found within a tenth of the shortest sensible compute timeout. */
#define INSPECT_EVERY (100 * MILLISECOND)
/* Messages that may wait for one asker: its own window bounds what it has open (max_in_flight, at most
 * 100,000). */
#define ASKER_BACKLOG 200000
/* A worker has so many batches at most, each of which may be taken back; ZeroMQ counts some that have been
 * read. */
#define WORKER_BACKLOG (4 * PROTOCOL_SLOTS_MAX)
/* All askers wait while a broker that hands over lets workers finish: no longer than a person notices. */
#define HAND_OVER_TIME (1500 * MILLISECOND)
/* After the last answer: what an asker has not read when its connection ends is lost to it, asked again and
 * computed again. Longer where that must not be: also an asker that waits for a processor has read it then.
 */
#define HAND_OVER_REST      (30 * MILLISECOND)
#define HAND_OVER_REST_ONCE (250 * MILLISECOND)

/* ---- time ---- */

static void alarm_rang(void *self)
{
    struct broker *broker = self;
    struct heap_node *first;
    while ((first = heap_first(&broker->deadlines)) != NULL && first->at <= loop_now(broker->loop)) {
        struct request *request =
            (struct request *)(void *)((char *)first - offsetof(struct request, deadline));
        if (request->copies != NULL)
            shadow_late(broker, request);
        else
            asking_fail(broker, request, FAILURE_DEADLINE,
                        text_of("the deadline passed before there was an answer"));
    }
    broker_set_alarm(broker);
}

void broker_set_alarm(struct broker *broker)
{
    struct heap_node *first = heap_first(&broker->deadlines);
    if (first == NULL)
        loop_timer_cancel(broker->loop, &broker->alarm);
    else if (!heap_contains(&broker->alarm.node) || first->at < broker->alarm.node.at)
        loop_timer_set(broker->loop, &broker->alarm, first->at, alarm_rang, broker);
}

static void inspect(void *self)
{
    struct broker *broker = self;
    int64_t now = loop_now(broker->loop), late = now - broker->janitor_due;
    if (broker->janitor_due != 0 && late > INSPECT_EVERY)
        losing_forgive(broker, late); /* what came meanwhile has not been read */
    losing_look(broker);
    resting_look(broker);
    admitting_look(broker);
    limiting_look(broker);
    for (struct model *model = model_first(broker->models); model != NULL; model = model->next)
        cache_expire(model->cache, now);
    idempotency_expire(broker->names, now);
    if (broker->workers_left) /* ZeroMQ had 50 KB for each, all over the heap: else it is never given back */
        footprint_give_back();
    broker->workers_left = false;
    broker->janitor_due = now + INSPECT_EVERY;
    loop_timer_set(broker->loop, &broker->janitor, broker->janitor_due, inspect, broker);
}

/* ---- the end of a turn ---- */

void broker_wake(struct broker *broker, struct version *version)
{
    if (version->waiting)
        return;
    version->waiting = true;
    DL_APPEND2(broker->waiting, version, previous_waiting, next_waiting);
}

static void delay_over(void *self);

/* The timer follows the earliest of the versions that hold a batch. */
static void set_delay(struct broker *broker, int64_t at)
{
    if (at != INT64_MAX && (!heap_contains(&broker->delay.node) || at < broker->delay.node.at))
        loop_timer_set(broker->loop, &broker->delay, at, delay_over, broker);
}

static void delay_over(void *self)
{
    struct broker *broker = self;
    for (struct model *model = model_first(broker->models); model != NULL; model = model->next)
        for (struct version *version = model->versions; version != NULL; version = version->next)
            if (version->again_at <= loop_now(broker->loop))
                broker_wake(broker, version);
            else
                set_delay(broker, version->again_at);
}

/* ---- handing over ---- */

struct hands {
    bool any;
    bool once_only; /* something that must not be computed twice */
};

static void look_at_hands(void *self, struct worker *worker)
{
    struct hands *hands = self;
    bool busy = worker_has_requests(worker); /* copies are not waited for */
    hands->any |= busy;
    hands->once_only |= busy && !worker->version->model->idempotent;
}

static int64_t rest(const struct broker *broker)
{
    for (const struct model *model = model_first(broker->models); model != NULL; model = model->next)
        if (!model->idempotent)
            return HAND_OVER_REST_ONCE;
    return HAND_OVER_REST;
}

static void leave(void *self)
{
    struct broker *broker = self;
    handover_leave(broker->config, broker->names, loop_now(broker->loop));
    broker->handed_over(broker->handed_over_self);
}

static void hand_over_if_done(struct broker *broker)
{
    struct hands hands = {0};
    pool_each(broker->pool, look_at_hands, &hands);
    bool late = loop_now(broker->loop) - broker->handing_over_since >= HAND_OVER_TIME;
    if (hands.once_only || (hands.any && !late))
        return;
    /* The timer of held batches: nothing is dispatched any more. */
    loop_timer_set(broker->loop, &broker->delay, loop_now(broker->loop) + rest(broker), leave, broker);
    broker->hands_empty = true;
}

void broker_hand_over(struct broker *broker, loop_call *handed_over, void *self)
{
    if (broker->handing_over_since != 0)
        return;
    broker->handed_over = handed_over;
    broker->handed_over_self = self;
    broker->handing_over_since = loop_now(broker->loop);
    limiting_leave(broker, false);
}

static void end_of_turn(void *self)
{
    struct broker *broker = self;
    if (broker->handed_over != NULL && !broker->hands_empty)
        hand_over_if_done(broker);
    while (broker->handing_over_since == 0 && broker->waiting != NULL) {
        struct version *version = broker->waiting;
        DL_DELETE2(broker->waiting, version, previous_waiting, next_waiting);
        version->waiting = false;
        serving_dispatch(broker, version);
        set_delay(broker, version->again_at);
    }
    if (broker->catalog_changed)
        model_table_settle_parts(broker->models);
    if (broker->catalog_changed && askers_catalog_ready(broker))
        askers_publish_catalog(broker);
    port_flush(broker->askers_port);
    if (broker->limiting.redis != NULL)
        limit_redis_flush(broker->limiting.redis);
    if (broker->copies_waiting > 0 && broker->handing_over_since == 0)
        shadow_dispatch(broker);
}

/* ---- life ---- */

static bool bind_local(struct broker *broker, void *zmq_context, const char **endpoint)
{
    const struct config *config = broker->config;
    *endpoint = config->broker_workers;
    broker->workers_port = port_new(zmq_context, broker->loop, *endpoint, config->broker_max_message_bytes,
                                    WORKER_BACKLOG, serving_received, serving_refused, broker);
    if (broker->workers_port == NULL)
        return false;
    *endpoint = config->broker_askers;
    broker->askers_port = port_new(zmq_context, broker->loop, *endpoint, config->broker_max_message_bytes,
                                   ASKER_BACKLOG, asking_received, asking_refused, broker);
    return broker->askers_port != NULL;
}

/* The endpoints for others, behind the gate. */
static bool bind_remote(struct broker *broker, void *zmq_context, const char **endpoint)
{
    const struct config *config = broker->config;
    const char *workers = config->broker_workers_tcp, *askers = config->broker_askers_tcp;
    if (*workers == '\0' && *askers == '\0')
        return true;
    *endpoint = *workers != '\0' ? workers : askers;
    broker->gate = gate_new(zmq_context, broker->loop, config, broker->metrics);
    if (broker->gate == NULL) {
        errno = 0;
        return false;
    }
    bool good = *workers == '\0' ||
                port_open(broker->workers_port, zmq_context, *endpoint, broker->gate, KEY_WORKERS);
    if (good && *askers != '\0') {
        *endpoint = askers;
        good = port_open(broker->askers_port, zmq_context, *endpoint, broker->gate, KEY_ASKERS);
    }
    int reason = errno;
    gate_close_ring(broker->gate);
    errno = reason;
    return good;
}

/* False with errno 0, as the log says what is wrong. */
static bool begin_limiting(struct broker *broker)
{
    bool good = limiting_begin(broker);
    if (!good)
        errno = 0;
    return good;
}

static bool bind_all(struct broker *broker, void *zmq_context, const char **endpoint)
{
    return bind_local(broker, zmq_context, endpoint) && bind_remote(broker, zmq_context, endpoint);
}

void broker_observe(struct broker *broker)
{
    if (!broker->observes)
        broker->observer = observer_new(broker->zmq_context, broker->loop, broker->config);
    broker->observes = true;
}

static void begin_tracing(struct broker *broker)
{
    if (*broker->config->trace_endpoint == '\0')
        return;
    broker_observe(broker);
    broker->tracer = tracer_new(broker->config, broker->metrics, broker->observer, "broker");
}

struct broker *broker_new(void *zmq_context, struct loop *loop, const struct config *config,
                          struct metrics *metrics, const char **endpoint)
{
    struct broker *broker = object_alloc(sizeof *broker);
    broker->magic = BROKER_MAGIC;
    broker->loop = loop;
    broker->config = config;
    broker->metrics = metrics;
    broker->zmq_context = zmq_context;
    broker->bad_asker = metrics_series(metrics, METRIC_BAD_MESSAGES, "asker", NULL, NULL);
    broker->bad_worker = metrics_series(metrics, METRIC_BAD_MESSAGES, "worker", NULL, NULL);
    broker->stray = metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL);
    ENSURE(getrandom(&broker->epoch, sizeof broker->epoch, 0) == sizeof broker->epoch);
    broker->epoch |= 1; /* never 0: that one means "I do not know you" */
    broker->started_at = loop_now(loop);
    broker->models = model_table_new(config, metrics);
    broker->pool = pool_new();
    broker->requests =
        request_table_new((size_t)(config->broker_max_requests + config->broker_max_requests / 4));
    broker->copies = request_table_new((size_t)config->broker_max_shadow_requests * MODELS_MAX);
    broker->quarantine = quarantine_new(config);
    broker->names = idempotency_new(config, metrics);
    admitting_begin(broker);
    begin_tracing(broker);
    if (!begin_limiting(broker) || !bind_all(broker, zmq_context, endpoint)) {
        int reason = errno;
        broker_free(broker);
        errno = reason;
        return NULL;
    }
    handover_take(config, broker->names, broker->started_at); /* takes the file away */
    loop_each_turn(loop, end_of_turn, broker);
    inspect(broker);
    return broker;
}

void broker_free(struct broker *broker)
{
    if (broker == NULL)
        return;
    CHECK_OBJECT(broker, BROKER_MAGIC);
    loop_timer_cancel(broker->loop, &broker->alarm);
    loop_timer_cancel(broker->loop, &broker->janitor);
    loop_timer_cancel(broker->loop, &broker->delay);
    loop_timer_cancel(broker->loop, &broker->unreachable);
    loop_timer_cancel(broker->loop, &broker->gather);
    port_free(broker->askers_port);
    port_free(broker->workers_port);
    gate_free(broker->gate);
    askers_free(broker);
    limiting_free(broker);
    serving_free(broker);
    quarantine_free(broker->quarantine);
    idempotency_free(broker->names);
    admitting_free(broker);
    request_table_free(broker->requests);
    request_table_free(broker->copies);
    tracer_free(broker->tracer);
    observer_free(broker->observer);
    pool_free(broker->pool);
    model_table_free(broker->models);
    heap_free(&broker->deadlines);
    broker->magic = 0;
    free(broker);
}

void broker_announce(struct broker *broker, const struct claim *claim)
{
    admission_announce(broker->admitting.admission, claim);
}

void broker_announced(struct broker *broker, uint64_t answered)
{
    admitting_settle(broker, answered);
}

bool broker_worker_gone(struct broker *broker, uint32_t pid)
{
    admission_forget_pid(broker->admitting.admission, pid);
    struct worker *worker = pool_find_pid(broker->pool, pid);
    if (worker != NULL)
        losing_ended(broker, worker);
    return worker != NULL;
}

bool broker_worker_failed(struct broker *broker, struct text model_name, struct text version_name,
                          struct text reason, bool all)
{
    struct model *model = model_name.length == 0 ? NULL : model_find(broker->models, model_name);
    struct version *version = model == NULL ? NULL : model_version(model, version_name);
    if (version == NULL)
        return false;
    if (version->worker_count > 0)
        return true; /* the others serve */
    version_set_fault(version, reason, all);
    broker->catalog_changed = true;
    struct request *request;
    if (all)
        serving_follow_route(broker, version);
    while (all && (request = queue_head(&version->queue)) != NULL)
        asking_fail(broker, request, FAILURE_NOT_READY, text_of("no worker of this version can start"));
    return true;
}

bool broker_reload_keys(struct broker *broker, char *reason, size_t capacity)
{
    struct gate_change change;
    if (broker->gate == NULL)
        return true;
    if (!gate_reload(broker->gate, &change, reason, capacity)) {
        log_error("broker.curve_allow: %s; who was allowed still is", reason);
        return false;
    }
    if (change.serving)
        losing_barred(broker); /* whoever may come in, may not serve all that he did */
    if (change.removed)
        askers_bar(broker);
    return true;
}

static void routes_changed(struct broker *broker)
{
    broker->catalog_changed = true;
    for (struct model *model = model_first(broker->models); model != NULL; model = model->next)
        for (struct version *version = model->versions; version != NULL; version = version->next) {
            broker_wake(broker, version); /* what the old rule held may go by the new one */
            shadow_follow_route(broker, version);
        }
}

void broker_reload(struct broker *broker)
{
    model_table_reload(broker->models);
    limiting_settle(broker);
    routes_changed(broker);
}

void broker_route(struct broker *broker)
{
    model_table_route(broker->models);
    routes_changed(broker);
}

void broker_drain(struct broker *broker, loop_call *drained, void *self)
{
    broker->drained = drained;
    broker->drained_self = self;
    limiting_leave(broker, true);
    if (request_count(broker->requests) == 0)
        drained(self);
}

struct model_table *broker_models(struct broker *broker)
{
    return broker->models;
}

struct pool *broker_pool(struct broker *broker)
{
    return broker->pool;
}

uint64_t broker_epoch(const struct broker *broker)
{
    return broker->epoch;
}

struct broker_limits broker_limits(struct broker *broker)
{
    const struct limit_redis *redis = broker->limiting.redis;
    struct broker_limits limits = {.any = broker->limited,
                                   .redis = redis == NULL ? NULL : limit_redis_state(redis)};
    for (const struct model *model = model_first(broker->models); model != NULL; model = model->next)
        limits.refused += model->limited_count;
    return limits;
}

/* ---- gauges ---- */

static void measure_quarantine(const struct broker *broker)
{
    struct quarantine_counts counts = quarantine_counts(broker->quarantine);
    const struct {
        const char *outcome;
        uint64_t count;
    } outcomes[] = {{"kept", counts.kept}, {"dropped", counts.dropped}, {"failed", counts.failed}};
    for (size_t i = 0; i < COUNT_OF(outcomes); i++)
        series_set(metrics_series(broker->metrics, METRIC_QUARANTINED, outcomes[i].outcome, NULL, NULL),
                   (int64_t)outcomes[i].count);
}

void broker_measure(void *self)
{
    struct broker *broker = self;
    measure_quarantine(broker);
    for (struct model *model = model_first(broker->models); model != NULL; model = model->next)
        gauges_measure(broker->metrics, model);
}
