/* waiting: requests whose sender is still being found out, because a token's issuer was asked.
 *
 * Such a request is kept in its connection's spool, whatever was begun for it is undone, and it is handled
 * again from the beginning when something is settled; at most WAITING_MAX of them wait, and none longer than
 * a request may take. SPDX-License-Identifier: MIT */
#include "connection_state.h"

#include "clock.h"

#include <utlist.h>

enum { WAITING_MAX = 256 }; /* each is tried again whenever one is settled */

void waiting_begin(struct connection *connection)
{
    struct connections *all = connection->all;
    exchange_store_give(&all->exchanges, connection->exchange);
    connection->exchange = NULL;
    connection->state = CONNECTION_WAITING;
    if (connection->waits_since == 0)
        connection->waits_since = loop_now(all->context.loop);
    all->waiting++;
}

static void handle_again(struct connection *connection)
{
    connection->state = CONNECTION_SPOOLING;
    connection->all->waiting--;
    handling_spooled(connection);
}

/* Its body is not looked at any more. */
static void give_up(struct connection *connection)
{
    if (connection_refuse_rest(connection, 503)) {
        handle_again(connection);
        return;
    }
    series_add(connection->all->refused_room, 1);
    connection_hang_up(connection);
}

void waiting_after_lane(struct connection *connection)
{
    waiting_begin(connection);
    if (connection->all->waiting > WAITING_MAX)
        give_up(connection);
    else if (connection->all->settled != connection->settled_before)
        handle_again(connection);
}

bool waiting_keep(struct connection *connection, const struct exchange_source *source)
{
    struct connections *all = connection->all;
    if (all->waiting >= WAITING_MAX)
        return false;
    return source->bytes == connection->spool.bytes ||
           spool_add(&connection->spool, &all->budget, source->bytes, source->length);
}

void waiting_inspect(struct connection *connection, int64_t now)
{
    int64_t patience = connection->all->context.config->frontend_request_timeout_ms * MILLISECOND;
    if (connection->state == CONNECTION_WAITING && now - connection->waits_since >= patience)
        give_up(connection);
}

void waiting_forget(struct connection *connection)
{
    connection->all->waiting -= connection->state == CONNECTION_WAITING;
}

const char *waiting_complaint(const struct connection *connection)
{
    return connection->waits_since != 0 ? "who sends this could not be found out in time; try again" : NULL;
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
        if (connection->state == CONNECTION_WAITING)
            handle_again(connection);
    }
}
