/* redis_wire: see redis_wire.h. hiredis says what it wants, the loop when it is there. For the limits that
 * brokers share and for the streams of Redis, which both greet, time out and connect again in their own ways.
 * SPDX-License-Identifier: MIT */
#include "redis_wire.h"

#include "object.h"

#include <sys/epoll.h>

static void ready(void *self, int fd, uint32_t events);

/* The loop follows what hiredis wants; once for all that it said in between. */
static void watch(struct redis_wire *wire)
{
    uint32_t wanted = wire->wanted;
    if (wanted == wire->watched)
        return;
    if (wire->watched == 0)
        ENSURE(loop_add(wire->loop, wire->fd, wanted, ready, wire) == 0);
    else if (wanted == 0)
        loop_remove(wire->loop, wire->fd);
    else
        loop_modify(wire->loop, wire->fd, wanted);
    wire->watched = wanted;
}

static void ready(void *self, int fd, uint32_t events)
{
    (void)fd;
    struct redis_wire *wire = self;
    redisAsyncContext *context = wire->context;
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
        redisAsyncHandleWrite(context);
    if (wire->context == context && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
        redisAsyncHandleRead(context);
    watch(wire);
}

static void add_read(void *self)
{
    ((struct redis_wire *)self)->wanted |= EPOLLIN;
}

static void delete_read(void *self)
{
    ((struct redis_wire *)self)->wanted &= ~(uint32_t)EPOLLIN;
}

static void add_write(void *self)
{
    ((struct redis_wire *)self)->wanted |= EPOLLOUT;
}

static void delete_write(void *self)
{
    ((struct redis_wire *)self)->wanted &= ~(uint32_t)EPOLLOUT;
}

/* The descriptor is about to be closed. */
static void clean_up(void *self)
{
    struct redis_wire *wire = self;
    const redisAsyncContext *context = wire->context;
    wire->wanted = 0;
    watch(wire);
    wire->context = NULL;
    if (wire->closed != NULL)
        wire->closed(wire->self, context);
}

void redis_wire_take(struct redis_wire *wire, redisAsyncContext *context)
{
    ENSURE(wire->context == NULL && context->err == 0);
    wire->context = context;
    wire->fd = context->c.fd;
    wire->watched = wire->wanted = 0;
    context->ev.data = wire;
    context->ev.addRead = add_read;
    context->ev.delRead = delete_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = delete_write;
    context->ev.cleanup = clean_up;
}

/* Before it is connected hiredis would take any write for the news that it is. */
void redis_wire_flush(struct redis_wire *wire)
{
    bool connected = wire->context != NULL && (wire->context->c.flags & REDIS_CONNECTED) != 0;
    if (connected && (wire->wanted & EPOLLOUT) != 0 && (wire->watched & EPOLLOUT) == 0)
        redisAsyncHandleWrite(wire->context);
    watch(wire);
}
