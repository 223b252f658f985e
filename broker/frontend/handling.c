/* handling: a request that came in whole is handled, and goes on as the exchange says: to its response, the
 * broker, the collector, another process, or into waiting. Large ones are handled in the side lane, from the
 * spool. Called by connection.c, and by waiting.c when it is known who asks. SPDX-License-Identifier: MIT */
#include "connection_state.h"

#define PAGE_TIMEOUT_MS 2000

/* ---- where it goes on ---- */

static void page_came(void *self, const struct page_answer *page)
{
    struct connection *connection = self;
    CHECK_OBJECT(connection, CONNECTION_MAGIC);
    if (connection->hung_up) {
        connection_hang_up(connection);
        return;
    }
    api_page(&connection->exchange->call, page, &connection->exchange->response);
    responding_begin(connection);
}

static void go_on(struct connection *connection, enum exchange_next next);

static void errand_answered(void *self, yyjson_val *answer)
{
    struct connection *connection = self;
    CHECK_OBJECT(connection, CONNECTION_MAGIC);
    struct exchange *exchange = connection->exchange;
    if (connection->hung_up) {
        connection_hang_up(connection);
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
        responding_begin(connection);
        return;
    case EXCHANGE_ASK:
        connection->state = CONNECTION_ASKING;
        api_asks(connection->all->context.api, &exchange->call);
        exchange->asked = api_call_take(&exchange->call);
        client_send(connection->all->context.client, exchange->asked, &exchange->call.ask,
                    responding_answered, connection);
        return; /* it may have been answered, and be gone, already */
    case EXCHANGE_PAGE:
        connection->state = CONNECTION_ASKING;
        stats_exposition_ask(connection->all->context.exposition, exchange->call.page, PAGE_TIMEOUT_MS,
                             page_came, connection);
        return;
    case EXCHANGE_WAIT:
        waiting_begin(connection);
        return;
    case EXCHANGE_PASS_ON: /* the lane is never brief */
    case EXCHANGE_BROKEN:
        series_add(connection->all->refused_form, 1);
        connection_hang_up(connection);
        return;
    case EXCHANGE_ERRAND:
        connection->state = CONNECTION_ASKING;
        errands_send(connection->all->context.errands, api_call_errand(&exchange->call), errand_answered,
                     connection);
        return;
    }
}

/* ---- handling ---- */

/* The request is there whole, in its spool. */
static struct exchange_source spooled(const struct connection *connection)
{
    return (struct exchange_source){.bytes = connection->spool.bytes,
                                    .length = connection->spool.length,
                                    .body_length = connection->refuse != 0 ? 0 : connection->scan.body,
                                    .refuse = connection->refuse,
                                    .why = waiting_complaint(connection),
                                    .received = connection->waits_since};
}

static void work_request(struct lane_job *job, struct exchange_tools *tools)
{
    struct connection *connection = connection_of(job);
    struct exchange_source source = spooled(connection);
    connection->next_step = exchange_handle(connection->exchange, tools, &source);
}

static void request_done(struct lane_job *job)
{
    struct connection *connection = connection_of(job);
    if (connection->hung_up) {
        connection_hang_up(connection);
    } else if (connection->next_step == EXCHANGE_WAIT) {
        waiting_after_lane(connection);
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
    connection->state = CONNECTION_WORKING;
    connection->settled_before = all->settled;
    connection->job = (struct lane_job){.work = work_request, .done = request_done};
    lane_submit(all->context.lane, &connection->job);
}

bool handling_is_large(const struct connection *connection)
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
        connection_hang_up(connection);
        return;
    }
    handle_in_lane(connection);
}

void handling_begin(struct connection *connection, const struct exchange_source *source)
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
    if (next == EXCHANGE_WAIT && !waiting_keep(connection, source)) {
        exchange_reset(connection->exchange);
        shed.refuse = 503;
        next = exchange_handle(connection->exchange, &all->tools, &shed);
    }
    if (next != EXCHANGE_WAIT)
        spool_drop(&connection->spool, &all->budget);
    go_on(connection, next);
}

void handling_spooled(struct connection *connection)
{
    struct exchange_source source = spooled(connection);
    if (connection->refuse == 0 && handling_is_large(connection))
        handle_in_lane(connection);
    else
        handling_begin(connection, &source);
}
