/* client: keeps every request until it is answered, so that nobody above has to think of a broker that dies.
 *
 * Used by frontends (and later by jobs), on the thread of their loop. The socket is one DEALER; a request is
 * known by its id; its payload is kept (shared with ZeroMQ's queue, not copied) until the answer. Three
 * things can end a request: the answer, its deadline, or client_cancel. A new connection, told by the PONG
 * that answers its hello, is sent everything that is still open, with the time that is then left: the broker
 * that had it, or the way to it, is gone. What cannot be sent now waits in `unsent`, which is tried again
 * whenever the broker is heard and every RETRY_EVERY. SPDX-License-Identifier: MIT */
#include "client.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <uthash.h>
#include <utlist.h>
#include <zmq.h>

enum {
    CLIENT_MAGIC = 0x0c11e001,
    REQUEST_MAGIC = 0x0c11e002,
    TRAIN_MAX = 256,       /* requests in one ZeroMQ message */
    MESSAGES_A_CALL = 256, /* then timers and connections have their turn */
    INLINE_TEXTS = 192     /* model, version, key and tag of nearly every request fit */
};

#define PING_EVERY SECOND       /* also how stale `heard` may become while all is well */
#define LOST_AFTER (3 * SECOND) /* three unanswered pings: the broker is away */
#define RETRY_EVERY                                                                                          \
    (10 * MILLISECOND) /* a try costs one failed send; the socket reconnects at this pace, too */

struct client_request {
    unsigned magic;
    struct loop_timer deadline; /* in the loop's heap while sent or waiting */
    uint64_t id;
    zmq_msg_t payload;
    struct client_ask ask; /* its texts point into `texts` */
    char *texts;           /* inline_texts or its own memory */
    client_answered *answered;
    void *owner;
    struct client *client;
    bool unsent; /* in client->unsent */
    struct client_request *previous, *next;
    UT_hash_handle hh;
    char inline_texts[INLINE_TEXTS];
};

/* How many requests of one tenant are open. */
struct tenant {
    uint64_t id;
    size_t open;
    UT_hash_handle hh;
};

struct client {
    unsigned magic;
    void *socket;
    struct loop *loop;
    size_t max_in_flight;
    uint64_t next_id;
    uint64_t epoch;
    int64_t heard;                 /* when the broker last said anything; 0 = never */
    struct client_request *open;   /* by id */
    struct tenant *tenants;        /* who have some of them */
    struct client_request *unsent; /* in the order of arrival */
    struct loop_timer ping;
    struct loop_timer retry;
    client_catalog *catalog;
    void *self;
    struct series *in_flight, *resent, *late, *bad;
};

/* ---- a request ---- */

struct client_request *client_request_new(size_t payload_bytes)
{
    struct client_request *request = malloc(sizeof *request);
    ENSURE(request != NULL);
    memset(request, 0, offsetof(struct client_request, inline_texts));
    request->magic = REQUEST_MAGIC;
    ENSURE(zmq_msg_init_size(&request->payload, payload_bytes) == 0);
    return request;
}

uint8_t *client_request_payload(struct client_request *request)
{
    CHECK_OBJECT(request, REQUEST_MAGIC);
    return zmq_msg_data(&request->payload);
}

void client_request_discard(struct client_request *request)
{
    if (request == NULL)
        return;
    CHECK_OBJECT(request, REQUEST_MAGIC);
    zmq_msg_close(&request->payload);
    if (request->texts != request->inline_texts)
        free(request->texts);
    request->magic = 0;
    free(request);
}

static struct text keep_text(struct text text, char **place)
{
    struct text kept = {.at = *place, .length = text.length};
    if (text.length > 0)
        memcpy(*place, text.at, text.length);
    *place += text.length;
    return kept;
}

static void keep_ask(struct client_request *request, const struct client_ask *ask)
{
    size_t bytes = ask->model.length + ask->version.length + ask->key.length + ask->tag.length;
    request->texts = bytes <= INLINE_TEXTS ? request->inline_texts : object_alloc(bytes);
    char *place = request->texts;
    request->ask = *ask;
    request->ask.model = keep_text(ask->model, &place);
    request->ask.version = keep_text(ask->version, &place);
    request->ask.key = keep_text(ask->key, &place);
    request->ask.tag = keep_text(ask->tag, &place);
}

static struct tenant *find_tenant(const struct client *client, uint64_t id)
{
    struct tenant *tenant;
    HASH_FIND(hh, client->tenants, &id, sizeof id, tenant);
    return tenant;
}

static void count_tenant(struct client *client, uint64_t id, int change)
{
    struct tenant *tenant = find_tenant(client, id);
    if (tenant == NULL) {
        tenant = object_alloc(sizeof *tenant);
        tenant->id = id;
        HASH_ADD(hh, client->tenants, id, sizeof id, tenant);
    }
    tenant->open += (size_t)change;
    if (tenant->open > 0)
        return;
    HASH_DEL(client->tenants, tenant);
    free(tenant);
}

/* Takes it out of everything; the memory stays. */
static void forget(struct client *client, struct client_request *request)
{
    if (request->unsent)
        DL_DELETE2(client->unsent, request, previous, next);
    request->unsent = false;
    HASH_DEL(client->open, request);
    count_tenant(client, request->ask.tenant, -1);
    loop_timer_cancel(client->loop, &request->deadline);
    series_set(client->in_flight, (int64_t)HASH_COUNT(client->open));
}

static void finish(struct client *client, struct client_request *request, const struct client_answer *answer)
{
    forget(client, request);
    request->answered(request->owner, answer);
    client_request_discard(request);
}

static void fail(struct client *client, struct client_request *request, enum failure failure,
                 const char *message)
{
    finish(client, request, &(struct client_answer){.failure = failure, .message = text_of(message)});
}

/* ---- sending ---- */

static int send_envelope(struct client *client, const struct envelope *envelope, int more)
{
    uint8_t bytes[PROTOCOL_ENVELOPE_MAX];
    size_t length = protocol_encode(envelope, bytes, sizeof bytes);
    ENSURE(length > 0);
    int sent = zmq_send(client->socket, bytes, length, ZMQ_DONTWAIT | more);
    loop_zmq_touch(client->loop, client->socket);
    return sent < 0 ? -1 : 0;
}

/* Sends as much of `unsent` as one ZeroMQ message may hold, oldest first. False when the broker takes nothing
 * now. */
static bool send_train(struct client *client)
{
    uint8_t bytes[PROTOCOL_ENVELOPE_MAX];
    struct client_request *request = client->unsent;
    for (int carried = 0; request != NULL && carried < TRAIN_MAX; carried++) {
        struct client_request *next = request->next;
        bool last = next == NULL || carried + 1 == TRAIN_MAX;
        int64_t left = request->ask.deadline - clock_now();
        struct envelope envelope = {.verb = VERB_REQUEST,
                                    .id = request->id,
                                    .request = {.model = request->ask.model,
                                                .version = request->ask.version,
                                                .rows = request->ask.rows,
                                                .time_left_us = left > 0 ? (uint64_t)(left / MICROSECOND) : 0,
                                                .priority = request->ask.priority,
                                                .tenant = request->ask.tenant,
                                                .key = request->ask.key,
                                                .tag = request->ask.tag}};
        size_t length = protocol_encode(&envelope, bytes, sizeof bytes);
        ENSURE(length > 0);
        if (zmq_send(client->socket, bytes, length, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
            return false; /* only the first can fail so: a message that was begun is taken whole */
        zmq_msg_t
            shared; /* the same bytes, counted twice: ours until the answer, ZeroMQ's until it is written */
        zmq_msg_init(&shared);
        zmq_msg_copy(&shared, &request->payload);
        if (zmq_msg_send(&shared, client->socket, ZMQ_DONTWAIT | (last ? 0 : ZMQ_SNDMORE)) < 0)
            zmq_msg_close(&shared);
        DL_DELETE2(client->unsent, request, previous, next);
        request->unsent = false;
        request = next;
    }
    loop_zmq_touch(client->loop, client->socket);
    return true;
}

/* At the end of each turn. What could not be sent waits for `retry`, or until the broker is heard: tried
 * again at once it would keep the loop from sleeping. */
static void flush_unsent(void *self)
{
    struct client *client = self;
    if (heap_contains(&client->retry.node))
        return;
    while (client->unsent != NULL && client->epoch != 0) {
        if (send_train(client))
            continue;
        loop_zmq_touch(client->loop, client->socket);
        loop_timer_set(client->loop, &client->retry, loop_now(client->loop) + RETRY_EVERY, flush_unsent,
                       client);
        return;
    }
}

static void deadline_passed(void *self)
{
    struct client_request *request = self;
    struct client *client = request->client;
    send_envelope(client, &(struct envelope){.verb = VERB_CANCEL, .id = request->id}, 0);
    fail(client, request, FAILURE_DEADLINE, "there was no answer within the deadline");
}

void client_send(struct client *client, struct client_request *request, const struct client_ask *ask,
                 client_answered *answered, void *owner)
{
    CHECK_OBJECT(client, CLIENT_MAGIC);
    CHECK_OBJECT(request, REQUEST_MAGIC);
    if (client_full(client, ask->tenant)) {
        answered(owner, &(struct client_answer){.failure = FAILURE_OVERLOADED,
                                                .message = text_of("too many requests are in flight"),
                                                .retry_after_ms = 1000});
        client_request_discard(request);
        return;
    }
    keep_ask(request, ask);
    request->answered = answered;
    request->owner = owner;
    request->client = client;
    request->id = client->next_id++;
    HASH_ADD(hh, client->open, id, sizeof request->id, request);
    count_tenant(client, ask->tenant, 1);
    loop_timer_set(client->loop, &request->deadline, ask->deadline, deadline_passed, request);
    series_set(client->in_flight, (int64_t)HASH_COUNT(client->open));
    request->unsent = true; /* until the end of this turn, which sends all that it gathered at once */
    DL_APPEND2(client->unsent, request, previous, next);
}

void client_cancel(struct client *client, struct client_request *request)
{
    CHECK_OBJECT(client, CLIENT_MAGIC);
    CHECK_OBJECT(request, REQUEST_MAGIC);
    if (!request->unsent)
        send_envelope(client, &(struct envelope){.verb = VERB_CANCEL, .id = request->id}, 0);
    forget(client, request);
    client_request_discard(request);
}

/* ---- receiving ---- */

static int oldest_first(const struct client_request *left, const struct client_request *right)
{
    return left->id < right->id ? -1 : left->id > right->id;
}

/* Everything open goes out again, oldest first. A broker that still has one of them answers it once. */
static void greet_broker(struct client *client, uint64_t epoch)
{
    if (client->epoch != 0)
        log_info("%s broker answers; %u open requests go out again",
                 epoch == client->epoch ? "the same" : "a new", HASH_COUNT(client->open));
    client->epoch = epoch;
    struct client_request *request, *next;
    HASH_ITER(hh, client->open, request, next)
    {
        if (request->unsent)
            continue;
        request->unsent = true;
        DL_APPEND2(client->unsent, request, previous, next);
        series_add(client->resent, 1);
    }
    DL_SORT2(client->unsent, oldest_first, previous, next);
}

static struct client_request *find(struct client *client, uint64_t id)
{
    struct client_request *request;
    HASH_FIND(hh, client->open, &id, sizeof id, request);
    if (request == NULL)
        series_add(client->late, 1);
    return request;
}

static void on_reply(struct client *client, const struct envelope *envelope, zmq_msg_t *payload)
{
    struct client_request *request = find(client, envelope->id);
    if (request == NULL)
        return;
    finish(client, request,
           &(struct client_answer){.failure = FAILURE_NONE,
                                   .version = envelope->reply.version,
                                   .payload = zmq_msg_data(payload),
                                   .payload_bytes = zmq_msg_size(payload),
                                   .queue_us = envelope->reply.queue_us,
                                   .compute_us = envelope->reply.compute_us,
                                   .batch_rows = envelope->reply.batch_rows,
                                   .age_us = envelope->reply.age_us});
}

static void on_reject(struct client *client, const struct envelope *envelope)
{
    struct client_request *request = find(client, envelope->id);
    if (request == NULL)
        return;
    if (envelope->reject.failure == FAILURE_STOPPING)
        return; /* it stays open: the next broker gets it, or its deadline ends it */
    finish(client, request,
           &(struct client_answer){.failure = envelope->reject.failure,
                                   .message = envelope->reject.message,
                                   .retry_after_ms = envelope->reject.retry_after_ms});
}

/* The entries are decoded as views of the frames, so all frames are kept until the callback returns. */
static void on_catalog(struct client *client, zmq_msg_t *frames, size_t count)
{
    struct catalog_entry *entries = object_alloc(count * sizeof *entries);
    const char *complaint = NULL;
    for (size_t i = 0; i < count && complaint == NULL; i++)
        complaint = catalog_entry_decode(zmq_msg_data(&frames[i]), zmq_msg_size(&frames[i]), &entries[i]);
    if (complaint == NULL)
        client->catalog(client->self, entries, count);
    else
        series_add(client->bad, 1);
    free(entries);
}

static void on_message(struct client *client, const struct envelope *envelope, zmq_msg_t *frames,
                       size_t count)
{
    client->heard = loop_now(client->loop);
    loop_timer_cancel(client->loop, &client->retry);
    switch (envelope->verb) {
    case VERB_REPLY:
        if (count == 1)
            on_reply(client, envelope, &frames[0]);
        return;
    case VERB_REJECT:
        on_reject(client, envelope);
        return;
    case VERB_PONG:
        if (envelope->id == 0)
            greet_broker(client, envelope->pong.epoch);
        return;
    case VERB_CATALOG:
        if (count == envelope->catalog.count && client->catalog != NULL)
            on_catalog(client, frames, count);
        return;
    default:
        series_add(client->bad, 1);
    }
}

/* Receives the payload frames of one envelope. False when the message ends before the last. */
static bool receive_payloads(struct client *client, zmq_msg_t *frames, size_t wanted, size_t *count,
                             bool *more)
{
    for (*count = 0; *count < wanted && *more; (*count)++) {
        zmq_msg_init(&frames[*count]);
        if (zmq_msg_recv(&frames[*count], client->socket, ZMQ_DONTWAIT) < 0)
            *more = false;
        else
            *more = zmq_msg_more(&frames[*count]);
    }
    return *count == wanted;
}

/* Receives one of our messages: an envelope and its payload frames. False when it cannot be read: what
 * follows in the same ZeroMQ message has no meaning then. */
static bool receive_one(struct client *client, zmq_msg_t *head, bool *more)
{
    static _Thread_local zmq_msg_t frames[PROTOCOL_COUNT_MAX];
    struct envelope envelope;
    if (zmq_msg_size(head) == 0) /* a hello, which a ROUTER may send, too */
        return true;
    if (protocol_decode(zmq_msg_data(head), zmq_msg_size(head), &envelope) != NULL)
        return false;
    size_t count;
    bool whole = receive_payloads(client, frames, protocol_payload_count(&envelope), &count, more);
    if (whole)
        on_message(client, &envelope, frames, count);
    for (size_t i = 0; i < count; i++)
        zmq_msg_close(&frames[i]);
    return whole;
}

/* Receives one ZeroMQ message, which may carry several of ours. False when none waits. */
static bool receive(struct client *client)
{
    zmq_msg_t head;
    zmq_msg_init(&head);
    if (zmq_msg_recv(&head, client->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&head);
        return false;
    }
    bool more = zmq_msg_more(&head), readable = receive_one(client, &head, &more);
    if (!readable)
        series_add(client->bad, 1);
    while (more && zmq_msg_recv(&head, client->socket, ZMQ_DONTWAIT) >= 0) {
        more = zmq_msg_more(&head);
        if (readable && !(readable = receive_one(client, &head, &more)))
            series_add(client->bad, 1);
    }
    zmq_msg_close(&head);
    return true;
}

static void readable(void *self)
{
    struct client *client = self;
    for (int i = 0; i < MESSAGES_A_CALL; i++)
        if (!receive(client))
            return;
    loop_zmq_touch(client->loop, client->socket);
}

/* ---- life ---- */

static void ping(void *self)
{
    struct client *client = self;
    send_envelope(client, &(struct envelope){.verb = VERB_PING, .id = client->next_id}, 0);
    loop_timer_set(client->loop, &client->ping, loop_now(client->loop) + PING_EVERY, ping, client);
}

static void set_option(void *socket, int option, int value)
{
    ENSURE(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

static void *connect_socket(void *zmq_context, const char *endpoint, size_t max_in_flight)
{
    void *socket = zmq_socket(zmq_context, ZMQ_DEALER);
    ENSURE(socket != NULL);
    set_option(socket, ZMQ_PROBE_ROUTER, 1);
    set_option(socket, ZMQ_IMMEDIATE, 1);
    set_option(socket, ZMQ_LINGER, 0);
    set_option(socket, ZMQ_RECONNECT_IVL, 5);
    set_option(socket, ZMQ_RECONNECT_IVL_MAX, 100);
    /* Our own window is the bound; ZeroMQ's only has to be larger, cancels and pings included. */
    set_option(socket, ZMQ_SNDHWM, (int)max_in_flight * 2 + 16);
    set_option(socket, ZMQ_RCVHWM, (int)max_in_flight * 2 + 16);
    ENSURE(zmq_connect(socket, endpoint) == 0);
    return socket;
}

struct client *client_new(void *zmq_context, struct loop *loop, const char *endpoint, size_t max_in_flight,
                          struct metrics *metrics, client_catalog *catalog, void *self)
{
    struct client *client = object_alloc(sizeof *client);
    client->magic = CLIENT_MAGIC;
    client->socket = connect_socket(zmq_context, endpoint, max_in_flight);
    client->loop = loop;
    client->max_in_flight = max_in_flight;
    /* A random start keeps ids apart that two lives of one asker hand out. */
    ENSURE(getrandom(&client->next_id, sizeof client->next_id, 0) == sizeof client->next_id);
    client->next_id = (client->next_id >> 16 << 8) | 1;
    client->catalog = catalog;
    client->self = self;
    client->in_flight = metrics_series(metrics, METRIC_IN_FLIGHT, NULL, NULL, NULL);
    client->resent = metrics_series(metrics, METRIC_CLIENT_RESENT, NULL, NULL, NULL);
    client->late = metrics_series(metrics, METRIC_CLIENT_LATE, NULL, NULL, NULL);
    client->bad = metrics_series(metrics, METRIC_BAD_MESSAGES, "asker", NULL, NULL);
    ENSURE(loop_zmq_add(loop, client->socket, readable, client) == 0);
    loop_each_turn(loop, flush_unsent, client);
    loop_timer_set(loop, &client->ping, loop_now(loop) + PING_EVERY, ping, client);
    return client;
}

void client_free(struct client *client)
{
    if (client == NULL)
        return;
    CHECK_OBJECT(client, CLIENT_MAGIC);
    struct client_request *request, *next;
    HASH_ITER(hh, client->open, request, next)
    {
        fail(client, request, FAILURE_STOPPING, "the process is stopping");
    }
    loop_timer_cancel(client->loop, &client->ping);
    loop_timer_cancel(client->loop, &client->retry);
    loop_zmq_remove(client->loop, client->socket);
    zmq_close(client->socket);
    client->magic = 0;
    free(client);
}

bool client_connected(const struct client *client)
{
    return client->heard != 0 && loop_now(client->loop) - client->heard < LOST_AFTER;
}

static size_t places(const struct client *client)
{
    return client->max_in_flight + client->max_in_flight / 4;
}

bool client_overwhelmed(const struct client *client)
{
    CHECK_OBJECT(client, CLIENT_MAGIC);
    return HASH_COUNT(client->open) >= places(client);
}

bool client_full(const struct client *client, uint64_t id)
{
    CHECK_OBJECT(client, CLIENT_MAGIC);
    if (HASH_COUNT(client->open) < client->max_in_flight)
        return false;
    const struct tenant *tenant = find_tenant(client, id);
    size_t tenants = HASH_COUNT(client->tenants) + (tenant == NULL);
    size_t open = tenant == NULL ? 0 : tenant->open;
    bool below = tenants > 1 && (open + 1) * tenants <= client->max_in_flight; /* its equal share */
    return !below || client_overwhelmed(client);
}

size_t client_in_flight(const struct client *client)
{
    return HASH_COUNT(client->open);
}
