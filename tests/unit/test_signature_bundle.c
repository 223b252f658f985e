/* test_signature_bundle: bundles and keys, those of the tool and those that somebody would like to pass for
 * such. SPDX-License-Identifier: MIT */
#include "object.h"
#include "signature_bundle.h"
#include "signed_model.h"

#define PAYLOAD "{\"what\": \"is signed\"}"

static char reason[512];
static EVP_PKEY *key, *other;

static void set_up(void)
{
    scratch_make();
    key = signed_key("P-256");
    other = signed_key("P-256");
}

static void tear_down(void)
{
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    scratch_remove();
}

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s", path);
    char *text = calloc(65536, 1);
    *length = fread(text, 1, 65535, file);
    fclose(file);
    return text;
}

static struct signing_keys *keys_of(const char *list)
{
    struct signing_keys *keys = signing_keys_read(list, reason, sizeof reason);
    ck_assert_msg(keys != NULL, "%s", reason);
    return keys;
}

/* NULL or the complaint, of reading or of verifying. */
static const char *verdict(const char *text, const char *list)
{
    struct signature_bundle bundle;
    struct signing_keys *keys = keys_of(list);
    const char *complaint = signature_bundle_read(text_of(text), &bundle);
    if (complaint == NULL) {
        complaint = signing_keys_verify(keys, &bundle);
        signature_bundle_free(&bundle);
    }
    signing_keys_free(keys);
    return complaint;
}

static void expect_refused(const char *text, const char *list, const char *words)
{
    const char *complaint = verdict(text, list);
    ck_assert_msg(complaint != NULL && strstr(complaint, words) != NULL, "expected %s, got %s", words,
                  complaint == NULL ? "no complaint" : complaint);
}

/* ---- the tool's own ---- */

START_TEST(signatures_of_the_tool)
{
    static const char *const made[][2] = {
        {"tests/models/signed/1/model.sig", "tests/models/signed/trusted.pem"},
        {"tests/models/signed/other/p384.sig", "tests/models/signed/other/p384.pem"},
        {"tests/models/signed/other/p521.sig", "tests/models/signed/other/p521.pem"},
        {"tests/models/signed/other/p521.sig",
         "tests/models/signed/trusted.pem:tests/models/signed/other/p521.pem"},
    };
    for (size_t i = 0; i < COUNT_OF(made); i++) {
        size_t length;
        char *text = read_file(made[i][0], &length);
        const char *complaint = verdict(text, made[i][1]);
        ck_assert_msg(complaint == NULL, "%s: %s", made[i][0], complaint);
        expect_refused(text, signed_public(other, "other.pem"), "not among the trusted ones");
        free(text);
    }
}
END_TEST

START_TEST(a_byte_of_it_that_is_another)
{
    size_t length, taken = 0;
    char *text = read_file("tests/models/signed/1/model.sig", &length);
    char *payload = strstr(text, "\"payload\":\"") + 11, *signature = strstr(text, "\"sig\":\"") + 7;
    char *const places[] = {payload, payload + 40, payload + 400, signature + 8, signature + 40};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        char before = *places[i];
        *places[i] = before == 'A' ? 'B' : 'A';
        taken += verdict(text, "tests/models/signed/trusted.pem") == NULL;
        *places[i] = before;
    }
    ck_assert_uint_eq(taken, 0);
    ck_assert_ptr_null(verdict(text, "tests/models/signed/trusted.pem"));
    free(text);
}
END_TEST

/* ---- made here ---- */

START_TEST(what_is_signed_is_given_out)
{
    struct signature_bundle bundle;
    ck_assert_ptr_null(signature_bundle_read(text_of(signed_by(key, PAYLOAD)), &bundle));
    ck_assert_uint_eq(bundle.payload_length, strlen(PAYLOAD));
    ck_assert_mem_eq(bundle.payload, PAYLOAD, strlen(PAYLOAD));
    ck_assert_str_eq(bundle.hint, signed_hint(key));
    signature_bundle_free(&bundle);
}
END_TEST

START_TEST(a_bundle_that_does_not_say_whose_it_is)
{
    const char *signature = signed_signature(key, EVP_sha256(), SIGNED_TYPE, PAYLOAD);
    signed_public(other, "both.pem"); /* two keys in a file */
    const char *both = signed_public(key, "both.pem");
    ck_assert_ptr_null(verdict(signed_bundle("\"publicKey\":{}", PAYLOAD, signature), both));
    ck_assert_ptr_null(verdict(signed_bundle("\"publicKey\":{\"hint\":null}", PAYLOAD, signature), both));
    expect_refused(signed_bundle("\"publicKey\":{}", PAYLOAD, signature), signed_public(other, "other.pem"),
                   "the signature is wrong");
}
END_TEST

START_TEST(a_name_of_a_key_is_no_proof)
{
    char *hint = signed_text("\"publicKey\":{\"hint\":\"%s\"}", signed_hint(key));
    const char *trusted = signed_public(key, "key.pem");
    expect_refused(signed_bundle(hint, PAYLOAD, signed_signature(other, EVP_sha256(), SIGNED_TYPE, PAYLOAD)),
                   trusted, "the signature is wrong");
    expect_refused(
        signed_bundle(hint, PAYLOAD " ", signed_signature(key, EVP_sha256(), SIGNED_TYPE, PAYLOAD)), trusted,
        "the signature is wrong");
    expect_refused(signed_bundle(hint, PAYLOAD, ""), trusted, "the signature is wrong");
}
END_TEST

/* The type is part of what is signed; the hash is the curve's. */
START_TEST(other_documents_of_the_same_key)
{
    char *hint = signed_text("\"publicKey\":{\"hint\":\"%s\"}", signed_hint(key));
    const char *trusted = signed_public(key, "key.pem");
    expect_refused(
        signed_bundle(hint, PAYLOAD, signed_signature(key, EVP_sha256(), "application/json", PAYLOAD)),
        trusted, "the signature is wrong");
    expect_refused(signed_bundle(hint, PAYLOAD, signed_signature(key, EVP_sha512(), SIGNED_TYPE, PAYLOAD)),
                   trusted, "the signature is wrong");
}
END_TEST

START_TEST(what_is_no_bundle)
{
    const char *trusted = signed_public(key, "key.pem"), *good = signed_by(key, PAYLOAD);
    static const struct {
        const char *from, *to, *words;
    } changes[] = {
        {"bundle.v0.3", "bundle.v0.2", "no Sigstore bundle of version 0.3"},
        {"\"mediaType\"", "\"media\"", "no Sigstore bundle of version 0.3"},
        {"\"publicKey\":{\"hint\"", "\"certificate\":{\"rawBytes\"", "signed with a certificate"},
        {"\"publicKey\":{\"hint\"", "\"x509CertificateChain\":{\"certificates\"",
         "signed with a certificate"},
        {"\"publicKey\":{\"hint\"", "\"key\":{\"hint\"", "names no public key"},
        {"\"hint\":\"", "\"hint\":\"0", "names its key in no known way"},
        {"in-toto+json", "in-toto+yaml", "something else than an in-toto statement"},
        {"\"signatures\":[", "\"signatures\":[{},", "more or less than one signature"},
        {"\"signatures\":[", "\"others\":[", "more or less than one signature"},
        {"\"payload\":\"", "\"payload\":\" ", "no base64"},
        {"\"sig\":\"", "\"sig\":\"-", "no base64"},
        {"\"sig\":\"", "\"signature\":\"", "no base64"},
        {"\"keyid\":\"\"", "\"sig\":\"\"", "is no signature"}, /* a member twice */
        {"{\"mediaType", "[{\"mediaType", "is no signature"},
    };
    ck_assert_ptr_null(verdict(good, trusted));
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        const char *at = strstr(good, changes[i].from);
        ck_assert_ptr_nonnull(at);
        expect_refused(
            signed_text("%.*s%s%s", (int)(at - good), good, changes[i].to, at + strlen(changes[i].from)),
            trusted, changes[i].words);
    }
    expect_refused("", trusted, "is no signature");
    expect_refused("null", trusted, "is no signature");
    char *long_signature = signed_text("%*s", 600, "");
    memset(long_signature, 'A', 600);
    expect_refused(signed_bundle("\"publicKey\":{}", PAYLOAD, long_signature), trusted, "no base64");
}
END_TEST

/* ---- keys ---- */

static void expect_no_key(const char *list, const char *words)
{
    ck_assert_ptr_null(signing_keys_read(list, reason, sizeof reason));
    ck_assert_msg(strstr(reason, words) != NULL, "expected %s, got %s", words, reason);
}

START_TEST(keys_that_are_not_taken)
{
    EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048),
             *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), *strange = signed_key("secp256k1");
    expect_no_key(signed_public(rsa, "rsa.pem"), "rsa.pem: holds a key that is not elliptic");
    expect_no_key(signed_public(ed, "ed.pem"), "ed.pem: holds a key that is not elliptic");
    expect_no_key(signed_public(strange, "k1.pem"), "k1.pem: holds a key that is not elliptic");
    signed_public(key, "mixed.pem");
    expect_no_key(signed_public(rsa, "mixed.pem"), "mixed.pem: holds a key that is not elliptic");
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ed);
    EVP_PKEY_free(strange);
}
END_TEST

START_TEST(files_that_hold_no_keys)
{
    char path[200];
    expect_no_key(scratch_path("none.pem"), "none.pem: No such file or directory");
    expect_no_key(scratch_file("empty.pem", ""), "empty.pem: holds no public key (PEM)");
    expect_no_key(scratch_file("text.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
                  "text.pem: holds no public key (PEM)");
    expect_no_key(scratch_folder("folder"), "folder: is no file");
    expect_no_key("::", "no key is named");
    FILE *file = fopen(scratch_path("secret.pem"), "w");
    ck_assert_int_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    expect_no_key(scratch_path("secret.pem"), "secret.pem: holds no public key (PEM)");
    strcpy(path, signed_public(key, "open.pem"));
    ck_assert_int_eq(chmod(path, 0646), 0);
    expect_no_key(path, "open.pem: can be changed by everybody");
    strcpy(path, signed_public(key, "good.pem"));
    expect_no_key(signed_text("%s:%s", path, scratch_path("empty.pem")), "empty.pem: holds no public key");
}
END_TEST

int main(void)
{
    const TTest *const bundles[] = {signatures_of_the_tool,      a_byte_of_it_that_is_another,
                                    what_is_signed_is_given_out, a_bundle_that_does_not_say_whose_it_is,
                                    a_name_of_a_key_is_no_proof, other_documents_of_the_same_key,
                                    what_is_no_bundle,           NULL};
    const TTest *const keys[] = {keys_that_are_not_taken, files_that_hold_no_keys, NULL};
    Suite *suite = suite_create("signature_bundle");
    suite_add(suite, "bundles", set_up, tear_down, bundles);
    suite_add(suite, "keys", set_up, tear_down, keys);
    return suite_finish(suite);
}
