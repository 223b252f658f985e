/* session: see session.h and PROTOCOL.md section 4.
 *
 * The thread that receives also computes, but for pipelines, whose requests are under way side by side:
 * handing a batch to another thread would cost a wake-up, which is more than most batches take. So nothing is
 * heard of a busy session; that the process runs is said by a thread of its own (heartbeat.c). The session's
 * own heartbeats, while it is idle, are there for the broker that does not know it, which asks for READY
 * again. What cannot be sent is dropped: a broker that is gone gives the batch to another worker, and one
 * that comes back says so with a new epoch. SPDX-License-Identifier: MIT */
#include "session.h"

#include "ahead.h"
#include "batch.h"
#include "clock.h"
#include "curve.h"
#include "footprint.h"
#include "log.h"
#include "train.h"
#include "under_way.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

enum {
    SESSION_MAGIC = 0x5e550001,
    RECONNECT_MS = 5,
    RECONNECT_TCP_MS = 50, /* of a broker that refuses us, too: each try costs both sides a handshake */
    SILENT_AFTER_BEATS = 3,
    HIGH_WATER_MARK = 4 * PROTOCOL_SLOTS_MAX, /* messages each way: batches, and the broker's BEATs */
    GOODBYE_MS = 500,                         /* how long the last RESULT and BYE may take to leave */
    SILENCE_LOGGED_S = 30
};

#define IDLE_AFTER    (10 * SECOND)    /* without a batch: the memory that computing needs is given back */
#define TIME_LEFT_MAX (86400 * SECOND) /* keeps the sum of clock and time left far from an overflow */

struct session {
    unsigned magic;
    struct session_options options;
    void *socket;
    struct loop *loop;
    struct loop_timer heartbeat;
    struct batch *batch;
    struct under_way *under_way; /* of a pipeline, in the place of `batch`; NULL: an engine computes */
    uint8_t *schema;
    size_t schema_bytes;
    uint64_t epoch; /* of the broker that has our READY; 0: none */
    bool finishing; /* it leaves as soon as nothing is under way */
    bool leaving;
    char sent_away[PROTOCOL_TEXT_MAX + 1]; /* the broker's word */
    bool idle;                             /* memory was given back */
    int64_t last_batch;                    /* monotonic ns */
    int64_t heard;                         /* when the broker last said anything, or we connected anew */
    long long bad_logged;                  /* of log_allowed */
    long long silence_logged, failure_logged;
    bool remote; /* over tcp */
    struct ahead *ahead;
    struct text payloads[PROTOCOL_COUNT_MAX]; /* of the message that is handled */
    struct train train;                       /* that goes out */
    struct series *compute_duration, *rows, *bad_messages;
};

/* ---- sending ---- */

/* Begins a message with that envelope. */
static struct train *begin(struct session *session, const struct envelope *envelope)
{
    train_clear(&session->train);
    train_add(&session->train, envelope);
    return &session->train;
}

/* Sends the frame that was begun, and `more` says that payloads follow. False when there is nobody to send
 * to. */
static bool send_frame(struct session *session, bool more)
{
    return zmq_send(session->socket, session->train.bytes, session->train.length,
                    ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0;
}

static void send_envelope(struct session *session, const struct envelope *envelope)
{
    begin(session, envelope);
    send_frame(session, false);
}

/* Sends a payload that does not travel inside, and takes the message. Nothing is to be done when it fails:
 * the connection went away in the middle, and ZeroMQ then drops the rest, which must be offered all the same.
 */
static void send_payload(struct session *session, zmq_msg_t *payload, bool more)
{
    if (zmq_msg_send(payload, session->socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) < 0)
        zmq_msg_close(payload);
}

static bool send_ready(struct session *session)
{
    const struct session_options *options = &session->options;
    struct envelope ready = {.verb = VERB_READY,
                             .ready = {.model = text_of(options->model),
                                       .version = text_of(options->version),
                                       .capacity_rows = options->capacity_rows,
                                       .slots = options->slots,
                                       .heartbeat_ms = options->heartbeat_ms,
                                       .pid = (uint32_t)getpid(),
                                       .token = options->token,
                                       .instance = options->instance}};
    begin(session, &ready);
    bool inside = train_takes(&session->train, session->schema_bytes);
    if (inside)
        memcpy(train_add_payload(&session->train, session->schema_bytes), session->schema,
               session->schema_bytes);
    if (!send_frame(session, !inside))
        return false;
    if (!inside) {
        zmq_msg_t schema;
        ENSURE(zmq_msg_init_size(&schema, session->schema_bytes) == 0);
        memcpy(zmq_msg_data(&schema), session->schema, session->schema_bytes);
        send_payload(session, &schema, false);
    }
    return true;
}

/* The answers of a batch, wherever they are: what of one request is sent, or the words why there is none. */
struct results {
    size_t count;
    const struct batch *batch;
    const struct under_way_answer *answers; /* NULL: those of the batch */
};

static enum failure result_failure(const struct results *results, size_t request)
{
    return results->answers != NULL ? results->answers[request].failure
                                    : batch_failure(results->batch, request);
}

static size_t result_size(const struct results *results, size_t request)
{
    if (results->answers != NULL)
        return results->answers[request].length;
    return batch_failure(results->batch, request) == FAILURE_NONE
               ? batch_answer_bytes(results->batch, request)
               : strlen(batch_message(results->batch, request));
}

static void write_result(const struct results *results, size_t request, void *place, size_t bytes)
{
    if (results->answers != NULL)
        memcpy(place, results->answers[request].bytes, bytes);
    else if (batch_failure(results->batch, request) == FAILURE_NONE)
        batch_answer(results->batch, request, place, bytes);
    else
        memcpy(place, batch_message(results->batch, request), bytes);
}

/* The payloads of RESULT that travel inside its frame. Returns how many. */
static size_t add_payloads(struct session *session, const struct results *results)
{
    size_t added = 0;
    for (; added < results->count; added++) {
        size_t bytes = result_size(results, added);
        if (!train_takes(&session->train, bytes))
            break;
        write_result(results, added, train_add_payload(&session->train, bytes), bytes);
    }
    return added;
}

static void send_result(struct session *session, uint64_t id, int64_t took, const struct results *results)
{
    char failures[PROTOCOL_COUNT_MAX];
    size_t count = results->count;
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        enum failure failure = result_failure(results, i);
        failures[i] = (char)failure;
        any = any || failure != FAILURE_NONE;
        /* Clients are not told why; a pipeline has logged it. */
        if (failure == FAILURE_MODEL_FAILED && results->answers == NULL &&
            log_allowed(&session->failure_logged, 1))
            log_warning("the model could not compute a request: %s", batch_message(results->batch, i));
    }
    struct envelope result = {.verb = VERB_RESULT,
                              .id = id,
                              .result = {.count = (uint32_t)count,
                                         .compute_us = (uint64_t)(took / MICROSECOND),
                                         .failures = {failures, any ? count : 0}}};
    begin(session, &result);
    size_t sent = add_payloads(session, results);
    if (!send_frame(session, sent < count))
        return;
    for (; sent < count; sent++) {
        zmq_msg_t payload;
        size_t bytes = result_size(results, sent);
        ENSURE(zmq_msg_init_size(&payload, bytes) == 0);
        write_result(results, sent, zmq_msg_data(&payload), bytes);
        send_payload(session, &payload, sent + 1 < count);
    }
}

/* ---- the verbs ---- */

static void refuse(struct session *session, const char *complaint)
{
    series_add(session->bad_messages, 1);
    if (log_allowed(&session->bad_logged, 1))
        log_warning("a message of the broker was refused: %s", complaint);
}

/* One that was done at `now`, and took that long. */
static void count_batch(struct session *session, int64_t now, int64_t took, size_t rows)
{
    session->last_batch = now;
    session->idle = false;
    series_observe_duration(session->compute_duration, took);
    series_add(session->rows, (int64_t)rows);
}

static void compute(struct session *session, const struct envelope *batch, int64_t start, int64_t deadline)
{
    batch_clear(session->batch);
    for (size_t i = 0; i < batch->batch.count; i++)
        batch_add(session->batch, (const uint8_t *)session->payloads[i].at, session->payloads[i].length);
    batch_run(session->batch, deadline);
    int64_t end = clock_now();
    send_result(session, batch->id, end - start,
                &(struct results){.count = batch_count(session->batch), .batch = session->batch});
    count_batch(session, end, end - start, batch_rows(session->batch));
}

/* One that leaves begins with nothing more: the broker gives it to another when it reads BYE. */
static void on_batch(struct session *session, const struct envelope *batch)
{
    /* The latest deadline of its requests: after it nobody waits for any of them. */
    int64_t left = batch->batch.time_left_us < TIME_LEFT_MAX / MICROSECOND
                       ? (int64_t)batch->batch.time_left_us * MICROSECOND
                       : TIME_LEFT_MAX;
    int64_t now = clock_now();
    if (session->under_way == NULL)
        compute(session, batch, now, now + left);
    else if (!session->finishing)
        under_way_begin(session->under_way, batch, session->payloads, now, now + left);
}

static void on_beat(struct session *session, uint64_t epoch)
{
    if ((epoch != 0 && epoch == session->epoch) || session->leaving)
        return;
    if (session->under_way != NULL) /* to a broker that does not know us what we have for it is lost */
        under_way_forget(session->under_way);
    if (!send_ready(session))
        return; /* the broker is gone again; the next one beats again */
    if (epoch != 0)
        session->epoch = epoch;
    log_info("ready to serve %s %s", session->options.model, session->options.version);
}

static void say_bye(struct session *session)
{
    int linger = GOODBYE_MS;
    session->leaving = true;
    send_envelope(session, &(struct envelope){.verb = VERB_BYE});
    zmq_setsockopt(session->socket, ZMQ_LINGER, &linger, sizeof linger);
    loop_stop(session->loop);
}

/* At once, or when what is under way is done. */
static void leave_when_done(struct session *session)
{
    session->finishing = true;
    if (session->under_way == NULL || under_way_count(session->under_way) == 0)
        say_bye(session);
}

/* Messages come in order: every batch before it is answered. */
static void on_drain(struct session *session, struct text message)
{
    text_copy(message, session->sent_away, sizeof session->sent_away);
    leave_when_done(session);
}

static void batch_done(void *self, uint64_t batch, int64_t began, const struct under_way_answer *answers,
                       size_t count, size_t rows)
{
    int64_t now = clock_now();
    struct session *session = self;
    CHECK_OBJECT(session, SESSION_MAGIC);
    send_result(session, batch, now - began, &(struct results){.count = count, .answers = answers});
    loop_zmq_touch(session->loop, session->socket);
    count_batch(session, now, now - began, rows);
    if (session->finishing)
        leave_when_done(session);
}

static void on_message(struct session *session, const struct envelope *envelope)
{
    if (envelope->verb == VERB_BATCH)
        on_batch(session, envelope);
    else if (envelope->verb == VERB_BEAT)
        on_beat(session, envelope->beat.epoch);
    else if (envelope->verb == VERB_DRAIN)
        on_drain(session, envelope->drain.message);
    else if (envelope->verb == VERB_CANCEL && session->under_way != NULL)
        under_way_cancel(session->under_way, envelope->id);
    else
        refuse(session, "the verb is none that workers get");
}

/* A ZeroMQ message, which to workers is one of ours. */
static void handle(struct session *session)
{
    session->heard = clock_now();
    struct envelope envelope;
    struct text frame, rest;
    size_t count;
    if (!ahead_begin(session->ahead, &frame) || (frame.length == 0 && !ahead_next(session->ahead, &rest)))
        return; /* a hello of a peer that sends them, too */
    struct train_reader reader = train_reader(frame, ahead_next, session->ahead);
    const char *complaint = train_read(&reader, &envelope, session->payloads, &count);
    if (complaint == NULL && (!train_ended(&reader) || ahead_next(session->ahead, &rest)))
        complaint = "something is left over behind the message";
    if (complaint == NULL)
        on_message(session, &envelope);
    else
        refuse(session, complaint);
}

/* Handles the oldest message that is here. False when there is none. */
static bool handle_next(struct session *session)
{
    if (ahead_take(session->ahead) == 0)
        return false;
    handle(session);
    ahead_end(session->ahead);
    return true;
}

static void on_messages(void *self)
{
    struct session *session = self;
    CHECK_OBJECT(session, SESSION_MAGIC);
    while (!session->leaving && handle_next(session))
        continue;
}

/* Over tcp a connection can be dead though it looks alive, and one that the broker has refused is not tried
 * again by ZeroMQ: so a broker that is not heard is called anew. What came before has been read; whatever we
 * are still waiting for is lost with the connection, and the broker gives it to another. */
static void call_anew(struct session *session, int64_t now)
{
    const char *endpoint = session->options.endpoint;
    session->heard = now;
    if (log_allowed(&session->silence_logged, SILENCE_LOGGED_S))
        log_warning(
            "nothing is heard of the broker at %s: is it there, is worker.curve_server_key its key, and is "
            "ours in its broker.curve_allow? Trying again",
            endpoint);
    zmq_disconnect(session->socket, endpoint);
    ENSURE(zmq_connect(session->socket, endpoint) == 0);
}

static bool is_deaf(const struct session *session, int64_t now)
{
    int64_t heard = session->heard > session->last_batch ? session->heard : session->last_batch;
    return session->remote &&
           now - heard >= SILENT_AFTER_BEATS * (int64_t)session->options.heartbeat_ms * MILLISECOND;
}

static void on_heartbeat(void *self)
{
    struct session *session = self;
    CHECK_OBJECT(session, SESSION_MAGIC);
    int64_t now = loop_now(session->loop);
    loop_timer_set(session->loop, &session->heartbeat, now + session->options.heartbeat_ms * MILLISECOND,
                   on_heartbeat, session);
    if (is_deaf(session, now))
        call_anew(session, now);
    send_envelope(session, &(struct envelope){.verb = VERB_HEARTBEAT});
    loop_zmq_touch(session->loop, session->socket);
    if (!session->idle && now - session->last_batch >= IDLE_AFTER) {
        session->idle = true;
        footprint_give_back();
    }
}

const char *session_sent_away(const struct session *session)
{
    CHECK_OBJECT(session, SESSION_MAGIC);
    return session->sent_away;
}

void session_leave(struct session *session)
{
    CHECK_OBJECT(session, SESSION_MAGIC);
    /* What is on its way to us goes to another worker when the broker reads BYE; what is here already is
     * answered. */
    for (uint32_t i = 0; i < session->options.slots && !session->leaving && handle_next(session); i++)
        continue;
    if (!session->leaving)
        leave_when_done(session);
}

/* ---- making it ---- */

static void *open_socket(void *zmq_context, const struct session_options *options)
{
    const struct {
        int option, value;
    } settings[] = {{ZMQ_PROBE_ROUTER, 1},
                    {ZMQ_IMMEDIATE, 1},
                    {ZMQ_LINGER, 0},
                    {ZMQ_RECONNECT_IVL, options->keys == NULL ? RECONNECT_MS : RECONNECT_TCP_MS},
                    {ZMQ_SNDHWM, HIGH_WATER_MARK},
                    {ZMQ_RCVHWM, HIGH_WATER_MARK}};
    const int64_t max_message = (int64_t)options->max_message_bytes;
    void *socket = zmq_socket(zmq_context, ZMQ_DEALER);
    ENSURE(socket != NULL);
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        ENSURE(zmq_setsockopt(socket, settings[i].option, &settings[i].value, sizeof(int)) == 0);
    ENSURE(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_message, sizeof max_message) == 0);
    if ((options->keys == NULL || curve_connecting(socket, options->keys) == 0) &&
        zmq_connect(socket, options->endpoint) == 0)
        return socket;
    int error = errno;
    zmq_close(socket);
    errno = error;
    return NULL;
}

struct session *session_new(void *zmq_context, struct loop *loop, const struct session_options *options,
                            const struct loaded_model *model, struct metrics *metrics)
{
    void *socket = open_socket(zmq_context, options);
    if (socket == NULL)
        return NULL;
    struct session *session = object_alloc(sizeof *session);
    session->magic = SESSION_MAGIC;
    session->options = *options;
    session->options.keys = NULL;
    session->remote = options->keys != NULL;
    session->socket = socket;
    session->ahead = ahead_new(socket);
    session->loop = loop;
    session->batch = batch_new(model, options->capacity_rows, options->max_message_bytes);
    if (options->flows != NULL)
        session->under_way = under_way_new(options->flows, model->schema, options->max_message_bytes,
                                           options->most_time, batch_done, session);
    session->schema = schema_encode(model->schema, &session->schema_bytes);
    session->heard = session->last_batch = clock_now();
    session->compute_duration =
        metrics_series(metrics, METRIC_COMPUTE_DURATION, options->model, options->version, NULL);
    session->rows = metrics_series(metrics, METRIC_WORKER_ROWS, options->model, options->version, NULL);
    session->bad_messages = metrics_series(metrics, METRIC_BAD_MESSAGES, "worker", NULL, NULL);
    ENSURE(loop_zmq_add(loop, socket, on_messages, session) == 0);
    loop_timer_set(loop, &session->heartbeat, clock_now() + options->heartbeat_ms * MILLISECOND, on_heartbeat,
                   session);
    return session;
}

void session_free(struct session *session)
{
    if (session == NULL)
        return;
    CHECK_OBJECT(session, SESSION_MAGIC);
    under_way_free(session->under_way);
    loop_timer_cancel(session->loop, &session->heartbeat);
    loop_zmq_remove(session->loop, session->socket);
    zmq_close(session->socket);
    ahead_free(session->ahead);
    train_free(&session->train);
    batch_free(session->batch);
    free(session->schema);
    session->magic = 0;
    free(session);
}
