/* prediction_list: a prediction of several values a row, labels that hold or a vector, as JSON has it. Pure.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PREDICTION_LIST_H
#define OUTRIGGER_PREDICTION_LIST_H

#include "roles.h"

/* Whether predictions of these outputs are lists. */
bool prediction_is_list(const struct roles *roles, bool regression);
/* Bytes that the text of one row has at most, with its terminator. Only for lists, as all below. */
size_t prediction_list_room(const struct roles *roles);
/* Writes that of a row: "[1,0,1]" of labels, "[0.25,null]" of a vector. Returns the length, without the
 * terminator. */
size_t prediction_list_write(const struct roles *roles, size_t row, char *text);

#endif
