/* answer: the tensors that a model gave, as the JSON of a prediction. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ANSWER_H
#define OUTRIGGER_ANSWER_H

#include "output.h"
#include "schema.h"

struct predictions;

struct answer {
    const struct schema *schema; /* labels and task */
    bool batch;                  /* {"predictions": [...]} instead of {"prediction": ...} */
    size_t rows;                 /* that were asked */
    struct text model;
    struct text version;             /* that answered */
    struct text id;                  /* of the request */
    struct predictions *predictions; /* where it is remembered; NULL: nowhere */
};

/* Writes the object, with a newline behind it. NULL, or what is wrong with the payload (a constant); `out` is
 * then unspecified. */
const char *answer_write(const struct answer *answer, const uint8_t *payload, size_t bytes,
                         struct output *out);

#endif
