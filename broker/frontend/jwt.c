/* jwt: the form of a token and its signature, in that order.
 *
 * Everything that is cheap is looked at first: length, three segments of strict base64url, a header of strict
 * JSON that asks for nothing that we do not know. What the header says of keys (jku, x5u, jwk, x5c) is
 * refused and never fetched: whoever made the token would choose what it is verified with (RFC 8725 section
 * 3.10). The key comes from our own set, by kid and algorithm; only then a signature is computed, and only
 * with a good one the claims are parsed. All three segments are decoded here before that: cjose ends the
 * process at what is no base64url. SPDX-License-Identifier: MIT */
#include "jwt.h"

#include "base64.h"
#include "strict_json.h"

#include <strings.h>

/* A token, taken apart. */
struct parts {
    struct text whole;
    struct text header, claims, signature; /* still encoded */
    size_t signed_length;                  /* bytes of header and claims with their dot */
};

bool jwt_is_compact(struct text token)
{
    size_t dots = 0;
    for (size_t i = 0; i < token.length; i++)
        dots += token.at[i] == '.';
    return dots == 2;
}

static const char *take_apart(struct text token, struct parts *parts)
{
    if (token.length > JWT_BYTES_MAX)
        return "the token is longer than 8 KiB";
    if (!jwt_is_compact(token))
        return "the token has not three segments";
    const char *first = memchr(token.at, '.', token.length);
    const char *second = memchr(first + 1, '.', (size_t)(token.at + token.length - first - 1));
    parts->whole = token;
    parts->header = (struct text){token.at, (size_t)(first - token.at)};
    parts->claims = (struct text){first + 1, (size_t)(second - first - 1)};
    parts->signature = (struct text){second + 1, (size_t)(token.at + token.length - second - 1)};
    parts->signed_length = (size_t)(second - token.at);
    return parts->signature.length == 0 ? "the token has no signature" : NULL;
}

/* A segment, decoded. */
struct segment {
    uint8_t bytes[JWT_BYTES_MAX];
    size_t length;
};

static const char *decode(struct text encoded, struct segment *segment)
{
    ptrdiff_t count = base64url_decode(encoded, segment->bytes, sizeof segment->bytes);
    segment->length = count < 0 ? 0 : (size_t)count;
    return count < 0 ? "a segment of the token is no base64url" : NULL;
}

static yyjson_doc *read_json(const struct segment *segment, const char **why)
{
    return strict_json_read((struct text){(const char *)segment->bytes, segment->length}, why);
}

/* ---- the header ---- */

struct header {
    unsigned algorithm;
    struct text kid; /* a view of the document; `at` NULL: there is none */
};

static bool is_type(struct text type, const char *name)
{
    static const char prefix[] = "application/";
    size_t cut = sizeof prefix - 1;
    if (type.length > cut && strncasecmp(type.at, prefix, cut) == 0)
        type = (struct text){type.at + cut, type.length - cut};
    return type.length == strlen(name) && strncasecmp(type.at, name, type.length) == 0;
}

static const char *check_type(yyjson_val *root, bool require)
{
    struct text type = strict_json_string(root, "typ");
    if (yyjson_obj_get(root, "typ") == NULL)
        return require ? "the token does not say that it is an access token (typ)" : NULL;
    if (type.length > 0 && (is_type(type, "at+jwt") || (!require && is_type(type, "JWT"))))
        return NULL;
    return "the token is of another kind (typ)";
}

static const char *read_header(const struct jwt_policy *policy, yyjson_val *root, struct header *header)
{
    static const char *const refused[] = {"crit", "jku", "x5u", "jwk", "x5c", "zip", "enc", "b64"};
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (yyjson_obj_get(root, refused[i]) != NULL)
            return "the header of the token asks for what is not done here (crit, jku, x5u, jwk, x5c, zip, "
                   "enc, b64)";
    header->algorithm = jwk_algorithm(strict_json_string(root, "alg")) & policy->algorithms;
    if (header->algorithm == 0)
        return "the algorithm of the token (alg) is not among those that are allowed";
    header->kid = strict_json_string(root, "kid");
    if (yyjson_obj_get(root, "kid") != NULL && (header->kid.length == 0 || header->kid.length > JWK_KID_MAX))
        return "the name of the token's key (kid) is no text of 1 to 256 bytes";
    return check_type(root, policy->require_typ);
}

/* ---- the signature ---- */

static enum jwt_result check_signature(const struct jwt_policy *policy, const struct header *header,
                                       const struct parts *parts, const char **why)
{
    uint8_t signature[JWK_SIGNATURE_MAX];
    ptrdiff_t length = base64url_decode(parts->signature, signature, sizeof signature);
    *why = "the signature of the token is no base64url, or too long";
    if (length < 0)
        return JWT_BAD;
    *why = "the signature of the token is wrong";
    struct text signed_text = {parts->whole.at, parts->signed_length};
    if (header->algorithm == JWK_HS256)
        return policy->secret.length >= JWK_SECRET_BYTES_MIN &&
                       jwk_verify_secret(policy->secret, signed_text, signature, (size_t)length)
                   ? JWT_GOOD
                   : JWT_BAD;
    const struct jwk *key =
        policy->keys == NULL ? NULL : jwk_set_find(policy->keys, header->algorithm, header->kid);
    if (key == NULL) {
        *why = "the token is made with an unknown key (kid)";
        return JWT_UNKNOWN_KEY;
    }
    return jwk_verify(key, header->algorithm, parts->whole, parts->signed_length, signature, (size_t)length)
               ? JWT_GOOD
               : JWT_BAD;
}

/* The claims are decoded before the signature is looked at, and read after it: what is no base64url must not
 * come to cjose, which ends the process then. */
static enum jwt_result verify_parts(const struct jwt_policy *policy, const struct parts *parts,
                                    struct segment *segment, const char **why)
{
    struct header header;
    if ((*why = decode(parts->header, segment)) != NULL)
        return JWT_BAD;
    yyjson_doc *document = read_json(segment, why);
    if (document == NULL)
        return JWT_BAD;
    enum jwt_result result = JWT_BAD;
    *why = read_header(policy, yyjson_doc_get_root(document), &header);
    if (*why == NULL)
        *why = decode(parts->claims, segment);
    if (*why == NULL)
        result = check_signature(policy, &header, parts, why);
    yyjson_doc_free(document); /* header.kid is a view of it */
    return result;
}

enum jwt_result jwt_verify(const struct jwt_policy *policy, struct text token, yyjson_doc **claims,
                           const char **why)
{
    struct parts parts;
    struct segment segment; /* of the header, then of the claims */
    *claims = NULL;
    if ((*why = take_apart(token, &parts)) != NULL)
        return JWT_BAD;
    enum jwt_result result = verify_parts(policy, &parts, &segment, why);
    if (result != JWT_GOOD)
        return result;
    *claims = read_json(&segment, why);
    return *claims == NULL ? JWT_BAD : JWT_GOOD;
}
