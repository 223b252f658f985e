/* hex: hexadecimal digits of URLs and forms. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HEX_H
#define OUTRIGGER_HEX_H

/* -1: it is no digit. */
static inline int hex_value(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    character |= 0x20;
    return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

#endif
