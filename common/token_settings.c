/* token_settings: the checks between the parameters token.*. A setting that would have no effect is refused,
 * since whoever wrote it relies on it: an issuer without keys, an algorithm without its secret, a secret
 * without its algorithm. Called by config.c for every program, so `outrigger check` and a reload say it
 * first. SPDX-License-Identifier: MIT */
#include "token_settings.h"

#include "jwk_algorithm.h"
#include "parameter.h"

#include <ctype.h>

unsigned token_settings_algorithms(const char *list, const char **complaint)
{
    unsigned algorithms = 0;
    for (const char *at = list; *(at += strspn(at, " ,\t")) != '\0';) {
        struct text name = {at, strcspn(at, " ,\t")};
        unsigned algorithm = jwk_algorithm(name);
        *complaint = "expected names of RS256, PS256, ES256, EdDSA, HS256";
        if (algorithm == 0)
            return 0;
        algorithms |= algorithm;
        at += name.length;
    }
    *complaint = algorithms == 0 ? "expected at least one of RS256, PS256, ES256, EdDSA, HS256" : NULL;
    return algorithms;
}

/* ---- URLs ---- */

/* 127.x.x.x, ::1 in brackets, localhost: literally, since a name may be resolved to anything. */
static bool is_loopback(struct text host)
{
    size_t digits = 0;
    if (text_is(host, "localhost") || text_is(host, "[::1]"))
        return true;
    if (host.length < 5 || strncmp(host.at, "127.", 4) != 0)
        return false;
    while (digits < host.length && (isdigit((unsigned char)host.at[digits]) || host.at[digits] == '.'))
        digits++;
    return digits == host.length;
}

const char *token_settings_url(const char *url, bool allow_http)
{
    bool plain = strncmp(url, "http://", 7) == 0;
    if (!plain && strncmp(url, "https://", 8) != 0)
        return "expected a URL, as https://HOST/PATH";
    const char *rest = url + (plain ? 7 : 8);
    for (const char *at = url; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~' || *at == '\\')
            return "a URL has no blanks, backslashes and characters beyond ASCII";
    struct text authority = {rest, strcspn(rest, "/?#")};
    if (authority.length == 0)
        return "the URL names no host";
    if (memchr(authority.at, '@', authority.length) != NULL)
        return "a URL holds no user and no password";
    struct text host = authority;
    const char *end = *rest == '[' ? memchr(rest, ']', authority.length) : NULL;
    host.length = end != NULL ? (size_t)(end - rest) + 1 : strcspn(rest, ":/?#");
    if (plain && !allow_http && !is_loopback(host))
        return "http is for the loopback alone: whoever is on the way could put in keys of his own "
               "(token.allow_http allows it all the same)";
    return NULL;
}

/* ---- what contradicts itself ---- */

static bool given(const char *value)
{
    return *value != '\0';
}

bool token_settings_signed(const struct config *config)
{
    return given(config->token_jwks_file) || given(config->token_jwks_url) ||
           given(config->token_hs256_secret);
}

bool token_settings_any(const struct config *config)
{
    return token_settings_signed(config) || given(config->token_introspection_url);
}

static void check_keys(struct parameter_reader *reader, const struct config *config, unsigned algorithms)
{
    bool keys = given(config->token_jwks_file) || given(config->token_jwks_url);
    if (given(config->token_jwks_file) && given(config->token_jwks_url))
        parameter_complain(reader, &config->token_jwks_url,
                           "the keys come from a file already: either token.jwks_file or token.jwks_url");
    if (keys && (algorithms & JWK_PUBLIC) == 0)
        parameter_complain(reader, &config->token_algorithms,
                           "none of them has public keys, yet there is a set of such");
    if ((algorithms & JWK_HS256) != 0 && !given(config->token_hs256_secret))
        parameter_complain(reader, &config->token_algorithms,
                           "HS256 needs a secret: token.hs256_secret says where it is");
    if ((algorithms & JWK_HS256) == 0 && given(config->token_hs256_secret))
        parameter_complain(reader, &config->token_hs256_secret,
                           "is for HS256, which is not among token.algorithms");
}

static void check_names(struct parameter_reader *reader, const struct config *config)
{
    bool is_signed = token_settings_signed(config);
    if (is_signed && !given(config->token_issuer))
        parameter_complain(
            reader, &config->token_issuer,
            "expected the issuer of the tokens, exactly as their iss has it: keys alone do not "
            "say whose tokens are meant");
    if (is_signed && !given(config->token_audience))
        parameter_complain(reader, &config->token_audience,
                           "expected what the aud of tokens for this service holds: others' tokens would be "
                           "taken, too");
    if (!token_settings_any(config) && given(config->token_issuer))
        parameter_complain(reader, &config->token_issuer,
                           "there is nothing to verify its tokens with: token.jwks_url, token.jwks_file, "
                           "token.hs256_secret or token.introspection_url");
    if (!token_settings_any(config) && given(config->token_audience))
        parameter_complain(reader, &config->token_audience,
                           "no tokens are taken: there are no keys for them");
}

static void check_url(struct parameter_reader *reader, const struct config *config, char *const *member)
{
    const char *complaint =
        given(*member) ? token_settings_url(*member, config->token_allow_http != 0) : NULL;
    if (complaint != NULL)
        parameter_complain(reader, member, "%s; got \"%.80s\"", complaint, *member);
}

static void check_introspection(struct parameter_reader *reader, const struct config *config)
{
    char *const *needed[] = {&config->token_introspection_client_id, &config->token_introspection_secret};
    bool asked = given(config->token_introspection_url);
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (asked != given(*needed[i]))
            parameter_complain(reader, needed[i], "%s",
                               asked ? "token.introspection_url needs the credentials of this service there"
                                     : "is for token.introspection_url, which says nothing");
}

void token_settings_check(struct parameter_reader *reader, const struct config *config)
{
    const char *complaint = NULL;
    unsigned algorithms = token_settings_algorithms(config->token_algorithms, &complaint);
    if (complaint != NULL)
        parameter_complain(reader, &config->token_algorithms, "%s; got \"%.80s\"", complaint,
                           config->token_algorithms);
    else
        check_keys(reader, config, algorithms);
    check_names(reader, config);
    check_url(reader, config, &config->token_jwks_url);
    check_url(reader, config, &config->token_introspection_url);
    check_introspection(reader, config);
}
