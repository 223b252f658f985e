/* test_combine: what a pipeline does to tensors between its models, on small numbers that can be worked out
 * by hand. SPDX-License-Identifier: MIT */
#include "combine.h"
#include "suite.h"

#include <math.h>

static char error[COMBINE_ERROR_MAX];

static struct tensor floats(const float *values, int64_t rows, int64_t columns)
{
    return (struct tensor){.name = text_of("p"),
                           .datatype = DATATYPE_FP32,
                           .rank = 2,
                           .shape = {rows, columns},
                           .data = (const uint8_t *)values,
                           .bytes = (size_t)(rows * columns) * sizeof *values};
}

static struct tensor integers(const int64_t *values, int64_t rows)
{
    return (struct tensor){.name = text_of("label"),
                           .datatype = DATATYPE_INT64,
                           .rank = 1,
                           .shape = {rows},
                           .data = (const uint8_t *)values,
                           .bytes = (size_t)rows * sizeof *values};
}

/* Texts of one letter, or none. */
static struct tensor letters(const char *text, uint8_t *data)
{
    struct tensor tensor = {.name = text_of("label"),
                            .datatype = DATATYPE_BYTES,
                            .rank = 2,
                            .shape = {(int64_t)strlen(text), 1},
                            .data = data};
    for (; *text != '\0'; text++) {
        uint32_t length = *text != ' ';
        memcpy(data + tensor.bytes, &length, sizeof length);
        data[tensor.bytes + sizeof length] = (uint8_t)*text;
        tensor.bytes += sizeof length + length;
    }
    return tensor;
}

static float float_at(const struct tensor *tensor, size_t index)
{
    float value;
    memcpy(&value, tensor->data + index * sizeof value, sizeof value);
    return value;
}

static int64_t integer_at(const struct tensor *tensor, size_t index)
{
    int64_t value;
    memcpy(&value, tensor->data + index * sizeof value, sizeof value);
    return value;
}

START_TEST(an_average_is_of_each_element)
{
    const float left[] = {1, 2, 3, 4}, right[] = {3, 6, 9, NAN};
    const double weights[] = {3, 1}, first[] = {2, 0};
    struct tensor a = floats(left, 2, 2), b = floats(right, 2, 2), mean;
    const struct tensor *given[] = {&a, &b};
    ck_assert(combine_average(given, 2, NULL, &mean, error));
    ck_assert_uint_eq(mean.bytes, sizeof left);
    ck_assert_float_eq(float_at(&mean, 0), 2);
    ck_assert_float_eq(float_at(&mean, 2), 6);
    ck_assert(isnan(float_at(&mean, 3)));
    free((void *)mean.data);
    ck_assert(combine_average(given, 2, weights, &mean, error));
    ck_assert_float_eq(float_at(&mean, 1), 3);
    free((void *)mean.data);
    ck_assert(combine_average(given, 2, first, &mean, error)); /* what does not count may be no number */
    ck_assert_float_eq(float_at(&mean, 3), 4);
    free((void *)mean.data);
    b.shape[1] = 1;
    ck_assert(!combine_average(given, 2, NULL, &mean, error));
    ck_assert_str_eq(error, "p and p have different shapes");
}
END_TEST

START_TEST(a_vote_goes_to_the_majority_and_a_tie_to_the_first)
{
    const int64_t one[] = {1, 1, 1}, two[] = {2, 2, 2}, three[] = {2, 3, 1};
    const double weights[] = {5, 1, 1};
    struct tensor a = integers(one, 3), b = integers(two, 3), c = integers(three, 3), label, share;
    const struct tensor *given[] = {&a, &b, &c};
    ck_assert(combine_vote(given, 3, NULL, &label, &share, error));
    ck_assert_int_eq(integer_at(&label, 0), 2);
    ck_assert_int_eq(integer_at(&label, 1), 1);
    ck_assert_int_eq(integer_at(&label, 2), 1);
    ck_assert_float_eq_tol(float_at(&share, 0), 2 / 3.0f, 1e-6f);
    ck_assert_float_eq_tol(float_at(&share, 1), 1 / 3.0f, 1e-6f);
    free((void *)label.data);
    free((void *)share.data);
    ck_assert(combine_vote(given, 3, weights, &label, &share, error));
    ck_assert_int_eq(integer_at(&label, 0), 1);
    free((void *)label.data);
    free((void *)share.data);
}
END_TEST

START_TEST(texts_are_voted_on_too)
{
    uint8_t memory[3][64], expected[64];
    struct tensor a = letters("x y", memory[0]), b = letters("yyz", memory[1]), c = letters("xy ", memory[2]);
    struct tensor label, share, wanted = letters("xyy", expected);
    const struct tensor *given[] = {&a, &b, &c};
    ck_assert(combine_vote(given, 3, NULL, &label, &share, error));
    ck_assert_uint_eq(label.bytes, wanted.bytes);
    ck_assert_mem_eq(label.data, wanted.data, wanted.bytes);
    free((void *)label.data);
    free((void *)share.data);
}
END_TEST

START_TEST(rows_in_doubt)
{
    const float many[] = {0.1f, 0.9f, 0.6f, 0.4f, NAN, NAN, 0.95f, 0.05f},
                single[] = {0.02f, 0.5f, 0.99f, NAN};
    size_t rows[4];
    struct tensor tensor = floats(many, 4, 2);
    ck_assert_uint_eq(combine_doubts(&tensor, 0.9, rows), 2);
    ck_assert_uint_eq(rows[0], 1);
    ck_assert_uint_eq(rows[1], 2);
    tensor = floats(single, 4, 1);
    ck_assert_uint_eq(combine_doubts(&tensor, 0.9, rows), 2);
    ck_assert_uint_eq(rows[0], 1);
    ck_assert_uint_eq(rows[1], 3);
    ck_assert_uint_eq(combine_doubts(&tensor, 0.4, rows), 1); /* one value is never below a half */
}
END_TEST

START_TEST(rows_are_taken_out_and_put_together)
{
    const float values[] = {1, 2, 3, 4, 5, 6}, others[] = {7, 8};
    const size_t picked[] = {2, 0};
    const struct combine_row places[] = {{1, 0}, {0, 2}, {0, 0}};
    struct tensor one = floats(values, 3, 2), other = floats(others, 1, 2), merged;
    const struct tensor *both[] = {&one, &other};
    struct tensor some = combine_select(&one, picked, 2);
    ck_assert_int_eq(some.shape[0], 2);
    ck_assert_float_eq(float_at(&some, 0), 5);
    ck_assert_float_eq(float_at(&some, 3), 2);
    free((void *)some.data);
    ck_assert(combine_merge(both, 2, places, 3, &merged, error));
    ck_assert_int_eq(merged.shape[0], 3);
    ck_assert_float_eq(float_at(&merged, 0), 7);
    ck_assert_float_eq(float_at(&merged, 3), 6);
    ck_assert_float_eq(float_at(&merged, 4), 1);
    free((void *)merged.data);
    other.shape[0] = 2;
    other.shape[1] = 1;
    ck_assert(!combine_merge(both, 2, places, 3, &merged, error));
}
END_TEST

START_TEST(rows_of_texts_have_lengths_of_their_own)
{
    uint8_t memory[64], expected[64];
    const size_t picked[] = {3, 1, 0};
    struct tensor tensor = letters("a cd", memory), wanted = letters("d a", expected);
    struct tensor some = combine_select(&tensor, picked, 3);
    ck_assert_uint_eq(some.bytes, wanted.bytes);
    ck_assert_mem_eq(some.data, wanted.data, wanted.bytes);
    free((void *)some.data);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_average_is_of_each_element,
                                  a_vote_goes_to_the_majority_and_a_tie_to_the_first,
                                  texts_are_voted_on_too,
                                  rows_in_doubt,
                                  rows_are_taken_out_and_put_together,
                                  rows_of_texts_have_lengths_of_their_own};
    return SUITE_RUN("combine", NULL, NULL, tests);
}
