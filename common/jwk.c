/* jwk: from JSON to keys, and signatures verified with them.
 *
 * cjose verifies RS256, PS256 and ES256; EdDSA, which it does not know, and HS256, for which it would keep
 * the secret in memory that is swapped and dumped, go to OpenSSL directly. What both take for granted is
 * looked at before they see anything: numbers are decoded here, signatures have the one length that their key
 * makes (cjose compares before it looks at the length). A key is bound to the algorithms of its type, so that
 * a public key is never the secret of an HMAC (RFC 8725 section 3.1). SPDX-License-Identifier: MIT */
#include "jwk.h"

#include "base64.h"
#include "key.h"
#include "strict_json.h"

#include <cjose/cjose.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SET_MAGIC = 0x0a3b0001,
    P256_BYTES = 32, /* of a coordinate, of r and of s */
    ED25519_BYTES = 32,
    ED25519_SIGNATURE = 64,
    SHA256_BYTES = 32,
    EXPONENT_BYTES = 8
};

/* ---- one key ---- */

/* A number of the key: base64url of big-endian bytes, of which leading zeros are taken away. 0: not there,
 * or broken, or longer than the room. */
static size_t read_number(yyjson_val *object, const char *name, uint8_t *bytes, size_t capacity)
{
    ptrdiff_t count = base64url_decode(strict_json_string(object, name), bytes, capacity);
    size_t zeros = 0;
    while (count > 0 && (ptrdiff_t)zeros < count && bytes[zeros] == 0)
        zeros++;
    if (count <= 0)
        return 0;
    memmove(bytes, bytes + zeros, (size_t)count - zeros);
    return (size_t)count - zeros;
}

static int bits_of(const uint8_t *bytes, size_t count)
{
    int bits = (int)count * 8;
    for (int mask = 0x80; count > 0 && mask > 0 && (bytes[0] & mask) == 0; mask >>= 1)
        bits--;
    return bits;
}

static void digest_numbers(struct jwk *key, const uint8_t *first, size_t first_bytes, const uint8_t *second,
                           size_t second_bytes)
{
    uint8_t both[2 * SHA256_BYTES];
    SHA256(first, first_bytes, both);
    SHA256(second, second_bytes, both + SHA256_BYTES);
    SHA256(both, sizeof both, key->digest);
}

static const char *read_rsa(struct jwk *key, yyjson_val *object)
{
    uint8_t modulus[JWK_RSA_BITS_MAX / 8 + 1], exponent[EXPONENT_BYTES];
    size_t modulus_bytes = read_number(object, "n", modulus, sizeof modulus);
    size_t exponent_bytes = read_number(object, "e", exponent, sizeof exponent);
    int bits = bits_of(modulus, modulus_bytes);
    if (modulus_bytes == 0 || exponent_bytes == 0)
        return "n or e is missing or broken";
    if (bits < JWK_RSA_BITS_MIN)
        return "RSA of less than 2048 bits is too weak";
    if (bits > JWK_RSA_BITS_MAX)
        return "RSA of more than 8192 bits is too slow";
    if ((exponent[exponent_bytes - 1] & 1) == 0 || (exponent_bytes == 1 && exponent[0] < 3))
        return "e is no exponent of RSA";
    cjose_jwk_rsa_keyspec spec = {.n = modulus, .nlen = modulus_bytes, .e = exponent, .elen = exponent_bytes};
    key->key = cjose_jwk_create_RSA_spec(&spec, NULL);
    key->signature_bytes = modulus_bytes;
    digest_numbers(key, modulus, modulus_bytes, exponent, exponent_bytes);
    snprintf(key->type, sizeof key->type, "RSA %d", bits);
    return key->key == NULL ? "it is no key of RSA" : NULL;
}

static const char *read_ec(struct jwk *key, yyjson_val *object)
{
    uint8_t x[P256_BYTES], y[P256_BYTES];
    if (!text_is(strict_json_string(object, "crv"), "P-256"))
        return "of elliptic curves only P-256 is used";
    if (base64url_decode(strict_json_string(object, "x"), x, sizeof x) != P256_BYTES ||
        base64url_decode(strict_json_string(object, "y"), y, sizeof y) != P256_BYTES)
        return "x or y is not 32 bytes";
    cjose_jwk_ec_keyspec spec = {
        .crv = CJOSE_JWK_EC_P_256, .x = x, .xlen = sizeof x, .y = y, .ylen = sizeof y};
    key->key = cjose_jwk_create_EC_spec(&spec, NULL);
    key->signature_bytes = 2 * P256_BYTES;
    digest_numbers(key, x, sizeof x, y, sizeof y);
    snprintf(key->type, sizeof key->type, "P-256");
    return key->key == NULL ? "its point is not on the curve" : NULL;
}

static const char *read_okp(struct jwk *key, yyjson_val *object)
{
    uint8_t x[ED25519_BYTES];
    if (!text_is(strict_json_string(object, "crv"), "Ed25519"))
        return "of Edwards curves only Ed25519 is used";
    if (base64url_decode(strict_json_string(object, "x"), x, sizeof x) != ED25519_BYTES)
        return "x is not 32 bytes";
    key->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, sizeof x);
    key->signature_bytes = ED25519_SIGNATURE;
    digest_numbers(key, x, sizeof x, x, 0);
    snprintf(key->type, sizeof key->type, "Ed25519");
    return key->key == NULL ? "it is no key of Ed25519" : NULL;
}

static const struct {
    const char *name;
    unsigned algorithms;
    const char *(*read)(struct jwk *key, yyjson_val *object);
} types[] = {
    {"RSA", JWK_RS256 | JWK_PS256, read_rsa}, {"EC", JWK_ES256, read_ec}, {"OKP", JWK_EDDSA, read_okp}};

static bool may_verify(yyjson_val *object)
{
    yyjson_val *use = yyjson_obj_get(object, "use"), *operations = yyjson_obj_get(object, "key_ops");
    if (use != NULL && !yyjson_equals_str(use, "sig"))
        return false;
    bool found = operations == NULL;
    size_t index, count;
    yyjson_val *operation;
    yyjson_arr_foreach(operations, index, count, operation) found =
        found || yyjson_equals_str(operation, "verify");
    return found;
}

/* The algorithms that the key may be used with: its type's, or the one that it names. */
static unsigned key_algorithms(yyjson_val *object, unsigned of_type)
{
    yyjson_val *named = yyjson_obj_get(object, "alg");
    return named == NULL ? of_type : of_type & jwk_algorithm(strict_json_string(object, "alg"));
}

static const char *read_name(struct jwk *key, yyjson_val *object)
{
    struct text kid = strict_json_string(object, "kid");
    key->has_kid = yyjson_obj_get(object, "kid") != NULL;
    if (!key->has_kid)
        return NULL;
    if (kid.length == 0 || kid.length > JWK_KID_MAX || memchr(kid.at, '\0', kid.length) != NULL)
        return "its kid is no text of 1 to 256 bytes";
    text_copy(kid, key->kid, sizeof key->kid);
    return NULL;
}

/* NULL: it was read. Otherwise why it is left out. */
static const char *read_key(struct jwk *key, yyjson_val *object, unsigned algorithms)
{
    struct text type = strict_json_string(object, "kty");
    size_t i = 0;
    if (text_is(type, "oct"))
        return "a secret key has no place in a set of public ones: see token.hs256_secret";
    while (i < COUNT_OF(types) && !text_is(type, types[i].name))
        i++;
    if (i == COUNT_OF(types))
        return "keys of its type (kty) are not used";
    if (yyjson_obj_get(object, "d") != NULL)
        return "it is a private key: whoever has it makes tokens";
    if (!may_verify(object))
        return "it is not for signatures (use, key_ops)";
    key->algorithms = key_algorithms(object, types[i].algorithms) & algorithms;
    if (key->algorithms == 0)
        return "its algorithm is not among those that are allowed";
    const char *complaint = read_name(key, object);
    return complaint != NULL ? complaint : types[i].read(key, object);
}

static void free_key(struct jwk *key)
{
    if ((key->algorithms & JWK_EDDSA) != 0)
        EVP_PKEY_free(key->key);
    else if (key->key != NULL)
        cjose_jwk_release(key->key);
}

/* ---- a set ---- */

static void leave_out(struct jwk_set *set, size_t index, yyjson_val *object, const char *complaint)
{
    size_t length = strlen(set->left_out);
    struct text kid = strict_json_string(object, "kid");
    snprintf(set->left_out + length, sizeof set->left_out - length, "%skey %zu%s%.*s%s: %s",
             length > 0 ? "\n" : "", index + 1, kid.length > 0 ? " (kid " : "",
             (int)(kid.length < 40 ? kid.length : 40), kid.at == NULL ? "" : kid.at,
             kid.length > 0 ? ")" : "", complaint);
}

static bool is_twice(const struct jwk_set *set, const struct jwk *key)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->keys[i].has_kid && key->has_kid && strcmp(set->keys[i].kid, key->kid) == 0 &&
            (set->keys[i].algorithms & key->algorithms) != 0)
            return true;
    return false;
}

static void read_keys(struct jwk_set *set, yyjson_val *keys, unsigned algorithms)
{
    size_t index, count;
    yyjson_val *object;
    yyjson_arr_foreach(keys, index, count, object)
    {
        struct jwk *key = &set->keys[set->count];
        *key = (struct jwk){0};
        const char *complaint = yyjson_is_obj(object) ? read_key(key, object, algorithms) : "it is no object";
        if (complaint == NULL && is_twice(set, key))
            complaint = "its kid is that of a key before it";
        if (complaint == NULL) {
            set->count++;
            continue;
        }
        free_key(key);
        leave_out(set, index, object, complaint);
    }
    ERR_clear_error(); /* of what was no key */
}

static struct jwk_set *read_set(yyjson_val *root, unsigned algorithms, char *reason, size_t capacity)
{
    yyjson_val *keys = yyjson_obj_get(root, "keys");
    if (!yyjson_is_arr(keys) || yyjson_arr_size(keys) > JWK_SET_KEYS_MAX) {
        snprintf(reason, capacity, "expected {\"keys\": [...]} with at most %d keys", JWK_SET_KEYS_MAX);
        return NULL;
    }
    struct jwk_set *set = object_alloc(sizeof *set);
    set->magic = SET_MAGIC;
    set->references = 1;
    read_keys(set, keys, algorithms);
    if (set->count > 0)
        return set;
    snprintf(reason, capacity, "there is no key that could be used%s%.400s",
             *set->left_out == '\0' ? "" : ": ", set->left_out);
    jwk_set_release(set);
    return NULL;
}

struct jwk_set *jwk_set_read(struct text json, unsigned algorithms, char *reason, size_t capacity)
{
    const char *complaint = "it is larger than 64 KiB";
    yyjson_doc *document = json.length > JWK_SET_BYTES_MAX ? NULL : strict_json_read(json, &complaint);
    if (document == NULL) {
        snprintf(reason, capacity, "%s", complaint);
        return NULL;
    }
    struct jwk_set *set = read_set(yyjson_doc_get_root(document), algorithms, reason, capacity);
    yyjson_doc_free(document);
    return set;
}

struct jwk_set *jwk_set_read_file(const char *path, unsigned algorithms, char *reason, size_t capacity)
{
    char *bytes = object_alloc(JWK_SET_BYTES_MAX);
    const char *complaint = NULL;
    ssize_t length = key_slurp(path, false, bytes, JWK_SET_BYTES_MAX, &complaint);
    struct jwk_set *set = NULL;
    if (length < 0)
        text_copy(text_of(complaint), reason, capacity);
    else
        set = jwk_set_read((struct text){bytes, (size_t)length}, algorithms, reason, capacity);
    free(bytes);
    return set;
}

struct jwk_set *jwk_set_acquire(struct jwk_set *set)
{
    CHECK_OBJECT(set, SET_MAGIC);
    __atomic_add_fetch(&set->references, 1, __ATOMIC_RELAXED);
    return set;
}

void jwk_set_release(struct jwk_set *set)
{
    if (set == NULL)
        return;
    CHECK_OBJECT(set, SET_MAGIC);
    if (__atomic_sub_fetch(&set->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < set->count; i++)
        free_key(&set->keys[i]);
    set->magic = 0;
    free(set);
}

bool jwk_same(const struct jwk *left, const struct jwk *right)
{
    return left->has_kid == right->has_kid && strcmp(left->kid, right->kid) == 0 &&
           strcmp(left->type, right->type) == 0 && left->algorithms == right->algorithms &&
           memcmp(left->digest, right->digest, JWK_DIGEST_BYTES) == 0;
}

const struct jwk *jwk_set_find(const struct jwk_set *set, unsigned algorithm, struct text kid)
{
    CHECK_OBJECT(set, SET_MAGIC);
    const struct jwk *only = NULL;
    size_t fitting = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct jwk *key = &set->keys[i];
        if ((key->algorithms & algorithm) == 0)
            continue;
        if (kid.at != NULL && key->has_kid && text_is(kid, key->kid))
            return key;
        only = key;
        fitting++;
    }
    return kid.at == NULL && fitting == 1 ? only : NULL;
}

/* ---- signatures ---- */

static bool verify_ed25519(EVP_PKEY *key, struct text signed_text, const uint8_t *signature, size_t length)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ENSURE(context != NULL);
    bool good = EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(context, signature, length, (const uint8_t *)signed_text.at,
                                 signed_text.length) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

/* 0 < r, s: what a broken verifier takes for good with any key (CVE-2022-21449). */
static bool is_zero(const uint8_t *bytes, size_t count)
{
    uint8_t all = 0;
    for (size_t i = 0; i < count; i++)
        all |= bytes[i];
    return all == 0;
}

static bool verify_jws(const struct jwk *key, struct text token)
{
    cjose_jws_t *jws = cjose_jws_import(token.at, token.length, NULL);
    bool good = jws != NULL && cjose_jws_verify(jws, key->key, NULL);
    cjose_jws_release(jws);
    return good;
}

bool jwk_verify(const struct jwk *key, unsigned algorithm, struct text token, size_t signed_length,
                const uint8_t *signature, size_t signature_length)
{
    if ((key->algorithms & algorithm) == 0 || signature_length != key->signature_bytes)
        return false;
    if (algorithm == JWK_ES256 &&
        (is_zero(signature, P256_BYTES) || is_zero(signature + P256_BYTES, P256_BYTES)))
        return false;
    bool good = algorithm == JWK_EDDSA ? verify_ed25519(key->key, (struct text){token.at, signed_length},
                                                        signature, signature_length)
                                       : verify_jws(key, token);
    if (!good)
        ERR_clear_error();
    return good;
}

bool jwk_verify_secret(struct text secret, struct text signed_text, const uint8_t *signature,
                       size_t signature_length)
{
    uint8_t expected[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    bool made = HMAC(EVP_sha256(), secret.at, (int)secret.length, (const uint8_t *)signed_text.at,
                     signed_text.length, expected, &length) != NULL;
    bool good = made && length == SHA256_BYTES && signature_length == SHA256_BYTES &&
                CRYPTO_memcmp(expected, signature, SHA256_BYTES) == 0;
    OPENSSL_cleanse(expected, sizeof expected);
    return good;
}
