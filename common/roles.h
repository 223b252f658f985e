/* roles: what the outputs of a model mean, and their single values. The frontend makes answers of them, the
 * worker compares them with what its golden requests expect. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ROLES_H
#define OUTRIGGER_ROLES_H

#include "number.h"
#include "tensor.h"

/* Each is one of the outputs, or NULL where none has that role. */
struct roles {
    const struct tensor *class;         /* the first integer, BOOL or BYTES output with one value a row */
    const struct tensor *probabilities; /* the first float output with two or more columns */
    const struct tensor *score;         /* the first float output with one value a row */
};

/* Keeps only the roles that the prediction is made of: one of a regression is the score, or else the class,
 * or else the row of the "probabilities"; one of a classification the class, or else the index of the largest
 * probability, or else whether the score is 0.5 or more. */
struct roles roles_find(const struct tensor *outputs, size_t count, bool regression);

/* False when the outputs make no prediction at all. */
static inline bool roles_predict(const struct roles *roles)
{
    return roles->class != NULL || roles->probabilities != NULL || roles->score != NULL;
}

/* The index of the predicted class of a row, when the prediction is one. */
bool roles_class_index(const struct roles *roles, bool regression, size_t row, uint64_t *index);

/* ---- single values: inline, for large answers are made of them ---- */

static inline bool value_is_float(const struct tensor *tensor)
{
    return datatype_is_float(tensor->datatype);
}

static inline bool value_is_signed(const struct tensor *tensor)
{
    return tensor->datatype >= DATATYPE_INT8 && tensor->datatype <= DATATYPE_INT64;
}

/* Element `index` of a tensor of floats. */
static inline double value_float(const struct tensor *tensor, size_t index)
{
    ENSURE(tensor != NULL);
    if (tensor->datatype == DATATYPE_FP32) {
        float value;
        memcpy(&value, tensor->data + index * sizeof value, sizeof value);
        return (double)value;
    }
    if (tensor->datatype == DATATYPE_FP64) {
        double value;
        memcpy(&value, tensor->data + index * sizeof value, sizeof value);
        return value;
    }
    uint16_t half;
    memcpy(&half, tensor->data + index * sizeof half, sizeof half);
    return (double)(tensor->datatype == DATATYPE_BF16 ? number_from_bfloat(half) : number_from_half(half));
}

/* The bits of an integer or BOOL element; sign-extended for signed datatypes. */
static inline uint64_t value_integer(const struct tensor *tensor, size_t index)
{
    size_t size = datatype_bytes(tensor->datatype);
    uint64_t bits = 0;
    memcpy(&bits, tensor->data + index * size, size);
    unsigned unused = 64 - (unsigned)size * 8;
    if (value_is_signed(tensor))
        return (uint64_t)((int64_t)(bits << unused) >> unused);
    return bits;
}

/* Element `index` of a tensor of anything but BYTES, rounded where a double has no room for it. */
static inline double value_number(const struct tensor *tensor, size_t index)
{
    if (value_is_float(tensor))
        return value_float(tensor, index);
    uint64_t bits = value_integer(tensor, index);
    return value_is_signed(tensor) ? (double)(int64_t)bits : (double)bits;
}

/* Values of each row; 0 when there are none. */
static inline size_t value_columns(const struct tensor *tensor)
{
    size_t columns = 1;
    for (uint32_t i = 1; i < tensor->rank; i++)
        columns *= (size_t)tensor->shape[i];
    return columns;
}

/* The element of BYTES that begins *offset bytes into the data; moves *offset behind it. */
static inline struct text value_bytes(const struct tensor *tensor, size_t *offset)
{
    uint32_t length;
    memcpy(&length, tensor->data + *offset, sizeof length);
    struct text text = {(const char *)tensor->data + *offset + sizeof length, length};
    *offset += sizeof length + length;
    return text;
}

#endif
