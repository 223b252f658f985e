/* answer_form: see answer_form.h. Most requests of a batch have one row, so that their answers have the same
 * names, datatypes and shapes; to encode those for each took longer than a small model computes.
 * SPDX-License-Identifier: MIT */
#include "answer_form.h"

void answer_form_make(struct answer_form *form, const struct tensor *outputs, size_t count)
{
    struct tensor without_values[TENSOR_COUNT_MAX];
    uint8_t *places[TENSOR_COUNT_MAX];
    memcpy(without_values, outputs, count * sizeof *outputs);
    for (size_t i = 0; i < count; i++)
        without_values[i].data = NULL;
    form->count = count;
    form->bytes = tensors_encode(without_values, count, form->encoded, sizeof form->encoded, places);
    form->outputs = form->bytes == 0 ? NULL : outputs;
    for (size_t i = 0; i < count && form->outputs != NULL; i++)
        form->places[i] = (size_t)(places[i] - form->encoded);
}

bool answer_form_fits(const struct answer_form *form, const struct tensor *outputs)
{
    if (form->outputs == NULL)
        return false;
    for (size_t i = 0; i < form->count; i++) {
        const struct tensor *a = &form->outputs[i], *b = &outputs[i];
        if (a->bytes != b->bytes || a->rank != b->rank ||
            memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]) != 0)
            return false;
    }
    return true;
}

void answer_form_write(const struct answer_form *form, const struct tensor *outputs, uint8_t *bytes)
{
    memcpy(bytes, form->encoded, form->bytes);
    for (size_t i = 0; i < form->count; i++)
        if (outputs[i].bytes > 0)
            memcpy(bytes + form->places[i], outputs[i].data, outputs[i].bytes);
}
