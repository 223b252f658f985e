/* validate_rows: see validate_rows.h. Used by `outrigger validate` (validate_command.c, validate_judging.c).
 *
 * A validation asks for its rows several times, in other orders and batches, so all are kept: as the one
 * payload that row_builder makes of them, of which any rows can be taken in any order.
 * SPDX-License-Identifier: MIT */
#include "validate_rows.h"

#include "row_file.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS_MAGIC = 0x0a11da06 };

struct validate_rows {
    unsigned magic;
    struct row_builder *builder;
    /* Of each row. */
    char **truths;
    size_t count, room;
    struct row_value *first; /* values of the first */
    char **first_texts;
    uint64_t refused;
    char first_refusal[VALIDATE_REASON_MAX];
    /* All of them. */
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t tensor_count;
    size_t *starts[TENSOR_COUNT_MAX]; /* of each row of a tensor of BYTES, and the end; else NULL */
};

#define COMPLAIN(reason, ...) (snprintf((reason), VALIDATE_REASON_MAX, __VA_ARGS__), false)

/* ---- rows ---- */

static char *copy_of(struct text text)
{
    char *copy = object_alloc(text.length + 1);
    memcpy(copy, text.at, text.length);
    return copy;
}

static void keep_truth(struct validate_rows *rows, struct text truth)
{
    if (rows->count == rows->room) {
        rows->room = rows->room == 0 ? 256 : 2 * rows->room;
        rows->truths = realloc(rows->truths, rows->room * sizeof *rows->truths);
        ENSURE(rows->truths != NULL);
    }
    rows->truths[rows->count++] = copy_of(truth);
}

static void keep_first(struct validate_rows *rows, const struct row_value *values)
{
    size_t width = row_builder_width(rows->builder);
    rows->first = object_alloc(width * sizeof *rows->first);
    rows->first_texts = object_alloc(width * sizeof *rows->first_texts);
    for (size_t column = 0; column < width; column++) {
        rows->first[column] = values[column];
        if (rows->first[column].kind != ROW_TEXT)
            continue;
        rows->first_texts[column] = copy_of(values[column].text);
        rows->first[column].text.at = rows->first_texts[column];
    }
}

static void find_starts(struct validate_rows *rows)
{
    for (size_t i = 0; i < rows->tensor_count; i++) {
        const struct tensor *tensor = &rows->tensors[i];
        if (tensor->datatype != DATATYPE_BYTES)
            continue;
        size_t columns = 1, offset = 0;
        for (uint32_t axis = 1; axis < tensor->rank; axis++)
            columns *= (size_t)tensor->shape[axis];
        rows->starts[i] = object_alloc((rows->count + 1) * sizeof *rows->starts[i]);
        for (size_t row = 0; row < rows->count; row++) {
            rows->starts[i][row] = offset;
            for (size_t column = 0; column < columns; column++) {
                uint32_t length;
                memcpy(&length, tensor->data + offset, sizeof length);
                offset += sizeof length + length;
            }
        }
        rows->starts[i][rows->count] = offset;
    }
}

/* The builder is complete. */
static void take_all(struct validate_rows *rows)
{
    size_t bytes, decoded;
    const uint8_t *payload = row_builder_payload(rows->builder, 0, rows->count, &bytes);
    ENSURE(tensors_decode(payload, bytes, rows->tensors, &rows->tensor_count, &decoded) == NULL &&
           decoded == rows->count);
    find_starts(rows);
}

static bool read_rows(struct validate_rows *rows, struct row_file *file, bool needed, size_t most,
                      char *reason)
{
    enum csv_result result = CSV_RECORD;
    const char *first;
    while (rows->count < most && (result = row_file_next(file, reason)) == CSV_RECORD) {
        struct text truth = row_file_apart(file);
        if (needed && truth.length == 0) {
            row_file_refuse(file, "nothing stands in the column of the truth");
            continue;
        }
        if (rows->count == 0)
            keep_first(rows, row_file_values(file));
        keep_truth(rows, truth);
    }
    rows->refused = row_file_refused(file, &first);
    snprintf(rows->first_refusal, sizeof rows->first_refusal, "%s", first);
    if (result == CSV_WRONG)
        return false;
    if (rows->count == 0) {
        snprintf(reason, VALIDATE_REASON_MAX, "there are no rows%s%.400s%s",
                 rows->refused > 0 ? " that the model takes (" : "", first, rows->refused > 0 ? ")" : "");
        return false;
    }
    take_all(rows);
    return true;
}

/* ---- life ---- */

static struct validate_rows *begin(struct row_builder *builder)
{
    struct validate_rows *rows = object_alloc(sizeof *rows);
    rows->magic = ROWS_MAGIC;
    rows->builder = builder;
    return rows;
}

static struct validate_rows *read_file(const char *path, const struct schema *schema, const char *target,
                                       bool needed, size_t most, char *reason)
{
    struct validate_rows *rows = begin(row_builder_new(schema, most));
    struct row_file *file = row_file_new(path, rows->builder, target, needed, reason);
    bool good = file != NULL && read_rows(rows, file, needed, most, reason);
    row_file_free(file);
    if (good)
        return rows;
    validate_rows_free(rows);
    return NULL;
}

struct validate_rows *validate_rows_new(const char *path, const struct schema *schema, const char *target,
                                        size_t most, char reason[VALIDATE_REASON_MAX])
{
    return read_file(path, schema, target, true, most, reason);
}

struct validate_rows *validate_rows_untold(const char *path, const struct schema *schema, const char *target,
                                           size_t most, char reason[VALIDATE_REASON_MAX])
{
    return read_file(path, schema, target, false, most, reason);
}

struct validate_rows *validate_rows_of(struct row_builder *builder)
{
    struct validate_rows *rows = begin(builder);
    rows->count = row_builder_rows(builder);
    if (rows->count > 0)
        take_all(rows);
    return rows;
}

void validate_rows_free(struct validate_rows *rows)
{
    if (rows == NULL)
        return;
    CHECK_OBJECT(rows, ROWS_MAGIC);
    for (size_t i = 0; rows->first_texts != NULL && i < row_builder_width(rows->builder); i++)
        free(rows->first_texts[i]);
    for (size_t i = 0; rows->truths != NULL && i < rows->count; i++)
        free(rows->truths[i]);
    for (size_t i = 0; i < TENSOR_COUNT_MAX; i++)
        free(rows->starts[i]);
    free(rows->first_texts);
    free(rows->first);
    free(rows->truths);
    row_builder_free(rows->builder);
    rows->magic = 0;
    free(rows);
}

/* ---- what there is ---- */

size_t validate_rows_count(const struct validate_rows *rows)
{
    CHECK_OBJECT(rows, ROWS_MAGIC);
    return rows->count;
}

struct text validate_rows_truth(const struct validate_rows *rows, size_t row)
{
    CHECK_OBJECT(rows, ROWS_MAGIC);
    ENSURE(rows->truths != NULL && row < rows->count);
    return text_of(rows->truths[row]);
}

uint64_t validate_rows_refused(const struct validate_rows *rows, const char **first)
{
    CHECK_OBJECT(rows, ROWS_MAGIC);
    *first = rows->first_refusal;
    return rows->refused;
}

size_t validate_rows_width(const struct validate_rows *rows)
{
    CHECK_OBJECT(rows, ROWS_MAGIC);
    return row_builder_width(rows->builder);
}

const struct row_value *validate_rows_first(const struct validate_rows *rows)
{
    CHECK_OBJECT(rows, ROWS_MAGIC);
    return rows->first;
}

size_t validate_rows_tensors(const struct validate_rows *rows, struct tensor tensors[TENSOR_COUNT_MAX])
{
    CHECK_OBJECT(rows, ROWS_MAGIC);
    memcpy(tensors, rows->tensors, rows->tensor_count * sizeof *tensors);
    return rows->tensor_count;
}

/* Where a row of a tensor is, and how long it is. */
static struct text row_of(const struct validate_rows *rows, size_t tensor, size_t row)
{
    const struct tensor *whole = &rows->tensors[tensor];
    const size_t *starts = rows->starts[tensor];
    size_t bytes = tensor_row_bytes(whole);
    size_t begin = starts != NULL ? starts[row] : row * bytes;
    return (struct text){(const char *)whole->data + begin, starts != NULL ? starts[row + 1] - begin : bytes};
}

uint8_t *validate_rows_payload(const struct validate_rows *rows, const size_t *order, size_t count,
                               size_t *bytes)
{
    CHECK_OBJECT(rows, ROWS_MAGIC);
    struct tensor tensors[TENSOR_COUNT_MAX];
    uint8_t *places[TENSOR_COUNT_MAX];
    ENSURE(count > 0);
    for (size_t i = 0; i < rows->tensor_count; i++) {
        tensors[i] = rows->tensors[i];
        tensors[i].shape[0] = (int64_t)count;
        tensors[i].data = NULL;
        tensors[i].bytes = 0;
        for (size_t at = 0; at < count; at++)
            tensors[i].bytes += row_of(rows, i, order[at]).length;
    }
    size_t capacity = tensors_encoded_size(tensors, rows->tensor_count);
    uint8_t *payload = object_alloc(capacity);
    *bytes = tensors_encode(tensors, rows->tensor_count, payload, capacity, places);
    ENSURE(*bytes > 0);
    for (size_t i = 0; i < rows->tensor_count; i++)
        for (size_t at = 0; at < count; at++) {
            struct text row = row_of(rows, i, order[at]);
            memcpy(places[i], row.at, row.length);
            places[i] += row.length;
        }
    return payload;
}
