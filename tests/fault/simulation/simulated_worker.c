/* simulated_worker: worker/session.c without a model: one thread that receives, computes (for a time that
 * chance says) and answers, and hears nothing while it computes. It follows PROTOCOL.md section 4; where it
 * does not, that is a mood that a scenario asked for. A poisonous request ends it in the middle of the batch.
 * SPDX-License-Identifier: MIT */
#include "simulated_worker.h"

#include "clock.h"
#include "network.h"
#include "report.h"
#include "train.h"
#include "wire.h"
#include "world.h"

#include <stdlib.h>
#include <zmq.h>

enum { WORKER_MAGIC = 0x51073e40, HEARTBEAT_MS = 200 };

struct simulated_worker {
    unsigned magic;
    struct worker_plan plan;
    struct loop *loop;
    void *socket;
    uint32_t slots;
    uint64_t instance;       /* 0: mute while it computes */
    struct loop *heart_loop; /* the thread that beats whatever the worker does; NULL: none */
    void *heart_socket;
    struct loop_timer heartbeat, heart;
    uint64_t epoch;
    enum mood mood;
    bool ended;
    bool leaving;
    /* what it computes */
    bool computing;
    struct loop_timer done; /* or dead, when there is poison */
    bool fatal;
    uint64_t batch;
    int64_t began;
    struct question questions[PROTOCOL_COUNT_MAX];
    size_t count;
    /* the message that is being read */
    zmq_msg_t head, frames[PROTOCOL_COUNT_MAX];
    size_t frame_count;
    struct text payloads[PROTOCOL_COUNT_MAX];
};

/* ---- sending ---- */

/* What cannot be sent is dropped, as a worker does. One of two workers speaks the old form of the wire, with
 * each payload in a frame of its own. */
static bool send_message(struct simulated_worker *worker, const struct envelope *envelope,
                         const struct text *payloads, size_t count)
{
    struct train train = {0};
    size_t sent = 0;
    train_add(&train, envelope);
    for (; worker->plan.pid % 2 == 0 && sent < count && train_takes(&train, payloads[sent].length); sent++)
        memcpy(train_add_payload(&train, payloads[sent].length), payloads[sent].at, payloads[sent].length);
    bool reached = zmq_send(worker->socket, train.bytes, train.length,
                            ZMQ_DONTWAIT | (sent < count ? ZMQ_SNDMORE : 0)) >= 0;
    for (; reached && sent < count; sent++)
        zmq_send(worker->socket, payloads[sent].at, payloads[sent].length,
                 ZMQ_DONTWAIT | (sent + 1 < count ? ZMQ_SNDMORE : 0));
    train_free(&train);
    return reached;
}

static void send_envelope(struct simulated_worker *worker, const struct envelope *envelope)
{
    send_message(worker, envelope, NULL, 0);
}

/* As worker/warm_up.c does it: the machine may be busy all the while, or at one of the sizes. */
static size_t write_curve(const struct simulated_worker *worker, uint8_t *bytes, size_t capacity)
{
    const struct scenario *scenario = worker->plan.scenario;
    struct wire_writer writer;
    uint32_t sizes = 1;
    while (1U << sizes <= scenario->capacity_rows)
        sizes++;
    bool busy = chance_below(world_chance(), 4) == 0;
    uint32_t bad = (uint32_t)chance_below(world_chance(), sizes);
    wire_writer_begin(&writer, bytes, capacity);
    wire_write_map(&writer, 1);
    wire_write_str(&writer, "costs");
    wire_write_array(&writer, sizes);
    for (uint32_t i = 0; i < sizes; i++) {
        int64_t took = scenario->compute + (scenario->compute_row << i);
        took *= (busy ? 3 : 1) * (i == bad ? 5 : 1);
        took += chance_between(world_chance(), 0, took / 10);
        wire_write_array(&writer, 2);
        wire_write_uint(&writer, 1U << i);
        wire_write_uint(&writer, (uint64_t)(took / MICROSECOND));
    }
    return wire_writer_end(&writer);
}

static bool send_ready(struct simulated_worker *worker)
{
    struct envelope ready = {.verb = VERB_READY,
                             .ready = {.model = text_of(worker->plan.model),
                                       .version = text_of(worker->plan.version),
                                       .capacity_rows = worker->plan.scenario->capacity_rows,
                                       .slots = worker->slots,
                                       .heartbeat_ms = HEARTBEAT_MS,
                                       .pid = worker->plan.pid,
                                       .token = text_of(worker->plan.token.text),
                                       .instance = worker->instance}};
    uint8_t curve[512];
    struct text schema = text_of("schema");
    if (worker->plan.scenario->curves)
        schema = (struct text){(const char *)curve, write_curve(worker, curve, sizeof curve)};
    return send_message(worker, &ready, &schema, 1);
}

static void send_result(struct simulated_worker *worker, uint64_t batch, size_t count)
{
    char failures[PROTOCOL_COUNT_MAX];
    struct solution solutions[PROTOCOL_COUNT_MAX];
    struct text payloads[PROTOCOL_COUNT_MAX];
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        bool failing = worker->questions[i].failing;
        failures[i] = failing ? FAILURE_INVALID : FAILURE_NONE;
        any = any || failing;
        solutions[i] = ledger_solution(worker->questions[i].content);
        payloads[i] =
            failing ? text_of("no") : (struct text){(const char *)&solutions[i], sizeof solutions[i]};
    }
    struct envelope result = {
        .verb = VERB_RESULT,
        .id = batch,
        .result = {.count = (uint32_t)count,
                   .compute_us = (uint64_t)((world_now() - worker->began) / MICROSECOND),
                   .failures = {failures, any ? count : 0}}};
    send_message(worker, &result, payloads, count);
}

/* ---- computing ---- */

static void cancel_timers(struct simulated_worker *worker)
{
    loop_timer_cancel(worker->loop, &worker->heartbeat);
    loop_timer_cancel(worker->loop, &worker->done);
    if (worker->heart_loop != NULL)
        loop_timer_cancel(worker->heart_loop, &worker->heart);
}

static void end(struct simulated_worker *worker, bool died)
{
    if (worker->ended)
        return;
    worker->ended = true;
    report_event(died ? "worker # died" : "worker # left", worker->plan.pid, 0, 0);
    cancel_timers(worker);
    if (died)
        network_kill(worker->plan.network, worker->loop);
    if (worker->heart_loop != NULL)
        network_kill(worker->plan.network, worker->heart_loop);
    worker->plan.ended(worker->plan.self, worker, died);
}

static void read_messages(void *self);

/* How often the requests of a batch have been computed, or begun by somebody who died. */
static void count_computed(struct simulated_worker *worker)
{
    for (size_t i = 0; i < worker->count; i++) {
        struct ask *ask = ledger_find(worker->plan.ledger, &worker->questions[i]);
        ledger_begin(worker->plan.ledger, &worker->questions[i]);
        if (ask == NULL)
            continue;
        ask->computed++;
        PROMISE(!ask->once || ask->computed == 1,
                "request %lu is computed twice; its model is not idempotent", (unsigned long)ask->serial);
    }
}

static void count_kill(struct simulated_worker *worker)
{
    for (size_t i = 0; i < worker->count; i++) {
        struct ask *ask = ledger_find(worker->plan.ledger, &worker->questions[i]);
        if (!worker->questions[i].poison)
            continue;
        if (ask != NULL)
            ask->kills++;
        report_event("worker # dies of request # in a batch of #", worker->plan.pid,
                     worker->questions[i].content, worker->count);
        return;
    }
}

static void answer(struct simulated_worker *worker)
{
    enum mood mood = worker->mood;
    worker->mood = MOOD_SOUND;
    send_result(worker, worker->batch, worker->count - (mood == MOOD_MISCOUNTS && worker->count > 1));
    if (mood != MOOD_REPEATS)
        return;
    send_result(worker, worker->batch, worker->count);
    send_result(worker, worker->batch - 1, worker->count); /* another worker's, or its own that is answered */
}

static void compute_over(void *self)
{
    struct simulated_worker *worker = self;
    worker->computing = false;
    loop_listen(worker->loop, true);
    if (worker->fatal) {
        count_kill(worker);
        end(worker, true);
        return;
    }
    answer(worker);
    read_messages(worker);
}

static int64_t draw_compute(const struct simulated_worker *worker, uint32_t rows)
{
    const struct scenario *scenario = worker->plan.scenario;
    int64_t mean = scenario->compute + scenario->compute_row * rows;
    int64_t took = chance_between(world_chance(), mean / 2, mean * 3 / 2);
    return worker->mood == MOOD_SLOW    ? took + chance_between(world_chance(), 500, 3000) * MILLISECOND
           : worker->mood == MOOD_HANGS ? took + 8 * SECOND
                                        : took;
}

static void begin_batch(struct simulated_worker *worker, const struct envelope *envelope)
{
    worker->batch = envelope->id;
    worker->count = envelope->batch.count;
    worker->began = world_now();
    worker->computing = true;
    loop_listen(worker->loop, false);
    worker->fatal = false;
    for (size_t i = 0; i < worker->count; i++) {
        struct text payload = worker->payloads[i];
        PROMISE(ledger_read_question(payload.at, payload.length, &worker->questions[i]),
                "a payload of BATCH is not what an asker wrote");
        worker->fatal = worker->fatal || worker->questions[i].poison;
    }
    count_computed(worker);
    int64_t took = draw_compute(worker, envelope->batch.rows);
    if (worker->fatal)
        took = chance_between(world_chance(), 0, took);
    loop_timer_set(worker->loop, &worker->done, world_now() + took, compute_over, worker);
}

/* ---- receiving ---- */

static void close_frames(struct simulated_worker *worker)
{
    zmq_msg_close(&worker->head);
    for (size_t i = 0; i < worker->frame_count; i++)
        zmq_msg_close(&worker->frames[i]);
    worker->frame_count = 0;
}

static bool next_frame(void *self, struct text *bytes)
{
    struct simulated_worker *worker = self;
    zmq_msg_t *before = worker->frame_count == 0 ? &worker->head : &worker->frames[worker->frame_count - 1];
    zmq_msg_t *frame = &worker->frames[worker->frame_count];
    if (!zmq_msg_more(before))
        return false;
    worker->frame_count++;
    zmq_msg_init(frame);
    zmq_msg_recv(frame, worker->socket, ZMQ_DONTWAIT);
    *bytes = (struct text){zmq_msg_data(frame), zmq_msg_size(frame)};
    return true;
}

/* A ZeroMQ message, which to workers is one of ours. */
static bool receive(struct simulated_worker *worker, struct envelope *envelope)
{
    size_t count;
    struct text rest;
    zmq_msg_init(&worker->head);
    if (zmq_msg_recv(&worker->head, worker->socket, ZMQ_DONTWAIT) < 0)
        return false;
    struct text bytes = {zmq_msg_data(&worker->head), zmq_msg_size(&worker->head)};
    struct train_reader reader = train_reader(bytes, next_frame, worker);
    const char *complaint = train_read(&reader, envelope, worker->payloads, &count);
    PROMISE(complaint == NULL, "the broker sent a worker what it cannot read: %s", complaint);
    PROMISE(train_ended(&reader) && !next_frame(worker, &rest),
            "the broker sent a worker more than a message");
    return true;
}

static void say_bye(struct simulated_worker *worker)
{
    int linger = 500;
    send_envelope(worker, &(struct envelope){.verb = VERB_BYE});
    zmq_setsockopt(worker->socket, ZMQ_LINGER, &linger, sizeof linger);
    end(worker, false);
}

static void on_beat(struct simulated_worker *worker, uint64_t epoch)
{
    if ((epoch != 0 && epoch == worker->epoch) || worker->leaving)
        return;
    if (send_ready(worker) && epoch != 0)
        worker->epoch = epoch;
}

static void handle(struct simulated_worker *worker, const struct envelope *envelope)
{
    switch (envelope->verb) {
    case VERB_BATCH:
        begin_batch(worker, envelope);
        return;
    case VERB_BEAT:
        on_beat(worker, envelope->beat.epoch);
        return;
    case VERB_DRAIN:
        report_violation("the broker sends a worker away that the supervisor has started: %.*s",
                         (int)envelope->drain.message.length, envelope->drain.message.at);
        return;
    default:
        report_violation("the broker sent a worker %s", protocol_verb_name(envelope->verb));
    }
}

static void read_messages(void *self)
{
    struct simulated_worker *worker = self;
    struct envelope envelope;
    while (!worker->computing && !worker->ended && receive(worker, &envelope)) {
        handle(worker, &envelope);
        close_frames(worker);
    }
    if (worker->leaving && !worker->computing && !worker->ended)
        say_bye(worker);
}

/* While it is idle: a broker that does not know it asks for READY then. */
static void beat(void *self)
{
    struct simulated_worker *worker = self;
    loop_timer_set(worker->loop, &worker->heartbeat, world_now() + HEARTBEAT_MS * MILLISECOND, beat, worker);
    if (!worker->computing)
        send_envelope(worker, &(struct envelope){.verb = VERB_HEARTBEAT});
}

/* The thread. */
static void heart_beat(void *self)
{
    struct simulated_worker *worker = self;
    uint8_t bytes[PROTOCOL_ENVELOPE_MAX];
    struct envelope envelope = {.verb = VERB_HEARTBEAT, .heartbeat = {.instance = worker->instance}};
    size_t length = protocol_encode(&envelope, bytes, sizeof bytes);
    loop_timer_set(worker->heart_loop, &worker->heart, world_now() + HEARTBEAT_MS * MILLISECOND, heart_beat,
                   worker);
    zmq_send(worker->heart_socket, bytes, length, ZMQ_DONTWAIT);
}

/* ---- life ---- */

static void *open_socket(const struct worker_plan *plan, struct loop *loop, loop_call *call, void *self,
                         int hello)
{
    int none = 0, reconnect_ms = 5;
    void *socket = zmq_socket(plan->network, ZMQ_DEALER);
    zmq_setsockopt(socket, ZMQ_PROBE_ROUTER, &hello, sizeof hello);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &reconnect_ms, sizeof reconnect_ms);
    loop_zmq_add(loop, socket, call, self);
    zmq_connect(socket, plan->endpoint);
    return socket;
}

static void hear_nothing(void *self)
{
    (void)self;
    report_violation("the broker has sent something to a heartbeat's connection");
}

static int64_t draw_first_beat(void)
{
    return world_now() + chance_between(world_chance(), 1, HEARTBEAT_MS) * MILLISECOND;
}

struct simulated_worker *simulated_worker_new(const struct worker_plan *plan)
{
    struct simulated_worker *worker = object_alloc(sizeof *worker);
    worker->magic = WORKER_MAGIC;
    worker->plan = *plan;
    worker->slots = (uint32_t)chance_between(world_chance(), 1, plan->scenario->slots);
    worker->loop = loop_new();
    worker->socket = open_socket(plan, worker->loop, read_messages, worker, 1);
    loop_timer_set(worker->loop, &worker->heartbeat, draw_first_beat(), beat, worker);
    if (chance_below(world_chance(), 4) > 0) { /* one of four has no thread, like one of another language */
        worker->instance = chance_next(world_chance()) | 1;
        worker->heart_loop = loop_new();
        worker->heart_socket = open_socket(plan, worker->heart_loop, hear_nothing, worker, 0);
        loop_timer_set(worker->heart_loop, &worker->heart, draw_first_beat(), heart_beat, worker);
    }
    report_event("worker # starts", plan->pid, 0, 0);
    return worker;
}

static void close_socket(struct loop *loop, void *socket)
{
    loop_zmq_remove(loop, socket);
    zmq_close(socket);
    loop_free(loop);
}

void simulated_worker_free(struct simulated_worker *worker)
{
    if (worker == NULL)
        return;
    CHECK_OBJECT(worker, WORKER_MAGIC);
    cancel_timers(worker);
    close_frames(worker);
    if (worker->heart_loop != NULL)
        close_socket(worker->heart_loop, worker->heart_socket);
    close_socket(worker->loop, worker->socket);
    worker->magic = 0;
    free(worker);
}

uint32_t simulated_worker_pid(const struct simulated_worker *worker)
{
    return worker->plan.pid;
}

bool simulated_worker_alive(const struct simulated_worker *worker)
{
    return !worker->ended;
}

void simulated_worker_set_mood(struct simulated_worker *worker, enum mood mood)
{
    worker->mood = mood;
}

void simulated_worker_kill(struct simulated_worker *worker)
{
    CHECK_OBJECT(worker, WORKER_MAGIC);
    end(worker, true);
}

static void leave(void *self)
{
    struct simulated_worker *worker = self;
    worker->leaving = true;
    read_messages(worker);
}

void simulated_worker_leave(struct simulated_worker *worker)
{
    CHECK_OBJECT(worker, WORKER_MAGIC);
    if (!worker->leaving && !worker->ended)
        loop_interrupt(worker->loop, leave, worker);
}

static void pause_until(struct simulated_worker *worker, int64_t until)
{
    loop_pause(worker->loop, until);
    if (worker->heart_loop != NULL)
        loop_pause(worker->heart_loop, until);
}

void simulated_worker_pause(struct simulated_worker *worker, int64_t until)
{
    report_event("worker # is stopped for # ms", worker->plan.pid,
                 (uint64_t)((until - world_now()) / MILLISECOND), 0);
    pause_until(worker, until);
}

void simulated_worker_resume(struct simulated_worker *worker)
{
    pause_until(worker, 0);
}

void simulated_worker_cut(struct simulated_worker *worker)
{
    report_event("the connection of worker # breaks", worker->plan.pid, 0, 0);
    network_cut(worker->plan.network, worker->loop);
    if (worker->heart_loop != NULL)
        network_cut(worker->plan.network, worker->heart_loop);
}

void simulated_worker_babble(struct simulated_worker *worker)
{
    uint8_t noise[16];
    uint64_t numbers[2] = {chance_next(world_chance()), chance_next(world_chance())};
    memcpy(noise, numbers, sizeof noise);
    switch (chance_below(world_chance(), 4)) {
    case 0:
        zmq_send(worker->socket, noise, sizeof noise, ZMQ_DONTWAIT);
        return;
    case 1: /* a verb of askers */
        send_envelope(worker, &(struct envelope){.verb = VERB_CANCEL, .id = 7});
        return;
    case 2: /* payloads are missing */
        send_envelope(worker, &(struct envelope){.verb = VERB_RESULT, .id = 7, .result = {.count = 3}});
        return;
    default: /* once more, without need */
        send_ready(worker);
    }
}
