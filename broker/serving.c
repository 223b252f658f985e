/* serving: the workers' side of the broker: batches go out here and results come back.
 *
 * The promise kept here is that a request in the hands of a worker is never lost with it: each batch is
 * remembered with its requests and their payloads until its RESULT is in. When the worker ends first,
 * losing.c takes them back. The port calls it for each message of a worker, broker.c for each version that
 * was woken. SPDX-License-Identifier: MIT */
#include "state.h"

#include "batch_span.h"
#include "log.h"
#include "schema.h"
#include "yielding.h"

#include <errno.h>
#include <utlist.h>

/* A worker must have a chance to beat between two looks, also at the shortest heartbeat. */
enum { SILENT_AFTER_BEATS = 3 };

/* A batch that takes less is not made smaller for those who wait little. */
#define COMPANY_FROM (2 * MILLISECOND)

/* ---- batches out ---- */

static uint64_t longest_time_left(struct request *const *requests, size_t count, int64_t now)
{
    int64_t latest = now;
    for (size_t i = 0; i < count; i++) {
        int64_t deadline = cache_deadline(requests[i]);
        if (deadline > latest)
            latest = deadline;
    }
    return (uint64_t)((latest - now) / MICROSECOND);
}

/* What their BATCH carries: a payload of each, or of each of its copies. */
static size_t list_payloads(struct request **requests, size_t count,
                            struct payload *payloads[PROTOCOL_COUNT_MAX])
{
    struct copies *copies = requests[0]->copies;
    if (copies == NULL) {
        for (size_t i = 0; i < count; i++)
            payloads[i] = &requests[i]->payload;
        return count;
    }
    for (size_t i = 0; i < copies->count; i++)
        payloads[i] = &copies->each[i].question;
    return copies->count;
}

/* A worker that computes side by side gets one request at a time (its capacity is one row), and asks others
 * for it: in the same turn, and as a part of the same trace. */
static void tell_of_request(struct envelope *envelope, const struct request *request)
{
    envelope->batch.told = true;
    envelope->batch.priority = request->copies == NULL ? request->priority : PROTOCOL_PRIORITY_JOB;
    if (request->copies != NULL)
        return;
    envelope->batch.tag = text_of(request->tag);
    if (request->traced)
        envelope->batch.trace = (struct text){(const char *)request->trace, sizeof request->trace};
}

/* False when the worker could not be reached; the requests are still the caller's then. */
static bool send_batch(struct broker *broker, struct worker *worker, struct request **requests, size_t count,
                       uint32_t rows, enum release release)
{
    struct payload *payloads[PROTOCOL_COUNT_MAX];
    int64_t now = loop_now(broker->loop);
    size_t payload_count = list_payloads(requests, count, payloads);
    struct envelope envelope = {.verb = VERB_BATCH,
                                .id = ++broker->next_batch,
                                .batch = {.count = (uint32_t)payload_count,
                                          .rows = rows,
                                          .time_left_us = longest_time_left(requests, count, now)}};
    if (worker_is_concurrent(worker))
        tell_of_request(&envelope, requests[0]);
    if (!port_send(broker->workers_port, &worker->peer, &envelope, payloads, payload_count))
        return false;
    struct batch *batch = worker_assign(worker, envelope.id, requests, count, rows, now,
                                        now + shadow_patience(worker->version, requests[0]->copies != NULL));
    batch->release = release;
    batch->behind = requests[0]->copies == NULL && requests[0]->arrived_at < worker->result_at;
    for (size_t i = 0; i < count; i++) {
        requests[i]->state = REQUEST_SENT;
        requests[i]->sent_at = now;
        if (requests[i]->copies != NULL)
            continue; /* of those the public figures say nothing */
        broker->queued_bytes -= requests[i]->bytes;
        series_observe_duration(worker->version->queue_duration, now - requests[i]->arrived_at);
    }
    worker->version->rows_sent += rows;
    series_observe_size(worker->version->batch_rows, rows);
    /* The one used last goes to the end, so that all stay warm and a dying one is found. */
    DL_DELETE2(worker->version->workers, worker, previous, next);
    DL_APPEND2(worker->version->workers, worker, previous, next);
    return true;
}

bool serving_beat(struct broker *broker, const struct peer *peer, uint64_t epoch)
{
    return port_send(broker->workers_port, peer,
                     &(struct envelope){.verb = VERB_BEAT, .beat = {.epoch = epoch}}, NULL, 0);
}

bool serving_send(struct broker *broker, struct worker *worker, struct request **requests, size_t count,
                  uint32_t rows, enum release release)
{
    bool sent = send_batch(broker, worker, requests, count, rows, release);
    if (!sent)
        losing_unreachable(broker, worker, errno);
    return sent;
}

/* The answer goes to the same askers, but is not the old version's to keep. */
static void move_to(struct broker *broker, struct request *request, struct version *version)
{
    cache_empty(version->model->cache, request->version);
    queue_remove(&request->version->queue, request);
    struct request *follower;
    DL_FOREACH2(cache_follower(request), follower, next)
    {
        follower->version = version;
    }
    request->version = version;
    queue_push(&version->queue, request);
    broker_wake(broker, version);
}

/* Who of the request and its followers asked for this version by name; NULL: none of them. */
static struct request *who_is_bound(struct request *request)
{
    struct request *follower;
    if (request->named)
        return request;
    DL_FOREACH2(cache_follower(request), follower, next)
    {
        if (follower->named)
            return follower;
    }
    return NULL;
}

static bool takes_others(const struct version *stable, const struct version *version)
{
    return stable != NULL && stable != version && (stable->worker_count > 0 || !stable->failed);
}

/* The supervisor keeps no workers of it any more: nobody waits in vain. */
static void clear_out(struct broker *broker, struct version *version)
{
    struct version *stable = version->model->stable;
    struct request *request;
    while ((request = version->queue.arrivals) != NULL) {
        struct request *bound = who_is_bound(request);
        if (bound == NULL && takes_others(stable, version))
            move_to(broker, request, stable);
        else
            asking_fail(broker, bound == NULL ? request : bound, FAILURE_NOT_READY,
                        text_of("no worker serves this version any more"));
    }
}

/* The route has moved on, or no worker of this arm is to come, and the last one is gone: what still waits
 * here, or came back with that worker, goes to the version that takes everything. It was routed here when it
 * came, so it stays as long as there is a worker. Not bounded: it was admitted once. */
void serving_follow_route(struct broker *broker, struct version *version)
{
    struct version *stable = version->model->stable;
    if (version->worker_count > 0 || stable == version || version->queue.arrivals == NULL)
        return;
    if (version->ours && !version->expected) {
        clear_out(broker, version);
        return;
    }
    if ((version->weight > 0 && route_holds(version)) || !takes_others(stable, version))
        return;
    struct request *request, *next;
    DL_FOREACH_SAFE2(version->queue.arrivals, request, next, next)
    {
        if (who_is_bound(request) == NULL)
            move_to(broker, request, stable);
    }
}

/* When that worker would probably have computed so many rows beside what it has in hand, if it got them now.
 */
static int64_t back_at(const struct broker *broker, const struct version *version,
                       const struct worker *worker, uint64_t rows)
{
    for (uint32_t i = 0; i < worker->in_flight; i++)
        rows += worker->batches[i].rows;
    int64_t begin = worker->in_flight > 0 ? worker_began(worker) : loop_now(broker->loop);
    return begin + cost_of_rows(&version->cost, rows, version_batch_rows(version), 1);
}

/* Of so many rows that a batch may have: fewer where those who are first in line would be answered too late
 * with so much company, and the others lose little by it. */
static uint32_t in_time(const struct broker *broker, const struct version *version,
                        const struct worker *worker, const struct request *head, uint32_t rows)
{
    if (!version_learns(version))
        return rows;
    uint64_t together_rows = queue_rows_together(&version->queue);
    uint32_t all = together_rows < rows ? (uint32_t)together_rows : rows;
    uint32_t few =
        sizing_in_time(&version->sizing, all, cache_deadline(head) - back_at(broker, version, worker, 0));
    return few < all ? few : rows;
}

/* What is first in line, and would be answered too late now, fails before it costs a worker time that those
 * behind it can use. The last one that waits is tried all the same: what is known of the cost may be wrong,
 * and is only learned of again from batches. True when there was one. */
static bool drop_late(struct broker *broker, struct version *version, const struct worker *worker)
{
    struct request *head = version->queue.requests > 1 ? queue_head(&version->queue) : NULL;
    if (head == NULL || head->alone)
        return false;
    uint32_t most = version_batch_rows(version), rows = in_time(broker, version, worker, head, most);
    uint64_t together = queue_rows_together(&version->queue);
    if (together > rows)
        together = rows > head->rows ? rows : head->rows;
    if (cache_deadline(head) >= back_at(broker, version, worker, together))
        return false;
    asking_fail(broker, head, FAILURE_DEADLINE,
                text_of("it waited longer than was expected: the answer would have come too late"));
    return true;
}

/* Workers that can take a batch now. Where there are none *again_at is when one should. */
static size_t free_workers_for(const struct broker *broker, struct version *version, struct worker **worker,
                               int64_t *again_at)
{
    int64_t now = loop_now(broker->loop);
    *again_at = INT64_MAX;
    const struct request *head = queue_head(&version->queue);
    bool job = head != NULL && request_is_job(head);
    size_t count =
        job ? yielding_free_workers(version, now, worker) : version_free_workers(version, now, worker);
    if (job && count == 0 && yielding_is_called_for(version, now))
        *again_at = yielding_until(version);
    if (*worker == NULL || head == NULL)
        return count;
    if (head->alone && (*worker)->in_flight > 0)
        return 0; /* alone means: with a worker that has nothing else */
    if (count == 0)
        *again_at = version_due(version, *worker);
    return count;
}

/* Of so many rows that a batch may have. Who goes before all turns gets no company that would make its answer
 * take twice as long, where a batch takes so long that anybody would notice. That costs a batch more, but
 * less than what those rows cost anyway. */
static uint32_t without_company(const struct version *version, uint32_t rows)
{
    uint64_t first = queue_rows_first(&version->queue);
    if (first == 0 || first >= rows)
        return rows;
    uint64_t together_rows = queue_rows_together(&version->queue);
    uint64_t all = together_rows < rows ? together_rows : rows;
    int64_t together = cost_of_batch(&version->cost, all);
    bool spoils = together >= COMPANY_FROM && together / 2 >= cost_of_batch(&version->cost, first);
    return spoils ? (uint32_t)first : rows;
}

static uint32_t rows_of_batch(const struct broker *broker, struct version *version,
                              const struct worker *worker, uint32_t rows)
{
    const struct request *head = queue_head(&version->queue);
    return request_is_job(head) ? yielding_rows(version, rows, loop_now(broker->loop))
                                : without_company(version, in_time(broker, version, worker, head, rows));
}

void serving_dispatch(struct broker *broker, struct version *version)
{
    struct request *taken[PROTOCOL_COUNT_MAX];
    serving_follow_route(broker, version);
    resting_call(broker, version);
    for (;;) {
        struct worker *worker;
        int64_t due;
        size_t free_workers = free_workers_for(broker, version, &worker, &due);
        if (free_workers > 0 && drop_late(broker, version, worker))
            continue;
        struct dispatch_rule rule = version->model->rule;
        rule.max_batch_rows = version_batch_rows(version);
        struct dispatch_decision decision =
            dispatch_decide(&version->queue, &rule, free_workers, worker == NULL ? 0 : worker->capacity_rows,
                            loop_now(broker->loop));
        version->again_at = decision.again_at < due ? decision.again_at : due;
        if (decision.release == RELEASE_WAIT)
            return;
        ENSURE(worker != NULL);
        uint32_t rows;
        size_t count = queue_take(&version->queue, rows_of_batch(broker, version, worker, decision.rows),
                                  COUNT_OF(taken), taken, &rows);
        if (serving_send(broker, worker, taken, count, rows, decision.release)) {
            serving_count_release(broker, version, decision.release);
            if (decision.release == RELEASE_FULL)
                sizing_went(&version->sizing);
            continue;
        }
        while (count > 0)
            queue_push_front(&version->queue, taken[--count]);
    }
}

void serving_count_release(struct broker *broker, struct version *version, enum release release)
{
    struct series **series = &version->releases[release];
    if (*series == NULL)
        *series = metrics_series(broker->metrics, METRIC_BATCHES, version->model->name, version->name,
                                 release_label(release));
    series_add(*series, 1);
}

void serving_put_back(struct broker *broker, struct request *request)
{
    request->state = REQUEST_QUEUED;
    queue_push_front(&request->version->queue, request);
    broker->queued_bytes += request->bytes;
}

/* ---- verbs in ---- */

void serving_send_away(struct broker *broker, const struct peer *peer, const char *message)
{
    struct envelope envelope = {.verb = VERB_DRAIN, .drain = {.message = text_of(message)}};
    port_send(broker->workers_port, peer, &envelope, NULL, 0);
}

/* Whom it is of, where that is not this host. */
static void set_origin(const struct broker *broker, struct worker *worker, const struct port_message *message)
{
    worker->remote = message->peer.remote;
    if (!worker->remote)
        return;
    text_copy(text_of(gate_key(message->frame)), worker->key, sizeof worker->key);
    text_copy(text_of(gate_name(broker->gate, worker->key, KEY_WORKERS)), worker->key_name,
              sizeof worker->key_name);
    text_copy(text_of(gate_address(message->frame)), worker->address, sizeof worker->address);
}

/* Two workers of one version that have other files answer differently, and the audit log names the files of
 * the newest: the operator shall know, also when it is only until the older ones have been replaced. */
static void check_digest(const struct version *version, const struct worker *worker, struct text schema)
{
    struct text older = schema_find_digest(version->schema, version->schema_length);
    struct text digest = schema_find_digest((const uint8_t *)schema.at, schema.length);
    if (version->worker_count == 0 || older.length == 0 || digest.length == 0 ||
        (older.length == digest.length && memcmp(older.at, digest.at, digest.length) == 0))
        return;
    log_warning("%s %s: the files of worker %u (%.*s) are others than those of the workers before it (%.*s)",
                version->model->name, version->name, worker->pid, (int)digest.length, digest.at,
                (int)older.length, older.at);
}

static void on_ready(struct broker *broker, struct port_message *message)
{
    const struct envelope *ready = &message->envelope;
    struct pass *pass;
    if (payload_bytes(&message->payloads[0]).length > PROTOCOL_SCHEMA_MAX) {
        /* no asker would read a catalog that has it, and so none would know of any model */
        serving_refused(broker, &message->peer, "READY: the schema is longer than 8 MiB");
        return;
    }
    if (!admitting_lets(broker, message, &pass))
        return;
    struct worker *known = pool_find(broker->pool, &message->peer);
    if (known != NULL && known->instance != 0 && known->instance == ready->ready.instance)
        return; /* it answered two BEATs, of which one had been asked for before it was known: nothing is lost
                 */
    if (known != NULL) /* it says so after an epoch that it did not know: what it had is lost to it */
        losing_worker(broker, known, "left", FATE_FORGOT);
    known = pool_find_instance(broker->pool, ready->ready.instance);
    if (known != NULL) /* its earlier connection is gone, and with it the answers that it had for that */
        losing_worker(broker, known, "left", FATE_FORGOT);
    struct version *version = model_require(broker->models, ready->ready.model, ready->ready.version);
    struct worker *worker = version == NULL ? NULL : pool_add(broker->pool, &message->peer, version);
    if (worker == NULL) {
        serving_send_away(broker, &message->peer,
                          "the broker has no room for another worker, model or version");
        return;
    }
    worker->pid = ready->ready.pid;
    if (pass != NULL)
        admitting_came(broker, worker, pass);
    set_origin(broker, worker, message);
    pool_name(broker->pool, worker, ready->ready.instance);
    worker->capacity_rows = ready->ready.capacity_rows;
    pool_set_slots(worker, ready->ready.slots);
    worker->heard_at = loop_now(broker->loop);
    worker->silence = ready->ready.heartbeat_ms * MILLISECOND * SILENT_AFTER_BEATS;
    check_digest(version, worker, payload_bytes(&message->payloads[0]));
    version_set_schema(version, payload_bytes(&message->payloads[0]));
    version_set_fault(version, text_of(""), false);
    version->called_at = 0;
    DL_PREPEND2(version->workers, worker, previous, next);
    version->worker_count++;
    log_info("%s %s: worker %u%s%s is ready", version->model->name, version->name, worker->pid,
             worker->remote ? " of " : "", worker->key_name);
    broker->catalog_changed = true;
    broker_wake(broker, version);
}

/* The batch was computed since it was sent, or since the one before it came back. What size pays is asked
 * where many wait: what passed since that one came back, whatever it was, is what a batch costs there beside
 * being computed. The way of a batch that nobody could have sent earlier says nothing. */
static void learn_cost(struct worker *worker, const struct batch *batch, int64_t now, uint64_t compute_us)
{
    int64_t begin = batch->sent_at > worker->result_at ? batch->sent_at : worker->result_at;
    int64_t computed = (int64_t)compute_us * MICROSECOND;
    cost_learn(&worker->version->cost, batch->rows, now - begin);
    bool learns = version_learns(worker->version);
    if (learns)
        sizing_learn(&worker->version->sizing, batch->rows, computed);
    if (learns && (batch->behind || batch->sent_at < worker->result_at))
        sizing_learn_between(&worker->version->sizing, now - worker->result_at - computed);
    worker->version->busy += now - begin;
    worker->result_at = now;
}

/* The worker gives up at the latest deadline of those who waited when it got the batch. Somebody who asked
 * the same since then may have time left. */
static bool may_try_again(const struct request *request, enum failure failure, int64_t now)
{
    return failure == FAILURE_DEADLINE && request->deadline.at > now && request->version->model->idempotent;
}

static void answer_requests(struct broker *broker, struct batch *batch, struct port_message *message)
{
    const struct envelope *result = &message->envelope;
    int64_t now = loop_now(broker->loop);
    for (size_t i = 0; i < batch->count; i++) {
        struct request *request = batch->requests[i];
        enum failure failure = failure_of(result->result.failures, i);
        if (request->state == REQUEST_SENT && failure == FAILURE_NONE)
            asking_reply(broker, request, &message->payloads[i], batch, result->result.compute_us);
        else if (request->state == REQUEST_SENT && !may_try_again(request, failure, now))
            asking_fail(broker, request, failure, payload_bytes(&message->payloads[i]));
        if (request->state == REQUEST_SENT) { /* another waits for the same answer */
            serving_put_back(broker, request);
            continue;
        }
        repeating_ended(broker, request, failure, &message->payloads[i]); /* if that is not known yet */
        asking_let_go(broker, request);
    }
}

static void on_result(struct broker *broker, struct worker *worker, struct port_message *message)
{
    const struct envelope *result = &message->envelope;
    struct batch *batch = worker_batch(worker, result->id);
    size_t count = batch == NULL ? 0 : batch_payloads(batch);
    if (batch == NULL || count != result->result.count || message->count != count) {
        series_add(broker->stray, 1);
        if (batch != NULL) /* it owns the batch but cannot count: none of its answers can be trusted */
            losing_worker(broker, worker, "wrong", FATE_DIED);
        return;
    }
    int64_t now = loop_now(broker->loop);
    bool copies = batch_is_copies(batch);
    batch_span_show(broker->tracer, &(struct batch_end){.worker = worker,
                                                        .batch = batch,
                                                        .now = now,
                                                        .failures = result->result.failures,
                                                        .compute_us = result->result.compute_us});
    if (copies)
        shadow_result(broker, batch->requests[0], result->result.failures, message->payloads);
    else
        answer_requests(broker, batch, message);
    worker->answered += count;
    series_observe_duration(worker->version->batch_duration, now - batch->sent_at);
    series_observe_duration(worker->version->batch_wait,
                            now - batch->sent_at - (int64_t)result->result.compute_us * MICROSECOND);
    if (!copies)
        executions_batch(&worker->version->executions, batch->rows, now - batch->sent_at,
                         (int64_t)result->result.compute_us * MICROSECOND, clock_wall());
    learn_cost(worker, batch, now, result->result.compute_us);
    worker->version->rows_sent -= batch->rows;
    worker_release(worker, batch);
    if (worker->in_flight > 0 &&
        !worker_is_concurrent(worker)) /* the next one is computed from now on, not since it was sent */
        worker->batches[0].overdue_at =
            now + shadow_patience(worker->version, batch_is_copies(&worker->batches[0]));
    broker_wake(broker, worker->version);
}

/* The batch that is that request alone; NULL: the worker has none. */
static const struct batch *batch_of(const struct worker *worker, const struct request *request)
{
    for (uint32_t i = 0; i < worker->in_flight; i++)
        if (worker->batches[i].count == 1 && worker->batches[i].requests[0] == request)
            return &worker->batches[i];
    return NULL;
}

void serving_recall(struct broker *broker, const struct request *request)
{
    const struct worker *worker;
    DL_FOREACH2(request->version->workers, worker, next)
    {
        const struct batch *batch = worker_is_concurrent(worker) ? batch_of(worker, request) : NULL;
        if (batch == NULL)
            continue;
        port_send(broker->workers_port, &worker->peer,
                  &(struct envelope){.verb = VERB_CANCEL, .id = batch->id}, NULL, 0);
        return;
    }
}

/* From the worker's own connection, or from that of its thread that does nothing else. */
static void on_heartbeat(struct broker *broker, struct port_message *message)
{
    uint64_t instance = message->envelope.heartbeat.instance;
    struct worker *worker =
        instance == 0 ? pool_find(broker->pool, &message->peer) : pool_find_instance(broker->pool, instance);
    if (worker != NULL)
        worker->heard_at = loop_now(broker->loop);
    else if (instance == 0)
        serving_beat(broker, &message->peer, 0); /* an epoch that it does not know: it registers again */
}

void serving_received(void *self, struct port_message *message)
{
    struct broker *broker = self;
    struct worker *worker = pool_find(broker->pool, &message->peer);
    if (message->hello) {
        serving_beat(broker, &message->peer, broker->epoch);
        return;
    }
    if (message->envelope.verb == VERB_READY) {
        on_ready(broker, message);
        return;
    }
    if (message->envelope.verb == VERB_HEARTBEAT) {
        on_heartbeat(broker, message);
        return;
    }
    if (worker == NULL) {
        if (message->envelope.verb == VERB_RESULT)
            series_add(broker->stray, 1);
        if (message->envelope.verb != VERB_BYE)
            serving_beat(broker, &message->peer, 0);
        return;
    }
    worker->heard_at = loop_now(broker->loop);
    worker->probes = 0;
    switch (message->envelope.verb) {
    case VERB_RESULT:
        on_result(broker, worker, message);
        return;
    case VERB_BYE:
        admission_forget(broker->admitting.admission, worker->pass); /* its process ends */
        losing_worker(broker, worker, "left", FATE_LEFT);
        return;
    default:
        serving_refused(broker, &message->peer, "a verb that workers do not send");
    }
}

void serving_refused(void *self, const struct peer *peer, const char *complaint)
{
    (void)peer;
    struct broker *broker = self;
    static long long last;
    series_add(broker->bad_worker, 1);
    if (log_allowed(&last, 1))
        log_warning("a message of a worker was refused: %s", complaint);
}

/* ---- the end ---- */

static void free_hands(void *self, struct worker *worker)
{
    struct broker *broker = self;
    for (uint32_t i = 0; i < worker->in_flight; i++)
        for (size_t j = 0; j < worker->batches[i].count; j++) {
            struct request *request = worker->batches[i].requests[j];
            if (request->state == REQUEST_ABANDONED)
                request_free(request->copies != NULL ? broker->copies : broker->requests, request);
        }
}

void serving_free(struct broker *broker)
{
    pool_each(broker->pool, free_hands, broker);
}
