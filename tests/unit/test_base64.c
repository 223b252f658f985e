/* test_base64: what is decoded in each of the two alphabets, and what is no base64. SPDX-License-Identifier:
 * MIT */
#include "base64.h"
#include "suite.h"

/* ---- with padding ---- */

static void expect(const char *text, const char *bytes, size_t length)
{
    size_t got;
    uint8_t *decoded = base64_decode(text_of(text), &got);
    ck_assert_msg(decoded != NULL, "%s", text);
    ck_assert_uint_eq(got, length);
    ck_assert_mem_eq(decoded, bytes, length);
    free(decoded);
}

START_TEST(the_vectors_of_rfc_4648)
{
    expect("", "", 0);
    expect("Zg==", "f", 1);
    expect("Zm8=", "fo", 2);
    expect("Zm9v", "foo", 3);
    expect("Zm9vYg==", "foob", 4);
    expect("Zm9vYmE=", "fooba", 5);
    expect("Zm9vYmFy", "foobar", 6);
    expect("+/+/", "\xfb\xff\xbf", 3);
    expect("AAAA", "\0\0\0", 3);
}
END_TEST

START_TEST(what_is_none)
{
    static const char *const texts[] = {
        "Z",    "Zg",   "Zg=",      "Zh==", "Zm9=", "Zm9v\n",    "Zm9vYmF", "Zm 9", "Zm9v====",    "=",
        "====", "A===", "Zg==Zg==", "Zm=v", "-_-_", "Zm9vYm\n=", "\xffm9v", " Zm9", "Zm9v\r\n\r\n"};
    size_t length;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        ck_assert_msg(base64_decode(text_of(texts[i]), &length) == NULL, "%s is taken", texts[i]);
}
END_TEST

START_TEST(a_zero_byte_ends_nothing)
{
    size_t length;
    ck_assert_ptr_null(base64_decode((struct text){"Zm9\0", 4}, &length));
}
END_TEST

/* ---- of tokens, without ---- */

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
    const TTest *const tests[] = {the_vectors_of_rfc_4648,
                                  what_is_none,
                                  a_zero_byte_ends_nothing,
                                  the_test_vectors_of_the_rfc_are_decoded,
                                  what_is_not_exactly_that_is_refused,
                                  no_more_than_the_room_is_written};
    return SUITE_RUN("base64", NULL, NULL, tests);
}
