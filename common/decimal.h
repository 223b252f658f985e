/* decimal: a number of JSON read from its text straight into a float.
 *
 * The float is the one that a tree of the text gives, bit for bit. There a number becomes the nearest double
 * and that one the nearest float. Up to 2^53 the digits are exact in a double, and so are powers of ten up to
 * 10^22: their quotient is the nearest double. Above that the quotient is off by two roundings, which changes
 * the float only when the double lies that close to the middle between two floats. Those few, and the numbers
 * that are written in any other way, are left to yyjson's reader of one number (number_read_float).
 *
 * Inline, always: it is the innermost loop of every batch, of JSON and of CSV (plain.c, cell.h), and a
 * compiler that sees it used twice thinks otherwise, which costs a tenth of the time.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DECIMAL_H
#define OUTRIGGER_DECIMAL_H

#include "number.h"

enum { DECIMAL_DIGITS_MAX = 19 /* always fit into 64 bits */ };

#define DECIMAL_INLINE static inline __attribute__((always_inline))

#define DECIMAL_EXACT_MAX (UINT64_C(1) << 53)

/* True when a double that is off by a few units of its last place may be of another float than the right one.
 */
static inline bool decimal_near_middle(double number)
{
    enum { LOWER_BITS = 29 /* that a float does not have */, UNITS = 4 };
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    uint64_t lower = bits & ((UINT64_C(1) << LOWER_BITS) - 1);
    uint64_t middle = UINT64_C(1) << (LOWER_BITS - 1);
    return lower + UNITS >= middle && lower <= middle + UNITS;
}

DECIMAL_INLINE const char *decimal_digits(const char *at, uint64_t *number)
{
    for (unsigned digit; (digit = (unsigned)(unsigned char)*at - '0') < 10; at++)
        *number = *number * 10 + digit;
    return at;
}

/* Returns the end of the number, which is what cannot be of one; a NUL at the latest. NULL when there is no
 * number as JSON has them, or when it is no finite FP32. */
DECIMAL_INLINE const char *decimal_read(const char *at, float *value)
{
    static const double powers_of_ten[DECIMAL_DIGITS_MAX] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                             1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                             1e14, 1e15, 1e16, 1e17, 1e18};
    const char *start = at;
    bool negative = *at == '-';
    const char *whole = at += negative;
    uint64_t digits = 0;
    at = decimal_digits(at, &digits);
    size_t count = (size_t)(at - whole), decimals = 0;
    if (count == 0 || (*whole == '0' && count > 1))
        return NULL;
    if (*at == '.') {
        const char *point = at;
        at = decimal_digits(at + 1, &digits);
        decimals = (size_t)(at - point) - 1;
        count += decimals;
        if (decimals == 0)
            return NULL;
    }
    if (count > DECIMAL_DIGITS_MAX || *at == 'e' || *at == 'E' || (negative && digits == 0))
        return number_read_float(start, value);
    double number = (double)digits / powers_of_ten[decimals];
    if (digits > DECIMAL_EXACT_MAX && decimal_near_middle(number))
        return number_read_float(start, value);
    *value = (float)(negative ? -number : number);
    return at;
}

#endif
