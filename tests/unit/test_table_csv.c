/* test_table_csv: rows of CSV files as values of a model, and going on in the middle.
 * SPDX-License-Identifier: MIT */
#include "table_scene.h"

static void *source;

static void tear_down(void)
{
    if (source != NULL)
        table_csv.close(source);
    table_scene_unmake();
}

/* Opens a file of that text; `more` is what stands behind its path. */
static void *try_open(const char *text, const char *more)
{
    char place[400];
    snprintf(place, sizeof place, "csv:%s%s", scratch_file("rows.csv", text), more);
    table_scene_places(place, "out.csv");
    return table_csv.open(&job, TABLE_SOURCE, reason);
}

static void open_source(const char *text, const char *more)
{
    source = try_open(text, more);
    ck_assert_msg(source != NULL, "%s", reason);
}

static enum table_taken take(size_t most)
{
    chunk_clear(chunk);
    return table_csv.take(source, 0, chunk, most, reason);
}

/* "1:40,0.5 2!" : key, age and income of rows that are scored, an exclamation mark for rejects. */
static void expect_rows(const char *expected)
{
    char got[1024] = "", *at = got;
    table_scene_score(chunk);
    for (size_t i = 0; i < chunk->count; i++) {
        const struct chunk_row *row = &chunk->rows[i];
        if (row->key.kind == ROW_INTEGER)
            at += sprintf(at, "%s%lld", i > 0 ? " " : "", (long long)row->key.integer);
        else
            at += sprintf(at, "%s%.*s", i > 0 ? " " : "", (int)row->key.text.length, row->key.text.at);
        if (row->reason != NULL)
            at += sprintf(at, "!");
        else
            at +=
                sprintf(at, ":%g,%g", chunk_scored(chunk, row)->value, chunk_scored(chunk, row)->probability);
    }
    ck_assert_str_eq(got, expected);
}

START_TEST(columns_are_found_by_their_names_and_what_is_missing_has_its_default)
{
    open_source("who,income , age\r\n\"a, b\",0.25,40\r\nc,, 50 \nd,0.5,300\n", "");
    const struct table_head head = table_csv.head(source);
    ck_assert_str_eq(head.line, "who,income , age");
    ck_assert_uint_eq(head.count, 3);
    ck_assert_str_eq(head.names[1], "income");
    ck_assert_str_eq(head.names[2], "age");
    ck_assert_int_eq(take(10), TABLE_ROWS);
    expect_rows("1:40,0.25 2:50,0.5 3!");
    ck_assert(text_is(chunk->rows[0].original, "\"a, b\",0.25,40"));
    ck_assert_int_eq(take(10), TABLE_END);
}
END_TEST

START_TEST(a_column_that_may_be_missing_may_be_missing_in_the_file)
{
    open_source("age\n40\n", "");
    ck_assert_int_eq(take(10), TABLE_ROWS);
    expect_rows("1:40,0.5");
}
END_TEST

START_TEST(a_key_and_a_delimiter_may_be_named)
{
    open_source("age\tid\n40\tx1\n41\tx2\n", "?key=id&delimiter=tab");
    ck_assert_int_eq(take(10), TABLE_ROWS);
    expect_rows("x1:40,0.5 x2:41,0.5");
}
END_TEST

START_TEST(a_position_is_gone_on_from_whatever_stands_in_lines)
{
    char position[CHUNK_POSITION_MAX];
    const char *text = "age,who\n1,\"a\nb\"\n\n2,c\r\n3,short,x\n4,\"\"\n5,e";
    open_source(text, "");
    for (size_t first = 1; first < 5; first++) {
        table_csv.close(source);
        open_source(text, "");
        ck_assert_int_eq(take(first), TABLE_ROWS);
        memcpy(position, chunk->position, sizeof position);
        table_csv.close(source);
        open_source(text, "");
        ck_assert(table_csv.seek(source, position, reason));
        ck_assert_int_eq(take(10), TABLE_ROWS);
        static const char *const rest[] = {"", "2:2,0.5 3! 4:4,0.5 5:5,0.5", "3! 4:4,0.5 5:5,0.5",
                                           "4:4,0.5 5:5,0.5", "5:5,0.5"};
        expect_rows(rest[first]);
        if (first < 3)
            ck_assert_str_eq(chunk->rows[2 - first].reason, "line 6: it has 3 fields, and the first one 2");
        ck_assert_int_eq(take(10), TABLE_END);
    }
    ck_assert(!table_csv.seek(source, "nowhere", reason));
}
END_TEST

START_TEST(features_without_names_go_by_their_places_and_the_first_line_may_be_a_row)
{
    job.columns = NULL;
    open_source("1,0.25\n2,0.75\n", "");
    ck_assert_ptr_null(table_csv.head(source).line);
    ck_assert_uint_eq(table_csv.head(source).count, 0);
    ck_assert_int_eq(take(10), TABLE_ROWS);
    expect_rows("1:1,0.25 2:2,0.75");
    table_csv.close(source);
    open_source("a,b\n1,0.25\n", "");
    ck_assert_int_eq(take(10), TABLE_ROWS);
    expect_rows("1:1,0.25");
    table_csv.close(source);
    source = try_open("1,2,3\n", "");
    ck_assert_ptr_null(source);
    ck_assert_ptr_nonnull(strstr(reason, "rows of 2 values"));
}
END_TEST

START_TEST(what_is_no_such_file_is_told)
{
    ck_assert_ptr_null(try_open("", ""));
    ck_assert_ptr_nonnull(strstr(reason, "empty"));
    ck_assert_ptr_null(try_open("ages,income\n", ""));
    ck_assert_ptr_nonnull(strstr(reason, "no column age; it is: ages,income"));
    ck_assert_ptr_null(try_open("age\n", "?key=id"));
    ck_assert_ptr_null(try_open("age\n", "?delimiter=ab"));
    open_source("age\n1\n2\"\n", "");
    ck_assert_int_eq(take(10), TABLE_STOPPED);
    ck_assert_ptr_nonnull(strstr(reason, "line 3, field 1: "));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {columns_are_found_by_their_names_and_what_is_missing_has_its_default,
                                  a_column_that_may_be_missing_may_be_missing_in_the_file,
                                  a_key_and_a_delimiter_may_be_named,
                                  a_position_is_gone_on_from_whatever_stands_in_lines,
                                  features_without_names_go_by_their_places_and_the_first_line_may_be_a_row,
                                  what_is_no_such_file_is_told};
    return SUITE_RUN("table_csv", table_scene_make, tear_down, tests);
}
