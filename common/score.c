/* score: see score.h. Pure. Called by the frontend (sampling.c, remember.c), the collector's drift, and those
 * who make and read baselines. SPDX-License-Identifier: MIT */
#include "score.h"

#include <math.h>

static const char *const names[SCORE_KIND_COUNT] = {
#define X(name, label) [SCORE_##name] = label,
    SCORE_KINDS(X)
#undef X
};

const char *score_kind_name(enum score_kind kind)
{
    ENSURE((unsigned)kind < SCORE_KIND_COUNT);
    return names[kind];
}

bool score_kind_parse(struct text name, enum score_kind *kind)
{
    for (int i = 0; i < SCORE_KIND_COUNT; i++)
        if (text_is(name, names[i])) {
            *kind = (enum score_kind)i;
            return true;
        }
    return false;
}

enum score_kind score_kind_of(const struct roles *roles, bool regression)
{
    bool number = roles->class != NULL && roles->class->datatype != DATATYPE_BYTES;
    if (roles->labels)
        return SCORE_NONE;
    if (regression)
        return roles->score != NULL || number ? SCORE_VALUE : SCORE_NONE;
    if (roles->probabilities != NULL)
        return value_columns(roles->probabilities) == 2 ? SCORE_POSITIVE : SCORE_LARGEST;
    return roles->score != NULL ? SCORE_POSITIVE : SCORE_NONE;
}

static double largest_of(const struct tensor *probabilities, size_t row)
{
    size_t columns = value_columns(probabilities);
    double largest = NAN;
    for (size_t i = 0; i < columns; i++)
        largest = fmax(largest, value_float(probabilities, row * columns + i));
    return largest;
}

double score_of(const struct roles *roles, enum score_kind kind, size_t row)
{
    switch (kind) {
    case SCORE_POSITIVE:
        return roles->probabilities != NULL ? value_float(roles->probabilities, row * 2 + 1)
                                            : value_float(roles->score, row);
    case SCORE_LARGEST:
        return largest_of(roles->probabilities, row);
    case SCORE_VALUE:
        return value_number(roles->score != NULL ? roles->score : roles->class, row);
    default:
        return NAN;
    }
}

double score_confidence(enum score_kind kind, double score)
{
    if (kind == SCORE_POSITIVE)
        return score >= 0.5 ? score : 1 - score;
    return kind == SCORE_LARGEST ? score : NAN;
}
