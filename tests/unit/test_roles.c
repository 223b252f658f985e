/* test_roles: which output is the class, which the probabilities, which the score, and single values.
 * SPDX-License-Identifier: MIT */
#include "roles.h"
#include "suite.h"

static struct tensor tensors[4];
static size_t count;

static void set_up(void)
{
    count = 0;
}

/* The next output: rank 1 for 0 columns. */
static const struct tensor *add(enum datatype datatype, int64_t columns, const void *data)
{
    tensors[count] = (struct tensor){
        .datatype = datatype, .rank = columns == 0 ? 1 : 2, .shape = {2, columns}, .data = data};
    return &tensors[count++];
}

START_TEST(a_classification_has_class_and_probabilities)
{
    const struct tensor *class = add(DATATYPE_INT64, 0, NULL), *rows = add(DATATYPE_FP32, 3, NULL);
    add(DATATYPE_FP64, 1, NULL);
    add(DATATYPE_BYTES, 0, NULL);
    struct roles roles = roles_find(tensors, count, false);
    ck_assert(roles_predict(&roles));
    ck_assert_ptr_eq(roles.class, class);
    ck_assert_ptr_eq(roles.probabilities, rows);
    ck_assert_ptr_null(roles.score);
}
END_TEST

START_TEST(a_regression_has_its_score)
{
    add(DATATYPE_INT64, 0, NULL);
    add(DATATYPE_FP32, 3, NULL);
    struct roles roles = roles_find(tensors, count, true);
    ck_assert_ptr_eq(roles.class, &tensors[0]);
    ck_assert_ptr_null(roles.probabilities);
    const struct tensor *score = add(DATATYPE_FP16, 1, NULL);
    roles = roles_find(tensors, count, true);
    ck_assert_ptr_eq(roles.score, score);
    ck_assert_ptr_null(roles.class);
    roles = roles_find(tensors + 1, 1, true);
    ck_assert_ptr_eq(roles.probabilities, &tensors[1]);
}
END_TEST

START_TEST(labels_have_columns)
{
    const int64_t held[] = {0, 1, 1, 0, 0, 0};
    const float odds[] = {0.4f, 0.5f, 0.9f, 0, 0, 0.6f};
    const uint64_t unset = 77;
    uint64_t index = unset;
    add(DATATYPE_FP32, 1, NULL);
    add(DATATYPE_BYTES, 3, NULL);
    const struct tensor *integers = add(DATATYPE_INT64, 3, held), *rows = add(DATATYPE_FP32, 3, odds);
    struct roles roles = roles_find_labels(tensors, count);
    ck_assert(roles_predict(&roles) && roles.labels && !roles_predict_one(&roles, false));
    ck_assert_ptr_eq(roles.held, integers);
    ck_assert_ptr_eq(roles.probabilities, rows);
    ck_assert_uint_eq(roles_label_count(&roles), 3);
    ck_assert(roles_label_holds(&roles, 0, 2) && !roles_label_holds(&roles, 0, 0) &&
              !roles_label_holds(&roles, 1, 2));
    ck_assert(!roles_class_index(&roles, false, 0, &index));
    ck_assert_uint_eq(index, unset);
    roles = roles_find_labels(rows, 1);
    ck_assert_ptr_null(roles.held);
    ck_assert(roles_label_holds(&roles, 0, 1) && !roles_label_holds(&roles, 0, 0) &&
              roles_label_holds(&roles, 1, 2));
    tensors[3].shape[1] = 4; /* of something else */
    ck_assert_ptr_null(roles_find_labels(tensors, count).probabilities);
}
END_TEST

START_TEST(the_task_follows_from_the_shapes)
{
    static const struct {
        struct {
            enum datatype datatype;
            int64_t columns;
        } outputs[3];
        size_t count;
        bool labels, numbers;
    } cases[] = {{{{DATATYPE_INT64, 3}, {DATATYPE_FP32, 3}}, 2, true, false},
                 {{{DATATYPE_BOOL, 3}}, 1, true, false},
                 {{{DATATYPE_INT64, 3}, {DATATYPE_FP32, 4}}, 2, false, false}, /* of classes */
                 {{{DATATYPE_INT64, 3}, {DATATYPE_FP32, 3}, {DATATYPE_INT64, 0}},
                  3,
                  false,
                  false}, /* which is the class */
                 {{{DATATYPE_INT64, 3}, {DATATYPE_FP32, 1}}, 2, false, true},
                 {{{DATATYPE_BYTES, 3}, {DATATYPE_FP32, 0}}, 2, false, true},
                 {{{DATATYPE_FP32, -1}}, 1, false, true},
                 {{{DATATYPE_BYTES, 1}}, 1, false, false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        count = 0;
        for (size_t j = 0; j < cases[i].count; j++)
            add(cases[i].outputs[j].datatype, cases[i].outputs[j].columns, NULL);
        ck_assert_msg(roles_look_like_labels(tensors, count) == cases[i].labels, "labels of case %zu", i);
        ck_assert_msg(roles_look_like_numbers(tensors, count) == cases[i].numbers, "numbers of case %zu", i);
    }
}
END_TEST

START_TEST(other_outputs_have_no_role)
{
    add(DATATYPE_INT64, 3, NULL);
    tensors[0].rank = 3;
    struct roles roles = roles_find(tensors, count, false);
    ck_assert(!roles_predict(&roles));
}
END_TEST

START_TEST(the_class_follows_from_what_there_is)
{
    uint64_t index = 77;
    const int8_t classes[] = {3, -1};
    const float rows[] = {0.2f, 0.5f, 0.3f, 0.6f, 0.2f, 0.2f};
    const double scores[] = {0.5, 0.49};
    struct roles roles = {.class = add(DATATYPE_INT8, 0, classes)};
    ck_assert(roles_class_index(&roles, false, 0, &index));
    ck_assert_uint_eq(index, 3);
    ck_assert(roles_class_index(&roles, false, 1, &index));
    ck_assert_uint_eq(index, UINT64_MAX);
    ck_assert(!roles_class_index(&roles, true, 0, &index));
    roles = (struct roles){.class = add(DATATYPE_BYTES, 0, NULL)};
    ck_assert(!roles_class_index(&roles, false, 0, &index));
    roles = (struct roles){.probabilities = add(DATATYPE_FP32, 3, rows)};
    ck_assert(roles_class_index(&roles, false, 0, &index));
    ck_assert_uint_eq(index, 1);
    ck_assert(roles_class_index(&roles, false, 1, &index));
    ck_assert_uint_eq(index, 0);
    roles = (struct roles){.score = add(DATATYPE_FP64, 1, scores)};
    ck_assert(roles_class_index(&roles, false, 0, &index));
    ck_assert_uint_eq(index, 1);
    ck_assert(roles_class_index(&roles, false, 1, &index));
    ck_assert_uint_eq(index, 0);
}
END_TEST

START_TEST(values_are_read)
{
    const uint16_t halves[] = {0x3c00, 0xc000};
    const uint8_t texts[] = {2, 0, 0, 0, 'o', 'k', 0, 0, 0, 0};
    size_t offset = 0;
    ck_assert_double_eq(value_float(add(DATATYPE_FP16, 0, halves), 1), -2);
    ck_assert_uint_eq(value_integer(add(DATATYPE_UINT16, 0, halves), 1), 0xc000);
    ck_assert_int_eq((int64_t)value_integer(add(DATATYPE_INT16, 0, halves), 1), -0x4000);
    const struct tensor *strings = add(DATATYPE_BYTES, 0, texts);
    ck_assert(text_is(value_bytes(strings, &offset), "ok"));
    ck_assert(text_is(value_bytes(strings, &offset), ""));
    ck_assert_uint_eq(offset, sizeof texts);
    ck_assert_uint_eq(value_columns(strings), 1);
}
END_TEST

START_TEST(any_number_is_a_double)
{
    const uint16_t halves[] = {0x3c00, 0xc000};
    const uint64_t large[] = {UINT64_MAX, (uint64_t)-3};
    ck_assert_double_eq(value_number(add(DATATYPE_FP16, 0, halves), 1), -2);
    ck_assert_double_eq(value_number(add(DATATYPE_UINT16, 0, halves), 1), 0xc000);
    ck_assert_double_eq(value_number(add(DATATYPE_INT16, 0, halves), 1), -0x4000);
    count = 0;
    ck_assert_double_eq(value_number(add(DATATYPE_UINT64, 0, large), 0), 0x1p64);
    ck_assert_double_eq(value_number(add(DATATYPE_INT64, 0, large), 1), -3);
    ck_assert_double_eq(value_number(add(DATATYPE_BOOL, 0, "\1"), 0), 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_classification_has_class_and_probabilities,
                                  a_regression_has_its_score,
                                  labels_have_columns,
                                  the_task_follows_from_the_shapes,
                                  other_outputs_have_no_role,
                                  the_class_follows_from_what_there_is,
                                  values_are_read,
                                  any_number_is_a_double};
    return SUITE_RUN("roles", set_up, NULL, tests);
}
