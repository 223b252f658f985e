/* object: see object.h. The few functions behind the checks, kept out of line so that the checks stay small.
 * SPDX-License-Identifier: MIT */
#include "object.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void object_panic(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, text);
    abort();
}

void *object_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes == 0 ? 1 : bytes);
    ENSURE(memory != NULL);
    return memory;
}

char *object_strdup(const char *text)
{
    char *copy = strdup(text);
    ENSURE(copy != NULL);
    return copy;
}

char *text_copy(struct text text, char *buffer, size_t capacity)
{
    size_t length = text.length < capacity ? text.length : capacity - 1;
    if (length > 0)
        memcpy(buffer, text.at, length);
    buffer[length] = '\0';
    return buffer;
}
