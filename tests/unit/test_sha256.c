/* test_sha256: against FIPS 180-4's example, and that the ends of texts count. SPDX-License-Identifier: MIT
 */
#include "sha256.h"
#include "suite.h"

/* Of "abc". */
static const uint8_t example[SHA256_BYTES] = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};

START_TEST(a_text_at_once)
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 *sha256 = sha256_new();
    for (int i = 0; i < 2; i++) {
        sha256_of(sha256, text_of("abc"), digest);
        ck_assert_mem_eq(digest, example, sizeof digest);
    }
    sha256_free(sha256);
    sha256_free(NULL);
}
END_TEST

START_TEST(bytes_one_after_the_other)
{
    uint8_t digest[SHA256_BYTES];
    struct sha256_sum sum = sha256_begin();
    sha256_add_bytes(&sum, "a", 1);
    sha256_add_bytes(&sum, "bc", 2);
    sha256_end(&sum, digest);
    ck_assert_mem_eq(digest, example, sizeof digest);
}
END_TEST

static void digest_of(const char *one, const char *other, uint8_t digest[SHA256_BYTES])
{
    struct sha256_sum sum = sha256_begin();
    sha256_add_text(&sum, text_of(one));
    sha256_add_text(&sum, text_of(other));
    sha256_end(&sum, digest);
}

START_TEST(texts_have_ends)
{
    uint8_t left[SHA256_BYTES], right[SHA256_BYTES];
    digest_of("ab", "c", left);
    digest_of("a", "bc", right);
    ck_assert_mem_ne(left, right, sizeof left);
    digest_of("", "abc", right);
    ck_assert_mem_ne(left, right, sizeof left);
    digest_of("ab", "c", right);
    ck_assert_mem_eq(left, right, sizeof left);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {a_text_at_once, bytes_one_after_the_other, texts_have_ends};
    return SUITE_RUN("sha256", NULL, NULL, tests);
}
