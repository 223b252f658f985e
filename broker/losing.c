/* losing: how a worker ends, for the broker, and what becomes of the requests that it had.
 *
 * It is told of by the supervisor, found silent, overdue or unreachable, or says BYE (serving.c). What it had
 * goes back to the front of the queue; copies for a shadow do not.
 *
 * All that a dead worker had in hand is suspect, also a batch that it may have answered: the answer can have
 * died with it. Each suspect is tried alone, with a worker that has nothing else, so that the next death has
 * one cause and nobody innocent is ever blamed. A request that max_kills workers died of in that way is
 * refused for good and its bytes are kept. In all it has cost one worker more: the one that it met in
 * company. Called by broker.c (what the supervisor says, and once a heartbeat), serving.c and admitting.c.
 * SPDX-License-Identifier: MIT */
#include "state.h"

#include "batch_span.h"
#include "control.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <utlist.h>

/* Nobody tells us of the death of a remote worker, and a busy one gets no beats, which would show that its
 * connection is gone: so it gets some all the same, up to so many while it says nothing. */
enum { PROBES_MAX = 16 };

/* How long what a dead process had said may take to come out of ZeroMQ's thread, and how often is looked. On
 * a calm machine one look is enough. */
#define LAST_WORDS_TIME (500 * MILLISECOND)
#define LAST_WORDS_LOOK MILLISECOND

/* ---- what it had ---- */

/* Enough workers died of it: it is refused, and its bytes are kept. */
static void condemn(struct broker *broker, struct request *request, const char *cause)
{
    const struct version *version = request->version;
    const struct quarantined record = {.model = text_of(version->model->name),
                                       .version = text_of(version->name),
                                       .tag = text_of(request->tag),
                                       .cause = text_of(cause),
                                       .time_ms = (uint64_t)(clock_wall() / MILLISECOND),
                                       .rows = request->rows,
                                       .kills = request->kills};
    const struct log_of of = {.request = request->tag, .trace = request->traced ? request->trace : NULL};
    log_write_of(LOG_ERROR, &of, "%s %s: %u workers died of this request alone (%s); it is refused",
                 version->model->name, version->name, request->kills, cause);
    struct payload bytes = payload_share(&request->payload); /* a cache may still look at them */
    quarantine_keep(broker->quarantine, &record, &bytes);
    payload_close(&bytes);
    asking_fail(broker, request, FAILURE_POISON, text_of("workers died of this request"));
    asking_let_go(broker, request);
}

/* One request of a lost worker: back into the queue, or ended. `sole`: it had only this request in hand. */
static void recover(struct broker *broker, struct request *request, const char *cause, enum fate fate,
                    bool sole)
{
    struct model *model = request->version->model;
    if (request->copies != NULL) {
        shadow_lost(broker, request, fate == FATE_DIED);
        return;
    }
    struct text died = text_of("the worker died while it computed, and the model is declared not idempotent");
    if (request->state == REQUEST_ABANDONED) {
        if (fate != FATE_LEFT)
            repeating_ended(broker, request, FAILURE_WORKER_DIED, &(struct payload){.bytes = died});
        asking_let_go(broker, request);
        return;
    }
    if (fate != FATE_LEFT && !model->idempotent) {
        asking_fail(broker, request, FAILURE_WORKER_DIED, died);
        asking_let_go(broker, request);
        return;
    }
    request->kills = (uint8_t)(request->kills + (fate == FATE_DIED && sole));
    if (request->kills >= model->max_kills) {
        condemn(broker, request, cause);
        return;
    }
    request->alone = request->alone || fate == FATE_DIED;
    serving_put_back(broker, request);
    series_add(model->retries, 1);
}

void losing_worker(struct broker *broker, struct worker *worker, const char *cause, enum fate fate)
{
    struct version *version = worker->version;
    const char *state = worker_state_name(worker->state);
    size_t recovered = 0;
    bool sole = worker->in_flight == 1 && worker->batches[0].count == 1;
    if (fate == FATE_DIED && worker_has_requests(worker)) {
        version->figures.deaths++;
        series_add(metrics_series(broker->metrics, METRIC_KILLS, version->model->name, version->name, NULL),
                   1);
    }
    while (worker->in_flight > 0) {
        struct batch *batch =
            &worker->batches[worker->in_flight - 1]; /* so that the oldest is first in line */
        batch_span_show(broker->tracer, &(struct batch_end){.worker = worker,
                                                            .batch = batch,
                                                            .now = loop_now(broker->loop),
                                                            .cause = cause,
                                                            .died = fate == FATE_DIED});
        for (size_t i = batch->count; i-- > 0; recovered++)
            recover(broker, batch->requests[i], cause, fate, sole);
        version->rows_sent -= batch->rows;
        worker_release(worker, batch);
    }
    log_info("%s %s: worker %u%s%s: %s -> lost (%s), %zu requests recovered", version->model->name,
             version->name, worker->pid, worker->remote ? " of " : "", worker->key_name, state, cause,
             recovered);
    series_add(metrics_series(broker->metrics, METRIC_WORKERS_LOST, version->model->name, cause, NULL), 1);
    DL_DELETE2(version->workers, worker, previous, next);
    version->worker_count--;
    pool_remove(broker->pool, worker);
    broker->workers_left = true;
    broker->catalog_changed = true;
    broker_wake(broker, version);
}

/* ---- whose process or connection has ended ---- */

/* The supervisor ends a process that hangs or was stopped, and starts another. It is only told of one that it
 * has announced itself: what others say of their numbers may be another's. */
static void report_hang(struct broker *broker, const struct worker *worker)
{
    char path[256], line[96];
    if (worker->pass == 0)
        return;
    snprintf(path, sizeof path, "%s/supervisor.sock", broker->config->runtime_directory);
    snprintf(line, sizeof line, "{\"command\":\"worker-hung\",\"pid\":%u}", worker->pid);
    control_tell(path, line);
}

static void lose_unreachable(void *self);

static void listen_for_end(void *self, struct worker *worker)
{
    struct broker *broker = self;
    if (worker->state == WORKER_DRAINING && loop_now(broker->loop) < worker->last_words_until &&
        !serving_beat(broker, &worker->peer, broker->epoch))
        worker->last_words_until = 0;
}

static void lose_if_ended(void *self, struct worker *worker)
{
    struct broker *broker = self;
    int64_t now = loop_now(broker->loop);
    if (worker->state != WORKER_DRAINING)
        return;
    bool died = worker->dead || worker->in_flight > 0; /* whoever leaves in peace says BYE */
    if (now >= worker->last_words_until)
        losing_worker(broker, worker, died ? "died" : "left", died ? FATE_DIED : FATE_LEFT);
    else
        loop_timer_set(broker->loop, &broker->unreachable, now + LAST_WORDS_LOOK, lose_unreachable, broker);
}

/* A connection ends for us when nothing can be sent over it any more; what came over it before is read then
 * once more. */
static void lose_unreachable(void *self)
{
    struct broker *broker = self;
    pool_each(broker->pool, listen_for_end, broker);
    port_receive(broker->workers_port);
    pool_each(broker->pool, lose_if_ended, broker);
}

void losing_unreachable(struct broker *broker, struct worker *worker, int error)
{
    if (error == EAGAIN)
        report_hang(broker, worker);
    worker_drain(worker);
    loop_timer_set(broker->loop, &broker->unreachable, loop_now(broker->loop), lose_unreachable, broker);
}

void losing_ended(struct broker *broker, struct worker *worker)
{
    worker_drain(worker);
    worker->dead = true;
    worker->last_words_until = loop_now(broker->loop) + LAST_WORDS_TIME;
    lose_unreachable(broker);
}

/* ---- looking after them ---- */

/* A busy one gets no beats: they would heap up until it is done. */
static bool is_due_a_beat(struct worker *worker)
{
    if (worker->in_flight == 0)
        return true;
    return worker->remote && worker->probes < PROBES_MAX && ++worker->probes > 0;
}

static void inspect(void *self, struct worker *worker)
{
    struct broker *broker = self;
    const char *cause = worker_failing(worker, loop_now(broker->loop));
    if (cause != NULL) {
        report_hang(broker, worker);
        losing_worker(broker, worker, cause, worker->in_flight > 0 ? FATE_DIED : FATE_LEFT);
    } else if (is_due_a_beat(worker) && !serving_beat(broker, &worker->peer, broker->epoch)) {
        losing_unreachable(broker, worker, errno);
    }
}

static void lose_if_barred(void *self, struct worker *worker)
{
    struct broker *broker = self;
    if (worker->remote && !gate_serves(broker->gate, worker->key, text_of(worker->version->model->name)))
        losing_worker(broker, worker, "barred", FATE_FORGOT);
}

void losing_barred(struct broker *broker)
{
    pool_each(broker->pool, lose_if_barred, broker);
}

void losing_look(struct broker *broker)
{
    pool_each(broker->pool, inspect, broker);
}

static void forgive(void *self, struct worker *worker)
{
    worker_forgive(worker, *(const int64_t *)self);
}

void losing_forgive(struct broker *broker, int64_t nanoseconds)
{
    pool_each(broker->pool, forgive, &nanoseconds);
}
