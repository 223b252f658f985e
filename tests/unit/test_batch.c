/* test_batch: rows of many requests joined, computed in slices and parted again, with an engine made for it:
 * its output `y` is twice the input `x`, its output `t` the input `s` with an exclamation mark.
 * SPDX-License-Identifier: MIT */
#include "batch.h"
#include "clock.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

enum { MANY = 1000, ANSWER_MAX = 1 << 20 };

/* What the engine saw, and what it shall do. */
static struct {
    int calls;
    size_t rows[64];  /* of each call */
    const void *data; /* of `x` in the last call */
    float fail_at;    /* an error when a row begins with it */
    int wrong_rows;   /* added to the rows that it gives */
    bool flat;        /* gives `y` without dimensions */
    int64_t odd_call; /* gives one column more in this call */
} engine;

static struct schema_tensor inputs[2], outputs[2];
static struct schema schema;
static struct loaded_model model;
static struct batch *batch;
static struct backend_values result[2];
static uint8_t *payloads[MANY];
static size_t payload_count;
static struct tensor answer[TENSOR_COUNT_MAX]; /* of the request read last */
static uint8_t *answer_bytes;

static size_t shout(const struct backend_values *input, uint8_t *to)
{
    const uint8_t *at = input->data, *end = at + input->bytes;
    uint8_t *start = to;
    while (at < end) {
        uint32_t length, longer;
        memcpy(&length, at, 4);
        longer = length + 1;
        memcpy(to, &longer, 4);
        memcpy(to + 4, at + 4, length);
        to[4 + length] = '!';
        to += 4 + longer;
        at += 4 + length;
    }
    return (size_t)(to - start);
}

static int run(void *state, const struct backend_values *in, struct backend_values *out, char *error)
{
    (void)state;
    size_t rows = (size_t)in[0].shape[0], columns = in[0].rank > 1 ? (size_t)in[0].shape[1] : 1;
    const float *x = in[0].data;
    engine.data = in[0].data;
    engine.rows[engine.calls++ % 64] = rows;
    ck_assert_uint_eq((uintptr_t)x % sizeof *x, 0);
    ck_assert_uint_eq(in[0].bytes, rows * columns * sizeof *x);
    for (size_t r = 0; r < rows && columns > 0; r++)
        if (x[r * columns] == engine.fail_at) {
            snprintf(error, BACKEND_ERROR_MAX, "row \x01 begins with %g", (double)engine.fail_at);
            return -1;
        }
    free((void *)result[0].data);
    float *y = object_alloc((rows * columns + rows + columns + 8) * sizeof *y);
    for (size_t i = 0; i < rows * columns; i++)
        y[i] = 2 * x[i];
    int64_t given = (int64_t)rows + engine.wrong_rows,
            wide = (int64_t)columns + (engine.calls == engine.odd_call);
    result[0] =
        (struct backend_values){y, (size_t)(given * wide) * sizeof *y, engine.flat ? 0 : 2, {given, wide}};
    out[0] = result[0];
    if (schema.input_count == 2) {
        free((void *)result[1].data);
        uint8_t *t = object_alloc(in[1].bytes * 2 + 64);
        result[1] = (struct backend_values){t, shout(&in[1], t), 1, {(int64_t)rows}};
        out[1] = result[1];
    }
    return 0;
}

static const struct backend backend = {.name = "test", .run = run};

/* A model of two columns, or (-1) of any number; with strings or without. */
static void use(int64_t columns, bool strings, size_t call_rows, size_t slice_rows)
{
    batch_free(batch);
    inputs[0] = (struct schema_tensor){(char *)"x", DATATYPE_FP32, 2, {-1, columns}};
    outputs[0] = (struct schema_tensor){(char *)"y", DATATYPE_FP32, 2, {-1, columns}};
    inputs[1] = (struct schema_tensor){(char *)"s", DATATYPE_BYTES, 1, {-1}};
    outputs[1] = (struct schema_tensor){(char *)"t", DATATYPE_BYTES, 1, {-1}};
    schema = (struct schema){.inputs = inputs,
                             .input_count = strings ? 2 : 1,
                             .outputs = outputs,
                             .output_count = strings ? 2 : 1};
    model = (struct loaded_model){.backend = &backend, .schema = &schema, .call_rows = call_rows};
    batch = batch_new(&model, slice_rows, ANSWER_MAX);
}

static void set_up(void)
{
    memset(&engine, 0, sizeof engine);
    engine.fail_at = -1;
    use(2, false, 0, 64);
}

static void forget(void)
{
    batch_clear(batch);
    for (size_t i = 0; i < payload_count; i++)
        free(payloads[i]);
    payload_count = 0;
}

static void tear_down(void)
{
    forget();
    batch_free(batch);
    free(answer_bytes);
    free((void *)result[0].data);
    free((void *)result[1].data);
}

/* ---- requests and answers ---- */

/* Adds the tensors as a request, in memory of exactly their length, at an address that is `shift` behind an
 * aligned one. */
static void add_tensors(const struct tensor *tensors, size_t count, size_t shift)
{
    size_t size = tensors_encoded_size(tensors, count);
    uint8_t *bytes = malloc(size + shift);
    ck_assert_uint_eq(tensors_encode(tensors, count, bytes + shift, size, NULL), size);
    payloads[payload_count++] = bytes;
    batch_add(batch, bytes + shift, size);
}

/* A request of these rows: values first, first + 1, ... */
static void add_columns(float first, size_t rows, size_t columns, size_t shift)
{
    float *values = malloc((rows * columns + 1) * sizeof *values);
    for (size_t i = 0; i < rows * columns; i++)
        values[i] = first + (float)i;
    struct tensor x = {text_of("x"),
                       DATATYPE_FP32,
                       2,
                       {(int64_t)rows, (int64_t)columns},
                       (const uint8_t *)values,
                       rows * columns * sizeof *values};
    add_tensors(&x, 1, shift);
    free(values);
}

static void add(float first, size_t rows)
{
    add_columns(first, rows, 2, 0);
}

static void read_answer(size_t request)
{
    size_t count, rows, size = batch_answer_bytes(batch, request);
    free(answer_bytes);
    answer_bytes = malloc(size);
    batch_answer(batch, request, answer_bytes, size);
    ck_assert_ptr_null(tensors_decode(answer_bytes, size, answer, &count, &rows));
    ck_assert_uint_eq(count, schema.output_count);
}

/* The request is answered with twice its values. */
static void check_columns(size_t request, float first, size_t rows, size_t columns)
{
    ck_assert_int_eq(batch_failure(batch, request), FAILURE_NONE);
    ck_assert_str_eq(batch_message(batch, request), "");
    read_answer(request);
    ck_assert(text_is(answer[0].name, "y"));
    ck_assert_int_eq(answer[0].shape[0], (int64_t)rows);
    ck_assert_int_eq(answer[0].shape[1], (int64_t)columns);
    for (size_t i = 0; i < rows * columns; i++) {
        float value;
        memcpy(&value, answer[0].data + i * sizeof value, sizeof value);
        ck_assert_float_eq(value, 2 * (first + (float)i));
    }
}

static void check(size_t request, float first, size_t rows)
{
    check_columns(request, first, rows, 2);
}

static void check_failed(size_t request, enum failure failure, const char *message)
{
    ck_assert_int_eq(batch_failure(batch, request), failure);
    ck_assert_str_eq(batch_message(batch, request), message);
}

static void compute(void)
{
    batch_run(batch, INT64_MAX);
}

/* ---- tests ---- */

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

/* ---- failures ---- */

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
        rows_without_values_are_rows,
        strings_are_joined_and_parted,
        what_does_not_fit_fails_alone,
        a_name_that_comes_twice_does_not_hide_another,
        too_many_rows_are_refused,
        bytes_that_are_no_tensors_fail_alone,
        a_batch_of_failures_calls_nobody,
        an_engine_s_error_fails_only_the_guilty,
        an_error_in_a_later_slice_takes_the_earlier_back,
        wrong_numbers_of_rows_are_an_error_of_the_model,
        rows_of_an_answer_have_one_shape,
        answers_are_bounded,
        work_does_not_begin_after_its_deadline,
        a_large_batch_s_memory_is_given_back,
        freeing_nothing_is_fine,
    };
    return SUITE_RUN("batch", set_up, tear_down, tests);
}
