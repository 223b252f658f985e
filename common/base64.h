/* base64: the two alphabets of RFC 4648: section 5 without padding, as RFC 7515 has it, and section 4 with
 * its padding, as Sigstore's bundles have it. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BASE64_H
#define OUTRIGGER_BASE64_H

#include "object.h"

/* How many bytes a text of that length without padding stands for; -1: no text has it. */
ptrdiff_t base64url_bytes(size_t length);
/* Decodes the whole text; how many bytes, or -1: a foreign character (padding, blanks), a length that cannot
 * be, bits behind the last byte that are not zero (so each sequence of bytes has one text), or more than
 * `capacity` bytes. */
ptrdiff_t base64url_decode(struct text text, uint8_t *bytes, size_t capacity);

/* Decodes the whole text into memory that the caller frees; *length in bytes. NULL: a foreign character (a
 * blank, a line break), padding that is missing or stands elsewhere than at the end, or bits behind the last
 * byte that are not zero, so that each sequence of bytes has one text. */
uint8_t *base64_decode(struct text text, size_t *length);

#endif
