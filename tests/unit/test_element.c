/* test_element: every datatype with its range. SPDX-License-Identifier: MIT */
#include "decode_scene.h"
#include "element.h"
#include "number.h"

#include <math.h>

struct element_case {
    enum datatype datatype;
    const char *json;
    bool good;
    uint64_t bits; /* of the element, when good */
};

static const struct element_case element_cases[] = {
    {DATATYPE_INT8, "-128", true, 0x80},
    {DATATYPE_INT8, "127", true, 0x7f},
    {DATATYPE_INT8, "128", false, 0},
    {DATATYPE_INT8, "-129", false, 0},
    {DATATYPE_INT8, "1.0", true, 1},
    {DATATYPE_INT8, "-1.0", true, 0xff},
    {DATATYPE_INT8, "1.5", false, 0},
    {DATATYPE_INT8, "1e2", true, 100},
    {DATATYPE_INT8, "true", false, 0},
    {DATATYPE_INT8, "\"1\"", false, 0},
    {DATATYPE_UINT8, "255", true, 255},
    {DATATYPE_UINT8, "256", false, 0},
    {DATATYPE_UINT8, "-1", false, 0},
    {DATATYPE_UINT8, "-0", true, 0},
    {DATATYPE_UINT8, "-0.0", true, 0},
    {DATATYPE_INT16, "-32768", true, 0x8000},
    {DATATYPE_INT16, "32768", false, 0},
    {DATATYPE_UINT16, "65535", true, 65535},
    {DATATYPE_UINT16, "65536", false, 0},
    {DATATYPE_INT32, "2147483647", true, INT32_MAX},
    {DATATYPE_INT32, "-2147483648", true, 0x80000000},
    {DATATYPE_INT32, "2147483648", false, 0},
    {DATATYPE_UINT32, "4294967295", true, UINT32_MAX},
    {DATATYPE_UINT32, "4294967296", false, 0},
    {DATATYPE_INT64, "9223372036854775807", true, INT64_MAX},
    {DATATYPE_INT64, "-9223372036854775808", true, UINT64_C(1) << 63},
    {DATATYPE_INT64, "9223372036854775808", false, 0},
    {DATATYPE_INT64, "-9223372036854775809", false, 0}, /* not rounded to -2^63 */
    {DATATYPE_INT64, "-9.3e18", false, 0},
    {DATATYPE_INT64, "1e18", true, UINT64_C(1000000000000000000)},
    {DATATYPE_INT64, "1e400", false, 0},
    {DATATYPE_INT64, "NaN", false, 0},
    {DATATYPE_UINT64, "18446744073709551615", true, UINT64_MAX},
    {DATATYPE_UINT64, "18446744073709551616", false, 0},
    {DATATYPE_UINT64, "-1", false, 0},
    {DATATYPE_BOOL, "true", true, 1},
    {DATATYPE_BOOL, "false", true, 0},
    {DATATYPE_BOOL, "1", true, 1},
    {DATATYPE_BOOL, "0.0", true, 0},
    {DATATYPE_BOOL, "2", false, 0},
    {DATATYPE_BOOL, "-1", false, 0},
    {DATATYPE_BOOL, "null", false, 0},
    {DATATYPE_FP64, "1.5", true, 0x3ff8000000000000},
    {DATATYPE_FP64, "1e308", true, 0x7fe1ccf385ebc8a0},
    {DATATYPE_FP64, "1e309", false, 0},
    {DATATYPE_FP64, "\"x\"", false, 0},
    {DATATYPE_FP16, "1.5", true, 0x3e00},
    {DATATYPE_FP16, "65504", true, 0x7bff},
    {DATATYPE_FP16, "65519.99", true, 0x7bff},
    {DATATYPE_FP16, "65520", false, 0},
    {DATATYPE_FP16, "null", false, 0},
    {DATATYPE_BF16, "1.5", true, 0x3fc0},
    {DATATYPE_BF16, "-1.01171875", true, 0xbf82}, /* halfway: to even */
    {DATATYPE_BF16, "1.00390625", true, 0x3f80},
    {DATATYPE_BF16, "3.3895e38", true, 0x7f7f},
    {DATATYPE_BF16, "3.4e38", false, 0},
    {DATATYPE_BF16, "null", false, 0},
    {DATATYPE_FP32, "16777217", true, 0x4b800000},
    {DATATYPE_FP32, "[]", false, 0},
    {DATATYPE_BYTES, "\"x\"", false, 0}, /* not element's affair */
};

START_TEST(elements_have_ranges)
{
    for (size_t i = 0; i < COUNT_OF(element_cases); i++) {
        const struct element_case *this = &element_cases[i];
        uint8_t place[ELEMENT_BYTES_MAX + 1];
        char text[ELEMENT_TEXT_MAX];
        memset(place, 0xaa, sizeof place);
        yyjson_doc *document = yyjson_read(this->json, strlen(this->json), YYJSON_READ_ALLOW_INF_AND_NAN);
        ck_assert_ptr_nonnull(document);
        yyjson_val *value = yyjson_doc_get_root(document);
        ck_assert_msg(element_write(this->datatype, value, false, place) == this->good, "%s as %s",
                      this->json, datatype_name(this->datatype));
        size_t size = datatype_bytes(this->datatype);
        if (this->good)
            ck_assert_mem_eq(place, &this->bits, size);
        ck_assert_uint_eq(place[size], 0xaa); /* nothing beyond the element */
        ck_assert_uint_gt(strlen(element_explain(this->datatype, value, text)), 10);
        yyjson_doc_free(document);
    }
}
END_TEST

START_TEST(halves_are_exact)
{
    for (uint32_t half = 0; half <= UINT16_MAX; half++) {
        float value = number_from_half((uint16_t)half);
        if (isnan(value))
            ck_assert(isnan(number_from_half(number_to_half((double)value))));
        else
            ck_assert_uint_eq(number_to_half((double)value), half);
    }
    ck_assert(number_from_half(0x3c00) == 1.0f && number_from_half(0x0001) == 0x1p-24f);
    ck_assert_uint_eq(number_to_half(0x1p-25), 0);   /* a tie: to even, zero */
    ck_assert_uint_eq(number_to_half(0x1.8p-24), 2); /* a tie: to even, up */
    ck_assert_uint_eq(number_to_half(1 + 0x1p-11), 0x3c00);
    ck_assert_uint_eq(number_to_half(1 + 0x1.8p-10), 0x3c02);
    ck_assert_uint_eq(number_to_half(0x1.ffep-15), 0x0400); /* rounds up into the smallest normal */
    ck_assert_uint_eq(number_to_half(65520), 0x7c00);
    ck_assert_uint_eq(number_to_half(-INFINITY), 0xfc00);
    ck_assert_uint_eq(number_to_half(1e-300), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {elements_have_ranges, halves_are_exact};
    return SUITE_RUN("element", set_up, tear_down, tests);
}
