/* postgres_reader: see postgres_reader.h. For table_postgres.c, which says why rows are looked at twice.
 * SPDX-License-Identifier: MIT */
#include "postgres_reader.h"

#include "postgres_array.h"

#include <stdlib.h>

/* ---- keys ---- */

struct text postgres_reader_key(const struct postgres_link *link, size_t row)
{
    struct text key;
    key.at = postgres_link_value(link, row, 0, &key.length);
    return key;
}

struct postgres_value postgres_reader_parameter(const struct postgres_plan *plan, struct text key)
{
    return (struct postgres_value){.type = plan->key.integer ? POSTGRES_INT8 : POSTGRES_TEXT,
                                   .at = key.at,
                                   .length = key.length,
                                   .binary = true};
}

static int compare_keys(const void *one, const void *other)
{
    const struct text *a = one, *b = other;
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->at, b->at, shorter);
    return order != 0 ? order : a->length < b->length ? -1 : a->length > b->length;
}

/* ---- rows ---- */

static struct row_value read_value(const struct postgres_link *link, const struct postgres_plan *plan,
                                   size_t row, size_t value)
{
    size_t length;
    const void *at = postgres_link_value(link, row, value + 1, &length);
    if (at == NULL)
        return (struct row_value){.kind = ROW_MISSING};
    switch (postgres_value_form(plan, value)) {
    case POSTGRES_AS_INTEGER:
        return (struct row_value){.kind = ROW_INTEGER, .integer = postgres_read_integer(at)};
    case POSTGRES_AS_NUMBER:
        return (struct row_value){.kind = ROW_NUMBER, .number = postgres_read_number(at)};
    case POSTGRES_AS_TRUTH:
        return (struct row_value){.kind = ROW_TRUTH, .truth = *(const char *)at != 0};
    case POSTGRES_AS_TEXT:
        break;
    }
    return (struct row_value){.kind = ROW_STRING, .text = {at, length}};
}

static void add_row(struct postgres_reader *reader, const struct postgres_link *link,
                    const struct postgres_plan *plan, size_t row, struct chunk *chunk)
{
    struct text text = postgres_reader_key(link, row);
    struct row_value key = {.kind = ROW_STRING, .text = text};
    if (plan->key.integer)
        key = (struct row_value){.kind = ROW_INTEGER, .integer = postgres_read_integer(text.at)};
    if (reader->values == NULL)
        reader->values = object_alloc((plan->width + 1) * sizeof *reader->values);
    for (size_t i = 0; i < plan->width; i++)
        reader->values[i] = read_value(link, plan, row, i);
    chunk_add(chunk, &key, (struct text){0}, reader->values);
}

void postgres_reader_add(struct postgres_reader *reader, const struct postgres_link *link,
                         const struct postgres_plan *plan, struct chunk *chunk)
{
    size_t rows = postgres_link_rows(link);
    for (size_t row = 0; row < rows; row++)
        add_row(reader, link, plan, row, chunk);
}

/* Adds the rows of the answer that is aside, but those whose keys the last answer has. */
static void add_others(struct postgres_reader *reader, struct postgres_link *link,
                       const struct postgres_plan *plan, struct chunk *chunk)
{
    size_t done = postgres_link_rows(link);
    struct text *keys = object_alloc((done + 1) * sizeof *keys);
    for (size_t i = 0; i < done; i++)
        keys[i] = postgres_reader_key(link, i);
    qsort(keys, done, sizeof *keys, compare_keys);
    postgres_link_swap(link);
    for (size_t row = 0; row < postgres_link_rows(link); row++) {
        struct text key = postgres_reader_key(link, row);
        if (bsearch(&key, keys, done, sizeof *keys, compare_keys) == NULL)
            add_row(reader, link, plan, row, chunk);
    }
    postgres_link_swap(link);
    free(keys);
}

enum postgres_outcome postgres_reader_add_undone(struct postgres_reader *reader, struct postgres_link *link,
                                                 const struct postgres_plan *plan, const char *done,
                                                 struct chunk *chunk, char reason[TABLE_REASON_MAX])
{
    size_t rows = postgres_link_rows(link);
    const struct postgres_value values[] = {
        postgres_reader_parameter(plan, postgres_reader_key(link, 0)),
        postgres_reader_parameter(plan, postgres_reader_key(link, rows - 1))};
    postgres_link_swap(link);
    enum postgres_outcome outcome = postgres_link_ask(link, done, values, COUNT_OF(values), reason);
    if (outcome == POSTGRES_DONE)
        add_others(reader, link, plan, chunk);
    return outcome;
}

void postgres_reader_free(struct postgres_reader *reader)
{
    free(reader->values);
    reader->values = NULL;
}
