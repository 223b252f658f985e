/* world: common/loop.h on virtual time.
 *
 * Every simulated process has a loop of its own, and each says when it wants to wake: at its first timer, or
 * when the first message under way to one of its sockets arrives. The world lets the earliest one have a
 * turn, sets the clock to that moment, and so on: nobody ever waits, and an hour passes as fast as its turns
 * are computed. A turn goes as in common/loop.c: timers, messages, the calls at its end. A loop wakes a
 * little later than it could, by chance and rarely by much, as processes do on a busy machine; that alone
 * makes thousands of orders of events.
 *
 * The state is the file's own because the clock is: loop_new and clock_now take no argument that could say
 * which world they are in. SPDX-License-Identifier: MIT */
#include "world.h"

#include "clock.h"
#include "network.h"
#include "object.h"

#include <stdlib.h>

enum {
    LOOP_MAGIC = 0x510100b0,
    SOCKETS_MAX = 8,
    ROUNDS_MAX = 8, /* as in common/loop.c */
    TURN_CALLS_MAX = 4,
    INTERRUPTS_MAX = 64
};

struct call {
    loop_call *call;
    void *self;
};

struct loop_socket {
    void *socket; /* NULL: free place */
    loop_call *call;
    void *self;
};

struct loop {
    struct heap_node
        wake; /* first member: the agenda hands it back; in the agenda while it waits for anything */
    unsigned magic;
    uint64_t number; /* in the order of birth; names it in the digest */
    bool stopped;
    bool deaf; /* to its sockets */
    int64_t now;
    int64_t latency;      /* how late it wakes next time */
    int64_t paused_until; /* 0: runs */
    struct heap timers;
    struct loop_socket sockets[SOCKETS_MAX];
    struct call turn_calls[TURN_CALLS_MAX];
    size_t turn_call_count;
    struct call interrupts[INTERRUPTS_MAX];
    size_t interrupt_count;
};

static struct {
    int64_t now;
    struct chance chance;
    struct heap agenda;
    uint64_t loops;
    uint64_t turns;
    uint64_t digest;
    struct loop *turning;
} world;

void world_begin(uint64_t seed)
{
    world.now = SECOND;
    world.chance.state = seed;
}

int64_t world_now(void)
{
    return world.now;
}

struct chance *world_chance(void)
{
    return &world.chance;
}

uint64_t world_turns(void)
{
    return world.turns;
}

uint64_t world_digest(void)
{
    return world.digest;
}

/* ---- when it wakes ---- */

static int64_t draw_latency(void)
{
    uint64_t dice = chance_below(&world.chance, 1000);
    return dice == 0   ? chance_between(&world.chance, 0, 5 * MILLISECOND) /* the scheduler had others */
           : dice < 50 ? chance_between(&world.chance, 0, 300 * MICROSECOND)
                       : chance_between(&world.chance, 1, 10 * MICROSECOND);
}

static int64_t next_arrival(const struct loop *loop, size_t place)
{
    const void *socket = loop->sockets[place].socket;
    return socket == NULL || loop->deaf ? INT64_MAX : network_arrival(socket);
}

static int64_t first_event(const struct loop *loop)
{
    if (loop->interrupt_count > 0)
        return world.now;
    struct heap_node *timer = heap_first(&loop->timers);
    int64_t first = timer == NULL ? INT64_MAX : timer->at;
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        int64_t arrival = next_arrival(loop, i);
        first = arrival < first ? arrival : first;
    }
    return first;
}

static void schedule(struct loop *loop)
{
    if (loop == world.turning)
        return; /* at the end of the turn */
    int64_t at = first_event(loop);
    if (at == INT64_MAX) {
        heap_remove(&world.agenda, &loop->wake);
        return;
    }
    if (at < loop->paused_until)
        at = loop->paused_until;
    if (at < world.now)
        at = world.now;
    heap_set(&world.agenda, &loop->wake, at + loop->latency);
}

void loop_expect(struct loop *loop)
{
    schedule(loop);
}

void loop_pause(struct loop *loop, int64_t until)
{
    loop->paused_until = until;
    schedule(loop);
}

void loop_listen(struct loop *loop, bool listens)
{
    loop->deaf = !listens;
    schedule(loop);
}

bool loop_paused(const struct loop *loop)
{
    return loop->paused_until > world.now;
}

bool loop_stopped(const struct loop *loop)
{
    return loop->stopped;
}

void loop_interrupt(struct loop *loop, loop_call *call, void *self)
{
    ENSURE(loop->interrupt_count < INTERRUPTS_MAX);
    loop->interrupts[loop->interrupt_count++] = (struct call){call, self};
    schedule(loop);
}

/* ---- a turn ---- */

static void call_interrupts(struct loop *loop)
{
    struct call calls[INTERRUPTS_MAX];
    size_t count = loop->interrupt_count;
    memcpy(calls, loop->interrupts, count * sizeof *calls);
    loop->interrupt_count = 0;
    for (size_t i = 0; i < count; i++)
        calls[i].call(calls[i].self);
}

static void fire_timers(struct loop *loop)
{
    struct heap_node *first;
    while ((first = heap_first(&loop->timers)) != NULL && first->at <= loop->now) {
        struct loop_timer *timer = (struct loop_timer *)first;
        heap_remove(&loop->timers, first);
        timer->call(timer->self);
    }
}

/* False when nothing had arrived. */
static bool drain(struct loop *loop)
{
    bool any = true;
    int round = 0;
    for (; round < ROUNDS_MAX && any; round++) {
        any = false;
        for (size_t i = 0; i < SOCKETS_MAX; i++) {
            if (next_arrival(loop, i) > world.now)
                continue;
            any = true;
            loop->sockets[i].call(loop->sockets[i].self);
        }
    }
    return round > 1;
}

static void end_turn(struct loop *loop)
{
    int round = 0;
    do {
        for (size_t i = 0; i < loop->turn_call_count; i++)
            loop->turn_calls[i].call(loop->turn_calls[i].self);
    } while (round++ < ROUNDS_MAX && drain(loop));
}

struct loop *world_step(void)
{
    struct loop *loop = (struct loop *)heap_first(&world.agenda);
    if (loop == NULL)
        return NULL;
    world.now = loop->wake.at;
    heap_remove(&world.agenda, &loop->wake);
    world.turns++;
    world.digest = (world.digest ^ (uint64_t)world.now ^ loop->number << 48) * UINT64_C(0x100000001b3);
    world.turning = loop;
    loop->now = world.now;
    loop->paused_until = 0;
    call_interrupts(loop);
    fire_timers(loop);
    drain(loop);
    end_turn(loop);
    loop->latency = draw_latency();
    world.turning = NULL;
    schedule(loop);
    return loop;
}

/* ---- common/loop.h ---- */

struct loop *loop_new(void)
{
    struct loop *loop = object_alloc(sizeof *loop);
    loop->magic = LOOP_MAGIC;
    loop->number = ++world.loops;
    loop->now = world.now;
    loop->latency = draw_latency();
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    CHECK_OBJECT(loop, LOOP_MAGIC);
    ENSURE(loop != world.turning);
    heap_remove(&world.agenda, &loop->wake);
    heap_free(&loop->timers);
    loop->magic = 0;
    free(loop);
}

int64_t loop_now(const struct loop *loop)
{
    return loop->now;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at, loop_call *call, void *self)
{
    CHECK_OBJECT(loop, LOOP_MAGIC);
    timer->call = call;
    timer->self = self;
    heap_set(&loop->timers, &timer->node, at);
    schedule(loop);
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    CHECK_OBJECT(loop, LOOP_MAGIC);
    heap_remove(&loop->timers, &timer->node);
    schedule(loop);
}

int loop_zmq_add(struct loop *loop, void *socket, loop_call *call, void *self)
{
    size_t i = 0;
    while (i < SOCKETS_MAX && loop->sockets[i].socket != NULL)
        i++;
    ENSURE(i < SOCKETS_MAX);
    loop->sockets[i] = (struct loop_socket){socket, call, self};
    network_attach(socket, loop);
    schedule(loop);
    return 0;
}

/* Arrivals are looked at in every round: there is no edge that a send could swallow. */
void loop_zmq_touch(struct loop *loop, void *socket)
{
    (void)loop;
    (void)socket;
}

void loop_zmq_remove(struct loop *loop, void *socket)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        if (loop->sockets[i].socket == socket)
            loop->sockets[i] = (struct loop_socket){0};
    network_attach(socket, NULL);
    schedule(loop);
}

void loop_each_turn(struct loop *loop, loop_call *call, void *self)
{
    ENSURE(loop->turn_call_count < TURN_CALLS_MAX);
    loop->turn_calls[loop->turn_call_count++] = (struct call){call, self};
}

/* ---- what no simulated process may want: descriptors and signals are of the real world ---- */

void loop_run(struct loop *loop)
{
    (void)loop;
    object_panic(__FILE__, __LINE__, "the world turns the loops");
}

int loop_add(struct loop *loop, int fd, uint32_t events, loop_ready *ready, void *self)
{
    (void)loop, (void)fd, (void)events, (void)ready, (void)self;
    object_panic(__FILE__, __LINE__, "there are no descriptors in a simulation");
}

int loop_modify(struct loop *loop, int fd, uint32_t events)
{
    (void)loop, (void)fd, (void)events;
    object_panic(__FILE__, __LINE__, "there are no descriptors in a simulation");
}

void loop_remove(struct loop *loop, int fd)
{
    (void)loop, (void)fd;
    object_panic(__FILE__, __LINE__, "there are no descriptors in a simulation");
}

int loop_signal(struct loop *loop, int signal_number, loop_call *call, void *self)
{
    (void)loop, (void)signal_number, (void)call, (void)self;
    object_panic(__FILE__, __LINE__, "there are no signals in a simulation");
}
