/* test_log_figures: lines of requests with figures: they go out together, and stop nobody.
 * SPDX-License-Identifier: MIT */
#include "log_scene.h"

START_TEST(a_line_of_a_request_has_its_trace)
{
    log_open("x", "info");
    log_write_of(LOG_WARNING, &somebodys, "%d", 7);
    yyjson_doc *document = next_document();
    ck_assert_str_eq(member(document, "request"), "r1");
    ck_assert_str_eq(member(document, "trace"), "0af7651916cd43dd8448eb211c80319c");
    ck_assert_str_eq(member(document, "message"), "7");
    yyjson_doc_free(document);
    log_write_of(LOG_DEBUG, &somebodys, "too quiet");
    log_write_of(LOG_INFO, NULL, "nobody's");
    expect_message("nobody's");
}
END_TEST

START_TEST(figures_are_members_before_the_message)
{
    const struct log_field fields[] = {{.name = "model", .text = "a\"b\n"}, {.name = "rows", .number = -3}};
    char line[8192];
    log_open("x", "info");
    ck_assert(log_event(LOG_INFO, &somebodys, fields, 2, "GET / 200"));
    log_settle();
    next_line(line);
    ck_assert_ptr_nonnull(
        strstr(line, "\"request\":\"r1\",\"trace\":\"0af7651916cd43dd8448eb211c80319c\",\"model\":\"a\\\"b"
                     "\\u000a\",\"rows\":-3,\"message\":\"GET / 200\"}\n"));
    log_shape("plain");
    ck_assert(log_event(LOG_INFO, &somebodys, fields, 2, "GET / 200"));
    log_settle();
    next_line(line);
    ck_assert_ptr_nonnull(strstr(line, "x: [r1] GET / 200 model=a\"b\\u000a rows=-3 trace=0af7651916cd43dd"));
    ck_assert(!log_event(LOG_DEBUG, &somebodys, fields, 2, "too quiet"));
    ck_assert(log_is_on(LOG_INFO) && !log_is_on(LOG_DEBUG));
    log_settle();
    ck_assert_uint_eq(next_line(line), 0);
}
END_TEST

START_TEST(every_number_is_written_as_it_is)
{
    static const int64_t numbers[] = {0, 9, 10, -1, 1234567890123456789, INT64_MAX, INT64_MIN};
    char line[8192], expected[64];
    log_open("x", "info");
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        const struct log_field field = {.name = "n", .number = numbers[i]};
        ck_assert(log_event(LOG_INFO, &somebodys, &field, 1, "x"));
        log_settle();
        next_line(line);
        snprintf(expected, sizeof expected, ",\"n\":%lld,", (long long)numbers[i]);
        ck_assert_msg(strstr(line, expected) != NULL, "%s", line);
    }
}
END_TEST

START_TEST(figures_go_out_together_but_for_those_that_are_grave)
{
    char line[8192];
    log_open("x", "info");
    ck_assert(log_event(LOG_INFO, &somebodys, NULL, 0, "one"));
    ck_assert_uint_eq(next_line(line), 0);
    ck_assert(log_event(LOG_WARNING, &somebodys, NULL, 0, "two"));
    next_line(line);
    ck_assert_ptr_nonnull(strstr(line, "\"one\"}\n{"));
    ck_assert_ptr_nonnull(strstr(line, "\"two\"}\n"));
    for (int i = 0; i < 100; i++)
        ck_assert(log_event(LOG_INFO, &somebodys, NULL, 0, "x"));
    log_settle();
    size_t length, lines = 0;
    while ((length = next_line(line)) > 0) {
        ck_assert_uint_le(length, 4096);
        for (const char *end = line; (end = strchr(end, '\n')) != NULL; end++)
            lines++;
    }
    ck_assert_uint_eq(lines, 100);
}
END_TEST

/* Who does not read must not stop who serves. */
START_TEST(figures_wait_for_nobody)
{
    int pipes[2], lines = 0;
    log_open("x", "info");
    ck_assert_int_eq(pipe(pipes), 0);
    dup2(pipes[1], STDERR_FILENO);
    while (lines < 100000 && log_event(LOG_INFO, &somebodys, NULL, 0, "x"))
        lines++;
    ck_assert_int_gt(lines, 10);
    ck_assert_int_lt(lines, 100000);
    ck_assert(!log_event(LOG_INFO, &somebodys, NULL, 0, "x"));
    close(pipes[0]);
    close(pipes[1]);
}
END_TEST

/* As of a supervisor that was killed: what can be written never is neither gathered without end nor said to
 * be written; when somebody reads again it goes on. */
START_TEST(figures_that_nobody_takes_are_lost)
{
    int pipes[2], lines = 0;
    char text[8192];
    signal(SIGPIPE, SIG_IGN);
    log_open("x", "info");
    ck_assert_int_eq(pipe2(pipes, O_NONBLOCK), 0);
    int kept_stderr = dup(STDERR_FILENO);
    dup2(pipes[1], STDERR_FILENO);
    close(pipes[0]);
    while (lines < 1000 && log_event(LOG_INFO, &somebodys, NULL, 0, "x"))
        lines++;
    ck_assert_int_gt(lines, 10);
    ck_assert_int_lt(lines, 1000);
    log_settle();
    ck_assert(!log_event(LOG_INFO, &somebodys, NULL, 0, "x"));
    dup2(kept_stderr, STDERR_FILENO);
    log_settle();
    size_t length = next_line(text), came = 0;
    ck_assert_uint_gt(length, 0);
    for (const char *end = text; (end = strchr(end, '\n')) != NULL; end++)
        came++;
    ck_assert_uint_eq(came, (size_t)lines);
    close(kept_stderr);
    close(pipes[1]);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_line_of_a_request_has_its_trace, figures_are_members_before_the_message,
        every_number_is_written_as_it_is,  figures_go_out_together_but_for_those_that_are_grave,
        figures_wait_for_nobody,           figures_that_nobody_takes_are_lost};
    return SUITE_RUN("log_figures", set_up, tear_down, tests);
}
