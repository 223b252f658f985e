/* warm_up: batches that are tried before a worker says READY. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_WARM_UP_H
#define OUTRIGGER_WARM_UP_H

#include "golden.h"

/* With what. */
struct warm_up {
    struct loaded_model *model;
    struct batch *batch;         /* of the model */
    const struct golden *golden; /* whose requests are tried; NULL: zeros */
    size_t most_rows;            /* of a batch */
    int64_t limit;               /* ns, for all of it; a batch of one is tried whatever it is */
    int64_t first;               /* ns, of the first call: warm_up_first says it */
};

/* The first call: what comes out completes the schema of the model. False when the model cannot be served;
 * `error` (BACKEND_ERROR_MAX bytes) says why. */
bool warm_up_first(struct warm_up *warm_up, char *error);

/* Batches of 1, 2, 4, ... rows up to the most, each until two runs of it agree, so that nothing is left to be
 * done for the first request; and again where that is soon done, which an eighth of the limit may go into.
 * What they took stands in the model's schema as its costs then. Returns the nanoseconds of a batch of one; 0
 * when the model cannot compute what is tried, which is no fault. */
int64_t warm_up_run(const struct warm_up *warm_up);

#endif
