/* test_base64url: strict decoding. SPDX-License-Identifier: MIT */
#include "base64url.h"
#include "suite.h"

START_TEST(the_test_vectors_of_the_rfc_are_decoded)
{
    static const struct {
        const char *text, *bytes;
    } vectors[] = {
        {"", ""},           {"Zg", "f"},          {"Zm8", "fo"},          {"Zm9v", "foo"},
        {"Zm9vYg", "foob"}, {"Zm9vYmE", "fooba"}, {"Zm9vYmFy", "foobar"}, {"_-__", "\xff\xef\xff"}};
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        uint8_t bytes[16];
        ptrdiff_t count = base64url_decode(text_of(vectors[i].text), bytes, sizeof bytes);
        ck_assert_int_eq(count, (int)strlen(vectors[i].bytes));
        ck_assert_int_eq(count, base64url_bytes(strlen(vectors[i].text)));
        ck_assert_int_eq(memcmp(bytes, vectors[i].bytes, (size_t)count), 0);
    }
}
END_TEST

START_TEST(what_is_not_exactly_that_is_refused)
{
    /* padding, blanks, the other alphabet, lengths that cannot be, bits behind the last byte */
    static const char *const texts[] = {"Zg==",  "Zm8=", "Zm9v ", " Zm9v", "Zm\n9v",       "Zm+v",  "Zm/v",
                                        "Zm9vY", "Z",    "Zh",    "Zm9",   "Zm9v\xc3\xa9", "Zm9v.", "!!!!"};
    uint8_t bytes[16];
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        ck_assert_msg(base64url_decode(text_of(texts[i]), bytes, sizeof bytes) == -1, "%s", texts[i]);
    ck_assert_int_eq(base64url_decode((struct text){"Zm\0v", 4}, bytes, sizeof bytes), -1);
}
END_TEST

START_TEST(no_more_than_the_room_is_written)
{
    uint8_t bytes[4] = {0, 0, 0, 0x77};
    ck_assert_int_eq(base64url_decode(text_of("Zm9v"), bytes, 3), 3);
    ck_assert_int_eq(base64url_decode(text_of("Zm9v"), bytes, 2), -1);
    ck_assert_uint_eq(bytes[3], 0x77);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_test_vectors_of_the_rfc_are_decoded,
                                  what_is_not_exactly_that_is_refused, no_more_than_the_room_is_written};
    return SUITE_RUN("base64url", NULL, NULL, tests);
}
