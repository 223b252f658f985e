/* example_answer: what a classifier answers, as bytes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_EXAMPLE_ANSWER_H
#define OUTRIGGER_EXAMPLE_ANSWER_H

#include "suite.h"
#include "tensor.h"

/* The outputs of example_classifier, or of one of more classes: of each row its class, and the probabilities
 * of all `columns` of them. The caller frees. */
static inline uint8_t *example_answer(const int64_t *classes, const float *probabilities, size_t rows,
                                      size_t columns, size_t *length)
{
    const struct tensor outputs[] = {{.name = text_of("label"),
                                      .datatype = DATATYPE_INT64,
                                      .rank = 1,
                                      .shape = {(int64_t)rows},
                                      .data = (const uint8_t *)classes,
                                      .bytes = rows * sizeof *classes},
                                     {.name = text_of("probabilities"),
                                      .datatype = DATATYPE_FP32,
                                      .rank = 2,
                                      .shape = {(int64_t)rows, (int64_t)columns},
                                      .data = (const uint8_t *)probabilities,
                                      .bytes = rows * columns * sizeof *probabilities}};
    *length = tensors_encoded_size(outputs, COUNT_OF(outputs));
    uint8_t *payload = object_alloc(*length);
    ck_assert_uint_eq(tensors_encode(outputs, COUNT_OF(outputs), payload, *length, NULL), *length);
    return payload;
}

#endif
