/* combine: what a pipeline does to tensors between its models. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_COMBINE_H
#define OUTRIGGER_COMBINE_H

#include "tensor.h"

enum { COMBINE_ERROR_MAX = 256 };

/* The mean of `count` tensors of FP32 or FP64, element by element; `weights` as many, NULL: all the same.
 * False when their shapes differ: `error` says which. The caller frees result->data. */
bool combine_average(const struct tensor *const *given, size_t count, const double *weights,
                     struct tensor *result, char error[COMBINE_ERROR_MAX]);

/* Of each row the label that most have, or whose weights sum to most; of several such the one that comes
 * first among the tensors. share (FP32, rank 1) is what it has of all. As above otherwise. */
bool combine_vote(const struct tensor *const *given, size_t count, const double *weights,
                  struct tensor *result, struct tensor *share, char error[COMBINE_ERROR_MAX]);

/* The rows of `confidence` (floats) that are in doubt: whose largest value is less than the threshold, or,
 * where there is one value a row, the larger of it and what it lacks to 1; or that is no number. Puts their
 * indices into `rows` (room for all) and returns how many they are. */
size_t combine_doubts(const struct tensor *confidence, double threshold, size_t *rows);

/* A tensor of those rows, in that order. The caller frees its data. */
struct tensor combine_select(const struct tensor *tensor, const size_t *rows, size_t count);

/* A row of one of several tensors. */
struct combine_row {
    size_t tensor;
    size_t row;
};
/* A tensor of those rows, in that order. False when the shapes of the tensors' rows differ. The caller frees
 * result->data. */
bool combine_merge(const struct tensor *const *tensors, size_t count, const struct combine_row *rows,
                   size_t row_count, struct tensor *result, char error[COMBINE_ERROR_MAX]);

#endif
