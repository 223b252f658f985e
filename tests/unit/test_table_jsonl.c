/* test_table_jsonl: rows of JSON lines as values of a model, and going on in the middle.
 * SPDX-License-Identifier: MIT */
#include "table_scene.h"

static void *source;

static void tear_down(void)
{
    if (source != NULL)
        table_jsonl.close(source);
    table_scene_unmake();
}

static void open_source(const char *text, const char *more)
{
    char place[400];
    snprintf(place, sizeof place, "jsonl:%s%s", scratch_file("rows.jsonl", text), more);
    table_scene_places(place, "out.jsonl");
    if (source != NULL)
        table_jsonl.close(source);
    source = table_jsonl.open(&job, TABLE_SOURCE, reason);
    ck_assert_msg(source != NULL, "%s", reason);
}

static enum table_taken take(size_t most)
{
    chunk_clear(chunk);
    return table_jsonl.take(source, 0, chunk, most, reason);
}

static void expect_reason(size_t row, const char *words)
{
    ck_assert_ptr_nonnull(chunk->rows[row].reason);
    ck_assert_msg(strstr(chunk->rows[row].reason, words) != NULL, "%s", chunk->rows[row].reason);
}

static void expect_row(size_t row, double age, double income)
{
    ck_assert_msg(chunk->rows[row].reason == NULL, "%s", chunk->rows[row].reason);
    ck_assert_double_eq(chunk_scored(chunk, &chunk->rows[row])->value, age);
    ck_assert_double_eq(chunk_scored(chunk, &chunk->rows[row])->probability, income);
}

START_TEST(objects_go_by_names_and_arrays_by_places)
{
    open_source(
        "{\"income\": 0.25, \"more\": [1], \"age\": 40}\r\n\n  [41, 0.75]  \n{\"age\": 42, \"income\": null}",
        "");
    ck_assert_int_eq(take(10), TABLE_ROWS);
    table_scene_score(chunk);
    ck_assert_uint_eq(chunk->count, 3);
    expect_row(0, 40, 0.25);
    expect_row(1, 41, 0.75);
    expect_row(2, 42, 0.5);
    ck_assert(text_is(chunk->rows[1].original, "[41, 0.75]"));
    ck_assert_int_eq(chunk->rows[2].key.integer, 3);
    ck_assert_int_eq(take(10), TABLE_END);
}
END_TEST

START_TEST(each_line_that_is_no_row_says_why)
{
    open_source("{\"age\": 40\n7\n[1]\n{\"age\": \"40\"}\n{\"age\": [1]}\n{}\n{\"age\": true}\n", "");
    ck_assert_int_eq(take(10), TABLE_ROWS);
    ck_assert_uint_eq(chunk->count, 7);
    expect_reason(0, "line 1: it is no JSON: ");
    expect_reason(1, "expected an object or an array, got a number");
    expect_reason(2, "expected 2 values, got 1");
    expect_reason(3, "age: expected a number, got a string");
    expect_reason(4, "age: expected a value, got an array");
    expect_reason(5, "age: ");
    expect_reason(6, "age: ");
}
END_TEST

START_TEST(a_member_may_be_the_key)
{
    open_source("{\"age\": 1, \"id\": \"x\"}\n{\"age\": 2, \"id\": 7}\n{\"age\": 3}\n", "?key=id");
    ck_assert_str_eq(table_jsonl.head(source).key, "id");
    ck_assert_int_eq(take(10), TABLE_ROWS);
    ck_assert(text_is(chunk->rows[0].key.text, "x"));
    ck_assert_int_eq(chunk->rows[1].key.integer, 7);
    expect_reason(2, "id: ");
}
END_TEST

START_TEST(lines_are_as_long_as_they_like_and_are_gone_on_behind)
{
    enum { LINES = 40, PAD = 20000 };
    char *text = object_alloc(LINES * (PAD + 100)), *at = text;
    char position[CHUNK_POSITION_MAX];
    for (int i = 0; i < LINES; i++)
        at += sprintf(at, "{\"pad\": \"%0*d\", \"age\": %d}\n", PAD, 0, i);
    open_source(text, "");
    ck_assert_int_eq(take(17), TABLE_ROWS);
    memcpy(position, chunk->position, sizeof position);
    open_source(text, "");
    ck_assert(table_jsonl.seek(source, position, reason));
    ck_assert_int_eq(take(100), TABLE_ROWS);
    table_scene_score(chunk);
    ck_assert_uint_eq(chunk->count, LINES - 17);
    for (size_t i = 0; i < chunk->count; i++)
        expect_row(i, (double)(i + 17), 0.5);
    ck_assert_int_eq(chunk->rows[0].key.integer, 18);
    ck_assert(!table_jsonl.seek(source, "x", reason));
    free(text);
}
END_TEST

START_TEST(features_without_names_take_arrays_alone)
{
    job.columns = NULL;
    open_source("[1, 2]\n{\"age\": 1}\n", "");
    ck_assert_int_eq(take(10), TABLE_ROWS);
    expect_reason(1, "expected an array");
    ck_assert_ptr_null(chunk->rows[0].reason);
}
END_TEST

/* Beside the key; with names and without. */
START_TEST(an_array_may_be_a_member)
{
    for (int named = 1; named >= 0; named--) {
        job.columns = named ? job.columns : NULL;
        open_source("{\"id\": 7, \"features\": [3, 0.5]}\n{\"id\": 8, \"features\": [3]}\n"
                    "{\"id\": 9, \"features\": 3}\n{\"features\": [3, 0.5]}\n",
                    "?key=id");
        ck_assert_int_eq(take(10), TABLE_ROWS);
        table_scene_score(chunk);
        ck_assert_int_eq(chunk->rows[0].key.integer, 7);
        expect_row(0, 3, 0.5);
        expect_reason(1, "expected 2 values, got 1");
        expect_reason(2, named ? "age: " : "expected an array, or an object that has one");
        expect_reason(3, "id: ");
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {objects_go_by_names_and_arrays_by_places,
                                  each_line_that_is_no_row_says_why,
                                  a_member_may_be_the_key,
                                  lines_are_as_long_as_they_like_and_are_gone_on_behind,
                                  features_without_names_take_arrays_alone,
                                  an_array_may_be_a_member};
    return SUITE_RUN("table_jsonl", table_scene_make, tear_down, tests);
}
