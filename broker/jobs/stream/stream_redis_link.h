/* stream_redis_link: one connection to a Redis on the loop, made again whenever it ends.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STREAM_REDIS_LINK_H
#define OUTRIGGER_STREAM_REDIS_LINK_H

#include "loop.h"
#include "object.h"

#include <hiredis/async.h>

struct redis_link;
struct secret;

/* Where it goes, and as whom. */
struct redis_place {
    char host[256]; /* a name or an address; "": it is a socket */
    int port;
    char path[108];
    const char *user;              /* "": the default one */
    const struct secret *password; /* NULL: none */
    int database;
};

/* Reads HOST, HOST:PORT, [IPv6]:PORT or /PATH into host, port and path; false: it is none. */
bool redis_place_read(const char *text, struct redis_place *place);

/* What a link tells; `self` is redis_link_new's. */
struct redis_link_events {
    /* A connection is there, and greeted: password and database are said. */
    void (*ready)(void *self);
    /* It is gone (after all that was open has been answered with NULL); it will be tried again. */
    void (*lost)(void *self, const char *why);
    /* Redis refuses what no trying again mends: the password, the database. The link stays down. */
    void (*refused)(void *self, const char *why);
};

/* The reply, which hiredis frees after the call; NULL: the connection is gone. */
typedef void redis_link_replied(void *self, const redisReply *reply);

/* Begins to connect; `patience` (ns) is how long Redis may leave something unanswered. `place` outlives it.
 */
struct redis_link *redis_link_new(struct loop *loop, const struct redis_place *place, int64_t patience,
                                  const struct redis_link_events *events, void *self);
/* Closes it, without a call of `lost`; open commands are answered with NULL. */
void redis_link_free(struct redis_link *link);

bool redis_link_is_ready(const struct redis_link *link);
/* Sends a command (redis_words_command), or, when it is not ready, does nothing and returns false: `replied`
 * will not be called. */
bool redis_link_send(struct redis_link *link, struct text command, redis_link_replied *replied, void *self);
/* Writes what was sent in this turn of the loop; at its end. */
void redis_link_flush(struct redis_link *link);
/* It does what it is for: the next pause is a short one again. */
void redis_link_praise(struct redis_link *link);
/* Ends the connection for a reason of the caller's, and tries again after the pause. Within a reply's call,
 * too. */
void redis_link_drop(struct redis_link *link, const char *why);

#endif
