/* test_loop: the order of timers, descriptors that come and go inside callbacks, signals, and the
 * edge-triggered ways of ZeroMQ. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "loop.h"
#include "object.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <zmq.h>

static struct loop *loop;
static struct loop_timer limit;

static void stop(void *self)
{
    (void)self;
    loop_stop(loop);
}

static void too_late(void *self)
{
    (void)self;
    ck_abort_msg("what the test waits for did not come");
}

static void set_up(void)
{
    loop = loop_new();
    ck_assert_ptr_nonnull(loop);
    limit = (struct loop_timer){0};
    loop_timer_set(loop, &limit, clock_now() + 30 * SECOND, too_late, NULL);
}

static void tear_down(void)
{
    loop_timer_cancel(loop, &limit);
    loop_free(loop);
}

/* Turns the loop until it had nothing more to do at once. */
static void settle(void)
{
    struct loop_timer timer = {0};
    loop_timer_set(loop, &timer, clock_now() + MILLISECOND, stop, NULL);
    loop_run(loop);
}

/* ---- timers ---- */

static struct loop_timer timers[8];
static char fired[64];

static void fire(void *self)
{
    size_t length = strlen(fired);
    fired[length] = (char)('0' + (struct loop_timer *)self - timers);
    fired[length + 1] = '\0';
}

static void set_timer(size_t index, int64_t at)
{
    loop_timer_set(loop, &timers[index], at, fire, &timers[index]);
}

START_TEST(timers_fire_in_the_order_of_their_deadlines)
{
    int64_t now = clock_now();
    set_timer(3, now + 3 * MILLISECOND);
    set_timer(1, now + 1 * MILLISECOND);
    set_timer(2, now + 2 * MILLISECOND);
    set_timer(0, now - SECOND); /* long over */
    set_timer(5, now + SECOND * 1000);
    loop_timer_cancel(loop, &timers[5]);
    set_timer(4, now + SECOND * 1000);
    set_timer(4, now + 4 * MILLISECOND); /* moved to the front */
    struct loop_timer end = {0};
    loop_timer_set(loop, &end, now + 5 * MILLISECOND, stop, NULL);
    loop_run(loop);
    ck_assert_str_eq(fired, "01234");
    for (size_t i = 0; i < COUNT_OF(timers); i++)
        ck_assert(!heap_contains(&timers[i].node));
}
END_TEST

START_TEST(no_timer_fires_early)
{
    for (int i = 0; i < 20; i++) {
        struct loop_timer timer = {0};
        int64_t at = clock_now() + i * 100 * MICROSECOND;
        loop_timer_set(loop, &timer, at, stop, NULL);
        loop_run(loop);
        ck_assert_int_ge(loop_now(loop), at);
        ck_assert_int_le(loop_now(loop), clock_now());
    }
}
END_TEST

static void set_next_and_cancel_another(void *self)
{
    fire(self);
    set_timer(1, loop_now(loop)); /* due at once: fires in this turn */
    loop_timer_cancel(loop, &timers[2]);
}

START_TEST(a_timer_may_set_and_cancel_others)
{
    int64_t now = clock_now() - SECOND;
    loop_timer_set(loop, &timers[0], now, set_next_and_cancel_another, &timers[0]);
    set_timer(2, now + 1); /* due, too, in the same turn */
    settle();
    ck_assert_str_eq(fired, "01");
}
END_TEST

/* ---- running ---- */

START_TEST(a_stop_before_the_run_counts_once)
{
    loop_stop(loop);
    loop_run(loop); /* returns */
    set_timer(0, 0);
    settle(); /* runs */
    ck_assert_str_eq(fired, "0");
}
END_TEST

static int turns;

static void count_turn(void *self)
{
    *(int *)self += 1;
}

START_TEST(each_turn_ends_with_its_calls)
{
    int other = 0;
    loop_each_turn(loop, count_turn, &turns);
    loop_each_turn(loop, count_turn, &other);
    settle();
    ck_assert_int_ge(turns, 1);
    ck_assert_int_eq(turns, other);
}
END_TEST

static void handle_nothing(int number)
{
    (void)number;
}

START_TEST(an_interrupted_sleep_is_no_error)
{
    struct sigaction action = {.sa_handler = handle_nothing};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {.it_interval = {.tv_usec = 500}, .it_value = {.tv_usec = 500}};
    setitimer(ITIMER_REAL, &often, NULL);
    struct loop_timer end = {0};
    loop_timer_set(loop, &end, clock_now() + 20 * MILLISECOND, stop, NULL);
    loop_run(loop);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
}
END_TEST

START_TEST(free_takes_null)
{
    loop_free(NULL);
}
END_TEST

/* ---- descriptors ---- */

/* Two ends of a connection: the loop watches [0], the test writes to [1]. */
struct pair {
    int fds[2];
    int calls;
    uint32_t events;
};

static void open_pair(struct pair *pair)
{
    *pair = (struct pair){0};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair->fds), 0);
}

static void close_pair(struct pair *pair)
{
    close(pair->fds[0]);
    close(pair->fds[1]);
}

static void write_to(const struct pair *pair)
{
    ck_assert_int_eq(write(pair->fds[1], "x", 1), 1);
}

static void read_one(void *self, int fd, uint32_t events)
{
    struct pair *pair = self;
    char byte;
    ck_assert_int_eq(fd, pair->fds[0]);
    pair->calls++;
    pair->events = events;
    if (events & EPOLLIN)
        (void)!read(fd, &byte, 1);
}

START_TEST(a_ready_descriptor_is_called_with_its_events)
{
    struct pair pair;
    open_pair(&pair);
    ck_assert_int_eq(loop_add(loop, pair.fds[0], EPOLLIN | EPOLLRDHUP, read_one, &pair), 0);
    settle();
    ck_assert_int_eq(pair.calls, 0);
    write_to(&pair);
    settle();
    ck_assert_int_eq(pair.calls, 1);
    ck_assert_uint_eq(pair.events, EPOLLIN);
    ck_assert_int_eq(loop_modify(loop, pair.fds[0], EPOLLOUT | EPOLLET), 0);
    settle();
    ck_assert_int_eq(pair.calls, 2);
    ck_assert_uint_eq(pair.events, EPOLLOUT);
    shutdown(pair.fds[1], SHUT_RDWR);
    settle();
    ck_assert_uint_ne(pair.events & EPOLLHUP, 0);
    loop_remove(loop, pair.fds[0]);
    int calls = pair.calls;
    settle();
    ck_assert_int_eq(pair.calls, calls);
    close_pair(&pair);
}
END_TEST

/* Many that are ready, and one that becomes so while they are handled. */
enum { CROWD = 8 };
static struct pair crowd[CROWD + 1];
static int turns_before_last;

static void write_to_the_last(void *self, int fd, uint32_t events)
{
    read_one(self, fd, events);
    if (crowd[CROWD].calls == 0)
        write_to(&crowd[CROWD]);
}

static void note_turns(void *self, int fd, uint32_t events)
{
    read_one(self, fd, events);
    if (crowd[CROWD].calls == 1)
        turns_before_last = turns;
}

START_TEST(what_becomes_ready_while_much_is_handled_belongs_to_the_turn)
{
    turns_before_last = -1;
    loop_each_turn(loop, count_turn, &turns);
    settle();
    for (int i = 0; i <= CROWD; i++) {
        open_pair(&crowd[i]);
        ck_assert_int_eq(
            loop_add(loop, crowd[i].fds[0], EPOLLIN, i < CROWD ? write_to_the_last : note_turns, &crowd[i]),
            0);
        if (i < CROWD)
            write_to(&crowd[i]);
    }
    turns = 0;
    settle();
    ck_assert_int_eq(turns_before_last, 1); /* the one with which loop_run begins */
    for (int i = 0; i <= CROWD; i++) {
        loop_remove(loop, crowd[i].fds[0]);
        close_pair(&crowd[i]);
    }
}
END_TEST

static struct pair pairs[2];

/* Whichever of the two comes first takes the other out: the second must not be called although it is ready.
 */
static void remove_the_other(void *self, int fd, uint32_t events)
{
    struct pair *pair = self;
    read_one(self, fd, events);
    loop_remove(loop, pairs[pair == &pairs[0]].fds[0]);
}

START_TEST(what_was_removed_in_this_turn_is_not_called)
{
    for (int i = 0; i < 2; i++) {
        open_pair(&pairs[i]);
        loop_add(loop, pairs[i].fds[0], EPOLLIN, remove_the_other, &pairs[i]);
        write_to(&pairs[i]);
    }
    settle();
    ck_assert_int_eq(pairs[0].calls + pairs[1].calls, 1);
    for (int i = 0; i < 2; i++) {
        loop_remove(loop, pairs[i].fds[0]); /* twice does no harm */
        close_pair(&pairs[i]);
    }
}
END_TEST

static struct pair fresh;

/* Closes the other and opens a new descriptor with the same number, watched and silent. */
static void replace_the_other(void *self, int fd, uint32_t events)
{
    struct pair *pair = self, *other = &pairs[pair == &pairs[0]];
    read_one(self, fd, events);
    if (fresh.fds[0] != 0)
        return;
    int number = other->fds[0];
    loop_remove(loop, number);
    close(number);
    open_pair(&fresh);
    if (fresh.fds[0] != number) {
        ck_assert_int_eq(dup2(fresh.fds[0], number), number);
        close(fresh.fds[0]);
        fresh.fds[0] = number;
    }
    other->fds[0] = -1;
    ck_assert_int_eq(loop_add(loop, number, EPOLLIN, read_one, &fresh), 0);
}

START_TEST(an_old_event_does_not_reach_a_new_descriptor_of_the_same_number)
{
    for (int i = 0; i < 2; i++) {
        open_pair(&pairs[i]);
        loop_add(loop, pairs[i].fds[0], EPOLLIN, replace_the_other, &pairs[i]);
        write_to(&pairs[i]);
    }
    settle();
    ck_assert_int_eq(pairs[0].calls + pairs[1].calls, 1);
    ck_assert_int_eq(fresh.calls, 0);
    write_to(&fresh);
    settle();
    ck_assert_int_eq(fresh.calls, 1);
    close_pair(&fresh);
}
END_TEST

START_TEST(what_the_kernel_does_not_watch_is_an_error)
{
    FILE *file = tmpfile();
    ck_assert_int_eq(loop_add(loop, fileno(file), EPOLLIN, read_one, NULL), -1);
    ck_assert_int_eq(errno, EPERM);
    fclose(file);
    ck_assert_int_eq(loop_add(loop, 1000, EPOLLIN, read_one, NULL), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(loop_modify(loop, 1000, EPOLLIN), -1);
    loop_remove(loop, 1000);
    struct pair pair;
    open_pair(&pair); /* most likely the file's number: a failed add leaves the place free */
    ck_assert_int_eq(loop_add(loop, pair.fds[0], EPOLLIN, read_one, &pair), 0);
    loop_remove(loop, pair.fds[0]);
    close_pair(&pair);
}
END_TEST

START_TEST(more_descriptors_than_a_turn_takes_are_all_served)
{
    enum { MANY = 400 };
    static struct pair many[MANY];
    for (int i = 0; i < MANY; i++) {
        open_pair(&many[i]);
        ck_assert_int_eq(loop_add(loop, many[i].fds[0], EPOLLIN, read_one, &many[i]), 0);
        write_to(&many[i]);
    }
    settle();
    settle();
    settle();
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(many[i].calls, 1);
        loop_remove(loop, many[i].fds[0]);
        close_pair(&many[i]);
    }
}
END_TEST

/* ---- signals ---- */

START_TEST(signals_are_calls)
{
    int first = 0, second = 0;
    ck_assert_int_eq(loop_signal(loop, SIGUSR1, count_turn, &first), 0);
    ck_assert_int_eq(loop_signal(loop, SIGUSR2, count_turn, &second), 0);
    raise(SIGUSR1);
    settle();
    ck_assert_int_eq(first, 1);
    ck_assert_int_eq(second, 0);
    raise(SIGUSR2);
    raise(SIGUSR1);
    raise(SIGUSR1); /* a pending signal is not counted twice by the kernel */
    settle();
    ck_assert_int_eq(first, 2);
    ck_assert_int_eq(second, 1);
}
END_TEST

/* ---- ZeroMQ ---- */

/* Two ends of an inproc pair: the loop watches `near`, the test sends from `far`. */
struct wire {
    void *context, *near, *far;
    int calls;
    int received;
};

static struct wire wires[9];

static bool receive_one(struct wire *wire)
{
    char byte;
    if (zmq_recv(wire->near, &byte, 1, ZMQ_DONTWAIT) != 1)
        return false;
    wire->received++;
    return true;
}

static void receive_all(void *self)
{
    struct wire *wire = self;
    wire->calls++;
    while (receive_one(wire))
        ;
}

static void open_wire(struct wire *wire, void *context)
{
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "inproc://%p", (void *)wire);
    *wire = (struct wire){.near = zmq_socket(context, ZMQ_PAIR), .far = zmq_socket(context, ZMQ_PAIR)};
    ck_assert_int_eq(zmq_bind(wire->near, endpoint), 0);
    ck_assert_int_eq(zmq_connect(wire->far, endpoint), 0);
}

static void close_wire(struct wire *wire)
{
    zmq_close(wire->near);
    zmq_close(wire->far);
}

static void send_to_near(struct wire *wire)
{
    ck_assert_int_eq(zmq_send(wire->far, "x", 1, 0), 1);
}

START_TEST(messages_arrive_from_before_and_after_the_watch)
{
    void *context = zmq_ctx_new();
    open_wire(wires, context);
    send_to_near(wires);
    ck_assert_int_eq(loop_zmq_add(loop, wires->near, receive_all, wires), 0);
    settle();
    ck_assert_int_eq(wires->received, 1);
    for (int i = 0; i < 100; i++)
        send_to_near(wires);
    settle();
    ck_assert_int_eq(wires->received, 101);
    loop_zmq_remove(loop, wires->near);
    loop_zmq_remove(loop, wires->near);
    loop_zmq_touch(loop, wires->near); /* of one that is not watched: nothing */
    send_to_near(wires);
    settle();
    ck_assert_int_eq(wires->received, 101);
    close_wire(wires);
    zmq_ctx_term(context);
}
END_TEST

/* A message comes in, then a send takes note of it and so silences the descriptor: only the touch tells. */
static void cross(void *self)
{
    struct wire *wire = self;
    send_to_near(wire);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(zmq_send(wire->near, "x", 1, ZMQ_DONTWAIT), 1);
    int events;
    size_t length = sizeof events;
    zmq_getsockopt(wire->near, ZMQ_EVENTS, &events, &length); /* reads what the descriptor stood for */
    loop_zmq_touch(loop, wire->near);
}

START_TEST(a_touched_socket_is_asked_even_when_its_descriptor_is_silent)
{
    void *context = zmq_ctx_new();
    open_wire(wires, context);
    ck_assert_int_eq(loop_zmq_add(loop, wires->near, receive_all, wires), 0);
    settle();
    struct loop_timer timer = {0};
    loop_timer_set(loop, &timer, 0, cross, wires);
    settle();
    ck_assert_int_eq(wires->received, 1);
    loop_zmq_remove(loop, wires->near);
    close_wire(wires);
    zmq_ctx_term(context);
}
END_TEST

/* Each message that comes to the first goes on to the second, and is sent at the end of a turn. */
static void send_across(void *self)
{
    (void)self;
    if (turns++ > 0)
        return;
    send_to_near(&wires[0]);
    loop_zmq_touch(loop, wires[0].near);
}

static void forward(void *self)
{
    struct wire *wire = self;
    while (receive_one(wire)) {
        send_to_near(&wires[1]);
        loop_zmq_touch(loop, wires[1].near);
        loop_stop(loop);
    }
}

START_TEST(what_the_end_of_a_turn_touches_is_served_before_the_sleep)
{
    void *context = zmq_ctx_new();
    open_wire(&wires[0], context);
    open_wire(&wires[1], context);
    loop_zmq_add(loop, wires[1].near, receive_all, &wires[1]);
    loop_zmq_add(loop, wires[0].near, forward, &wires[0]);
    loop_each_turn(loop, send_across, NULL);
    struct loop_timer timer = {0};
    loop_timer_set(loop, &timer, 0, fire, timers); /* something to make a turn of */
    loop_run(loop);
    ck_assert_int_eq(wires[0].received, 1);
    ck_assert_int_eq(wires[1].received, 1);
    for (int i = 0; i < 2; i++) {
        loop_zmq_remove(loop, wires[i].near);
        close_wire(&wires[i]);
    }
    zmq_ctx_term(context);
}
END_TEST

/* Takes one message and says that there may be more. */
static void take_one(void *self)
{
    struct wire *wire = self;
    wire->calls++;
    receive_one(wire);
    loop_zmq_touch(loop, wire->near);
}

START_TEST(a_socket_that_is_never_empty_does_not_hold_up_the_rest)
{
    void *context = zmq_ctx_new();
    struct pair pair;
    open_pair(&pair);
    write_to(&pair);
    loop_add(loop, pair.fds[0], EPOLLIN, read_one, &pair);
    open_wire(wires, context);
    loop_zmq_add(loop, wires->near, take_one, wires);
    loop_each_turn(loop, count_turn, &turns);
    set_timer(0, 0);
    settle();
    ck_assert_str_eq(fired, "0");
    ck_assert_int_eq(pair.calls, 1);
    ck_assert_int_gt(turns, 1);
    ck_assert_int_gt(wires->calls, turns); /* and the turns in between did not sleep */
    loop_remove(loop, pair.fds[0]);
    close_pair(&pair);
    loop_zmq_remove(loop, wires->near);
    close_wire(wires);
    zmq_ctx_term(context);
}
END_TEST

static int64_t seen_first, seen_last;

/* Something is sent that is answered before the turn ends. */
static void look_twice(void *self)
{
    struct wire *wire = self;
    receive_all(wire);
    seen_last = loop_now(loop);
    if (wire->calls > 1)
        return;
    seen_first = seen_last;
    while (clock_now() - seen_first < 3 * MILLISECOND)
        ;
    loop_zmq_touch(loop, wire->near);
}

START_TEST(time_goes_on_while_a_turn_goes_round_its_sockets)
{
    void *context = zmq_ctx_new();
    open_wire(wires, context);
    loop_zmq_add(loop, wires->near, look_twice, wires);
    settle();
    ck_assert_int_eq(wires->calls, 2);
    ck_assert_int_ge(seen_last - seen_first, 3 * MILLISECOND);
    loop_zmq_remove(loop, wires->near);
    close_wire(wires);
    zmq_ctx_term(context);
}
END_TEST

static void remove_itself(void *self)
{
    struct wire *wire = self;
    receive_all(wire);
    loop_zmq_remove(loop, wire->near);
}

START_TEST(a_socket_may_go_inside_its_own_call)
{
    void *context = zmq_ctx_new();
    for (int i = 0; i < 2; i++) {
        open_wire(&wires[i], context);
        loop_zmq_add(loop, wires[i].near, remove_itself, &wires[i]);
        send_to_near(&wires[i]);
    }
    settle();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(wires[i].calls, 1);
        ck_assert_int_eq(wires[i].received, 1);
        close_wire(&wires[i]);
    }
    zmq_ctx_term(context);
}
END_TEST

START_TEST(there_is_room_for_eight_sockets)
{
    void *context = zmq_ctx_new();
    for (int i = 0; i < 9; i++) {
        open_wire(&wires[i], context);
        int added = loop_zmq_add(loop, wires[i].near, receive_all, &wires[i]);
        ck_assert_int_eq(added, i < 8 ? 0 : -1);
        ck_assert(i < 8 || errno == ENOSPC);
    }
    loop_zmq_remove(loop, wires[3].near);
    ck_assert_int_eq(loop_zmq_add(loop, wires[8].near, receive_all, &wires[8]), 0);
    for (int i = 0; i < 9; i++) {
        loop_zmq_remove(loop, wires[i].near);
        close_wire(&wires[i]);
    }
    ck_assert_int_eq(loop_zmq_add(loop, context, receive_all, wires), -1); /* no socket at all */
    zmq_ctx_term(context);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {timers_fire_in_the_order_of_their_deadlines,
                                  no_timer_fires_early,
                                  a_timer_may_set_and_cancel_others,
                                  a_stop_before_the_run_counts_once,
                                  each_turn_ends_with_its_calls,
                                  an_interrupted_sleep_is_no_error,
                                  what_becomes_ready_while_much_is_handled_belongs_to_the_turn,
                                  free_takes_null,
                                  a_ready_descriptor_is_called_with_its_events,
                                  what_was_removed_in_this_turn_is_not_called,
                                  an_old_event_does_not_reach_a_new_descriptor_of_the_same_number,
                                  what_the_kernel_does_not_watch_is_an_error,
                                  more_descriptors_than_a_turn_takes_are_all_served,
                                  signals_are_calls,
                                  messages_arrive_from_before_and_after_the_watch,
                                  a_touched_socket_is_asked_even_when_its_descriptor_is_silent,
                                  what_the_end_of_a_turn_touches_is_served_before_the_sleep,
                                  a_socket_that_is_never_empty_does_not_hold_up_the_rest,
                                  time_goes_on_while_a_turn_goes_round_its_sockets,
                                  a_socket_may_go_inside_its_own_call,
                                  there_is_room_for_eight_sockets};
    return SUITE_RUN("loop", set_up, tear_down, tests);
}
