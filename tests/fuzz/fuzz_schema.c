/* fuzz_schema: any bytes as the schema of READY. What is accepted keeps what schema.h promises, and is
 * written and read again without a loss. SPDX-License-Identifier: MIT */
#include "schema.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const char *reason;
    struct schema *schema = schema_decode(bytes, length, &reason);
    ENSURE((schema == NULL) == (reason != NULL));
    if (schema == NULL)
        return 0;
    expect_whole(schema->inputs, schema->input_count);
    expect_whole(schema->outputs, schema->output_count);
    size_t values = schema_row_values(schema), size, size_again;
    ENSURE(schema->feature_count == 0 || values == 0 || schema->feature_count == values);
    uint8_t *encoded = schema_encode(schema, &size);
    struct schema *again = schema_decode(encoded, size, &reason);
    ENSURE(again != NULL);
    uint8_t *encoded_again = schema_encode(again, &size_again);
    ENSURE(size == size_again && memcmp(encoded, encoded_again, size) == 0);
    free(encoded);
    free(encoded_again);
    schema_free(again);
    schema_free(schema);
    return 0;
}
