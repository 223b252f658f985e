/* fuzz_batch: any bytes as the requests of a batch, for a model with numbers and strings, or with numbers
 * alone. The first byte chooses which, and how the engine is called; then each request is two bytes of length
 * and that many bytes. Whatever fits the model is answered with what it sent. SPDX-License-Identifier: MIT */
#include "batch.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { REQUESTS_MAX = 32, ANSWER_MAX = 1 << 20 };

/* Gives its inputs back, and refuses rows whose first byte is 0x55. */
static int run(void *state, const struct backend_values *inputs, struct backend_values *outputs, char *error)
{
    for (size_t i = 0; i < *(const size_t *)state; i++)
        outputs[i] = inputs[i];
    error[0] = '\0';
    return inputs[0].bytes > 0 && *(const uint8_t *)inputs[0].data == 0x55 ? -1 : 0;
}

static const struct backend backend = {.name = "mirror", .run = run};

/* The answer is the request, tensor by tensor. */
static void expect_mirrored(const struct batch *batch, size_t i, const uint8_t *payload, size_t bytes,
                            size_t tensors)
{
    struct tensor asked[TENSOR_COUNT_MAX], answered[TENSOR_COUNT_MAX];
    size_t count, rows, size = batch_answer_bytes(batch, i);
    uint8_t *answer = malloc(size);
    batch_answer(batch, i, answer, size);
    ENSURE(tensors_decode(answer, size, answered, &count, &rows) == NULL && count == tensors);
    ENSURE(tensors_decode(payload, bytes, asked, &count, &rows) == NULL && count == tensors);
    for (size_t t = 0; t < tensors; t++) {
        const struct tensor *mirrored = text_is(asked[t].name, "x") ? &answered[0] : &answered[1];
        ENSURE(asked[t].bytes == mirrored->bytes &&
               memcmp(asked[t].data, mirrored->data, mirrored->bytes) == 0);
    }
    free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct schema_tensor tensors[2] = {{(char *)"x", DATATYPE_UINT16, 2, {-1, -1}},
                                       {(char *)"s", DATATYPE_BYTES, 1, {-1}}};
    if (length == 0)
        return 0;
    size_t taken = bytes[0] & 0x80 ? 1 : 2;
    struct schema schema = {
        .inputs = tensors, .input_count = taken, .outputs = tensors, .output_count = taken};
    struct loaded_model model = {
        .backend = &backend, .state = &taken, .schema = &schema, .call_rows = bytes[0] & 7};
    struct batch *batch = batch_new(&model, (bytes[0] >> 3 & 15) + 1u, ANSWER_MAX);
    const uint8_t *payloads[REQUESTS_MAX];
    size_t sizes[REQUESTS_MAX], count = 0;
    for (size_t at = 1; at + 2 <= length && count < REQUESTS_MAX; count++) {
        size_t claimed = bytes[at] | (size_t)bytes[at + 1] << 8;
        payloads[count] = bytes + at + 2;
        sizes[count] = claimed < length - at - 2 ? claimed : length - at - 2;
        at += 2 + sizes[count];
        batch_add(batch, payloads[count], sizes[count]);
    }
    batch_run(batch, INT64_MAX);
    ENSURE(batch_count(batch) == count);
    for (size_t i = 0; i < count; i++)
        if (batch_failure(batch, i) == FAILURE_NONE)
            expect_mirrored(batch, i, payloads[i], sizes[i], taken);
        else
            ENSURE(strlen(batch_message(batch, i)) <= PROTOCOL_TEXT_MAX);
    batch_free(batch);
    return 0;
}
