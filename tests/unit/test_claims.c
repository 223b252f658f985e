/* test_claims: what a token says, and what becomes of it. SPDX-License-Identifier: MIT */
#include "claims.h"
#include "signer.h"
#include "strict_json.h"

enum { NOW = 1800000000 };

static struct claims_policy policy;
static struct identity identity;
static bool introspected;

static void set_up(void)
{
    policy = (struct claims_policy){.issuer = "https://issuer",
                                    .audience = "us",
                                    .introspection_url = "https://issuer/introspect",
                                    .leeway_s = 60,
                                    .scope_claim = "",
                                    .scope_prefix = "",
                                    .models_claim = ""};
    introspected = false;
}

/* NULL when they are taken, else why not. */
static const char *read_claims(const char *json)
{
    const char *why;
    yyjson_doc *document = strict_json_read(text_of(json), &why);
    ck_assert_msg(document != NULL, "%s: %s", json, why);
    bool good = claims_read(&policy, yyjson_doc_get_root(document), NOW, introspected, &identity, &why);
    ck_assert(good == (why == NULL));
    yyjson_doc_free(document);
    return why;
}

/* With what every token has, but for what `more` says. */
static const char *read_more(const char *exp, const char *more)
{
    return read_claims(
        signer_text("{\"iss\":\"https://issuer\",\"aud\":\"us\",\"sub\":\"a\",\"exp\":%s%s}", exp, more));
}

static void expect_good(const char *more)
{
    const char *why = read_more("1800000100", more);
    ck_assert_msg(why == NULL, "%s: %s", more, why);
}

static void expect_bad(const char *why, const char *said)
{
    ck_assert_msg(why != NULL, "taken, expected: %s", said);
    ck_assert_msg(strstr(why, said) != NULL, "%s, not: %s", why, said);
}

/* The web server's user of that name is somebody else. */
START_TEST(without_an_issuer_it_is_of_whoever_is_asked)
{
    policy.issuer = "";
    introspected = true;
    expect_good("");
    ck_assert_uint_eq(identity.tenant, identity_tenant("https://issuer/introspect", text_of("a")));
    ck_assert_uint_ne(identity.tenant, identity_tenant("", text_of("a")));
}
END_TEST

START_TEST(a_token_becomes_an_identity)
{
    expect_good(",\"scope\":\"openid predict feedback\",\"iat\":1799999999,\"nbf\":1799999999");
    ck_assert_int_eq(identity.kind, IDENTITY_TOKEN);
    ck_assert_str_eq(identity.name, "a");
    ck_assert_uint_eq(identity.rights, RIGHT_PREDICT | RIGHT_FEEDBACK);
    ck_assert_int_eq(identity.expires_at, 1800000100);
    ck_assert_str_eq(identity.models, "");
    ck_assert_uint_ne(identity.tenant, 0);
}
END_TEST

START_TEST(the_issuer_is_compared_exactly)
{
    static const char *const others[] = {
        "\"https://issuer/\"",  "\"https://Issuer\"",       "\"https://issue\"", "\"\"", "null",
        "[\"https://issuer\"]", "\"https://issuer\\u0000\""};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        expect_bad(read_claims(signer_text("{\"iss\":%s,\"aud\":\"us\",\"sub\":\"a\",\"exp\":1800000100}",
                                           others[i])),
                   "iss");
    expect_bad(read_claims("{\"aud\":\"us\",\"sub\":\"a\",\"exp\":1800000100}"), "iss");
}
END_TEST

START_TEST(the_audience_must_hold_us)
{
    static const char *const good[] = {"\"us\"", "[\"us\"]", "[\"them\",\"us\"]"};
    static const char *const bad[] = {"\"them\"",      "\"US\"",      "\"us \"",      "[]",   "[\"them\"]",
                                      "[\"u\",\"s\"]", "[[\"us\"]]",  "{\"us\":1}",   "null", "7",
                                      "[\"us\",7]",    "\"us,them\"", "\"us\\u0000\""};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        ck_assert_ptr_null(read_claims(signer_text(
            "{\"iss\":\"https://issuer\",\"aud\":%s,\"sub\":\"a\",\"exp\":1800000100}", good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        expect_bad(read_claims(signer_text(
                       "{\"iss\":\"https://issuer\",\"aud\":%s,\"sub\":\"a\",\"exp\":1800000100}", bad[i])),
                   "aud");
    expect_bad(read_claims("{\"iss\":\"https://issuer\",\"sub\":\"a\",\"exp\":1800000100}"), "aud");
}
END_TEST

START_TEST(the_end_is_a_sane_time)
{
    static const char *const insane[] = {
        "\"1800000100\"",          "-1",   "1e10", "1800000100.5", "18446744073709551615",
        "99999999999999999999999", "null", "true", "[1800000100]", "253402300800"};
    for (size_t i = 0; i < COUNT_OF(insane); i++)
        expect_bad(read_more(insane[i], ""), "whole seconds");
    expect_bad(read_claims("{\"iss\":\"https://issuer\",\"aud\":\"us\",\"sub\":\"a\"}"), "no end");
    expect_bad(read_more("0", ""), "expired");
    ck_assert_ptr_null(read_more("253402300799", ""));
}
END_TEST

START_TEST(clocks_may_be_off_by_the_leeway)
{
    ck_assert_ptr_null(read_more("1799999941", "")); /* 59 s ago */
    expect_bad(read_more("1799999940", ""), "expired");
    expect_good(",\"nbf\":1800000060");
    expect_bad(read_more("1800000100", ",\"nbf\":1800000061"), "future");
    expect_good(",\"iat\":1800000060");
    expect_bad(read_more("1800000100", ",\"iat\":1800000061"), "future");
    expect_bad(read_more("1800000100", ",\"nbf\":\"1\""), "whole seconds");
    expect_bad(read_more("1800000100", ",\"iat\":-5"), "whole seconds");
    policy.leeway_s = 0;
    expect_bad(read_more("1800000000", ""), "expired");
    ck_assert_ptr_null(read_more("1800000001", ""));
}
END_TEST

START_TEST(a_token_is_somebodys)
{
    static const char form[] = "{\"iss\":\"https://issuer\",\"aud\":\"us\",\"exp\":1800000100%s}";
    ck_assert_ptr_null(read_claims(signer_text(form, ",\"client_id\":\"c\"")));
    ck_assert_str_eq(identity.name, "c");
    ck_assert_ptr_null(read_claims(signer_text(form, ",\"client_id\":\"c\",\"sub\":\"s\"")));
    ck_assert_str_eq(identity.name, "s");
    expect_bad(read_claims(signer_text(form, "")), "whose");
    expect_bad(read_claims(signer_text(form, ",\"sub\":\"\"")), "no text");
    expect_bad(read_claims(signer_text(form, ",\"sub\":7")), "no text");
    expect_bad(read_claims(signer_text(form, ",\"sub\":null,\"client_id\":\"c\"")), "no text");
}
END_TEST

START_TEST(a_name_is_of_its_issuer)
{
    static const char form[] =
        "{\"iss\":\"https://issuer\",\"aud\":\"us\",\"exp\":1800000100,\"sub\":\"%s\"}";
    struct identity of_web_server;
    ck_assert_ptr_null(read_claims(signer_text(form, "a\\nb")));
    ck_assert_int_eq(strncmp(identity.name, "a?b~", 4), 0);
    identity_name(&of_web_server, "", text_of("a\nb"));
    ck_assert_str_eq(identity.name, of_web_server.name);
    ck_assert_uint_ne(identity.tenant, of_web_server.tenant);
    identity_name(&of_web_server, "https://issuer", text_of("a\nb"));
    ck_assert_uint_eq(identity.tenant, of_web_server.tenant);
}
END_TEST

START_TEST(scopes_become_rights)
{
    static const struct {
        const char *claims;
        unsigned rights;
    } cases[] = {
        {"", 0},
        {",\"scope\":\"\"", 0},
        {",\"scope\":\"predict\"", RIGHT_PREDICT},
        {",\"scope\":\"  predict  admin \"", RIGHT_PREDICT | RIGHT_ADMIN},
        {",\"scope\":\"predictx xpredict PREDICT pre dict\"", 0},
        {",\"scp\":[\"feedback\",\"metrics\"]", RIGHT_FEEDBACK | RIGHT_METRICS},
        {",\"scp\":[\"feedback metrics\"]", 0},
        {",\"scp\":\"feedback\"", RIGHT_FEEDBACK},
        {",\"scope\":\"predict\",\"scp\":[\"admin\"]", RIGHT_PREDICT},
        {",\"scope\":\"predict feedback metrics admin\"", RIGHTS_ALL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_good(cases[i].claims);
        ck_assert_msg(identity.rights == cases[i].rights, "%s: %u", cases[i].claims, identity.rights);
    }
    expect_bad(read_more("1800000100", ",\"scope\":7"), "scopes");
    expect_bad(read_more("1800000100", ",\"scope\":{\"predict\":true}"), "scopes");
    expect_bad(read_more("1800000100", ",\"scp\":[\"predict\",7]"), "scopes");
}
END_TEST

START_TEST(scopes_may_stand_elsewhere_and_have_a_prefix)
{
    policy.scope_claim = "roles";
    policy.scope_prefix = "out:";
    expect_good(",\"scope\":\"out:admin\",\"roles\":[\"out:predict\",\"feedback\",\"out:\",\"ou\"]");
    ck_assert_uint_eq(identity.rights, RIGHT_PREDICT);
    expect_good(",\"scope\":\"out:admin\"");
    ck_assert_uint_eq(identity.rights, 0);
}
END_TEST

START_TEST(models_are_bounded_by_a_claim)
{
    policy.models_claim = "models";
    expect_good(",\"models\":[\"m\",\"cancer-*\"]");
    ck_assert_str_eq(identity.models, "m cancer-*");
    expect_good(",\"models\":\"m  n\"");
    ck_assert_str_eq(identity.models, "m n");
    /* none, which is not the same as all */
    expect_good("");
    ck_assert_str_eq(identity.models, ".");
    expect_good(",\"models\":[]");
    ck_assert_str_eq(identity.models, ".");
    expect_good(",\"models\":\" \"");
    ck_assert_str_eq(identity.models, ".");
    expect_bad(read_more("1800000100", ",\"models\":7"), "models");
    expect_bad(read_more("1800000100", ",\"models\":[\"a b\"]"), "models");
    expect_bad(read_more("1800000100", ",\"models\":[\"\"]"), "models");
    expect_bad(read_more("1800000100", ",\"models\":[\"a\\u0000\"]"), "models");
    expect_good(signer_text(",\"models\":[\"%0255d\",\"%0255d\"]", 1, 2));
    ck_assert_uint_eq(strlen(identity.models), 511);
    expect_bad(read_more("1800000100", signer_text(",\"models\":[\"%0255d\",\"%0257d\"]", 1, 2)),
               "512 bytes");
}
END_TEST

START_TEST(answers_of_an_issuer_may_say_less)
{
    introspected = true;
    ck_assert_ptr_null(
        read_claims("{\"active\":true,\"aud\":\"us\",\"client_id\":\"c\",\"scope\":\"predict\"}"));
    ck_assert_int_eq(identity.expires_at, 0);
    ck_assert_ptr_null(read_claims("{\"active\":true,\"aud\":\"us\",\"username\":\"u\"}"));
    ck_assert_str_eq(identity.name, "u");
    expect_bad(read_claims("{\"active\":true,\"iss\":\"other\",\"aud\":\"us\",\"sub\":\"a\"}"), "iss");
    expect_bad(read_claims("{\"active\":true,\"sub\":\"a\"}"), "aud");
    expect_bad(read_claims("{\"active\":true,\"aud\":\"us\",\"sub\":\"a\",\"exp\":1700000000}"), "expired");
    policy.audience = policy.issuer = "";
    ck_assert_ptr_null(read_claims("{\"active\":true,\"sub\":\"a\",\"iss\":\"any\"}"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_token_becomes_an_identity,    without_an_issuer_it_is_of_whoever_is_asked,
        the_issuer_is_compared_exactly, the_audience_must_hold_us,
        the_end_is_a_sane_time,         clocks_may_be_off_by_the_leeway,
        a_token_is_somebodys,           a_name_is_of_its_issuer,
        scopes_become_rights,           scopes_may_stand_elsewhere_and_have_a_prefix,
        models_are_bounded_by_a_claim,  answers_of_an_issuer_may_say_less};
    return SUITE_RUN("claims", set_up, signer_forget, tests);
}
