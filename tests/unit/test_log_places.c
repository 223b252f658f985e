/* test_log_places: the form that lines have, by where they go: a terminal, the journal, or whoever takes
 * them. SPDX-License-Identifier: MIT */
#include "log_scene.h"

START_TEST(the_configuration_says_the_form)
{
    char line[8192];
    log_open("x", "info");
    log_shape("plain");
    log_info("a");
    next_line(line);
    expect_match(line, "^20[^ ]*Z info x: a\n$");
    log_shape("auto");
    log_info("b");
    next_line(line);
    expect_match(line, "^20[^ ]*Z info x: b\n$");
    log_shape("json");
    log_info("c");
    expect_message("c");
}
END_TEST

START_TEST(the_journal_gets_priorities)
{
    struct stat status;
    char line[8192], stream[64];
    ck_assert_int_eq(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open("x", "debug");
    ck_assert(log_is_journal());
    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        static const char *const heads[] = {"<3>{", "<4>{", "<6>{", "<7>{"};
        log_write((enum log_level)level, NULL, "x");
        next_line(line);
        ck_assert_int_eq(strncmp(line, heads[level], 4), 0);
    }
    setenv("JOURNAL_STREAM", "1:1", 1); /* of who started us, whose journal our stderr is not */
    log_open("x", "info");
    log_info("y");
    expect_message("y");
    unsetenv("JOURNAL_STREAM");
}
END_TEST

START_TEST(the_priority_of_any_line_is_known)
{
    static const struct {
        const char *line;
        int priority;
    } cases[] = {
        {"{\"time\":\"x\",\"level\":\"error\",\"message\":\"\"}\n", 3},
        {"{\"level\":\"warning\"}", 4},
        {"{\"level\":\"debug\"}", 7},
        {"{\"level\":\"errors\"}", 6},
        {"{\"level\":\"er", 6},
        {"2026-11-28T14:39:10.529Z error frontend.1: x\n", 3},
        {"2026-11-28T14:39:10.529Z info frontend.1: error\n", 6},
        {"Traceback\n", 6},
        {"", 6},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_msg(log_priority_of(cases[i].line, strlen(cases[i].line)) == cases[i].priority, "%s",
                      cases[i].line);
}
END_TEST

static char diverted[8192];

static void divert(void *self, const char *bytes, size_t length)
{
    ck_assert_ptr_eq(self, diverted);
    ck_assert_uint_lt(strlen(diverted) + length, sizeof diverted);
    strncat(diverted, bytes, length);
}

START_TEST(lines_may_go_elsewhere)
{
    char line[8192];
    log_open("x", "info");
    ck_assert(!log_pass("y\n", 2));
    log_divert(divert, diverted);
    log_info("ours");
    ck_assert(log_pass("theirs\n", 7));
    ck_assert_uint_eq(next_line(line), 0);
    ck_assert_ptr_nonnull(strstr(diverted, "\"ours\"}\ntheirs\n"));
    log_divert(NULL, NULL);
    log_info("again");
    expect_message("again");
}
END_TEST

/* A terminal is there for people; a file that all processes write to is of one form. */
START_TEST(what_is_plain_for_a_terminal_is_json_elsewhere)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(terminal, 0);
    ck_assert(grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    int other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    ck_assert_int_ge(other, 0);
    dup2(other, STDERR_FILENO);
    log_open("x", "info");
    log_shape("auto");
    log_divert(divert, diverted);
    log_info("ours");
    expect_match(diverted, "^\\{.*\"ours\"\\}\n$");
    log_divert(NULL, NULL);
    log_shape("plain"); /* as somebody wants it */
    *diverted = '\0';
    log_divert(divert, diverted);
    log_info("ours");
    expect_match(diverted, "^20[^ ]*Z info x: ours\n$");
    log_divert(NULL, NULL);
    close(other);
    close(terminal);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {the_configuration_says_the_form, the_journal_gets_priorities,
                            the_priority_of_any_line_is_known, lines_may_go_elsewhere,
                            what_is_plain_for_a_terminal_is_json_elsewhere};
    return SUITE_RUN("log_places", set_up, tear_down, tests);
}
