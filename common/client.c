/* client: keeps every request until it is answered, so that nobody above has to think of a broker that dies.
 *
 * Used by frontends (and later by jobs), on the thread of their loop. The socket is one DEALER; a request is
 * known by its id; how many there may be says window.c; a payload is kept (a large one shared with ZeroMQ's
 * queue, not copied) until the answer. Three things can end a request: the answer, its deadline, or
 * client_cancel. A new connection, told by the PONG that answers its hello, is sent everything that is still
 * open, with the time that is then left: the broker that had it, or the way to it, is gone. What cannot be
 * sent now waits in `unsent`, which is tried again whenever the broker is heard and every RETRY_EVERY.
 * SPDX-License-Identifier: MIT */
#include "client.h"

#include "ahead.h"
#include "clock.h"
#include "log.h"
#include "train.h"
#include "window.h"

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
    uint8_t *payload; /* `inside`, or what `frame` holds: one too large to travel in its envelope's frame */
    size_t payload_bytes;
    zmq_msg_t frame;
    struct client_ask ask; /* its texts point into `texts` */
    char *texts;           /* inline_texts or its own memory */
    client_answered *answered;
    void *owner;
    struct client *client;
    bool unsent; /* in client->unsent */
    bool again;  /* a broker has had it */
    int64_t sent_at;
    struct client_request *previous, *next;
    UT_hash_handle hh;
    char inline_texts[INLINE_TEXTS];
    uint8_t inside[];
};

struct client {
    unsigned magic;
    void *socket;
    struct loop *loop;
    uint64_t next_id;
    uint64_t epoch;
    int64_t heard;                 /* when the broker last said anything; 0 = never */
    struct client_request *open;   /* by id */
    struct window *window;         /* how many of them */
    struct client_request *unsent; /* in the order of arrival */
    struct loop_timer ping;
    struct loop_timer retry;
    client_catalog *catalog;
    void *self;
    struct series *in_flight, *resent, *late, *bad;
    struct train train; /* that goes out */
    struct ahead *ahead;
    struct text payloads[PROTOCOL_COUNT_MAX]; /* of the message that is handled */
};

/* ---- a request ---- */

static bool is_inside(const struct client_request *request)
{
    return request->payload_bytes <= TRAIN_INSIDE_MAX;
}

struct client_request *client_request_new(size_t payload_bytes)
{
    size_t inside = payload_bytes <= TRAIN_INSIDE_MAX ? payload_bytes : 0;
    struct client_request *request = malloc(sizeof *request + inside);
    ENSURE(request != NULL);
    memset(request, 0, offsetof(struct client_request, inline_texts));
    request->magic = REQUEST_MAGIC;
    request->payload_bytes = payload_bytes;
    request->payload = request->inside;
    if (is_inside(request))
        return request;
    ENSURE(zmq_msg_init_size(&request->frame, payload_bytes) == 0);
    request->payload = zmq_msg_data(&request->frame);
    return request;
}

uint8_t *client_request_payload(struct client_request *request)
{
    CHECK_OBJECT(request, REQUEST_MAGIC);
    return request->payload;
}

size_t client_request_bytes(const struct client_request *request)
{
    CHECK_OBJECT(request, REQUEST_MAGIC);
    return request->payload_bytes;
}

void client_request_discard(struct client_request *request)
{
    if (request == NULL)
        return;
    CHECK_OBJECT(request, REQUEST_MAGIC);
    if (!is_inside(request))
        zmq_msg_close(&request->frame);
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
    size_t bytes = ask->model.length + ask->version.length + ask->key.length + ask->tag.length +
                   ask->once.length + ask->trace.length;
    request->texts = bytes <= INLINE_TEXTS ? request->inline_texts : object_alloc(bytes);
    char *place = request->texts;
    request->ask = *ask;
    request->ask.model = keep_text(ask->model, &place);
    request->ask.version = keep_text(ask->version, &place);
    request->ask.key = keep_text(ask->key, &place);
    request->ask.tag = keep_text(ask->tag, &place);
    request->ask.once = keep_text(ask->once, &place);
    request->ask.trace = keep_text(ask->trace, &place);
}

/* Takes it out of everything; the memory stays. */
static void forget(struct client *client, struct client_request *request)
{
    if (request->unsent)
        DL_DELETE2(client->unsent, request, previous, next);
    request->unsent = false;
    HASH_DEL(client->open, request);
    window_leave(client->window, request->ask.tenant);
    loop_timer_cancel(client->loop, &request->deadline);
    series_set(client->in_flight, (int64_t)window_open(client->window));
}

static void finish(struct client *client, struct client_request *request, struct client_answer *answer)
{
    answer->sent_at = request->sent_at;
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

static void send_envelope(struct client *client, const struct envelope *envelope)
{
    uint8_t bytes[PROTOCOL_ENVELOPE_MAX];
    size_t length = protocol_encode(envelope, bytes, sizeof bytes);
    ENSURE(length > 0);
    zmq_send(client->socket, bytes, length, ZMQ_DONTWAIT);
    loop_zmq_touch(client->loop, client->socket);
}

static void add_request(struct train *train, struct client_request *request, int64_t now)
{
    int64_t left = request->ask.deadline - now;
    train_add(train,
              &(struct envelope){.verb = VERB_REQUEST,
                                 .id = request->id,
                                 .request = {.model = request->ask.model,
                                             .version = request->ask.version,
                                             .rows = request->ask.rows,
                                             .time_left_us = left > 0 ? (uint64_t)(left / MICROSECOND) : 0,
                                             .priority = request->ask.priority,
                                             .tenant = request->ask.tenant,
                                             .key = request->ask.key,
                                             .tag = request->ask.tag,
                                             .address = request->ask.address,
                                             .again = request->again,
                                             .once = request->ask.once,
                                             .trace = request->ask.trace}});
    if (is_inside(request))
        memcpy(train_add_payload(train, request->payload_bytes), request->payload, request->payload_bytes);
}

/* The same bytes, counted twice: ours until the answer, ZeroMQ's until they are written. */
static void send_payload(struct client *client, struct client_request *request)
{
    zmq_msg_t shared;
    zmq_msg_init(&shared);
    zmq_msg_copy(&shared, &request->frame);
    if (zmq_msg_send(&shared, client->socket, ZMQ_DONTWAIT) < 0)
        zmq_msg_close(&shared);
}

/* Sends as much of `unsent` as one ZeroMQ message may hold, oldest first: a frame, and behind it the payload
 * of the last request when that is large. False when the broker takes nothing now. */
static bool send_train(struct client *client)
{
    struct client_request *request, *last = client->unsent;
    int64_t now = clock_now();
    train_clear(&client->train);
    add_request(&client->train, last, now);
    for (int carried = 1;
         last->next != NULL && carried < TRAIN_MAX && !train_full(&client->train) && is_inside(last);
         carried++) {
        last = last->next;
        add_request(&client->train, last, now);
    }
    bool more = !is_inside(last);
    if (zmq_send(client->socket, client->train.bytes, client->train.length,
                 ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) < 0)
        return false;
    if (more) /* a message that was begun is taken whole */
        send_payload(client, last);
    do {
        request = client->unsent;
        DL_DELETE2(client->unsent, request, previous, next);
        request->unsent = false;
        request->sent_at = now;
    } while (request != last);
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

static void send_cancel(struct client *client, const struct client_request *request)
{
    send_envelope(client, &(struct envelope){.verb = VERB_CANCEL, .id = request->id});
}

static void deadline_passed(void *self)
{
    struct client_request *request = self;
    struct client *client = request->client;
    send_cancel(client, request);
    fail(client, request, FAILURE_DEADLINE, "there was no answer within the deadline");
}

void client_send(struct client *client, struct client_request *request, const struct client_ask *ask,
                 client_answered *answered, void *owner)
{
    CHECK_OBJECT(client, CLIENT_MAGIC);
    CHECK_OBJECT(request, REQUEST_MAGIC);
    if (window_full(client->window, ask->tenant)) {
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
    window_enter(client->window, ask->tenant);
    loop_timer_set(client->loop, &request->deadline, ask->deadline, deadline_passed, request);
    series_set(client->in_flight, (int64_t)window_open(client->window));
    request->unsent = true; /* until the end of this turn, which sends all that it gathered at once */
    DL_APPEND2(client->unsent, request, previous, next);
}

void client_cancel(struct client *client, struct client_request *request)
{
    CHECK_OBJECT(client, CLIENT_MAGIC);
    CHECK_OBJECT(request, REQUEST_MAGIC);
    if (!request->unsent)
        send_cancel(client, request);
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
        request->again = true;
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

static void on_reply(struct client *client, const struct envelope *envelope, struct text payload)
{
    struct client_request *request = find(client, envelope->id);
    if (request == NULL)
        return;
    finish(client, request,
           &(struct client_answer){.failure = FAILURE_NONE,
                                   .version = envelope->reply.version,
                                   .payload = (const uint8_t *)payload.at,
                                   .payload_bytes = payload.length,
                                   .queue_us = envelope->reply.queue_us,
                                   .compute_us = envelope->reply.compute_us,
                                   .batch_rows = envelope->reply.batch_rows,
                                   .age_us = envelope->reply.age_us,
                                   .limit = envelope->reply.limit,
                                   .quota = envelope->reply.quota,
                                   .window_s = envelope->reply.window_s,
                                   .left = envelope->reply.left,
                                   .whole_s = envelope->reply.whole_s,
                                   .replayed = envelope->reply.replayed,
                                   .tag = envelope->reply.tag});
}

/* The version was a wish (a rule's, while the route changed) that cannot be granted. Under another id: the
 * broker may remember this one as answered. One that went out a second time, after a hello, may have been
 * refused the first time and be taken in now, as the version has come since: it is taken back first. */
static void ask_without_version(struct client *client, struct client_request *request)
{
    if (request->again && !request->unsent)
        send_cancel(client, request);
    HASH_DEL(client->open, request);
    request->id = client->next_id++;
    HASH_ADD(hh, client->open, id, sizeof request->id, request);
    request->ask.version = (struct text){0};
    request->again = true;
    if (!request->unsent)
        DL_APPEND2(client->unsent, request, previous, next);
    request->unsent = true;
}

static bool is_ungranted(const struct client_request *request, enum failure failure)
{
    return request->ask.version_optional && request->ask.version.length > 0 &&
           (failure == FAILURE_UNKNOWN_VERSION || failure == FAILURE_NOT_READY);
}

static void on_reject(struct client *client, const struct envelope *envelope)
{
    struct client_request *request = find(client, envelope->id);
    if (request == NULL)
        return;
    if (envelope->reject.failure == FAILURE_STOPPING)
        return; /* it stays open: the next broker gets it, or its deadline ends it */
    if (is_ungranted(request, envelope->reject.failure)) {
        ask_without_version(client, request);
        return;
    }
    finish(client, request,
           &(struct client_answer){.failure = envelope->reject.failure,
                                   .message = envelope->reject.message,
                                   .retry_after_ms = envelope->reject.retry_after_ms,
                                   .limit = envelope->reject.limit,
                                   .quota = envelope->reject.quota,
                                   .window_s = envelope->reject.window_s,
                                   .replayed = envelope->reject.replayed,
                                   .version = envelope->reject.version});
}

static void on_catalog(struct client *client, const struct text *payloads, size_t count)
{
    struct catalog_entry *entries = object_alloc(count * sizeof *entries);
    const char *complaint = NULL;
    for (size_t i = 0; i < count && complaint == NULL; i++)
        complaint = catalog_entry_decode((const uint8_t *)payloads[i].at, payloads[i].length, &entries[i]);
    if (complaint == NULL)
        client->catalog(client->self, entries, count);
    else
        series_add(client->bad, 1);
    free(entries);
}

static void on_message(struct client *client, const struct envelope *envelope, size_t count)
{
    client->heard = loop_now(client->loop);
    loop_timer_cancel(client->loop, &client->retry);
    switch (envelope->verb) {
    case VERB_REPLY:
        on_reply(client, envelope, client->payloads[0]);
        return;
    case VERB_REJECT:
        on_reject(client, envelope);
        return;
    case VERB_PONG:
        if (envelope->id == 0)
            greet_broker(client, envelope->pong.epoch);
        return;
    case VERB_CATALOG:
        if (client->catalog != NULL)
            on_catalog(client, client->payloads, count);
        return;
    default:
        series_add(client->bad, 1);
    }
}

/* Our messages that begin in this frame. False when one cannot be read: what follows in the same ZeroMQ
 * message has no meaning then. */
static bool handle_train(struct client *client, struct text head)
{
    struct train_reader reader = train_reader(head, ahead_next, client->ahead);
    struct envelope envelope;
    size_t count;
    do {
        if (train_read(&reader, &envelope, client->payloads, &count) != NULL) {
            series_add(client->bad, 1);
            return false;
        }
        on_message(client, &envelope, count);
    } while (!train_ended(&reader));
    return true;
}

/* One ZeroMQ message, which may carry several of ours. False when none was taken. */
static bool handle(struct client *client)
{
    struct text head, rest;
    if (!ahead_begin(client->ahead, &head))
        return false;
    bool there = head.length > 0 || ahead_next(client->ahead, &rest); /* or a hello, as ROUTERs may send it */
    while (there && handle_train(client, head))
        there = ahead_next(client->ahead, &head);
    ahead_end(client->ahead);
    return true;
}

static void readable(void *self)
{
    struct client *client = self;
    for (int i = 0; i < MESSAGES_A_CALL; i += AHEAD_MAX) {
        bool all = ahead_take(client->ahead) < AHEAD_MAX;
        while (handle(client))
            continue;
        if (all)
            return;
    }
    loop_zmq_touch(client->loop, client->socket);
}

/* ---- life ---- */

static void ping(void *self)
{
    struct client *client = self;
    send_envelope(client, &(struct envelope){.verb = VERB_PING, .id = client->next_id});
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
    client->ahead = ahead_new(client->socket);
    client->loop = loop;
    client->window = window_new(max_in_flight);
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
    train_free(&client->train);
    ahead_free(client->ahead);
    window_free(client->window);
    client->magic = 0;
    free(client);
}

bool client_connected(const struct client *client)
{
    return client->heard != 0 && loop_now(client->loop) - client->heard < LOST_AFTER;
}

bool client_overwhelmed(const struct client *client)
{
    CHECK_OBJECT(client, CLIENT_MAGIC);
    return window_overwhelmed(client->window);
}

bool client_full(const struct client *client, uint64_t tenant)
{
    CHECK_OBJECT(client, CLIENT_MAGIC);
    return window_full(client->window, tenant);
}

size_t client_in_flight(const struct client *client)
{
    return window_open(client->window);
}
