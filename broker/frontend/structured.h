/* structured: header values that are Structured Fields (RFC 8941). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STRUCTURED_H
#define OUTRIGGER_STRUCTURED_H

#include <stddef.h>

/* `value` is an Item that is a String ("...", with \" and \\; blanks may be in it), with or without
 * parameters, which are passed over. Writes the String to `string`, without the quotes and the backslashes
 * and not ended by a NUL byte, and returns its length; 0 when it is empty or longer than `room`, or the value
 * is anything else. */
size_t structured_read_string(const char *value, char *string, size_t room);

#endif
