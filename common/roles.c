/* roles: see roles.h. The outputs of a model have names that each tool chooses for itself, so what they mean
 * is told by their datatype and shape. SPDX-License-Identifier: MIT */
#include "roles.h"

#include "schema.h"

static bool one_a_row(const struct tensor *tensor)
{
    return tensor->rank == 1 || (tensor->rank == 2 && tensor->shape[1] == 1);
}

static bool in_columns(const struct tensor *tensor)
{
    return tensor->rank == 2 && tensor->shape[1] > 1;
}

/* Which labels hold: numbers, in columns. */
static bool says_labels(const struct tensor *tensor)
{
    return in_columns(tensor) && !value_is_float(tensor) && tensor->datatype != DATATYPE_BYTES;
}

/* Other roles than those that the prediction is made of are no roles. */
static void settle(struct roles *roles, bool regression)
{
    if (!regression && (roles->class != NULL || roles->probabilities != NULL))
        roles->score = NULL;
    if (regression && roles->score != NULL)
        roles->class = NULL;
    if (regression && (roles->score != NULL || roles->class != NULL))
        roles->probabilities = NULL;
}

struct roles roles_find(const struct tensor *outputs, size_t count, bool regression)
{
    struct roles roles = {0};
    for (size_t i = 0; i < count; i++) {
        const struct tensor *tensor = &outputs[i];
        bool one = one_a_row(tensor);
        if (one && !value_is_float(tensor) && roles.class == NULL)
            roles.class = tensor;
        else if (one && value_is_float(tensor) && roles.score == NULL)
            roles.score = tensor;
        else if (value_is_float(tensor) && in_columns(tensor) && roles.probabilities == NULL)
            roles.probabilities = tensor;
    }
    settle(&roles, regression);
    return roles;
}

struct roles roles_find_labels(const struct tensor *outputs, size_t count)
{
    struct roles roles = {.labels = true};
    for (size_t i = 0; i < count; i++) {
        const struct tensor *tensor = &outputs[i];
        if (says_labels(tensor) && roles.held == NULL)
            roles.held = tensor;
        else if (value_is_float(tensor) && in_columns(tensor) && roles.probabilities == NULL)
            roles.probabilities = tensor;
    }
    if (roles.held != NULL && roles.probabilities != NULL &&
        roles.held->shape[1] != roles.probabilities->shape[1])
        roles.probabilities = NULL; /* of something else */
    return roles;
}

struct roles roles_of(const struct schema *schema, const struct tensor *outputs, size_t count)
{
    return schema->kind == SCHEMA_LABELS ? roles_find_labels(outputs, count)
                                         : roles_find(outputs, count, schema->regression);
}

size_t roles_declared(const struct schema *schema, struct tensor outputs[TENSOR_COUNT_MAX])
{
    size_t count = schema->output_count < TENSOR_COUNT_MAX ? schema->output_count : TENSOR_COUNT_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct schema_tensor *output = &schema->outputs[i];
        outputs[i] = (struct tensor){.datatype = output->datatype, .rank = output->rank};
        memcpy(outputs[i].shape, output->shape, sizeof outputs[i].shape);
    }
    return count;
}

bool roles_look_like_labels(const struct tensor *outputs, size_t count)
{
    struct roles roles = roles_find_labels(outputs, count);
    bool floats = false;
    for (size_t i = 0; i < count; i++) {
        if (one_a_row(&outputs[i]) && !value_is_float(&outputs[i]))
            return false;
        floats = floats || value_is_float(&outputs[i]);
    }
    return roles.held != NULL && (roles.probabilities != NULL || !floats);
}

bool roles_look_like_numbers(const struct tensor *outputs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (value_is_float(&outputs[i]) ? in_columns(&outputs[i]) : one_a_row(&outputs[i]))
            return false;
    return !roles_look_like_labels(outputs, count);
}

bool roles_predict_one(const struct roles *roles, bool regression)
{
    return roles->class != NULL || roles->score != NULL ||
           (roles->probabilities != NULL && !regression && !roles->labels);
}

static size_t largest(const struct tensor *probabilities, size_t row)
{
    size_t columns = (size_t)probabilities->shape[1];
    size_t best = 0;
    for (size_t i = 1; i < columns; i++)
        if (value_float(probabilities, row * columns + i) > value_float(probabilities, row * columns + best))
            best = i;
    return best;
}

bool roles_class_index(const struct roles *roles, bool regression, size_t row, uint64_t *index)
{
    if (regression || roles->labels || (roles->class != NULL && roles->class->datatype == DATATYPE_BYTES))
        return false;
    if (roles->class != NULL)
        *index = value_integer(roles->class, row); /* a negative one is out of every range */
    else if (roles->probabilities != NULL)
        *index = largest(roles->probabilities, row);
    else
        *index = value_float(roles->score, row) >= 0.5;
    return true;
}
