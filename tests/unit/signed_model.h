/* signed_model: signatures of models as the tool makes them, made with OpenSSL alone: nothing of what is
 * tested is used. Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SIGNED_MODEL_H
#define OUTRIGGER_SIGNED_MODEL_H

#include "scratch_directory.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdarg.h>

#define SIGNED_BUNDLE "application/vnd.dev.sigstore.bundle.v0.3+json"
#define SIGNED_TYPE   "application/vnd.in-toto+json"

/* Texts that live as long as the test's process. */
static inline char *signed_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline char *signed_text(const char *format, ...)
{
    static char *kept[256];
    static size_t count;
    va_list arguments;
    va_start(arguments, format);
    free(kept[count % 256]);
    ck_assert_int_ge(vasprintf(&kept[count % 256], format, arguments), 0);
    va_end(arguments);
    return kept[count++ % 256];
}

static inline char *signed_base64(const void *bytes, size_t length)
{
    char *encoded = calloc(length * 4 / 3 + 8, 1);
    EVP_EncodeBlock((unsigned char *)encoded, bytes, (int)length);
    char *text = signed_text("%s", encoded);
    free(encoded);
    return text;
}

static inline char *signed_hex(const void *bytes, size_t length)
{
    char *text = signed_text("%*s", (int)(2 * length), "");
    for (size_t i = 0; i < length; i++)
        snprintf(text + 2 * i, 3, "%02x", ((const unsigned char *)bytes)[i]);
    return text;
}

static inline char *signed_hash(const void *bytes, size_t length)
{
    unsigned char hash[32];
    ck_assert_int_eq(EVP_Digest(bytes, length, hash, NULL, EVP_sha256(), NULL), 1);
    return signed_hex(hash, sizeof hash);
}

static inline EVP_PKEY *signed_key(const char *curve)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);
    ck_assert_ptr_nonnull(key);
    return key;
}

/* Adds the public key to a file of the scratch directory. */
static inline const char *signed_public(EVP_PKEY *key, const char *name)
{
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "a");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(PEM_write_PUBKEY(file, key), 1);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0644), 0);
    return path;
}

static inline char *signed_hint(EVP_PKEY *key)
{
    char *pem;
    BIO *memory = BIO_new(BIO_s_mem());
    ck_assert_int_eq(PEM_write_bio_PUBKEY(memory, key), 1);
    long length = BIO_get_mem_data(memory, &pem);
    char *hint = signed_hash(pem, (size_t)length);
    BIO_free(memory);
    return hint;
}

/* The base64 of the signature over DSSE's encoding of the payload. */
static inline char *signed_signature(EVP_PKEY *key, const EVP_MD *hash, const char *type, const char *payload)
{
    unsigned char signature[512];
    size_t length = sizeof signature;
    char *encoded = signed_text("DSSEv1 %zu %s %zu %s", strlen(type), type, strlen(payload), payload);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ck_assert_int_eq(EVP_DigestSignInit(context, NULL, hash, NULL, key), 1);
    ck_assert_int_eq(
        EVP_DigestSign(context, signature, &length, (const unsigned char *)encoded, strlen(encoded)), 1);
    EVP_MD_CTX_free(context);
    return signed_base64(signature, length);
}

static inline char *signed_bundle(const char *material, const char *payload, const char *signature)
{
    return signed_text("{\"mediaType\":\"" SIGNED_BUNDLE "\",\"verificationMaterial\":{%s},"
                       "\"dsseEnvelope\":{\"payload\":\"%s\",\"payloadType\":\"" SIGNED_TYPE
                       "\",\"signatures\":[{\"sig\":\"%s\",\"keyid\":\"\"}]}}",
                       material, signed_base64(payload, strlen(payload)), signature);
}

/* What the tool writes for a key on P-256. */
static inline char *signed_by(EVP_PKEY *key, const char *payload)
{
    return signed_bundle(signed_text("\"publicKey\":{\"hint\":\"%s\"},\"tlogEntries\":[]", signed_hint(key)),
                         payload, signed_signature(key, EVP_sha256(), SIGNED_TYPE, payload));
}

#endif
