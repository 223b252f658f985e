/* test_access: which requests have a line, and what stands in it. SPDX-License-Identifier: MIT */
#include "access.h"
#include "clock.h"
#include "log.h"
#include "suite.h"

#include <sys/socket.h>
#include <unistd.h>
#include <yyjson.h>

static int saved_stderr, reader;
static struct config config;
static struct metrics *metrics;
static struct access *access_lines;
static struct api_call call;
static struct http_response response;

static void open_access(int64_t per_mille, bool client_address)
{
    access_free(access_lines);
    config = (struct config){.log_access_per_mille = per_mille, .log_client_address = client_address};
    access_lines = access_new(&config, metrics);
}

static void set_up(void)
{
    int pair[2];
    saved_stderr = dup(STDERR_FILENO);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
    reader = pair[0];
    dup2(pair[1], STDERR_FILENO);
    close(pair[1]);
    log_open("frontend.1", "info");
    log_shape("json");
    metrics = metrics_new(NULL);
    call = (struct api_call){.call = CALL_PREDICT, .id = "r1", .received = 1, .duration = 1500 * MICROSECOND};
    call.calling.pattern = "/api/v1/models/*/predict";
    call.calling.method = HTTP_POST;
    call.calling.bytes = 70;
    call.trace.id[15] = 0xff;
    response = (struct http_response){.status = 200, .lot = 500};
}

static void tear_down(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(reader);
    access_free(access_lines);
    metrics_free(metrics);
}

/* The line of the call as it is; NULL: it has none. The caller frees it. */
static yyjson_doc *line(void)
{
    char text[8192];
    access_end(access_lines, &call, &response);
    log_settle();
    ssize_t length = recv(reader, text, sizeof text, 0);
    return length <= 0 ? NULL : yyjson_read(text, (size_t)length, 0);
}

static bool has_line(void)
{
    yyjson_doc *document = line();
    bool has = document != NULL;
    yyjson_doc_free(document);
    return has;
}

static void expect_text(yyjson_doc *document, const char *name, const char *expected)
{
    yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(document), name);
    ck_assert_msg(yyjson_equals_str(value, expected), "%s", name);
}

static void expect_number(yyjson_doc *document, const char *name, int64_t expected)
{
    yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(document), name);
    ck_assert_msg(yyjson_is_int(value) && yyjson_get_sint(value) == expected, "%s", name);
}

START_TEST(a_line_says_what_the_request_was)
{
    const struct catalog_model model = {.name = (char *)"m"};
    open_access(1000, false);
    call.model = &model;
    call.ask.rows = 3;
    strcpy(call.answered_version, "2");
    call.calling.sent_at = 1;
    call.calling.queue_us = 11;
    call.calling.compute_us = 22;
    call.calling.batch_rows = 33;
    yyjson_doc *document = line();
    ck_assert_ptr_nonnull(document);
    expect_text(document, "level", "info");
    expect_text(document, "request", "r1");
    expect_text(document, "trace", "000000000000000000000000000000ff");
    expect_text(document, "method", "POST");
    expect_text(document, "call", "predict");
    expect_number(document, "status", 200);
    expect_text(document, "model", "m");
    expect_text(document, "version", "2");
    expect_number(document, "rows", 3);
    expect_number(document, "queue_us", 11);
    expect_number(document, "compute_us", 22);
    expect_number(document, "batch_rows", 33);
    expect_number(document, "total_us", 1500);
    expect_number(document, "bytes_in", 70);
    expect_number(document, "bytes_out", 0);
    expect_text(document, "message", "POST /api/v1/models/*/predict 200");
    ck_assert_ptr_null(yyjson_obj_get(yyjson_doc_get_root(document), "client"));
    yyjson_doc_free(document);
}
END_TEST

START_TEST(the_address_is_told_only_if_that_is_wanted)
{
    open_access(1000, true);
    ck_assert(address_read(text_of("192.0.2.7"), &call.identity.address));
    yyjson_doc *document = line();
    expect_text(document, "client", "192.0.2.7");
    yyjson_doc_free(document);
}
END_TEST

START_TEST(the_lot_decides)
{
    open_access(0, false);
    ck_assert(!has_line());
    open_access(500, false);
    ck_assert(!has_line());
    open_access(501, false);
    ck_assert(has_line());
    response.lot = 3000;
    open_access(1, false);
    ck_assert(has_line());
    open_access(0, false);
    ck_assert(!has_line());
}
END_TEST

START_TEST(failed_ones_always_have_a_line_until_there_are_too_many)
{
    open_access(0, false);
    response.status = 429;
    ck_assert(!has_line());
    response.status = 503;
    response.kind = "overloaded";
    yyjson_doc *document = line();
    expect_text(document, "level", "warning");
    expect_text(document, "kind", "overloaded");
    yyjson_doc_free(document);
    int lines = 1;
    for (int i = 1; i < 10 * ACCESS_FAILED_A_SECOND; i++)
        lines += has_line();
    ck_assert_int_ge(lines, ACCESS_FAILED_A_SECOND);
    ck_assert_uint_eq((uint64_t)lines +
                          metrics_series(metrics, METRIC_ACCESS_LINES, "limited", NULL, NULL)->value,
                      10 * ACCESS_FAILED_A_SECOND);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_ACCESS_LINES, "written", NULL, NULL)->value,
                      (uint64_t)lines);
}
END_TEST

/* The body of the answer to HEAD is made and not written. */
START_TEST(what_is_not_written_is_no_byte_out)
{
    open_access(1000, false);
    output_add_string(&response.body, "four");
    yyjson_doc *document = line();
    expect_number(document, "bytes_out", 4);
    yyjson_doc_free(document);
    response.head_only = true;
    document = line();
    expect_number(document, "bytes_out", 0);
    yyjson_doc_free(document);
    output_free(&response.body);
}
END_TEST

START_TEST(a_path_that_there_is_not_is_not_told)
{
    open_access(1000, false);
    call.calling.pattern = NULL;
    response.status = 404;
    yyjson_doc *document = line();
    expect_text(document, "message", "POST (no such path) 404");
    yyjson_doc_free(document);
}
END_TEST

/* Nor is one counted. */
START_TEST(a_line_below_the_level_of_the_log_is_none)
{
    log_open("frontend.1", "warning");
    log_shape("json");
    open_access(1000, false);
    ck_assert(!has_line());
    ck_assert_uint_eq(metrics_series(metrics, METRIC_ACCESS_LINES, "written", NULL, NULL)->value, 0);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_ACCESS_LINES, "lost", NULL, NULL)->value, 0);
    response.status = 503;
    ck_assert(has_line());
    ck_assert_uint_eq(metrics_series(metrics, METRIC_ACCESS_LINES, "written", NULL, NULL)->value, 1);
}
END_TEST

START_TEST(a_call_that_never_began_has_none)
{
    open_access(1000, false);
    *call.id = '\0';
    ck_assert(!has_line());
}
END_TEST

int main(void)
{
    const TTest *tests[] = {a_line_says_what_the_request_was,
                            the_address_is_told_only_if_that_is_wanted,
                            the_lot_decides,
                            failed_ones_always_have_a_line_until_there_are_too_many,
                            what_is_not_written_is_no_byte_out,
                            a_path_that_there_is_not_is_not_told,
                            a_line_below_the_level_of_the_log_is_none,
                            a_call_that_never_began_has_none};
    return SUITE_RUN("access", set_up, tear_down, tests);
}
