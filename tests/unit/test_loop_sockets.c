/* test_loop_sockets: the edge-triggered ways of ZeroMQ's sockets. SPDX-License-Identifier: MIT */
#include "loop_scene.h"

#include <errno.h>
#include <stdio.h>
#include <zmq.h>

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
    const TTest *const tests[] = {messages_arrive_from_before_and_after_the_watch,
                                  a_touched_socket_is_asked_even_when_its_descriptor_is_silent,
                                  what_the_end_of_a_turn_touches_is_served_before_the_sleep,
                                  a_socket_that_is_never_empty_does_not_hold_up_the_rest,
                                  time_goes_on_while_a_turn_goes_round_its_sockets,
                                  a_socket_may_go_inside_its_own_call,
                                  there_is_room_for_eight_sockets};
    return SUITE_RUN("loop_sockets", set_up, tear_down, tests);
}
