/* test_batch: rows of many requests joined, computed in slices and parted again. Who fails, and who is
 * spared, is in test_batch_failures.c. SPDX-License-Identifier: MIT */
#include "batch_scene.h"

START_TEST(nothing_is_computed_for_an_empty_batch)
{
    compute();
    ck_assert_int_eq(engine.calls, 0);
    ck_assert_uint_eq(batch_count(batch), 0);
    ck_assert_uint_eq(batch_rows(batch), 0);
}
END_TEST

START_TEST(requests_share_one_call)
{
    add(1, 1);
    add(100, 3);
    add(200, 2);
    compute();
    ck_assert_int_eq(engine.calls, 1);
    ck_assert_uint_eq(engine.rows[0], 6);
    ck_assert_uint_eq((uintptr_t)engine.data % 64, 0);
    ck_assert_uint_eq(batch_count(batch), 3);
    ck_assert_uint_eq(batch_rows(batch), 6);
    check(0, 1, 1);
    check(1, 100, 3);
    check(2, 200, 2);
}
END_TEST

START_TEST(one_request_is_computed_where_it_lies_when_it_is_aligned)
{
    int in_place = 0;
    for (size_t shift = 0; shift < 4; shift++) {
        add_columns(5, 3, 2, shift);
        compute();
        check(0, 5, 3);
        const uint8_t *start = payloads[0] + shift;
        in_place += (const uint8_t *)engine.data > start && (const uint8_t *)engine.data < start + 64;
        forget();
    }
    ck_assert_int_eq(in_place, 1);
}
END_TEST

START_TEST(it_is_used_again_and_again)
{
    for (size_t round = 0; round < 50; round++) {
        size_t requests = 1 + round * 7 % 40;
        for (size_t i = 0; i < requests; i++)
            add((float)(i * 10), 1 + i % 3);
        compute();
        for (size_t i = 0; i < requests; i++)
            check(i, (float)(i * 10), 1 + i % 3);
        forget();
    }
}
END_TEST

START_TEST(a_thousand_requests_fit)
{
    use(2, false, 0, 1000);
    for (size_t i = 0; i < MANY; i++)
        add((float)i, 1);
    compute();
    ck_assert_int_eq(engine.calls, 1);
    for (size_t i = 0; i < MANY; i++)
        check(i, (float)i, 1);
}
END_TEST

START_TEST(large_requests_are_computed_in_slices)
{
    use(2, false, 0, 4);
    add(0, 9);
    add(100, 3);
    add(200, 1);
    compute();
    ck_assert_int_eq(engine.calls, 4);
    ck_assert_uint_eq(engine.rows[0], 4);
    ck_assert_uint_eq(engine.rows[3], 1);
    check(0, 0, 9);
    check(1, 100, 3);
    check(2, 200, 1);
}
END_TEST

START_TEST(a_fixed_number_of_rows_is_filled_up)
{
    for (size_t call_rows = 1; call_rows <= 8; call_rows++) {
        use(2, false, call_rows, 64);
        engine.calls = 0;
        add(0, 5);
        add(100, 2);
        compute();
        ck_assert_uint_eq((size_t)engine.calls, (7 + call_rows - 1) / call_rows);
        for (int i = 0; i < engine.calls; i++)
            ck_assert_uint_eq(engine.rows[i], call_rows);
        check(0, 0, 5);
        check(1, 100, 2);
        forget();
    }
}
END_TEST

START_TEST(other_row_shapes_are_computed_apart)
{
    use(-1, false, 0, 64);
    add_columns(0, 2, 3, 0);
    add_columns(100, 1, 3, 0);
    add_columns(200, 2, 5, 0);
    add_columns(300, 1, 3, 0);
    compute();
    ck_assert_int_eq(engine.calls, 3);
    check_columns(0, 0, 2, 3);
    check_columns(1, 100, 1, 3);
    check_columns(2, 200, 2, 5);
    check_columns(3, 300, 1, 3);
}
END_TEST

/* Behind one that is good, and as long. */
START_TEST(requests_of_the_same_length_are_told_apart)
{
    static const float values[6] = {1, 2, 3, 4, 5, 6};
    const uint8_t *bytes = (const uint8_t *)values;
    const struct tensor good = {text_of("x"), DATATYPE_FP32, 2, {3, 2}, bytes, sizeof values};
    struct tensor others[] = {good, good, good};
    others[0].name = text_of("z");
    others[1].datatype = DATATYPE_FP64;
    others[1].shape[1] = 1;
    others[2].shape[0] = 2;
    others[2].shape[1] = 3;
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        use(i < 2 ? 2 : -1, false, 0, 64);
        add_columns(1, 3, 2, 0);
        add_tensors(&others[i], 1, 0);
        add_columns(7, 3, 2, 0);
        compute();
        check(0, 1, 3);
        if (i < 2)
            ck_assert_int_eq(batch_failure(batch, 1), FAILURE_INVALID);
        else
            check_columns(1, 1, 2, 3);
        check(2, 7, 3);
        forget();
    }
}
END_TEST

/* The form of an answer is that of the first; those after it may be longer, or have another shape. */
START_TEST(answers_of_the_same_length_are_told_apart)
{
    use(-1, false, 0, 64);
    add_columns(0, 2, 3, 0);
    add_columns(10, 2, 3, 0);
    add_columns(20, 3, 2, 0);
    add_columns(30, 1, 6, 0);
    add_columns(40, 2, 3, 0);
    add_columns(50, 40, 10, 0); /* longer than a form may be */
    add_columns(60, 2, 3, 0);
    compute();
    check_columns(0, 0, 2, 3);
    check_columns(1, 10, 2, 3);
    check_columns(2, 20, 3, 2);
    check_columns(3, 30, 1, 6);
    check_columns(4, 40, 2, 3);
    check_columns(5, 50, 40, 10);
    check_columns(6, 60, 2, 3);
}
END_TEST

START_TEST(rows_without_values_are_rows)
{
    use(-1, false, 0, 64);
    add_columns(0, 2, 0, 0);
    add_columns(0, 1, 0, 0);
    compute();
    check_columns(0, 0, 2, 0);
    check_columns(1, 0, 1, 0);
}
END_TEST

/* ---- strings ---- */

static const char *const words[] = {"", "a", "Grüße", "a longer one", "x\0y"};
static const size_t word_lengths[] = {0, 1, 7, 12, 3};

static void add_strings(size_t first, size_t rows)
{
    uint8_t data[256], *at = data;
    float values[64];
    for (size_t i = 0; i < rows; i++) {
        uint32_t length = (uint32_t)word_lengths[(first + i) % 5];
        memcpy(at, &length, 4);
        memcpy(at + 4, words[(first + i) % 5], length);
        at += 4 + length;
        values[2 * i] = values[2 * i + 1] = (float)(first + i);
    }
    const struct tensor tensors[2] = {
        {text_of("s"), DATATYPE_BYTES, 1, {(int64_t)rows}, data, (size_t)(at - data)},
        {text_of("x"), DATATYPE_FP32, 2, {(int64_t)rows, 2}, (const uint8_t *)values, rows * 8}};
    add_tensors(tensors, 2, 0); /* in another order than the schema's */
}

static void check_strings(size_t request, size_t first, size_t rows)
{
    ck_assert_int_eq(batch_failure(batch, request), FAILURE_NONE);
    read_answer(request);
    ck_assert(text_is(answer[1].name, "t"));
    ck_assert_int_eq(answer[1].shape[0], (int64_t)rows);
    const uint8_t *at = answer[1].data;
    for (size_t i = 0; i < rows; i++) {
        uint32_t length;
        memcpy(&length, at, 4);
        ck_assert_uint_eq(length, word_lengths[(first + i) % 5] + 1);
        ck_assert_mem_eq(at + 4, words[(first + i) % 5], length - 1);
        ck_assert_uint_eq(at[4 + length - 1], '!');
        at += 4 + length;
    }
    ck_assert_ptr_eq(at, answer[1].data + answer[1].bytes);
}

START_TEST(strings_are_joined_and_parted)
{
    static const struct {
        size_t call_rows, slice_rows;
    } ways[] = {{0, 64}, {0, 1}, {0, 3}, {1, 64}, {4, 64}, {7, 64}};
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        use(2, true, ways[i].call_rows, ways[i].slice_rows);
        add_strings(0, 6);
        add_strings(3, 1);
        add_strings(1, 4);
        compute();
        check_strings(0, 0, 6);
        check_strings(1, 3, 1);
        check_strings(2, 1, 4);
        forget();
        add_strings(2, 3);
        compute();
        check_strings(0, 2, 3);
        forget();
    }
}
END_TEST

/* ---- memory ---- */

START_TEST(a_large_batch_s_memory_is_given_back)
{
    use(2, false, 0, PROTOCOL_ROWS_MAX);
    add(0, 500000);
    batch_run(batch, INT64_MAX);
    ck_assert_int_eq(batch_failure(batch, 0), FAILURE_MODEL_FAILED); /* 4 MB of answer, 1 MiB allowed */
    forget();
    for (int i = 0; i < 3; i++) {
        add(0, 1);
        add(10, 2);
        compute();
        check(0, 0, 1);
        check(1, 10, 2);
        forget();
    }
}
END_TEST

START_TEST(freeing_nothing_is_fine)
{
    batch_free(NULL);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        nothing_is_computed_for_an_empty_batch,
        requests_share_one_call,
        one_request_is_computed_where_it_lies_when_it_is_aligned,
        it_is_used_again_and_again,
        a_thousand_requests_fit,
        large_requests_are_computed_in_slices,
        a_fixed_number_of_rows_is_filled_up,
        other_row_shapes_are_computed_apart,
        requests_of_the_same_length_are_told_apart,
        answers_of_the_same_length_are_told_apart,
        rows_without_values_are_rows,
        strings_are_joined_and_parted,
        a_large_batch_s_memory_is_given_back,
        freeing_nothing_is_fine,
    };
    return SUITE_RUN("batch", set_up, tear_down, tests);
}
