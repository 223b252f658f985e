/* test_sampling: which rows are taken, and what the collector is shown of them. SPDX-License-Identifier: MIT
 */
#include "collector_scene.h"
#include "sampling.h"

enum { RATE = 100 };

static struct metrics *metrics;
static struct sampling *sampling;
static struct config config;
static struct schema regression = {.regression = true};
static uint8_t payload[1 << 20];

static void begin(int64_t rate)
{
    config.drift_rows_per_s = rate;
    sampling = sampling_new(loop, &config, metrics, observer);
}

static void set_up(void)
{
    open_collector();
    config = (struct config){.frontend_processes = 1};
    metrics = metrics_new(NULL);
}

static void tear_down(void)
{
    sampling_free(sampling);
    sampling = NULL;
    metrics_free(metrics);
    close_collector();
}

static uint64_t counter(enum metric metric, const char *label)
{
    return metrics_series(metrics, metric, label, NULL, NULL)->value;
}

/* Rows of one number, which is that of the row, and one text. */
static size_t write_rows(size_t rows)
{
    static double numbers[1000];
    static uint8_t texts[16000];
    size_t length = 0;
    for (size_t i = 0; i < rows; i++) {
        char text[16];
        uint32_t size = (uint32_t)snprintf(text, sizeof text, "row %zu", i);
        numbers[i] = (double)i;
        memcpy(texts + length, &size, sizeof size);
        memcpy(texts + length + sizeof size, text, size);
        length += sizeof size + size;
    }
    const struct tensor tensors[] = {{.name = text_of("x"),
                                      .datatype = DATATYPE_FP64,
                                      .rank = 1,
                                      .shape = {(int64_t)rows},
                                      .data = (const uint8_t *)numbers,
                                      .bytes = rows * sizeof *numbers},
                                     {.name = text_of("t"),
                                      .datatype = DATATYPE_BYTES,
                                      .rank = 2,
                                      .shape = {(int64_t)rows, 1},
                                      .data = texts,
                                      .bytes = length}};
    return tensors_encode(tensors, 2, payload, sizeof payload, NULL);
}

/* A request of one row is sent, and answered. True when it was taken. */
static bool take_and_answer(struct sampler *sampler, size_t bytes)
{
    struct taken *taken = sampling_take(sampler, payload, bytes, 1);
    sampling_answered(sampler, 1);
    if (taken == NULL)
        return false;
    taken_answered(taken, &regression, payload, bytes);
    taken_show(taken, text_of("m"), text_of("2"));
    return true;
}

/* The only observation that has been shown. */
static void receive_sample(struct sampled *sampled, double scores[SAMPLED_ROWS_MAX])
{
    struct observation_any any;
    struct wire_reader reader = receive();
    ck_assert_ptr_null(observation_next(&reader, &any));
    ck_assert_ptr_null(sampled_read(&any, sampled, scores));
}

START_TEST(all_rows_are_shown_while_they_are_few)
{
    static double scores[SAMPLED_ROWS_MAX];
    struct sampled sampled;
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, rows, bytes = write_rows(3);
    begin(RATE);
    struct taken *taken = sampling_take(sampling_of(sampling, "m"), payload, bytes, 3);
    ck_assert_ptr_nonnull(taken);
    taken_answered(taken, &regression, payload, bytes);
    taken_show(taken, text_of("m"), text_of("2"));
    receive_sample(&sampled, scores);
    ck_assert(text_is(sampled.model, "m") && text_is(sampled.version, "2"));
    ck_assert_uint_eq(sampled.rows, 3);
    ck_assert_int_eq(sampled.score_kind, SCORE_VALUE);
    for (size_t i = 0; i < 3; i++)
        ck_assert_double_eq(sampled.scores[i], (double)i);
    ck_assert_ptr_null(
        tensors_decode((const uint8_t *)sampled.inputs.at, sampled.inputs.length, tensors, &count, &rows));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(counter(METRIC_DRIFT_SAMPLED, NULL), 3);
}
END_TEST

/* Of a thousand rows a hundred may be taken: they are any, and each has its own text and score. */
START_TEST(a_large_request_is_thinned)
{
    enum { ROWS = 1000 };
    static double scores[SAMPLED_ROWS_MAX];
    struct sampled sampled;
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, rows, offset = 0, late = 0, bytes = write_rows(ROWS);
    begin(RATE);
    struct taken *taken = sampling_take(sampling_of(sampling, "m"), payload, bytes, ROWS);
    taken_answered(taken, &regression, payload, bytes);
    taken_show(taken, text_of("m"), text_of("2"));
    receive_sample(&sampled, scores);
    ck_assert_uint_le(sampled.rows, RATE);
    ck_assert_uint_ge(sampled.rows, RATE / 3);
    ck_assert_ptr_null(
        tensors_decode((const uint8_t *)sampled.inputs.at, sampled.inputs.length, tensors, &count, &rows));
    ck_assert_uint_eq(rows, sampled.rows);
    for (size_t i = 0; i < rows; i++) {
        char expected[16];
        struct text text = value_bytes(&tensors[1], &offset);
        snprintf(expected, sizeof expected, "row %.0f", sampled.scores[i]);
        ck_assert(text_is(text, expected));
        ck_assert_double_eq(value_float(&tensors[0], i), sampled.scores[i]);
        late += sampled.scores[i] >= ROWS / 2.0;
    }
    ck_assert_uint_ge(late, 5); /* not the first ones alone */
}
END_TEST

START_TEST(no_more_are_taken_than_may_be)
{
    size_t bytes = write_rows(1), taken_count = 0;
    begin(RATE);
    struct sampler *sampler = sampling_of(sampling, "m");
    for (int i = 0; i < 50 * RATE; i++)
        taken_count += take_and_answer(sampler, bytes);
    ck_assert_uint_eq(taken_count, RATE);
    ck_assert_ptr_eq(sampling_of(sampling, "m"), sampler);
    ck_assert_ptr_ne(sampling_of(sampling, "other"), sampler);
}
END_TEST

static struct loop_timer stop_timer;

static void stop(void *self)
{
    (void)self;
    loop_stop(loop);
}

static void pass_a_second(void)
{
    loop_timer_set(loop, &stop_timer, clock_now() + SECOND + SECOND / 10, stop, NULL);
    loop_run(loop);
}

/* When a second has passed the probability is what it ought to have been: those that are taken are spread. */
START_TEST(the_probability_follows_the_traffic)
{
    enum { ROWS = 50 * RATE };
    size_t bytes = write_rows(1), taken_count = 0, late = 0;
    begin(RATE);
    struct sampler *sampler = sampling_of(sampling, "m");
    for (int i = 0; i < ROWS; i++)
        take_and_answer(sampler, bytes);
    pass_a_second();
    for (int i = 0; i < ROWS; i++) {
        bool taken = take_and_answer(sampler, bytes);
        taken_count += taken;
        late += taken && i >= ROWS / 2;
    }
    ck_assert_uint_le(taken_count, RATE);
    ck_assert_uint_ge(taken_count, RATE / 3);
    ck_assert_uint_ge(late, RATE / 10);
}
END_TEST

/* While nine of ten requests fail, as many rows are shown as while none does. */
START_TEST(what_fails_takes_no_room)
{
    enum { ROWS = 5 * RATE };
    size_t bytes = write_rows(1), taken_count = 0;
    begin(RATE);
    struct sampler *sampler = sampling_of(sampling, "m");
    for (int i = 0; i < 10 * ROWS; i++)
        if (i % 10 == 0)
            taken_count += take_and_answer(sampler, bytes);
        else
            taken_drop(sampling_take(sampler, payload, bytes, 1));
    ck_assert_uint_eq(taken_count, RATE);
    pass_a_second();
    taken_count = 0;
    for (int i = 0; i < 10 * ROWS; i++)
        if (i % 10 == 0)
            taken_count += take_and_answer(sampler, bytes);
        else
            taken_drop(sampling_take(sampler, payload, bytes, 1));
    ck_assert_uint_le(taken_count, RATE);
    ck_assert_uint_ge(taken_count, RATE / 3);
}
END_TEST

START_TEST(what_has_no_answer_is_counted)
{
    size_t bytes = write_rows(1);
    begin(RATE);
    struct sampler *sampler = sampling_of(sampling, "m");
    taken_show(sampling_take(sampler, payload, bytes, 1), text_of("m"), text_of(""));
    ck_assert_uint_eq(counter(METRIC_DRIFT_DROPPED, "failed"), 1);
    taken_drop(sampling_take(sampler, payload, bytes, 1));
    ck_assert_uint_eq(counter(METRIC_DRIFT_DROPPED, "failed"), 2);
    ck_assert_ptr_null(sampling_take(sampler, payload, sizeof payload, 1));
    ck_assert_uint_eq(counter(METRIC_DRIFT_DROPPED, "size"), 1);
    ck_assert_uint_eq(counter(METRIC_DRIFT_SAMPLED, NULL), 0);
}
END_TEST

/* Many texts are not even checked. */
START_TEST(many_texts_are_too_large)
{
    static uint8_t texts[300000];
    const struct tensor tensor = {.name = text_of("t"),
                                  .datatype = DATATYPE_BYTES,
                                  .rank = 2,
                                  .shape = {2, 1},
                                  .data = texts, /* which are none: two would be eight bytes */
                                  .bytes = sizeof texts};
    size_t bytes = tensors_encode(&tensor, 1, payload, sizeof payload, NULL);
    ck_assert_uint_gt(bytes, 0);
    begin(RATE);
    ck_assert_ptr_null(sampling_take(sampling_of(sampling, "m"), payload, bytes, 2));
    ck_assert_uint_eq(counter(METRIC_DRIFT_DROPPED, "size"), 2);
}
END_TEST

START_TEST(none_are_taken_unless_wanted)
{
    begin(0);
    sampling_answered(NULL, 1);
    ck_assert_ptr_null(sampling_of(sampling, "m"));
    ck_assert_ptr_null(sampling_of(NULL, "m"));
    ck_assert_ptr_null(sampling_take(NULL, payload, 1, 1));
    taken_drop(NULL);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {all_rows_are_shown_while_they_are_few,
                            a_large_request_is_thinned,
                            no_more_are_taken_than_may_be,
                            the_probability_follows_the_traffic,
                            what_fails_takes_no_room,
                            what_has_no_answer_is_counted,
                            many_texts_are_too_large,
                            none_are_taken_unless_wanted};
    return SUITE_RUN("sampling", set_up, tear_down, tests);
}
