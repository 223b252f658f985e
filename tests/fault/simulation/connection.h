/* connection: pipes between the simulated sockets, and how they break; shared by network.c and connection.c
 * alone. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CONNECTION_H
#define OUTRIGGER_CONNECTION_H

#include "frame.h"
#include "heap.h"
#include "loop.h"

/* One direction of a connection. */
struct pipe {
    struct heap_node arrival; /* first member; in the receiver's heap while anything is under way or unread */
    struct message *first, *last;
    size_t length;
    int64_t last_arrival;
    uint32_t connection;
};

enum side { AT_ROUTER, AT_DEALER };

struct connection {
    uint32_t number;
    struct socket *ends[2]; /* by side; NULL: closed */
    struct pipe to[2];      /* by the side that reads */
    bool broken;
    int64_t noticed_at[2]; /* when that side knows */
};

struct socket {
    unsigned magic;
    struct network *network;
    int type;  /* ZMQ_ROUTER or ZMQ_DEALER */
    bool dead; /* of a killed process */
    struct loop *loop;
    char endpoint[256]; /* bound or connected to */
    bool bound;
    int send_high_water, receive_high_water, linger, reconnect_ms;
    bool hello; /* PROBE_ROUTER */
    struct heap arrivals;
    struct message *reading; /* the rest of it is to be received */
    uint32_t reading_from;   /* ROUTER: the identity comes first */
    size_t read;             /* frames of it */
    struct frame *writing;   /* frames of the message that is being sent */
    size_t written, capacity;
    struct connection *to;         /* ROUTER: where that goes */
    struct connection *connection; /* DEALER */
    struct loop_timer reconnect;   /* DEALER */
    struct socket *prev, *next;
};

struct network {
    struct loop *loop; /* of the threads that connect */
    struct socket *sockets;
    struct connection **connections; /* by number; kept to the end: late frames may name them */
    size_t connection_count, connection_capacity;
    int64_t silence; /* network_be_silent */
};

/* Of what is under way. */
enum loss { LOSE_NOTHING, LOSE_SOME, LOSE_ALL };

enum side side_of(const struct socket *socket);
enum side other_side(const struct socket *socket);

/* Sends the message to that side; it arrives later. */
void connection_put(struct connection *connection, enum side reader, struct message *message);
/* The next message for that side, whether it has arrived or not. */
struct message *connection_take(struct connection *connection, enum side reader);
/* True when that side has noticed that it is broken. */
bool connection_lost(const struct connection *connection, enum side side);
void connection_break(struct connection *connection, enum loss to_router, enum loss to_dealer);
/* The DEALER tries to connect then, and again and again until it is connected. */
void connection_attempt(struct socket *dealer, int64_t at);
/* Breaks all connections of the socket; nobody reads what is in them for it. */
void connection_leave(struct socket *socket, enum loss of_what_it_sent);

#endif
