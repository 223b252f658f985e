/* model_inputs: the list `inputs` of model.conf: what the columns of a model are called, and what their
 * values may be. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MODEL_INPUTS_H
#define OUTRIGGER_MODEL_INPUTS_H

#include "parameter.h"
#include "schema.h"

/* Reads the list, in JSON's form, and tells every fault with its field, as "[3].minimum". False when there is
 * any; else *fields has *count of them, in memory that schema_fields_free takes. A column that may be left
 * out and says no default has NaN for it. */
bool model_inputs_read(yyjson_val *value, parameter_fault *fault, void *self, struct schema_field **fields,
                       size_t *count);
/* Prints the group as it stands in a commented model.conf. */
void model_inputs_print_template(FILE *out);

#endif
