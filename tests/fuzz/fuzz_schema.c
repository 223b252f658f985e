/* fuzz_schema: any bytes as the schema of READY. What is accepted keeps what schema.h promises, and is
 * written and read again without a loss. SPDX-License-Identifier: MIT */
#include "schema.h"
#include "schema_fields.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void expect_whole(const struct schema_tensor *tensors, size_t count)
{
    ENSURE(count >= 1 && count <= TENSOR_COUNT_MAX);
    for (size_t i = 0; i < count; i++) {
        ENSURE(tensors[i].name != NULL && tensors[i].rank >= 1 && tensors[i].rank <= TENSOR_RANK_MAX);
        ENSURE((unsigned)tensors[i].datatype < DATATYPE_COUNT);
        for (uint32_t d = 0; d < tensors[i].rank; d++)
            ENSURE(tensors[i].shape[d] >= -1);
    }
}

/* What is left without the costs is a schema when the whole was one, and has no costs any more. */
static void take_costs(const uint8_t *bytes, size_t length, bool is_schema)
{
    struct schema_cost costs[SCHEMA_COSTS_MAX];
    const char *reason;
    size_t left = length;
    uint8_t *copy = object_alloc(length + 1);
    memcpy(copy, bytes, length);
    size_t count = schema_take_costs(copy, &left, costs);
    ENSURE(count <= SCHEMA_COSTS_MAX && left <= length);
    if (left == length)
        ENSURE(count == 0 && memcmp(copy, bytes, length) == 0);
    struct schema *schema = schema_decode(copy, left, &reason);
    ENSURE(!is_schema || schema != NULL);
    schema_free(schema);
    free(copy);
}

/* What is said of columns holds together, and is the same when it was written and read once more. */
static void expect_fields(const struct schema *schema, const struct schema *again)
{
    char how[256];
    size_t at;
    ENSURE(schema_fields_misfit(schema, &at) == NULL);
    ENSURE((schema->fields == NULL) == (again->fields == NULL));
    ENSURE(schema->fields == NULL ||
           schema_fields_equal(schema->fields, again->fields, schema->feature_count));
    ENSURE(schema_same_inputs(schema, "one", again, "other", how, sizeof how));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const char *reason;
    struct schema *schema = schema_decode(bytes, length, &reason);
    ENSURE((schema == NULL) == (reason != NULL));
    take_costs(bytes, length, schema != NULL);
    if (schema == NULL)
        return 0;
    expect_whole(schema->inputs, schema->input_count);
    expect_whole(schema->outputs, schema->output_count);
    size_t values = schema_row_values(schema), size, size_again;
    ENSURE(schema->feature_count == 0 || values == 0 || schema->feature_count == values);
    uint8_t *encoded = schema_encode(schema, &size);
    struct schema *again = schema_decode(encoded, size, &reason);
    ENSURE(again != NULL);
    expect_fields(schema, again);
    uint8_t *encoded_again = schema_encode(again, &size_again);
    ENSURE(size == size_again && memcmp(encoded, encoded_again, size) == 0);
    free(encoded);
    free(encoded_again);
    schema_free(again);
    schema_free(schema);
    return 0;
}
