/* postgres_array: an array as PostgreSQL takes it in binary form: what goes to unnest(). Pure.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_POSTGRES_ARRAY_H
#define OUTRIGGER_BATCH_POSTGRES_ARRAY_H

#include "object.h"

/* The numbers of types, which never change. */
enum postgres_type {
    POSTGRES_INT8 = 20,
    POSTGRES_TEXT = 25,
    POSTGRES_FLOAT8 = 701,
    POSTGRES_INT8_ARRAY = 1016,
    POSTGRES_TEXT_ARRAY = 1009,
    POSTGRES_FLOAT8_ARRAY = 1022
};

/* Zeroed = empty, of no type. Its memory is kept for the next one. */
struct postgres_array {
    enum postgres_type type; /* of the array */
    uint8_t *bytes;
    size_t length, capacity, count;
    bool has_null;
};

/* Begins an array of that type of array. */
void postgres_array_begin(struct postgres_array *array, enum postgres_type type);
/* Add an element; of another type than the array's is a mistake of ours. */
void postgres_array_integer(struct postgres_array *array, int64_t value);
void postgres_array_number(struct postgres_array *array, double value);
void postgres_array_text(struct postgres_array *array, struct text text);
void postgres_array_null(struct postgres_array *array);
/* What is to be sent: `length` bytes. Elements may be added afterwards, too. */
const uint8_t *postgres_array_bytes(struct postgres_array *array);
void postgres_array_free(struct postgres_array *array);

/* Elements of answers in binary form. */
int64_t postgres_read_integer(const void *at);
double postgres_read_number(const void *at);

#endif
