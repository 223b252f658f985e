/* plain: see plain.h. A batch is mostly numbers, and a tree of them costs twice as much as reading them: each
 * becomes 16 bytes that are written, looked over and read again. So the one form that nearly every batch has
 * is read here without a tree. It is a short cut and no second reader of JSON: at the first thing that is not
 * of this form it gives up, and decode.c reads the body from the beginning, or says what is wrong with it.
 *
 * The floats are those of the tree, bit for bit. There a number becomes the nearest double and that one the
 * nearest float. Up to 2^53 the digits are exact in a double, and so are powers of ten up to 10^22: their
 * quotient is the nearest double. Above that the quotient is off by two roundings, which changes the float
 * only when the double lies that close to the middle between two floats. Those few, and the numbers that are
 * written in any other way, are left to yyjson's reader of one number. SPDX-License-Identifier: MIT */
#include "plain.h"

#include <math.h>
#include <stdlib.h>
#include <yyjson.h>

enum {
    DIGITS_MAX = 19,   /* always fit into 64 bits */
    KEPT_MAX = 4 << 20 /* values that a thread keeps memory for */
};

#define EXACT_MAX (UINT64_C(1) << 53)

static const double powers_of_ten[DIGITS_MAX] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                                 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

void plain_free(struct plain *plain)
{
    free(plain->values);
    *plain = (struct plain){0};
}

void plain_done(struct plain *plain)
{
    if (plain->capacity > KEPT_MAX)
        plain_free(plain);
}

static void make_room(struct plain *plain, size_t values)
{
    if (values <= plain->capacity)
        return;
    free(plain->values);
    plain->values = malloc(values * sizeof *plain->values);
    ENSURE(plain->values != NULL);
    plain->capacity = values;
}

/* ---- one number ---- */

/* The long way, for numbers of any form. NULL when it is none, or no finite FP32. */
static const char *read_any(const char *at, float *value)
{
    yyjson_val number;
    const char *end = yyjson_read_number(at, &number, 0, NULL, NULL);
    if (end == NULL)
        return NULL;
    *value = (float)yyjson_get_num(&number);
    return isfinite(*value) ? end : NULL;
}

/* True when a double that is off by a few units of its last place may be of another float than the right one.
 */
static bool near_middle(double number)
{
    enum { LOWER_BITS = 29 /* that a float does not have */, UNITS = 4 };
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    uint64_t lower = bits & ((UINT64_C(1) << LOWER_BITS) - 1);
    uint64_t middle = UINT64_C(1) << (LOWER_BITS - 1);
    return lower + UNITS >= middle && lower <= middle + UNITS;
}

static inline const char *read_digits(const char *at, uint64_t *number)
{
    for (unsigned digit; (digit = (unsigned)(unsigned char)*at - '0') < 10; at++)
        *number = *number * 10 + digit;
    return at;
}

/* Returns the end, NULL when there is no number. */
static inline const char *read_number(const char *at, float *value)
{
    const char *start = at;
    bool negative = *at == '-';
    const char *whole = at += negative;
    uint64_t digits = 0;
    at = read_digits(at, &digits);
    size_t count = (size_t)(at - whole), decimals = 0;
    if (count == 0 || (*whole == '0' && count > 1))
        return NULL;
    if (*at == '.') {
        const char *point = at;
        at = read_digits(at + 1, &digits);
        decimals = (size_t)(at - point) - 1;
        count += decimals;
        if (decimals == 0)
            return NULL;
    }
    if (count > DIGITS_MAX || *at == 'e' || *at == 'E' || (negative && digits == 0))
        return read_any(start, value);
    double number = (double)digits / powers_of_ten[decimals];
    if (digits > EXACT_MAX && near_middle(number))
        return read_any(start, value);
    *value = (float)(negative ? -number : number);
    return at;
}

/* ---- rows ---- */

static inline const char *skip_space(const char *at)
{
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')
        at++;
    return at;
}

/* Behind `character` and the white space around it; NULL when it is not there. */
static const char *pass(const char *at, char character)
{
    at = skip_space(at);
    return *at == character ? skip_space(at + 1) : NULL;
}

/* From behind the bracket that opens the row to behind the one that closes it; NULL: no plain row. */
static const char *read_row(const char *at, float **values)
{
    for (;;) {
        at = read_number(at, (*values)++);
        if (at == NULL)
            return NULL;
        at = skip_space(at);
        if (*at != ',')
            return *at == ']' ? skip_space(at + 1) : NULL;
        at = skip_space(at + 1);
    }
}

/* The same for all rows. */
static const char *read_rows(struct plain *plain, const char *at)
{
    float *values = plain->values;
    for (plain->rows = 0;; plain->rows++) {
        const float *row = values;
        at = pass(at, '[');
        at = at == NULL ? NULL : read_row(at, &values);
        if (at == NULL)
            return NULL;
        if (plain->rows == 0)
            plain->width = (size_t)(values - row);
        if ((size_t)(values - row) != plain->width)
            return NULL;
        if (*at != ',')
            break;
        at++;
    }
    plain->rows++;
    return *at == ']' ? skip_space(at + 1) : NULL;
}

size_t plain_read(struct plain *plain, const char *text, size_t length)
{
    static const char name[] = "\"instances\"";
    const char *at = pass(text, '{');
    if (at == NULL || strncmp(at, name, sizeof name - 1) != 0)
        return 0;
    at = pass(at + sizeof name - 1, ':');
    at = at == NULL ? NULL : pass(at, '[');
    if (at == NULL)
        return 0;
    make_room(plain, length / 2 + 1); /* a value and what separates it from the next are two bytes */
    at = read_rows(plain, at);
    return at == NULL ? 0 : (size_t)(at - text);
}
