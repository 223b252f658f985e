/* fuzz_tensors: any bytes as a tensors payload. What is accepted must be consistent, lie within the bytes,
 * and come out the same when it is written and read again. SPDX-License-Identifier: MIT */
#include "tensor.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void expect_consistent(const struct tensor *tensor, const uint8_t *bytes, size_t length)
{
    size_t elements;
    ENSURE(tensor_elements(tensor, &elements));
    ENSURE(tensor->rank <= TENSOR_RANK_MAX && tensor->name.length <= TENSOR_NAME_MAX);
    ENSURE(tensor->data >= bytes && tensor->data + tensor->bytes <= bytes + length);
    if (tensor->datatype != DATATYPE_BYTES)
        ENSURE(elements * datatype_bytes(tensor->datatype) == tensor->bytes);
    if (tensor->rank > 0 && tensor->datatype != DATATYPE_BYTES)
        ENSURE((size_t)tensor->shape[0] * tensor_row_bytes(tensor) == tensor->bytes);
}

static void expect_same(const struct tensor *a, const struct tensor *b)
{
    ENSURE(a->datatype == b->datatype && a->rank == b->rank && a->bytes == b->bytes);
    ENSURE(a->name.length == b->name.length && memcmp(a->name.at, b->name.at, a->name.length) == 0);
    ENSURE(memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]) == 0);
    ENSURE(memcmp(a->data, b->data, a->bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct tensor tensors[TENSOR_COUNT_MAX], again[TENSOR_COUNT_MAX];
    size_t count, rows, count_again, rows_again;
    if (tensors_decode(bytes, length, tensors, &count, &rows) != NULL)
        return 0;
    for (size_t i = 0; i < count; i++)
        expect_consistent(&tensors[i], bytes, length);
    size_t size = tensors_encoded_size(tensors, count);
    uint8_t *copy = malloc(size);
    ENSURE(tensors_encode(tensors, count, copy, size, NULL) == size);
    ENSURE(tensors_encode(tensors, count, copy, size - 1, NULL) == 0);
    ENSURE(tensors_encode(tensors, count, copy, size, NULL) == size);
    ENSURE(tensors_decode(copy, size, again, &count_again, &rows_again) == NULL);
    ENSURE(count == count_again && rows == rows_again);
    for (size_t i = 0; i < count; i++)
        expect_same(&tensors[i], &again[i]);
    free(copy);
    return 0;
}
