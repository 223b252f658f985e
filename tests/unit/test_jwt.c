/* test_jwt: signed tokens, good ones of each algorithm and bad ones of every kind that is known (RFC 8725 and
 * what verifiers fell for); made by OpenSSL alone. SPDX-License-Identifier: MIT */
#include "jwt.h"
#include "signer.h"

#define CLAIMS     "{\"sub\":\"a\"}"
#define RS256(kid) "{\"alg\":\"RS256\",\"kid\":\"" kid "\"}"

static struct jwk_set *keys;
static struct jwt_policy policy;

static void set_up(void)
{
    char reason[1024];
    char *json =
        signer_text("{\"keys\":[%s,%s,%s,%s]}", signer_jwk(signer_rsa, ",\"kid\":\"rsa\""),
                    signer_jwk(signer_ec, ",\"kid\":\"ec\""), signer_jwk(signer_ed, ",\"kid\":\"ed\""),
                    signer_jwk(signer_other_rsa, ",\"kid\":\"only-ps\",\"alg\":\"PS256\""));
    keys = jwk_set_read(text_of(json), JWK_PUBLIC, reason, sizeof reason);
    ck_assert_msg(keys != NULL, "%s", reason);
    policy = (struct jwt_policy){
        .algorithms = JWK_PUBLIC | JWK_HS256, .keys = keys, .secret = text_of(SIGNER_SECRET)};
}

static void tear_down(void)
{
    jwk_set_release(keys);
    signer_forget();
}

/* In memory of exactly its size, so that a sanitizer sees what reads behind it. */
static enum jwt_result verify(const char *token, const char **why)
{
    struct text text = text_of(token);
    char *exact = malloc(text.length == 0 ? 1 : text.length);
    memcpy(exact, token, text.length);
    yyjson_doc *claims;
    enum jwt_result result = jwt_verify(&policy, (struct text){exact, text.length}, &claims, why);
    ck_assert((result == JWT_GOOD) == (claims != NULL));
    ck_assert((result == JWT_GOOD) == (*why == NULL));
    if (result == JWT_GOOD)
        ck_assert(yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(claims), "sub"), "a"));
    yyjson_doc_free(claims);
    free(exact);
    return result;
}

static void expect_good(const char *token)
{
    const char *why;
    enum jwt_result result = verify(token, &why);
    ck_assert_msg(result == JWT_GOOD, "%s: %s", token, why);
}

static void expect_bad(const char *token, const char *said)
{
    const char *why;
    enum jwt_result result = verify(token, &why);
    ck_assert_msg(result == JWT_BAD, "%.200s: %d", token, result);
    ck_assert_msg(strstr(why, said) != NULL, "%.200s: %s, not %s", token, why, said);
}

static void expect_unknown(const char *token)
{
    const char *why;
    ck_assert_msg(verify(token, &why) == JWT_UNKNOWN_KEY, "%.200s", token);
}

START_TEST(a_token_of_each_algorithm_is_good)
{
    expect_good(signer_token("RS256", signer_rsa, RS256("rsa"), CLAIMS));
    expect_good(signer_token("PS256", signer_rsa, "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", CLAIMS));
    expect_good(signer_token("PS256", signer_other_rsa, "{\"alg\":\"PS256\",\"kid\":\"only-ps\"}", CLAIMS));
    expect_good(
        signer_token("ES256", signer_ec, "{\"alg\":\"ES256\",\"kid\":\"ec\",\"typ\":\"JWT\"}", CLAIMS));
    expect_good(
        signer_token("EdDSA", signer_ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"typ\":\"at+jwt\"}", CLAIMS));
    expect_good(signer_token("HS256", NULL, "{\"alg\":\"HS256\"}", CLAIMS));
    expect_good(signer_token("HS256", NULL, "{\"alg\":\"HS256\",\"kid\":\"whatever\"}", CLAIMS));
    expect_good(
        signer_token("ES256", signer_ec, "{\"alg\":\"ES256\"}", CLAIMS)); /* the only key of its kind */
}
END_TEST

/* ES256 has a number in each half of the signature: leading zeros of either must not be lost. */
START_TEST(signatures_with_leading_zeros_are_good)
{
    for (int i = 0; i < 200; i++) {
        char *claims = signer_text("{\"sub\":\"a\",\"jti\":%d}", i);
        const char *why;
        ck_assert_int_eq(verify(signer_token("ES256", signer_ec, "{\"alg\":\"ES256\"}", claims), &why),
                         JWT_GOOD);
        signer_forget();
    }
}
END_TEST

START_TEST(none_is_refused_in_every_case)
{
    static const char *const names[] = {"none",       "None",        "NONE", "nOnE",
                                        "n\\u006fne", "none\\u0000", "",     " none"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *header = signer_encode(signer_text("{\"alg\":\"%s\"}", names[i]));
        expect_bad(signer_text("%s.%s.", header, signer_encode(CLAIMS)), "signature");
        expect_bad(signer_text("%s.%s.AA", header, signer_encode(CLAIMS)), "alg");
    }
    expect_bad(signer_token("RS256", signer_rsa, "{\"kid\":\"rsa\"}", CLAIMS), "alg");
    expect_bad(signer_token("RS256", signer_rsa, "{\"alg\":null,\"kid\":\"rsa\"}", CLAIMS), "alg");
    expect_bad(signer_token("RS256", signer_rsa, "{\"alg\":[\"RS256\"],\"kid\":\"rsa\"}", CLAIMS), "alg");
    expect_bad(signer_token("RS256", signer_rsa, "{\"alg\":\"rs256\",\"kid\":\"rsa\"}", CLAIMS), "alg");
    expect_bad(signer_token("RS256", signer_rsa, "{\"alg\":\"RS512\",\"kid\":\"rsa\"}", CLAIMS), "alg");
}
END_TEST

/* The secret of the HMAC is what everybody can read: the public key, in the forms in which it is told. */
START_TEST(a_public_key_is_no_secret)
{
    char *jwk = signer_jwk(signer_rsa, "");
    char *text =
        signer_text("%s.%s", signer_encode("{\"alg\":\"HS256\",\"kid\":\"rsa\"}"), signer_encode(CLAIMS));
    BIO *memory = BIO_new(BIO_s_mem());
    char *pem;
    ck_assert_int_eq(PEM_write_bio_PUBKEY(memory, signer_rsa), 1);
    long length = BIO_get_mem_data(memory, &pem);
    char *pem_text = signer_text("%.*s", (int)length, pem);
    BIO_free(memory);
    expect_bad(signer_text("%s.%s", text, signer_sign("HS256", NULL, jwk, text)), "wrong");
    expect_bad(signer_text("%s.%s", text, signer_sign("HS256", NULL, pem_text, text)), "wrong");
    policy.algorithms = JWK_PUBLIC;
    policy.secret = (struct text){0};
    expect_bad(signer_text("%s.%s", text, signer_sign("HS256", NULL, pem_text, text)), "alg");
}
END_TEST

START_TEST(a_key_is_bound_to_the_algorithms_of_its_type)
{
    expect_unknown(signer_token("RS256", signer_rsa, RS256("ec"), CLAIMS));
    expect_unknown(signer_token("RS256", signer_other_rsa, RS256("only-ps"), CLAIMS));
    expect_unknown(signer_token("ES256", signer_ec, "{\"alg\":\"ES256\",\"kid\":\"rsa\"}", CLAIMS));
    expect_unknown(signer_token("EdDSA", signer_ed, "{\"alg\":\"EdDSA\",\"kid\":\"ec\"}", CLAIMS));
    /* signed with one scheme of RSA, said to be of the other */
    expect_bad(signer_token("PS256", signer_rsa, RS256("rsa"), CLAIMS), "wrong");
    expect_bad(signer_token("RS256", signer_rsa, "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", CLAIMS), "wrong");
}
END_TEST

START_TEST(signatures_of_other_keys_are_refused)
{
    EVP_PKEY *ed = signer_new_ed();
    expect_bad(signer_token("RS256", signer_other_rsa, RS256("rsa"), CLAIMS), "wrong");
    expect_bad(signer_token("RS256", signer_weak_rsa, RS256("rsa"), CLAIMS), "wrong");
    expect_bad(signer_token("ES256", signer_other_ec, "{\"alg\":\"ES256\",\"kid\":\"ec\"}", CLAIMS), "wrong");
    expect_bad(signer_token("EdDSA", ed, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", CLAIMS), "wrong");
    EVP_PKEY_free(ed);
    char *text = signer_text("%s.%s", signer_encode("{\"alg\":\"HS256\"}"), signer_encode(CLAIMS));
    expect_bad(
        signer_text("%s.%s", text, signer_sign("HS256", NULL, "fedcba9876543210fedcba9876543210", text)),
        "wrong");
    expect_bad(signer_text("%s.%s", text, signer_sign("HS256", NULL, "", text)), "wrong");
    policy.secret = text_of("short");
    expect_bad(signer_text("%s.%s", text, signer_sign("HS256", NULL, "short", text)), "wrong");
}
END_TEST

START_TEST(signatures_of_the_wrong_form_are_refused)
{
    static const char *const headers[] = {(RS256("rsa")), "{\"alg\":\"PS256\",\"kid\":\"rsa\"}",
                                          "{\"alg\":\"ES256\"}", "{\"alg\":\"EdDSA\"}",
                                          "{\"alg\":\"HS256\"}"};
    static const size_t lengths[] = {1, 2, 31, 32, 33, 63, 64, 65, 71, 255, 256, 257, 1024, 1025, 3000};
    uint8_t bytes[3000];
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        char *text = signer_text("%s.%s", signer_encode(headers[i]), signer_encode(CLAIMS));
        for (size_t j = 0; j < COUNT_OF(lengths); j++) {
            memset(bytes, 0, sizeof bytes); /* for ES256 at 64 bytes: r and s are 0 */
            expect_bad(signer_text("%s.%s", text, signer_base64url(bytes, lengths[j])), "signature");
            memset(bytes, 0xff, sizeof bytes);
            expect_bad(signer_text("%s.%s", text, signer_base64url(bytes, lengths[j])), "signature");
        }
    }
    /* one half of it 0; and as DER, as other standards have it */
    char *text = signer_text("%s.%s", signer_encode("{\"alg\":\"ES256\"}"), signer_encode(CLAIMS));
    size_t length = signer_ec_sign(signer_ec, text, bytes);
    memset(bytes, 0, 32);
    expect_bad(signer_text("%s.%s", text, signer_base64url(bytes, length)), "wrong");
    length = signer_digest_sign(signer_ec, EVP_sha256(), false, text, bytes);
    expect_bad(signer_text("%s.%s", text, signer_base64url(bytes, length)), "wrong");
}
END_TEST

/* Another text for the same bytes would be another token with the same signature. */
START_TEST(every_changed_character_is_noticed)
{
    static const struct {
        const char *algorithm, *header;
        EVP_PKEY **key;
    } kinds[] = {{"EdDSA", "{\"alg\":\"EdDSA\"}", &signer_ed},
                 {"ES256", "{\"alg\":\"ES256\"}", &signer_ec},
                 {"RS256", RS256("rsa"), &signer_rsa},
                 {"HS256", "{\"alg\":\"HS256\"}", &signer_ed}};
    static const char others[] = "=AB+/ \n.\"\xff";
    for (size_t kind = 0; kind < COUNT_OF(kinds); kind++) {
        char *token = signer_token(kinds[kind].algorithm, *kinds[kind].key, kinds[kind].header, CLAIMS);
        expect_good(token);
        for (size_t i = 0; i < strlen(token); i++)
            for (size_t j = 0; j < sizeof others; j++) { /* and the zero byte, which ends it */
                const char *why;
                char was = token[i];
                if (was == others[j])
                    continue;
                token[i] = others[j];
                ck_assert_msg(verify(token, &why) != JWT_GOOD, "%zu: %s", i, token);
                token[i] = was;
            }
    }
}
END_TEST

START_TEST(what_has_not_three_segments_is_refused)
{
    char *token = signer_token("RS256", signer_rsa, RS256("rsa"), CLAIMS);
    expect_bad("", "segments");
    expect_bad(".", "segments");
    expect_bad("..", "signature");
    expect_bad("...", "segments");
    expect_bad("a.b", "segments");
    expect_bad(signer_encode(RS256("rsa")), "segments");
    expect_bad(signer_text("%s.", token), "segments");
    expect_bad(signer_text(".%s", token), "segments");
    expect_bad(signer_text("%s.%s", token, "AA"), "segments");
    /* JWE, RFC 7516: five */
    expect_bad(signer_text("%s.AA.AA.AA.AA", signer_encode("{\"alg\":\"dir\",\"enc\":\"A128GCM\"}")),
               "segments");
    expect_bad(signer_text("%s.%s.", signer_encode(RS256("rsa")), signer_encode(CLAIMS)), "signature");
    expect_bad(signer_text(".%s.AA", signer_encode(CLAIMS)), "JSON");
    expect_bad(signer_text("%s..AA", signer_encode(RS256("rsa"))), "wrong");
}
END_TEST

START_TEST(strict_base64url_alone_is_read)
{
    char *header = signer_encode(RS256("rsa")), *claims = signer_encode(CLAIMS);
    char *signature = strrchr(signer_token("RS256", signer_rsa, RS256("rsa"), CLAIMS), '.') + 1;
    expect_good(signer_text("%s.%s.%s", header, claims, signature));
    expect_bad(signer_text("%s=.%s.%s", header, claims, signature), "base64url");
    expect_bad(signer_text(" %s.%s.%s", header, claims, signature), "base64url");
    expect_bad(signer_text("%s.%s.%s==", header, claims, signature), "base64url");
    expect_bad(signer_text("%s.%s.%s\n", header, claims, signature), "base64url");
    expect_bad(signer_text("%s.%s.%s ", header, claims, signature), "base64url");
    expect_bad(signer_text("%.4s\t%s.%s.%s", header, header + 4, claims, signature), "base64url");
    expect_bad(signer_text("%s.%s+.%s", header, claims, signature), "base64url");
    expect_bad(signer_text("%s.%s.%.*s", header, claims, (int)strlen(signature) - 4, signature), "signature");
    expect_bad(signer_text("%s.%s.%s", header, claims, "A"), "base64url");
}
END_TEST

START_TEST(headers_that_ask_for_more_are_refused)
{
    static const char *const members[] = {"\"crit\":[\"exp\"]",
                                          "\"crit\":[]",
                                          "\"crit\":[\"b64\"],\"b64\":false",
                                          "\"b64\":false",
                                          "\"jku\":\"https://127.0.0.1:1/keys\"",
                                          "\"x5u\":\"https://127.0.0.1:1/c\"",
                                          "\"x5c\":[\"MII\"]",
                                          "\"jwk\":{}",
                                          "\"zip\":\"DEF\"",
                                          "\"enc\":\"A128GCM\""};
    for (size_t i = 0; i < COUNT_OF(members); i++)
        expect_bad(signer_token("RS256", signer_rsa,
                                signer_text("{\"alg\":\"RS256\",\"kid\":\"rsa\",%s}", members[i]), CLAIMS),
                   "header");
    /* the key in the token itself, which then verifies with it */
    expect_bad(signer_token("RS256", signer_other_rsa,
                            signer_text("{\"alg\":\"RS256\",\"jwk\":%s}", signer_jwk(signer_other_rsa, "")),
                            CLAIMS),
               "header");
}
END_TEST

START_TEST(headers_that_are_no_strict_json_are_refused)
{
    static const char *const headers[] = {
        "{\"alg\":\"RS256\",\"alg\":\"RS256\",\"kid\":\"rsa\"}",
        "{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\"} ,",
        "RS256",
        "[]",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}",
        "",
        "null",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x\":\"\xff\"}",
        "\xef\xbb\xbf{\"alg\":\"RS256\",\"kid\":\"rsa\"}"};
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        const char *why;
        ck_assert_msg(verify(signer_token("RS256", signer_rsa, headers[i], CLAIMS), &why) == JWT_BAD, "%s",
                      headers[i]);
    }
}
END_TEST

START_TEST(claims_that_are_no_strict_json_are_refused)
{
    static const char *const claims[] = {"",
                                         "[]",
                                         "\"a\"",
                                         "{\"sub\":\"a\",\"sub\":\"a\"}",
                                         "{\"exp\":1,\"exp\":2}",
                                         "{\"exp\":1e400}",
                                         "{\"exp\":NaN}",
                                         "{\"sub\":\"a\"}x",
                                         "{\"sub\":\"\xff\"}",
                                         "{\"a\":{\"b\":{\"c\":1,\"c\":2}}}"};
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        const char *why;
        ck_assert_msg(verify(signer_token("ES256", signer_ec, "{\"alg\":\"ES256\"}", claims[i]), &why) ==
                          JWT_BAD,
                      "%s", claims[i]);
    }
}
END_TEST

START_TEST(names_of_keys_are_only_compared)
{
    static const char *const kids[] = {
        "../../etc/passwd",    "/dev/null", "rsa' OR '1'='1", "rsa;ls", "RSA", "rsa ", "r", "rsaa",
        "http://127.0.0.1:1/", "%72sa",     "\\u0000"};
    for (size_t i = 0; i < COUNT_OF(kids); i++)
        expect_unknown(signer_token("RS256", signer_rsa,
                                    signer_text("{\"alg\":\"RS256\",\"kid\":\"%s\"}", kids[i]), CLAIMS));
    expect_bad(signer_token("RS256", signer_rsa, RS256(""), CLAIMS), "kid");
    expect_bad(signer_token("RS256", signer_rsa, "{\"alg\":\"RS256\",\"kid\":7}", CLAIMS), "kid");
    expect_bad(signer_token("RS256", signer_rsa, "{\"alg\":\"RS256\",\"kid\":null}", CLAIMS), "kid");
    expect_bad(
        signer_token("RS256", signer_rsa, signer_text("{\"alg\":\"RS256\",\"kid\":\"%0257d\"}", 1), CLAIMS),
        "kid");
    expect_unknown(
        signer_token("RS256", signer_rsa, signer_text("{\"alg\":\"RS256\",\"kid\":\"%0256d\"}", 1), CLAIMS));
    expect_unknown(signer_token("RS256", signer_rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\\u0000\"}", CLAIMS));
    policy.keys = NULL;
    expect_unknown(signer_token("RS256", signer_rsa, RS256("rsa"), CLAIMS));
}
END_TEST

START_TEST(huge_tokens_are_refused_before_anything)
{
    char *megabyte = signer_text("%01000000d", 7);
    expect_bad(signer_text("%s.%s.%s", megabyte, megabyte, megabyte), "8 KiB");
    expect_bad(signer_token("RS256", signer_rsa, signer_text("{\"alg\":\"RS256\",\"kid\":\"%s\"}", megabyte),
                            CLAIMS),
               "8 KiB");
    expect_bad(signer_token("RS256", signer_rsa, RS256("rsa"), signer_text("{\"sub\":\"%s\"}", megabyte)),
               "8 KiB");
    char *padding = signer_text("{\"sub\":\"a\",\"x\":\"%05500d\"}", 1);
    expect_good(signer_token("RS256", signer_rsa, RS256("rsa"), padding));
}
END_TEST

START_TEST(the_kind_of_the_token_is_looked_at)
{
    static const char *const taken[] = {"at+jwt", "AT+JWT", "application/at+jwt"};
    static const char *const others[] = {"secevent+jwt", "logout+jwt",  "dpop+jwt", "",
                                         "JWTx",         "application/"};
    for (int require = 0; require < 2; require++) {
        policy.require_typ = require;
        for (size_t i = 0; i < COUNT_OF(taken); i++)
            expect_good(signer_token("EdDSA", signer_ed,
                                     signer_text("{\"alg\":\"EdDSA\",\"typ\":\"%s\"}", taken[i]), CLAIMS));
        for (size_t i = 0; i < COUNT_OF(others); i++)
            expect_bad(signer_token("EdDSA", signer_ed,
                                    signer_text("{\"alg\":\"EdDSA\",\"typ\":\"%s\"}", others[i]), CLAIMS),
                       "kind");
        expect_bad(signer_token("EdDSA", signer_ed, "{\"alg\":\"EdDSA\",\"typ\":1}", CLAIMS), "kind");
    }
    expect_bad(signer_token("EdDSA", signer_ed, "{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}", CLAIMS), "kind");
    expect_bad(signer_token("EdDSA", signer_ed, "{\"alg\":\"EdDSA\"}", CLAIMS), "access token");
}
END_TEST

START_TEST(what_is_not_allowed_is_refused_though_there_is_a_key)
{
    policy.algorithms = JWK_ES256;
    expect_bad(signer_token("RS256", signer_rsa, RS256("rsa"), CLAIMS), "alg");
    expect_bad(signer_token("HS256", NULL, "{\"alg\":\"HS256\"}", CLAIMS), "alg");
    expect_good(signer_token("ES256", signer_ec, "{\"alg\":\"ES256\"}", CLAIMS));
}
END_TEST

START_TEST(every_beginning_of_a_token_is_refused)
{
    char *token = signer_token("ES256", signer_ec, "{\"alg\":\"ES256\",\"kid\":\"ec\"}", CLAIMS);
    for (size_t length = strlen(token); length-- > 0;) {
        const char *why;
        char *part = strndup(token, length);
        ck_assert_msg(verify(part, &why) != JWT_GOOD, "%zu", length);
        free(part);
    }
}
END_TEST

int main(void)
{
    signer_init();
    const TTest *const tests[] = {a_token_of_each_algorithm_is_good,
                                  signatures_with_leading_zeros_are_good,
                                  none_is_refused_in_every_case,
                                  a_public_key_is_no_secret,
                                  a_key_is_bound_to_the_algorithms_of_its_type,
                                  signatures_of_other_keys_are_refused,
                                  signatures_of_the_wrong_form_are_refused,
                                  every_changed_character_is_noticed,
                                  what_has_not_three_segments_is_refused,
                                  strict_base64url_alone_is_read,
                                  headers_that_ask_for_more_are_refused,
                                  headers_that_are_no_strict_json_are_refused,
                                  claims_that_are_no_strict_json_are_refused,
                                  names_of_keys_are_only_compared,
                                  huge_tokens_are_refused_before_anything,
                                  the_kind_of_the_token_is_looked_at,
                                  what_is_not_allowed_is_refused_though_there_is_a_key,
                                  every_beginning_of_a_token_is_refused};
    int status = SUITE_RUN("jwt", set_up, tear_down, tests);
    signer_end();
    return status;
}
