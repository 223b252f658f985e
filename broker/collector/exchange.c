/* exchange: see exchange.h. The collector's sockets of ZeroMQ: three are read here, the one of observations
 * is lent to observing.c. Made by main.c, whose loop they run in.
 *
 * The sockets face processes of our own user, but nothing that comes is believed: more or fewer frames, long
 * ones, any bytes. Nothing waits for a slow peer: PUB drops what a subscriber does not take, and ROUTER's
 * answer to a peer that went away or does not read is dropped by us. SPDX-License-Identifier: MIT */
#include "exchange.h"

#include "log.h"
#include "path.h"
#include "snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

enum {
    EXCHANGE_MAGIC = 0x65630001,
    MESSAGES_A_TURN = 256,      /* then the loop goes round: a flood must not starve HTTP and timers */
    SNAPSHOTS_WAITING_MAX = 16, /* of one process; a newer one replaces an older one anyway */
    SUBSCRIBER_WAITING_MAX =
        256,               /* snapshots, some KB each, for a slow subscriber: he misses the next ones */
    ASKER_WAITING_MAX = 4, /* pages, up to some MB each, for a slow asker */
    OBSERVATIONS_WAITING_MAX = 4, /* frames, up to some MB each, of a broker */
    SUBSCRIPTION_BYTES_MAX = 1024,
    BODY_BYTES_CUT = 2 * SNAPSHOT_BYTES_MAX /* frames up to here are refused and counted, longer ones cost the
                                               peer its connection before they fill memory */
};

struct endpoint {
    const char *file;
    int type;
    int send_waiting_max;
    int receive_waiting_max;
    int64_t frame_bytes_max;
};

enum { SUBSCRIBERS, ASKERS, SNAPSHOTS, OBSERVATIONS, ENDPOINT_COUNT };

static const struct endpoint endpoints[ENDPOINT_COUNT] = {
    [SUBSCRIBERS] = {"stats-out.ipc", ZMQ_XPUB, SUBSCRIBER_WAITING_MAX, 0, SUBSCRIPTION_BYTES_MAX},
    [ASKERS] = {"exposition.ipc", ZMQ_ROUTER, ASKER_WAITING_MAX, ASKER_WAITING_MAX, PAGE_REQUEST_BYTES_MAX},
    [SNAPSHOTS] = {"stats.ipc", ZMQ_SUB, 1, SNAPSHOTS_WAITING_MAX, BODY_BYTES_CUT},
    [OBSERVATIONS] = {"observations.ipc", ZMQ_PULL, 1, OBSERVATIONS_WAITING_MAX, BODY_BYTES_CUT}};

struct exchange {
    unsigned magic;
    struct loop *loop;
    struct exchange_owner owner;
    char *directory;
    void *sockets[ENDPOINT_COUNT];
    struct loop_timer snapshots_again;
    struct loop_timer askers_again;
    struct loop_timer subscriptions_again;
    size_t subscriptions; /* topics that somebody listens to */
};

static const char *const refusal_labels[] = {
#define X(name, label) [EXCHANGE_##name] = label,
    EXCHANGE_REFUSALS(X)
#undef X
};

const char *exchange_refusal_label(enum exchange_refusal refusal)
{
    ENSURE((unsigned)refusal < EXCHANGE_REFUSAL_COUNT);
    return refusal_labels[refusal];
}

/* ---- snapshots ---- */

static struct text text_of_frame(zmq_msg_t *frame)
{
    return (struct text){.at = zmq_msg_data(frame), .length = zmq_msg_size(frame)};
}

static void drop_rest(void *socket)
{
    int more = 1;
    size_t length = sizeof more;
    while (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &length) == 0 && more != 0) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        bool received = zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) != -1;
        zmq_msg_close(&frame);
        if (!received)
            return;
    }
}

/* Receives a message of exactly two frames. ZeroMQ hands over whole messages, so the second never lets us
 * wait. */
static enum exchange_refusal receive_two(void *socket, zmq_msg_t *first, zmq_msg_t *second)
{
    bool two =
        zmq_msg_more(first) && zmq_msg_recv(second, socket, ZMQ_DONTWAIT) != -1 && !zmq_msg_more(second);
    if (!two)
        drop_rest(socket);
    return two ? EXCHANGE_NONE : EXCHANGE_FRAMES;
}

static void pass_on(struct exchange *exchange, zmq_msg_t *topic, zmq_msg_t *body)
{
    if (zmq_msg_send(topic, exchange->sockets[SUBSCRIBERS], ZMQ_SNDMORE | ZMQ_DONTWAIT) != -1)
        zmq_msg_send(body, exchange->sockets[SUBSCRIBERS], ZMQ_DONTWAIT);
}

static void take_snapshot(struct exchange *exchange, zmq_msg_t *topic, zmq_msg_t *body)
{
    enum exchange_refusal refusal = receive_two(exchange->sockets[SNAPSHOTS], topic, body);
    if (refusal == EXCHANGE_NONE && zmq_msg_size(body) > SNAPSHOT_BYTES_MAX)
        refusal = EXCHANGE_SIZE;
    if (refusal != EXCHANGE_NONE)
        exchange->owner.refused(exchange->owner.self, refusal);
    else if (exchange->owner.take(exchange->owner.self, text_of_frame(topic), text_of_frame(body)) ==
             EXCHANGE_NONE)
        pass_on(exchange, topic, body);
}

/* Receives and takes one message; false when none waits. */
static bool receive_snapshot(struct exchange *exchange)
{
    zmq_msg_t topic;
    zmq_msg_t body;
    zmq_msg_init(&topic);
    zmq_msg_init(&body);
    bool received = zmq_msg_recv(&topic, exchange->sockets[SNAPSHOTS], ZMQ_DONTWAIT) != -1;
    if (received)
        take_snapshot(exchange, &topic, &body);
    zmq_msg_close(&topic);
    zmq_msg_close(&body);
    return received;
}

static void touch_snapshots(void *self)
{
    struct exchange *exchange = self;
    loop_zmq_touch(exchange->loop, exchange->sockets[SNAPSHOTS]);
}

void exchange_receive(struct exchange *exchange)
{
    CHECK_OBJECT(exchange, EXCHANGE_MAGIC);
    for (int i = 0; i < MESSAGES_A_TURN; i++)
        if (!receive_snapshot(exchange))
            return;
    loop_timer_set(exchange->loop, &exchange->snapshots_again, loop_now(exchange->loop), touch_snapshots,
                   exchange);
}

static void snapshots_ready(void *self)
{
    exchange_receive(self);
}

void exchange_publish(struct exchange *exchange, struct text topic, struct text body)
{
    CHECK_OBJECT(exchange, EXCHANGE_MAGIC);
    if (zmq_send(exchange->sockets[SUBSCRIBERS], topic.at, topic.length, ZMQ_SNDMORE | ZMQ_DONTWAIT) != -1)
        zmq_send(exchange->sockets[SUBSCRIBERS], body.at, body.length, ZMQ_DONTWAIT);
}

/* ---- subscribers ---- */

/* libzmq says when a topic gets its first listener (a byte 1 and the topic), and when its last one has gone
 * (0). What else a peer sends there is nothing. False when nothing waits. */
static bool receive_subscription(struct exchange *exchange)
{
    zmq_msg_t message;
    zmq_msg_init(&message);
    bool received = zmq_msg_recv(&message, exchange->sockets[SUBSCRIBERS], ZMQ_DONTWAIT) != -1;
    const uint8_t *bytes = zmq_msg_data(&message);
    if (received && zmq_msg_size(&message) > 0 && bytes[0] == 1)
        exchange->subscriptions++;
    else if (received && zmq_msg_size(&message) > 0 && bytes[0] == 0 && exchange->subscriptions > 0)
        exchange->subscriptions--;
    zmq_msg_close(&message);
    return received;
}

static void touch_subscriptions(void *self)
{
    struct exchange *exchange = self;
    loop_zmq_touch(exchange->loop, exchange->sockets[SUBSCRIBERS]);
}

static void subscriptions_ready(void *self)
{
    struct exchange *exchange = self;
    for (int i = 0; i < MESSAGES_A_TURN; i++)
        if (!receive_subscription(exchange))
            return;
    loop_timer_set(exchange->loop, &exchange->subscriptions_again, loop_now(exchange->loop),
                   touch_subscriptions, exchange);
}

size_t exchange_subscriptions(const struct exchange *exchange)
{
    CHECK_OBJECT(exchange, EXCHANGE_MAGIC);
    return exchange->subscriptions;
}

/* ---- pages ---- */

/* Fails for a peer that went away or is ASKER_WAITING_MAX answers behind: it asks again or does not care. */
static void send_page(struct exchange *exchange, zmq_msg_t *peer, uint64_t number, const struct page *page)
{
    void *socket = exchange->sockets[ASKERS];
    uint8_t envelope[PAGE_ANSWER_BYTES_MAX];
    struct text body = page->answer.body;
    size_t length = page_answer_encode(&page->answer, number, envelope, sizeof envelope);
    ENSURE(length > 0);
    if (zmq_msg_send(peer, socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) != -1 &&
        zmq_send(socket, envelope, length, ZMQ_SNDMORE | ZMQ_DONTWAIT) != -1)
        zmq_send(socket, body.at, body.length, ZMQ_DONTWAIT);
}

static void answer(struct exchange *exchange, zmq_msg_t *peer, zmq_msg_t *ask)
{
    struct page_request request;
    struct page page;
    uint64_t number;
    if (!page_request_decode(zmq_msg_data(ask), zmq_msg_size(ask), &request, &number)) {
        exchange->owner.refused(exchange->owner.self, EXCHANGE_CONTRACT);
        return;
    }
    exchange->owner.page(exchange->owner.self, &request, &page);
    send_page(exchange, peer, number, &page);
    page_drop(&page);
}

/* Receives and answers one ask; false when none waits. */
static bool receive_ask(struct exchange *exchange)
{
    zmq_msg_t peer;
    zmq_msg_t ask;
    zmq_msg_init(&peer);
    zmq_msg_init(&ask);
    bool received = zmq_msg_recv(&peer, exchange->sockets[ASKERS], ZMQ_DONTWAIT) != -1;
    if (received && receive_two(exchange->sockets[ASKERS], &peer, &ask) == EXCHANGE_NONE)
        answer(exchange, &peer, &ask);
    else if (received)
        exchange->owner.refused(exchange->owner.self, EXCHANGE_FRAMES);
    zmq_msg_close(&peer);
    zmq_msg_close(&ask);
    return received;
}

static void touch_askers(void *self)
{
    struct exchange *exchange = self;
    loop_zmq_touch(exchange->loop, exchange->sockets[ASKERS]);
}

static void askers_ready(void *self)
{
    struct exchange *exchange = self;
    for (int i = 0; i < MESSAGES_A_TURN; i++)
        if (!receive_ask(exchange))
            return;
    loop_timer_set(exchange->loop, &exchange->askers_again, loop_now(exchange->loop), touch_askers, exchange);
}

/* ---- life ---- */

void *exchange_observations(struct exchange *exchange)
{
    CHECK_OBJECT(exchange, EXCHANGE_MAGIC);
    return exchange->sockets[OBSERVATIONS];
}

static bool set_option(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_options(void *socket, const struct endpoint *endpoint)
{
    int64_t frame_bytes_max = endpoint->frame_bytes_max;
    return set_option(socket, ZMQ_LINGER, 0) && set_option(socket, ZMQ_SNDHWM, endpoint->send_waiting_max) &&
           set_option(socket, ZMQ_RCVHWM, endpoint->receive_waiting_max) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes_max, sizeof frame_bytes_max) == 0 &&
           (endpoint->type != ZMQ_SUB || zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0) == 0) &&
           (endpoint->type != ZMQ_ROUTER || set_option(socket, ZMQ_ROUTER_MANDATORY, 1));
}

static bool bind_path(void *socket, const char *path)
{
    char *address;
    ENSURE(asprintf(&address, "ipc://%s", path) != -1);
    bool bound = zmq_bind(socket, address) == 0;
    free(address);
    return bound;
}

/* A bound socket; NULL with errno after a complaint. */
static void *open_socket(struct exchange *exchange, void *zmq_context, const struct endpoint *endpoint)
{
    void *socket = zmq_socket(zmq_context, endpoint->type);
    char *path = path_in(exchange->directory, endpoint->file);
    bool good = socket != NULL && set_options(socket, endpoint) && bind_path(socket, path);
    int error = errno;
    if (!good)
        log_error("%s: %s", path, zmq_strerror(error));
    if (!good && socket != NULL)
        zmq_close(socket);
    free(path);
    errno = error;
    return good ? socket : NULL;
}

static bool open_sockets(struct exchange *exchange, void *zmq_context)
{
    for (size_t i = 0; i < ENDPOINT_COUNT; i++) {
        exchange->sockets[i] = open_socket(exchange, zmq_context, &endpoints[i]);
        if (exchange->sockets[i] == NULL)
            return false;
    }
    return loop_zmq_add(exchange->loop, exchange->sockets[SNAPSHOTS], snapshots_ready, exchange) == 0 &&
           loop_zmq_add(exchange->loop, exchange->sockets[ASKERS], askers_ready, exchange) == 0 &&
           loop_zmq_add(exchange->loop, exchange->sockets[SUBSCRIBERS], subscriptions_ready, exchange) == 0;
}

struct exchange *exchange_new(void *zmq_context, struct loop *loop, const char *runtime_directory,
                              const struct exchange_owner *owner)
{
    struct exchange *exchange = object_alloc(sizeof *exchange);
    exchange->magic = EXCHANGE_MAGIC;
    exchange->loop = loop;
    exchange->owner = *owner;
    exchange->directory = object_strdup(runtime_directory);
    if (open_sockets(exchange, zmq_context))
        return exchange;
    int error = errno;
    exchange_free(exchange);
    errno = error;
    return NULL;
}

/* libzmq leaves the file of an ipc endpoint behind. */
static void close_socket(struct exchange *exchange, size_t index)
{
    if (exchange->sockets[index] == NULL)
        return;
    char *path = path_in(exchange->directory, endpoints[index].file);
    if (index != OBSERVATIONS)
        loop_zmq_remove(exchange->loop, exchange->sockets[index]);
    zmq_close(exchange->sockets[index]);
    unlink(path);
    free(path);
}

void exchange_free(struct exchange *exchange)
{
    if (exchange == NULL)
        return;
    CHECK_OBJECT(exchange, EXCHANGE_MAGIC);
    loop_timer_cancel(exchange->loop, &exchange->snapshots_again);
    loop_timer_cancel(exchange->loop, &exchange->askers_again);
    loop_timer_cancel(exchange->loop, &exchange->subscriptions_again);
    for (size_t i = 0; i < ENDPOINT_COUNT; i++)
        close_socket(exchange, i);
    free(exchange->directory);
    exchange->magic = 0;
    free(exchange);
}
