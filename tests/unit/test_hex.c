/* test_hex: every byte has its two digits, and no others. SPDX-License-Identifier: MIT */
#include "hex.h"
#include "suite.h"

START_TEST(what_is_written_is_read_again)
{
    uint8_t bytes[256], read[256];
    char text[2 * sizeof bytes + 1] = "", digits[3];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    hex_write(text, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(digits, sizeof digits, "%02zx", i);
        ck_assert_int_eq(memcmp(text + 2 * i, digits, 2), 0);
    }
    ck_assert(hex_read(text, read, sizeof read));
    ck_assert_mem_eq(read, bytes, sizeof bytes);
}
END_TEST

START_TEST(small_digits_alone_are_read)
{
    static const char good[] = "0123456789abcdef";
    uint8_t byte;
    for (int character = 1; character < 256; character++)
        for (int place = 0; place < 2; place++) {
            char text[] = "00";
            text[place] = (char)character;
            ck_assert_int_eq(hex_read(text, &byte, 1), strchr(good, character) != NULL);
        }
    ck_assert(hex_read("", &byte, 0));
}
END_TEST

START_TEST(in_a_url_digits_may_be_large)
{
    ck_assert(hex_value('0') == 0 && hex_value('9') == 9);
    ck_assert(hex_value('a') == 10 && hex_value('F') == 15);
    ck_assert(hex_value('g') == -1 && hex_value('/') == -1 && hex_value('@') == -1 && hex_value('\0') == -1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_is_written_is_read_again, small_digits_alone_are_read,
                                  in_a_url_digits_may_be_large};
    return SUITE_RUN("hex", NULL, NULL, tests);
}
