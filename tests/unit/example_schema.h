/* example_schema: schemas for tests, made in one line. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_EXAMPLE_SCHEMA_H
#define OUTRIGGER_EXAMPLE_SCHEMA_H

#include "schema.h"

#include <stdarg.h>
#include <stdlib.h>

/* An input or output: its name, datatype and shape (ended by 0; -1 = any). */
struct example_tensor {
    const char *name;
    enum datatype datatype;
    int64_t shape[TENSOR_RANK_MAX + 1];
};

static inline struct schema_tensor *example_tensors(const struct example_tensor *examples, size_t count)
{
    struct schema_tensor *tensors = object_alloc(count * sizeof *tensors);
    for (size_t i = 0; i < count; i++) {
        tensors[i].name = object_strdup(examples[i].name);
        tensors[i].datatype = examples[i].datatype;
        while (examples[i].shape[tensors[i].rank] != 0) {
            tensors[i].shape[tensors[i].rank] = examples[i].shape[tensors[i].rank];
            tensors[i].rank++;
        }
    }
    return tensors;
}

static inline void example_inputs(struct schema *schema, const struct example_tensor *examples, size_t count)
{
    schema->inputs = example_tensors(examples, count);
    schema->input_count = count;
}

static inline void example_outputs(struct schema *schema, const struct example_tensor *examples, size_t count)
{
    schema->outputs = example_tensors(examples, count);
    schema->output_count = count;
}

static inline char **example_names(const char *const *names, size_t count)
{
    char **copies = object_alloc(count * sizeof *copies);
    for (size_t i = 0; i < count; i++)
        copies[i] = object_strdup(names[i]);
    return copies;
}

/* A classifier of `width` numbers into two classes, "no" and "yes", with the outputs label and probabilities.
 */
static inline struct schema *example_classifier(int64_t width)
{
    struct schema *schema = schema_new();
    example_inputs(schema, &(struct example_tensor){"x", DATATYPE_FP32, {-1, width}}, 1);
    static const struct example_tensor outputs[] = {{"label", DATATYPE_INT64, {-1}},
                                                    {"probabilities", DATATYPE_FP32, {-1, 2}}};
    example_outputs(schema, outputs, COUNT_OF(outputs));
    schema->labels = example_names((const char *const[]){"no", "yes"}, 2);
    schema->label_count = 2;
    return schema;
}

#endif
