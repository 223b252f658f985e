/* base64url: RFC 4648 section 5 without padding, as RFC 7515 has it. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BASE64URL_H
#define OUTRIGGER_BASE64URL_H

#include "object.h"

/* How many bytes a text of that length stands for; -1: no text has it. */
ptrdiff_t base64url_bytes(size_t length);
/* Decodes the whole text; how many bytes, or -1: a foreign character (padding, blanks), a length that cannot
 * be, bits behind the last byte that are not zero (so each sequence of bytes has one text), or more than
 * `capacity` bytes. */
ptrdiff_t base64url_decode(struct text text, uint8_t *bytes, size_t capacity);

#endif
