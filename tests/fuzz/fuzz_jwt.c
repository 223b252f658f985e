/* A token, a set of keys and what an issuer says of a token, of any bytes. The first byte says which:
 *
 *   0  a compact token for fixed keys
 *   1  header, claims and signature, plain, each ended by a line feed: they are encoded here, so that a
 * fuzzer comes past the base64url; the header gets the signature of HMAC over it when none is given, so that
 * it comes past that, too 2  a set of keys; a token is verified with what is read 3  claims
 *
 * Whatever is taken has the form that the rest of the program relies on. SPDX-License-Identifier: MIT */
#include "base64.h"
#include "claims.h"
#include "jwt.h"
#include "strict_json.h"

#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* Public, of RFC 7517 (appendix A.1), 7515 (A.2, A.3) and 8037 (A.2). */
static const char keys_json[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e\",\"x\":"
                                "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                                "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},{\"kty\":\"OKP\","
                                "\"crv\":\"Ed25519\",\"kid\":\"o\","
                                "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},{\"kty\":\"RSA\","
                                "\"kid\":\"r\",\"e\":\"AQAB\",\"n\":"
                                "\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"
                                "4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pC"
                                "gNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"
                                "bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xs"
                                "mtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_"
                                "h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\""
                                "}]}";
static const char secret[] = "a secret of more than thirty-two bytes";

static void try_claims(yyjson_val *root)
{
    const struct claims_policy policy = {.issuer = "i",
                                         .audience = "a",
                                         .leeway_s = 60,
                                         .scope_claim = "",
                                         .scope_prefix = "",
                                         .models_claim = "models"};
    struct identity identity;
    const char *why;
    for (int introspected = 0; introspected < 2; introspected++) {
        bool good = claims_read(&policy, root, 1800000000, introspected, &identity, &why);
        ENSURE(good == (why == NULL));
        if (!good)
            continue;
        ENSURE(identity.kind == IDENTITY_TOKEN && (identity.rights & ~(unsigned)RIGHTS_ALL) == 0);
        ENSURE(strnlen(identity.name, sizeof identity.name) <= IDENTITY_NAME_MAX);
        ENSURE(strnlen(identity.models, sizeof identity.models) <= IDENTITY_MODELS_MAX &&
               *identity.models != '\0');
        ENSURE(identity.tenant != 0 && identity.expires_at >= 0);
    }
}

static void try_token(const struct jwk_set *keys, struct text token)
{
    const struct jwt_policy policy = {
        .algorithms = JWK_PUBLIC | JWK_HS256, .keys = keys, .secret = text_of(secret)};
    yyjson_doc *claims;
    const char *why;
    enum jwt_result result = jwt_verify(&policy, token, &claims, &why);
    ENSURE((result == JWT_GOOD) == (claims != NULL) && (result == JWT_GOOD) == (why == NULL));
    if (result == JWT_GOOD)
        try_claims(yyjson_doc_get_root(claims));
    yyjson_doc_free(claims);
}

static size_t encode(struct text text, char *to)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *begin = to;
    unsigned gathered = 0, bits = 0;
    for (size_t i = 0; i < text.length; i++) {
        gathered = (gathered << 8 | (uint8_t)text.at[i]) & 0xffff;
        for (bits += 8; bits >= 6; bits -= 6)
            *to++ = alphabet[gathered >> (bits - 6) & 63];
    }
    if (bits > 0)
        *to++ = alphabet[gathered << (6 - bits) & 63];
    return (size_t)(to - begin);
}

static struct text next_line(struct text *rest)
{
    const char *end = rest->length == 0 ? NULL : memchr(rest->at, '\n', rest->length);
    struct text line = {rest->at, end == NULL ? rest->length : (size_t)(end - rest->at)};
    size_t cut = line.length + (end != NULL);
    *rest = (struct text){rest->at + cut, rest->length - cut};
    return line;
}

static void try_parts(const struct jwk_set *keys, struct text text)
{
    uint8_t digest[64];
    unsigned digest_length = 0;
    char *token = object_alloc(text.length * 2 + 256);
    size_t length = encode(next_line(&text), token);
    token[length++] = '.';
    length += encode(next_line(&text), token + length);
    struct text signature = next_line(&text);
    if (signature.length == 0) {
        HMAC(EVP_sha256(), secret, (int)strlen(secret), (const uint8_t *)token, length, digest,
             &digest_length);
        signature = (struct text){(const char *)digest, digest_length};
    }
    token[length++] = '.';
    length += encode(signature, token + length);
    try_token(keys, (struct text){token, length});
    free(token);
}

static void try_keys(struct text text)
{
    char reason[512] = "";
    struct jwk_set *set = jwk_set_read(text, JWK_PUBLIC, reason, sizeof reason);
    ENSURE((set == NULL) == (*reason != '\0'));
    if (set == NULL)
        return;
    ENSURE(set->count >= 1 && set->count <= JWK_SET_KEYS_MAX);
    for (size_t i = 0; i < set->count; i++) {
        const struct jwk *key = &set->keys[i];
        ENSURE(key->key != NULL && key->algorithms != 0 && (key->algorithms & ~(unsigned)JWK_PUBLIC) == 0);
        ENSURE(key->signature_bytes >= 64 && key->signature_bytes <= JWK_SIGNATURE_MAX);
        uint8_t signature[JWK_SIGNATURE_MAX];
        memset(signature, 1, sizeof signature);
        struct text token = text_of("e30.e30.AA");
        for (unsigned algorithm = 1; algorithm <= JWK_HS256; algorithm *= 2)
            ENSURE(!jwk_verify(key, algorithm, token, 7, signature, key->signature_bytes));
    }
    jwk_set_release(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct jwk_set *keys;
    char reason[512];
    if (keys == NULL)
        keys = jwk_set_read(text_of(keys_json), JWK_PUBLIC, reason, sizeof reason);
    ENSURE(keys != NULL && keys->count == 3);
    if (length == 0)
        return 0;
    struct text text = {(const char *)bytes + 1, length - 1};
    const char *complaint;
    yyjson_doc *document;
    switch (bytes[0] % 4) {
    case 0:
        try_token(keys, text);
        break;
    case 1:
        try_parts(keys, text);
        break;
    case 2:
        try_keys(text);
        break;
    default:
        document = strict_json_read(text, &complaint);
        if (document != NULL)
            try_claims(yyjson_doc_get_root(document));
        yyjson_doc_free(document);
    }
    return 0;
}
