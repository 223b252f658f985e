/* connection: two pipes, one each way, and the life of a connection. Each message takes a time of its own,
 * but keeps its place behind the one before it. When a connection breaks each side notices after a while;
 * until then what it sends is lost without a word. What a killed process leaves behind is a part of what it
 * sent: never what came later without what came before. SPDX-License-Identifier: MIT */
#include "connection.h"

#include "clock.h"
#include "network.h"
#include "object.h"
#include "world.h"

#include <stdlib.h>
#include <utlist.h>

/* ---- pipes ---- */

/* Most take tens of microseconds, some a millisecond, a few much longer. */
static int64_t draw_delay(void)
{
    struct chance *chance = world_chance();
    uint64_t dice = chance_below(chance, 10000);
    return dice == 0    ? chance_between(chance, 0, 20 * MILLISECOND)
           : dice < 100 ? chance_between(chance, 0, 2 * MILLISECOND)
                        : chance_between(chance, 15 * MICROSECOND, 60 * MICROSECOND);
}

/* The receiver's heap knows when the first of the pipe is there. */
static void note_arrival(struct connection *connection, enum side reader)
{
    struct socket *socket = connection->ends[reader];
    struct pipe *pipe = &connection->to[reader];
    if (socket == NULL)
        return;
    if (pipe->first == NULL)
        heap_remove(&socket->arrivals, &pipe->arrival);
    else
        heap_set(&socket->arrivals, &pipe->arrival, pipe->first->arrives_at);
    if (socket->loop != NULL)
        loop_expect(socket->loop);
}

void connection_put(struct connection *connection, enum side reader, struct message *message)
{
    struct pipe *pipe = &connection->to[reader];
    int64_t at = world_now() + draw_delay();
    message->arrives_at = at > pipe->last_arrival ? at : pipe->last_arrival;
    pipe->last_arrival = message->arrives_at;
    bool was_empty = pipe->first == NULL;
    if (was_empty)
        pipe->first = message;
    else
        pipe->last->next = message;
    pipe->last = message;
    pipe->length++;
    if (was_empty)
        note_arrival(connection, reader);
}

struct message *connection_take(struct connection *connection, enum side reader)
{
    struct pipe *pipe = &connection->to[reader];
    struct message *message = pipe->first;
    pipe->first = message->next;
    pipe->length--;
    message->next = NULL;
    note_arrival(connection, reader);
    return message;
}

/* What has arrived stays to be read; what is under way is lost from some message on. */
static void lose(struct connection *connection, enum side reader, enum loss loss)
{
    struct pipe *pipe = &connection->to[reader];
    size_t keep = 0, under_way = 0;
    for (struct message *message = pipe->first; message != NULL; message = message->next)
        if (message->arrives_at > world_now())
            under_way++;
        else
            keep++;
    keep += loss == LOSE_ALL       ? 0
            : loss == LOSE_NOTHING ? under_way
                                   : chance_below(world_chance(), under_way + 1);
    struct message **link = &pipe->first;
    pipe->last = NULL;
    for (size_t i = 0; i < keep; i++) {
        pipe->last = *link;
        link = &(*link)->next;
    }
    struct message *lost = *link;
    *link = NULL;
    pipe->length = keep;
    while (lost != NULL) {
        struct message *next = lost->next;
        message_free(lost);
        lost = next;
    }
    note_arrival(connection, reader);
}

/* ---- connections ---- */

static void try_connect(void *self);

void connection_attempt(struct socket *dealer, int64_t at)
{
    loop_timer_set(dealer->network->loop, &dealer->reconnect, at, try_connect, dealer);
}

static int64_t draw_reconnect(const struct socket *dealer)
{
    return chance_between(world_chance(), 1, 2 * dealer->reconnect_ms) * MILLISECOND / 2;
}

static void notice(struct connection *connection, enum side side)
{
    int64_t last = connection->to[side].first == NULL ? 0 : connection->to[side].last->arrives_at;
    const struct socket *end = connection->ends[side];
    int64_t silence = end == NULL ? 0 : end->network->silence;
    int64_t at = world_now() + silence + chance_between(world_chance(), 50 * MICROSECOND, 5 * MILLISECOND);
    connection->noticed_at[side] = at > last ? at : last;
}

/* How much of what is under way to each side is lost. */
void connection_break(struct connection *connection, enum loss to_router, enum loss to_dealer)
{
    if (connection->broken)
        return;
    connection->broken = true;
    lose(connection, AT_ROUTER, to_router);
    lose(connection, AT_DEALER, to_dealer);
    notice(connection, AT_ROUTER);
    notice(connection, AT_DEALER);
    struct socket *dealer = connection->ends[AT_DEALER];
    if (dealer != NULL && !dealer->dead)
        connection_attempt(dealer, connection->noticed_at[AT_DEALER] + draw_reconnect(dealer));
}

bool connection_lost(const struct connection *connection, enum side side)
{
    return connection->broken && world_now() >= connection->noticed_at[side];
}

static struct connection *add_connection(struct network *network)
{
    if (network->connection_count == network->connection_capacity) {
        network->connection_capacity = network->connection_capacity * 2 + 64;
        network->connections =
            realloc(network->connections, network->connection_capacity * sizeof(struct connection *));
        ENSURE(network->connections != NULL);
    }
    struct connection *connection = object_alloc(sizeof *connection);
    connection->number = (uint32_t)network->connection_count;
    for (enum side side = AT_ROUTER; side <= AT_DEALER; side++)
        connection->to[side].connection = connection->number;
    network->connections[network->connection_count++] = connection;
    return connection;
}

/* An endpoint with a star is a Service of Kubernetes: all that differ from it there alone are behind it. */
static bool is_at(const struct socket *socket, const char *endpoint)
{
    const char *star = strchr(endpoint, '*');
    size_t before = star == NULL ? 0 : (size_t)(star - endpoint), length = strlen(socket->endpoint);
    if (!socket->bound || socket->dead)
        return false;
    if (star == NULL)
        return strcmp(socket->endpoint, endpoint) == 0;
    size_t behind = strlen(star + 1);
    return length >= before + behind && strncmp(socket->endpoint, endpoint, before) == 0 &&
           strcmp(socket->endpoint + length - behind, star + 1) == 0;
}

static struct socket *find_bound(struct network *network, const char *endpoint)
{
    struct socket *socket, *found = NULL;
    uint64_t others = 0;
    DL_FOREACH(network->sockets, socket)
    {
        if (!is_at(socket, endpoint))
            continue;
        if (found == NULL || chance_below(world_chance(), others + 1) == 0)
            found = socket; /* each as likely as the others */
        others++;
    }
    return found;
}

static void try_connect(void *self)
{
    struct socket *dealer = self;
    struct socket *router = find_bound(dealer->network, dealer->endpoint);
    if (router == NULL || router->loop == NULL || loop_paused(router->loop) ||
        (dealer->loop != NULL && loop_paused(dealer->loop))) {
        connection_attempt(dealer, world_now() + draw_reconnect(dealer));
        return;
    }
    struct connection *connection = add_connection(dealer->network);
    connection->ends[AT_ROUTER] = router;
    connection->ends[AT_DEALER] = dealer;
    dealer->connection = connection;
    if (!dealer->hello)
        return;
    struct frame empty = {0};
    connection_put(connection, AT_ROUTER, message_new(&empty, 1));
}

enum side side_of(const struct socket *socket)
{
    return socket->type == ZMQ_ROUTER ? AT_ROUTER : AT_DEALER;
}

/* Breaks all its connections; nobody reads what is in them for it. */
void connection_leave(struct socket *socket, enum loss of_what_it_sent)
{
    struct network *network = socket->network;
    enum side mine = side_of(socket);
    loop_timer_cancel(network->loop, &socket->reconnect);
    for (size_t i = 0; i < network->connection_count; i++) {
        struct connection *connection = network->connections[i];
        if (connection->ends[mine] != socket)
            continue;
        if (mine == AT_ROUTER)
            connection_break(connection, LOSE_ALL, of_what_it_sent);
        else
            connection_break(connection, of_what_it_sent, LOSE_ALL);
        while (connection->to[mine].first != NULL)
            message_free(connection_take(connection, mine));
        connection->ends[mine] = NULL;
    }
    loop_timer_cancel(network->loop, &socket->reconnect);
    socket->connection = NULL;
    message_free(socket->reading);
    socket->reading = NULL;
}

enum side other_side(const struct socket *socket)
{
    return socket->type == ZMQ_ROUTER ? AT_DEALER : AT_ROUTER;
}
