/* roles: see roles.h. The outputs of a model have names that each tool chooses for itself, so what they mean
 * is told by their datatype and shape. SPDX-License-Identifier: MIT */
#include "roles.h"

static bool one_a_row(const struct tensor *tensor)
{
    return tensor->rank == 1 || (tensor->rank == 2 && tensor->shape[1] == 1);
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
        else if (value_is_float(tensor) && tensor->rank == 2 && tensor->shape[1] > 1 &&
                 roles.probabilities == NULL)
            roles.probabilities = tensor;
    }
    settle(&roles, regression);
    return roles;
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
    if (regression || (roles->class != NULL && roles->class->datatype == DATATYPE_BYTES))
        return false;
    if (roles->class != NULL)
        *index = value_integer(roles->class, row); /* a negative one is out of every range */
    else if (roles->probabilities != NULL)
        *index = largest(roles->probabilities, row);
    else
        *index = value_float(roles->score, row) >= 0.5;
    return true;
}
