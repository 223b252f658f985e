/* test_fcgi: libfcgi with the bytes of a whole request: what it reads, what it writes, and what it makes of
 * requests that are framed well and wrong inside. SPDX-License-Identifier: MIT */
#include "fastcgi.h"
#include "fcgi.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct fcgi *fcgi;
static int ends[2]; /* [0] is ours, [1] the web server's */
static struct fastcgi_request request;
static struct fastcgi_answer answer;

static void set_up(void)
{
    ck_assert(fcgi_init());
    fcgi = fcgi_new();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static void tear_down(void)
{
    fcgi_free(fcgi);
    close(ends[0]);
    close(ends[1]);
}

/* ---- the web server's part ---- */

/* A request with two parameters. */
static void make_request(uint8_t flags, const char *body)
{
    fastcgi_begin(&request, FASTCGI_RESPONDER, flags);
    fastcgi_parameter(&request, "NAME", "one");
    fastcgi_parameter(&request, "OTHER", "");
    fastcgi_body(&request, body, strlen(body));
}

static bool open_request(void)
{
    return fcgi_open(fcgi, request.bytes, request.length);
}

/* The whole answer, which fcgi_close has written before this is called. */
static const char *read_answer(void)
{
    fastcgi_next(&answer);
    ck_assert(fastcgi_read(&answer, ends[1]) && answer.ended);
    return answer.text;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1 || errno != EBADF;
}

/* ---- tests ---- */

static void check_request(const char *expected)
{
    char body[64] = "";
    char **parameters = fcgi_parameters(fcgi);
    bool name = false, other = false;
    for (size_t i = 0; parameters[i] != NULL; i++) {
        name = name || strcmp(parameters[i], "NAME=one") == 0;
        other = other || strcmp(parameters[i], "OTHER=") == 0;
    }
    ck_assert(name && other);
    ck_assert_int_eq(fcgi_read_body(fcgi, body, sizeof body), (int64_t)strlen(expected));
    ck_assert_str_eq(body, expected);
}

START_TEST(a_request_is_read_and_answered)
{
    make_request(FASTCGI_KEEP, "hello");
    ck_assert(open_request());
    check_request("hello");
    ck_assert(fcgi_close(fcgi, ends[0], "Status: 200\r\n\r\n", 15, "world", 5));
    ck_assert_str_eq(read_answer(), "Status: 200\r\n\r\nworld");
    ck_assert(is_open(ends[0]));
}
END_TEST

START_TEST(nothing_of_a_request_shows_in_the_next)
{
    make_request(FASTCGI_KEEP, "a rather long body");
    ck_assert(open_request());
    check_request("a rather long body");
    ck_assert(fcgi_close(fcgi, ends[0], "first", 5, NULL, 0));
    ck_assert_str_eq(read_answer(), "first");
    make_request(FASTCGI_KEEP, "");
    ck_assert(open_request());
    memset(request.bytes, 'x', request.length); /* the parameters have been copied; the body is still there */
    ck_assert_ptr_nonnull(fcgi_parameters(fcgi));
    ck_assert(fcgi_close(fcgi, ends[0], "second", 6, NULL, 0));
    ck_assert_str_eq(read_answer(), "second");
}
END_TEST

/* As the side lane has it: read in one thread, answered in another, while that one is at another request. */
START_TEST(two_requests_are_under_way_at_a_time)
{
    struct fcgi *other = fcgi_new();
    make_request(FASTCGI_KEEP, "hello");
    ck_assert(open_request());
    ck_assert(fcgi_open(other, request.bytes, request.length));
    check_request("hello");
    char body[64] = "";
    ck_assert_int_eq(fcgi_read_body(other, body, sizeof body), 5);
    ck_assert_str_eq(body, "hello");
    ck_assert(fcgi_close(other, ends[0], "other", 5, NULL, 0));
    ck_assert_str_eq(read_answer(), "other");
    ck_assert(fcgi_close(fcgi, ends[0], "one", 3, NULL, 0));
    ck_assert_str_eq(read_answer(), "one");
    fcgi_free(other);
}
END_TEST

/* Larger than what libfcgi reads at a time: it comes back for more while the other request is open. */
START_TEST(two_requests_keep_apart_what_they_read_and_write)
{
    static char bodies[2][20000], read[20000];
    static struct fastcgi_request requests[2];
    struct fcgi *both[2] = {fcgi, fcgi_new()};
    int others[2], *sockets[2] = {ends, others};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, others), 0);
    for (int i = 0; i < 2; i++) {
        memset(bodies[i], 'a' + i, sizeof bodies[i]);
        fastcgi_begin(&requests[i], FASTCGI_RESPONDER, FASTCGI_KEEP);
        fastcgi_body(&requests[i], bodies[i], sizeof bodies[i]);
        ck_assert(fcgi_open(both[i], requests[i].bytes, requests[i].length));
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(fcgi_read_body(both[i], read, sizeof read), sizeof read);
        ck_assert_mem_eq(read, bodies[i], sizeof read);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert(fcgi_close(both[i], sockets[i][0], "to ", 3, i == 0 ? "one" : "two", 3));
        fastcgi_next(&answer);
        ck_assert(fastcgi_read(&answer, sockets[i][1]) && answer.ended);
        ck_assert_str_eq(answer.text, i == 0 ? "to one" : "to two");
    }
    fcgi_free(both[1]);
    close(others[0]);
    close(others[1]);
}
END_TEST

START_TEST(many_requests_go_over_one_connection)
{
    for (int i = 0; i < 50; i++) {
        make_request(FASTCGI_KEEP, i % 2 == 0 ? "even" : "odd");
        ck_assert(open_request());
        check_request(i % 2 == 0 ? "even" : "odd");
        ck_assert(fcgi_close(fcgi, ends[0], "answer", 6, NULL, 0));
        ck_assert_str_eq(read_answer(), "answer");
    }
}
END_TEST

START_TEST(the_web_server_may_want_the_connection_closed)
{
    make_request(0, "");
    ck_assert(open_request());
    check_request("");
    ck_assert(!fcgi_close(fcgi, ends[0], "x", 1, NULL, 0));
    ck_assert_str_eq(read_answer(), "x");
    ck_assert(is_open(ends[0])); /* which is its owner's to do */
}
END_TEST

START_TEST(a_body_that_does_not_fit_is_read_to_its_end)
{
    static char body[150000], room[200];
    memset(body, 'b', sizeof body);
    fastcgi_begin(&request, FASTCGI_RESPONDER, FASTCGI_KEEP);
    fastcgi_body(&request, body, sizeof body);
    memset(room, '.', sizeof room);
    ck_assert(open_request());
    ck_assert_int_eq(fcgi_read_body(fcgi, room, 100), sizeof body);
    ck_assert(room[0] == 'b' && room[99] == 'b' && room[100] == '.');
    ck_assert(fcgi_close(fcgi, ends[0], "x", 1, NULL, 0));
    ck_assert_str_eq(read_answer(), "x");
    make_request(FASTCGI_KEEP, "next"); /* and is not taken for the next request */
    ck_assert(open_request());
    check_request("next");
}
END_TEST

START_TEST(a_body_that_is_broken_off_is_none)
{
    char body[64];
    make_request(FASTCGI_KEEP, "hello");
    request.length -= 8 + 2; /* without its end, and two bytes short */
    ck_assert(open_request());
    ck_assert_int_eq(fcgi_read_body(fcgi, body, sizeof body), -1);
}
END_TEST

START_TEST(a_large_answer_is_written_whole)
{
    static char body[100000];
    memset(body, 'b', sizeof body - 1);
    make_request(FASTCGI_KEEP, "");
    ck_assert(open_request());
    check_request("");
    ck_assert(fcgi_close(fcgi, ends[0], "head", 4, body, sizeof body - 1));
    ck_assert_uint_eq(strlen(read_answer()), 4 + sizeof body - 1);
    ck_assert_str_eq(answer.text + 4, body);
}
END_TEST

START_TEST(a_peer_that_went_is_no_signal)
{
    signal(SIGPIPE, SIG_DFL); /* whatever libfcgi makes of it */
    make_request(FASTCGI_KEEP, "");
    ck_assert(open_request());
    check_request("");
    close(ends[1]);
    ends[1] = dup(ends[0]);
    ck_assert(!fcgi_close(fcgi, ends[0], "x", 1, NULL, 0));
}
END_TEST

START_TEST(a_request_may_be_dropped)
{
    make_request(FASTCGI_KEEP, "hello");
    ck_assert(open_request());
    fcgi_drop(fcgi);
    fcgi_drop(fcgi);
    ck_assert(is_open(ends[0]));
    ck_assert(open_request()); /* freed while it is open */
}
END_TEST

/* Gives the request another number than the 1 of its records, and looks for it in those of the answer. */
static void renumber(uint16_t number)
{
    for (size_t at = 0; at < request.length;) {
        uint8_t *header = request.bytes + at;
        header[2] = (uint8_t)(number >> 8);
        header[3] = (uint8_t)number;
        at += 8 + (size_t)(header[4] << 8 | header[5]) + header[6];
    }
}

static void check_number(uint16_t number)
{
    uint8_t bytes[256];
    ssize_t length = recv(ends[1], bytes, sizeof bytes, MSG_DONTWAIT);
    ck_assert_int_ge(length, 8);
    for (ssize_t at = 0; at < length;) {
        const uint8_t *header = bytes + at;
        ck_assert_int_eq(header[2] << 8 | header[3], number);
        at += 8 + (header[4] << 8 | header[5]) + header[6];
    }
}

START_TEST(a_request_that_was_put_down_is_answered_like_any_other)
{
    make_request(FASTCGI_KEEP, "hello");
    ck_assert(open_request());
    check_request("hello");
    fcgi_put_down(fcgi);
    memset(request.bytes, 'x', request.length);
    ck_assert(fcgi_close(fcgi, ends[0], "head ", 5, "body", 4));
    ck_assert_str_eq(read_answer(), "head body");
    make_request(FASTCGI_KEEP, "next");
    ck_assert(open_request());
    check_request("next");
}
END_TEST

START_TEST(a_request_that_was_put_down_keeps_its_number)
{
    for (int down = 0; down < 2; down++) {
        make_request(FASTCGI_KEEP, "hello");
        renumber(0x1234);
        ck_assert(open_request());
        if (down)
            fcgi_put_down(fcgi);
        ck_assert(fcgi_close(fcgi, ends[0], "x", 1, NULL, 0));
        check_number(0x1234);
    }
}
END_TEST

START_TEST(a_request_that_was_put_down_knows_that_the_connection_is_to_be_closed)
{
    make_request(0, "");
    ck_assert(open_request());
    fcgi_put_down(fcgi);
    fcgi_put_down(fcgi);
    ck_assert(!fcgi_close(fcgi, ends[0], "x", 1, NULL, 0));
    ck_assert_str_eq(read_answer(), "x");
}
END_TEST

START_TEST(a_request_that_was_put_down_may_be_dropped)
{
    make_request(FASTCGI_KEEP, "hello");
    ck_assert(open_request());
    fcgi_put_down(fcgi);
    fcgi_drop(fcgi);
    ck_assert(open_request());
    fcgi_put_down(fcgi); /* and freed */
}
END_TEST

START_TEST(requests_that_wait_hold_no_buffers)
{
    enum { COUNT = 64 };
    struct fcgi *waiting[COUNT];
    for (int i = 0; i < COUNT; i++)
        waiting[i] = fcgi_new();
    make_request(FASTCGI_KEEP, "hello");
    size_t before = mallinfo2().uordblks; /* a sanitizer says 0 */
    for (int i = 0; i < COUNT; i++) {
        ck_assert(fcgi_open(waiting[i], request.bytes, request.length));
        fcgi_put_down(waiting[i]);
    }
    ck_assert_uint_lt(mallinfo2().uordblks, before + (size_t)COUNT * 1024);
    for (int i = 0; i < COUNT; i++)
        fcgi_free(waiting[i]);
}
END_TEST

/* Parameters that are not what their lengths say. (Those that claim more than a request may have come no
 * further than scan.c: libfcgi would abort.) */
static const struct {
    const char *bytes;
    size_t length;
} malformed[] = {
    {"\x05\x05NAME", 6}, {"\x01", 1}, {"\x80\x00", 2}, {"\x7f\x7f", 2}, {"\x80\x01\x00\x00\x00", 5}};

START_TEST(malformed_parameters_are_no_request)
{
    for (size_t i = 0; i < COUNT_OF(malformed); i++) {
        fastcgi_begin(&request, FASTCGI_RESPONDER, FASTCGI_KEEP);
        fastcgi_add(&request, FASTCGI_PARAMS, malformed[i].bytes, malformed[i].length);
        fastcgi_body(&request, "", 0);
        ck_assert_msg(!open_request(), "case %zu", i);
        ck_assert(is_open(ends[0]));
    }
    make_request(FASTCGI_KEEP, "good"); /* the next one is read as if nothing had been */
    ck_assert(open_request());
    check_request("good");
}
END_TEST

START_TEST(an_unknown_role_is_no_request)
{
    fastcgi_begin(&request, 77, FASTCGI_KEEP);
    fastcgi_body(&request, "", 0);
    ck_assert(!open_request());
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_request_is_read_and_answered,
                                  nothing_of_a_request_shows_in_the_next,
                                  two_requests_are_under_way_at_a_time,
                                  two_requests_keep_apart_what_they_read_and_write,
                                  many_requests_go_over_one_connection,
                                  the_web_server_may_want_the_connection_closed,
                                  a_body_that_does_not_fit_is_read_to_its_end,
                                  a_body_that_is_broken_off_is_none,
                                  a_large_answer_is_written_whole,
                                  a_peer_that_went_is_no_signal,
                                  a_request_may_be_dropped,
                                  a_request_that_was_put_down_is_answered_like_any_other,
                                  a_request_that_was_put_down_keeps_its_number,
                                  a_request_that_was_put_down_knows_that_the_connection_is_to_be_closed,
                                  a_request_that_was_put_down_may_be_dropped,
                                  requests_that_wait_hold_no_buffers,
                                  malformed_parameters_are_no_request,
                                  an_unknown_role_is_no_request};
    return SUITE_RUN("fcgi", set_up, tear_down, tests);
}
