/* test_baseline: bins between quantiles, what is written reads as the same, and what is no baseline is
 * refused. SPDX-License-Identifier: MIT */
#include "baseline.h"
#include "suite.h"

#include <float.h>
#include <math.h>

enum { ROWS = 1000 };

static struct baseline_builder *builder;

static void set_up(void)
{
    builder = baseline_builder_new(BASELINE_BINS);
}

static void tear_down(void)
{
    baseline_builder_free(builder);
}

/* Adds a column of numbers as the only feature, and makes the baseline. */
static struct baseline *baseline_of(const double *numbers, size_t rows)
{
    const struct tensor tensor = {.name = text_of("x"),
                                  .datatype = DATATYPE_FP64,
                                  .rank = 1,
                                  .shape = {(int64_t)rows},
                                  .data = (const uint8_t *)numbers,
                                  .bytes = rows * sizeof *numbers};
    baseline_builder_feature(builder, "x", "x", 0, false);
    ck_assert(baseline_builder_add(builder, &tensor, 1, rows, SCORE_VALUE, numbers));
    return baseline_builder_end(builder, "m", "1", "digest");
}

static uint8_t code_of(const struct baseline_feature *feature, double number)
{
    return baseline_code(feature, (struct column_value){.missing = !isfinite(number), .number = number});
}

START_TEST(quantiles_part_numbers_evenly)
{
    double numbers[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        numbers[i] = (double)((i * 7) % ROWS); /* each of 0 to 999 once */
    struct baseline *baseline = baseline_of(numbers, ROWS);
    const struct baseline_feature *feature = &baseline->features[0];
    ck_assert_uint_eq(baseline_bins(feature), BASELINE_BINS);
    ck_assert_uint_eq(feature->step_count, BASELINE_PERCENTILES - 1);
    for (size_t bin = 0; bin < BASELINE_BINS; bin++)
        ck_assert_uint_eq(baseline_count(feature, bin), ROWS / BASELINE_BINS);
    ck_assert_double_eq(feature->steps[feature->edges[0]], 99);
    ck_assert_uint_eq(baseline_bin(feature, code_of(feature, 99)), 0); /* at most the edge */
    ck_assert_uint_eq(baseline_bin(feature, code_of(feature, 99.5)), 1);
    ck_assert_uint_eq(baseline_bin(feature, code_of(feature, 999)), 9);
    ck_assert_double_eq(feature->mean, 499.5);
    ck_assert_uint_eq(baseline->score.count, ROWS);
    baseline_free(baseline);
}
END_TEST

START_TEST(what_is_beyond_is_in_the_outer_bins)
{
    const double numbers[] = {1, 2, 3, 4, NAN, INFINITY};
    struct baseline *baseline = baseline_of(numbers, COUNT_OF(numbers));
    const struct baseline_feature *feature = &baseline->features[0];
    ck_assert_uint_eq(feature->count, 4);
    ck_assert_uint_eq(feature->missing, 2);
    ck_assert_uint_eq(code_of(feature, 0.5), BASELINE_LOW);
    ck_assert_uint_eq(baseline_bin(feature, BASELINE_LOW), 0);
    ck_assert_uint_eq(code_of(feature, 4.5), BASELINE_HIGH);
    ck_assert_uint_eq(baseline_bin(feature, BASELINE_HIGH), baseline_bins(feature) - 1);
    ck_assert_uint_eq(code_of(feature, NAN), BASELINE_MISSING);
    baseline_free(baseline);
}
END_TEST

/* A few different numbers have a bin each, and a constant has one of its own between two empty ones. */
START_TEST(few_numbers_have_few_bins)
{
    const double truths[] = {0, 0, 0, 1, 1, 1, 1, 1};
    struct baseline *baseline = baseline_of(truths, COUNT_OF(truths));
    const struct baseline_feature *feature = &baseline->features[0];
    ck_assert_uint_eq(feature->edge_count, 3);
    ck_assert_uint_eq(baseline_count(feature, 0), 3);
    ck_assert_uint_eq(baseline_count(feature, 1), 0); /* between the two */
    ck_assert_uint_eq(baseline_count(feature, 2), 5);
    ck_assert_uint_eq(baseline_count(feature, 3), 0);
    baseline_free(baseline);
    tear_down();
    set_up();
    const double same[] = {5, 5, 5};
    baseline = baseline_of(same, COUNT_OF(same));
    feature = &baseline->features[0];
    ck_assert_uint_eq(baseline_bins(feature), 3);
    ck_assert_uint_eq(baseline_count(feature, 1), 3);
    ck_assert_uint_eq(baseline_bin(feature, code_of(feature, 4.999)), 0);
    ck_assert_uint_eq(baseline_bin(feature, code_of(feature, 5)), 1);
    ck_assert_uint_eq(baseline_bin(feature, code_of(feature, 6)), 2);
    baseline_free(baseline);
}
END_TEST

/* `ties` of ROWS are `tied`, the others spread over the numbers below and above it, evenly from `from` on. */
static struct baseline *baseline_with_ties(double tied, size_t ties, double from)
{
    double numbers[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        numbers[i] = i < ties ? tied : from + (double)(i - ties) / (double)(ROWS - ties);
    return baseline_of(numbers, ROWS);
}

/* The count of the baseline in the bin of a number. */
static uint64_t count_at(const struct baseline_feature *feature, double number)
{
    return baseline_count(feature, baseline_bin(feature, code_of(feature, number)));
}

/* As a share that is cut at 1, and is so most often. */
START_TEST(what_is_often_the_largest_is_told_from_what_is_less)
{
    struct baseline *baseline = baseline_with_ties(1, ROWS - 50, 0);
    const struct baseline_feature *feature = &baseline->features[0];
    ck_assert_uint_eq(count_at(feature, 1), ROWS - 50);
    ck_assert_uint_eq(count_at(feature, 0.99), 50);
    ck_assert_uint_eq(count_at(feature, 1.01), 0);
    baseline_free(baseline);
}
END_TEST

START_TEST(what_is_often_in_the_middle_is_told_from_both_sides)
{
    struct baseline *baseline = baseline_with_ties(0.5, ROWS / 2, 0);
    const struct baseline_feature *feature = &baseline->features[0];
    ck_assert_uint_eq(count_at(feature, 0.5), ROWS / 2 + 1);
    ck_assert_uint_lt(count_at(feature, 0.499), 100);
    ck_assert_uint_lt(count_at(feature, 0.501), 100);
    ck_assert_uint_le(baseline_bins(feature), BASELINE_BINS);
    baseline_free(baseline);
}
END_TEST

/* A tie at the end that one quantile alone meets, with as few and as many bins as there may be. */
START_TEST(there_are_never_more_bins_than_were_asked_for)
{
    const size_t bins[] = {2, BASELINE_BINS, BASELINE_BINS_MAX};
    for (size_t i = 0; i < COUNT_OF(bins); i++) {
        size_t ties = ROWS / bins[i] + 1;
        tear_down();
        builder = baseline_builder_new(bins[i]);
        struct baseline *baseline = baseline_with_ties(1, ties, 0);
        const struct baseline_feature *feature = &baseline->features[0];
        ck_assert_uint_eq(baseline_bins(feature), bins[i]);
        ck_assert_uint_eq(count_at(feature, 1), ties);
        baseline_free(baseline);
    }
}
END_TEST

/* Below it there is no number, and infinity is none of JSON. */
START_TEST(the_least_number_there_is_has_nothing_below)
{
    const double numbers[] = {-DBL_MAX, -DBL_MAX, -DBL_MAX};
    struct baseline *baseline = baseline_of(numbers, COUNT_OF(numbers));
    size_t length;
    const char *reason;
    ck_assert_uint_eq(baseline_bins(&baseline->features[0]), 2);
    char *text = baseline_to_json(baseline, &length);
    struct baseline *again = baseline_read(text, length, &reason);
    ck_assert_msg(again != NULL, "%s", reason);
    baseline_free(again);
    free(text);
    baseline_free(baseline);
}
END_TEST

/* Texts in a tensor: their lengths stand before them. */
static size_t write_texts(const char *const *texts, size_t count, uint8_t *data)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t size = (uint32_t)strlen(texts[i]);
        memcpy(data + length, &size, sizeof size);
        memcpy(data + length + sizeof size, texts[i], size);
        length += sizeof size + size;
    }
    return length;
}

START_TEST(categories_are_counted)
{
    static const char *const texts[] = {"red", "x", "blue", "y", "red", "", "red", "z", "blue", "\xff"};
    uint8_t data[256];
    struct tensor tensor = {
        .name = text_of("t"), .datatype = DATATYPE_BYTES, .rank = 2, .shape = {5, 2}, .data = data};
    tensor.bytes = write_texts(texts, COUNT_OF(texts), data);
    baseline_builder_feature(builder, "colour", "t", 0, true);
    baseline_builder_feature(builder, "other", "t", 1, true);
    ck_assert(baseline_builder_add(builder, &tensor, 1, 5, SCORE_NONE, NULL));
    struct baseline *baseline = baseline_builder_end(builder, "m", "1", "");
    const struct baseline_feature *colour = &baseline->features[0], *other = &baseline->features[1];
    ck_assert_uint_eq(colour->category_count, 2);
    ck_assert_str_eq(colour->categories[0].text, "red"); /* the most frequent one first */
    ck_assert_uint_eq(baseline_count(colour, 0), 3);
    ck_assert_uint_eq(baseline_bins(colour), 3);
    ck_assert_uint_eq(baseline_code(colour, (struct column_value){.text = text_of("blue")}), 1);
    ck_assert_uint_eq(baseline_code(colour, (struct column_value){.text = text_of("green")}), BASELINE_OTHER);
    ck_assert_uint_eq(other->missing, 1); /* the empty one */
    ck_assert_uint_eq(other->others, 1);  /* what is no text */
    baseline_free(baseline);
}
END_TEST

START_TEST(there_may_be_too_many_features)
{
    for (size_t i = 0; i < BASELINE_FEATURES_MAX + 3; i++)
        baseline_builder_feature(builder, "x", "x", i, false);
    struct baseline *baseline = baseline_builder_end(builder, "m", "1", "");
    ck_assert_uint_eq(baseline->feature_count, BASELINE_FEATURES_MAX);
    ck_assert_uint_eq(baseline->left_out, 3);
    baseline_free(baseline);
}
END_TEST

START_TEST(tensors_without_the_features_are_refused)
{
    const double number = 1;
    struct tensor tensor = {.name = text_of("x"),
                            .datatype = DATATYPE_FP64,
                            .rank = 1,
                            .shape = {1},
                            .data = (const uint8_t *)&number,
                            .bytes = sizeof number};
    baseline_builder_feature(builder, "x", "x", 1, false);
    ck_assert(!baseline_builder_add(builder, &tensor, 1, 1, SCORE_NONE, NULL));
    tensor.name = text_of("y");
    ck_assert(!baseline_builder_add(builder, &tensor, 1, 1, SCORE_NONE, NULL));
}
END_TEST

/* ---- as JSON ---- */

START_TEST(what_is_written_reads_as_the_same)
{
    double numbers[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        numbers[i] = sin((double)i) / 3;
    struct baseline *baseline = baseline_of(numbers, ROWS);
    size_t length, again_length;
    char *text = baseline_to_json(baseline, &length);
    const char *reason;
    struct baseline *again = baseline_read(text, length, &reason);
    ck_assert_msg(again != NULL, "%s", reason);
    char *again_text = baseline_to_json(again, &again_length);
    ck_assert_str_eq(text, again_text);
    free(text);
    free(again_text);
    baseline_free(baseline);
    baseline_free(again);
}
END_TEST

#define HEAD                                                                                                 \
    "{\"baseline\":1,\"model\":\"m\",\"version\":\"1\",\"digest\":\"\",\"created\":\"\",\"rows\":4,\"left_"  \
    "out\":0,"
#define NUMBER "\"name\":\"x\",\"input\":\"x\",\"column\":0,\"kind\":\"number\",\"count\":4,\"missing\":0,"
#define RANGE  "\"minimum\":1,\"maximum\":4,\"mean\":2.5,"
#define SCORE  "\"score\":{\"of\":\"none\",\"count\":0,\"missing\":0,\"steps\":[],\"below\":[],\"edges\":[]}"

static void expect_refusal(const char *text, const char *expected)
{
    const char *reason;
    ck_assert_ptr_null(baseline_read(text, strlen(text), &reason));
    ck_assert_str_eq(reason, expected);
}

START_TEST(what_contradicts_itself_is_refused)
{
    const char *reason;
    static const char good[] =
        HEAD "\"features\":[{" NUMBER RANGE "\"steps\":[1,2],\"below\":[1,2],\"edges\":[2]}]," SCORE "}";
    struct baseline *baseline = baseline_read(good, strlen(good), &reason);
    ck_assert_msg(baseline != NULL, "%s", reason);
    ck_assert_uint_eq(baseline_count(&baseline->features[0], 1), 2);
    baseline_free(baseline);
    expect_refusal("[", "it is no JSON");
    expect_refusal("{}", "it is no baseline, or of another format");
    expect_refusal(HEAD "\"features\":[]}", "score is of no kind");
    expect_refusal(HEAD "\"features\":[{" NUMBER "\"steps\":[],\"below\":[],\"edges\":[]}]," SCORE "}",
                   "minimum, maximum or mean is no number");
    expect_refusal(HEAD "\"features\":[{" NUMBER RANGE "\"steps\":[2,1],\"below\":[1,2],\"edges\":[]}]," SCORE
                        "}",
                   "steps and below do not ascend, or hold more than there is");
    expect_refusal(HEAD "\"features\":[{" NUMBER RANGE "\"steps\":[1],\"below\":[5],\"edges\":[]}]," SCORE
                        "}",
                   "steps and below do not ascend, or hold more than there is");
    expect_refusal(HEAD "\"features\":[{" NUMBER RANGE "\"steps\":[1],\"below\":[1],\"edges\":[3]}]," SCORE
                        "}",
                   "edges are not some of the steps in their order");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        quantiles_part_numbers_evenly,
        what_is_beyond_is_in_the_outer_bins,
        few_numbers_have_few_bins,
        categories_are_counted,
        what_is_often_the_largest_is_told_from_what_is_less,
        what_is_often_in_the_middle_is_told_from_both_sides,
        there_are_never_more_bins_than_were_asked_for,
        the_least_number_there_is_has_nothing_below,
        there_may_be_too_many_features,
        tensors_without_the_features_are_refused,
        what_is_written_reads_as_the_same,
        what_contradicts_itself_is_refused,
    };
    return SUITE_RUN("baseline", set_up, tear_down, tests);
}
