/* columns: the single values of rows of tensors, whatever their datatype: as features whose distribution is
 * told. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_COLUMNS_H
#define OUTRIGGER_COLUMNS_H

#include "tensor.h"

struct column_value {
    bool missing; /* no finite number, or an empty text */
    double number;
    struct text text; /* of BYTES; a view */
};

/* The tensor of that name; NULL when there is none. */
const struct tensor *columns_tensor(const struct tensor *tensors, size_t count, const char *name);
/* Where the last value of a tensor of BYTES was found: those behind it are searched for from there. Zeroed =
 * at the beginning. */
struct columns_cursor {
    size_t index, offset;
};
/* Value `column` of row `row`, which the tensor, checked by tensors_decode, must have. */
struct column_value columns_value(const struct tensor *tensor, size_t row, size_t column,
                                  struct columns_cursor *cursor);

#endif
