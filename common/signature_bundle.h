/* signature_bundle: a signed statement as Sigstore's bundle has it: a JSON object with a DSSE envelope.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SIGNATURE_BUNDLE_H
#define OUTRIGGER_SIGNATURE_BUNDLE_H

#include "object.h"

enum { SIGNATURE_BYTES_MAX = 16 << 20 /* of a bundle: the names and hashes of very many files */ };

struct signature_bundle {
    char *hint; /* which key: the SHA-256 of its PEM, as hexadecimal digits; NULL: it does not say */
    uint8_t *payload;
    size_t payload_length;
    uint8_t *signature;
    size_t signature_length;
};

/* Reads a bundle (media type v0.3) with one signature by a plain key over an in-toto statement. NULL, and the
 * bundle is the caller's, or a constant complaint. Nothing is verified. */
const char *signature_bundle_read(struct text text, struct signature_bundle *bundle);
void signature_bundle_free(struct signature_bundle *bundle);

/* ---- keys ---- */

struct signing_keys;

/* Reads the files of the list (PATH:PATH), each with one or more public keys as PEM: elliptic ones on P-256,
 * P-384 or P-521. NULL with `reason`: one is not there, everybody may change it, or it holds none. */
struct signing_keys *signing_keys_read(const char *list, char *reason, size_t capacity);
void signing_keys_free(struct signing_keys *keys);
/* NULL when one of the keys has made the bundle's signature; else a constant complaint. */
const char *signing_keys_verify(const struct signing_keys *keys, const struct signature_bundle *bundle);

#endif
