/* test_base64: what is decoded, and what is no base64. SPDX-License-Identifier: MIT */
#include "base64.h"
#include "suite.h"

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

int main(void)
{
    const TTest *const tests[] = {the_vectors_of_rfc_4648, what_is_none, a_zero_byte_ends_nothing};
    return SUITE_RUN("base64", NULL, NULL, tests);
}
