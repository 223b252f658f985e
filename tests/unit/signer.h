/* signer: makes tokens and keys as an issuer does, with OpenSSL alone: nothing of what is tested. Call
 * signer_init once, in main. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SIGNER_H
#define OUTRIGGER_SIGNER_H

#include "suite.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#define SIGNER_SECRET "0123456789abcdef0123456789abcdef"

/* Two issuers, and a key that is too short. */
static EVP_PKEY *signer_rsa, *signer_other_rsa, *signer_weak_rsa, *signer_ec, *signer_other_ec, *signer_ed;

static inline EVP_PKEY *signer_new_ed(void)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static inline void signer_init(void)
{
    signer_rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    signer_other_rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    signer_weak_rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    signer_ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    signer_other_ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    signer_ed = signer_new_ed();
    if (!signer_rsa || !signer_other_rsa || !signer_weak_rsa || !signer_ec || !signer_other_ec || !signer_ed)
        abort(); /* no test runs yet */
}

static inline void signer_end(void)
{
    EVP_PKEY *keys[] = {signer_rsa, signer_other_rsa, signer_weak_rsa, signer_ec, signer_other_ec, signer_ed};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        EVP_PKEY_free(keys[i]);
}

/* Texts that live as long as the test. */
static char *signer_kept[4096];
static size_t signer_kept_count;

static inline char *signer_keep(char *text)
{
    ck_assert_uint_lt(signer_kept_count, sizeof signer_kept / sizeof *signer_kept);
    return signer_kept[signer_kept_count++] = text;
}

static inline void signer_forget(void)
{
    while (signer_kept_count > 0)
        free(signer_kept[--signer_kept_count]);
}

static inline char *signer_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline char *signer_text(const char *format, ...)
{
    va_list arguments;
    char *text;
    va_start(arguments, format);
    ck_assert_int_ge(vasprintf(&text, format, arguments), 0);
    va_end(arguments);
    return signer_keep(text);
}

static inline char *signer_base64url(const void *bytes, size_t length)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *from = bytes;
    char *text = calloc(length * 2 + 4, 1), *to = text;
    for (size_t i = 0; i < length; i += 3) {
        uint32_t three = (uint32_t)from[i] << 16 | (i + 1 < length ? (uint32_t)from[i + 1] << 8 : 0) |
                         (i + 2 < length ? from[i + 2] : 0);
        size_t digits = length - i >= 3 ? 4 : length - i + 1;
        for (size_t digit = 0; digit < digits; digit++)
            *to++ = alphabet[three >> (18 - 6 * digit) & 63];
    }
    return signer_keep(text);
}

static inline char *signer_encode(const char *text)
{
    return signer_base64url(text, strlen(text));
}

/* ---- signatures ---- */

static inline size_t signer_digest_sign(EVP_PKEY *key, const EVP_MD *digest, bool pss, const char *text,
                                        uint8_t signature[1024])
{
    size_t length = 1024;
    EVP_PKEY_CTX *options;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ck_assert_int_eq(EVP_DigestSignInit(context, &options, digest, NULL, key), 1);
    if (pss) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    ck_assert_int_eq(EVP_DigestSign(context, signature, &length, (const uint8_t *)text, strlen(text)), 1);
    EVP_MD_CTX_free(context);
    return length;
}

/* From DER to r and s, 32 bytes each. */
static inline size_t signer_ec_sign(EVP_PKEY *key, const char *text, uint8_t signature[1024])
{
    uint8_t der[1024];
    const uint8_t *at = der;
    size_t length = signer_digest_sign(key, EVP_sha256(), false, text, der);
    ECDSA_SIG *both = d2i_ECDSA_SIG(NULL, &at, (long)length);
    ck_assert_ptr_nonnull(both);
    BN_bn2binpad(ECDSA_SIG_get0_r(both), signature, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(both), signature + 32, 32);
    ECDSA_SIG_free(both);
    return 64;
}

/* The third segment over the first two. */
static inline char *signer_sign(const char *algorithm, EVP_PKEY *key, const char *secret, const char *text)
{
    uint8_t signature[1024];
    size_t length;
    unsigned hmac_length = 0;
    if (strcmp(algorithm, "RS256") == 0 || strcmp(algorithm, "PS256") == 0) {
        length = signer_digest_sign(key, EVP_sha256(), *algorithm == 'P', text, signature);
    } else if (strcmp(algorithm, "ES256") == 0) {
        length = signer_ec_sign(key, text, signature);
    } else if (strcmp(algorithm, "EdDSA") == 0) {
        length = signer_digest_sign(key, NULL, false, text, signature);
    } else {
        HMAC(EVP_sha256(), secret, (int)strlen(secret), (const uint8_t *)text, strlen(text), signature,
             &hmac_length);
        length = hmac_length;
    }
    return signer_base64url(signature, length);
}

/* A token with that header and those claims, signed by the algorithm, whatever the header says. */
static inline char *signer_token(const char *algorithm, EVP_PKEY *key, const char *header, const char *claims)
{
    char *text = signer_text("%s.%s", signer_encode(header), signer_encode(claims));
    return signer_text("%s.%s", text, signer_sign(algorithm, key, SIGNER_SECRET, text));
}

/* ---- keys as JSON ---- */

static inline char *signer_number(EVP_PKEY *key, const char *name, int bytes)
{
    BIGNUM *number = NULL;
    uint8_t buffer[2048];
    ck_assert_int_eq(EVP_PKEY_get_bn_param(key, name, &number), 1);
    int length = bytes > 0 ? BN_bn2binpad(number, buffer, bytes) : BN_bn2bin(number, buffer);
    BN_free(number);
    return signer_base64url(buffer, (size_t)length);
}

/* A public key with further members (",\"kid\":\"a\""). */
static inline char *signer_jwk(EVP_PKEY *key, const char *more)
{
    uint8_t raw[32];
    size_t length = sizeof raw;
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return signer_text("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}",
                           signer_number(key, OSSL_PKEY_PARAM_RSA_N, 0),
                           signer_number(key, OSSL_PKEY_PARAM_RSA_E, 0), more);
    case EVP_PKEY_EC:
        return signer_text("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"%s}",
                           signer_number(key, OSSL_PKEY_PARAM_EC_PUB_X, 32),
                           signer_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, 32), more);
    default:
        ck_assert_int_eq(EVP_PKEY_get_raw_public_key(key, raw, &length), 1);
        return signer_text("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"%s}",
                           signer_base64url(raw, length), more);
    }
}

#endif
