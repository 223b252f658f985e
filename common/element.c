/* element: where a JSON value meets a datatype.
 *
 * Writing and explaining are apart: writing only says yes or no, so that the loop over the values of a
 * request stays short, and the one value that is refused is looked at again to say why. Called for the
 * requests of clients (the frontend's rows.c) and for golden ones. SPDX-License-Identifier: MIT */
#include "element.h"

#include "number.h"

#include <math.h>
#include <stdio.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "elements are little-endian and are copied as they are");

/* The number as a double; whole numbers above 2^53 are rounded. False when the value is no number. */
static inline bool as_double(yyjson_val *value, double *number)
{
    switch (unsafe_yyjson_get_tag(value)) {
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL:
        *number = value->uni.f64;
        return true;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT:
        *number = (double)value->uni.u64;
        return true;
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_SINT:
        *number = (double)value->uni.i64;
        return true;
    default:
        return false;
    }
}

bool element_write_floats(yyjson_val *values, size_t count, bool allow_nan, uint8_t *place)
{
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        double number;
        if (!as_double(&values[i], &number))
            return false;
        float element = (float)number;
        good &= isfinite(element) || (allow_nan && !isfinite(number));
        memcpy(place + i * sizeof element, &element, sizeof element);
    }
    return good;
}

bool element_write_listed_floats(yyjson_val *const *values, size_t count, bool allow_nan, uint8_t *place)
{
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        double number;
        if (!as_double(values[i], &number))
            return false;
        float element = (float)number;
        good &= isfinite(element) || (allow_nan && !isfinite(number));
        memcpy(place + i * sizeof element, &element, sizeof element);
    }
    return good;
}

/* ---- whole numbers ---- */

#define TWO_TO_63 9223372036854775808.0

/* A whole number from INT64_MIN to UINT64_MAX. */
struct whole {
    bool negative;
    uint64_t bits; /* two's complement when negative */
};

static bool as_whole(yyjson_val *value, struct whole *whole)
{
    if (yyjson_is_uint(value)) {
        *whole = (struct whole){false, value->uni.u64};
        return true;
    }
    if (yyjson_is_sint(value)) {
        *whole = (struct whole){value->uni.i64 < 0, value->uni.u64};
        return true;
    }
    if (!yyjson_is_real(value))
        return false;
    double number = value->uni.f64; /* -2^63 itself may be -2^63 - 1, rounded: refused */
    if (!(number > -TWO_TO_63 && number < 2 * TWO_TO_63) || trunc(number) != number)
        return false;
    *whole = number < 0 ? (struct whole){true, (uint64_t)(int64_t)number}
                        : (struct whole){false, (uint64_t)number};
    return true;
}

static bool is_signed(enum datatype datatype)
{
    return datatype >= DATATYPE_INT8 && datatype <= DATATYPE_INT64;
}

static bool in_range(enum datatype datatype, struct whole whole)
{
    unsigned bits = (unsigned)datatype_bytes(datatype) * 8;
    if (!is_signed(datatype))
        return !whole.negative && (bits == 64 || whole.bits >> bits == 0);
    uint64_t magnitude = whole.negative ? ~whole.bits : whole.bits;
    return magnitude >> (bits - 1) == 0;
}

static bool write_whole(enum datatype datatype, yyjson_val *value, uint8_t *place)
{
    struct whole whole;
    if (!as_whole(value, &whole) || !in_range(datatype, whole))
        return false;
    memcpy(place, &whole.bits, datatype_bytes(datatype));
    return true;
}

/* ---- the others ---- */

static bool write_floating(enum datatype datatype, yyjson_val *value, bool allow_nan, uint8_t *place)
{
    double number;
    if (!as_double(value, &number))
        return false;
    bool finite = isfinite(number);
    if (!finite && !allow_nan)
        return false;
    if (datatype == DATATYPE_FP64) {
        memcpy(place, &number, sizeof number);
        return true;
    }
    if (datatype == DATATYPE_FP16) {
        uint16_t half = number_to_half(number);
        memcpy(place, &half, sizeof half);
        return !finite || isfinite(number_from_half(half));
    }
    if (datatype == DATATYPE_BF16) {
        uint16_t bfloat = number_to_bfloat(number);
        memcpy(place, &bfloat, sizeof bfloat);
        return !finite || isfinite(number_from_bfloat(bfloat));
    }
    return element_write_floats(value, 1, allow_nan, place);
}

static bool write_bool(yyjson_val *value, uint8_t *place)
{
    struct whole whole;
    if (yyjson_is_bool(value))
        *place = yyjson_is_true(value);
    else if (as_whole(value, &whole) && whole.bits <= 1)
        *place = (uint8_t)whole.bits;
    else
        return false;
    return true;
}

bool element_write(enum datatype datatype, yyjson_val *value, bool allow_nan, uint8_t *place)
{
    switch (datatype) {
    case DATATYPE_FP32:
    case DATATYPE_FP64:
    case DATATYPE_FP16:
    case DATATYPE_BF16:
        return write_floating(datatype, value, allow_nan, place);
    case DATATYPE_BOOL:
        return write_bool(value, place);
    case DATATYPE_BYTES:
    case DATATYPE_COUNT:
        return false;
    default:
        return write_whole(datatype, value, place);
    }
}

/* ---- explaining ---- */

const char *element_kind(yyjson_val *value)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_NULL:
        return "null";
    case YYJSON_TYPE_BOOL:
        return yyjson_is_true(value) ? "true" : "false";
    case YYJSON_TYPE_NUM:
        return "a number";
    case YYJSON_TYPE_STR:
        return "a string";
    case YYJSON_TYPE_ARR:
        return "an array";
    case YYJSON_TYPE_OBJ:
        return "an object";
    default:
        return "something else";
    }
}

const char *element_expected(enum datatype datatype)
{
    switch (datatype) {
    case DATATYPE_FP16:
    case DATATYPE_BF16:
    case DATATYPE_FP32:
    case DATATYPE_FP64:
        return "a number";
    case DATATYPE_BOOL:
        return "true, false, 0 or 1";
    case DATATYPE_BYTES:
        return "a string";
    default:
        return "a whole number";
    }
}

const char *element_explain(enum datatype datatype, yyjson_val *value, char text[ELEMENT_TEXT_MAX])
{
    double number;
    if (!as_double(value, &number) || datatype == DATATYPE_BYTES || datatype == DATATYPE_BOOL)
        snprintf(text, ELEMENT_TEXT_MAX, "expected %s, got %s", element_expected(datatype),
                 element_kind(value));
    else if (isnan(number))
        snprintf(text, ELEMENT_TEXT_MAX, "expected %s, got NaN, which is not a finite number",
                 element_expected(datatype));
    else if (isinf(number))
        snprintf(text, ELEMENT_TEXT_MAX,
                 "not a finite number: an infinity, or too large for any number here");
    else if (trunc(number) != number)
        snprintf(text, ELEMENT_TEXT_MAX, "expected %s, got %g", element_expected(datatype), number);
    else
        snprintf(text, ELEMENT_TEXT_MAX, "%g does not fit into %s", number, datatype_name(datatype));
    return text;
}
