/* unmet: truths that have not found their prediction yet. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_UNMET_H
#define OUTRIGGER_UNMET_H

#include "predictions.h"

/* What somebody said of one prediction, and which models that one may use. */
struct unmet_truth {
    unsigned flags; /* PREDICTION_BY_... */
    double actual;
    uint64_t actual_label;
    int64_t since_ms;                  /* when it came */
    bool forbidden;                    /* a prediction of that id was found, of a model that is not allowed */
    struct unmet_allowed *by;          /* NULL: all models */
    struct unmet_truth *next, *before; /* of the same prediction, said by others later; utlist.h */
};

struct unmet;
struct unmet *unmet_new(size_t most); /* bounds the truths, and so the memory: about 150 bytes each */
void unmet_free(struct unmet *unmet); /* NULL is fine */

bool unmet_any(const struct unmet *unmet);
/* Takes a PREDICTION_ACTUAL, in the place of what those who may use the same models said of it before. False
 * when too many wait. */
bool unmet_add(struct unmet *unmet, const struct prediction *actual, int64_t now_ms);

/* What is to be done with a truth that was shown. */
enum unmet_fate { UNMET_STAYS, UNMET_GOES };
typedef enum unmet_fate unmet_show(void *self, struct unmet_truth *truth);
/* Shows those of one prediction, in the order in which they were said; those of all. */
void unmet_of(struct unmet *unmet, uint64_t request, uint32_t row, unmet_show *show, void *self);
void unmet_each(struct unmet *unmet, unmet_show *show, void *self);

/* Whether who said it may use the model. */
bool unmet_allows(const struct unmet_truth *truth, struct text model);

#endif
