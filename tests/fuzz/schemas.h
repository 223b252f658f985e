/* schemas: the inputs of models that fuzz targets make, in a line each. Included by targets alone, each of
 * which uses all of it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FUZZ_SCHEMAS_H
#define OUTRIGGER_FUZZ_SCHEMAS_H

#include "schema.h"

/* The schema has room for it. A rank of 1 has no width. */
static void add_input(struct schema *schema, const char *name, enum datatype datatype, uint32_t rank,
                      int64_t width)
{
    struct schema_tensor *input = &schema->inputs[schema->input_count++];
    *input = (struct schema_tensor){
        .name = object_strdup(name), .datatype = datatype, .rank = rank, .shape = {-1, width}};
}

/* Features of one letter each. */
static void add_names(struct schema *schema, const char *names, size_t count)
{
    schema->features = object_alloc(count * sizeof *schema->features);
    for (size_t i = 0; i < count; i++)
        schema->features[schema->feature_count++] = object_strdup((const char[]){names[i], '\0'});
}

#endif
