/* sizing: how many rows of a batch pay, by the curve of what batches of each size take. Pure.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SIZING_H
#define OUTRIGGER_SIZING_H

#include "schema.h"

/* A size of the curve. */
struct sizing_point {
    uint32_t rows;
    bool guessed;  /* no worker measured it: what it takes follows from the sizes below */
    double told;   /* ns, as measured at load */
    double shape;  /* by how much more it takes than was told, beside the slowness that all sizes share */
    uint32_t seen; /* batches of about that size */
};

/* Zeroed = nothing is known. */
struct sizing {
    struct sizing_point points[SCHEMA_COSTS_MAX]; /* ascending */
    size_t count;
    double slowness;  /* log of how much longer than told the last batches took */
    double between;   /* ns from one batch to the next, mean of the last */
    uint64_t learned; /* batches */
    uint64_t full;    /* batches of the chosen size that went */
    uint32_t chosen;  /* rows; 0: nothing is known */
};

/* What one more worker measured when it warmed up; `most` is what a batch may have at most, up to which the
 * curve is guessed where it ends before. Of what several workers measured the least counts: whatever else
 * runs on a machine makes a batch slower, and nothing makes it faster. */
void sizing_expect(struct sizing *sizing, const struct schema_cost *costs, size_t count, uint32_t most);
/* A worker computed a batch of so many rows in `took` ns. */
void sizing_learn(struct sizing *sizing, uint32_t rows, int64_t took);
/* What passed from one batch to the next beside that. One may be negative, when both came back at once. */
void sizing_learn_between(struct sizing *sizing, int64_t passed);
/* What a batch of that size takes, ns. `at` < count. */
int64_t sizing_cost(const struct sizing *sizing, size_t at);

/* Rows that a batch should have when more wait, at most `most`, which it is while nothing is known: the
 * fewest of which a row costs hardly more than in the best batch. Now and then it is the next larger size, so
 * that one which was measured in a bad moment is found. */
uint32_t sizing_rows(const struct sizing *sizing, uint32_t most);
/* A batch went that had as many rows as it should. */
static inline void sizing_went(struct sizing *sizing)
{
    sizing->full++;
}
/* The most of these rows that are computed within `left` ns, but no size at which a row costs a quarter more
 * than in the best batch: who hurries for a few makes all behind them late. */
uint32_t sizing_in_time(const struct sizing *sizing, uint32_t rows, int64_t left);

#endif
