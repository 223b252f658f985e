/* test_log: lines as machines and people read them, hostile bytes, the bound, one write each.
 * SPDX-License-Identifier: MIT */
#include "log.h"
#include "object.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <yyjson.h>

static int saved_stderr;
static int reader; /* gets each write to stderr as one packet, so that a torn line would show */

static void set_up(void)
{
    int pair[2];
    saved_stderr = dup(STDERR_FILENO);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    reader = pair[0];
    ck_assert_int_eq(dup2(pair[1], STDERR_FILENO), STDERR_FILENO);
    close(pair[1]);
    unsetenv("OUTRIGGER_LOG");
}

static void tear_down(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(reader);
}

/* The next line, terminated; its length. 0 when there is none. */
static size_t next_line(char line[8192])
{
    ssize_t length = recv(reader, line, 8191, 0);
    line[length < 0 ? 0 : length] = '\0';
    return length < 0 ? 0 : (size_t)length;
}

/* The next line as JSON, which the caller frees; it must be one whole line of at most 4096 bytes. */
static yyjson_doc *next_document(void)
{
    char line[8192];
    size_t length = next_line(line);
    ck_assert_uint_gt(length, 0);
    ck_assert_uint_le(length, 4096);
    ck_assert_ptr_eq(strchr(line, '\n'), line + length - 1);
    yyjson_doc *document = yyjson_read(line, length, 0);
    ck_assert_msg(document != NULL, "%s", line);
    return document;
}

static const char *member(yyjson_doc *document, const char *name)
{
    return yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(document), name));
}

static void expect_message(const char *expected)
{
    yyjson_doc *document = next_document();
    ck_assert_str_eq(member(document, "message"), expected);
    yyjson_doc_free(document);
}

static void expect_match(const char *text, const char *pattern)
{
    regex_t compiled;
    ck_assert_int_eq(regcomp(&compiled, pattern, REG_EXTENDED), 0);
    ck_assert_msg(regexec(&compiled, text, 0, NULL, 0) == 0, "%s", text);
    regfree(&compiled);
}

START_TEST(a_line_is_json)
{
    log_open("frontend.1", "info");
    log_write(LOG_WARNING, "id-1", "%d of %s", 3, "them");
    yyjson_doc *document = next_document();
    ck_assert_str_eq(member(document, "level"), "warning");
    ck_assert_str_eq(member(document, "process"), "frontend.1");
    ck_assert_str_eq(member(document, "message"), "3 of them");
    ck_assert_str_eq(member(document, "request"), "id-1");
    ck_assert_uint_eq(yyjson_obj_size(yyjson_doc_get_root(document)), 5);
    expect_match(member(document, "time"),
                 "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}Z$");
    yyjson_doc_free(document);
}
END_TEST

START_TEST(a_line_without_request_has_no_such_member)
{
    log_open("broker", "info");
    log_info("hello");
    yyjson_doc *document = next_document();
    ck_assert_ptr_null(member(document, "request"));
    yyjson_doc_free(document);
}
END_TEST

START_TEST(levels_are_kept)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char line[8192];
    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        log_open("x", names[level]);
        for (int said = LOG_ERROR; said <= LOG_DEBUG; said++)
            log_write((enum log_level)said, NULL, "x");
        for (int said = LOG_ERROR; said <= level; said++) {
            yyjson_doc *document = next_document();
            ck_assert_str_eq(member(document, "level"), names[said]);
            yyjson_doc_free(document);
        }
        ck_assert_uint_eq(next_line(line), 0);
    }
}
END_TEST

START_TEST(level_names_are_known)
{
    ck_assert(log_level_known("error"));
    ck_assert(log_level_known("debug"));
    ck_assert(!log_level_known(""));
    ck_assert(!log_level_known("Info"));
    ck_assert(!log_level_known("information"));
}
END_TEST

START_TEST(an_unknown_level_is_info)
{
    char line[8192];
    log_open("x", "loud");
    log_debug("no");
    ck_assert_uint_eq(next_line(line), 0);
    log_info("yes");
    ck_assert_uint_gt(next_line(line), 0);
}
END_TEST

START_TEST(special_characters_are_escaped)
{
    log_open("x", "info");
    log_info("%s", "a\"b\\c\nd\te\x01\x1f\x7f");
    char line[8192];
    next_line(line);
    ck_assert_ptr_nonnull(strstr(line, "\"a\\\"b\\\\c\\u000ad\\u0009e\\u0001\\u001f\\u007f\""));
    log_info("%s", "a\"b\\c\nd\te\x01\x1f\x7f");
    expect_message("a\"b\\c\nd\te\x01\x1f\x7f");
}
END_TEST

START_TEST(good_utf8_is_kept)
{
    static const char good[] = "\xc2\xa0 \xc3\xa4 \xe2\x82\xac \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf "
                               "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf";
    log_open("x", "info");
    log_info("%s", good);
    expect_message(good);
}
END_TEST

START_TEST(bad_utf8_is_replaced)
{
#define U "\xef\xbf\xbd"
    static const struct {
        const char *said, *shown;
    } rows[] = {
        {"\x80", U},                   /* continuation alone */
        {"\xc0\xaf", U U},             /* overlong */
        {"\xe0\x80\x80", U U U},       /* overlong */
        {"\xed\xa0\x80", U U U},       /* surrogate */
        {"\xf4\x90\x80\x80", U U U U}, /* above U+10FFFF */
        {"\xf5x", U "x"},              /* no first byte */
        {"\xff\xfe", U U},
        {"\xe2\x82", U U}, /* cut off */
        {"\xe2\x82x", U U "x"},
        {"\xe2(\xac", U "(" U},
        {"\xf0\x90\x80", U U U},
        {"\xf0\x90\x80\x28", U U U "("},
        {"\xc3", U},
    };
    log_open("x", "info");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        log_info("%s", rows[i].said);
        expect_message(rows[i].shown);
    }
#undef U
}
END_TEST

START_TEST(any_byte_makes_a_good_line)
{
    log_open("x", "info");
    for (int first = 1; first < 256; first++)
        for (int second = 1; second < 256; second += 7) {
            const char said[] = {(char)first, (char)second, 'x', '\0'};
            log_write(LOG_INFO, said, "%s", said);
            yyjson_doc_free(next_document());
        }
}
END_TEST

START_TEST(long_lines_are_cut_within_their_bound)
{
    static char text[10000];
    log_open("x", "info");
    static const char *const fillers[] = {"x", "\"", "\x01", "\xe2\x82\xac", "\xff"};
    for (size_t i = 0; i < COUNT_OF(fillers); i++)
        for (size_t start = 0; start < 8; start++) { /* so that the cut falls on each place of a character */
            memset(text, 'a', start);
            text[start] = '\0';
            for (size_t length = start; length + 8 < sizeof text; length += strlen(fillers[i]))
                strcpy(text + length, fillers[i]);
            log_write(LOG_INFO, text, "%s", text);
            yyjson_doc *document = next_document();
            ck_assert_ptr_nonnull(member(document, "request"));
            ck_assert_uint_gt(strlen(member(document, "message")), 400);
            yyjson_doc_free(document);
        }
}
END_TEST

START_TEST(long_process_names_are_cut)
{
    char name[200];
    memset(name, 'p', sizeof name);
    name[sizeof name - 1] = '\0';
    log_open(name, "info");
    log_info("x");
    yyjson_doc *document = next_document();
    ck_assert_uint_eq(strlen(member(document, "process")), 63);
    yyjson_doc_free(document);
}
END_TEST

START_TEST(plain_lines_are_for_people)
{
    char line[8192];
    setenv("OUTRIGGER_LOG", "plain", 1);
    log_open("worker.a.1", "info");
    log_write(LOG_ERROR, NULL, "it's \"so\" \\ \n");
    next_line(line);
    expect_match(line, "^20[^ ]*Z error worker\\.a\\.1: it's \"so\" \\\\ \\\\u000a\n$");
    log_write(LOG_INFO, "id\x1b[31m", "x\xc2\x9b");
    next_line(line);
    expect_match(line, "^20[^ ]*Z info worker\\.a\\.1: \\[id\\\\u001b\\[31m\\] x\\\\u009b\n$");
}
END_TEST

START_TEST(another_form_than_plain_is_json)
{
    setenv("OUTRIGGER_LOG", "json", 1);
    log_open("x", "info");
    log_info("x");
    expect_message("x");
}
END_TEST

START_TEST(errno_is_kept)
{
    log_open("x", "info");
    errno = ENOENT;
    log_info("%m");
    ck_assert_int_eq(errno, ENOENT);
    expect_message("No such file or directory");
    close(STDERR_FILENO);
    errno = ENOENT;
    log_info("nobody reads this");
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

static void *say_fifty(void *text)
{
    for (int i = 0; i < 50; i++)
        log_info("%s%d", (const char *)text, i); /* the same, it would be told as one */
    return NULL;
}

START_TEST(threads_do_not_mix_their_lines)
{
    pthread_t threads[4];
    static char texts[4][2000];
    int counts[4] = {0}, pipes[2]; /* the pipe holds 256 pages, so 200 lines without a reader */
    log_open("x", "info");
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_ge(fcntl(pipes[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
    dup2(pipes[1], STDERR_FILENO);
    close(pipes[1]);
    for (int i = 0; i < 4; i++) {
        memset(texts[i], 'a' + i, sizeof texts[i] - 1);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, say_fifty, texts[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    dup2(saved_stderr, STDERR_FILENO);
    FILE *lines = fdopen(pipes[0], "r");
    char line[8192];
    while (fgets(line, sizeof line, lines) != NULL) {
        yyjson_doc *document = yyjson_read(line, strlen(line), 0);
        ck_assert_msg(document != NULL, "%s", line);
        const char *message = member(document, "message");
        ck_assert_int_eq(strncmp(message, texts[message[0] - 'a'], sizeof texts[0] - 1), 0);
        counts[message[0] - 'a']++;
        yyjson_doc_free(document);
    }
    fclose(lines);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(counts[i], 50);
}
END_TEST

START_TEST(complaints_of_one_place_are_rare)
{
    long long last = 0, other = 0, always = 0;
    ck_assert(log_allowed(&last, 3600));
    ck_assert(!log_allowed(&last, 3600));
    ck_assert(!log_allowed(&last, 3600));
    ck_assert(log_allowed(&other, 3600));
    ck_assert(log_allowed(&always, 0));
    ck_assert(log_allowed(&always, 0));
}
END_TEST

/* ---- figures ---- */

static const uint8_t trace[16] = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
                                  0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c};
static const struct log_of somebodys = {.request = "r1", .trace = trace};

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

/* ---- forms and places ---- */

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

/* ---- repeats ---- */

START_TEST(what_is_repeated_is_told_as_one)
{
    char line[8192];
    int same = 0, another = 0;
    log_open("x", "info");
    for (int i = 0; i < 1000; i++) {
        log_warning("the same");
        log_warning("another %d", i);
        log_warning("%s", "the same"); /* of another place */
        while (next_line(line) > 0) {
            same += strstr(line, "\"the same\"") != NULL;
            another += strstr(line, "\"another ") != NULL;
        }
    }
    ck_assert_int_eq(another, 1000);
    ck_assert_int_ge(same, 2 * LOG_REPEATS_A_SECOND);
    ck_assert_int_lt(same, 1000); /* some seconds may have passed */
}
END_TEST

/* The second is not waited for: each pass asks whether it is over. */
START_TEST(how_often_is_told_when_the_second_is_over)
{
    char line[8192];
    log_open("x", "info");
    for (int i = 0; i < LOG_REPEATS_A_SECOND + 5; i++)
        log_warning("the same");
    bool told = false;
    while (!told) {
        log_settle();
        if (next_line(line) == 0)
            usleep(1000);
        else
            told = strstr(line, "\"the same ... repeated 5 times\"") != NULL;
    }
    log_settle();
    ck_assert_uint_eq(next_line(line), 0);
}
END_TEST

/* Said until a second is over: with the first line of the next one it is told. */
START_TEST(whose_it_was_last_is_told)
{
    char line[8192] = "", id[32], expected[64];
    bool told = false;
    log_open("x", "info");
    for (int i = 1; !told; i++) {
        snprintf(id, sizeof id, "request-%d", i);
        log_write_of(LOG_WARNING, &(struct log_of){.request = id, .trace = somebodys.trace}, "it failed");
        while (!told && next_line(line) > 0)
            told = strstr(line, " repeated ") != NULL;
        snprintf(expected, sizeof expected, "\"request\":\"request-%d\",\"trace\":\"", i - 1);
    }
    ck_assert_msg(strstr(line, expected) != NULL, "%s", line);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_line_of_a_request_has_its_trace,
        figures_are_members_before_the_message,
        figures_go_out_together_but_for_those_that_are_grave,
        figures_wait_for_nobody,
        the_configuration_says_the_form,
        the_journal_gets_priorities,
        the_priority_of_any_line_is_known,
        lines_may_go_elsewhere,
        what_is_repeated_is_told_as_one,
        how_often_is_told_when_the_second_is_over,
        figures_that_nobody_takes_are_lost,
        what_is_plain_for_a_terminal_is_json_elsewhere,
        whose_it_was_last_is_told,
        a_line_is_json,
        a_line_without_request_has_no_such_member,
        levels_are_kept,
        level_names_are_known,
        an_unknown_level_is_info,
        special_characters_are_escaped,
        good_utf8_is_kept,
        bad_utf8_is_replaced,
        any_byte_makes_a_good_line,
        long_lines_are_cut_within_their_bound,
        long_process_names_are_cut,
        plain_lines_are_for_people,
        another_form_than_plain_is_json,
        errno_is_kept,
        threads_do_not_mix_their_lines,
        complaints_of_one_place_are_rare,
    };
    return SUITE_RUN("log", set_up, tear_down, tests);
}
