/* loop: epoll, signals, timers and ZeroMQ sockets in one thread.
 *
 * Every process of ours has exactly one, made and run by its main; everything else registers callbacks with
 * it. Written on epoll and not on zmq_poll because a frontend watches thousands of descriptors and two ZeroMQ
 * sockets. What makes ZeroMQ awkward here is that ZMQ_FD is edge-triggered and shared by both directions: it
 * says "something happened", any send or receive may swallow that, and only an empty receive proves that
 * nothing waits. So a socket is `touched` when its descriptor fired or when its owner sent something, and no
 * socket is touched any more when the loop sleeps. SPDX-License-Identifier: MIT */
#include "loop.h"

#include "clock.h"
#include "object.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

enum {
    LOOP_MAGIC = 0x100b0001,
    EVENTS_A_TURN = 256,  /* what one epoll_wait brings; more simply come the next turn */
    ZMQ_SOCKETS_MAX = 8,  /* no process of ours has more than seven */
    DRAIN_ROUNDS_MAX = 8, /* what comes in here and goes out there takes two or three; see drain_zmq */
    TURN_CALLS_MAX = 4,
    GATHER_FROM = 8,      /* events of one look from which on a turn looks again */
    GATHER_LOOKS_MAX = 4, /* then timers and ZeroMQ have their turn */
    SIGNALS_MAX = 64
};

/* What is watched on a descriptor. The generation tells an event of an old watch from a new one on the same
 * number, opened again in the same turn. */
struct watch {
    loop_ready *ready; /* NULL: not watched */
    void *self;
    uint32_t generation;
};

struct zmq_watch {
    void *socket; /* NULL: free place */
    loop_call *call;
    void *self;
    int fd;
    bool touched;
};

struct call {
    loop_call *call;
    void *self;
};

struct loop {
    unsigned magic;
    int epoll_fd;
    int signal_fd; /* -1 until the first loop_signal */
    bool stopped;
    int64_t now;
    struct heap timers;
    struct watch *watches; /* by descriptor */
    size_t watch_capacity;
    struct zmq_watch zmq[ZMQ_SOCKETS_MAX];
    struct call turn_calls[TURN_CALLS_MAX];
    size_t turn_call_count;
    sigset_t signals;
    struct call signal_calls[SIGNALS_MAX + 1];
};

struct loop *loop_new(void)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        return NULL;
    struct loop *loop = object_alloc(sizeof *loop);
    loop->magic = LOOP_MAGIC;
    loop->epoll_fd = epoll_fd;
    loop->signal_fd = -1;
    loop->now = clock_now();
    sigemptyset(&loop->signals);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    CHECK_OBJECT(loop, LOOP_MAGIC);
    if (loop->signal_fd >= 0)
        close(loop->signal_fd);
    close(loop->epoll_fd);
    heap_free(&loop->timers);
    free(loop->watches);
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

/* ---- descriptors ---- */

static struct watch *watch_of(struct loop *loop, int fd)
{
    size_t index = (size_t)fd;
    if (index >= loop->watch_capacity) {
        size_t capacity = index + 64;
        loop->watches = realloc(loop->watches, capacity * sizeof *loop->watches);
        ENSURE(loop->watches != NULL);
        memset(loop->watches + loop->watch_capacity, 0,
               (capacity - loop->watch_capacity) * sizeof *loop->watches);
        loop->watch_capacity = capacity;
    }
    return &loop->watches[index];
}

static int control_epoll(struct loop *loop, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events,
                                .data.u64 = (uint64_t)watch_of(loop, fd)->generation << 32 | (uint32_t)fd};
    return epoll_ctl(loop->epoll_fd, operation, fd, &event);
}

int loop_add(struct loop *loop, int fd, uint32_t events, loop_ready *ready, void *self)
{
    CHECK_OBJECT(loop, LOOP_MAGIC);
    ENSURE(fd >= 0 && ready != NULL);
    struct watch *watch = watch_of(loop, fd);
    ENSURE(watch->ready == NULL);
    watch->generation++;
    if (control_epoll(loop, EPOLL_CTL_ADD, fd, events) != 0)
        return -1;
    watch->ready = ready;
    watch->self = self;
    return 0;
}

int loop_modify(struct loop *loop, int fd, uint32_t events)
{
    return control_epoll(loop, EPOLL_CTL_MOD, fd, events);
}

void loop_remove(struct loop *loop, int fd)
{
    struct watch *watch = watch_of(loop, fd);
    if (watch->ready == NULL)
        return;
    watch->ready = NULL;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* ---- signals ---- */

static void read_signals(void *self, int fd, uint32_t events)
{
    (void)events;
    struct loop *loop = self;
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo <= SIGNALS_MAX && loop->signal_calls[info.ssi_signo].call != NULL)
            loop->signal_calls[info.ssi_signo].call(loop->signal_calls[info.ssi_signo].self);
}

int loop_signal(struct loop *loop, int signal_number, loop_call *call, void *self)
{
    CHECK_OBJECT(loop, LOOP_MAGIC);
    ENSURE(signal_number > 0 && signal_number <= SIGNALS_MAX);
    sigaddset(&loop->signals, signal_number);
    if (sigprocmask(SIG_BLOCK, &loop->signals, NULL) != 0)
        return -1;
    int fd = signalfd(loop->signal_fd, &loop->signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -1;
    loop->signal_calls[signal_number] = (struct call){call, self};
    if (loop->signal_fd >= 0)
        return 0;
    loop->signal_fd = fd;
    return loop_add(loop, fd, EPOLLIN, read_signals, loop);
}

/* ---- timers ---- */

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at, loop_call *call, void *self)
{
    timer->call = call;
    timer->self = self;
    heap_set(&loop->timers, &timer->node, at);
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    heap_remove(&loop->timers, &timer->node);
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

/* Milliseconds that epoll may sleep: rounded up, since waking early means waking twice. */
static int sleep_time(struct loop *loop)
{
    struct heap_node *first = heap_first(&loop->timers);
    if (first == NULL)
        return -1;
    int64_t left = first->at - clock_now();
    if (left <= 0)
        return 0;
    int64_t milliseconds = (left + MILLISECOND - 1) / MILLISECOND;
    return milliseconds > INT_MAX ? INT_MAX : (int)milliseconds;
}

/* ---- ZeroMQ ---- */

static void zmq_fired(void *self, int fd, uint32_t events)
{
    (void)fd;
    (void)events;
    ((struct zmq_watch *)self)->touched = true;
}

int loop_zmq_add(struct loop *loop, void *socket, loop_call *call, void *self)
{
    CHECK_OBJECT(loop, LOOP_MAGIC);
    for (size_t i = 0; i < ZMQ_SOCKETS_MAX; i++) {
        struct zmq_watch *watch = &loop->zmq[i];
        if (watch->socket != NULL)
            continue;
        size_t length = sizeof watch->fd;
        if (zmq_getsockopt(socket, ZMQ_FD, &watch->fd, &length) != 0 ||
            loop_add(loop, watch->fd, EPOLLIN, zmq_fired, watch) != 0)
            return -1;
        watch->socket = socket;
        watch->call = call;
        watch->self = self;
        watch->touched = true;
        return 0;
    }
    errno = ENOSPC;
    return -1;
}

static struct zmq_watch *zmq_watch_of(struct loop *loop, void *socket)
{
    for (size_t i = 0; i < ZMQ_SOCKETS_MAX; i++)
        if (loop->zmq[i].socket == socket)
            return &loop->zmq[i];
    return NULL;
}

void loop_zmq_touch(struct loop *loop, void *socket)
{
    struct zmq_watch *watch = zmq_watch_of(loop, socket);
    if (watch != NULL)
        watch->touched = true;
}

void loop_zmq_remove(struct loop *loop, void *socket)
{
    struct zmq_watch *watch = zmq_watch_of(loop, socket);
    if (watch == NULL)
        return;
    loop_remove(loop, watch->fd);
    *watch = (struct zmq_watch){0};
}

static bool any_touched(const struct loop *loop)
{
    for (size_t i = 0; i < ZMQ_SOCKETS_MAX; i++)
        if (loop->zmq[i].touched)
            return true;
    return false;
}

/* Draining one socket may touch another (a request comes in here, a batch goes out there), so this goes round
 * until nothing is touched; each round either receives something or ends it. A peer that sends faster than we
 * receive would keep it going for ever and all else waiting: after some rounds the rest is left to the next
 * turn, which does not sleep then. False when nothing was touched. */
static bool drain_zmq(struct loop *loop)
{
    int round = 0;
    for (; round < DRAIN_ROUNDS_MAX && any_touched(loop); round++) {
        loop->now = clock_now();
        for (size_t i = 0; i < ZMQ_SOCKETS_MAX; i++) {
            struct zmq_watch *watch = &loop->zmq[i];
            if (!watch->touched)
                continue;
            watch->touched = false;
            watch->call(watch->self);
        }
    }
    return round > 0;
}

/* What a turn gathered is flushed; that may bring more in, which is then flushed, too, before the loop sleeps
 * or, after some rounds, goes on without sleeping. */
static void end_turn(struct loop *loop)
{
    int round = 0;
    do {
        for (size_t i = 0; i < loop->turn_call_count; i++)
            loop->turn_calls[i].call(loop->turn_calls[i].self);
    } while (round++ < DRAIN_ROUNDS_MAX && drain_zmq(loop));
}

/* ---- the loop ---- */

void loop_each_turn(struct loop *loop, loop_call *call, void *self)
{
    ENSURE(loop->turn_call_count < TURN_CALLS_MAX);
    loop->turn_calls[loop->turn_call_count++] = (struct call){call, self};
}

static void dispatch(struct loop *loop, const struct epoll_event *event)
{
    int fd = (int)(uint32_t)event->data.u64;
    struct watch *watch = watch_of(loop, fd);
    if (watch->ready != NULL && watch->generation == (uint32_t)(event->data.u64 >> 32))
        watch->ready(watch->self, fd, event->events);
}

/* Handles what is ready on descriptors, after waiting `sleep` milliseconds for it. Returns how many were. */
static int take_events(struct loop *loop, int sleep)
{
    struct epoll_event events[EVENTS_A_TURN];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_A_TURN, sleep);
    ENSURE(count >= 0 || errno == EINTR);
    loop->now = clock_now();
    for (int i = 0; i < count; i++)
        dispatch(loop, &events[i]);
    return count;
}

static void turn(struct loop *loop)
{
    int count = take_events(loop, any_touched(loop) ? 0 : sleep_time(loop));
    /* Where much is ready, more becomes so while it is handled, and belongs to the same turn: whoever is
     * written to at its end wakes once for all of it. */
    for (int looks = 0; count >= GATHER_FROM && looks < GATHER_LOOKS_MAX; looks++)
        count = take_events(loop, 0);
    fire_timers(loop);
    drain_zmq(loop);
    end_turn(loop);
}

void loop_run(struct loop *loop)
{
    CHECK_OBJECT(loop, LOOP_MAGIC);
    drain_zmq(loop);
    end_turn(loop);
    while (!loop->stopped)
        turn(loop);
    loop->stopped = false;
}
