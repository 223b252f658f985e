/* connection: accept, look, read, hand on, answer; without ever waiting for a peer.
 *
 *             a whole request came                  answered
 *    IDLE --------------------------> ASKING (broker) -------> IDLE or closed
 *      | a part of one came        ^                    ^
 *      v                           |                    |
 *    SPOOLING (in memory) ---------+--> WORKING (lane) -+
 *                                  |        ^
 *          who asks is not known   v        | settled: from the beginning
 *                                WAITING ---+
 *
 * A request that comes in whole, the usual case, is one read into a buffer that all connections share, and
 * is looked at there. One that comes in pieces is kept in memory of its own (spool.c), so that a slow peer
 * costs 4 KB and no thread, and a silent one nothing. Descriptors are watched edge-triggered once for all
 * their life. A request whose sender is still being found out (a token's issuer was asked) is kept there,
 * too, and handled again when that is settled; at most WAITING_MAX of them, and not longer than a request may
 * take.
 *
 * One janitor passes over all connections twice a second for the deadlines (read, idle): cheaper than moving
 * a timer with every request, and no peer needs more precision. SPDX-License-Identifier: MIT */
#include "connection.h"

#include "clock.h"
#include "log.h"
#include "scan.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

enum {
    CONNECTIONS_MAGIC = 0x0c044001,
    CONNECTION_MAGIC = 0x0c044002,
    READ_BYTES = 65536, /* at a time; a Unix socket holds about three times that */
    WAITING_MAX = 256,  /* requests that wait: each is tried again whenever one is settled */
    ACCEPT_A_TURN = 64, /* so that a flood of connections does not starve those that are open */
    LARGE_ANSWER =
        16384, /* bytes of tensors; as JSON they still fit an empty socket buffer, so writing never blocks */
    LARGE_RESPONSE = 65536 /* bytes of one that was complete at once: as much as surely fits that buffer */
};

#define JANITOR_EVERY      (500 * MILLISECOND)
#define ACCEPT_AGAIN_AFTER (100 * MILLISECOND) /* when there are no descriptors left */
#define METRICS_TIMEOUT_MS 2000

enum state { IDLE, SPOOLING, ASKING, WORKING, WAITING };

struct connection {
    unsigned magic;
    struct connections *all;
    int fd;
    enum state state;
    bool hung_up;   /* the peer went while the request was WORKING, or asked of others than the broker */
    bool more_came; /* bytes came while a request was under way */
    bool served;    /* it has had an answer before */
    int64_t since;  /* when the request, or the idleness, began */
    struct scan scan;
    struct spool spool;        /* what came of a request that comes in pieces */
    int refuse;                /* 0, or the status of a request that is only read to be refused */
    int64_t waits_since;       /* 0, or when the request began to wait */
    uint64_t settled_before;   /* WORKING: how often something was settled when it began */
    struct exchange *exchange; /* ASKING, WORKING */
    struct lane_job job;
    enum exchange_next next_step; /* WORKING: what the lane found */
    bool keep;                    /* WORKING: what the lane's writing found */
    struct connection *previous, *next;
};

struct connections {
    unsigned magic;
    struct connections_context context;
    int listen_fd;
    bool accepting;
    loop_call *drained; /* not NULL: draining */
    void *drained_self;
    struct connection *list;
    size_t count;
    size_t waiting;                  /* of them */
    uint64_t settled;                /* how often something was */
    struct spool_budget budget;      /* of all spools */
    struct exchange_store exchanges; /* used again */
    struct exchange_tools tools;
    struct scan_limits limits;
    struct loop_timer janitor, accept_again;
    struct series *gauge, *refused_form, *refused_slow, *refused_gone, *refused_room;
    uint8_t bytes[READ_BYTES]; /* what was read last */
};

static void read_some(struct connection *connection);
static void handle_spooled(struct connection *connection);
static void accept_some(void *self, int fd, uint32_t events);

/* ---- reading only to refuse ---- */

/* The rest of the body is read and forgotten; what stays is a request without a body, which libfcgi can read
 * and we can refuse. (A web server that is answered before it has sent all may make a 502 of it.) False when
 * not even that can be kept. */
static bool refuse_rest(struct connection *connection, int status)
{
    const struct scan *scan = &connection->scan;
    uint8_t empty_stdin[8] = {1, 5, (uint8_t)(scan->request_id >> 8), (uint8_t)scan->request_id};
    if (connection->refuse != 0)
        return true;
    if (scan->params_end == 0 || connection->spool.length < scan->params_end)
        return false;
    connection->refuse = status;
    spool_cut(&connection->spool, &connection->all->budget, scan->params_end);
    return spool_add(&connection->spool, &connection->all->budget, empty_stdin, sizeof empty_stdin);
}

/* ---- the end of a connection ---- */

static void set_accepting(struct connections *all, bool accepting)
{
    if (all->accepting == accepting || (accepting && all->drained != NULL))
        return;
    all->accepting = accepting;
    if (accepting)
        loop_add(all->context.loop, all->listen_fd, EPOLLIN | EPOLLEXCLUSIVE, accept_some, all);
    else
        loop_remove(all->context.loop, all->listen_fd);
}

static void hang_up(struct connection *connection)
{
    CHECK_OBJECT(connection, CONNECTION_MAGIC);
    struct connections *all = connection->all;
    if (connection->exchange != NULL && connection->exchange->asked != NULL)
        client_cancel(all->context.client, connection->exchange->asked);
    if (connection->exchange != NULL) {
        connection->exchange->asked = NULL;
        api_gone(all->context.api, &connection->exchange->call, &connection->exchange->response);
    }
    exchange_store_give(&all->exchanges, connection->exchange);
    all->waiting -= connection->state == WAITING;
    spool_drop(&connection->spool, &connection->all->budget);
    loop_remove(all->context.loop, connection->fd);
    close(connection->fd);
    DL_DELETE2(all->list, connection, previous, next);
    connection->magic = 0;
    free(connection);
    all->count--;
    series_set(all->gauge, (int64_t)all->count);
    set_accepting(all, true);
    if (all->drained != NULL && all->count == 0)
        all->drained(all->drained_self);
}

/* ---- the steps of a request ---- */

/* Answered: ready for the next request, or closed. */
static void finished(struct connection *connection, bool keep)
{
    struct connections *all = connection->all;
    exchange_store_give(&all->exchanges, connection->exchange);
    connection->exchange = NULL;
    if (!keep || connection->hung_up || all->drained != NULL) {
        hang_up(connection);
        return;
    }
    connection->state = IDLE;
    connection->waits_since = 0;
    connection->served = true;
    connection->since = loop_now(all->context.loop);
    if (connection->more_came)
        read_some(connection);
}

/* A response that is complete: packing it, and writing much of it, takes its time. */
static void work_respond(struct lane_job *job, struct exchange_tools *tools)
{
    (void)tools;
    struct connection *connection =
        (struct connection *)(void *)((char *)job - offsetof(struct connection, job));
    if (exchange_packs(connection->exchange, connection->all->context.config))
        exchange_pack(connection->exchange);
    connection->keep = exchange_respond(connection->exchange, connection->fd);
}

static void answer_done(struct lane_job *job);

static void respond_in_lane(struct connection *connection)
{
    connection->state = WORKING;
    connection->job = (struct lane_job){.work = work_respond, .done = answer_done};
    lane_submit(connection->all->context.lane, &connection->job);
}

static void respond(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    if (exchange_packs(exchange, connection->all->context.config)) {
        respond_in_lane(connection);
        return;
    }
    api_count(connection->all->context.api, &exchange->call, &exchange->response);
    finished(connection, exchange_respond(exchange, connection->fd));
}

static void work_answer(struct lane_job *job, struct exchange_tools *tools)
{
    struct connection *connection =
        (struct connection *)(void *)((char *)job - offsetof(struct connection, job));
    exchange_answer_kept(connection->exchange);
    work_respond(job, tools);
}

static void answer_done(struct lane_job *job)
{
    struct connection *connection =
        (struct connection *)(void *)((char *)job - offsetof(struct connection, job));
    api_count(connection->all->context.api, &connection->exchange->call, &connection->exchange->response);
    finished(connection, connection->keep);
}

/* A response that may not fit the socket is written by the lane: a client that does not take it holds up
 * nobody. */
static void respond_anywhere(struct connection *connection)
{
    const struct http_response *response = &connection->exchange->response;
    if (response->head_only || response->body.length < LARGE_RESPONSE) {
        respond(connection);
        return;
    }
    respond_in_lane(connection);
}

static void answered(void *owner, const struct client_answer *answer)
{
    struct connection *connection = owner;
    CHECK_OBJECT(connection, CONNECTION_MAGIC);
    connection->exchange->asked = NULL;
    bool large = answer->failure == FAILURE_NONE && answer->payload_bytes >= LARGE_ANSWER;
    if (large && !api_answer_is_copy(&connection->exchange->call)) {
        exchange_keep_answer(connection->exchange, answer);
        connection->state = WORKING;
        connection->job = (struct lane_job){.work = work_answer, .done = answer_done};
        lane_submit(connection->all->context.lane, &connection->job);
        return;
    }
    exchange_answer(connection->exchange, answer);
    if (large)
        respond_in_lane(connection);
    else
        respond(connection);
}

static void exposed(void *self, const char *text, size_t length)
{
    struct connection *connection = self;
    CHECK_OBJECT(connection, CONNECTION_MAGIC);
    if (connection->hung_up) {
        hang_up(connection);
        return;
    }
    api_metrics(text, length, &connection->exchange->response);
    respond_anywhere(connection);
}

/* ---- waiting until it is known who asks ---- */

static const char waited_in_vain[] = "who sends this could not be found out in time; try again";

/* The request stays in its spool, and is handled from the beginning when something is settled: whatever was
 * begun is undone. */
static void wait_for_settled(struct connection *connection)
{
    struct connections *all = connection->all;
    exchange_store_give(&all->exchanges, connection->exchange);
    connection->exchange = NULL;
    connection->state = WAITING;
    if (connection->waits_since == 0)
        connection->waits_since = loop_now(all->context.loop);
    all->waiting++;
}

static void stop_waiting(struct connection *connection)
{
    connection->state = SPOOLING;
    connection->all->waiting--;
    handle_spooled(connection);
}

/* Its body is not looked at any more. */
static void give_up_waiting(struct connection *connection)
{
    if (refuse_rest(connection, 503)) {
        stop_waiting(connection);
        return;
    }
    series_add(connection->all->refused_room, 1);
    hang_up(connection);
}

/* What it waits for may have come while the lane had it. */
static void wait_after_lane(struct connection *connection)
{
    wait_for_settled(connection);
    if (connection->all->waiting > WAITING_MAX)
        give_up_waiting(connection);
    else if (connection->all->settled != connection->settled_before)
        stop_waiting(connection);
}

/* True when the request stays, to wait: it is in the spool, or there is room for it. */
static bool keep_waiting(struct connection *connection, const struct exchange_source *source)
{
    struct connections *all = connection->all;
    if (all->waiting >= WAITING_MAX)
        return false;
    return source->bytes == connection->spool.bytes ||
           spool_add(&connection->spool, &all->budget, source->bytes, source->length);
}

void connections_settled(void *self)
{
    struct connections *all = self;
    CHECK_OBJECT(all, CONNECTIONS_MAGIC);
    struct connection *connection, *next;
    all->settled++;
    if (all->waiting == 0)
        return;
    DL_FOREACH_SAFE2(all->list, connection, next, next)
    {
        if (connection->state == WAITING)
            stop_waiting(connection);
    }
}

static void go_on(struct connection *connection, enum exchange_next next);

static void errand_answered(void *self, yyjson_val *answer)
{
    struct connection *connection = self;
    CHECK_OBJECT(connection, CONNECTION_MAGIC);
    struct exchange *exchange = connection->exchange;
    if (connection->hung_up) {
        hang_up(connection);
        return;
    }
    enum api_next next =
        api_errand_done(connection->all->context.api, &exchange->call, answer, &exchange->response);
    go_on(connection, next == API_ERRAND ? EXCHANGE_ERRAND : EXCHANGE_RESPOND);
}

static void go_on(struct connection *connection, enum exchange_next next)
{
    struct exchange *exchange = connection->exchange;
    switch (next) {
    case EXCHANGE_RESPOND:
        respond_anywhere(connection);
        return;
    case EXCHANGE_ASK:
        connection->state = ASKING;
        exchange->asked = api_call_take(&exchange->call);
        client_send(connection->all->context.client, exchange->asked, &exchange->call.ask, answered,
                    connection);
        return; /* it may have been answered, and be gone, already */
    case EXCHANGE_METRICS:
        connection->state = ASKING;
        stats_exposition_ask(connection->all->context.exposition, METRICS_TIMEOUT_MS, exposed, connection);
        return;
    case EXCHANGE_WAIT:
        wait_for_settled(connection);
        return;
    case EXCHANGE_PASS_ON: /* the lane is never brief */
    case EXCHANGE_BROKEN:
        series_add(connection->all->refused_form, 1);
        hang_up(connection);
        return;
    case EXCHANGE_ERRAND:
        connection->state = ASKING;
        errands_send(connection->all->context.errands, api_call_errand(&exchange->call), errand_answered,
                     connection);
        return;
    }
}

/* The request is there whole, in its spool. */
static struct exchange_source spooled(const struct connection *connection)
{
    return (struct exchange_source){.bytes = connection->spool.bytes,
                                    .length = connection->spool.length,
                                    .body_length = connection->refuse != 0 ? 0 : connection->scan.body,
                                    .refuse = connection->refuse,
                                    .why = connection->waits_since != 0 ? waited_in_vain : NULL,
                                    .received = connection->waits_since};
}

static void work_request(struct lane_job *job, struct exchange_tools *tools)
{
    struct connection *connection =
        (struct connection *)(void *)((char *)job - offsetof(struct connection, job));
    struct exchange_source source = spooled(connection);
    connection->next_step = exchange_handle(connection->exchange, tools, &source);
}

static void request_done(struct lane_job *job)
{
    struct connection *connection =
        (struct connection *)(void *)((char *)job - offsetof(struct connection, job));
    if (connection->hung_up) {
        hang_up(connection);
    } else if (connection->next_step == EXCHANGE_WAIT) {
        wait_after_lane(connection);
    } else {
        spool_drop(&connection->spool, &connection->all->budget);
        go_on(connection, connection->next_step);
    }
}

static void handle_in_lane(struct connection *connection)
{
    struct connections *all = connection->all;
    connection->exchange = exchange_store_take(&all->exchanges);
    if (connection->waits_since == 0)
        connection->more_came = false;
    connection->state = WORKING;
    connection->settled_before = all->settled;
    connection->job = (struct lane_job){.work = work_request, .done = request_done};
    lane_submit(all->context.lane, &connection->job);
}

static bool is_large(const struct connection *connection)
{
    return connection->scan.body >= (size_t)connection->all->context.config->frontend_large_body_bytes;
}

/* It is small, and makes a large one when it is unpacked: that is the side lane's, which reads it from the
 * spool. */
static void pass_on(struct connection *connection, const struct exchange_source *source)
{
    struct connections *all = connection->all;
    exchange_store_give(&all->exchanges, connection->exchange);
    connection->exchange = NULL;
    if (connection->spool.length == 0 &&
        !spool_add(&connection->spool, &all->budget, source->bytes, source->length)) {
        series_add(all->refused_room, 1);
        hang_up(connection);
        return;
    }
    handle_in_lane(connection);
}

static void handle(struct connection *connection, const struct exchange_source *source)
{
    struct connections *all = connection->all;
    struct exchange_source shed = *source;
    shed.brief = true;
    /* When there is no place for anybody a body is not even parsed. (Questions after our health have none.)
     */
    if (source->body_length > 0 && source->refuse == 0 && client_overwhelmed(all->context.client))
        shed.refuse = 503, shed.why = NULL;
    connection->exchange = exchange_store_take(&all->exchanges);
    if (connection->waits_since == 0)
        connection->more_came = false;
    enum exchange_next next = exchange_handle(connection->exchange, &all->tools, &shed);
    if (next == EXCHANGE_PASS_ON) {
        pass_on(connection, source);
        return;
    }
    if (next == EXCHANGE_WAIT && !keep_waiting(connection, source)) {
        exchange_reset(connection->exchange);
        shed.refuse = 503;
        next = exchange_handle(connection->exchange, &all->tools, &shed);
    }
    if (next != EXCHANGE_WAIT)
        spool_drop(&connection->spool, &all->budget);
    go_on(connection, next);
}

static void handle_spooled(struct connection *connection)
{
    struct exchange_source source = spooled(connection);
    if (connection->refuse == 0 && is_large(connection))
        handle_in_lane(connection);
    else
        handle(connection, &source);
}

/* ---- reading ---- */

static void refuse_form(struct connection *connection)
{
    static long long last;
    series_add(connection->all->refused_form, 1);
    if (log_allowed(&last, 1))
        log_warning("a connection was closed: what came is no FastCGI request");
    hang_up(connection);
}

/* What came of a request is in the spool, if there was room for it. True when more of it is to be read now.
 */
static bool spooled_some(struct connection *connection, enum scan_result result, bool room)
{
    struct connections *all = connection->all;
    if ((!room && !refuse_rest(connection, 503)) ||
        (connection->scan.body > all->limits.max_body && !refuse_rest(connection, 413))) {
        series_add(all->refused_room, 1);
        hang_up(connection);
        return false;
    }
    if (result == SCAN_PARTIAL)
        return true;
    handle_spooled(connection);
    return false;
}

/* The beginning of a request, and mostly all of it. True when more of it is to be read now. */
static bool begin(struct connection *connection, const uint8_t *bytes, size_t length)
{
    struct connections *all = connection->all;
    connection->since = loop_now(all->context.loop);
    connection->refuse = 0;
    connection->scan = (struct scan){0};
    enum scan_result result = scan_feed(&connection->scan, &all->limits, bytes, length);
    if (result == SCAN_REFUSED) {
        refuse_form(connection);
        return false;
    }
    if (result == SCAN_COMPLETE && !is_large(connection)) {
        handle(connection, &(struct exchange_source){
                               .bytes = bytes, .length = length, .body_length = connection->scan.body});
        return false;
    }
    connection->state = SPOOLING;
    return spooled_some(connection, result, spool_add(&connection->spool, &all->budget, bytes, length));
}

static bool continued(struct connection *connection, const uint8_t *bytes, size_t length)
{
    struct connections *all = connection->all;
    enum scan_result result = scan_feed(&connection->scan, &all->limits, bytes, length);
    if (result == SCAN_REFUSED) {
        refuse_form(connection);
        return false;
    }
    if (connection->refuse != 0)
        return spooled_some(connection, result, true); /* only to be passed over */
    bool in_place = bytes != all->bytes;
    if (in_place)
        connection->spool.length += length;
    return spooled_some(connection, result, in_place);
}

/* Where the next bytes of a connection go: into its spool, if it has one with room. */
static uint8_t *place_for(struct connection *connection, size_t *room)
{
    struct connections *all = connection->all;
    uint8_t *place = NULL;
    if (connection->state == SPOOLING && connection->refuse == 0)
        place = spool_room(&connection->spool, &all->budget, room);
    if (place != NULL)
        return place;
    *room = READ_BYTES;
    return all->bytes;
}

static void read_some(struct connection *connection)
{
    bool more = true;
    while (more) {
        size_t room;
        uint8_t *place = place_for(connection, &room);
        ssize_t length = recv(connection->fd, place, room, MSG_DONTWAIT);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0 && errno == EAGAIN)
            return;
        if (length <= 0) {
            hang_up(connection);
            return;
        }
        more = connection->state == IDLE ? begin(connection, place, (size_t)length)
                                         : continued(connection, place, (size_t)length);
    }
}

/* FCGI_ABORT_REQUEST (FastCGI specification 1.0, section 5.4) for the request that is under way: nobody waits
 * for it any more, nor, we may assume, for another one here. */
static bool aborts(const struct connection *connection)
{
    enum { ABORT_REQUEST = 2 };
    uint8_t header[8];
    return recv(connection->fd, header, sizeof header, MSG_PEEK | MSG_DONTWAIT) == sizeof header &&
           header[0] == 1 && header[1] == ABORT_REQUEST &&
           (header[2] << 8 | header[3]) == connection->scan.request_id;
}

static void ready(void *self, int fd, uint32_t events)
{
    (void)fd;
    struct connection *connection = self;
    CHECK_OBJECT(connection, CONNECTION_MAGIC);
    bool gone = events & (EPOLLHUP | EPOLLERR);
    switch (connection->state) {
    case IDLE:
    case SPOOLING:
        if (gone)
            hang_up(connection); /* what it may have sent before is for nobody */
        else
            read_some(connection);
        return;
    case ASKING:
        connection->more_came = connection->more_came || (events & EPOLLIN);
        gone = gone || ((events & EPOLLIN) && aborts(connection));
        if (gone && connection->exchange->asked != NULL) {
            series_add(connection->all->refused_gone, 1);
            hang_up(connection);
            return;
        }
        connection->hung_up = connection->hung_up || gone;
        return;
    case WORKING:
        connection->more_came = connection->more_came || (events & EPOLLIN);
        connection->hung_up = connection->hung_up || gone;
        return;
    case WAITING:
        connection->more_came = connection->more_came || (events & EPOLLIN);
        if (gone || ((events & EPOLLIN) && aborts(connection))) {
            series_add(connection->all->refused_gone, 1);
            hang_up(connection);
        }
        return;
    }
}

/* ---- accepting ---- */

static void set_time_limits(int fd, int64_t milliseconds)
{
    struct timeval limit = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static void add_connection(struct connections *all, int fd)
{
    struct connection *connection = object_alloc(sizeof *connection);
    connection->magic = CONNECTION_MAGIC;
    connection->all = all;
    connection->fd = fd;
    connection->since = loop_now(all->context.loop);
    set_time_limits(fd, all->context.config->frontend_write_timeout_ms);
    if (loop_add(all->context.loop, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, ready, connection) != 0) {
        log_error("epoll: %s", strerror(errno));
        close(fd);
        free(connection);
        return;
    }
    DL_APPEND2(all->list, connection, previous, next);
    all->count++;
    series_set(all->gauge, (int64_t)all->count);
    read_some(connection); /* what the peer sent with its connect saves a turn */
}

static void accept_again(void *self)
{
    set_accepting(self, true);
}

static void accept_some(void *self, int fd, uint32_t events)
{
    (void)events;
    struct connections *all = self;
    static long long last;
    for (int i = 0; i < ACCEPT_A_TURN && all->accepting; i++) {
        int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (accepted >= 0) {
            add_connection(all, accepted);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            if (log_allowed(&last, 1))
                log_error("accept: %s; trying again soon", strerror(errno));
            set_accepting(all, false);
            loop_timer_set(all->context.loop, &all->accept_again,
                           loop_now(all->context.loop) + ACCEPT_AGAIN_AFTER, accept_again, all);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
        if (all->count >= (size_t)all->context.config->frontend_max_connections)
            set_accepting(all, false); /* the others wait in the backlog, or go to a sibling */
    }
}

/* ---- time ---- */

static void inspect(void *self)
{
    struct connections *all = self;
    const struct config *config = all->context.config;
    int64_t now = loop_now(all->context.loop);
    struct connection *connection, *next;
    DL_FOREACH_SAFE2(all->list, connection, next, next)
    {
        int64_t age = now - connection->since;
        if (connection->state == SPOOLING && age >= config->frontend_read_timeout_ms * MILLISECOND) {
            series_add(all->refused_slow, 1);
            hang_up(connection);
        } else if (connection->state == WAITING &&
                   now - connection->waits_since >= config->frontend_request_timeout_ms * MILLISECOND) {
            give_up_waiting(connection);
        } else if (connection->state == IDLE && age >= config->frontend_idle_timeout_ms * MILLISECOND) {
            hang_up(connection);
        }
    }
    loop_timer_set(all->context.loop, &all->janitor, now + JANITOR_EVERY, inspect, all);
}

/* ---- life ---- */

struct connections *connections_new(const struct connections_context *context, int listen_fd)
{
    struct connections *all = object_alloc(sizeof *all);
    const struct config *config = context->config;
    all->magic = CONNECTIONS_MAGIC;
    all->context = *context;
    all->listen_fd = listen_fd;
    all->limits = (struct scan_limits){.max_params = (size_t)config->frontend_max_params_bytes,
                                       .max_body = (size_t)config->frontend_max_body_bytes};
    all->budget.limit = (size_t)config->frontend_max_spool_bytes;
    all->gauge = metrics_series(context->metrics, METRIC_CONNECTIONS, NULL, NULL, NULL);
    all->refused_form = metrics_series(context->metrics, METRIC_CONNECTIONS_REFUSED, "form", NULL, NULL);
    all->refused_slow = metrics_series(context->metrics, METRIC_CONNECTIONS_REFUSED, "slow", NULL, NULL);
    all->refused_gone = metrics_series(context->metrics, METRIC_CONNECTIONS_REFUSED, "gone", NULL, NULL);
    all->refused_room = metrics_series(context->metrics, METRIC_CONNECTIONS_REFUSED, "room", NULL, NULL);
    exchange_tools_init(&all->tools, context->api);
    fcntl(listen_fd, F_SETFL, fcntl(listen_fd, F_GETFL) | O_NONBLOCK);
    set_accepting(all, true);
    inspect(all);
    return all;
}

void connections_drain(struct connections *all, loop_call *drained, void *self)
{
    CHECK_OBJECT(all, CONNECTIONS_MAGIC);
    struct connection *connection, *next;
    DL_FOREACH_SAFE2(all->list, connection, next, next)
    {
        if (connection->state == IDLE)
            read_some(connection); /* a request may have come in this very turn */
    }
    set_accepting(all, false); /* only now: each connection that ends before accepts another */
    all->drained = drained;
    all->drained_self = self;
    if (all->count == 0)
        drained(self);
    DL_FOREACH_SAFE2(all->list, connection, next, next)
    {
        /* One that was just accepted has its first request on the way, and a web server that does not try
         * again. */
        if (connection->state == IDLE && connection->served)
            hang_up(connection);
    }
}

static void ignore(void *self)
{
    (void)self;
}

void connections_free(struct connections *all)
{
    if (all == NULL)
        return;
    CHECK_OBJECT(all, CONNECTIONS_MAGIC);
    set_accepting(all, false);
    all->drained = ignore;
    loop_timer_cancel(all->context.loop, &all->janitor);
    loop_timer_cancel(all->context.loop, &all->accept_again);
    while (all->list != NULL)
        hang_up(all->list);
    exchange_store_free(&all->exchanges);
    exchange_tools_free(&all->tools);
    all->magic = 0;
    free(all);
}
