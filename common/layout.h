/* layout: how the values of one row lie over the inputs of a model. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LAYOUT_H
#define OUTRIGGER_LAYOUT_H

#include "schema.h"

enum { LAYOUT_WIDTH_MAX = 1 << 24 }; /* values of a row: as many fit into 32 MiB of JSON, the usual limit */

/* The columns of one input. */
struct layout_input {
    const struct schema_tensor *tensor;
    size_t first; /* which of the row's values is its first column */
    size_t width; /* columns; 0 where the layout's is */
};

struct layout_name;

/* Read only, once made. */
struct layout {
    /* Values of a row. 0: any number, the same for all rows of a request (a single input of shape [-1, -1]).
     */
    size_t width;
    size_t input_count;
    struct layout_input *inputs;
    bool single_float;         /* one FP32 input, as nearly every model has: there is a faster loop for it */
    bool has_bytes;            /* some input is BYTES */
    struct text *names;        /* of the columns, in their order; NULL: they have none */
    struct layout_name *table; /* the same by name */
};

/* NULL when no row of values can fill the inputs (none, more than TENSOR_COUNT_MAX, or inner dimensions that
 * vary). The layout points into the schema. */
struct layout *layout_new(const struct schema *schema);
void layout_free(struct layout *layout);
/* Which column has that name; false when none has. */
bool layout_find(const struct layout *layout, struct text name, size_t *column);

#endif
