/* remember: one record for each row of an answer: the class or the number that was predicted, the probability
 * of the positive class where there are two, and the names of classes as hashes, since the truth may be said
 * by name. Called by answer.c, and by api.c for the Open Inference Protocol, when an answer has been printed,
 * perhaps in a thread of the side lane. SPDX-License-Identifier: MIT */
#include "remember.h"

#include "clock.h"
#include "score.h"

#include <math.h>

enum { AT_A_TIME = 32 }; /* rows that are handed on together */

/* What is the same for all rows. */
struct kind_of {
    const struct schema *schema;
    const struct roles *roles;
    bool text; /* classes have names only */
    enum score_kind score;
};

static uint64_t name_of(const struct schema *schema, uint64_t index)
{
    return index < schema->label_count ? prediction_label(text_of(schema->labels[index])) : 0;
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
    if (kind->score == SCORE_POSITIVE) {
        prediction->flags = PREDICTION_BINARY;
        prediction->probability = score_of(kind->roles, SCORE_POSITIVE, row);
        prediction->positive = name_of(kind->schema, 1);
    }
}

void remember_answer(const struct answer *answer, const struct roles *roles, size_t rows)
{
    const struct kind_of kind = {.schema = answer->schema,
                                 .roles = roles,
                                 .text = roles->class != NULL && roles->class->datatype == DATATYPE_BYTES,
                                 .score = score_kind_of(roles, answer->schema->regression)};
    const struct prediction same = {.kind = PREDICTION_ANSWERED,
                                    .request = prediction_request(answer->id),
                                    .at_ms = clock_wall_coarse() / MILLISECOND,
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
            list[count].value = score_of(roles, kind.score, row);
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
    const struct roles roles = roles_of(answer->schema, tensors, count);
    if (roles_predict_one(&roles, answer->schema->regression))
        remember_answer(answer, &roles, rows);
}
