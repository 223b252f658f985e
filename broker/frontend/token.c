/* token: from a bearer token to an identity.
 *
 *     known (SHA-256) ............................... GOOD
 *     three segments: jwt (form, key, signature), claims
 *         unknown key, and the issuer is asked ...... PENDING, again when he has answered
 *     anything else: introspection, where configured
 *
 * Verifying a signature costs tens of microseconds, a token comes with hundreds of requests: so what was
 * verified is known until it expires, or until the keys are others. Any thread; what changes is behind the
 * locks of the parts. SPDX-License-Identifier: MIT */
#include "token.h"

#include "claims.h"
#include "clock.h"
#include "introspection.h"
#include "jwks.h"
#include "jwt.h"
#include "secret.h"
#include "sha256.h"
#include "token_cache.h"
#include "token_settings.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TOKENS_MAGIC = 0x70cec001,
    TRIES = 3 /* with keys that change meanwhile */
};

struct tokens {
    unsigned magic;
    const struct config *config;
    struct claims_policy claims;
    unsigned algorithms;
    bool is_signed; /* JWTs are taken */
    struct fetcher *fetcher;
    struct jwks *jwks;     /* NULL: HS256 alone, or introspection */
    struct secret *secret; /* of HS256; NULL: none */
    struct secret *introspection_secret;
    struct introspection *introspection; /* NULL: none */
    struct token_cache *known;           /* JWTs */
    struct sha256 *sha256;
};

/* ---- life ---- */

static bool read_secret(const char *reference, size_t at_least, struct secret **secret, char *reason,
                        size_t capacity)
{
    if (*reference == '\0')
        return true;
    *secret = secret_read(reference, reason, capacity);
    if (*secret == NULL)
        return false;
    if (secret_text(*secret).length >= at_least)
        return true;
    snprintf(reason, capacity, "%.256s: a secret of HS256 has at least %d bytes (RFC 7518 section 3.2)",
             reference, JWK_SECRET_BYTES_MIN);
    return false;
}

static bool open_sources(struct tokens *tokens, const struct tokens_context *context, char *reason,
                         size_t capacity)
{
    const struct config *config = tokens->config;
    if (!read_secret(config->token_hs256_secret, JWK_SECRET_BYTES_MIN, &tokens->secret, reason, capacity) ||
        !read_secret(config->token_introspection_secret, 1, &tokens->introspection_secret, reason, capacity))
        return false;
    if (*config->token_jwks_url != '\0' || *config->token_introspection_url != '\0')
        tokens->fetcher = fetcher_new(&(struct fetcher_context){.fd = context->fetch_fd,
                                                                .loop = context->loop,
                                                                .settled = context->settled,
                                                                .lost = context->lost,
                                                                .self = context->self});
    if (*config->token_jwks_url != '\0' || *config->token_jwks_file != '\0') {
        struct fetcher *fetcher = *config->token_jwks_url != '\0' ? tokens->fetcher : NULL;
        tokens->jwks = jwks_new(config, context->loop, fetcher, reason, capacity);
        if (tokens->jwks == NULL)
            return false;
    }
    if (*config->token_introspection_url != '\0')
        tokens->introspection = introspection_new(config, &tokens->claims,
                                                  secret_text(tokens->introspection_secret), tokens->fetcher);
    return true;
}

struct tokens *tokens_new(const struct tokens_context *context, char *reason, size_t capacity)
{
    const struct config *config = context->config;
    const char *complaint;
    *reason = '\0';
    if (!token_settings_any(config))
        return NULL;
    struct tokens *tokens = object_alloc(sizeof *tokens);
    tokens->magic = TOKENS_MAGIC;
    tokens->config = config;
    tokens->algorithms = token_settings_algorithms(config->token_algorithms, &complaint);
    tokens->is_signed = token_settings_signed(config);
    tokens->claims = (struct claims_policy){.issuer = config->token_issuer,
                                            .audience = config->token_audience,
                                            .introspection_url = config->token_introspection_url,
                                            .leeway_s = config->token_leeway_s,
                                            .scope_claim = config->token_scope_claim,
                                            .scope_prefix = config->token_scope_prefix,
                                            .models_claim = config->token_models_claim};
    tokens->sha256 = sha256_new();
    tokens->known = token_cache_new((size_t)config->token_cache_entries);
    if (open_sources(tokens, context, reason, capacity))
        return tokens;
    tokens_free(tokens);
    return NULL;
}

void tokens_free(struct tokens *tokens)
{
    if (tokens == NULL)
        return;
    CHECK_OBJECT(tokens, TOKENS_MAGIC);
    fetcher_free(tokens->fetcher); /* before those that it calls */
    jwks_free(tokens->jwks);
    introspection_free(tokens->introspection);
    secret_free(tokens->secret);
    secret_free(tokens->introspection_secret);
    token_cache_free(tokens->known);
    sha256_free(tokens->sha256);
    tokens->magic = 0;
    free(tokens);
}

/* ---- signed tokens ---- */

static void remember(struct tokens *tokens, const uint8_t digest[TOKEN_DIGEST_BYTES], uint64_t generation,
                     const struct identity *identity, int64_t now_s)
{
    int64_t left = identity->expires_at - now_s;
    if (left <= 0)
        return; /* within the leeway */
    if (left > tokens->config->token_jwks_refresh_s + 86400)
        left = tokens->config->token_jwks_refresh_s + 86400; /* no sum is too large */
    struct token_known known = {.verdict = TOKEN_GOOD,
                                .generation = generation,
                                .until = clock_now() + left * SECOND,
                                .identity = *identity};
    token_cache_put(tokens->known, digest, &known);
}

static bool recall(struct tokens *tokens, const uint8_t digest[TOKEN_DIGEST_BYTES], struct identity *identity)
{
    struct token_known known;
    uint64_t generation = tokens->jwks == NULL ? 0 : jwks_generation(tokens->jwks);
    if (!token_cache_get(tokens->known, digest, clock_now(), &known) || known.generation != generation ||
        known.identity.expires_at <= clock_wall() / SECOND)
        return false;
    *identity = known.identity;
    return true;
}

/* With the keys of this moment. */
static enum jwt_result verify(struct tokens *tokens, const uint8_t digest[TOKEN_DIGEST_BYTES],
                              struct text token, struct identity *identity, uint64_t *generation,
                              const char **why)
{
    yyjson_doc *document = NULL;
    *generation = 0;
    struct jwk_set *keys = tokens->jwks == NULL ? NULL : jwks_acquire(tokens->jwks, generation);
    struct jwt_policy policy = {.algorithms = tokens->algorithms,
                                .keys = keys,
                                .require_typ = tokens->config->token_require_typ != 0};
    if (tokens->secret != NULL)
        policy.secret = secret_text(tokens->secret);
    enum jwt_result result = jwt_verify(&policy, token, &document, why);
    jwk_set_release(keys);
    int64_t now_s = clock_wall() / SECOND;
    if (result == JWT_GOOD &&
        !claims_read(&tokens->claims, yyjson_doc_get_root(document), now_s, false, identity, why))
        result = JWT_BAD;
    if (result == JWT_GOOD)
        remember(tokens, digest, *generation, identity, now_s);
    yyjson_doc_free(document);
    return result;
}

static enum token_verdict check_signed(struct tokens *tokens, const uint8_t digest[TOKEN_DIGEST_BYTES],
                                       struct text token, struct identity *identity, const char **why)
{
    uint64_t generation;
    if (recall(tokens, digest, identity))
        return TOKEN_GOOD;
    for (int i = 0; i < TRIES; i++) {
        enum jwt_result result = verify(tokens, digest, token, identity, &generation, why);
        if (result != JWT_UNKNOWN_KEY)
            return result == JWT_GOOD ? TOKEN_GOOD : TOKEN_BAD;
        enum jwks_hope hope = tokens->jwks == NULL ? JWKS_NONE : jwks_hope(tokens->jwks, generation);
        if (hope == JWKS_NONE)
            return TOKEN_BAD;
        if (hope == JWKS_AWAY)
            *why = "the issuer does not tell his keys";
        if (hope != JWKS_CHANGED)
            return hope == JWKS_WAIT ? TOKEN_PENDING : TOKEN_UNAVAILABLE;
    }
    *why = "the keys of the issuer change all the time";
    return TOKEN_UNAVAILABLE;
}

/* ---- any ---- */

/* RFC 6750 section 2.1. */
static bool is_token(struct text token)
{
    static const char others[] = "-._~+/=";
    for (size_t i = 0; i < token.length; i++) {
        char c = token.at[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && memchr(others, c, sizeof others - 1) == NULL)
            return false;
    }
    return token.length > 0;
}

/* What else is known of whoever asks (where from) stays. */
static void identify(struct identity *identity, const struct identity *found)
{
    identity->kind = found->kind;
    identity->rights = found->rights;
    identity->tenant = found->tenant;
    identity->expires_at = found->expires_at;
    memcpy(identity->name, found->name, sizeof identity->name);
    memcpy(identity->models, found->models, sizeof identity->models);
}

static enum token_verdict check_token(struct tokens *tokens, struct text token, struct identity *found,
                                      const char **why)
{
    uint8_t digest[SHA256_BYTES];
    sha256_of(tokens->sha256, token, digest);
    if (tokens->is_signed && (tokens->introspection == NULL || jwt_is_compact(token)))
        return check_signed(tokens, digest, token, found, why);
    return introspection_check(tokens->introspection, digest, token, found, why);
}

enum token_verdict tokens_check(void *self, struct text token, struct identity *identity, const char **why)
{
    struct tokens *tokens = self;
    struct identity found;
    CHECK_OBJECT(tokens, TOKENS_MAGIC);
    *why = "the token is longer than 8 KiB";
    if (token.length > JWT_BYTES_MAX)
        return TOKEN_BAD;
    *why = "the token has characters that no token has";
    if (!is_token(token))
        return TOKEN_BAD;
    *why = NULL;
    enum token_verdict verdict = check_token(tokens, token, &found, why);
    if (verdict == TOKEN_GOOD)
        identify(identity, &found);
    return verdict;
}
