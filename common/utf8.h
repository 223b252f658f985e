/* utf8: characters of UTF-8, checked. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_UTF8_H
#define OUTRIGGER_UTF8_H

#include "object.h"

/* Bytes of the well-formed character at `at` (Unicode table 3-7: no overlong forms, no surrogates, nothing
 * above U+10FFFF); 0 when there is none within `left` bytes. */
static inline size_t utf8_length(const char *at, size_t left)
{
    const unsigned char *byte = (const unsigned char *)at;
    if (left == 0)
        return 0;
    if (byte[0] < 0x80)
        return 1;
    size_t length = byte[0] >= 0xf0 ? 4 : byte[0] >= 0xe0 ? 3 : 2;
    if (byte[0] < 0xc2 || byte[0] > 0xf4 || left < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xf0 && byte[1] < 0x90);
    bool surrogate = byte[0] == 0xed && byte[1] > 0x9f;
    bool too_high = byte[0] == 0xf4 && byte[1] > 0x8f;
    return overlong || surrogate || too_high ? 0 : length;
}

/* All of the text is UTF-8. */
static inline bool utf8_ok(struct text text)
{
    for (size_t length; text.length > 0; text.at += length, text.length -= length) {
        length = utf8_length(text.at, text.length);
        if (length == 0)
            return false;
    }
    return true;
}

#endif
