/* optimize_view: what `outrigger optimize` prints. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OPTIMIZE_VIEW_H
#define OUTRIGGER_OPTIMIZE_VIEW_H

#include "optimize_candidate.h"

#include <yyjson.h>

/* A row for each, the first of which is what was before. */
void optimize_print_table(const struct candidate *candidates, size_t count, FILE *out, bool coloured);
/* The same as members of `object`: "before", and "after", an array. */
void optimize_add_json(yyjson_mut_doc *document, yyjson_mut_val *object, const struct candidate *candidates,
                       size_t count);

#endif
