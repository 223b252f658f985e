/* rows: the rows of a request's JSON as the tensors of the model's inputs. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ROWS_H
#define OUTRIGGER_ROWS_H

#include "fields.h"
#include "layout.h"
#include "plain.h"
#include "problem.h"

#include <yyjson.h>

/* The first six are given; the rest rows_measure finds out. Large: belongs to a thread, not to a stack. */
struct rows {
    const struct layout *layout;
    const struct fields *fields; /* of the same version; NULL: none */
    bool allow_nan;
    bool batch;                /* `value` is an array of rows; else it is the one row */
    yyjson_val *value;         /* of "instances" or "features" */
    const struct plain *plain; /* instead of `value`, for a layout that takes it; else NULL */

    size_t count;                            /* rows */
    size_t width;                            /* values of each */
    bool by_name;                            /* at least one row is an object */
    struct tensor tensors[TENSOR_COUNT_MAX]; /* one for each input, without data */
};

/* True when plain rows of that width fit; they may then stand in the place of the tree's value. */
bool rows_take_plain(const struct layout *layout, const struct plain *plain);
/* Bytes of the tensors payload (PROTOCOL.md section 6) that the rows make. 0 when they do not fit the model:
 * `faults` says why. Each row has then as many values as the model takes, so the payload is at most four
 * times as large as the body was ("1," becomes an FP64), unless columns may be left out: how large it may be
 * is the caller's to say. */
size_t rows_measure(struct rows *rows, struct problem_faults *faults);
/* Writes the payload of `bytes` bytes, which rows_measure returned. False when a value is refused: `faults`
 * says which, and what was written is of no use. */
bool rows_write(const struct rows *rows, uint8_t *payload, size_t bytes, struct problem_faults *faults);

#endif
