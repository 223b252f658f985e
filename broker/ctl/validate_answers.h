/* validate_answers: what a version has answered to rows, number by number, and what it predicts by that.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_VALIDATE_ANSWERS_H
#define OUTRIGGER_VALIDATE_ANSWERS_H

#include "schema.h"
#include "score.h"

/* One row. */
struct answered_row {
    bool known;        /* it was answered */
    double prediction; /* the class's number, or the value; NaN where the class is only a name */
    const char *label; /* of the class; NULL: it has none. Good until answers_free */
    double score;      /* score.h; NaN: there is none */
    uint64_t texts;    /* a hash of the outputs that are texts */
};

/* Read by everybody, written by answers_take. */
struct answers {
    unsigned magic;
    const struct schema *schema;
    size_t rows;
    struct answered_row *row;
    size_t width;   /* numbers of a row over all outputs; set by the first answer */
    double *values; /* rows times width */
    size_t columns; /* of the probabilities, which begin at that number of a row; 0: there are none */
    size_t probabilities_at;
    enum score_kind score;
    struct answered_label *labels;
};

/* For so many rows. The schema, what the version says of itself, outlives it. */
struct answers *answers_new(const struct schema *schema, size_t rows);
void answers_free(struct answers *answers); /* NULL is fine */

/* Takes the payload that answers the rows `order`, `count` of them. NULL, or why it is no answer to them. */
const char *answers_take(struct answers *answers, const size_t *order, size_t count, const uint8_t *payload,
                         size_t bytes);

/* A probability of a row, and any number of it. */
static inline double answers_probability(const struct answers *answers, size_t row, size_t column)
{
    return answers->values[row * answers->width + answers->probabilities_at + column];
}

/* True when the class that was predicted for the row is the one that the text names: by its label, or by its
 * number. */
bool answers_is_class(const struct answered_row *row, struct text truth);
/* The column of the probabilities that is about the class that the text names: by the labels of the schema,
 * by those that were predicted where that column was the largest, or by its number. False when nobody
 * knows. */
bool answers_column(const struct answers *answers, struct text truth, size_t *column);

/* Rows of both that are known and differ, by more than `tolerance` of the larger number or of 1; *first is
 * the first of them, *largest how far numbers are apart at most, in the same measure. */
size_t answers_differ(const struct answers *one, const struct answers *other, double tolerance, size_t *first,
                      double *largest);
/* True when all numbers of a row are finite. */
bool answers_finite(const struct answers *answers, size_t row);

#endif
