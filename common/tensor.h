/* tensor: datatypes, and the tensors payload of PROTOCOL.md section 6. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TENSOR_H
#define OUTRIGGER_TENSOR_H

#include "object.h"

enum { TENSOR_RANK_MAX = 8, TENSOR_COUNT_MAX = 64, TENSOR_NAME_MAX = 512 /* bytes */ };

/* Name (the Open Inference Protocol's), bytes of one element (0 = of varying size). */
#define DATATYPES(X)                                                                                         \
    X(BOOL, 1)                                                                                               \
    X(UINT8, 1)                                                                                              \
    X(UINT16, 2)                                                                                             \
    X(UINT32, 4)                                                                                             \
    X(UINT64, 8)                                                                                             \
    X(INT8, 1)                                                                                               \
    X(INT16, 2)                                                                                              \
    X(INT32, 4)                                                                                              \
    X(INT64, 8)                                                                                              \
    X(FP16, 2)                                                                                               \
    X(BF16, 2) /* the upper half of an FP32 */                                                               \
    X(FP32, 4)                                                                                               \
    X(FP64, 8)                                                                                               \
    X(BYTES, 0)

enum datatype {
#define X(name, bytes) DATATYPE_##name,
    DATATYPES(X)
#undef X
        DATATYPE_COUNT
};

const char *datatype_name(enum datatype datatype);
size_t datatype_bytes(enum datatype datatype); /* 0 for BYTES */
/* False when the name is no datatype. */
bool datatype_parse(struct text name, enum datatype *datatype);

static inline bool datatype_is_float(enum datatype datatype)
{
    return datatype == DATATYPE_FP32 || datatype == DATATYPE_FP64 || datatype == DATATYPE_FP16 ||
           datatype == DATATYPE_BF16;
}

struct tensor {
    struct text name;
    enum datatype datatype;
    uint32_t rank;
    int64_t shape[TENSOR_RANK_MAX]; /* shape[0] is the rows; never negative here */
    const uint8_t *data;            /* a view; not aligned */
    size_t bytes;
};

/* The elements that the shape makes; false when the product overflows or a dimension is negative. */
bool tensor_elements(const struct tensor *tensor, size_t *elements);
/* Bytes of one row of the tensor (product of shape[1..] times the element size); 0 for BYTES. */
size_t tensor_row_bytes(const struct tensor *tensor);

/* NULL when the length of the data (BYTES: and the lengths in it) is what shape and datatype say; else what
 * is wrong. */
const char *tensor_check(const struct tensor *tensor);

/* Length in bytes of the payload with these tensors (their `data` may still be NULL). */
size_t tensors_encoded_size(const struct tensor *tensors, size_t count);
/* Writes the payload; `data` is copied where it is not NULL. Where it is NULL room is left for `bytes` bytes,
 * and data[i] (if `data` is not NULL) tells where, so that a caller writes elements straight into the
 * message. Returns the length, 0 when `capacity` is too small. */
size_t tensors_encode(const struct tensor *tensors, size_t count, uint8_t *bytes, size_t capacity,
                      uint8_t **data);
/* Reads a payload, checking all that section 6 says. Returns NULL and sets *count, or says what is wrong. The
 * tensors are views of `bytes`. All tensors of a payload need the same shape[0]; that is checked, too, and
 * set in *rows (0 for a payload without tensors, or with a rank of 0). */
const char *tensors_decode(const uint8_t *bytes, size_t length, struct tensor tensors[TENSOR_COUNT_MAX],
                           size_t *count, size_t *rows);
/* The same without a look at the data, which takes its time where there are many texts: what tensor_check
 * says is not known of any of them. */
const char *tensors_heads(const uint8_t *bytes, size_t length, struct tensor tensors[TENSOR_COUNT_MAX],
                          size_t *count, size_t *rows);

#endif
