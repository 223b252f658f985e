/* prediction_list: see prediction_list.h. The values are those that the front door prints (answer.c of the
 * frontend, which writes large answers at a time and so has its own loops). Called by scorer.c for jobs.
 * SPDX-License-Identifier: MIT */
#include "prediction_list.h"

bool prediction_is_list(const struct roles *roles, bool regression)
{
    return roles_predict(roles) && !roles_predict_one(roles, regression);
}

size_t prediction_list_room(const struct roles *roles)
{
    return roles->labels ? 2 * roles_label_count(roles) + sizeof "[]"
                         : value_columns(roles->probabilities) * (NUMBER_TEXT_MAX + 1) + sizeof "[]";
}

static size_t write_value(const struct roles *roles, size_t row, size_t column, char *text)
{
    if (roles->labels) {
        *text = roles_label_holds(roles, row, column) ? '1' : '0';
        return 1;
    }
    const struct tensor *vector = roles->probabilities;
    double value = value_float(vector, row * value_columns(vector) + column);
    return vector->datatype == DATATYPE_FP64 ? number_write_double(value, text)
                                             : number_write_float((float)value, text);
}

size_t prediction_list_write(const struct roles *roles, size_t row, char *text)
{
    char *at = text;
    size_t columns = roles->labels ? roles_label_count(roles) : value_columns(roles->probabilities);
    *at++ = '[';
    for (size_t i = 0; i < columns; i++) {
        if (i > 0)
            *at++ = ',';
        at += write_value(roles, row, i, at);
    }
    *at++ = ']';
    *at = '\0';
    return (size_t)(at - text);
}
