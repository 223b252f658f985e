/* hex: bytes as hexadecimal digits, and back. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HEX_H
#define OUTRIGGER_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a digit in a URL or a form, large or small; -1: it is none. */
static inline int hex_value(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    character |= 0x20;
    return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

/* Writes two small digits for each byte, without a terminator. */
static inline void hex_write(char *at, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        at[2 * i] = digits[bytes[i] >> 4];
        at[2 * i + 1] = digits[bytes[i] & 15];
    }
}

/* Reads what hex_write wrote: small digits alone, so that each sequence of bytes has one text. False: it is
 * none. */
static inline bool hex_read(const char *at, uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < 2 * count; i++) {
        bool good = (at[i] >= '0' && at[i] <= '9') || (at[i] >= 'a' && at[i] <= 'f');
        if (!good)
            return false;
        uint8_t value = (uint8_t)hex_value(at[i]);
        bytes[i / 2] = (uint8_t)(i % 2 == 0 ? value << 4 : bytes[i / 2] | value);
    }
    return true;
}

#endif
