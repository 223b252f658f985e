/* element: one JSON value as one element of a tensor. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ELEMENT_H
#define OUTRIGGER_ELEMENT_H

#include "tensor.h"

#include <yyjson.h>

enum { ELEMENT_BYTES_MAX = 8, ELEMENT_TEXT_MAX = 128 };

/* Writes the value as one little-endian element at `place` (any datatype but BYTES; ELEMENT_BYTES_MAX always
 * suffice). False when it is of another type, or out of the datatype's range, or not finite while allow_nan
 * is false. Whole numbers may be written with a point (3.0); BOOL takes true, false, 0 and 1. */
bool element_write(enum datatype datatype, yyjson_val *value, bool allow_nan, uint8_t *place);
/* Writes `count` values that follow one another in memory (a flat array's) as FP32. False when one of them is
 * refused; element_write says which. */
bool element_write_floats(yyjson_val *values, size_t count, bool allow_nan, uint8_t *place);
/* The same for values that lie anywhere. */
bool element_write_listed_floats(yyjson_val *const *values, size_t count, bool allow_nan, uint8_t *place);
/* Why element_write refuses: "expected a number, got a string". Returns `text`. */
const char *element_explain(enum datatype datatype, yyjson_val *value, char text[ELEMENT_TEXT_MAX]);
/* What element_write takes: "a number", "a whole number", ... */
const char *element_expected(enum datatype datatype);
/* "a number", "a string", "an array", ... */
const char *element_kind(yyjson_val *value);

#endif
