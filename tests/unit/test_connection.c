/* test_connection: how requests come in over connections, in whatever pieces, and which are refused; how many
 * connections there may be. SPDX-License-Identifier: MIT */
#include "connection_scene.h"

#include <poll.h>
#include <sys/resource.h>

START_TEST(a_kept_connection_serves_one_request_after_the_other)
{
    start(NULL);
    int fd = connect_here();
    for (int i = 0; i < 10; i++)
        predict_over(fd);
    make_request("GET", "/health", "", 0);
    send_request(fd);
    expect_status(fd, 200);
    ck_assert_uint_eq(open_connections(), 1);
    close(fd);
    WAIT_FOR(open_connections() == 0);
}
END_TEST

START_TEST(a_connection_that_is_not_kept_is_closed_after_its_answer)
{
    start(NULL);
    int fd = connect_here();
    make_prediction();
    request.bytes[8 + 2] = 0; /* the flag in BEGIN */
    send_request(fd);
    reply(expect_request(1), 1);
    expect_status(fd, 200);
    expect_closed(fd);
}
END_TEST

START_TEST(a_request_may_come_in_any_pieces)
{
    start(NULL);
    int fd = connect_here();
    make_prediction();
    for (size_t piece = 1; piece < 100; piece = piece * 3 + 1) {
        fastcgi_next(&answer);
        for (size_t at = 0; at < request.length; at += piece) {
            send_bytes(fd, request.bytes + at, request.length - at < piece ? request.length - at : piece);
            turn_loop();
        }
        reply(expect_request(1), 1);
        expect_status(fd, 200);
    }
    close(fd);
}
END_TEST

START_TEST(a_request_that_comes_early_is_served_when_its_turn_comes)
{
    start((const char *const[]){"frontend.large_body_bytes=4096", "frontend.write_timeout_ms=60000", NULL});
    int lazy[] = {make_lazy(), make_lazy()}, fd = connect_here(); /* the lane has no thread free */
    make_prediction();
    send_request(fd);
    uint64_t first = expect_request(1);
    send_bytes(fd, request.bytes, request.length); /* while the broker has the first */
    turn_loop();
    reply(first, 1);
    expect_status(fd, 200);
    fastcgi_next(&answer);
    reply(expect_request(1), 1);
    expect_status(fd, 200);
    make_large();
    send_request(fd);
    turn_loop();
    make_prediction();
    send_bytes(fd, request.bytes, request.length); /* while the lane has it, or will */
    turn_loop();
    for (size_t i = 0; i < COUNT_OF(lazy); i++) {
        fastcgi_next(&answer);
        expect_status(lazy[i], 200);
        close(lazy[i]);
    }
    fastcgi_next(&answer);
    reply(expect_request(LARGE_ROWS), LARGE_ROWS);
    expect_answer(fd); /* printed by the lane */
    fastcgi_next(&answer);
    reply(expect_request(1), 1);
    expect_status(fd, 200);
    close(fd);
}
END_TEST

START_TEST(a_body_that_is_too_large_is_read_and_refused)
{
    static char body[300000];
    memset(body, ' ', sizeof body);
    start((const char *const[]){"frontend.max_body_bytes=70000", "frontend.large_body_bytes=4096", NULL});
    int fd = connect_here();
    make_request("POST", "/api/v1/predict", body, sizeof body);
    send_request(fd);
    expect_status(fd, 413);
    predict_over(fd); /* nothing of it was taken for the next request */
    close(fd);
}
END_TEST

START_TEST(a_body_that_is_too_large_takes_no_room)
{
    static char body[300000];
    memset(body, ' ', sizeof body);
    start((const char *const[]){"frontend.max_body_bytes=70000", "frontend.max_spool_bytes=1048576", NULL});
    int large[8];
    make_request("POST", "/api/v1/predict", body, sizeof body);
    for (size_t i = 0; i < COUNT_OF(large); i++) {
        large[i] = connect_here();
        send_bytes(large[i], request.bytes, request.length - 1);
        turn_loop();
    }
    int exact = connect_here();
    make_request("POST", "/api/v1/predict", body, 70000);
    send_request(exact);
    expect_status(exact, 400); /* read and understood: it is no JSON */
    make_request("POST", "/api/v1/predict", body, sizeof body);
    for (size_t i = 0; i < COUNT_OF(large); i++) {
        fastcgi_next(&answer);
        send_bytes(large[i], request.bytes + request.length - 1, 1);
        expect_status(large[i], 413);
    }
    make_prediction(); /* in pieces, over a connection that was refused before */
    fastcgi_next(&answer);
    send_bytes(large[0], request.bytes, 100);
    turn_loop();
    send_bytes(large[0], request.bytes + 100, request.length - 100);
    reply(expect_request(1), 1);
    expect_status(large[0], 200);
    for (size_t i = 0; i < COUNT_OF(large); i++)
        close(large[i]);
    close(exact);
}
END_TEST

START_TEST(where_not_even_the_parameters_find_room_the_connection_is_closed)
{
    static char body[300000], name[128];
    memset(body, ' ', sizeof body);
    memset(name, 'x', sizeof name - 1);
    start((const char *const[]){"frontend.max_params_bytes=1048576", "frontend.max_body_bytes=1048576",
                                "frontend.max_spool_bytes=1048576", NULL});
    int slow = connect_here(), half = connect_here(), many = connect_here();
    make_request("POST", "/api/v1/predict", body, sizeof body);
    send_bytes(slow, request.bytes, 40);
    WAIT_FOR(open_connections() == 3);
    send_bytes(half, request.bytes, request.length - 1); /* takes half of the room */
    for (int i = 0; i < 10; i++)
        turn_loop();
    fastcgi_begin(&request, FASTCGI_RESPONDER, FASTCGI_KEEP);
    while (request.length < 300000)
        fastcgi_parameter(&request, name, "");
    send_bytes(many, request.bytes,
               262144); /* a quarter; twice that would be too much, because of the slow one */
    for (int i = 0; i < 10; i++)
        turn_loop();
    ck_assert_uint_eq(open_connections(), 3);
    send_bytes(many, request.bytes + 262144, 100);
    expect_closed(many);
    ck_assert_uint_eq(refused("room"), 1);
    ck_assert_uint_eq(refused("form"), 0);
    make_request("POST", "/api/v1/predict", body, sizeof body);
    fastcgi_next(&answer);
    send_bytes(half, request.bytes + request.length - 1, 1);
    expect_status(half, 400);
    close(half);
    close(slow);
}
END_TEST

START_TEST(a_body_for_which_there_is_no_room_is_read_and_refused)
{
    static char body[300000];
    memset(body, ' ', sizeof body);
    start((const char *const[]){"frontend.max_body_bytes=1048576", "frontend.max_spool_bytes=1048576", NULL});
    int fds[8];
    make_request("POST", "/api/v1/predict", body, sizeof body);
    for (size_t i = 0; i < COUNT_OF(fds); i++) { /* all of them begin, and there is room for that */
        fds[i] = connect_here();
        send_bytes(fds[i], request.bytes, 4000);
    }
    WAIT_FOR(open_connections() == COUNT_OF(fds));
    for (size_t i = 0; i < COUNT_OF(fds); i++) /* all but the end of each: more than the spool may hold */
        send_bytes(fds[i], request.bytes + 4000, request.length - 4001);
    int too_many = 0;
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fastcgi_next(&answer);
        send_bytes(fds[i], request.bytes + request.length - 1, 1);
        WAIT_FOR(fastcgi_read(&answer, fds[i]));
        too_many += strncmp(answer.text, "Status: 503", 11) == 0;
        close(fds[i]);
    }
    ck_assert_int_gt(too_many, 0);
    ck_assert_int_lt(too_many, 8);
    int fd = connect_here();
    predict_over(fd);
    close(fd);
}
END_TEST

START_TEST(a_body_that_is_shorter_than_its_length_says_is_never_run)
{
    start(NULL);
    int fd = connect_here();
    fastcgi_begin(&request, FASTCGI_RESPONDER, FASTCGI_KEEP);
    fastcgi_parameter(&request, "REQUEST_METHOD", "POST");
    fastcgi_parameter(&request, "REQUEST_URI", "/api/v1/predict");
    fastcgi_parameter(&request, "CONTENT_TYPE", "application/json");
    fastcgi_parameter(&request, "CONTENT_LENGTH", "20");
    fastcgi_body(&request, "", 0); /* as web servers try a request again */
    send_request(fd);
    expect_status(fd, 400);
    predict_over(fd);
    close(fd);
}
END_TEST

START_TEST(what_is_no_request_closes_the_connection)
{
    start(NULL);
    static const char *const others[] = {"GET / HTTP/1.1\r\n", "\1\x09\0\0\0\0\0\0........"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        int fd = connect_here();
        send_bytes(fd, (const uint8_t *)others[i], 16);
        expect_closed(fd);
        ck_assert_uint_eq(refused("form"), 1 + i);
    }
    int fd = connect_here(); /* a request, and one more byte before the answer */
    make_prediction();
    send_bytes(fd, request.bytes, request.length - 8);
    send_bytes(fd, (const uint8_t *)"\1\5\0\1\0\0\0\0\1", 9);
    expect_closed(fd);
}
END_TEST

START_TEST(more_parameters_than_the_limit_close_the_connection)
{
    start((const char *const[]){"frontend.max_params_bytes=4096", NULL});
    static char name[128];
    memset(name, 'x', sizeof name - 1);
    int fd = connect_here();
    fastcgi_begin(&request, FASTCGI_RESPONDER, FASTCGI_KEEP);
    for (int i = 0; i < 40; i++)
        fastcgi_parameter(&request, name, "");
    fastcgi_body(&request, "", 0);
    send_bytes(fd, request.bytes, request.length);
    expect_closed(fd);
    ck_assert_uint_eq(refused("form"), 1);
}
END_TEST

START_TEST(parameters_that_break_off_close_the_connection)
{
    start((const char *const[]){"frontend.large_body_bytes=4096", NULL});
    static char body[10000];
    for (size_t length = 0; length <= sizeof body;
         length += sizeof body) { /* in the loop, and for the lane */
        int fd = connect_here();
        fastcgi_begin(&request, FASTCGI_RESPONDER, FASTCGI_KEEP);
        fastcgi_add(&request, FASTCGI_PARAMS, "\4\3NAMEon", 8);
        fastcgi_body(&request, body, length);
        send_bytes(fd, request.bytes, 40);
        expect_closed(fd);
    }
    ck_assert_uint_eq(refused("form"), 2);
}
END_TEST

START_TEST(without_descriptors_connections_wait)
{
    start(NULL);
    struct rlimit limit;
    int fd = connect_here(), unused = dup(fd);
    close(unused);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)unused; /* not one more */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < 10; i++)
        turn_loop();
    ck_assert_uint_eq(open_connections(), 0);
    limit.rlim_cur = before;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    predict_over(fd);
    close(fd);
}
END_TEST

START_TEST(no_more_connections_than_the_bound_are_accepted)
{
    enum { MANY = 20 };
    start((const char *const[]){"frontend.max_connections=16", NULL});
    int fds[MANY];
    for (int i = 0; i < MANY; i++)
        fds[i] = connect_here(); /* the others wait in the backlog */
    WAIT_FOR(open_connections() == 16);
    for (int i = 0; i < 10; i++)
        turn_loop();
    ck_assert_uint_eq(open_connections(), 16);
    for (int i = 0; i < 16; i++)
        close(fds[i]);
    predict_over(fds[MANY - 1]);
    for (int i = 16; i < MANY; i++)
        close(fds[i]);
    WAIT_FOR(open_connections() == 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_kept_connection_serves_one_request_after_the_other,
                                  a_connection_that_is_not_kept_is_closed_after_its_answer,
                                  a_request_may_come_in_any_pieces,
                                  a_request_that_comes_early_is_served_when_its_turn_comes,
                                  a_body_that_is_too_large_is_read_and_refused,
                                  a_body_that_is_too_large_takes_no_room,
                                  where_not_even_the_parameters_find_room_the_connection_is_closed,
                                  a_body_for_which_there_is_no_room_is_read_and_refused,
                                  a_body_that_is_shorter_than_its_length_says_is_never_run,
                                  what_is_no_request_closes_the_connection,
                                  more_parameters_than_the_limit_close_the_connection,
                                  parameters_that_break_off_close_the_connection,
                                  without_descriptors_connections_wait,
                                  no_more_connections_than_the_bound_are_accepted};
    return SUITE_RUN("connection", set_up, tear_down, tests);
}
