/* test_postgres_array: arrays as a PostgreSQL takes them, byte by byte. SPDX-License-Identifier: MIT */
#include "postgres_array.h"

#include "suite.h"

#include <math.h>

static struct postgres_array array;

static void tear_down(void)
{
    postgres_array_free(&array);
}

static void is(const char *bytes, size_t length)
{
    const uint8_t *made = postgres_array_bytes(&array);
    ck_assert_uint_eq(array.length, length);
    ck_assert_mem_eq(made, bytes, length);
}
/* Without the zero that ends a literal. */
#define IS(literal) is(literal, sizeof(literal) - 1)

START_TEST(integers_have_eight_bytes_the_high_one_first)
{
    postgres_array_begin(&array, POSTGRES_INT8_ARRAY);
    postgres_array_integer(&array, 1);
    postgres_array_integer(&array, -2);
    IS("\0\0\0\1"
       "\0\0\0\0"
       "\0\0\0\x14"
       "\0\0\0\2"
       "\0\0\0\1"
       "\0\0\0\x8"
       "\0\0\0\0\0\0\0\1"
       "\0\0\0\x8"
       "\xff\xff\xff\xff\xff\xff\xff\xfe");
}
END_TEST

START_TEST(numbers_are_those_of_ieee_754)
{
    postgres_array_begin(&array, POSTGRES_FLOAT8_ARRAY);
    postgres_array_number(&array, -1.5);
    postgres_array_null(&array);
    IS("\0\0\0\1"
       "\0\0\0\1"
       "\0\0\2\xbd"
       "\0\0\0\2"
       "\0\0\0\1"
       "\0\0\0\x8"
       "\xbf\xf8\0\0\0\0\0\0"
       "\xff\xff\xff\xff");
}
END_TEST

START_TEST(texts_have_their_length_in_front)
{
    postgres_array_begin(&array, POSTGRES_TEXT_ARRAY);
    postgres_array_text(&array, text_of("a\"{"));
    postgres_array_text(&array, (struct text){NULL, 0});
    IS("\0\0\0\1"
       "\0\0\0\0"
       "\0\0\0\x19"
       "\0\0\0\2"
       "\0\0\0\1"
       "\0\0\0\3"
       "a\"{"
       "\0\0\0\0");
}
END_TEST

START_TEST(an_array_is_begun_again_and_may_be_empty)
{
    postgres_array_begin(&array, POSTGRES_TEXT_ARRAY);
    postgres_array_null(&array);
    postgres_array_begin(&array, POSTGRES_INT8_ARRAY);
    IS("\0\0\0\1"
       "\0\0\0\0"
       "\0\0\0\x14"
       "\0\0\0\0"
       "\0\0\0\1");
    postgres_array_integer(&array, 7); /* also after it was looked at */
    IS("\0\0\0\1"
       "\0\0\0\0"
       "\0\0\0\x14"
       "\0\0\0\1"
       "\0\0\0\1"
       "\0\0\0\x8"
       "\0\0\0\0\0\0\0\7");
}
END_TEST

START_TEST(it_grows)
{
    static const char word[3000] = {0};
    postgres_array_begin(&array, POSTGRES_TEXT_ARRAY);
    for (int i = 0; i < 100; i++)
        postgres_array_text(&array, (struct text){word, (size_t)(i * 30)});
    ck_assert_uint_eq(array.count, 100);
    ck_assert_uint_eq(array.length, 20 + 100 * 4 + 30 * (99 * 100 / 2));
    ck_assert_mem_eq(postgres_array_bytes(&array) + 12, "\0\0\0\x64", 4);
}
END_TEST

START_TEST(values_of_answers_are_read)
{
    ck_assert_int_eq(postgres_read_integer("\xff\xff\xff\xff\xff\xff\xff\xfe"), -2);
    ck_assert_int_eq(postgres_read_integer("\x7f\xff\xff\xff\xff\xff\xff\xff"), INT64_MAX);
    ck_assert_double_eq(postgres_read_number("\xbf\xf8\0\0\0\0\0\0"), -1.5);
    ck_assert(isnan(postgres_read_number("\x7f\xf8\0\0\0\0\0\0")));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        integers_have_eight_bytes_the_high_one_first,
        numbers_are_those_of_ieee_754,
        texts_have_their_length_in_front,
        an_array_is_begun_again_and_may_be_empty,
        it_grows,
        values_of_answers_are_read,
    };
    return SUITE_RUN("postgres_array", NULL, tear_down, tests);
}
