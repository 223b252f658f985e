/* client_scene: a client, its loop, and a ROUTER that plays the broker, all in one thread. Include it in one
 * test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CLIENT_SCENE_H
#define OUTRIGGER_CLIENT_SCENE_H

#include "client.h"
#include "played_broker.h"
#include "scratch_directory.h"
#include "suite.h"

enum { WINDOW = 1000 };

static void *context;
static struct metrics *metrics;
static struct client *client;
static struct end broker;
static struct letter *letter;
static char endpoint[128];

/* What `answered` was told, by request. */
struct asked {
    struct client_request *request;
    int answers;
    enum failure failure;
    char message[128], version[64], payload[64]; /* the payload cut */
    size_t payload_bytes;
    char payload_end; /* its last byte */
    char limit[16];
    uint64_t retry_after_ms, queue_us, compute_us, quota, window_s, left, whole_s;
    uint32_t batch_rows;
    uint64_t age_us;
    int64_t sent_at;
    bool replayed;
    char tag[16];
};

static struct asked asked[WINDOW];

/* What `catalog` was told. */
static int catalogs;
static size_t catalog_count;
static char catalog_first[64];

static inline void on_catalog(void *self, const struct catalog_entry *entries, size_t count)
{
    ck_assert_ptr_eq(self, &catalogs);
    catalogs++;
    catalog_count = count;
    if (count > 0)
        text_copy(entries[0].model, catalog_first, sizeof catalog_first);
}

static inline void on_answer(void *owner, const struct client_answer *answer)
{
    struct asked *one = owner;
    one->answers++;
    one->failure = answer->failure;
    text_copy(answer->message, one->message, sizeof one->message);
    text_copy(answer->version, one->version, sizeof one->version);
    text_copy((struct text){(const char *)answer->payload, answer->payload_bytes}, one->payload,
              sizeof one->payload);
    one->payload_bytes = answer->payload_bytes;
    if (answer->payload_bytes > 0)
        one->payload_end = (char)answer->payload[answer->payload_bytes - 1];
    one->retry_after_ms = answer->retry_after_ms;
    one->queue_us = answer->queue_us;
    one->compute_us = answer->compute_us;
    one->batch_rows = answer->batch_rows;
    one->age_us = answer->age_us;
    one->sent_at = answer->sent_at;
    text_copy(answer->limit, one->limit, sizeof one->limit);
    one->replayed = answer->replayed;
    text_copy(answer->tag, one->tag, sizeof one->tag);
    one->quota = answer->quota;
    one->window_s = answer->window_s;
    one->left = answer->left;
    one->whole_s = answer->whole_s;
}

static inline uint64_t counter(enum metric metric, const char *label)
{
    return metrics_series(metrics, metric, label, NULL, NULL)->value;
}

static inline void open_client(size_t window)
{
    client = client_new(context, letters_loop, endpoint, window, metrics, on_catalog, &catalogs);
}

static inline void name_endpoint(const char *name)
{
    snprintf(endpoint, sizeof endpoint, "ipc://%s/%s", scratch_directory, name);
}

/* Another client in the place of the first. That one goes in ZeroMQ's own time, and could still say hello
 * where it was connected to: so they do not share that. */
static inline void reopen_client(size_t window)
{
    client_free(client);
    loop_free(letters_loop);
    letters_loop = loop_new();
    name_endpoint("again.ipc");
    open_client(window);
}

static inline void set_up(void)
{
    scratch_make();
    name_endpoint("askers.ipc");
    context = zmq_ctx_new();
    letters_loop = loop_new();
    metrics = metrics_new(NULL);
    letter = letter_new();
    open_client(WINDOW);
}

static inline void tear_down(void)
{
    client_free(client);
    letter_free(letter);
    free(letter);
    end_close(&broker);
    zmq_ctx_term(context);
    loop_free(letters_loop);
    metrics_free(metrics);
    scratch_remove();
}

/* ---- the broker's part ---- */

static inline void pong(uint64_t id, uint64_t epoch)
{
    played_pong(&broker, id, epoch);
}

/* Binds, waits for the client's hello and answers it. */
static inline void start_broker(uint64_t epoch)
{
    broker = end_open(context, ZMQ_ROUTER, endpoint);
    WAIT_FOR(end_take(&broker, letter));
    ck_assert(letter->hello);
    pong(0, epoch);
}

static inline void reply(uint64_t id, const char *payload)
{
    struct envelope envelope = {
        .verb = VERB_REPLY,
        .id = id,
        .reply = {.version = text_of("3"), .queue_us = 11, .compute_us = 22, .batch_rows = 33, .age_us = 44}};
    end_send(&broker, &envelope, payload);
}

static inline void reject(uint64_t id, enum failure failure, uint64_t retry_after_ms, const char *message)
{
    played_reject(&broker, id, failure, retry_after_ms, message);
}

/* The frames of a REPLY, at frames[0] and [1]. */
static inline void reply_frames(uint64_t id, uint8_t *room, struct text *frames)
{
    struct envelope envelope = {.verb = VERB_REPLY, .id = id, .reply = {.version = text_of("1")}};
    size_t length = protocol_encode(&envelope, room, PROTOCOL_ENVELOPE_MAX);
    frames[0] = (struct text){(const char *)room, length};
    frames[1] = text_of("x");
}

/* Waits for the next REQUEST and returns its id. */
static inline uint64_t next_request(void)
{
    WAIT_FOR(end_take_verb(&broker, letter, VERB_REQUEST));
    return letter->envelope.id;
}

/* ---- the asker's part ---- */

static inline void ask_this(size_t index, int64_t time, uint64_t tenant, struct text payload)
{
    struct client_ask ask = {.model = text_of("m"),
                             .version = text_of("1"),
                             .rows = 7,
                             .deadline = clock_now() + time,
                             .priority = 4,
                             .tenant = tenant,
                             .address = 4711,
                             .key = text_of("key"),
                             .tag = text_of("tag")};
    asked[index].request = client_request_new(payload.length);
    memcpy(client_request_payload(asked[index].request), payload.at, payload.length);
    client_send(client, asked[index].request, &ask, on_answer, &asked[index]);
}

static inline void ask_with(size_t index, int64_t time, uint64_t tenant)
{
    char payload[16];
    int length = snprintf(payload, sizeof payload, "%zu", index);
    ask_this(index, time, tenant, (struct text){payload, (size_t)length});
}

static inline void ask_for(size_t index, int64_t time)
{
    ask_with(index, time, 0);
}

static inline void ask_as(size_t index, uint64_t tenant)
{
    ask_with(index, 30 * SECOND, tenant);
}

static inline void ask(size_t index)
{
    ask_for(index, 30 * SECOND);
}

/* Asks so many, from the first on; their ids in this order. */
static inline void ask_many(size_t count, uint64_t *ids)
{
    for (size_t i = 0; i < count; i++)
        ask(i);
    for (size_t i = 0; i < count; i++)
        ids[i] = next_request();
}

#endif
