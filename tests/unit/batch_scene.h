/* batch_scene: a batch with an engine made for it, whose output `y` is twice the input `x` and whose output
 * `t` is the input `s` with an exclamation mark; requests, and a look at their answers. Include it in one
 * test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_SCENE_H
#define OUTRIGGER_BATCH_SCENE_H

#include "batch.h"
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
    int error;        /* which */
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

static inline size_t shout(const struct backend_values *input, uint8_t *to)
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

static inline int run(void *state, const struct backend_values *in, struct backend_values *out, char *error)
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
            return engine.error;
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
static inline void use(int64_t columns, bool strings, size_t call_rows, size_t slice_rows)
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

static inline void set_up(void)
{
    memset(&engine, 0, sizeof engine);
    engine.fail_at = -1;
    engine.error = -1;
    use(2, false, 0, 64);
}

static inline void forget(void)
{
    batch_clear(batch);
    for (size_t i = 0; i < payload_count; i++)
        free(payloads[i]);
    payload_count = 0;
}

static inline void tear_down(void)
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
static inline void add_tensors(const struct tensor *tensors, size_t count, size_t shift)
{
    size_t size = tensors_encoded_size(tensors, count);
    uint8_t *bytes = malloc(size + shift);
    ck_assert_uint_eq(tensors_encode(tensors, count, bytes + shift, size, NULL), size);
    payloads[payload_count++] = bytes;
    batch_add(batch, bytes + shift, size);
}

/* A request of these rows: values first, first + 1, ... */
static inline void add_columns(float first, size_t rows, size_t columns, size_t shift)
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

static inline void add(float first, size_t rows)
{
    add_columns(first, rows, 2, 0);
}

static inline void read_answer(size_t request)
{
    size_t count, rows, size = batch_answer_bytes(batch, request);
    free(answer_bytes);
    answer_bytes = malloc(size);
    batch_answer(batch, request, answer_bytes, size);
    ck_assert_ptr_null(tensors_decode(answer_bytes, size, answer, &count, &rows));
    ck_assert_uint_eq(count, schema.output_count);
}

/* The request is answered with twice its values. */
static inline void check_columns(size_t request, float first, size_t rows, size_t columns)
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

static inline void check(size_t request, float first, size_t rows)
{
    check_columns(request, first, rows, 2);
}

static inline void compute(void)
{
    batch_run(batch, INT64_MAX);
}

#endif
