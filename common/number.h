/* number: numbers as JSON text and back, and half floats. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_NUMBER_H
#define OUTRIGGER_NUMBER_H

#include "object.h"

enum { NUMBER_TEXT_MAX = 32 }; /* bytes that the writers never exceed */

/* Writes the fewest digits that strtof reads back as the same float, as a JSON number with a point or an
 * exponent ("0.1", "1.0", "1e-30"); "null" for NaN and infinities, which JSON does not have. Returns the
 * length; no terminator. */
size_t number_write_float(float value, char text[NUMBER_TEXT_MAX]);
/* The same for a double. */
size_t number_write_double(double value, char text[NUMBER_TEXT_MAX]);
/* An integer, which is shorter than snprintf's way there. Return the length; no terminator. */
size_t number_write_unsigned(uint64_t value, char *text);
size_t number_write_integer(int64_t value, char *text);

/* Reads a number of JSON, of any form, up to what cannot be of one (a NUL at the latest). Returns the end;
 * NULL when there is none, or when it is no finite FP32. */
const char *number_read_float(const char *at, float *value);

/* IEEE 754 binary16. */
float number_from_half(uint16_t half);
/* Rounds to nearest, ties to even; what is too large becomes an infinity. */
uint16_t number_to_half(double value);

/* bfloat16: the upper half of a binary32. */
float number_from_bfloat(uint16_t bfloat);
/* Rounds to nearest, ties to even, by way of binary32; what is too large becomes an infinity. */
uint16_t number_to_bfloat(double value);

#endif
