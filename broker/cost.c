/* cost: a batch costs a fixed part and a part for each row; both are found by least squares.
 *
 * What the first worker measured when it warmed up is where it begins (model.c), then serving.c teaches it
 * with each result. asking.c asks it whether a request can still be answered in time, and when one that is
 * refused may come back. The sums decay, so that a worker that became slower (another tenant on the core, a
 * new version) is noticed within some dozens of batches. SPDX-License-Identifier: MIT */
#include "cost.h"

#include <math.h>

/* Of the weight of what was learned before, with each batch: the last 64 or so count. */
#define DECAY (1 - 1.0 / 64)
/* Batches that hardly differ in size say nothing about what a row more costs. */
#define SPREAD_MIN 0.05

#define LONGEST ((double)(INT64_MAX / 2))

void cost_learn(struct cost *cost, uint32_t rows, int64_t took)
{
    if (rows == 0 || took < 0)
        return;
    double n = rows, t = (double)took;
    cost->weight = cost->weight * DECAY + 1;
    double share = 1 / cost->weight;
    cost->rows += (n - cost->rows) * share;
    cost->time += (t - cost->time) * share;
    cost->rows_squared += (n * n - cost->rows_squared) * share;
    cost->rows_time += (n * t - cost->rows_time) * share;
}

int64_t cost_of_batch(const struct cost *cost, uint64_t rows)
{
    if (!cost_known(cost))
        return 0;
    double n = (double)rows;
    double variance = cost->rows_squared - cost->rows * cost->rows;
    double time;
    if (variance < SPREAD_MIN * cost->rows * cost->rows) {
        time = n < cost->rows ? cost->time * n / cost->rows : cost->time;
    } else {
        double per_row = (cost->rows_time - cost->rows * cost->time) / variance;
        double fixed = cost->time - per_row * cost->rows;
        if (per_row < 0) {
            per_row = 0;
            fixed = cost->time;
        } else if (fixed < 0) {
            fixed = 0;
            per_row = cost->time / cost->rows;
        }
        time = fixed + per_row * n;
    }
    return time > LONGEST ? (int64_t)LONGEST : (int64_t)ceil(time);
}

int64_t cost_of_rows(const struct cost *cost, uint64_t rows, uint32_t batch_rows, size_t workers)
{
    if (rows == 0)
        return 0;
    uint64_t largest = rows < batch_rows ? rows : batch_rows;
    double batches = (double)rows / (double)(largest == 0 ? 1 : largest);
    double time = batches * (double)cost_of_batch(cost, largest) / (double)(workers == 0 ? 1 : workers);
    return time > LONGEST ? (int64_t)LONGEST : (int64_t)time;
}
