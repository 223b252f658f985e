/* score: the one number of a prediction whose distribution is told: of what kind it is follows from the
 * outputs. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCORE_H
#define OUTRIGGER_SCORE_H

#include "roles.h"

/* As they stand on the wire (STATS.md section 8), with their names in baselines. */
#define SCORE_KINDS(X)                                                                                       \
    X(NONE, "none")                   /* the prediction has no such number: a class alone */                 \
    X(POSITIVE, "probability")        /* of the positive class, of two */                                    \
    X(LARGEST, "largest_probability") /* of more than two classes */                                         \
    X(VALUE, "value")                 /* of a regression */

enum score_kind {
#define X(name, label) SCORE_##name,
    SCORE_KINDS(X)
#undef X
        SCORE_KIND_COUNT
};
const char *score_kind_name(enum score_kind kind);
/* False when there is no such name. */
bool score_kind_parse(struct text name, enum score_kind *kind);

/* What predictions of these outputs have. */
enum score_kind score_kind_of(const struct roles *roles, bool regression);
/* That of one row; NaN for SCORE_NONE. */
double score_of(const struct roles *roles, enum score_kind kind, size_t row);
/* The probability of the class that such a score makes the prediction; NaN where there is none. */
double score_confidence(enum score_kind kind, double score);

#endif
