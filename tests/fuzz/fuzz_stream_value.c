/* fuzz_stream_value: the value of a message in each format, for models of several forms. A value is added as
 * a row or refused with a reason; two times the same comes of it; the rows that are there make a payload that
 * can be read. The first byte chooses model and format, the rest is the value. SPDX-License-Identifier: MIT
 */
#include "schemas.h"
#include "stream_value.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MODELS = 6, FORMATS = 3, ROWS = 2 };

static struct schema *make_schema(unsigned model)
{
    struct schema *schema = schema_new();
    schema->inputs = object_alloc(3 * sizeof *schema->inputs);
    if (model == 0) {
        add_input(schema, "x", DATATYPE_FP32, 2, 3);
        add_names(schema, "abc", 3);
    } else if (model == 1) {
        add_input(schema, "x", DATATYPE_FP64, 2, -1);
    } else if (model == 2) {
        add_input(schema, "x", DATATYPE_FP32, 2, 2);
        add_input(schema, "y", DATATYPE_BYTES, 1, 0);
        add_input(schema, "z", DATATYPE_BOOL, 2, 1);
    } else if (model == 3) {
        add_input(schema, "x", DATATYPE_INT16, 2, 2);
        add_input(schema, "y", DATATYPE_FP16, 1, 0);
        schema->allow_nan = true;
    } else if (model == 4) {
        add_input(schema, "x", DATATYPE_UINT64, 2, 2);
        add_input(schema, "y", DATATYPE_INT8, 2, 1);
    } else {
        add_input(schema, "x", DATATYPE_BF16, 2, 2);
    }
    if (model == 2 || model == 4)
        add_fields(schema);
    return schema;
}

/* The payload is whole, and holds what the columns may be. */
static void check_payload(struct stream_values *values, const struct schema *schema)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, rows, bytes;
    const uint8_t *payload = stream_values_payload(values, &bytes);
    ENSURE(tensors_decode(payload, bytes, tensors, &count, &rows) == NULL);
    ENSURE(rows == stream_values_rows(values) && count == schema->input_count);
    if (schema->fields != NULL)
        check_fields(schema, tensors, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char faults[ROW_FAULTS_MAX];
    if (size == 0)
        return 0;
    struct schema *schema = make_schema(data[0] % MODELS);
    struct stream_values *values =
        stream_values_new(schema, (enum stream_format)(data[0] / MODELS % FORMATS), ROWS);
    struct text value = {(const char *)data + 1, size - 1};
    if (values != NULL) {
        enum stream_value_result result = stream_values_add(values, value, faults);
        ENSURE(result != STREAM_VALUE_APART && (result == STREAM_VALUE_REFUSED) == (faults[0] != '\0'));
        ENSURE(strlen(faults) < ROW_FAULTS_MAX);
        ENSURE(stream_values_add(values, value, faults) == result);
        ENSURE(stream_values_rows(values) == (result == STREAM_VALUE_ADDED ? ROWS : 0));
        if (result == STREAM_VALUE_ADDED)
            check_payload(values, schema);
    }
    stream_values_free(values);
    schema_free(schema);
    return 0;
}
