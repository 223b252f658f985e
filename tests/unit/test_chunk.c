/* test_chunk: rows that are added, refused, scored and rejected. SPDX-License-Identifier: MIT */
#include "example_schema.h"
#include "table_scene.h"

START_TEST(a_row_with_faults_is_rejected_and_the_others_have_their_predictions)
{
    table_scene_add(1, 40, 0.25, "");
    table_scene_add(2, 130, 0.25, "the row");
    chunk_refuse(chunk, &(struct row_value){.kind = ROW_STRING, .text = text_of("k3")}, text_of("??"),
                 "no row");
    table_scene_add(4, 99, 0, "");
    table_scene_add(5, 50, 0.75, "");
    ck_assert_uint_eq(chunk->count, 5);
    ck_assert_uint_eq(row_builder_rows(chunk->builder), 3);
    table_scene_score(chunk);
    ck_assert_uint_eq(chunk->rejected, 3);
    ck_assert_ptr_null(chunk->rows[0].reason);
    ck_assert_double_eq(chunk_scored(chunk, &chunk->rows[0])->value, 40);
    ck_assert_ptr_nonnull(strstr(chunk->rows[1].reason, "age: 130 is above the maximum 120"));
    ck_assert(text_is(chunk->rows[1].original, "the row"));
    ck_assert_str_eq(chunk->rows[2].reason, "no row");
    ck_assert(text_is(chunk->rows[2].key.text, "k3"));
    ck_assert_str_eq(chunk->rows[3].reason, "it fell over");
    ck_assert_double_eq(chunk_scored(chunk, &chunk->rows[4])->value, 50);
    ck_assert_uint_eq(strlen(chunk->predicted_at), strlen("2026-01-31T12:00:00.123Z"));
}
END_TEST

START_TEST(a_failure_that_is_not_a_row_s_own_leaves_the_chunk_unscored)
{
    const struct scored rows[] = {{.failure = FAILURE_NONE},
                                  {.failure = FAILURE_CANCELLED, .reason = "stopped"}};
    table_scene_add(1, 1, 0, "");
    table_scene_add(2, 2, 0, "");
    ck_assert(!chunk_answered(chunk, rows, 2, reason));
    ck_assert_str_eq(reason, "stopped");
    ck_assert_uint_eq(chunk->rejected, 0);
}
END_TEST

START_TEST(a_chunk_is_used_again_and_keeps_its_texts_while_it_is_full)
{
    char big[100000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    for (int turn = 0; turn < 3; turn++) {
        chunk_clear(chunk);
        for (int i = 0; i < TABLE_SCENE_MOST; i++)
            table_scene_add(i, i, 0, i % 10 == 0 ? big : "small");
        ck_assert_uint_eq(chunk->count, TABLE_SCENE_MOST);
        for (int i = 0; i < TABLE_SCENE_MOST; i++)
            ck_assert(text_is(chunk->rows[i].original, i % 10 == 0 ? big : "small"));
    }
}
END_TEST

START_TEST(a_model_of_other_rows_has_no_chunk)
{
    struct schema *any = example_classifier(-1);
    ck_assert_ptr_null(chunk_new(any, 0, 10));
    struct chunk *wide = chunk_new(any, 5, 10);
    ck_assert_ptr_nonnull(wide);
    chunk_free(wide);
    schema_free(any);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_row_with_faults_is_rejected_and_the_others_have_their_predictions,
                                  a_failure_that_is_not_a_row_s_own_leaves_the_chunk_unscored,
                                  a_chunk_is_used_again_and_keeps_its_texts_while_it_is_full,
                                  a_model_of_other_rows_has_no_chunk};
    return SUITE_RUN("chunk", table_scene_make, table_scene_unmake, tests);
}
