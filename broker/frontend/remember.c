/* remember: one record for each row of an answer: the class or the number that was predicted, the probability
 * of the positive class where there are two, and the names of classes as hashes, since the truth may be said
 * by name. Called by answer.c, and by api.c for the Open Inference Protocol, when an answer has been printed,
 * perhaps in a thread of the side lane. SPDX-License-Identifier: MIT */
#include "remember.h"

#include "clock.h"

#include <math.h>

enum { AT_A_TIME = 32 }; /* rows that are handed on together */

/* What is the same for all rows. */
struct kind_of {
    const struct schema *schema;
    const struct roles *roles;
    bool text;   /* classes have names only */
    bool binary; /* two classes */
};

static uint64_t name_of(const struct schema *schema, uint64_t index)
{
    return index < schema->label_count ? prediction_label(text_of(schema->labels[index])) : 0;
}

static double number_of(const struct tensor *tensor, size_t row)
{
    if (value_is_float(tensor))
        return value_float(tensor, row);
    uint64_t bits = value_integer(tensor, row);
    return value_is_signed(tensor) ? (double)(int64_t)bits : (double)bits;
}

/* The number that a regression predicts; NaN when it is a row of several. */
static double predicted_number(const struct roles *roles, size_t row)
{
    if (roles->score != NULL)
        return value_float(roles->score, row);
    if (roles->class != NULL && roles->class->datatype != DATATYPE_BYTES)
        return number_of(roles->class, row);
    return NAN;
}

static double positive_probability(const struct kind_of *kind, size_t row)
{
    const struct roles *roles = kind->roles;
    if (roles->probabilities != NULL)
        return value_float(roles->probabilities, row * value_columns(roles->probabilities) + 1);
    return value_float(roles->score, row);
}

static void add_class(const struct kind_of *kind, size_t row, struct text class,
                      struct prediction *prediction)
{
    uint64_t index;
    prediction->value = NAN;
    if (kind->text)
        prediction->label = prediction_label(class);
    else if (roles_class_index(kind->roles, false, row, &index)) {
        prediction->value = (double)index;
        prediction->label = name_of(kind->schema, index);
    }
    if (kind->binary) {
        prediction->flags = PREDICTION_BINARY;
        prediction->probability = positive_probability(kind, row);
        prediction->positive = name_of(kind->schema, 1);
    }
}

static bool is_binary(const struct roles *roles)
{
    return roles->probabilities != NULL ? value_columns(roles->probabilities) == 2 : roles->score != NULL;
}

void remember_answer(const struct answer *answer, const struct roles *roles, size_t rows)
{
    const struct kind_of kind = {.schema = answer->schema,
                                 .roles = roles,
                                 .text = roles->class != NULL && roles->class->datatype == DATATYPE_BYTES,
                                 .binary = is_binary(roles)};
    const struct prediction same = {.kind = PREDICTION_ANSWERED,
                                    .request = prediction_request(answer->id),
                                    .at_ms = clock_wall() / MILLISECOND,
                                    .probability = NAN,
                                    .model = answer->model,
                                    .version = answer->version};
    struct prediction list[AT_A_TIME];
    size_t offset = 0, count = 0;
    rows = rows < REMEMBER_ROWS_MAX ? rows : REMEMBER_ROWS_MAX;
    for (size_t row = 0; row < rows; row++) {
        struct text class = {0};
        if (kind.text)
            class = value_bytes(roles->class, &offset);
        list[count] = same;
        list[count].row = (uint32_t)row;
        if (answer->schema->regression) {
            list[count].flags = PREDICTION_REGRESSION;
            list[count].value = predicted_number(roles, row);
        } else {
            add_class(&kind, row, class, &list[count]);
        }
        if (++count < AT_A_TIME && row + 1 < rows)
            continue;
        predictions_add(answer->predictions, list, count);
        count = 0;
    }
}

void remember_payload(const struct answer *answer, const uint8_t *payload, size_t bytes)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, rows;
    if (tensors_decode(payload, bytes, tensors, &count, &rows) != NULL)
        return;
    const struct roles roles = roles_find(tensors, count, answer->schema->regression);
    if (roles_predict(&roles))
        remember_answer(answer, &roles, rows);
}
