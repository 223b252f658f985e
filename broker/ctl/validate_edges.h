/* validate_edges: rows at the edges of what a model says that it takes, and beyond them.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_VALIDATE_EDGES_H
#define OUTRIGGER_VALIDATE_EDGES_H

#include "validate_rows.h"

/* What became of them before any model was asked: by the rules of the front door. */
struct edges {
    size_t inside;  /* rows that should be taken, */
    size_t refused; /* and were not */
    size_t outside; /* rows that should not be, */
    size_t taken;   /* and were */
    char first_refused[VALIDATE_REASON_MAX], first_taken[VALIDATE_REASON_MAX]; /* "" when there is none */
    struct validate_rows *rows; /* those that were taken, as they should; at least one, or NULL */
};

/* Each is the first row of the data with one value changed: to the minimum, the maximum, each allowed value
 * (32 at most of a column), true and false, nothing, NaN; and to what is beyond those. 4096 at most. */
void edges_find(const struct validate_rows *data, const struct schema *schema, struct edges *edges);
void edges_free(struct edges *edges);

#endif
