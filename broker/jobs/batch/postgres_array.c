/* postgres_array: see postgres_array.h.
 *
 *   int32 dimensions = 1 | int32 has NULLs | int32 type of an element | int32 elements | int32 lower bound =
 * 1 for each element: int32 length, or -1 for NULL | its bytes
 *
 * all of it with the high byte first. SPDX-License-Identifier: MIT */
#include "postgres_array.h"

#include <endian.h>
#include <stdlib.h>

enum { HEAD_BYTES = 20, FIRST_BYTES = 4096 };

/* Room for so many bytes at the end. */
static uint8_t *extend(struct postgres_array *array, size_t bytes)
{
    if (array->length + bytes > array->capacity) {
        size_t capacity = array->capacity * 2 < FIRST_BYTES ? FIRST_BYTES : array->capacity * 2;
        while (capacity < array->length + bytes)
            capacity *= 2;
        array->bytes = realloc(array->bytes, capacity);
        ENSURE(array->bytes != NULL);
        array->capacity = capacity;
    }
    array->length += bytes;
    return array->bytes + array->length - bytes;
}

static void put_32(uint8_t *at, uint32_t value)
{
    value = htobe32(value);
    memcpy(at, &value, sizeof value);
}

void postgres_array_begin(struct postgres_array *array, enum postgres_type type)
{
    ENSURE(type == POSTGRES_INT8_ARRAY || type == POSTGRES_TEXT_ARRAY || type == POSTGRES_FLOAT8_ARRAY);
    array->type = type;
    array->length = array->count = 0;
    array->has_null = false;
    extend(array, HEAD_BYTES);
}

static void add(struct postgres_array *array, const void *bytes, size_t length)
{
    ENSURE(length <= INT32_MAX);
    uint8_t *at = extend(array, 4 + length);
    put_32(at, (uint32_t)length);
    if (length > 0)
        memcpy(at + 4, bytes, length);
    array->count++;
}

void postgres_array_integer(struct postgres_array *array, int64_t value)
{
    ENSURE(array->type == POSTGRES_INT8_ARRAY);
    uint64_t bits = htobe64((uint64_t)value);
    add(array, &bits, sizeof bits);
}

void postgres_array_number(struct postgres_array *array, double value)
{
    ENSURE(array->type == POSTGRES_FLOAT8_ARRAY);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = htobe64(bits);
    add(array, &bits, sizeof bits);
}

void postgres_array_text(struct postgres_array *array, struct text text)
{
    ENSURE(array->type == POSTGRES_TEXT_ARRAY);
    add(array, text.at, text.length);
}

void postgres_array_null(struct postgres_array *array)
{
    put_32(extend(array, 4), UINT32_MAX);
    array->has_null = true;
    array->count++;
}

const uint8_t *postgres_array_bytes(struct postgres_array *array)
{
    uint32_t element = array->type == POSTGRES_INT8_ARRAY   ? POSTGRES_INT8
                       : array->type == POSTGRES_TEXT_ARRAY ? POSTGRES_TEXT
                                                            : POSTGRES_FLOAT8;
    put_32(array->bytes, 1);
    put_32(array->bytes + 4, array->has_null);
    put_32(array->bytes + 8, element);
    put_32(array->bytes + 12, (uint32_t)array->count);
    put_32(array->bytes + 16, 1);
    return array->bytes;
}

void postgres_array_free(struct postgres_array *array)
{
    free(array->bytes);
    *array = (struct postgres_array){0};
}

int64_t postgres_read_integer(const void *at)
{
    uint64_t bits;
    memcpy(&bits, at, sizeof bits);
    return (int64_t)be64toh(bits);
}

double postgres_read_number(const void *at)
{
    uint64_t bits;
    double value;
    memcpy(&bits, at, sizeof bits);
    bits = be64toh(bits);
    memcpy(&value, &bits, sizeof value);
    return value;
}
