/* number: floating-point numbers as JSON text, and half floats. SPDX-License-Identifier: MIT */
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

/* IEEE 754 binary16. */
float number_from_half(uint16_t half);
/* Rounds to nearest, ties to even; what is too large becomes an infinity. */
uint16_t number_to_half(double value);

#endif
