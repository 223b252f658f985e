/* mapping: how the columns of a source and the values that a model takes go together.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_MAPPING_H
#define OUTRIGGER_BATCH_MAPPING_H

#include "table.h"

enum { MAPPING_REASON_MAX = 512 };

struct mapping {
    size_t width;
    const char **columns; /* of each value; NULL: the model's features have no names, and none were said */
    bool *optional, *is_text;
    enum table_prediction prediction;
    char *renames; /* memory of names that were said */
    char **copies; /* of names of the model, ended with zero bytes */
};

/* `said` is what `columns=` says: "feature:column,feature:column", or for features without names the columns
 * in their order, "a,b,c"; NULL: nothing. False with `reason`; mapping_free in any case. */
bool mapping_make(struct mapping *mapping, const struct schema *schema, const char *said,
                  char reason[MAPPING_REASON_MAX]);
void mapping_free(struct mapping *mapping);

#endif
