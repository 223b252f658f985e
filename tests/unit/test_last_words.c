/* test_last_words: what a child writes to its stderr is passed on in whole lines, however it comes.
 * SPDX-License-Identifier: MIT */
#include "last_words.h"

#include "log.h"
#include "loop.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct loop *loop;
static struct last_words *words;
static int pipe_fd;
static char passed[1 << 17];
static size_t length, torn;

static void sink(void *self, const char *bytes, size_t count)
{
    (void)self;
    ck_assert_uint_le(length + count, sizeof passed);
    memcpy(passed + length, bytes, count);
    length += count;
    torn += bytes[count - 1] != '\n';
}

static void set_up(void)
{
    length = torn = 0;
    loop = loop_new();
    words = last_words_new(loop, STDERR_FILENO);
    pipe_fd = last_words_open(words);
    ck_assert_int_ne(pipe_fd, -1);
    log_divert(sink, NULL);
}

static void tear_down(void)
{
    log_divert(NULL, NULL);
    last_words_free(words);
    loop_free(loop);
}

static void write_all(const char *text, size_t count)
{
    ck_assert_int_eq(write(pipe_fd, text, count), (ssize_t)count);
}

/* Lines of `bytes` each, which say what number they have. */
static size_t write_lines(size_t lines, size_t bytes)
{
    char line[8192];
    for (size_t i = 0; i < lines; i++) {
        memset(line, 'x', sizeof line);
        line[snprintf(line, sizeof line, "%zu ", i)] = '.';
        line[bytes - 1] = '\n';
        write_all(line, bytes);
    }
    return lines * bytes;
}

static void end(void)
{
    close(pipe_fd);
    last_words_close(words);
}

START_TEST(lines_are_not_torn_where_the_room_ends)
{
    static const size_t sizes[] = {7, 100, 299, 300, 301, 1365, 2047, 2048, 2049, 3000, 4095, 4096};
    size_t bytes = sizes[_i], lines = bytes < 2000 ? 30000 / bytes : 14; /* a pipe has 16 pages */
    size_t written = write_lines(lines, bytes);
    end();
    ck_assert_uint_eq(length, written);
    ck_assert_uint_eq(torn, 0);
    for (size_t i = 0; i < lines; i++) {
        ck_assert_uint_eq(strtoul(passed + i * bytes, NULL, 10), i);
        ck_assert_int_eq(passed[(i + 1) * bytes - 1], '\n');
    }
}
END_TEST

START_TEST(a_line_that_is_longer_than_the_room_comes_in_pieces)
{
    size_t written = write_lines(3, 8000);
    end();
    ck_assert_uint_eq(length, written);
    ck_assert_uint_gt(torn, 0);
}
END_TEST

START_TEST(what_has_no_end_gets_one)
{
    char line[64];
    write_all("good\nbye", 8);
    end();
    ck_assert_uint_eq(length, 9);
    ck_assert_mem_eq(passed, "good\nbye\n", 9);
    last_words_line(words, line, sizeof line);
    ck_assert_str_eq(line, "bye");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("last_words");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_loop_test(all, lines_are_not_torn_where_the_room_ends, 0, 12);
    tcase_add_test(all, a_line_that_is_longer_than_the_room_comes_in_pieces);
    tcase_add_test(all, what_has_no_end_gets_one);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
