/* asking: the askers' side of the broker: requests come in here, answers go out here.
 *
 * A REQUEST passes the rate limits (limiting.c), if there are any, is routed, admitted (or refused at once,
 * with the time after which it may come back) and queued; from then on exactly one of asking_reply,
 * asking_fail and asking_forget ends it. A request that a worker still has when it ends (deadline, cancel) is
 * only marked, and freed when its batch comes back: most workers cannot be interrupted. What was asked
 * before, or is asked by another at the moment, is first taken by sharing.c where the model wants that. Who
 * the askers are, and what they are told of the models, is askers.c's affair. SPDX-License-Identifier: MIT */
#include "state.h"

#include "log.h"
#include "trace_context.h"
#include "yielding.h"

_Static_assert((int)TRACE_WIRE_BYTES == (int)PROTOCOL_TRACE_BYTES, "a trace is what the wire has of it");

/* A CANCEL that comes in the last part of a request's time says that the time was over for the asker, whose
 * clock runs since it sent the request: earlier than ours by what that took, which is short against the time
 * itself, and also in a busy broker not longer than this. */
#define CANCEL_AT_DEADLINE(time) ((time) / 10 < 100 * MILLISECOND ? (time) / 10 : 100 * MILLISECOND)

/* What waits is expected to take an eighth longer than batches took lately: where the queue is full all the
 * time each request that comes in just fits its deadline, and the smallest delay would make all of them late,
 * which costs as much of the workers' time as if they had been in time. */
enum { SLACK_SHARE = 8 };

/* ---- answers ---- */

/* `version`: whose failure it is; NULL: nobody's. */
static void send_reject(struct broker *broker, const struct request_key *key, const struct version *version,
                        enum failure failure, uint64_t retry_after_ms, struct text message)
{
    if (message.length > PROTOCOL_TEXT_MAX)
        message.length = PROTOCOL_TEXT_MAX;
    struct envelope envelope = {
        .verb = VERB_REJECT,
        .id = key->id,
        .reject = {.failure = failure,
                   .retry_after_ms = retry_after_ms,
                   .message = message,
                   .version = version == NULL ? (struct text){NULL, 0} : text_of(version->name)}};
    port_post(broker->askers_port, &key->asker, &envelope, NULL);
}

/* A request of that version ended without an answer, so long after it came. `computing`: while a worker had
 * it.
 */
static void count_failure(struct broker *broker, struct version *version, enum failure failure,
                          bool computing, int64_t took)
{
    figures_failed(&version->figures, failure, computing);
    executions_failed(&version->executions, took);
    series_add(metrics_series(broker->metrics, METRIC_REQUESTS, version->model->name, version->name,
                              failure_label(failure)),
               1);
}

void asking_count_failure(struct broker *broker, struct version *version, enum failure failure)
{
    count_failure(broker, version, failure, false, 0);
}

void asking_let_go(struct broker *broker, struct request *request)
{
    idempotency_leave(request);
    request_free(broker->requests, request);
}

/* Takes the request out of wherever it is. A SENT one stays in its batch, as ABANDONED, until that ends. */
static void end(struct broker *broker, struct request *request)
{
    struct version *version = request->version;
    if (request->state == REQUEST_QUEUED) {
        queue_remove(&version->queue, request);
        broker->queued_bytes -= request->bytes;
        if (request->alone)
            broker_wake(broker, version); /* others stood behind it who need no worker for themselves */
    }
    heap_remove(&broker->deadlines, &request->deadline);
    cache_leave(request);
    payload_close(&request->payload);
    if (request->state == REQUEST_SENT)
        request_abandon(broker->requests, request);
    else
        asking_let_go(broker, request);
    if (broker->drained != NULL && request_count(broker->requests) == 0)
        broker->drained(broker->drained_self);
}

void asking_forget(struct broker *broker, struct request *request)
{
    end(broker, sharing_hand_over(broker, request));
}

/* Until so many rows, and what workers have in hand, are computed; ns. */
static int64_t time_for_rows(const struct version *version, uint64_t rows)
{
    return cost_of_rows(&version->cost, rows + version->rows_sent, version->model->rule.max_batch_rows,
                        version->worker_count);
}

/* What Retry-After says, in milliseconds. */
static uint64_t retry_after(int64_t nanoseconds)
{
    int64_t milliseconds = nanoseconds / MILLISECOND;
    return milliseconds < 100 ? 100 : milliseconds > 60000 ? 60000 : (uint64_t)milliseconds;
}

/* How long until the queue has drained. */
static uint64_t drain_time(const struct version *version)
{
    return retry_after(time_for_rows(version, version->queue.rows));
}

static void fail(struct broker *broker, struct request *request, enum failure failure, struct text message)
{
    bool later = failure_http_status(failure) == 503;
    send_reject(broker, &request->key, request->version, failure, later ? drain_time(request->version) : 0,
                message);
    count_failure(broker, request->version, failure, request->state == REQUEST_SENT,
                  loop_now(broker->loop) - request->arrived_at);
    askers_remember(broker, &request->key, request->version->model);
    repeating_ended(broker, request, failure, &(struct payload){.bytes = message});
    end(broker, request);
}

/* What is decided for all who sent the same bytes: to compute them again would end in the same way, or must
 * not be done. */
static bool is_verdict(enum failure failure)
{
    return failure == FAILURE_INVALID || failure == FAILURE_POISON || failure == FAILURE_WORKER_DIED;
}

void asking_fail(struct broker *broker, struct request *request, enum failure failure, struct text message)
{
    struct request *follower;
    while (is_verdict(failure) && (follower = cache_follower(request)) != NULL)
        fail(broker, follower, failure, message);
    fail(broker, sharing_hand_over(broker, request), failure, message);
}

void asking_send_reply(struct broker *broker, const struct request_key *key, const struct version *version,
                       const struct limit_rest *rest, struct envelope *envelope,
                       const struct payload *payload)
{
    limiting_tell(rest, envelope, loop_now(broker->loop));
    envelope->verb = VERB_REPLY;
    envelope->id = key->id;
    envelope->reply.version = text_of(version->name);
    port_post(broker->askers_port, &key->asker, envelope, payload);
    series_add(version->answered, 1);
}

/* Microseconds; 0 for one that came to follow when the batch had gone. */
static uint64_t queue_time(const struct request *request, int64_t sent_at)
{
    return sent_at < request->arrived_at ? 0 : (uint64_t)((sent_at - request->arrived_at) / MICROSECOND);
}

void asking_reply(struct broker *broker, struct request *request, const struct payload *payload,
                  const struct batch *batch, uint64_t compute_us)
{
    struct envelope envelope = {.reply = {.compute_us = compute_us, .batch_rows = batch->rows}};
    struct request *follower;
    while ((follower = cache_follower(request)) != NULL) {
        envelope.reply.queue_us = queue_time(follower, request->sent_at);
        asking_send_reply(broker, &follower->key, follower->version, &follower->rest, &envelope, payload);
        figures_shared(&follower->version->figures);
        executions_shared(&follower->version->executions, loop_now(broker->loop) - follower->arrived_at);
        askers_remember(broker, &follower->key, follower->version->model);
        repeating_ended(broker, follower, FAILURE_NONE, payload);
        end(broker, follower);
    }
    cache_store(request, payload, loop_now(broker->loop));
    envelope.reply.queue_us = queue_time(request, request->sent_at);
    asking_send_reply(broker, &request->key, request->version, &request->rest, &envelope, payload);
    int64_t now = loop_now(broker->loop);
    if (request_is_job(request))
        figures_answered_job(&request->version->figures);
    else
        figures_answered(&request->version->figures, now - request->arrived_at);
    executions_answered(&request->version->executions, request->rows, request->sent_at - request->arrived_at,
                        now - request->sent_at, (int64_t)compute_us * MICROSECOND);
    if (request->version->model->shadow.version != NULL)
        shadow_offer(broker, request, payload);
    askers_remember(broker, &request->key, request->version->model);
    repeating_ended(broker, request, FAILURE_NONE, payload);
    end(broker, request);
}

/* ---- REQUEST ---- */

/* Why a request does not come in. */
struct refusal {
    enum failure failure; /* FAILURE_NONE: it may */
    const char *message;
    uint64_t retry_after_ms;
};

static struct refusal choose(struct broker *broker, const struct envelope *envelope, struct version **version)
{
    enum failure failure = route_choose(broker->models, envelope->request.model, envelope->request.version,
                                        envelope->request.key, version);
    struct refusal refusal = {failure, "no worker serves this version",
                              failure_http_status(failure) == 503 ? 1000 : 0};
    if (failure == FAILURE_UNKNOWN_MODEL)
        refusal.message = "there is no such model";
    else if (failure == FAILURE_UNKNOWN_VERSION)
        refusal.message = "the model has no such version";
    return refusal;
}

int64_t asking_time_needed(const struct version *version, const struct envelope *envelope)
{
    uint64_t ahead = queue_rows_ahead(&version->queue, envelope->request.tenant, envelope->request.priority,
                                      envelope->request.rows);
    int64_t needed = ahead == 0 ? 0 : time_for_rows(version, ahead + envelope->request.rows);
    return needed + needed / SLACK_SHARE;
}

/* A request that will not be computed in time is refused now, when its asker can still try elsewhere, and
 * does not cost those behind it theirs. */
static struct refusal in_time(const struct version *version, const struct envelope *envelope)
{
    int64_t left = (int64_t)envelope->request.time_left_us * MICROSECOND;
    if (left == 0)
        return (struct refusal){FAILURE_DEADLINE, "the deadline had passed when the request arrived", 0};
    int64_t needed = asking_time_needed(version, envelope);
    if (needed <= left)
        return (struct refusal){.failure = FAILURE_NONE};
    return (struct refusal){FAILURE_OVERLOADED, "what waits before it would take longer than its deadline",
                            retry_after(needed - left)};
}

static size_t waiting_versions(const struct broker *broker)
{
    size_t count = 0;
    for (const struct model *model = model_first(broker->models); model != NULL; model = model->next)
        for (const struct version *version = model->versions; version != NULL; version = version->next)
            count += version->queue.requests > 0;
    return count;
}

/* What all models share has room for the request. A quarter more than the bounds is kept for versions that
 * have less than their share of it: a flood at one model does not shut out the others. */
static bool has_room(const struct broker *broker, const struct version *version, uint8_t priority,
                     size_t bytes)
{
    const struct queue *queue = &version->queue;
    uint64_t most_bytes = (uint64_t)broker->config->broker_max_queue_bytes;
    uint64_t most_requests = (uint64_t)broker->config->broker_max_requests;
    uint64_t open = request_count(broker->requests);
    if (priority == PROTOCOL_PRIORITY_JOB && broker->queued_bytes > 0) /* half of it is not for jobs */
        return broker->queued_bytes + bytes <= most_bytes / 2 && open < most_requests / 2;
    if (broker->queued_bytes + bytes <= most_bytes && open < most_requests)
        return true;
    uint64_t versions = waiting_versions(broker) + (queue->requests == 0);
    bool below = versions > 1 && queue->bytes + bytes <= most_bytes / versions &&
                 queue->requests < most_requests / versions;
    return below && broker->queued_bytes + bytes <= most_bytes + most_bytes / 4 &&
           open < most_requests + most_requests / 4;
}

static struct refusal admit(struct broker *broker, const struct envelope *envelope, size_t bytes,
                            const struct version *version)
{
    struct refusal refusal = {0};
    const struct queue *queue = &version->queue;
    refusal.failure = queue_admits(queue, envelope->request.tenant, envelope->request.priority,
                                   envelope->request.rows, bytes);
    if (refusal.failure == FAILURE_NONE && has_room(broker, version, envelope->request.priority, bytes))
        return in_time(version, envelope);
    refusal.message = refusal.failure == FAILURE_TOO_LARGE
                          ? "the request is larger than the model's whole queue"
                      : refusal.failure == FAILURE_NONE ? "the broker holds as much as it may"
                                                        : "the model's queue is full";
    if (refusal.failure == FAILURE_NONE)
        refusal.failure = FAILURE_OVERLOADED;
    refusal.retry_after_ms = failure_http_status(refusal.failure) == 503 ? drain_time(version) : 0;
    return refusal;
}

void asking_begin(struct broker *broker, struct request *request, const struct envelope *envelope,
                  struct version *version, const struct limit_rest *rest)
{
    int64_t now = loop_now(broker->loop);
    request->version = version;
    request->rest = *rest;
    request->rows = envelope->request.rows;
    request->priority = envelope->request.priority;
    request->named = envelope->request.version.length > 0;
    request->tenant = envelope->request.tenant;
    yielding_note(version, request, now);
    request->arrived_at = now;
    text_copy(envelope->request.tag, request->tag, sizeof request->tag);
    request->traced = trace_wire_read(envelope->request.trace, request->trace);
    heap_set(&broker->deadlines, &request->deadline,
             now + (int64_t)envelope->request.time_left_us * MICROSECOND);
    broker_set_alarm(broker);
    if (envelope->request.once.length > 0)
        repeating_begin(broker, request, envelope);
}

static void enqueue(struct broker *broker, struct request *request, struct payload *payload)
{
    struct version *version = request->version;
    payload_move(&request->payload, payload);
    request->bytes = payload_bytes(&request->payload).length;
    queue_push(&version->queue, request);
    broker->queued_bytes += request->bytes;
    broker_wake(broker, version);
}

/* The version cannot be had: the asker may ask for another at once, under another id. */
static void remember_ungranted(struct broker *broker, const struct request_key *key,
                               const struct envelope *envelope, enum failure failure)
{
    const struct model *model = model_find(broker->models, envelope->request.model);
    if (model != NULL && (failure == FAILURE_UNKNOWN_VERSION || failure == FAILURE_NOT_READY))
        askers_remember(broker, key, model);
}

void asking_take_in(struct broker *broker, struct port_message *message, const struct request_key *key,
                    const struct limit_rest *rest)
{
    const struct envelope *envelope = &message->envelope;
    if (envelope->request.once.length > 0 && repeating_take(broker, key, envelope, rest))
        return;
    struct version *version = NULL;
    struct cache_key digest;
    struct refusal refusal = choose(broker, envelope, &version);
    ENSURE(refusal.failure != FAILURE_NONE || version != NULL);
    if (version != NULL && !version->model->idempotent && askers_were_answered(broker, key))
        return;
    bool cached = refusal.failure == FAILURE_NONE && cache_is_on(version->model->cache) &&
                  envelope->request.time_left_us > 0;
    if (cached && sharing_take(broker, key, message, version, rest, &digest))
        return;
    if (refusal.failure == FAILURE_NONE)
        refusal = admit(broker, envelope, payload_bytes(&message->payloads[0]).length, version);
    struct request *request = refusal.failure == FAILURE_NONE ? request_new(broker->requests, key) : NULL;
    if (request != NULL) {
        if (cached)
            request->expected_at = loop_now(broker->loop) + asking_time_needed(version, envelope);
        asking_begin(broker, request, envelope, version, rest);
        enqueue(broker, request, &message->payloads[0]);
        if (cached)
            cache_lead(version->model->cache, &digest, request);
        return;
    }
    ENSURE(refusal.failure != FAILURE_NONE); /* has_room knows the table's limit */
    if (version != NULL)
        count_failure(broker, version, refusal.failure, false, 0);
    remember_ungranted(broker, key, envelope, refusal.failure);
    send_reject(broker, key, version, refusal.failure, refusal.retry_after_ms, text_of(refusal.message));
}

void asking_turn_away(struct broker *broker, const struct request_key *key)
{
    send_reject(broker, key, NULL, FAILURE_STOPPING, 1000, text_of("the broker is stopping"));
}

static void on_request(struct broker *broker, struct port_message *message)
{
    const struct envelope *envelope = &message->envelope;
    struct request_key key = {.id = envelope->id, .asker = message->peer};
    struct limit_rest rest = {.name = NULL};
    if (envelope->id == 0) {
        series_add(broker->bad_asker, 1);
        send_reject(broker, &key, NULL, FAILURE_BAD_MESSAGE, 0, text_of("REQUEST needs an id that is not 0"));
        return;
    }
    if (request_find(broker->requests, &key) != NULL || limiting_has(broker, &key))
        return; /* sent again over the same connection: the first is answered, whatever became full since */
    if (broker->handing_over_since != 0)
        return; /* the asker sends it again to the next broker */
    if (broker->drained != NULL) {
        asking_turn_away(broker, &key);
        return;
    }
    if (!broker->limited || envelope->request.again || limiting_lets(broker, message, &key, &rest))
        asking_take_in(broker, message, &key, &rest);
}

enum failure asking_reason_of_cancel(int64_t arrived_at, int64_t deadline, int64_t now)
{
    return now >= deadline - CANCEL_AT_DEADLINE(deadline - arrived_at) ? FAILURE_DEADLINE : FAILURE_CANCELLED;
}

static void on_cancel(struct broker *broker, struct port_message *message)
{
    struct request_key key = {.id = message->envelope.id, .asker = message->peer};
    struct request *request = request_find(broker->requests, &key);
    if (request == NULL) { /* it waits, or was answered while the cancel was on its way */
        limiting_cancel(broker, &key);
        return;
    }
    int64_t now = loop_now(broker->loop);
    enum failure reason = asking_reason_of_cancel(request->arrived_at, request->deadline.at, now);
    count_failure(broker, request->version, reason, request->state == REQUEST_SENT,
                  now - request->arrived_at);
    request = sharing_hand_over(broker, request);
    if (request->state == REQUEST_SENT)
        serving_recall(broker, request);
    end(broker, request);
}

/* ---- the door ---- */

void asking_received(void *self, struct port_message *message)
{
    struct broker *broker = self;
    if (message->hello) {
        askers_greet(broker, &message->peer, 0);
        return;
    }
    switch (message->envelope.verb) {
    case VERB_REQUEST:
        on_request(broker, message);
        return;
    case VERB_CANCEL:
        on_cancel(broker, message);
        return;
    case VERB_PING:
        askers_greet(broker, &message->peer, message->envelope.id);
        return;
    default:
        asking_refused(broker, &message->peer, "a verb that askers do not send");
    }
}

void asking_refused(void *self, const struct peer *peer, const char *complaint)
{
    (void)peer;
    struct broker *broker = self;
    static long long last;
    series_add(broker->bad_asker, 1);
    if (log_allowed(&last, 1))
        log_warning("a message of an asker was refused: %s", complaint);
}
