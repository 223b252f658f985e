/* number: floats to their shortest text.
 *
 * Answers are mostly probabilities in float32. Printed as doubles they would carry 17 digits, nine of them
 * noise, and libc needs up to four tries of snprintf and strtof to find the short form. What is done here
 * instead, with plain double arithmetic:
 *
 * The decimal numbers that read back as the float x are those between the midpoints to its two neighbours.
 * Scale x and the midpoints by a power of ten so that x has 9 or 10 digits before the point. The midpoints
 * are then at least 5.9 apart (2^-24 of 1e8 or more), so whole numbers lie between them. Drop last digits as
 * long as a whole number is left between them: what remains is the shortest, and of those the one nearest to
 * x is taken.
 *
 * Why doubles are exact enough: scaling rounds twice (the power of ten, the product), which moves a number
 * below 4.3e9 by less than 1e-6; the interval is narrowed by that much on either side. So whatever is printed
 * reads back as the same float, always. Midpoints that are whole numbers after scaling, as those of large
 * floats are, are told exactly. SPDX-License-Identifier: MIT */
#include "number.h"

#include <math.h>
#include <yyjson.h>

enum {
    MANTISSA_BITS = 23,
    EXPONENT_BIAS = 127,
    EXACT_POWER_MAX = 22, /* larger powers of ten are rounded in a double */
    FIXED_MIN = -5,       /* exponents from here ... */
    FIXED_MAX = 15        /* ... to here are written without an "e" */
};

#define MARGIN 1e-6 /* units of the last scaled digit; see above */

static const double powers_of_ten[] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
    1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27,
    1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38, 1e39, 1e40, 1e41,
    1e42, 1e43, 1e44, 1e45, 1e46, 1e47, 1e48, 1e49, 1e50, 1e51, 1e52, 1e53,
};

/* value = digits * 10^exponent */
struct decimal {
    uint32_t digits;
    int exponent;
};

static double scale(double value, int power)
{
    return power >= 0 ? value * powers_of_ten[power] : value / powers_of_ten[-power];
}

/* floor(exponent * log10(2)) for the exponents of floats. */
static int log10_of_power_of_two(int exponent)
{
    return (exponent * 78913) >> 18;
}

/* Exact, for the exponents that a double has without being subnormal. */
static double power_of_two(int exponent)
{
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* True when `value`, an odd multiple of 2^bit, is a whole number after scaling. Exact. */
static bool whole_after_scaling(double value, int bit, int power)
{
    if (power >= 0)
        return bit + power >= 0;
    return -power <= EXACT_POWER_MAX && fmod(value, powers_of_ten[-power]) == 0;
}

/* The whole numbers, after scaling, that read back as `value`: from the midpoint below to the one above. A
 * midpoint itself is read as the neighbour whose mantissa is even. */
static void find_interval(double value, uint32_t mantissa, int lowest_bit, bool gap_is_half_below, int power,
                          uint32_t *low, uint32_t *high)
{
    int bit = lowest_bit - 1;
    int bit_below = gap_is_half_below ? lowest_bit - 2 : bit;
    double above = value + power_of_two(bit);
    double below = value - power_of_two(bit_below);
    bool even = mantissa % 2 == 0;
    double scaled_above = scale(above, power);
    double scaled_below = scale(below, power);
    if (whole_after_scaling(below, bit_below, power) && even)
        *low = (uint32_t)(scaled_below + 0.5);
    else
        *low = (uint32_t)(scaled_below + MARGIN) + 1;
    if (whole_after_scaling(above, bit, power) && even)
        *high = (uint32_t)(scaled_above + 0.5);
    else
        *high = (uint32_t)(scaled_above - MARGIN);
}

static struct decimal shortest(double value, uint32_t bits)
{
    int exponent = (int)(bits >> MANTISSA_BITS);
    uint32_t mantissa = bits & ((1u << MANTISSA_BITS) - 1);
    int lowest_bit = (exponent == 0 ? 1 : exponent) - EXPONENT_BIAS - MANTISSA_BITS;
    int highest_bit = exponent == 0 ? 31 - __builtin_clz(mantissa) + lowest_bit : exponent - EXPONENT_BIAS;
    int power = 8 - log10_of_power_of_two(highest_bit);
    uint32_t low, high;
    find_interval(value, mantissa, lowest_bit, mantissa == 0 && exponent > 1, power, &low, &high);
    uint32_t unit = 1;
    int dropped = 0;
    for (;;) {
        uint32_t shorter_low = (low + 9) / 10;
        uint32_t shorter_high = high / 10;
        if (shorter_low > shorter_high)
            break;
        low = shorter_low;
        high = shorter_high;
        unit *= 10;
        dropped++;
    }
    uint32_t nearest = (uint32_t)(scale(value, power) / unit + 0.5);
    nearest = nearest < low ? low : nearest > high ? high : nearest;
    return (struct decimal){nearest, dropped - power};
}

static size_t count_digits(uint32_t value)
{
    static const uint32_t smallest[] = {0,      10,      100,      1000,      10000,
                                        100000, 1000000, 10000000, 100000000, 1000000000};
    size_t count = (size_t)(32 - __builtin_clz(value | 1)) * 1233 >> 12; /* log10(2) = 1233 / 4096 */
    return count + (value >= smallest[count]);
}

size_t number_write_unsigned(uint64_t value, char *text)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    memcpy(text, digits + at, sizeof digits - at);
    return sizeof digits - at;
}

size_t number_write_integer(int64_t value, char *text)
{
    if (value >= 0)
        return number_write_unsigned((uint64_t)value, text);
    text[0] = '-';
    return 1 + number_write_unsigned(-(uint64_t)value, text + 1);
}

/* Writes exactly `count` digits, which is what `value` has. */
static void write_digits(uint32_t value, size_t count, char *text)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";
    while (count >= 2) {
        count -= 2;
        memcpy(text + count, pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (count == 1)
        text[0] = (char)('0' + value);
}

/* d.ddde-12 */
static size_t write_scientific(struct decimal decimal, size_t count, int exponent, char *text)
{
    size_t length = count;
    write_digits(decimal.digits, count, text + 1);
    text[0] = text[1];
    if (count > 1) {
        text[1] = '.';
        length++;
    }
    text[length++] = 'e';
    if (exponent < 0)
        text[length++] = '-';
    uint32_t magnitude = (uint32_t)(exponent < 0 ? -exponent : exponent);
    size_t digits = count_digits(magnitude);
    write_digits(magnitude, digits, text + length);
    return length + digits;
}

static size_t write_decimal(struct decimal decimal, char *text)
{
    size_t count = count_digits(decimal.digits);
    int exponent = (int)count - 1 + decimal.exponent; /* of the first digit */
    if (exponent < FIXED_MIN || exponent > FIXED_MAX)
        return write_scientific(decimal, count, exponent, text);
    if (exponent < 0) { /* 0.00ddd */
        size_t zeros = (size_t)-exponent + 1;
        memcpy(text, "0.000000", 8);
        write_digits(decimal.digits, count, text + zeros);
        return zeros + count;
    }
    size_t before = (size_t)exponent + 1;
    if (count <= before) { /* ddd00.0 */
        write_digits(decimal.digits, count, text);
        memset(text + count, '0', before - count);
        memcpy(text + before, ".0", 2);
        return before + 2;
    }
    write_digits(decimal.digits, count, text + 1); /* dd.ddd */
    memmove(text, text + 1, before);
    text[before] = '.';
    return count + 1;
}

size_t number_write_float(float value, char text[NUMBER_TEXT_MAX])
{
    if (!isfinite(value)) {
        memcpy(text, "null", 4);
        return 4;
    }
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    size_t sign = bits >> 31;
    bits &= INT32_MAX;
    text[0] = '-';
    if (bits == 0) {
        memcpy(text + sign, "0.0", 3);
        return sign + 3;
    }
    return sign + write_decimal(shortest(fabs((double)value), bits), text + sign);
}

/* yyjson has a fast and exact writer of doubles; it is reached through a tree of one value in memory on the
 * stack. */
size_t number_write_double(double value, char text[NUMBER_TEXT_MAX])
{
    char memory[256];
    yyjson_alc pool;
    yyjson_val number = {.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL, .uni.f64 = value};
    ENSURE(yyjson_alc_pool_init(&pool, memory, sizeof memory));
    size_t length;
    const char *written =
        yyjson_val_write_opts(&number, YYJSON_WRITE_INF_AND_NAN_AS_NULL, &pool, &length, NULL);
    ENSURE(written != NULL && length <= NUMBER_TEXT_MAX);
    memcpy(text, written, length);
    return length;
}

const char *number_read_float(const char *at, float *value)
{
    yyjson_val number;
    const char *end = yyjson_read_number(at, &number, 0, NULL, NULL);
    if (end == NULL)
        return NULL;
    *value = (float)yyjson_get_num(&number);
    return isfinite(*value) ? end : NULL;
}

float number_from_half(uint16_t half)
{
    int exponent = half >> 10 & 31;
    int mantissa = half & 1023;
    float magnitude = exponent == 31  ? (mantissa == 0 ? INFINITY : NAN)
                      : exponent == 0 ? ldexpf((float)mantissa, -24)
                                      : ldexpf((float)(mantissa + 1024), exponent - 25);
    return half >> 15 ? -magnitude : magnitude;
}

uint16_t number_to_half(double value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    double magnitude = fabs(value);
    if (isnan(value))
        return sign | 0x7e00;
    if (magnitude >= 65520) /* halfway from the largest half, 65504, to the next power of two */
        return sign | 0x7c00;
    int exponent = -13; /* of subnormal halves, and of zero: all have the spacing 2^-24 */
    if (magnitude >= 0x1p-14)
        frexp(magnitude, &exponent); /* magnitude = 0.1xxx * 2^exponent */
    /* In units of the last place this is a whole number of at most 2^11, which nearbyint rounds to even; a
     * carry into the next exponent comes out right because the exponent stands directly above the mantissa.
     */
    unsigned units = (unsigned)nearbyint(ldexp(magnitude, 11 - exponent));
    return (uint16_t)(sign + ((unsigned)(exponent + 13) << 10) + units);
}

float number_from_bfloat(uint16_t bfloat)
{
    uint32_t bits = (uint32_t)bfloat << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint16_t number_to_bfloat(double value)
{
    float rounded = (float)value;
    uint32_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    if (isnan(rounded))
        return (uint16_t)(bits >> 16 | 0x40); /* quiet: what is cut off may be all that made it a NaN */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
