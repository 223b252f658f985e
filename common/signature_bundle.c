/* signature_bundle: see signature_bundle.h. What is signed is not the payload but DSSE's encoding of its type
 * and its bytes (PAE), so that the signature of one kind of document is none of another. A bundle may say
 * which key it was made with; that saves trying, and is believed in nothing else: the keys are ours.
 *
 * Bundles that prove who signed by a certificate or a transparency log are told apart and refused: what they
 * need is an authority and a clock. Called by provenance.c. SPDX-License-Identifier: MIT */
#include "signature_bundle.h"

#include "base64.h"
#include "contents.h"
#include "strict_json.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define MEDIA_TYPE   "application/vnd.dev.sigstore.bundle.v0.3+json"
#define PAYLOAD_TYPE "application/vnd.in-toto+json"

enum { SIGNATURE_MAX = 256 /* bytes of a signature: DER of two numbers of 66 bytes */ };

/* ---- the bundle ---- */

static const char *read_key_hint(yyjson_val *root, struct signature_bundle *bundle)
{
    yyjson_val *material = yyjson_obj_get(root, "verificationMaterial");
    yyjson_val *key = yyjson_obj_get(material, "publicKey");
    if (yyjson_obj_get(material, "certificate") != NULL ||
        yyjson_obj_get(material, "x509CertificateChain") != NULL)
        return "is signed with a certificate, and not with a plain key (model_signing sign key)";
    if (!yyjson_is_obj(key))
        return "names no public key";
    yyjson_val *hint = yyjson_obj_get(key, "hint");
    if (hint == NULL || yyjson_is_null(hint))
        return NULL;
    struct text text = strict_json_string(key, "hint");
    if (text.length != 2 * CONTENTS_HASH)
        return "names its key in no known way";
    bundle->hint = text_copy(text, object_alloc(text.length + 1), text.length + 1);
    return NULL;
}

static const char *read_envelope(yyjson_val *root, struct signature_bundle *bundle)
{
    yyjson_val *envelope = yyjson_obj_get(root, "dsseEnvelope");
    yyjson_val *signatures = yyjson_obj_get(envelope, "signatures");
    struct text payload = strict_json_string(envelope, "payload");
    struct text signature = strict_json_string(yyjson_arr_get_first(signatures), "sig");
    if (!text_is(strict_json_string(envelope, "payloadType"), PAYLOAD_TYPE))
        return "signs something else than an in-toto statement";
    if (!yyjson_is_arr(signatures) || yyjson_arr_size(signatures) != 1)
        return "holds more or less than one signature";
    bundle->payload = payload.at == NULL ? NULL : base64_decode(payload, &bundle->payload_length);
    bundle->signature = signature.at == NULL || signature.length > 2 * SIGNATURE_MAX
                            ? NULL
                            : base64_decode(signature, &bundle->signature_length);
    return bundle->payload != NULL && bundle->signature != NULL ? NULL
                                                                : "its payload or signature is no base64";
}

const char *signature_bundle_read(struct text text, struct signature_bundle *bundle)
{
    const char *complaint;
    *bundle = (struct signature_bundle){0};
    if (text.length > SIGNATURE_BYTES_MAX)
        return "is too long";
    yyjson_doc *document = strict_json_read(text, &complaint);
    if (document == NULL)
        return "is no signature: expected a Sigstore bundle, as model_signing sign key makes it";
    yyjson_val *root = yyjson_doc_get_root(document);
    if (!text_is(strict_json_string(root, "mediaType"), MEDIA_TYPE))
        complaint = "is no Sigstore bundle of version 0.3";
    if (complaint == NULL)
        complaint = read_key_hint(root, bundle);
    if (complaint == NULL)
        complaint = read_envelope(root, bundle);
    yyjson_doc_free(document);
    if (complaint != NULL)
        signature_bundle_free(bundle);
    return complaint;
}

void signature_bundle_free(struct signature_bundle *bundle)
{
    free(bundle->hint);
    free(bundle->payload);
    free(bundle->signature);
    *bundle = (struct signature_bundle){0};
}

/* ---- keys ---- */

struct signing_key {
    EVP_PKEY *key;
    const EVP_MD *hash; /* that goes with its curve */
    char hint[2 * CONTENTS_HASH + 1];
};

struct signing_keys {
    struct signing_key *keys;
    size_t count;
};

/* The hash that goes with the key's curve; NULL: it is none of ours. */
static const EVP_MD *hash_of(EVP_PKEY *key)
{
    char curve[32];
    size_t length;
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof curve, &length) != 1)
        return NULL;
    if (strcmp(curve, "prime256v1") == 0)
        return EVP_sha256();
    return strcmp(curve, "secp384r1") == 0   ? EVP_sha384()
           : strcmp(curve, "secp521r1") == 0 ? EVP_sha512()
                                             : NULL;
}

/* As bundles name it: the SHA-256 of its PEM. */
static void set_hint(struct signing_key *key)
{
    uint8_t hash[CONTENTS_HASH];
    char *pem;
    BIO *memory = BIO_new(BIO_s_mem());
    ENSURE(memory != NULL && PEM_write_bio_PUBKEY(memory, key->key) == 1);
    long length = BIO_get_mem_data(memory, &pem);
    ENSURE(length > 0 && EVP_Digest(pem, (size_t)length, hash, NULL, EVP_sha256(), NULL) == 1);
    contents_hex(hash, key->hint);
    BIO_free(memory);
}

static bool add_key(struct signing_keys *keys, EVP_PKEY *public)
{
    const EVP_MD *hash = hash_of(public);
    if (hash == NULL) {
        EVP_PKEY_free(public);
        return false;
    }
    keys->keys = realloc(keys->keys, (keys->count + 1) * sizeof *keys->keys);
    ENSURE(keys->keys != NULL);
    struct signing_key *key = &keys->keys[keys->count++];
    *key = (struct signing_key){.key = public, .hash = hash};
    set_hint(key);
    return true;
}

/* All keys of an open file; what is wrong with it, or NULL. */
static const char *read_keys(struct signing_keys *keys, FILE *file)
{
    struct stat status;
    size_t before = keys->count;
    if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode))
        return "is no file";
    if ((status.st_mode & S_IWOTH) != 0)
        return "can be changed by everybody, who could sign models: chmod o-w it";
    for (EVP_PKEY *public; (public = PEM_read_PUBKEY(file, NULL, NULL, NULL)) != NULL;)
        if (!add_key(keys, public))
            return "holds a key that is not elliptic on P-256, P-384 or P-521";
    ERR_clear_error();
    return keys->count > before ? NULL : "holds no public key (PEM)";
}

static bool read_file(struct signing_keys *keys, const char *path, char *reason, size_t capacity)
{
    FILE *file = fopen(path, "re");
    const char *complaint = file == NULL ? strerror(errno) : read_keys(keys, file);
    if (complaint != NULL)
        snprintf(reason, capacity, "%s: %s", path, complaint);
    if (file != NULL)
        fclose(file);
    return complaint == NULL;
}

struct signing_keys *signing_keys_read(const char *list, char *reason, size_t capacity)
{
    struct signing_keys *keys = object_alloc(sizeof *keys);
    bool good = true;
    while (good && *(list += strspn(list, ":")) != '\0') {
        size_t length = strcspn(list, ":");
        char *path = text_copy((struct text){list, length}, object_alloc(length + 1), length + 1);
        good = read_file(keys, path, reason, capacity);
        free(path);
        list += length;
    }
    if (good && keys->count == 0)
        snprintf(reason, capacity, "no key is named");
    if (good && keys->count > 0)
        return keys;
    signing_keys_free(keys);
    return NULL;
}

void signing_keys_free(struct signing_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < keys->count; i++)
        EVP_PKEY_free(keys->keys[i].key);
    free(keys->keys);
    free(keys);
}

/* ---- verifying ---- */

static bool is_signed_by(const struct signing_key *key, const struct signature_bundle *bundle)
{
    char head[64 + sizeof PAYLOAD_TYPE];
    int length = snprintf(head, sizeof head, "DSSEv1 %zu %s %zu ", sizeof PAYLOAD_TYPE - 1, PAYLOAD_TYPE,
                          bundle->payload_length);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ENSURE(context != NULL && length > 0 && (size_t)length < sizeof head);
    bool good = EVP_DigestVerifyInit(context, NULL, key->hash, NULL, key->key) == 1 &&
                EVP_DigestVerifyUpdate(context, head, (size_t)length) == 1 &&
                EVP_DigestVerifyUpdate(context, bundle->payload, bundle->payload_length) == 1 &&
                EVP_DigestVerifyFinal(context, bundle->signature, bundle->signature_length) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return good;
}

const char *signing_keys_verify(const struct signing_keys *keys, const struct signature_bundle *bundle)
{
    bool known = false;
    for (size_t i = 0; i < keys->count; i++) {
        if (bundle->hint != NULL && strcmp(bundle->hint, keys->keys[i].hint) != 0)
            continue;
        if (is_signed_by(&keys->keys[i], bundle))
            return NULL;
        known = true;
    }
    return known ? "the signature is wrong: it is none of a trusted key, or what it signs was changed"
                 : "is signed with a key that is not among the trusted ones (signing.keys)";
}
