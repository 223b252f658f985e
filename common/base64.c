/* base64: strict decoding. A decoder that passes over blanks or padding, or takes two texts for the same
 * bytes, lets one token stand under many names: in caches, in logs, on lists. SPDX-License-Identifier: MIT */
#include "base64.h"

#include <stdlib.h>

/* The value of a character; `last`: the two for 62 and 63; 64 for one that is none of the alphabet. */
static unsigned value_of(char c, const char last[2])
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == last[0] ? 62 : c == last[1] ? 63 : 64;
}

/* Decodes a text without padding, of a length that can be. False: it is none. */
static bool decode(struct text text, const char last[2], uint8_t *bytes)
{
    unsigned gathered = 0, bits = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned value = value_of(text.at[i], last);
        if (value > 63)
            return false;
        gathered = gathered << 6 | value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *bytes++ = (uint8_t)(gathered >> bits);
            gathered &= (1U << bits) - 1;
        }
    }
    return gathered == 0;
}

ptrdiff_t base64url_bytes(size_t length)
{
    static const ptrdiff_t rest[] = {0, -1, 1, 2};
    return length % 4 == 1 ? -1 : (ptrdiff_t)(length / 4 * 3) + rest[length % 4];
}

ptrdiff_t base64url_decode(struct text text, uint8_t *bytes, size_t capacity)
{
    ptrdiff_t count = base64url_bytes(text.length);
    return count >= 0 && (size_t)count <= capacity && decode(text, "-_", bytes) ? count : -1;
}

uint8_t *base64_decode(struct text text, size_t *length)
{
    if (text.length % 4 != 0)
        return NULL;
    for (int i = 0; i < 2 && text.length > 0 && text.at[text.length - 1] == '='; i++)
        text.length--;
    *length = (size_t)base64url_bytes(text.length);
    uint8_t *bytes = object_alloc(*length + 1);
    if (decode(text, "+/", bytes))
        return bytes;
    free(bytes);
    return NULL;
}
