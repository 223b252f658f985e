/* answer_form: an encoded answer without its values, from which others are written that differ in nothing
 * else. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ANSWER_FORM_H
#define OUTRIGGER_ANSWER_FORM_H

#include "tensor.h"

enum { ANSWER_FORM_BYTES_MAX = 1024 /* of longer answers the time goes into the values */ };

/* One zeroed has no form. */
struct answer_form {
    const struct tensor *outputs; /* the answer that it was made of; NULL: there is none */
    size_t count;
    size_t bytes;
    uint8_t encoded[ANSWER_FORM_BYTES_MAX];
    size_t places[TENSOR_COUNT_MAX]; /* of each output: where its values belong */
};

/* Makes the form of this answer, whose outputs must stay as long as the form is used; of one that is longer
 * than ANSWER_FORM_BYTES_MAX there is none. */
void answer_form_make(struct answer_form *form, const struct tensor *outputs, size_t count);
/* Whether there is a form, and an answer of the same model differs from it in its values alone. */
bool answer_form_fits(const struct answer_form *form, const struct tensor *outputs);
/* Writes an answer that fits, form->bytes long. */
void answer_form_write(const struct answer_form *form, const struct tensor *outputs, uint8_t *bytes);

#endif
