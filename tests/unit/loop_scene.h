/* loop_scene: a loop that is turned until it has nothing more to do, and what can be given to it. Include it
 * in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LOOP_SCENE_H
#define OUTRIGGER_LOOP_SCENE_H

#include "clock.h"
#include "loop.h"
#include "suite.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static struct loop_timer limit;

static inline void stop(void *self)
{
    (void)self;
    loop_stop(loop);
}

static inline void too_late(void *self)
{
    (void)self;
    ck_abort_msg("what the test waits for did not come");
}

static inline void set_up(void)
{
    loop = loop_new();
    ck_assert_ptr_nonnull(loop);
    limit = (struct loop_timer){0};
    loop_timer_set(loop, &limit, clock_now() + 30 * SECOND, too_late, NULL);
}

static inline void tear_down(void)
{
    loop_timer_cancel(loop, &limit);
    loop_free(loop);
}

/* Turns the loop until it had nothing more to do at once. */
static inline void settle(void)
{
    struct loop_timer timer = {0};
    loop_timer_set(loop, &timer, clock_now() + MILLISECOND, stop, NULL);
    loop_run(loop);
}

/* ---- timers, turns and pairs of descriptors that say what became of them ---- */

static struct loop_timer timers[8];
static char fired[64];

static inline void fire(void *self)
{
    size_t length = strlen(fired);
    fired[length] = (char)('0' + (struct loop_timer *)self - timers);
    fired[length + 1] = '\0';
}

static inline void set_timer(size_t index, int64_t at)
{
    loop_timer_set(loop, &timers[index], at, fire, &timers[index]);
}

static int turns;

static inline void count_turn(void *self)
{
    *(int *)self += 1;
}

/* Two ends of a connection: the loop watches [0], the test writes to [1]. */
struct pair {
    int fds[2];
    int calls;
    uint32_t events;
};

static inline void open_pair(struct pair *pair)
{
    *pair = (struct pair){0};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair->fds), 0);
}

static inline void close_pair(struct pair *pair)
{
    close(pair->fds[0]);
    close(pair->fds[1]);
}

static inline void write_to(const struct pair *pair)
{
    ck_assert_int_eq(write(pair->fds[1], "x", 1), 1);
}

static inline void read_one(void *self, int fd, uint32_t events)
{
    struct pair *pair = self;
    char byte;
    ck_assert_int_eq(fd, pair->fds[0]);
    pair->calls++;
    pair->events = events;
    if (events & EPOLLIN)
        (void)!read(fd, &byte, 1);
}

#endif
