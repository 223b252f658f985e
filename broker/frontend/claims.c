/* claims: the rules of RFC 7519, 9068 and 7662 for what a token says, and how its scopes become rights.
 *
 * A claim of the wrong type is refused and not passed over, since whoever made it meant something by it. A
 * list of models that does not fit is refused, too, and a token that has none where one is wanted may use
 * none: what is cut, or missing, must never be more than what was meant. SPDX-License-Identifier: MIT */
#include "claims.h"

#include "strict_json.h"

#include <stdio.h>

#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

/* No model can have this name (protocol_name_ok): who may use it may use none. */
#define NO_MODEL "."

/* ---- for whom, and when ---- */

static const char *check_issuer(const struct claims_policy *policy, yyjson_val *claims, bool introspected)
{
    if (*policy->issuer == '\0' || (introspected && yyjson_obj_get(claims, "iss") == NULL))
        return NULL;
    return text_is(strict_json_string(claims, "iss"), policy->issuer)
               ? NULL
               : "the token is of another issuer (iss)";
}

static const char *check_audience(const struct claims_policy *policy, yyjson_val *claims)
{
    static const char refusal[] = "the token is not for this service (aud)";
    yyjson_val *audience = yyjson_obj_get(claims, "aud"), *element;
    size_t index, count;
    bool found = false;
    if (*policy->audience == '\0')
        return NULL;
    if (yyjson_is_str(audience))
        return text_is(strict_json_string(claims, "aud"), policy->audience) ? NULL : refusal;
    yyjson_arr_foreach(audience, index, count, element)
    {
        if (!yyjson_is_str(element))
            return "the audience of the token (aud) is neither a text nor a list of texts";
        found = found || yyjson_equals_strn(element, policy->audience, strlen(policy->audience));
    }
    return found ? NULL : refusal;
}

/* A time as whole seconds since 1970. False when it is there and is none; -1 when it is not there. */
static bool read_time(yyjson_val *claims, const char *name, int64_t *seconds)
{
    yyjson_val *value = yyjson_obj_get(claims, name);
    *seconds = -1;
    if (value == NULL)
        return true;
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) > (uint64_t)LAST_SECOND)
        return false;
    *seconds = (int64_t)yyjson_get_uint(value);
    return true;
}

static const char *check_times(const struct claims_policy *policy, yyjson_val *claims, int64_t now,
                               bool introspected, int64_t *expires_at)
{
    int64_t exp, nbf, iat;
    if (!read_time(claims, "exp", &exp) || !read_time(claims, "nbf", &nbf) || !read_time(claims, "iat", &iat))
        return "a time of the token (exp, nbf, iat) is not in whole seconds since 1970";
    if (exp < 0 && !introspected)
        return "the token has no end (exp)";
    if (exp >= 0 && now >= exp + policy->leeway_s)
        return "the token has expired (exp)";
    if (nbf > now + policy->leeway_s || iat > now + policy->leeway_s)
        return "the token is of the future (nbf, iat)";
    *expires_at = exp < 0 ? 0 : exp;
    return NULL;
}

/* ---- who ---- */

static const char *read_name(const struct claims_policy *policy, yyjson_val *claims,
                             struct identity *identity)
{
    static const char *const names[] = {"sub", "client_id", "azp", "username"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct text name = strict_json_string(claims, names[i]);
        if (yyjson_obj_get(claims, names[i]) == NULL)
            continue;
        if (name.length == 0)
            return "the name of the token's owner (sub, client_id) is no text";
        identity_name(identity, *policy->issuer == '\0' ? policy->introspection_url : policy->issuer, name);
        return NULL;
    }
    return "the token does not say whose it is (sub, client_id)";
}

/* ---- what one may do ---- */

typedef bool take_word(void *self, struct text word);

/* Calls `take` for each word of a text with blanks between them, or of a list of texts. False: `take` did, or
 * it is something else. */
static bool each_word(yyjson_val *value, take_word *take, void *self)
{
    size_t index, count;
    yyjson_val *element;
    if (yyjson_is_str(value)) {
        const char *at = yyjson_get_str(value), *end = at + yyjson_get_len(value);
        while (at < end) {
            const char *blank = memchr(at, ' ', (size_t)(end - at));
            size_t length = (size_t)((blank == NULL ? end : blank) - at);
            if (length > 0 && !take(self, (struct text){at, length}))
                return false;
            at += length + 1;
        }
        return true;
    }
    if (!yyjson_is_arr(value))
        return false;
    yyjson_arr_foreach(value, index, count, element)
    {
        struct text word = {yyjson_get_str(element), yyjson_get_len(element)};
        if (!yyjson_is_str(element) || !take(self, word))
            return false;
    }
    return true;
}

struct scopes {
    const char *prefix;
    unsigned rights;
};

/* Scopes of others are passed over: a token may be for several services. */
static bool take_scope(void *self, struct text word)
{
    struct scopes *scopes = self;
    size_t prefix = strlen(scopes->prefix);
    if (word.length < prefix || memcmp(word.at, scopes->prefix, prefix) != 0)
        return true;
    struct text name = {word.at + prefix, word.length - prefix};
#define X(identifier, text, bit)                                                                             \
    if (text_is(name, text))                                                                                 \
        scopes->rights |= bit;
    RIGHTS(X)
#undef X
    return true;
}

static const char *read_rights(const struct claims_policy *policy, yyjson_val *claims,
                               struct identity *identity)
{
    yyjson_val *value = *policy->scope_claim != '\0' ? yyjson_obj_get(claims, policy->scope_claim)
                                                     : yyjson_obj_get(claims, "scope");
    if (value == NULL && *policy->scope_claim == '\0')
        value = yyjson_obj_get(claims, "scp");
    struct scopes scopes = {.prefix = policy->scope_prefix};
    if (value != NULL && !each_word(value, take_scope, &scopes))
        return "the scopes of the token are neither a text nor a list of texts";
    identity->rights = scopes.rights;
    return NULL;
}

/* Appends one, with a blank between it and those before. */
static bool take_model(void *self, struct text word)
{
    char *models = self;
    size_t length = strlen(models);
    if (word.length == 0 || length + 1 + word.length > IDENTITY_MODELS_MAX)
        return false;
    for (size_t i = 0; i < word.length; i++)
        if (word.at[i] <= ' ' || word.at[i] > '~')
            return false;
    snprintf(models + length, IDENTITY_MODELS_MAX + 1 - length, "%s%.*s", length > 0 ? " " : "",
             (int)word.length, word.at);
    return true;
}

static const char *read_models(const struct claims_policy *policy, yyjson_val *claims,
                               struct identity *identity)
{
    if (*policy->models_claim == '\0')
        return NULL;
    yyjson_val *value = yyjson_obj_get(claims, policy->models_claim);
    if (value != NULL && !each_word(value, take_model, identity->models))
        return "the models of the token are no names, or more than 512 bytes of them";
    if (*identity->models == '\0')
        strcpy(identity->models, NO_MODEL);
    return NULL;
}

bool claims_read(const struct claims_policy *policy, yyjson_val *claims, int64_t now, bool introspected,
                 struct identity *identity, const char **why)
{
    struct identity read = {.kind = IDENTITY_TOKEN};
    const char *complaint = check_issuer(policy, claims, introspected);
    if (complaint == NULL)
        complaint = check_audience(policy, claims);
    if (complaint == NULL)
        complaint = check_times(policy, claims, now, introspected, &read.expires_at);
    if (complaint == NULL)
        complaint = read_name(policy, claims, &read);
    if (complaint == NULL)
        complaint = read_rights(policy, claims, &read);
    if (complaint == NULL)
        complaint = read_models(policy, claims, &read);
    *why = complaint;
    if (complaint == NULL)
        *identity = read;
    return complaint == NULL;
}
