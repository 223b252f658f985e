/* fuzz_once: values of the header Idempotency-Key, as any client may send them. A value that is a key says
 * the same whichever way that key is written, and every text that may be a key is one when it is written as
 * RFC 8941 has it. SPDX-License-Identifier: MIT */
#include "once.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As a String, and behind it what is to be passed over. */
static void must_say(const char *key, size_t length, const char *behind)
{
    char value[2 * ONCE_KEY_MAX + 32], read[ONCE_KEY_MAX];
    char *at = value;
    *at++ = '"';
    for (size_t i = 0; i < length; i++) {
        if (key[i] == '"' || key[i] == '\\')
            *at++ = '\\';
        *at++ = key[i];
    }
    *at++ = '"';
    strcpy(at, behind);
    ENSURE(once_read_key(value, read) == length && memcmp(read, key, length) == 0);
}

static void check_value(const char *value)
{
    char key[ONCE_KEY_MAX];
    size_t length = once_read_key(value, key);
    ENSURE(length <= ONCE_KEY_MAX);
    for (size_t i = 0; i < length; i++)
        ENSURE(key[i] >= 0x20 && key[i] <= 0x7e);
    if (length == 0)
        return;
    must_say(key, length, "");
    must_say(key, length, ";a=\"b\\\\\" ");
    if (value[strspn(value, " ")] != '"')
        ENSURE(strlen(value) == length && memcmp(value, key, length) == 0);
}

static void check_key(const uint8_t *data, size_t size)
{
    char key[ONCE_KEY_MAX];
    size_t length = size < ONCE_KEY_MAX ? size : ONCE_KEY_MAX;
    for (size_t i = 0; i < length; i++)
        key[i] = (char)(0x20 + data[i] % (0x7f - 0x20));
    if (length > 0)
        must_say(key, length, "; x=:Y+/=:;*=-1.25;z=?0");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *value = object_alloc(size + 1);
    if (size > 0)
        memcpy(value, data, size);
    check_value(value);
    check_key(data, size);
    free(value);
    return 0;
}
