/* test_comparison: what counts as agreement, for every kind of output; what the collector adds up of it, and
 * what it answers when it is asked. SPDX-License-Identifier: MIT */
#include "agreement.h"
#include "comparison.h"
#include "observing.h"
#include "suite.h"
#include "tensor.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 2 };

/* Answers are of two rows. */
struct answer {
    uint8_t bytes[1024];
    size_t length;
};

static struct answer left, right;
static struct observation observation;
static struct agreement agreement;

static void set_up(void)
{
    observation = (struct observation){.kind = OBSERVATION_SHADOW,
                                       .model = text_of("m"),
                                       .version = text_of("1"),
                                       .shadow = text_of("2"),
                                       .tolerance_ppm = 1000};
}

static struct tensor tensor(const char *name, enum datatype datatype, int64_t columns, const void *data)
{
    struct tensor made = {
        .name = text_of(name), .datatype = datatype, .rank = 1, .shape = {ROWS, columns}, .data = data};
    size_t values = ROWS;
    if (columns > 0) {
        made.rank = 2;
        values *= (size_t)columns;
    }
    made.bytes = values * datatype_bytes(datatype);
    return made;
}

static void encode(struct answer *answer, const struct tensor *tensors, size_t count)
{
    answer->length = tensors_encode(tensors, count, answer->bytes, sizeof answer->bytes, NULL);
    ck_assert_uint_gt(answer->length, 0);
}

static const char *compare(void)
{
    observation.answer = (struct text){(const char *)left.bytes, left.length};
    observation.shadow_answer = (struct text){(const char *)right.bytes, right.length};
    return comparison_of(&observation, &agreement);
}

static void scores(struct answer *answer, double first, double second)
{
    const double values[ROWS] = {first, second};
    struct tensor score = tensor("score", DATATYPE_FP64, 1, values);
    encode(answer, &score, 1);
}

static void expect(size_t agreed, size_t elements, double sum, double largest)
{
    const char *wrong = compare();
    ck_assert_msg(wrong == NULL, "%s", wrong);
    ck_assert_uint_eq(agreement.rows, ROWS);
    ck_assert_uint_eq(agreement.agreed, agreed);
    ck_assert_uint_eq(agreement.elements, elements);
    ck_assert_double_eq_tol(agreement.sum, sum, 1e-12);
    ck_assert_double_eq_tol(agreement.largest, largest, 1e-12);
}

/* ---- classification ---- */

START_TEST(the_largest_probability_is_the_class)
{
    const double one[] = {0.7, 0.3, 0.4, 0.6}, other[] = {0.6, 0.4, 0.75, 0.25};
    struct tensor a = tensor("probabilities", DATATYPE_FP64, 2, one),
                  b = tensor("p", DATATYPE_FP64, 2, other);
    encode(&left, &a, 1);
    encode(&right, &b, 1);
    expect(1, 4, 0.1 + 0.1 + 0.35 + 0.35, 0.35);
}
END_TEST

/* The class that is said goes before the probabilities, on each side by itself. */
START_TEST(a_class_goes_before_probabilities)
{
    const int64_t classes[] = {1, 1};
    const float one[] = {0.9F, 0.1F, 0.2F, 0.8F}, other[] = {0.9F, 0.1F, 0.2F, 0.8F};
    const struct tensor both[] = {tensor("label", DATATYPE_INT64, 0, classes),
                                  tensor("probabilities", DATATYPE_FP32, 2, one)};
    struct tensor alone = tensor("probabilities", DATATYPE_FP32, 2, other);
    encode(&left, both, 2);
    encode(&right, &alone, 1);
    expect(1, 4, 0, 0);
}
END_TEST

START_TEST(a_class_alone_has_no_difference)
{
    const int64_t one[] = {3, -1};
    const int32_t other[] = {3, 1};
    struct tensor a = tensor("label", DATATYPE_INT64, 0, one), b = tensor("label", DATATYPE_INT32, 1, other);
    encode(&left, &a, 1);
    encode(&right, &b, 1);
    expect(1, 0, 0, 0);
}
END_TEST

static void texts(struct answer *answer, const char *first, const char *second)
{
    uint8_t data[64];
    const char *const all[] = {first, second};
    size_t length = 0;
    for (size_t i = 0; i < ROWS; i++) {
        uint32_t size = (uint32_t)strlen(all[i]);
        memcpy(data + length, &size, sizeof size);
        memcpy(data + length + sizeof size, all[i], size);
        length += sizeof size + size;
    }
    struct tensor label = tensor("label", DATATYPE_BYTES, 0, data);
    label.bytes = length;
    encode(answer, &label, 1);
}

START_TEST(names_of_classes_are_compared)
{
    texts(&left, "", "versicolor");
    texts(&right, "", "virginica");
    expect(1, 0, 0, 0);
}
END_TEST

START_TEST(a_score_is_a_class_from_a_half_on)
{
    observation.task = TASK_CLASSIFICATION;
    scores(&left, 0.5, 0.9);
    scores(&right, 0.49, 0.6);
    expect(1, 2, 0.31, 0.3);
}
END_TEST

/* Without a task the kind of the outputs says it: other columns than ours are only not measured. */
START_TEST(other_numbers_of_classes_still_predict_one)
{
    const double one[] = {0.7, 0.3, 0.4, 0.6}, other[] = {0.6, 0.3, 0.1, 0.2, 0.3, 0.5};
    struct tensor a = tensor("p", DATATYPE_FP64, 2, one), b = tensor("p", DATATYPE_FP64, 3, other);
    encode(&left, &a, 1);
    encode(&right, &b, 1);
    expect(1, 0, 0, 0);
}
END_TEST

/* ---- regression ---- */

START_TEST(the_tolerance_is_relative_to_the_larger)
{
    scores(&left, 1000, -2000);
    scores(&right, 1001, -2002.1);
    expect(1, 2, 3.1, 2.1);
    observation.tolerance_ppm = 0;
    expect(0, 2, 3.1, 2.1);
}
END_TEST

START_TEST(what_is_nearly_nothing_is_the_same)
{
    scores(&left, 0, 1e-10);
    scores(&right, 5e-10, 3e-9);
    expect(1, 2, 5e-10 + 2.9e-9, 2.9e-9);
}
END_TEST

START_TEST(what_is_no_number_agrees_with_itself_only)
{
    scores(&left, NAN, INFINITY);
    scores(&right, NAN, INFINITY);
    expect(2, 0, 0, 0);
    scores(&right, 1, -INFINITY);
    expect(0, 0, 0, 0);
}
END_TEST

START_TEST(a_task_makes_integers_numbers)
{
    const int64_t one[] = {100, -7}, other[] = {100, -9};
    struct tensor a = tensor("y", DATATYPE_INT64, 0, one), b = tensor("y", DATATYPE_INT64, 0, other);
    observation.task = TASK_REGRESSION;
    encode(&left, &a, 1);
    encode(&right, &b, 1);
    expect(1, 2, 2, 2);
}
END_TEST

/* Every value of a row must be near. */
START_TEST(rows_of_several_values_agree_as_a_whole)
{
    const double one[] = {1, 2, 3, 4}, other[] = {1, 2, 3, 5};
    struct tensor a = tensor("y", DATATYPE_FP64, 2, one), b = tensor("y", DATATYPE_FP64, 2, other);
    observation.task = TASK_REGRESSION;
    encode(&left, &a, 1);
    encode(&right, &b, 1);
    expect(1, 4, 1, 1);
}
END_TEST

/* ---- labels ---- */

/* All of them must be the same. */
START_TEST(rows_of_labels_agree_as_a_whole)
{
    const int64_t held[] = {0, 1, 1, 1};
    const float one[] = {0.25f, 0.75f, 0.5f, 0.75f}, other[] = {0.25f, 0.75f, 0.5f, 0.25f};
    struct tensor a[] = {tensor("held", DATATYPE_INT64, 2, held), tensor("odds", DATATYPE_FP32, 2, one)};
    struct tensor b = tensor("odds", DATATYPE_FP32, 2, other);
    encode(&left, a, 2);
    encode(&right, &b, 1);
    expect(1, 4, 0.5, 0.5);
    observation.task = TASK_LABELS;
    expect(1, 4, 0.5, 0.5);
    encode(&left, &b, 1);
    expect(2, 4, 0, 0);
    b = tensor("odds", DATATYPE_FP32, 1, other);
    encode(&right, &b, 1);
    ck_assert_ptr_nonnull(compare());
}
END_TEST

/* ---- what cannot be compared ---- */

START_TEST(what_does_not_fit_is_not_compared)
{
    const double values[] = {1, 2, 3, 4, 5, 6};
    scores(&left, 1, 2);
    right.length = 3;
    memcpy(right.bytes, "???", 3);
    ck_assert_str_eq(compare(), "one of them holds no tensors");
    struct tensor longer = tensor("y", DATATYPE_FP64, 1, values);
    longer.shape[0] = 3;
    longer.bytes = 3 * sizeof(double);
    encode(&right, &longer, 1);
    ck_assert_str_eq(compare(), "they have different numbers of rows");
    texts(&right, "a", "b");
    ck_assert_str_eq(compare(), "one of them has no numbers");
    observation.task = TASK_CLASSIFICATION;
    ck_assert_str_eq(compare(), "one of them names classes, the other numbers them");
    struct tensor cube = {.name = text_of("z"),
                          .datatype = DATATYPE_FP64,
                          .rank = 3,
                          .shape = {ROWS, 1, 3},
                          .data = (const uint8_t *)values,
                          .bytes = sizeof values};
    encode(&right, &cube, 1);
    ck_assert_str_eq(compare(), "one of them is no prediction");
}
END_TEST

/* ---- adding up ---- */

static struct metrics *metrics;
static struct comparison *comparison;

static const char *take(struct text whole)
{
    const struct observing_kind kinds[] = {{OBSERVATION_SHADOW, comparison_take, comparison, NULL}, {0}};
    return observing_take(kinds, whole);
}

static void set_up_sums(void)
{
    set_up();
    metrics = metrics_new(NULL);
    comparison = comparison_new();
}

static void tear_down_sums(void)
{
    comparison_free(comparison);
    metrics_free(metrics);
}

static uint64_t counter(enum metric metric, const char *shadow)
{
    comparison_publish(comparison, metrics);
    return metrics_series(metrics, metric, "m", "1", shadow)->value;
}

/* One more observation of those two answers. */
static size_t add(uint8_t *frame, size_t length, size_t capacity)
{
    observation.answer = (struct text){(const char *)left.bytes, left.length};
    observation.shadow_answer = (struct text){(const char *)right.bytes, right.length};
    return length + observation_encode(&observation, frame + length, capacity - length);
}

static size_t write_four(uint8_t *frame, size_t capacity)
{
    scores(&left, 1000, 2000);
    scores(&right, 1000.25, 2010);
    size_t length = add(frame, 0, capacity);
    scores(&right, 1000.25, 2000);
    length = add(frame, length, capacity);
    texts(&right, "no", "number");
    length = add(frame, length, capacity);
    observation.failure = FAILURE_WORKER_DIED;
    return add(frame, length, capacity);
}

START_TEST(a_frame_is_added_up)
{
    static uint8_t frame[8192];
    size_t length = write_four(frame, sizeof frame);
    ck_assert_ptr_null(take((struct text){(const char *)frame, length}));
    ck_assert_uint_eq(counter(METRIC_SHADOW_ANSWERED, "2"), 2);
    ck_assert_uint_eq(counter(METRIC_SHADOW_FAILED, "2"), 2);
    ck_assert_uint_eq(counter(METRIC_SHADOW_COMPARED, "2"), 4);
    ck_assert_uint_eq(counter(METRIC_SHADOW_AGREED, "2"), 3);
    ck_assert_uint_eq(counter(METRIC_SHADOW_ELEMENTS, "2"), 4);
    ck_assert_uint_eq(counter(METRIC_SHADOW_DIFFERENCE, "2"), 10500000);
    ck_assert_uint_eq(counter(METRIC_SHADOW_LARGEST, "2"), 10000000);
    ck_assert_uint_eq(counter(METRIC_SHADOW_ANSWERED, "3"), 0);
}
END_TEST

/* A sum of differences of which each is below a millionth is not lost. */
START_TEST(small_differences_add_up)
{
    uint8_t frame[1024];
    scores(&left, 0, 0);
    scores(&right, 4e-7, 0);
    size_t length = add(frame, 0, sizeof frame);
    for (int i = 0; i < 100; i++)
        ck_assert_ptr_null(take((struct text){(const char *)frame, length}));
    ck_assert_uint_eq(counter(METRIC_SHADOW_DIFFERENCE, "2"), 40);
}
END_TEST

START_TEST(what_stands_before_a_fault_counts)
{
    static uint8_t frame[8192];
    size_t length = write_four(frame, sizeof frame);
    ck_assert_ptr_nonnull(take((struct text){(const char *)frame, length - 1}));
    ck_assert_uint_eq(counter(METRIC_SHADOW_FAILED, "2"), 1);
    ck_assert_uint_eq(counter(METRIC_SHADOW_ANSWERED, "2"), 2);
}
END_TEST

/* ---- the answer ---- */

static struct registry *registry;

/* As one process would publish it. */
static void tell(void)
{
    size_t length;
    struct snapshot snapshot;
    metrics_set_interval(metrics, 1000);
    uint8_t *bytes = metrics_snapshot(metrics, "collector", "one", &length);
    ck_assert_ptr_null(snapshot_decode(bytes, length, &snapshot));
    ck_assert_int_eq(registry_take(registry, &snapshot, 0), REGISTRY_TAKEN);
    free(bytes);
}

static char *told(void)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    agreement_to_json(registry, document, root);
    char *text = yyjson_mut_write(document, YYJSON_WRITE_NOFLAG, NULL);
    yyjson_mut_doc_free(document);
    return text;
}

START_TEST(the_answer_has_every_pair_of_versions)
{
    static uint8_t frame[8192];
    registry = registry_new(1000);
    series_add(metrics_series(metrics, METRIC_SHADOW_COPIES, "m", "1", "2"), 9);
    series_add(metrics_series(metrics, METRIC_SHADOW_COPIES, "m", "1", "3"), 1);
    series_add(metrics_series(metrics, METRIC_SHADOW_DROPPED, "m", "2", "full"), 2);
    series_add(metrics_series(metrics, METRIC_SHADOW_DROPPED, "m", "2", "late"), 3);
    size_t length = write_four(frame, sizeof frame);
    ck_assert_ptr_null(take((struct text){(const char *)frame, length}));
    comparison_publish(comparison, metrics);
    tell();
    char *text = told();
    ck_assert_str_eq(text, "{\"models\":["
                           "{\"model\":\"m\",\"stable\":\"1\",\"shadow\":\"2\",\"copies\":9,\"answered\":2,"
                           "\"failed\":2,\"dropped\":5,\"compared\":4,\"agreed\":3,\"elements\":4,"
                           "\"largest\":10.0,\"mean\":2.625},"
                           "{\"model\":\"m\",\"stable\":\"1\",\"shadow\":\"3\",\"copies\":1,\"answered\":0,"
                           "\"failed\":0,\"dropped\":0,\"compared\":0,\"agreed\":0,\"elements\":0,"
                           "\"largest\":0.0,\"mean\":0.0}]}");
    free(text);
    registry_free(registry);
}
END_TEST

int main(void)
{
    const TTest *answers[] = {
        the_largest_probability_is_the_class,      a_class_goes_before_probabilities,
        a_class_alone_has_no_difference,           names_of_classes_are_compared,
        a_score_is_a_class_from_a_half_on,         other_numbers_of_classes_still_predict_one,
        the_tolerance_is_relative_to_the_larger,   what_is_nearly_nothing_is_the_same,
        what_is_no_number_agrees_with_itself_only, a_task_makes_integers_numbers,
        rows_of_several_values_agree_as_a_whole,   rows_of_labels_agree_as_a_whole,
        what_does_not_fit_is_not_compared,         NULL,
    };
    const TTest *sums[] = {
        a_frame_is_added_up,
        small_differences_add_up,
        what_stands_before_a_fault_counts,
        the_answer_has_every_pair_of_versions,
        NULL,
    };
    Suite *suite = suite_create("comparison");
    suite_add(suite, "answers", set_up, NULL, answers);
    suite_add(suite, "sums", set_up_sums, tear_down_sums, sums);
    return suite_finish(suite);
}
