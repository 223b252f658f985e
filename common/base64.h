/* base64: RFC 4648 section 4, with its padding, as Sigstore's bundles have it. Pure. SPDX-License-Identifier:
 * MIT */
#ifndef OUTRIGGER_BASE64_H
#define OUTRIGGER_BASE64_H

#include "object.h"

/* Decodes the whole text into memory that the caller frees; *length in bytes. NULL: a foreign character (a
 * blank, a line break), padding that is missing or stands elsewhere than at the end, or bits behind the last
 * byte that are not zero, so that each sequence of bytes has one text. */
uint8_t *base64_decode(struct text text, size_t *length);

#endif
