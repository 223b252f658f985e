/* test_log: lines as machines and people read them, hostile bytes, the bound, one write each, and what is
 * said again and again. SPDX-License-Identifier: MIT */
#include "log_scene.h"

#include <pthread.h>

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
    const TTest *tests[] = {a_line_is_json,
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
                            what_is_repeated_is_told_as_one,
                            how_often_is_told_when_the_second_is_over,
                            whose_it_was_last_is_told};
    return SUITE_RUN("log", set_up, tear_down, tests);
}
