/* roles: what the outputs of a model mean, and their single values. The frontend makes answers of them, the
 * worker compares them with what its golden requests expect. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ROLES_H
#define OUTRIGGER_ROLES_H

#include "number.h"
#include "tensor.h"

struct schema;

/* Each is one of the outputs, or NULL where none has that role. */
struct roles {
    const struct tensor *class;         /* the first integer, BOOL or BYTES output with one value a row */
    const struct tensor *probabilities; /* the first float output with two or more columns */
    const struct tensor *score;         /* the first float output with one value a row */
    const struct tensor
        *held;   /* the first integer or BOOL output with two or more columns; of labels alone */
    bool labels; /* several labels may hold at once: see roles_find_labels */
};

/* Keeps only the roles that the prediction is made of: one of a regression is the score, or else the class,
 * or else the row of the "probabilities"; one of a classification the class, or else the index of the largest
 * probability, or else whether the score is 0.5 or more. */
struct roles roles_find(const struct tensor *outputs, size_t count, bool regression);

/* The roles where several labels may hold at once, each with a column: `held` says which do, or else the
 * probabilities that are 0.5 or more. */
struct roles roles_find_labels(const struct tensor *outputs, size_t count);
/* As the schema's task says. */
struct roles roles_of(const struct schema *schema, const struct tensor *outputs, size_t count);

/* The schema's outputs as tensors without data, whose unknown dimensions are -1. Returns how many. */
size_t roles_declared(const struct schema *schema, struct tensor outputs[TENSOR_COUNT_MAX]);

/* What the task is when nobody says it, by the shapes of the outputs (negative: not known): one of labels has
 * integers or BOOL with several columns, no class, and floats, if any, in as many columns. One of numbers has
 * neither classes, nor floats in several columns, nor labels. Else it is one of classes. */
bool roles_look_like_labels(const struct tensor *outputs, size_t count);
bool roles_look_like_numbers(const struct tensor *outputs, size_t count);

/* False when the outputs make no prediction at all. */
static inline bool roles_predict(const struct roles *roles)
{
    return roles->class != NULL || roles->probabilities != NULL || roles->score != NULL ||
           roles->held != NULL;
}
/* False when that is more than one value a row: labels, or a vector. */
bool roles_predict_one(const struct roles *roles, bool regression);

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

/* Of roles with labels: how many there are, and whether one holds. */
static inline size_t roles_label_count(const struct roles *roles)
{
    return value_columns(roles->held != NULL ? roles->held : roles->probabilities);
}

static inline bool roles_label_holds(const struct roles *roles, size_t row, size_t label)
{
    size_t index = row * roles_label_count(roles) + label;
    return roles->held != NULL ? value_integer(roles->held, index) != 0
                               : value_float(roles->probabilities, index) >= 0.5;
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
