/* connection_state: what the files of the connections share: connection.c (their life, reading, deadlines),
 * handling.c (a request that came in whole), waiting.c (one whose sender is not known yet), responding.c (its
 * response). Nobody else includes this. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CONNECTION_STATE_H
#define OUTRIGGER_CONNECTION_STATE_H

#include "connection.h"

#include "scan.h"
#include "spool.h"

enum { CONNECTIONS_MAGIC = 0x0c044001, CONNECTION_MAGIC = 0x0c044002 };
enum { CONNECTION_READ_BYTES = 65536 }; /* at a time; a Unix socket holds about three times that */

/* Drawn at the top of connection.c. */
enum connection_step {
    CONNECTION_IDLE,
    CONNECTION_SPOOLING,
    CONNECTION_ASKING,
    CONNECTION_WORKING,
    CONNECTION_WAITING
};

struct connection {
    unsigned magic;
    struct connections *all;
    int fd;
    enum connection_step state;
    bool hung_up;   /* the peer went while the request was WORKING, or asked of others than the broker */
    bool more_came; /* bytes came while a request was under way */
    bool served;    /* it has had an answer before */
    int64_t since;  /* when the request, or the idleness, began */
    struct scan scan;
    struct spool spool;        /* what came of a request that comes in pieces */
    int refuse;                /* 0, or the status of a request that is only read to be refused */
    int64_t waits_since;       /* 0, or when the request began to wait */
    uint64_t settled_before;   /* WORKING: connections.settled when it began */
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
    uint8_t bytes[CONNECTION_READ_BYTES]; /* what was read last */
};

static inline struct connection *connection_of(struct lane_job *job)
{
    return (struct connection *)(void *)((char *)job - offsetof(struct connection, job));
}

/* ---- connection.c ---- */

/* Closes and forgets it, with what it has under way. */
void connection_hang_up(struct connection *connection);
/* Its request is answered: it is ready for the next one, or (not `keep`) closed. */
void connection_finished(struct connection *connection, bool keep);
/* The rest of the body is read and forgotten; what stays is a request without a body, which libfcgi can read
 * and we can refuse with this status. (A web server that is answered before it has sent all may make a 502 of
 * it.) False when not even that can be kept. */
bool connection_refuse_rest(struct connection *connection, int status);

/* ---- handling.c ---- */

/* True for a request that the side lane is to handle. */
bool handling_is_large(const struct connection *connection);
/* Handles a request that is there whole; its bytes are not needed afterwards. */
void handling_begin(struct connection *connection, const struct exchange_source *source);
/* The same for one that is in the connection's spool. */
void handling_spooled(struct connection *connection);

/* ---- waiting.c ---- */

/* True when the request may wait, and is in the spool now: waiting_begin is to follow. */
bool waiting_keep(struct connection *connection, const struct exchange_source *source);
/* The request, which is in its spool, waits until something is settled. */
void waiting_begin(struct connection *connection);
/* The same for one that the lane has looked at: there may be no place for it, and what it waits for may have
 * come meanwhile. */
void waiting_after_lane(struct connection *connection);
/* Gives it up if it waits, and has waited as long as it may. */
void waiting_inspect(struct connection *connection, int64_t now);
/* It is hung up; it need not wait. */
void waiting_forget(struct connection *connection);
/* Why a request that has waited is refused; NULL when it has not. */
const char *waiting_complaint(const struct connection *connection);

/* ---- responding.c ---- */

/* The response is complete: it is packed if that is worth it, and written. */
void responding_begin(struct connection *connection);
/* The broker's answer has come: a client_answered. */
void responding_answered(void *connection, const struct client_answer *answer);

#endif
