/* test_connection_ends: clients that go, peers that are slow or idle, and the end of the process.
 * SPDX-License-Identifier: MIT */
#include "connection_scene.h"

#include <poll.h>

static int drained;

static void on_drained(void *self)
{
    ++*(int *)self;
}

START_TEST(an_answer_that_is_not_taken_is_given_up)
{
    start((const char *const[]){"frontend.write_timeout_ms=100", NULL});
    int lazy = make_lazy();
    WAIT_FOR(open_connections() == 0);
    close(lazy);
}
END_TEST

START_TEST(a_client_that_goes_is_cancelled)
{
    start(NULL);
    int fd = connect_here();
    make_prediction();
    send_request(fd);
    uint64_t id = expect_request(1);
    close(fd);
    WAIT_FOR(end_take_verb(&broker, letter, VERB_CANCEL));
    ck_assert_uint_eq(letter->envelope.id, id);
    WAIT_FOR(open_connections() == 0);
    ck_assert_uint_eq(refused("gone"), 1);
    reply(id, 1); /* nobody is there any more */
    WAIT_FOR(metrics_series(metrics, METRIC_CLIENT_LATE, NULL, NULL, NULL)->value == 1);
}
END_TEST

START_TEST(a_request_that_is_aborted_is_cancelled)
{
    start(NULL);
    int fd = connect_here();
    make_prediction();
    send_request(fd);
    uint64_t id = expect_request(1);
    request.length = 0;
    fastcgi_add(&request, FASTCGI_ABORT, NULL, 0);
    request.bytes[3] = 2; /* of another request: not ours */
    send_request(fd);
    request.bytes[3] = 1;
    request.length = 4; /* not whole */
    send_request(fd);
    for (int i = 0; i < 10; i++)
        turn_loop();
    ck_assert_uint_eq(open_connections(), 1);
    close(fd);
    WAIT_FOR(end_take_verb(&broker, letter, VERB_CANCEL));
    ck_assert_uint_eq(letter->envelope.id, id);

    fd = connect_here();
    make_prediction();
    send_request(fd);
    id = expect_request(1);
    request.length = 0;
    fastcgi_add(&request, FASTCGI_ABORT, NULL, 0);
    send_request(fd);
    WAIT_FOR(end_take_verb(&broker, letter, VERB_CANCEL));
    ck_assert_uint_eq(letter->envelope.id, id);
    expect_closed(fd);
    ck_assert_uint_eq(refused("gone"), 2);
}
END_TEST

START_TEST(a_client_that_is_gone_before_its_request_is_read_costs_nobody)
{
    start(NULL);
    int fd = connect_here(), other = connect_here();
    WAIT_FOR(open_connections() == 2);
    make_prediction();
    send_bytes(fd, request.bytes, request.length);
    close(fd);
    predict_over(other); /* whose request is the first that the broker hears of */
    WAIT_FOR(open_connections() == 1);
    close(other);
}
END_TEST

START_TEST(a_client_that_goes_while_the_lane_works_is_forgotten)
{
    start((const char *const[]){"frontend.large_body_bytes=4096", NULL});
    for (int i = 0; i < 10; i++) {
        int fd = connect_here();
        make_large();
        send_request(fd);
        close(fd); /* whenever the lane has it */
        WAIT_FOR(open_connections() == 0);
    }
    int fd = connect_here();
    make_large();
    send_request(fd);
    WAIT_FOR(end_take_verb(&broker, letter, VERB_REQUEST));
    while (end_take_verb(&broker, letter, VERB_REQUEST))
        ;
    close(fd);
    WAIT_FOR(open_connections() == 0);
}
END_TEST

START_TEST(slow_and_idle_peers_are_closed)
{
    start((const char *const[]){"frontend.read_timeout_ms=100", "frontend.idle_timeout_ms=1000", NULL});
    int slow = connect_here(), idle = connect_here();
    make_prediction();
    send_bytes(slow, request.bytes, 20);
    expect_closed(slow);
    ck_assert_uint_eq(refused("slow"), 1);
    ck_assert_uint_eq(open_connections(), 1);
    expect_closed(idle);
    ck_assert_uint_eq(refused("slow"), 1); /* which is nothing to complain of */
}
END_TEST

static void expect_closed_already(int fd)
{
    ck_assert(fastcgi_read(&answer, fd) && answer.closed);
    expect_closed(fd);
}

/* Of two slow ones the one that began its request first is closed first, however long the other was idle. */
START_TEST(a_slow_request_has_its_time_from_its_own_beginning_on)
{
    start((const char *const[]){"frontend.read_timeout_ms=700", NULL});
    int kept = connect_here(), mark = connect_here();
    make_prediction();
    send_bytes(mark, request.bytes, 20);
    WAIT_FOR(open_connections() == 2);
    expect_closed(mark); /* as long as that `kept` was idle */
    int early = connect_here();
    send_bytes(early, request.bytes, 20);
    WAIT_FOR(open_connections() == 2);
    send_bytes(kept, request.bytes, 20);
    WAIT_FOR(refused("slow") > 1);
    expect_closed_already(early);
    expect_closed(kept);
    ck_assert_uint_eq(refused("slow"), 3);
}
END_TEST

/* Idleness begins with the answer, and a request that takes longer than that is no idleness. */
START_TEST(a_connection_is_idle_from_its_answer_on)
{
    start((const char *const[]){"frontend.idle_timeout_ms=3000", NULL});
    int asking = connect_here(), mark = connect_here();
    make_prediction();
    send_request(asking);
    uint64_t id = expect_request(1);
    WAIT_FOR(open_connections() == 2);
    expect_closed(mark);
    ck_assert_uint_eq(open_connections(), 1); /* the one that waits for the broker is still there */
    int early = connect_here();
    WAIT_FOR(open_connections() == 2);
    reply(id, 1);
    expect_status(asking, 200);
    WAIT_FOR(open_connections() < 2);
    expect_closed_already(early);
    expect_closed(asking);
}
END_TEST

START_TEST(draining_finishes_what_is_under_way_and_accepts_no_more)
{
    start(NULL);
    int idle = connect_here(), busy = connect_here(), gone = connect_here(), fresh = connect_here();
    predict_over(idle);
    predict_over(busy);
    WAIT_FOR(open_connections() == 4);
    make_prediction();
    send_request(busy);
    uint64_t id = expect_request(1);
    close(gone); /* in the very turn of the drain */
    connections_drain(connections, on_drained, &drained);
    int late = connect_here();
    expect_closed(idle);
    ck_assert_uint_eq(open_connections(), 2);
    fastcgi_next(&answer);
    reply(id, 1);
    expect_status(busy, 200);
    expect_closed(busy);
    ck_assert_int_eq(drained, 0);
    make_prediction(); /* the first request of a connection is waited for */
    send_request(fresh);
    reply(expect_request(1), 1);
    expect_status(fresh, 200);
    expect_closed(fresh);
    WAIT_FOR(drained == 1);
    struct pollfd silent = {.fd = late, .events = POLLIN};
    ck_assert_int_eq(poll(&silent, 1, 0), 0); /* it waits in the backlog, for another process */
    close(late);
}
END_TEST

START_TEST(draining_with_nothing_open_ends_at_once)
{
    start(NULL);
    connections_drain(connections, on_drained, &drained);
    ck_assert_int_eq(drained, 1);
    connections_free(NULL);
}
END_TEST

START_TEST(the_end_frees_connections_in_every_state)
{
    start((const char *const[]){"frontend.large_body_bytes=4096", NULL});
    int fds[4];
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = connect_here();
    make_prediction();
    send_request(fds[1]); /* with the broker */
    expect_request(1);
    send_bytes(fds[2], request.bytes, 30); /* in the spool */
    make_large();
    send_request(fds[3]); /* perhaps with the lane */
    turn_loop();
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_answer_that_is_not_taken_is_given_up,
                                  a_client_that_goes_is_cancelled,
                                  a_request_that_is_aborted_is_cancelled,
                                  a_client_that_is_gone_before_its_request_is_read_costs_nobody,
                                  a_client_that_goes_while_the_lane_works_is_forgotten,
                                  slow_and_idle_peers_are_closed,
                                  a_slow_request_has_its_time_from_its_own_beginning_on,
                                  a_connection_is_idle_from_its_answer_on,
                                  draining_finishes_what_is_under_way_and_accepts_no_more,
                                  draining_with_nothing_open_ends_at_once,
                                  the_end_frees_connections_in_every_state};
    return SUITE_RUN("connection_ends", set_up, tear_down, tests);
}
