/* responding: the response of a connection's request is packed, counted and written.
 *
 * What surely fits the socket's buffer is written at once; what may not, or takes its time (packing, printing
 * a large answer), is the side lane's: a client that does not take its response holds up nobody.
 * Called by handling.c where a response is complete, and by the client (client.c) when the broker has
 * answered. SPDX-License-Identifier: MIT */
#include "connection_state.h"

enum {
    LARGE_ANSWER =
        16384, /* bytes of tensors; as JSON they still fit an empty socket buffer, so writing never blocks */
    LARGE_RESPONSE = 65536 /* bytes of one that was complete at once: as much as surely fits that buffer */
};

/* A response that is complete: packing it, and writing much of it, takes its time. */
static void work_respond(struct lane_job *job, struct exchange_tools *tools)
{
    (void)tools;
    struct connection *connection = connection_of(job);
    if (exchange_packs(connection->exchange, connection->all->context.config))
        exchange_pack(connection->exchange);
    connection->keep = exchange_respond(connection->exchange, connection->fd);
}

static void written(struct lane_job *job)
{
    struct connection *connection = connection_of(job);
    connection_finished(connection, connection->keep);
}

/* Counted before it is written, always: whoever has an answer is in the counts, also when we are killed the
 * moment after. (A web server may ask another frontend again what it did not get whole: that counts twice.)
 */
static void count(struct connection *connection)
{
    api_count(connection->all->context.api, &connection->exchange->call, &connection->exchange->response);
}

static void respond_in_lane(struct connection *connection)
{
    count(connection);
    connection->state = CONNECTION_WORKING;
    connection->job = (struct lane_job){.work = work_respond, .done = written};
    lane_submit(connection->all->context.lane, &connection->job);
}

static void respond(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    if (exchange_packs(exchange, connection->all->context.config)) {
        respond_in_lane(connection);
        return;
    }
    count(connection);
    connection_finished(connection, exchange_respond(exchange, connection->fd));
}

/* A response that may not fit the socket is written by the lane: a client that does not take it holds up
 * nobody. */
void responding_begin(struct connection *connection)
{
    const struct http_response *response = &connection->exchange->response;
    if (response->head_only || response->body.length < LARGE_RESPONSE) {
        respond(connection);
        return;
    }
    respond_in_lane(connection);
}

static void work_answer(struct lane_job *job, struct exchange_tools *tools)
{
    (void)tools;
    exchange_answer_kept(connection_of(job)->exchange);
}

static void answer_printed(struct lane_job *job)
{
    struct connection *connection = connection_of(job);
    if (connection->hung_up)
        connection_hang_up(connection);
    else
        responding_begin(connection);
}

void responding_answered(void *owner, const struct client_answer *answer)
{
    struct connection *connection = owner;
    CHECK_OBJECT(connection, CONNECTION_MAGIC);
    connection->exchange->asked = NULL;
    bool large = answer->failure == FAILURE_NONE && answer->payload_bytes >= LARGE_ANSWER;
    if (large && !api_answer_is_copy(&connection->exchange->call)) {
        exchange_keep_answer(connection->exchange, answer);
        connection->state = CONNECTION_WORKING;
        connection->job = (struct lane_job){.work = work_answer, .done = answer_printed};
        lane_submit(connection->all->context.lane, &connection->job);
        return;
    }
    exchange_answer(connection->exchange, answer);
    if (large)
        respond_in_lane(connection);
    else
        respond(connection);
}
