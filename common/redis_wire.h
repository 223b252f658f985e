/* redis_wire: a connection of hiredis on our loop. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REDIS_WIRE_H
#define OUTRIGGER_REDIS_WIRE_H

#include "loop.h"

#include <hiredis/async.h>

/* Part of what owns the connection, which sets the first three once. All of it belongs to the loop's thread.
 */
struct redis_wire {
    struct loop *loop;
    /* The connection ends: all that was open has been answered, and `context` is of the wire no more, and
     * good during the call only. NULL: nobody wants to know. */
    void (*closed)(void *self, const redisAsyncContext *context);
    void *self;
    redisAsyncContext *context; /* NULL: there is no connection, not even one that begins */
    int fd;                     /* that the loop watches for `watched`, while there is a context */
    uint32_t watched, wanted;   /* epoll's events */
};

/* Takes a connection that begins, without an error so far, while it has none. What is written to it before
 * the loop runs goes out then. */
void redis_wire_take(struct redis_wire *wire, redisAsyncContext *context);
/* Sends what was written since the last turn of the loop, at the end of this one: without it the loop does,
 * a turn later. */
void redis_wire_flush(struct redis_wire *wire);

#endif
