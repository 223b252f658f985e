/* broker_scene: the real broker, and askers and workers that the test plays, all in one thread: the broker's
 * loop is turned while the test waits. Include it in one test program's only .c. SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_BROKER_SCENE_H
#define OUTRIGGER_BROKER_SCENE_H

#include "admin.h"
#include "admission.h"
#include "broker.h"
#include "letters.h"
#include "repository.h"

static void *scene_context;
static struct config *scene_config;
static struct metrics *scene_metrics;
static struct broker *scene_broker;
static struct letter *scene_letter;
static struct end scene_ends[8]; /* closed at the end */
static uint32_t scene_pids[8];   /* of those that are workers */
static size_t scene_end_count;
static bool scene_strict; /* only workers that were announced come in */

/* A repository with the model "m", version "1"; the broker is not started yet. */
static inline void scene_set_up(void)
{
    scratch_make();
    repository_add("m", "1");
    scene_context = zmq_ctx_new();
    scene_metrics = metrics_new(NULL);
    scene_letter = letter_new();
    letters_loop = loop_new();
}

static inline void scene_tear_down(void)
{
    broker_free(scene_broker);
    letter_free(scene_letter);
    free(scene_letter);
    for (size_t i = 0; i < COUNT_OF(scene_ends); i++)
        end_close(&scene_ends[i]);
    zmq_ctx_term(scene_context);
    loop_free(letters_loop);
    metrics_free(scene_metrics);
    config_free(scene_config);
    scratch_remove();
}

/* Starts the broker, with settings for its configuration (ended by NULL, or NULL). */
static inline void scene_start(const char *const *settings)
{
    const char *endpoint;
    scene_config = repository_config(settings);
    scene_config->broker_workers_by_hand = !scene_strict;
    scene_broker = broker_new(scene_context, letters_loop, scene_config, scene_metrics, &endpoint);
    ck_assert_msg(scene_broker != NULL, "%s", endpoint);
}

/* Another broker in the place of this one, at the same endpoints. Those who were connected are not. */
static inline void scene_restart(void)
{
    const char *endpoint;
    broker_free(scene_broker);
    while (scene_end_count > 0)
        end_close(&scene_ends[--scene_end_count]);
    memset(scene_pids, 0, sizeof scene_pids);
    loop_free(letters_loop);
    letters_loop = loop_new();
    scene_broker = broker_new(scene_context, letters_loop, scene_config, scene_metrics, &endpoint);
    ck_assert_msg(scene_broker != NULL, "%s", endpoint);
}

static inline uint64_t scene_counter(enum metric metric, const char *label1, const char *label2,
                                     const char *label3)
{
    return metrics_series(scene_metrics, metric, label1, label2, label3)->value;
}

/* The next message with that verb for this end, in scene_letter. */
static inline struct envelope *scene_next(struct end *end, enum verb verb)
{
    WAIT_FOR(end_take_verb(end, scene_letter, verb));
    return &scene_letter->envelope;
}

/* Connects without a word but the hello. */
static inline struct end *scene_connect(const char *endpoint)
{
    ck_assert_uint_lt(scene_end_count, COUNT_OF(scene_ends));
    struct end *end = &scene_ends[scene_end_count++];
    *end = end_open(scene_context, ZMQ_DEALER, endpoint);
    return end;
}

/* ---- askers ---- */

/* The catalog comes when it comes: a broker that was just started keeps it for a while. */
static inline struct end *scene_asker(void)
{
    struct end *asker = scene_connect(scene_config->broker_askers);
    scene_next(asker, VERB_PONG);
    ck_assert_uint_eq(scene_letter->envelope.id, 0);
    return asker;
}

/* A REQUEST for the default model, of one row and with half a minute; the test changes what it wants. */
static inline struct envelope scene_request(uint64_t id)
{
    return (struct envelope){
        .verb = VERB_REQUEST,
        .id = id,
        .request = {.rows = 1, .time_left_us = 30000000, .priority = PROTOCOL_PRIORITY_ONLINE}};
}

static inline void scene_ask(struct end *asker, uint64_t id, const char *payload)
{
    struct envelope request = scene_request(id);
    end_send(asker, &request, payload);
}

static inline void scene_cancel(struct end *asker, uint64_t id)
{
    end_send(asker, &(struct envelope){.verb = VERB_CANCEL, .id = id}, NULL);
}

/* Waits for the REPLY with that id, checks its payload. */
static inline void scene_expect_reply(struct end *asker, uint64_t id, const char *payload)
{
    scene_next(asker, VERB_REPLY);
    ck_assert_uint_eq(scene_letter->envelope.id, id);
    ck_assert(text_is(letter_payload(scene_letter, 0), payload));
}

/* Waits for the REJECT with that id. Returns its retry_after_ms. */
static inline uint64_t scene_expect_reject(struct end *asker, uint64_t id, enum failure failure)
{
    const struct envelope *reject = scene_next(asker, VERB_REJECT);
    ck_assert_uint_eq(reject->id, id);
    ck_assert_msg(reject->reject.failure == failure, "%s: %.*s", failure_label(reject->reject.failure),
                  (int)reject->reject.message.length, reject->reject.message.at);
    return reject->reject.retry_after_ms;
}

/* What has not come by the answer to this PING does not come: the broker answers in order. */
static inline void scene_expect_nothing(struct end *asker)
{
    static uint64_t mark = 1000000;
    end_send(asker, &(struct envelope){.verb = VERB_PING, .id = ++mark}, NULL);
    do {
        WAIT_FOR(end_take(asker, scene_letter));
        enum verb verb = scene_letter->envelope.verb;
        ck_assert_msg(verb == VERB_PONG || verb == VERB_CATALOG, "%s came", protocol_verb_name(verb));
    } while (scene_letter->envelope.id != mark);
}

/* ---- workers ---- */

static inline struct envelope scene_ready(uint32_t pid)
{
    return (struct envelope){.verb = VERB_READY,
                             .ready = {.model = text_of("m"),
                                       .version = text_of("1"),
                                       .capacity_rows = 64,
                                       .slots = 1,
                                       .heartbeat_ms = 60000, /* the test sends none */
                                       .pid = pid}};
}

/* The supervisor tells of a worker with that READY, which shows the token then. */
static inline void scene_announce(struct envelope *ready)
{
    static struct worker_token tokens[16];
    static size_t count;
    struct claim claim = {.token = worker_token_draw(), .pid = ready->ready.pid};
    ck_assert_uint_lt(count, COUNT_OF(tokens));
    text_copy(ready->ready.model, claim.model, sizeof claim.model);
    text_copy(ready->ready.version, claim.version, sizeof claim.version);
    broker_announce(scene_broker, &claim);
    broker_announced(scene_broker, 0);
    tokens[count] = claim.token;
    ready->ready.token = text_of(tokens[count++].text);
}

/* Waits until the broker knows as many workers. */
#define SCENE_WAIT_FOR_WORKERS(count) WAIT_FOR(pool_count(broker_pool(scene_broker)) == (count))

/* A worker with that READY, which the broker knows when this returns. */
static inline struct end *scene_worker_with(const struct envelope *ready)
{
    struct end *worker = scene_connect(scene_config->broker_workers);
    scene_next(worker, VERB_BEAT);
    end_send(worker, ready, "schema");
    WAIT_FOR(pool_find_pid(broker_pool(scene_broker), ready->ready.pid) != NULL);
    scene_pids[worker - scene_ends] = ready->ready.pid;
    return worker;
}

/* One that takes so many batches at a time. */
static inline struct end *scene_worker_with_slots(uint32_t pid, uint32_t slots)
{
    struct envelope ready = scene_ready(pid);
    ready.ready.slots = slots;
    return scene_worker_with(&ready);
}

static inline struct end *scene_worker(uint32_t pid)
{
    return scene_worker_with_slots(pid, 1);
}

/* The same, announced by the supervisor. */
static inline struct end *scene_managed_worker(uint32_t pid)
{
    struct envelope ready = scene_ready(pid);
    scene_announce(&ready);
    return scene_worker_with(&ready);
}

/* The worker with that pid dies: its connection ends, and the supervisor tells it. */
static inline void scene_kill(uint32_t pid)
{
    for (size_t i = 0; i < scene_end_count; i++)
        if (scene_pids[i] == pid)
            end_close(&scene_ends[i]);
    ck_assert(broker_worker_gone(scene_broker, pid));
    WAIT_FOR(pool_find_pid(broker_pool(scene_broker), pid) == NULL);
}

/* Waits for a BATCH with exactly these payloads (space between them) and returns its id. */
static inline uint64_t scene_expect_batch(struct end *worker, const char *payloads)
{
    char joined[256] = "";
    const struct envelope *batch = scene_next(worker, VERB_BATCH);
    for (size_t i = 0; i < scene_letter->count; i++) {
        struct text payload = letter_payload(scene_letter, i);
        size_t length = strlen(joined);
        snprintf(joined + length, sizeof joined - length, "%s%.*s", i == 0 ? "" : " ", (int)payload.length,
                 payload.at);
    }
    ck_assert_str_eq(joined, payloads);
    ck_assert_uint_eq(batch->batch.count, scene_letter->count);
    return batch->id;
}

/* Asks, and waits until the worker has it, in a batch by itself, whose id it returns. */
static inline uint64_t scene_give(struct end *worker, struct end *asker, uint64_t id, const char *payload)
{
    scene_ask(asker, id, payload);
    return scene_expect_batch(worker, payload);
}

/* Answers a batch: one payload for each word of `payloads`. */
static inline void scene_result(struct end *worker, uint64_t batch, const char *payloads)
{
    struct text words[16];
    size_t count = 0;
    for (const char *at = payloads; *at != '\0'; count++) {
        words[count] = (struct text){at, strcspn(at, " ")};
        at += words[count].length;
        at += *at == ' ';
    }
    struct envelope result = {.verb = VERB_RESULT, .id = batch, .result = {(uint32_t)count, 77, {0}}};
    end_send_all(worker, &result, words, count);
}

/* Sends a command as the control socket would; the reply as text, freed by the next call. */
static inline const char *scene_command(const char *line)
{
    static char *text;
    free(text);
    yyjson_doc *request = yyjson_read(line, strlen(line), 0);
    ck_assert_ptr_nonnull(request);
    yyjson_mut_doc *reply = yyjson_mut_doc_new(NULL);
    yyjson_mut_doc_set_root(reply, yyjson_mut_obj(reply));
    yyjson_mut_obj_add_bool(reply, yyjson_mut_doc_get_root(reply), "ok", true);
    admin_command(scene_broker, yyjson_doc_get_root(request), reply);
    text = yyjson_mut_write(reply, 0, NULL);
    yyjson_mut_doc_free(reply);
    yyjson_doc_free(request);
    return text;
}

#endif
