/* comparing: see comparing.h. Called by the collector for a shadow (collector/comparison.c), and by
 * `outrigger replay --against` (ctl/replay_against.c).
 *
 * What is compared is the prediction, as the frontend would print it (roles.h says which output is what).
 * Versions of a model may have different outputs: one says only the class, the other probabilities as well.
 * So each side finds its own class, and numbers are compared where both sides have the same of them.
 *
 *   classification   a row agrees when both predict the same class; the numbers are the probabilities, or the
 *                    scores
 *   labels           a row agrees when the same ones hold; the numbers are the probabilities
 *   regression       a row agrees when each value differs by no more than the tolerance, relative to the
 *                    larger of the two, or by no more than a billionth; the numbers are those values
 *
 * NaN agrees with NaN and an infinity with itself; what is not finite has no difference.
 * SPDX-License-Identifier: MIT */
#include "comparing.h"

#include "roles.h"

#include <math.h>

#define SAME_BELOW 1e-9
#define MILLION    1e6

/* One of the two answers. */
struct side {
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, rows;
    struct roles roles;
};

static const char *decode(struct side *side, struct text answer)
{
    return tensors_decode((const uint8_t *)answer.at, answer.length, side->tensors, &side->count,
                          &side->rows);
}

/* As the worker decides it from the schema, when model.conf says nothing. */
static enum observation_task task_of(enum observation_task said, const struct side *side)
{
    if (said != TASK_REGRESSION && roles_look_like_labels(side->tensors, side->count))
        return TASK_LABELS;
    if (said != TASK_BY_OUTPUTS)
        return said;
    return roles_look_like_numbers(side->tensors, side->count) ? TASK_REGRESSION : TASK_CLASSIFICATION;
}

static void find_roles(struct side *side, enum observation_task task)
{
    side->roles = task == TASK_LABELS ? roles_find_labels(side->tensors, side->count)
                                      : roles_find(side->tensors, side->count, task == TASK_REGRESSION);
}

/* The tensor with the numbers that the prediction is made of; NULL: it is a text, or an index alone. */
static const struct tensor *numbers_of(const struct side *side, bool regression)
{
    const struct roles *roles = &side->roles;
    if (!regression)
        return roles->probabilities != NULL ? roles->probabilities : roles->score;
    if (roles->score != NULL)
        return roles->score;
    if (roles->class != NULL)
        return roles->class->datatype == DATATYPE_BYTES ? NULL : roles->class;
    return roles->probabilities;
}

static void measure(struct agreement *agreement, double left, double right)
{
    double difference = fabs(left - right);
    if (!isfinite(difference))
        return;
    agreement->elements++;
    agreement->sum += difference;
    agreement->largest = fmax(agreement->largest, difference);
}

static bool close_enough(double left, double right, double tolerance)
{
    if (!isfinite(left) || !isfinite(right))
        return left == right || (isnan(left) && isnan(right));
    return fabs(left - right) <= fmax(SAME_BELOW, tolerance * fmax(fabs(left), fabs(right)));
}

static const char *compare_regression(const struct side *left, const struct side *right, double tolerance,
                                      struct agreement *agreement)
{
    const struct tensor *one = numbers_of(left, true), *other = numbers_of(right, true);
    if (one == NULL || other == NULL)
        return "one of them has no numbers";
    size_t columns = value_columns(one);
    if (columns != value_columns(other))
        return "they have different numbers of columns";
    for (size_t row = 0; row < left->rows; row++) {
        bool agree = true;
        for (size_t i = row * columns; i < (row + 1) * columns; i++) {
            double a = value_number(one, i), b = value_number(other, i);
            measure(agreement, a, b);
            agree = agree && close_enough(a, b, tolerance);
        }
        agreement->agreed += agree;
    }
    return NULL;
}

static size_t agreeing_texts(const struct side *left, const struct side *right)
{
    size_t agreed = 0, left_offset = 0, right_offset = 0;
    for (size_t row = 0; row < left->rows; row++) {
        struct text one = value_bytes(left->roles.class, &left_offset);
        struct text other = value_bytes(right->roles.class, &right_offset);
        agreed +=
            one.length == other.length && (one.length == 0 || memcmp(one.at, other.at, one.length) == 0);
    }
    return agreed;
}

static bool says_text(const struct side *side)
{
    return side->roles.class != NULL && side->roles.class->datatype == DATATYPE_BYTES;
}

static const char *compare_classes(const struct side *left, const struct side *right,
                                   struct agreement *agreement)
{
    if (says_text(left) != says_text(right))
        return "one of them names classes, the other numbers them";
    if (says_text(left)) {
        agreement->agreed = agreeing_texts(left, right);
        return NULL;
    }
    for (size_t row = 0; row < left->rows; row++) {
        uint64_t one = 0, other = 0;
        roles_class_index(&left->roles, false, row, &one);
        roles_class_index(&right->roles, false, row, &other);
        agreement->agreed += one == other;
    }
    return NULL;
}

static const char *compare_labels(const struct side *left, const struct side *right,
                                  struct agreement *agreement)
{
    size_t labels = roles_label_count(&left->roles);
    if (labels != roles_label_count(&right->roles))
        return "they have different numbers of labels";
    for (size_t row = 0; row < left->rows; row++) {
        bool agree = true;
        for (size_t label = 0; label < labels; label++)
            agree = agree && roles_label_holds(&left->roles, row, label) ==
                                 roles_label_holds(&right->roles, row, label);
        agreement->agreed += agree;
    }
    return NULL;
}

static const char *compare_classification(const struct side *left, const struct side *right,
                                          struct agreement *agreement)
{
    const struct tensor *one = numbers_of(left, false), *other = numbers_of(right, false);
    size_t count = one == NULL ? 0 : left->rows * value_columns(one);
    if (one != NULL && other != NULL && value_columns(one) == value_columns(other))
        for (size_t i = 0; i < count; i++)
            measure(agreement, value_float(one, i), value_float(other, i));
    return left->roles.labels ? compare_labels(left, right, agreement)
                              : compare_classes(left, right, agreement);
}

const char *comparison_of(const struct observation *observation, struct agreement *agreement)
{
    struct side left, right;
    *agreement = (struct agreement){0};
    if (decode(&left, observation->answer) != NULL || decode(&right, observation->shadow_answer) != NULL)
        return "one of them holds no tensors";
    if (left.rows != right.rows || left.rows == 0)
        return "they have different numbers of rows";
    enum observation_task task = task_of(observation->task, &left);
    find_roles(&left, task);
    find_roles(&right, task);
    if (!roles_predict(&left.roles) || !roles_predict(&right.roles))
        return "one of them is no prediction";
    agreement->rows = left.rows;
    return task == TASK_REGRESSION
               ? compare_regression(&left, &right, observation->tolerance_ppm / MILLION, agreement)
               : compare_classification(&left, &right, agreement);
}
