/* base64url: strict decoding. A decoder that passes over blanks or padding, or takes two texts for the same
 * bytes, lets one token stand under many names: in caches, in logs, on lists. SPDX-License-Identifier: MIT */
#include "base64url.h"

/* The value of a character; 64 for one that is none of the alphabet. */
static unsigned value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == '-' ? 62 : c == '_' ? 63 : 64;
}

ptrdiff_t base64url_bytes(size_t length)
{
    static const ptrdiff_t rest[] = {0, -1, 1, 2};
    return length % 4 == 1 ? -1 : (ptrdiff_t)(length / 4 * 3) + rest[length % 4];
}

ptrdiff_t base64url_decode(struct text text, uint8_t *bytes, size_t capacity)
{
    ptrdiff_t count = base64url_bytes(text.length);
    if (count < 0 || (size_t)count > capacity)
        return -1;
    unsigned gathered = 0, bits = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned value = value_of(text.at[i]);
        if (value > 63)
            return -1;
        gathered = gathered << 6 | value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *bytes++ = (uint8_t)(gathered >> bits);
            gathered &= (1U << bits) - 1;
        }
    }
    return gathered == 0 ? count : -1;
}
