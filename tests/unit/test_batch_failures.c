/* test_batch_failures: requests of a batch that fail, each alone: those that do not fit the model, those that
 * the engine refuses or answers wrongly, those whose answer is too long or whose time is over; the others of
 * the batch are answered. SPDX-License-Identifier: MIT */
#include "batch_scene.h"
#include "clock.h"

static void check_failed(size_t request, enum failure failure, const char *message)
{
    ck_assert_int_eq(batch_failure(batch, request), failure);
    ck_assert_str_eq(batch_message(batch, request), message);
}

START_TEST(what_does_not_fit_fails_alone)
{
    const float values[4] = {1, 2, 3, 4};
    const struct {
        struct tensor tensors[2];
        size_t count;
        const char *message;
    } cases[] = {
        {{{text_of("x"), DATATYPE_FP64, 2, {1, 2}, (const uint8_t *)values, 16}},
         1,
         "input x: expected FP32 [-1, 2], got FP64 [1, 2]"},
        {{{text_of("x"), DATATYPE_FP32, 2, {1, 3}, (const uint8_t *)values, 12}},
         1,
         "input x: expected FP32 [-1, 2], got FP32 [1, 3]"},
        {{{text_of("x"), DATATYPE_FP32, 1, {2}, (const uint8_t *)values, 8}},
         1,
         "input x: expected FP32 [-1, 2], got FP32 [2]"},
        {{{text_of("x"), DATATYPE_FP32, 0, {0}, (const uint8_t *)values, 4}},
         1,
         "input x: expected FP32 [-1, 2], got FP32 []"},
        {{{text_of("X"), DATATYPE_FP32, 2, {1, 2}, (const uint8_t *)values, 8}}, 1, "input x is missing"},
        {{{text_of("x"), DATATYPE_FP32, 2, {0, 2}, (const uint8_t *)values, 0}},
         1,
         "expected 1 to 1000000 rows, got 0"},
        {{{text_of("x"), DATATYPE_FP32, 2, {1, 2}, (const uint8_t *)values, 8},
          {text_of("x"), DATATYPE_FP32, 2, {1, 2}, (const uint8_t *)values, 8}},
         2,
         "expected 1 inputs, got 2"},
        {{{text_of("x"), DATATYPE_FP32, 2, {1, 2}, (const uint8_t *)values, 8}},
         0,
         "expected 1 inputs, got 0"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        add(10, 1);
        add_tensors(cases[i].tensors, cases[i].count, 0);
        add(20, 2);
        engine.calls = 0;
        compute();
        ck_assert_int_eq(engine.calls, 1);
        check(0, 10, 1);
        check_failed(1, FAILURE_INVALID, cases[i].message);
        check(2, 20, 2);
        ck_assert_uint_eq(batch_rows(batch), 3);
        forget();
    }
}
END_TEST

START_TEST(a_name_that_comes_twice_does_not_hide_another)
{
    use(2, true, 0, 64);
    const float values[2] = {1, 2};
    const struct tensor tensors[2] = {{text_of("x"), DATATYPE_FP32, 2, {1, 2}, (const uint8_t *)values, 8},
                                      {text_of("x"), DATATYPE_FP32, 2, {1, 2}, (const uint8_t *)values, 8}};
    add_tensors(tensors, 2, 0);
    compute();
    check_failed(0, FAILURE_INVALID, "input s is missing");
}
END_TEST

START_TEST(too_many_rows_are_refused)
{
    use(-1, false, 0, 64);
    add_columns(0, PROTOCOL_ROWS_MAX + 1, 0, 0);
    compute();
    check_failed(0, FAILURE_INVALID, "expected 1 to 1000000 rows, got 1000001");
}
END_TEST

START_TEST(bytes_that_are_no_tensors_fail_alone)
{
    add(1, 1);
    batch_add(batch, (const uint8_t *)"\xc1garbage", 8);
    batch_add(batch, NULL, 0);
    compute();
    check(0, 1, 1);
    check_failed(1, FAILURE_INVALID, "the tensors cannot be read: the payload is no array");
    check_failed(2, FAILURE_INVALID, "the tensors cannot be read: the payload is no array");
}
END_TEST

START_TEST(a_batch_of_failures_calls_nobody)
{
    batch_add(batch, (const uint8_t *)"", 0);
    batch_add(batch, (const uint8_t *)"", 0);
    compute();
    ck_assert_int_eq(engine.calls, 0);
    ck_assert_uint_eq(batch_rows(batch), 0);
}
END_TEST

START_TEST(an_engine_s_error_fails_only_the_guilty)
{
    engine.fail_at = 77;
    add(1, 2);
    add(77, 1);
    batch_add(batch, NULL, 0);
    add(10, 3);
    compute();
    check(0, 1, 2);
    check_failed(1, FAILURE_MODEL_FAILED, "row ? begins with 77");
    check(3, 10, 3);
    ck_assert_int_eq(engine.calls, 4);
    forget();
    engine.calls = 0;
    add(77, 1);
    compute();
    check_failed(0, FAILURE_MODEL_FAILED, "row ? begins with 77");
    ck_assert_int_eq(engine.calls, 1);
}
END_TEST

START_TEST(what_the_engine_finds_invalid_is_nobody_else_s)
{
    engine.fail_at = 77;
    engine.error = BACKEND_INVALID;
    add(1, 2);
    add(77, 1);
    compute();
    check(0, 1, 2);
    check_failed(1, FAILURE_INVALID, "row ? begins with 77");
}
END_TEST

START_TEST(an_error_in_a_later_slice_takes_the_earlier_back)
{
    use(2, false, 0, 2);
    engine.fail_at = 6; /* the fourth row of the first request */
    add(0, 5);
    add(100, 3);
    compute();
    ck_assert_int_eq(batch_failure(batch, 0), FAILURE_MODEL_FAILED);
    check(1, 100, 3);
}
END_TEST

START_TEST(wrong_numbers_of_rows_are_an_error_of_the_model)
{
    engine.wrong_rows = 1;
    add(0, 2);
    compute();
    check_failed(0, FAILURE_MODEL_FAILED, "output y has 3 rows for 2");
    forget();
    engine.wrong_rows = -1;
    add(0, 2);
    compute();
    check_failed(0, FAILURE_MODEL_FAILED, "output y has 1 rows for 2");
    forget();
    engine.flat = true;
    add(0, 2);
    compute();
    check_failed(0, FAILURE_MODEL_FAILED, "output y has 0 rows for 2");
}
END_TEST

START_TEST(rows_of_an_answer_have_one_shape)
{
    use(2, false, 0, 2);
    engine.odd_call = 2;
    add(0, 4);
    compute();
    check_failed(0, FAILURE_MODEL_FAILED, "output y has rows of different shapes");
}
END_TEST

START_TEST(answers_are_bounded)
{
    add(0, 2);
    compute();
    size_t size = batch_answer_bytes(batch, 0);
    forget();
    batch_free(batch);
    batch = batch_new(&model, 64, size);
    add(0, 2);
    add(0, 3);
    compute();
    check(0, 0, 2);
    ck_assert_int_eq(batch_failure(batch, 1), FAILURE_MODEL_FAILED);
    ck_assert_ptr_nonnull(strstr(batch_message(batch, 1), "the answer is longer than"));
    ck_assert_uint_eq(batch_rows(batch), 2);
}
END_TEST

START_TEST(work_does_not_begin_after_its_deadline)
{
    add(0, 2);
    add(10, 1);
    batch_run(batch, clock_now());
    ck_assert_int_eq(engine.calls, 0);
    check_failed(0, FAILURE_DEADLINE, "the time was over after 0 of 3 rows");
    check_failed(1, FAILURE_DEADLINE, "the time was over after 0 of 3 rows");
    forget();
    add(0, 2);
    batch_run(batch, clock_now() + 3600 * SECOND);
    check(0, 0, 2);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_does_not_fit_fails_alone,
        a_name_that_comes_twice_does_not_hide_another,
        too_many_rows_are_refused,
        bytes_that_are_no_tensors_fail_alone,
        a_batch_of_failures_calls_nobody,
        an_engine_s_error_fails_only_the_guilty,
        what_the_engine_finds_invalid_is_nobody_else_s,
        an_error_in_a_later_slice_takes_the_earlier_back,
        wrong_numbers_of_rows_are_an_error_of_the_model,
        rows_of_an_answer_have_one_shape,
        answers_are_bounded,
        work_does_not_begin_after_its_deadline,
    };
    return SUITE_RUN("batch_failures", set_up, tear_down, tests);
}
