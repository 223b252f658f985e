/* inputs: see inputs.h. The frontend has validated a request against the same schema; this check is what
 * keeps the engine from bytes that came another way, or from a model that changed meanwhile.
 * SPDX-License-Identifier: MIT */
#include "inputs.h"

#include "protocol.h"

#include <stdio.h>

enum {
    NAME_SHOWN = 64,                       /* bytes of a name in a complaint */
    SHAPE_SHOWN = TENSOR_RANK_MAX * 22 + 3 /* a 64-bit number, a comma and a space for each dimension */
};

static void print_shape(char *text, uint32_t rank, const int64_t *shape)
{
    size_t length = (size_t)snprintf(text, SHAPE_SHOWN, "[");
    for (uint32_t i = 0; i < rank; i++)
        length += (size_t)snprintf(text + length, SHAPE_SHOWN - length, i == 0 ? "%lld" : ", %lld",
                                   (long long)shape[i]);
    snprintf(text + length, SHAPE_SHOWN - length, "]");
}

static bool fits(const struct schema_tensor *declared, const struct tensor *given)
{
    if (given->datatype != declared->datatype || given->rank != declared->rank)
        return false;
    for (uint32_t i = 1; i < declared->rank; i++)
        if (declared->shape[i] != -1 && declared->shape[i] != given->shape[i])
            return false;
    return true;
}

static void complain_unfit(const struct schema_tensor *declared, const struct tensor *given, char *complaint,
                           size_t complaint_size)
{
    char expected[SHAPE_SHOWN], got[SHAPE_SHOWN];
    print_shape(expected, declared->rank, declared->shape);
    print_shape(got, given->rank, given->shape);
    snprintf(complaint, complaint_size, "input %.*s: expected %s %s, got %s %s", NAME_SHOWN, declared->name,
             datatype_name(declared->datatype), expected, datatype_name(given->datatype), got);
}

/* The given tensor with that name; most askers keep to the order, so `likely` is looked at first. */
static const struct tensor *find(const struct tensor *given, size_t count, const char *name, size_t likely)
{
    if (text_is(given[likely].name, name))
        return &given[likely];
    for (size_t i = 0; i < count; i++)
        if (text_is(given[i].name, name))
            return &given[i];
    return NULL;
}

/* As many as declared, and each declared one among them: so none comes twice and none is unknown. */
static bool take(const struct schema *schema, const struct tensor *given, size_t count, struct tensor *inputs,
                 char *complaint, size_t complaint_size)
{
    if (count != schema->input_count) {
        snprintf(complaint, complaint_size, "expected %zu inputs, got %zu", schema->input_count, count);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct schema_tensor *declared = &schema->inputs[i];
        const struct tensor *tensor = find(given, count, declared->name, i);
        if (tensor == NULL) {
            snprintf(complaint, complaint_size, "input %.*s is missing", NAME_SHOWN, declared->name);
            return false;
        }
        if (!fits(declared, tensor)) {
            complain_unfit(declared, tensor, complaint, complaint_size);
            return false;
        }
        inputs[i] = *tensor;
    }
    return true;
}

bool inputs_read(const struct schema *schema, const uint8_t *payload, size_t bytes, struct tensor *inputs,
                 size_t *rows, char *complaint, size_t complaint_size)
{
    struct tensor given[TENSOR_COUNT_MAX];
    size_t count;
    const char *unreadable = tensors_decode(payload, bytes, given, &count, rows);
    if (unreadable != NULL) {
        snprintf(complaint, complaint_size, "the tensors cannot be read: %s", unreadable);
        return false;
    }
    if (!take(schema, given, count, inputs, complaint, complaint_size))
        return false;
    if (*rows == 0 || *rows > PROTOCOL_ROWS_MAX) {
        snprintf(complaint, complaint_size, "expected 1 to %d rows, got %zu", PROTOCOL_ROWS_MAX, *rows);
        return false;
    }
    return true;
}

bool inputs_read_alike(const struct schema *schema, const uint8_t *known, const struct tensor *known_inputs,
                       const uint8_t *payload, size_t bytes, struct tensor *inputs)
{
    size_t at = 0;
    for (size_t i = 0; i < schema->input_count; i++) {
        const struct tensor *input = &known_inputs[i];
        size_t data = (size_t)(input->data - known);
        if (input->datatype == DATATYPE_BYTES || data < at ||
            memcmp(payload + at, known + at, data - at) != 0)
            return false; /* `data` before `at`: they came in another order */
        inputs[i] = *input;
        inputs[i].data = payload + data;
        at = data + input->bytes;
    }
    return at == bytes;
}
