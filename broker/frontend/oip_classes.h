/* oip_classes: the largest values of each row of an output, as the protocol's extension "classification" has
 * them. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OIP_CLASSES_H
#define OUTRIGGER_OIP_CLASSES_H

#include "output.h"
#include "schema.h"

/* True for outputs of numbers. */
bool oip_classes_possible(enum datatype datatype);
/* Makes `classes` the tensor BYTES [rows, count] of "value:index" or "value:index:label", the largest first;
 * count: as many as a row has at most. Its data are written into `room`, which the caller frees. */
void oip_classes_make(const struct tensor *values, const struct schema *schema, uint32_t count,
                      struct tensor *classes, struct output *room);

#endif
