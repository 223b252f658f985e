/* test_warm_up: the batches that are tried and what is told of them, with an engine on a clock of the test's.
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "scratch_directory.h"
#include "suite.h"
#include "warm_up.h"

#include <stdlib.h>
#include <sys/syscall.h>

enum { CALLS_MAX = 256, ANSWER_MAX = 1 << 20 };

/* What the engine does, and what it was asked. */
static struct {
    int64_t fixed, per_row; /* ns of a call */
    int64_t jitter;         /* more in every second call, and more again in each after it */
    size_t slow_until;      /* calls: each takes three times as long before */
    size_t ends_at;         /* calls: all fail from then on; 0: never */
    size_t fails_from;      /* rows of a call; 0: never */
    int64_t columns_from;   /* rows of a call from which its output has one column more; 0: never */
    size_t calls;
    size_t rows[CALLS_MAX];
    float first[CALLS_MAX]; /* the first value of each call */
    float last[CALLS_MAX];  /* the first value of its last row */
} engine;

static int64_t now; /* on the virtual clock; 0: the real one */
static struct schema_tensor inputs[1], outputs[1];
static struct schema schema;
static struct loaded_model model;
static struct batch *batch;
static struct golden *golden;
static struct warm_up warm_up;
static float answers[4096];
static char error[GOLDEN_ERROR_MAX];

/* In the place of libc's: the code under test measures what the engine says that it took. */
int clock_gettime(clockid_t id, struct timespec *time)
{
    if (now == 0 || id != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, id, time);
    *time = (struct timespec){.tv_sec = now / SECOND, .tv_nsec = now % SECOND};
    return 0;
}

static int run(void *state, const struct backend_values *asked, struct backend_values *given, char *reason)
{
    (void)state;
    size_t rows = (size_t)asked[0].shape[0], columns = 1;
    const float *values = asked[0].data;
    ck_assert_uint_lt(engine.calls, CALLS_MAX);
    engine.rows[engine.calls] = rows;
    engine.first[engine.calls] = values[0];
    engine.last[engine.calls] = values[(rows - 1) * 2];
    now += engine.fixed + engine.per_row * (int64_t)rows;
    if (engine.calls < engine.slow_until)
        now += 2 * engine.per_row * (int64_t)rows;
    if (engine.calls++ % 2 == 1)
        now += engine.jitter * (int64_t)engine.calls;
    if ((engine.fails_from != 0 && rows >= engine.fails_from) ||
        (engine.ends_at != 0 && engine.calls > engine.ends_at)) {
        snprintf(reason, BACKEND_ERROR_MAX, "too many");
        return -1;
    }
    if (engine.columns_from != 0 && (int64_t)rows >= engine.columns_from)
        columns = 2;
    given[0] = (struct backend_values){
        answers, rows * columns * sizeof(float), 2, {(int64_t)rows, (int64_t)columns}};
    return 0;
}

static const struct backend backend = {.name = "test", .run = run};

static void set_up(void)
{
    scratch_make();
    memset(&engine, 0, sizeof engine);
    engine.per_row = MILLISECOND;
    inputs[0] = (struct schema_tensor){(char *)"x", DATATYPE_FP32, 2, {-1, 2}};
    outputs[0] = (struct schema_tensor){(char *)"y", DATATYPE_FP32, 2, {-1, 1}};
    schema = (struct schema){.inputs = inputs, .input_count = 1, .outputs = outputs, .output_count = 1};
    model = (struct loaded_model){.backend = &backend, .schema = &schema, .task = (char *)""};
    batch = batch_new(&model, 64, ANSWER_MAX);
    warm_up = (struct warm_up){.model = &model, .batch = batch, .most_rows = 64, .limit = 200 * MILLISECOND};
    now = SECOND;
}

static void tear_down(void)
{
    now = 0;
    batch_free(batch);
    golden_free(golden);
    golden = NULL;
    scratch_remove();
}

static int64_t warm(void)
{
    ck_assert_msg(warm_up_first(&warm_up, error), "%s", error);
    return warm_up_run(&warm_up);
}

static void use_golden(const char *requests)
{
    char text[1024];
    snprintf(text, sizeof text, "{\"requests\":[%s]}", requests);
    scratch_file("golden.json", text);
    warm_up.golden = golden = golden_read(scratch_directory, scratch_directory, &schema, error);
    ck_assert_msg(golden != NULL, "%s", error);
}

/* The calls of the engine, by their rows. */
static void expect_calls(const size_t *rows, size_t count)
{
    ck_assert_uint_eq(engine.calls, count);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(engine.rows[i], rows[i]);
}

#define EXPECT_CALLS(...)                                                                                    \
    expect_calls((const size_t[]){__VA_ARGS__}, sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t))

static void expect_cost(size_t i, uint32_t rows, uint32_t us)
{
    ck_assert_uint_lt(i, schema.cost_count);
    ck_assert_uint_eq(schema.costs[i].rows, rows);
    ck_assert_uint_eq(schema.costs[i].us, us);
}

START_TEST(sizes_double_up_to_the_most)
{
    ck_assert_int_eq(warm(), MILLISECOND);
    EXPECT_CALLS(1, 1, 2, 4, 8, 16, 32, 64); /* each as was to be expected: once is enough */
    ck_assert_uint_eq(schema.cost_count, 7);
    expect_cost(0, 1, 1000);
    expect_cost(6, 64, 64000);
}
END_TEST

START_TEST(the_most_need_be_no_power_of_two)
{
    warm_up.most_rows = 24;
    warm();
    EXPECT_CALLS(1, 1, 2, 4, 8, 16, 24);
    expect_cost(5, 24, 24000);
}
END_TEST

START_TEST(one_row_may_be_the_most)
{
    warm_up.most_rows = 1;
    warm_up.limit = 4 * MILLISECOND;
    ck_assert_int_eq(warm(), MILLISECOND);
    EXPECT_CALLS(1, 1);
    ck_assert_uint_eq(schema.cost_count, 1);
}
END_TEST

START_TEST(a_size_is_done_when_two_runs_agree)
{
    engine.fixed = MILLISECOND; /* so that twice the rows do not take twice as long */
    engine.per_row = 0;
    warm_up.most_rows = 4;
    warm_up.limit = 10 * MILLISECOND;
    ck_assert_int_eq(warm(), MILLISECOND);
    EXPECT_CALLS(1, 1, 2, 2, 4, 4);
    expect_cost(2, 4, 1000);
}
END_TEST

START_TEST(the_best_of_runs_that_never_agree_counts)
{
    engine.per_row = 10 * MICROSECOND;
    engine.jitter = MILLISECOND;
    warm_up.limit = SECOND;
    warm_up.most_rows = 1;
    ck_assert_int_eq(warm(), 10 * MICROSECOND);
    ck_assert_uint_eq(engine.calls, 1 + 10 + 4);
    expect_cost(0, 1, 10);
}
END_TEST

START_TEST(short_batches_are_run_again_and_the_best_of_each_counts)
{
    engine.per_row = 10 * MICROSECOND;
    engine.slow_until = 8; /* calls: somebody else had the core */
    warm_up.most_rows = 4;
    warm();
    ck_assert_uint_eq(schema.cost_count, 3);
    expect_cost(0, 1, 10);
    expect_cost(1, 2, 20);
    expect_cost(2, 4, 40);
    ck_assert_uint_eq(engine.rows[engine.calls - 1], 4);
    ck_assert_uint_eq(engine.rows[engine.calls - 2], 2);
    ck_assert_uint_eq(engine.rows[engine.calls - 3], 1);
}
END_TEST

START_TEST(a_fault_among_the_further_runs_leaves_what_was_measured)
{
    engine.per_row = 10 * MICROSECOND;
    warm_up.most_rows = 4;
    engine.ends_at = 6; /* calls: first, 1, 2, 4, 1, 2, and then it fails */
    warm();
    ck_assert_uint_eq(engine.calls, 7);
    expect_cost(2, 4, 40);
}
END_TEST

START_TEST(it_ends_with_the_time)
{
    warm_up.limit = 20 * MILLISECOND;
    ck_assert_int_eq(warm(), MILLISECOND);
    EXPECT_CALLS(1, 1, 2, 4, 8); /* 15 ms; 16 more would be too much */
    ck_assert_uint_eq(schema.cost_count, 4);
}
END_TEST

START_TEST(a_batch_of_one_is_always_measured)
{
    warm_up.limit = 0;
    ck_assert_int_eq(warm(), MILLISECOND);
    EXPECT_CALLS(1, 1);
}
END_TEST

START_TEST(a_long_call_is_not_made_twice)
{
    engine.fixed = SECOND;
    ck_assert_int_eq(warm(), SECOND + MILLISECOND);
    EXPECT_CALLS(1);
}
END_TEST

START_TEST(a_fault_ends_it_and_is_none)
{
    engine.fails_from = 8;
    ck_assert_int_eq(warm(), MILLISECOND);
    ck_assert_uint_eq(schema.cost_count, 3);
    expect_cost(2, 4, 4000);
}
END_TEST

START_TEST(a_model_that_refuses_zeros_is_served)
{
    engine.fails_from = 1;
    ck_assert_int_eq(warm(), 0);
    ck_assert_uint_eq(schema.cost_count, 0);
    outputs[0].rank = 0; /* unless nobody knows what it gives */
    ck_assert(!warm_up_first(&warm_up, error));
    ck_assert_str_eq(error, "too many");
}
END_TEST

START_TEST(columns_that_change_with_the_rows_are_learned)
{
    engine.columns_from = 16;
    outputs[0].shape[1] = -1;
    warm();
    ck_assert_int_eq(outputs[0].shape[1], -1);
    ck_assert_uint_eq(schema.cost_count, 7);
}
END_TEST

START_TEST(zeros_of_no_measure_are_not_tried)
{
    inputs[0].shape[1] = (1 << 20) + 1; /* 4 MiB a row and 4 bytes: 16 rows would be more than 64 MiB */
    engine.per_row = MICROSECOND;
    warm();
    ck_assert_uint_eq(engine.rows[engine.calls - 1], 8);
}
END_TEST

START_TEST(golden_requests_are_tried_in_turn)
{
    use_golden("{\"features\":[5,0],\"expected\":{\"prediction\":0}},"
               "{\"features\":[6,0],\"expected\":{\"prediction\":0}}");
    warm_up.most_rows = 4;
    warm_up.limit = 20 * MILLISECOND;
    ck_assert_int_eq(warm(), MILLISECOND);
    EXPECT_CALLS(1, 1, 2, 4);
    for (size_t i = 0; i < engine.calls; i++) {
        ck_assert_float_eq(engine.first[i], 5);
        ck_assert_float_eq(engine.last[i], engine.rows[i] == 1 ? 5 : 6);
    }
}
END_TEST

START_TEST(what_a_golden_request_gives_completes_the_schema)
{
    use_golden("{\"features\":[5,0],\"expected\":{\"prediction\":0}}");
    outputs[0].rank = 0;
    engine.columns_from = 1;
    ck_assert(warm_up_first(&warm_up, error));
    ck_assert_uint_eq(outputs[0].rank, 2);
    ck_assert_int_eq(outputs[0].shape[1], 2);
    engine.fails_from = 1;
    outputs[0].rank = 0;
    ck_assert(!warm_up_first(&warm_up, error));
    ck_assert_str_eq(error, "too many");
}
END_TEST

START_TEST(golden_requests_of_many_rows_are_larger_batches)
{
    use_golden("{\"instances\":[[1,0],[2,0],[3,0]],\"expected\":{\"predictions\":[0,0,0]}}");
    warm_up.most_rows = 8;
    ck_assert_int_eq(warm(), MILLISECOND);
    ck_assert_uint_eq(schema.cost_count, 3);
    expect_cost(0, 3, 3000);
    expect_cost(1, 6, 6000);
    expect_cost(2, 9, 9000); /* and the engine gets them in calls as large as the batch may be */
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        sizes_double_up_to_the_most,
        the_most_need_be_no_power_of_two,
        one_row_may_be_the_most,
        a_size_is_done_when_two_runs_agree,
        the_best_of_runs_that_never_agree_counts,
        short_batches_are_run_again_and_the_best_of_each_counts,
        a_fault_among_the_further_runs_leaves_what_was_measured,
        it_ends_with_the_time,
        a_batch_of_one_is_always_measured,
        a_long_call_is_not_made_twice,
        a_fault_ends_it_and_is_none,
        a_model_that_refuses_zeros_is_served,
        columns_that_change_with_the_rows_are_learned,
        zeros_of_no_measure_are_not_tried,
        golden_requests_are_tried_in_turn,
        what_a_golden_request_gives_completes_the_schema,
        golden_requests_of_many_rows_are_larger_batches,
    };
    return SUITE_RUN("warm_up", set_up, tear_down, tests);
}
