/* base64: strict decoding, for the reason that base64url.c gives. SPDX-License-Identifier: MIT */
#include "base64.h"

#include <stdlib.h>

/* The value of a character; 64 for one that is none of the alphabet. */
static unsigned value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* The characters before the padding; `text` is a multiple of four long. */
static size_t without_padding(struct text text)
{
    size_t length = text.length;
    for (int i = 0; i < 2 && length > 0 && text.at[length - 1] == '='; i++)
        length--;
    return length;
}

uint8_t *base64_decode(struct text text, size_t *length)
{
    if (text.length % 4 != 0)
        return NULL;
    size_t characters = without_padding(text);
    uint8_t *bytes = object_alloc(text.length / 4 * 3 + 1);
    unsigned gathered = 0, bits = 0;
    *length = 0;
    for (size_t i = 0; i < characters; i++) {
        unsigned value = value_of(text.at[i]);
        if (value > 63) {
            free(bytes);
            return NULL;
        }
        gathered = gathered << 6 | value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[(*length)++] = (uint8_t)(gathered >> bits);
            gathered &= (1U << bits) - 1;
        }
    }
    if (gathered == 0)
        return bytes;
    free(bytes);
    return NULL;
}
