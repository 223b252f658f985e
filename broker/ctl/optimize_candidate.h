/* optimize_candidate: one model file that `outrigger optimize` looks at: what was there before, or what has
 * been made of it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OPTIMIZE_CANDIDATE_H
#define OUTRIGGER_OPTIMIZE_CANDIDATE_H

#include "measured.h"
#include "validate_judging.h"

enum {
    OPTIMIZE_REASON_MAX = MEASURED_REASON_MAX,
    OPTIMIZE_BATCHES = 4, /* sizes that are timed */
    CANDIDATE_NAME_MAX = 64
};

extern const size_t optimize_batches[OPTIMIZE_BATCHES]; /* rows */

/* Zeroed and named by its owner, filled below; candidate_free frees what is in it. What is not known is NaN.
 */
struct candidate {
    char name[CANDIDATE_NAME_MAX]; /* "version 1", "pruned 50 %" */
    char *file;
    int64_t bytes; /* of the file */
    struct measured *measured;
    struct answers *answers;
    struct figures figures;
    double us[OPTIMIZE_BATCHES]; /* a row, in batches of those sizes */
    double difference;           /* the largest, of a probability or a number, from what was before */
    double alone;                /* the largest, from what it answers to a row that is asked alone */
    double share;                /* of the rows that are predicted as before */
};

/* Loads `file`, which is kept, for the model. */
bool candidate_open(struct candidate *candidate, const struct config *config,
                    const struct model_config *model, char *file, const char *keys,
                    char reason[OPTIMIZE_REASON_MAX]);
void candidate_free(struct candidate *candidate);

/* Asks for all rows, and how right the answers are. */
bool candidate_answer(struct candidate *candidate, const struct validate_rows *rows,
                      char reason[OPTIMIZE_REASON_MAX]);
/* Asks for some rows alone. */
bool candidate_ask_alone(struct candidate *candidate, const struct validate_rows *rows,
                         char reason[OPTIMIZE_REASON_MAX]);
/* Compares with what was before; false when it is no version of the same model: it takes or gives something
 * else. */
bool candidate_compare(struct candidate *candidate, const struct candidate *before,
                       char reason[OPTIMIZE_REASON_MAX]);
/* Times all of them, in turns, so that what else the machine does falls on each alike. */
bool candidates_time(struct candidate *candidates, size_t count, const struct validate_rows *rows,
                     char reason[OPTIMIZE_REASON_MAX]);

/* What may not drop: the accuracy, or R2 of a regression. */
double candidate_quality(const struct candidate *candidate);

#endif
