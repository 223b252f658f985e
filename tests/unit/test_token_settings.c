/* test_token_settings: what of the parameters token.* contradicts itself. SPDX-License-Identifier: MIT */
#include "jwk_algorithm.h"
#include "suite.h"
#include "token_settings.h"

static struct config_errors errors;

/* Loads the defaults with these settings; the complaints are in `errors`. */
static struct config *load(const char *const *settings)
{
    size_t count = 0;
    while (settings[count] != NULL)
        count++;
    errors = (struct config_errors){0};
    return config_load(NULL, settings, count, &errors);
}

#define LOAD(...) load((const char *const[]){__VA_ARGS__, NULL})

static void expect_good(struct config *config)
{
    ck_assert_msg(config != NULL, "%s", errors.text);
    config_free(config);
}

/* One complaint, that begins so. */
static void expect_fault(struct config *config, const char *said)
{
    ck_assert_ptr_null(config);
    ck_assert_msg(errors.count == 1 && strncmp(errors.text, said, strlen(said)) == 0, "%s", errors.text);
}

#define WHO  "token.issuer=https://i", "token.audience=us"
#define KEYS "token.jwks_file=/k"

START_TEST(what_fits_together_is_good)
{
    expect_good(LOAD(WHO, KEYS));
    expect_good(LOAD(WHO, "token.jwks_url=https://i/keys", "token.algorithms=RS256"));
    expect_good(LOAD(WHO, "token.algorithms=HS256", "token.hs256_secret=/s"));
    expect_good(LOAD(WHO, KEYS, "token.algorithms=ES256,HS256", "token.hs256_secret=env:S"));
    expect_good(LOAD("token.introspection_url=https://i/x", "token.introspection_client_id=a",
                     "token.introspection_secret=/s"));
}
END_TEST

START_TEST(what_has_no_effect_is_refused)
{
    expect_fault(LOAD("token.issuer=https://i"),
                 "--set: token.issuer: there is nothing to verify its tokens with");
    expect_fault(LOAD("token.audience=us"), "--set: token.audience: no tokens are taken");
    expect_fault(LOAD(WHO, KEYS, "token.hs256_secret=/s"), "--set: token.hs256_secret: is for HS256");
    expect_fault(LOAD(WHO, KEYS, "token.algorithms=RS256 HS256"),
                 "--set: token.algorithms: HS256 needs a secret");
    expect_fault(LOAD(WHO, KEYS, "token.algorithms=HS256", "token.hs256_secret=/s"),
                 "--set: token.algorithms: none of them has public keys");
    expect_fault(LOAD("token.introspection_secret=/s"), "--set: token.introspection_secret: is for");
    expect_fault(LOAD("token.introspection_client_id=a"), "--set: token.introspection_client_id: is for");
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    expect_fault(LOAD(KEYS, "token.audience=us"), "token.issuer: expected the issuer");
    expect_fault(LOAD(KEYS, "token.issuer=https://i"), "token.audience: expected what the aud");
    expect_fault(LOAD("token.introspection_url=https://i/x", "token.introspection_client_id=a"),
                 "token.introspection_secret: token.introspection_url needs");
    expect_fault(LOAD(WHO, KEYS, "token.jwks_url=https://i/keys"),
                 "--set: token.jwks_url: the keys come from a file");
}
END_TEST

START_TEST(algorithms_are_a_list_of_names)
{
    const char *complaint;
    ck_assert_uint_eq(token_settings_algorithms("RS256", &complaint), JWK_RS256);
    ck_assert_uint_eq(token_settings_algorithms(" RS256,  EdDSA\tHS256 ", &complaint),
                      JWK_RS256 | JWK_EDDSA | JWK_HS256);
    ck_assert_ptr_null(complaint);
    static const char *const wrong[] = {"", " ", ",", "none", "RS256 none", "rs256", "RS256;ES256", "ES384"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        ck_assert_msg(token_settings_algorithms(wrong[i], &complaint) == 0, "%s", wrong[i]);
        ck_assert_ptr_nonnull(complaint);
    }
    expect_fault(LOAD("token.algorithms=none"), "--set: token.algorithms: expected names of RS256");
}
END_TEST

START_TEST(http_is_for_the_loopback)
{
    static const char *const good[] = {"https://i/keys",        "https://i:8443/",    "https://[::1]/",
                                       "http://127.0.0.1:80/k", "http://localhost/k", "http://[::1]:8080/k",
                                       "http://127.1/k"};
    static const char *const bad[] = {"",
                                      "i/keys",
                                      "ftp://i/",
                                      "file:///etc/passwd",
                                      "https://",
                                      "https:///keys",
                                      "http://i/keys",
                                      "http://127.0.0.1.evil.example/",
                                      "http://localhost.evil.example/",
                                      "http://127.0.0.1@evil.example/",
                                      "http://evil.example/127.0.0.1",
                                      "https://user:word@i/",
                                      "https://i/a b",
                                      "https://i/\xc3\xa9",
                                      "http://127.0.0.1\\@evil.example/",
                                      "HTTPS://i/"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        ck_assert_msg(token_settings_url(good[i], false) == NULL, "%s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(token_settings_url(bad[i], false) != NULL, "%s", bad[i]);
    ck_assert_ptr_null(token_settings_url("http://i/keys", true));
    ck_assert_ptr_nonnull(token_settings_url("http://a@i/keys", true));
    expect_fault(LOAD(WHO, "token.jwks_url=http://i/keys"),
                 "--set: token.jwks_url: http is for the loopback alone");
    expect_good(LOAD(WHO, "token.jwks_url=http://i/keys", "token.allow_http=true"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_fits_together_is_good, what_has_no_effect_is_refused,
                                  what_is_missing_is_named, algorithms_are_a_list_of_names,
                                  http_is_for_the_loopback};
    return SUITE_RUN("token_settings", NULL, NULL, tests);
}
