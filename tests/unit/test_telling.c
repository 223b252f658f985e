/* test_telling: what a job says of itself. SPDX-License-Identifier: MIT */
#include "suite.h"
#include "telling.h"

#include <yyjson.h>

static struct telling *telling;
static char *text;
static size_t length;
static FILE *out;

static void set_up(void)
{
    out = open_memstream(&text, &length);
    telling = telling_new(out, true);
}

static void tear_down(void)
{
    telling_free(telling);
    fclose(out);
    free(text);
}

/* The last line that was told. The caller frees. */
static yyjson_doc *last_line(void)
{
    fflush(out);
    ck_assert(length > 0 && text[length - 1] == '\n');
    const char *begin = memrchr(text, '\n', length - 1);
    begin = begin == NULL ? text : begin + 1;
    yyjson_doc *document = yyjson_read(begin, (size_t)(text + length - begin), 0);
    ck_assert_msg(document != NULL, "%s", begin);
    return document;
}

static double number(yyjson_doc *document, const char *name)
{
    return yyjson_get_num(yyjson_obj_get(yyjson_doc_get_root(document), name));
}

static bool is(yyjson_doc *document, const char *name, const char *value)
{
    return yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(document), name), value);
}

START_TEST(what_is_left_is_reckoned_by_the_rate)
{
    telling_progress(telling,
                     &(struct telling_state){.scored = 990, .rejected = 10, .whole = 5000, .seconds = 1});
    yyjson_doc *line = last_line();
    ck_assert(is(line, "event", "progress"));
    ck_assert_double_eq(number(line, "rows"), 1000);
    ck_assert_double_eq(number(line, "rejected"), 10);
    ck_assert_double_eq(number(line, "rows_per_s"), 1000);
    ck_assert_double_eq(number(line, "part"), 0.2);
    ck_assert_double_eq(number(line, "left_s"), 4);
    yyjson_doc_free(line);
}
END_TEST

START_TEST(of_a_file_the_part_that_is_read_says_it)
{
    telling_progress(telling, &(struct telling_state){.scored = 100, .part = 0.25, .seconds = 3});
    yyjson_doc *line = last_line();
    ck_assert_double_eq(number(line, "left_s"), 9);
    yyjson_doc_free(line);
    telling_progress(telling, &(struct telling_state){.scored = 200, .seconds = 4});
    line = last_line();
    ck_assert_ptr_null(yyjson_obj_get(yyjson_doc_get_root(line), "left_s"));
    yyjson_doc_free(line);
}
END_TEST

START_TEST(the_end_says_what_came_of_it)
{
    telling_line(telling, "a \"note\"");
    yyjson_doc *line = last_line();
    ck_assert(is(line, "message", "a \"note\""));
    yyjson_doc_free(line);
    telling_last(
        telling, &(struct telling_state){.scored = 30, .rejected = 10, .seconds = 2, .share = 0.5},
        &(struct telling_end){.result = "done", .reason = "age: \"x\"", .model = "m", .version = "7"});
    line = last_line();
    ck_assert(is(line, "result", "done") && is(line, "reason", "age: \"x\"") &&
              is(line, "model_version", "7"));
    ck_assert_double_eq(number(line, "rows_per_s"), 20);
    ck_assert_double_eq(number(line, "store_share"), 0.5);
    yyjson_doc_free(line);
}
END_TEST

START_TEST(times_are_told_in_words)
{
    char words[TELLING_TIME_MAX];
    ck_assert_str_eq(telling_time(0, words), "0 s");
    ck_assert_str_eq(telling_time(59.4, words), "59 s");
    ck_assert_str_eq(telling_time(245, words), "4 min 05 s");
    ck_assert_str_eq(telling_time(7800, words), "2 h 10 min");
    ck_assert_str_eq(telling_time(-5, words), "0 s");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_is_left_is_reckoned_by_the_rate,
                                  of_a_file_the_part_that_is_read_says_it, the_end_says_what_came_of_it,
                                  times_are_told_in_words};
    return SUITE_RUN("telling", set_up, tear_down, tests);
}
