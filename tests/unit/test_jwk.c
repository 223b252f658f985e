/* test_jwk: sets of keys as issuers publish them, good and bad. SPDX-License-Identifier: MIT */
#include "jwk.h"
#include "signer.h"

static char reason[1024];

static struct jwk_set *read_set(const char *json, unsigned algorithms)
{
    *reason = '\0';
    return jwk_set_read(text_of(json), algorithms, reason, sizeof reason);
}

static struct jwk_set *read_keys(const char *keys)
{
    return read_set(signer_text("{\"keys\":[%s]}", keys), JWK_PUBLIC);
}

static void expect_none(const char *keys, const char *said)
{
    struct jwk_set *set = read_keys(keys);
    ck_assert_msg(set == NULL, "%s", keys);
    ck_assert_msg(strstr(reason, said) != NULL, "%s: %s", keys, reason);
}

START_TEST(each_type_of_key_is_read)
{
    struct jwk_set *set = read_keys(
        signer_text("%s,%s,%s,%s", signer_jwk(signer_rsa, ",\"kid\":\"a\",\"use\":\"sig\",\"x5c\":[\"MII\"]"),
                    signer_jwk(signer_ec, ",\"kid\":\"b\",\"key_ops\":[\"verify\"]"),
                    signer_jwk(signer_ed, ",\"kid\":\"c\""),
                    signer_jwk(signer_other_rsa, ",\"kid\":\"a2\",\"alg\":\"PS256\"")));
    ck_assert_msg(set != NULL, "%s", reason);
    ck_assert_uint_eq(set->count, 4);
    ck_assert_str_eq(set->left_out, "");
    ck_assert_str_eq(set->keys[0].type, "RSA 2048");
    ck_assert_uint_eq(set->keys[0].algorithms, JWK_RS256 | JWK_PS256);
    ck_assert_str_eq(set->keys[1].type, "P-256");
    ck_assert_uint_eq(set->keys[1].algorithms, JWK_ES256);
    ck_assert_str_eq(set->keys[2].type, "Ed25519");
    ck_assert_uint_eq(set->keys[2].algorithms, JWK_EDDSA);
    ck_assert_uint_eq(set->keys[3].algorithms, JWK_PS256);
    jwk_set_release(set);
}
END_TEST

START_TEST(a_key_is_found_by_its_exact_name_and_its_algorithm)
{
    struct jwk_set *set =
        read_keys(signer_text("%s,%s,%s", signer_jwk(signer_rsa, ",\"kid\":\"a\",\"alg\":\"RS256\""),
                              signer_jwk(signer_ec, ",\"kid\":\"a\""), signer_jwk(signer_other_ec, "")));
    ck_assert_ptr_nonnull(set);
    ck_assert_ptr_eq(jwk_set_find(set, JWK_RS256, text_of("a")), &set->keys[0]);
    ck_assert_ptr_eq(jwk_set_find(set, JWK_ES256, text_of("a")), &set->keys[1]);
    ck_assert_ptr_null(jwk_set_find(set, JWK_PS256, text_of("a")));
    ck_assert_ptr_null(jwk_set_find(set, JWK_HS256, text_of("a")));
    ck_assert_ptr_null(jwk_set_find(set, JWK_RS256, text_of("A")));
    ck_assert_ptr_null(jwk_set_find(set, JWK_RS256, text_of("a ")));
    ck_assert_ptr_null(jwk_set_find(set, JWK_RS256, text_of("")));
    ck_assert_ptr_null(jwk_set_find(set, JWK_RS256, (struct text){"a\0", 2}));
    /* without a name: the only one */
    ck_assert_ptr_eq(jwk_set_find(set, JWK_RS256, (struct text){NULL, 0}), &set->keys[0]);
    ck_assert_ptr_null(jwk_set_find(set, JWK_ES256, (struct text){NULL, 0}));
    jwk_set_release(set);
}
END_TEST

START_TEST(keys_that_cannot_be_used_are_left_out_and_told_of)
{
    struct jwk_set *set = read_keys(signer_text(
        "%s,%s,%s,%s,{\"kty\":\"XX\"},3,%s", signer_jwk(signer_rsa, ",\"kid\":\"a\""),
        signer_jwk(signer_weak_rsa, ",\"kid\":\"weak\""), signer_jwk(signer_ec, ",\"use\":\"enc\""),
        signer_jwk(signer_other_rsa, ",\"kid\":\"a\""), signer_jwk(signer_other_rsa, ",\"kid\":\"b\"")));
    ck_assert_ptr_nonnull(set);
    ck_assert_uint_eq(set->count, 2);
    ck_assert_ptr_nonnull(
        strstr(set->left_out, "key 2 (kid weak): RSA of less than 2048 bits is too weak\n"));
    ck_assert_ptr_nonnull(strstr(set->left_out, "key 3: it is not for signatures"));
    ck_assert_ptr_nonnull(strstr(set->left_out, "key 4 (kid a): its kid is that of a key before it\n"));
    ck_assert_ptr_nonnull(strstr(set->left_out, "key 5: keys of its type (kty) are not used"));
    ck_assert_ptr_nonnull(strstr(set->left_out, "key 6: it is no object"));
    jwk_set_release(set);
}
END_TEST

START_TEST(weak_broken_secret_and_private_keys_are_refused)
{
    char *x = signer_number(signer_ec, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    char *n = signer_number(signer_rsa, OSSL_PKEY_PARAM_RSA_N, 0);
    expect_none(signer_jwk(signer_weak_rsa, ""), "less than 2048");
    expect_none(signer_jwk(signer_rsa, ",\"d\":\"AQAB\""), "private");
    expect_none(signer_jwk(signer_rsa, ",\"alg\":\"ES256\""), "algorithm");
    expect_none(signer_jwk(signer_rsa, ",\"alg\":\"HS256\""), "algorithm");
    expect_none(signer_jwk(signer_rsa, ",\"alg\":\"none\""), "algorithm");
    expect_none(signer_jwk(signer_rsa, ",\"alg\":7"), "algorithm");
    expect_none(signer_jwk(signer_rsa, ",\"use\":7"), "signatures");
    expect_none(signer_jwk(signer_rsa, ",\"key_ops\":[\"encrypt\"]"), "signatures");
    expect_none(signer_jwk(signer_rsa, ",\"key_ops\":\"verify\""), "signatures");
    expect_none(signer_jwk(signer_rsa, ",\"kid\":\"\""), "kid");
    expect_none(signer_jwk(signer_rsa, ",\"kid\":7"), "kid");
    expect_none(signer_jwk(signer_rsa, ",\"kid\":\"a\\u0000b\""), "kid");
    expect_none(signer_jwk(signer_rsa, signer_text(",\"kid\":\"%0257d\"", 1)), "kid");
    expect_none("{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}", "secret");
    expect_none(signer_text("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQ\"}", n), "exponent");
    expect_none(signer_text("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"BA\"}", n), "exponent");
    expect_none(signer_text("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AAAA\"}", n), "n or e");
    expect_none(signer_text("{\"kty\":\"RSA\",\"n\":\"%s==\",\"e\":\"AQAB\"}", n), "n or e");
    expect_none("{\"kty\":\"RSA\",\"e\":\"AQAB\"}", "n or e");
    expect_none(signer_text("{\"kty\":\"RSA\",\"n\":\"gA%01500d\",\"e\":\"AQAB\"}", 0), "n or e");
    expect_none(signer_text("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", x, x), "curve");
    expect_none(signer_text("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\"}", x), "32 bytes");
    expect_none(signer_text("{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"%s\",\"y\":\"%s\"}", x, x), "P-256");
    expect_none("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AAAA\"}", "Ed25519");
    expect_none("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", "32 bytes");
    expect_none("{}", "kty");
    expect_none("", "no key");
}
END_TEST

START_TEST(a_key_serves_no_algorithm_that_is_not_allowed)
{
    char *json = signer_text("{\"keys\":[%s,%s]}", signer_jwk(signer_rsa, ""), signer_jwk(signer_ec, ""));
    struct jwk_set *set = read_set(json, JWK_RS256 | JWK_HS256);
    ck_assert_ptr_nonnull(set);
    ck_assert_uint_eq(set->count, 1);
    ck_assert_uint_eq(set->keys[0].algorithms, JWK_RS256);
    jwk_set_release(set);
    ck_assert_ptr_null(read_set(json, JWK_HS256));
}
END_TEST

START_TEST(what_is_no_set_is_refused)
{
    static const char *const texts[] = {
        "", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}", "{\"keys\":[", "x"};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        ck_assert_msg(read_set(texts[i], JWK_PUBLIC) == NULL && *reason != '\0', "%s", texts[i]);
}
END_TEST

START_TEST(a_set_is_bounded)
{
    char *key = signer_jwk(signer_ed, ""), *many = signer_keep(calloc(64, 4096)), *end = many;
    for (int i = 0; i < JWK_SET_KEYS_MAX; i++)
        end += sprintf(end, "%s%s", i > 0 ? "," : "", key);
    struct jwk_set *set = read_keys(many);
    ck_assert_ptr_nonnull(set);
    ck_assert_uint_eq(set->count, JWK_SET_KEYS_MAX);
    jwk_set_release(set);
    sprintf(end, ",%s", key);
    expect_none(many, "at most 20 keys");
    expect_none(signer_text("%s,\"%066000d\"", key, 1), "larger than 64 KiB");
}
END_TEST

START_TEST(the_same_keys_are_known_to_be_the_same)
{
    struct jwk_set *one = read_keys(signer_jwk(signer_rsa, ",\"kid\":\"a\""));
    struct jwk_set *same = read_keys(signer_jwk(signer_rsa, ",\"more\":1,\"kid\":\"a\""));
    struct jwk_set *named = read_keys(signer_jwk(signer_rsa, ",\"kid\":\"b\""));
    struct jwk_set *other = read_keys(signer_jwk(signer_other_rsa, ",\"kid\":\"a\""));
    ck_assert(jwk_same(&one->keys[0], &same->keys[0]));
    ck_assert(!jwk_same(&one->keys[0], &named->keys[0]));
    ck_assert(!jwk_same(&one->keys[0], &other->keys[0]));
    jwk_set_release(jwk_set_acquire(one));
    jwk_set_release(one);
    jwk_set_release(same);
    jwk_set_release(named);
    jwk_set_release(other);
}
END_TEST

START_TEST(algorithms_have_exact_names)
{
    char names[JWK_ALGORITHM_NAMES_MAX];
    ck_assert_uint_eq(jwk_algorithm(text_of("RS256")), JWK_RS256);
    ck_assert_uint_eq(jwk_algorithm(text_of("EdDSA")), JWK_EDDSA);
    ck_assert_uint_eq(jwk_algorithm(text_of("rs256")), 0);
    ck_assert_uint_eq(jwk_algorithm(text_of("none")), 0);
    ck_assert_uint_eq(jwk_algorithm(text_of("")), 0);
    ck_assert_uint_eq(jwk_algorithm((struct text){NULL, 0}), 0);
    ck_assert_str_eq(jwk_algorithm_names(JWK_PUBLIC | JWK_HS256, names), "RS256 PS256 ES256 EdDSA HS256");
}
END_TEST

int main(void)
{
    signer_init();
    const TTest *const tests[] = {each_type_of_key_is_read,
                                  a_key_is_found_by_its_exact_name_and_its_algorithm,
                                  keys_that_cannot_be_used_are_left_out_and_told_of,
                                  weak_broken_secret_and_private_keys_are_refused,
                                  a_key_serves_no_algorithm_that_is_not_allowed,
                                  what_is_no_set_is_refused,
                                  a_set_is_bounded,
                                  the_same_keys_are_known_to_be_the_same,
                                  algorithms_have_exact_names};
    int status = SUITE_RUN("jwk", NULL, signer_forget, tests);
    signer_end();
    return status;
}
