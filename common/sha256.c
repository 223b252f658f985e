/* sha256: see sha256.h. For keys, tokens, names of users and of requests, while somebody waits. What hashes
 * files (contents.c) or goes on for ever (chain.c) has contexts of its own. Called by api_key.c and, in a
 * frontend, by whoever finds out who asks and by audited.c; by entity_tag.c and html_page.c.
 * SPDX-License-Identifier: MIT */
#include "sha256.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct sha256 {
    EVP_MD *function;
};

struct sha256 *sha256_new(void)
{
    struct sha256 *sha256 = object_alloc(sizeof *sha256);
    sha256->function = EVP_MD_fetch(NULL, "SHA256", NULL);
    ENSURE(sha256->function != NULL); /* a libcrypto without it is none */
    return sha256;
}

void sha256_free(struct sha256 *sha256)
{
    if (sha256 == NULL)
        return;
    EVP_MD_free(sha256->function);
    free(sha256);
}

void sha256_of(const struct sha256 *sha256, struct text text, uint8_t digest[SHA256_BYTES])
{
    ENSURE(EVP_Digest(text.at, text.length, digest, NULL, sha256->function, NULL) == 1);
}

struct sha256_sum sha256_begin(void)
{
    struct sha256_sum sum = {EVP_MD_CTX_new()};
    ENSURE(sum.context != NULL && EVP_DigestInit_ex(sum.context, EVP_sha256(), NULL) == 1);
    return sum;
}

void sha256_add_bytes(struct sha256_sum *sum, const void *bytes, size_t length)
{
    ENSURE(EVP_DigestUpdate(sum->context, bytes, length) == 1);
}

void sha256_add_text(struct sha256_sum *sum, struct text text)
{
    uint64_t length = text.length;
    sha256_add_bytes(sum, &length, sizeof length);
    if (length > 0)
        sha256_add_bytes(sum, text.at, text.length);
}

void sha256_end(struct sha256_sum *sum, uint8_t digest[SHA256_BYTES])
{
    ENSURE(EVP_DigestFinal_ex(sum->context, digest, NULL) == 1);
    EVP_MD_CTX_free(sum->context);
}
