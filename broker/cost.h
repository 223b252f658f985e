/* cost: what batches of a model version take, learned from those that came back. Pure.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_COST_H
#define OUTRIGGER_COST_H

#include "object.h"

/* Zeroed = nothing is known. Means over the last batches, the recent ones weighing more. */
struct cost {
    double weight; /* of all batches together; grows towards what the decay allows */
    double rows, time, rows_squared, rows_time;
};

/* False while nothing is known. */
static inline bool cost_known(const struct cost *cost)
{
    return cost->weight > 0;
}
/* A batch of so many rows took a worker `took` ns. */
void cost_learn(struct cost *cost, uint32_t rows, int64_t took);
/* What a batch of so many rows probably takes, ns; 0 while nothing is known. For batches larger than any that
 * was seen it is rather too little: who refuses by it then refuses too late, not too early. */
int64_t cost_of_batch(const struct cost *cost, uint64_t rows);
/* What `rows` rows probably take in batches of at most `batch_rows`, on so many workers side by side, ns. */
int64_t cost_of_rows(const struct cost *cost, uint64_t rows, uint32_t batch_rows, size_t workers);

#endif
