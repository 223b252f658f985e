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
 * their life. Reading is done here; a whole request is handling.c's.
 *
 * One janitor passes over all connections twice a second for the deadlines (read, wait, idle): cheaper than
 * moving a timer with every request, and no peer needs more precision. SPDX-License-Identifier: MIT */
#include "connection_state.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

enum { ACCEPT_A_TURN = 64 }; /* so that a flood of connections does not starve those that are open */

#define JANITOR_EVERY      (500 * MILLISECOND)
#define ACCEPT_AGAIN_AFTER (100 * MILLISECOND) /* when there are no descriptors left */

static void read_some(struct connection *connection);
static void accept_some(void *self, int fd, uint32_t events);

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

void connection_hang_up(struct connection *connection)
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
    waiting_forget(connection);
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

void connection_finished(struct connection *connection, bool keep)
{
    struct connections *all = connection->all;
    exchange_store_give(&all->exchanges, connection->exchange);
    connection->exchange = NULL;
    if (!keep || connection->hung_up || all->drained != NULL) {
        connection_hang_up(connection);
        return;
    }
    connection->state = CONNECTION_IDLE;
    connection->waits_since = 0;
    connection->served = true;
    connection->since = loop_now(all->context.loop);
    if (connection->more_came)
        read_some(connection);
}

/* ---- reading only to refuse ---- */

bool connection_refuse_rest(struct connection *connection, int status)
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

/* ---- reading ---- */

static void refuse_form(struct connection *connection)
{
    static long long last;
    series_add(connection->all->refused_form, 1);
    if (log_allowed(&last, 1))
        log_warning("a connection was closed: what came is no FastCGI request");
    connection_hang_up(connection);
}

/* What came of a request is in the spool, if there was room for it. True when more of it is to be read now.
 */
static bool spooled_some(struct connection *connection, enum scan_result result, bool room)
{
    struct connections *all = connection->all;
    if ((!room && !connection_refuse_rest(connection, 503)) ||
        (connection->scan.body > all->limits.max_body && !connection_refuse_rest(connection, 413))) {
        series_add(all->refused_room, 1);
        connection_hang_up(connection);
        return false;
    }
    if (result == SCAN_PARTIAL)
        return true;
    handling_spooled(connection);
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
    if (result == SCAN_COMPLETE && !handling_is_large(connection)) {
        handling_begin(connection, &(struct exchange_source){.bytes = bytes,
                                                             .length = length,
                                                             .body_length = connection->scan.body});
        return false;
    }
    connection->state = CONNECTION_SPOOLING;
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
    if (connection->state == CONNECTION_SPOOLING && connection->refuse == 0)
        place = spool_room(&connection->spool, &all->budget, room);
    if (place != NULL)
        return place;
    *room = CONNECTION_READ_BYTES;
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
            connection_hang_up(connection);
            return;
        }
        more = connection->state == CONNECTION_IDLE ? begin(connection, place, (size_t)length)
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
    case CONNECTION_IDLE:
    case CONNECTION_SPOOLING:
        if (gone)
            connection_hang_up(connection); /* what it may have sent before is for nobody */
        else
            read_some(connection);
        return;
    case CONNECTION_ASKING:
        connection->more_came = connection->more_came || (events & EPOLLIN);
        gone = gone || ((events & EPOLLIN) && aborts(connection));
        if (gone && connection->exchange->asked != NULL) {
            series_add(connection->all->refused_gone, 1);
            connection_hang_up(connection);
            return;
        }
        connection->hung_up = connection->hung_up || gone;
        return;
    case CONNECTION_WORKING:
        connection->more_came = connection->more_came || (events & EPOLLIN);
        connection->hung_up = connection->hung_up || gone;
        return;
    case CONNECTION_WAITING:
        connection->more_came = connection->more_came || (events & EPOLLIN);
        if (gone || ((events & EPOLLIN) && aborts(connection))) {
            series_add(connection->all->refused_gone, 1);
            connection_hang_up(connection);
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
        if (connection->state == CONNECTION_SPOOLING &&
            age >= config->frontend_read_timeout_ms * MILLISECOND) {
            series_add(all->refused_slow, 1);
            connection_hang_up(connection);
        } else if (connection->state == CONNECTION_IDLE &&
                   age >= config->frontend_idle_timeout_ms * MILLISECOND) {
            connection_hang_up(connection);
        } else {
            waiting_inspect(connection, now);
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
        if (connection->state == CONNECTION_IDLE)
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
        if (connection->state == CONNECTION_IDLE && connection->served)
            connection_hang_up(connection);
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
        connection_hang_up(all->list);
    exchange_store_free(&all->exchanges);
    exchange_tools_free(&all->tools);
    all->magic = 0;
    free(all);
}
