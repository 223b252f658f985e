/* validate_rows: see validate_rows.h. Used by `outrigger validate` (validate_command.c, validate_judging.c).
 *
 * A validation asks for its rows several times, in other orders and batches, so all are kept: as the one
 * payload that row_builder makes of them, of which any rows can be taken in any order.
 * SPDX-License-Identifier: MIT */
#include "validate_rows.h"

#include "csv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ROWS_MAGIC = 0x0a11da01,
    PIECE_BYTES = 1 << 20,
    FIELD_BYTES_MAX = 1 << 20,
    FIELDS_MAX = 65536,
    SHOWN_MAX = 64 /* bytes of a name in a complaint */
};
#define ABSENT SIZE_MAX

struct validate_rows {
    unsigned magic;
    const struct schema *schema;
    struct row_builder *builder;
    /* The file. */
    int fd;
    struct csv *csv;
    char *piece;
    size_t fields;                  /* of the first line */
    size_t *field_of, target_field; /* ABSENT: there is no truth */
    /* Of each row. */
    char **truths;
    size_t count, room;
    struct row_value *values, *first; /* of the row that is read, and of the first */
    char **first_texts;
    uint64_t refused;
    char first_refusal[VALIDATE_REASON_MAX];
    /* All of them. */
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t tensor_count;
    size_t *starts[TENSOR_COUNT_MAX]; /* of each row of a tensor of BYTES, and the end; else NULL */
};

#define COMPLAIN(reason, ...) (snprintf((reason), VALIDATE_REASON_MAX, __VA_ARGS__), false)

/* ---- the file ---- */

static bool feed(struct validate_rows *rows, char *reason)
{
    ssize_t length = read(rows->fd, rows->piece, PIECE_BYTES);
    if (length < 0)
        return COMPLAIN(reason, "%s", strerror(errno));
    rows->piece[length] = '\0'; /* what stands behind a number is none of it */
    if (length == 0)
        csv_finish(rows->csv);
    else
        csv_feed(rows->csv, rows->piece, (size_t)length);
    return true;
}

/* CSV_RECORD or CSV_END, or CSV_WRONG with `reason`. */
static enum csv_result next_record(struct validate_rows *rows, struct csv_record *record, char *reason)
{
    enum csv_result result;
    while ((result = csv_next(rows->csv, record)) == CSV_MORE)
        if (!feed(rows, reason))
            return CSV_WRONG;
    if (result == CSV_WRONG) {
        const struct csv_error *error = csv_error(rows->csv);
        (void)COMPLAIN(reason, "line %" PRIu64 ", field %" PRIu64 ": %s", error->line, error->field,
                       error->complaint);
    }
    return result;
}

/* ---- the first line ---- */

static size_t find_field(const struct csv_record *record, struct text name)
{
    for (size_t i = 0; i < record->count; i++) {
        struct text field = text_trim(csv_text(record, i));
        if (field.length == name.length && memcmp(field.at, name.at, name.length) == 0)
            return i;
    }
    return ABSENT;
}

/* `columns`: how many there are but that of the truth. */
static bool find_columns(struct validate_rows *rows, const struct csv_record *record, size_t columns,
                         char *reason)
{
    const struct layout *layout = row_builder_layout(rows->builder);
    size_t width = row_builder_width(rows->builder);
    rows->field_of = object_alloc((width + 1) * sizeof *rows->field_of);
    for (size_t column = 0, field = 0; column < width; column++, field++) {
        if (layout->names == NULL) {
            field += field == rows->target_field;
            rows->field_of[column] = field;
            continue;
        }
        struct text name = layout->names[column];
        rows->field_of[column] = find_field(record, name);
        if (rows->field_of[column] == ABSENT && !row_builder_optional(rows->builder, column))
            return COMPLAIN(reason, "the first line has no column \"%.*s\"",
                            (int)(name.length < SHOWN_MAX ? name.length : SHOWN_MAX), name.at);
    }
    return layout->names != NULL || width <= columns ||
           COMPLAIN(reason, "the first line has %zu columns, and a row of the model %zu", columns, width);
}

static bool read_head(struct validate_rows *rows, const char *target, bool needed, char *reason)
{
    struct csv_record record;
    enum csv_result result = next_record(rows, &record, reason);
    if (result == CSV_END)
        return COMPLAIN(reason, "the file is empty");
    if (result != CSV_RECORD)
        return false;
    rows->fields = record.count;
    rows->target_field = find_field(&record, text_of(target));
    if (rows->target_field == ABSENT && needed)
        return COMPLAIN(reason, "the first line has no column \"%.*s\"", SHOWN_MAX, target);
    size_t columns = record.count - (rows->target_field != ABSENT);
    if (row_builder_width(rows->builder) == 0 && !row_builder_widen(rows->builder, columns))
        return COMPLAIN(reason, "rows of %zu values are not taken", columns);
    return find_columns(rows, &record, columns, reason);
}

/* ---- rows ---- */

static void refuse(struct validate_rows *rows, uint64_t line, const char *why)
{
    if (rows->refused++ == 0)
        snprintf(rows->first_refusal, sizeof rows->first_refusal, "line %" PRIu64 ": %.470s", line, why);
}

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

static void keep_first(struct validate_rows *rows)
{
    size_t width = row_builder_width(rows->builder);
    rows->first = object_alloc(width * sizeof *rows->first);
    rows->first_texts = object_alloc(width * sizeof *rows->first_texts);
    for (size_t column = 0; column < width; column++) {
        rows->first[column] = rows->values[column];
        if (rows->first[column].kind != ROW_TEXT)
            continue;
        rows->first_texts[column] = copy_of(rows->values[column].text);
        rows->first[column].text.at = rows->first_texts[column];
    }
}

static void take(struct validate_rows *rows, const struct csv_record *record)
{
    char faults[ROW_FAULTS_MAX];
    if (record->count != rows->fields) {
        snprintf(faults, sizeof faults, "%zu fields, and the first line has %zu", record->count,
                 rows->fields);
        refuse(rows, record->line, faults);
        return;
    }
    bool has_truth = rows->target_field != ABSENT;
    struct text truth = has_truth ? text_trim(csv_text(record, rows->target_field)) : text_of("");
    if (has_truth && truth.length == 0) {
        refuse(rows, record->line, "nothing stands in the column of the truth");
        return;
    }
    for (size_t column = 0; column < row_builder_width(rows->builder); column++) {
        size_t field = rows->field_of[column];
        rows->values[column] = (struct row_value){.kind = ROW_MISSING};
        if (field != ABSENT)
            rows->values[column] = (struct row_value){
                .kind = ROW_TEXT, .quoted = record->fields[field].quoted, .text = csv_text(record, field)};
    }
    if (!row_builder_add(rows->builder, rows->values, faults)) {
        refuse(rows, record->line, faults);
        return;
    }
    if (rows->count == 0)
        keep_first(rows);
    keep_truth(rows, truth);
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

static bool read_rows(struct validate_rows *rows, size_t most, char *reason)
{
    struct csv_record record;
    enum csv_result result = CSV_RECORD;
    rows->values = object_alloc((row_builder_width(rows->builder) + 1) * sizeof *rows->values);
    while (rows->count < most && (result = next_record(rows, &record, reason)) == CSV_RECORD)
        take(rows, &record);
    if (result == CSV_WRONG)
        return false;
    if (rows->count == 0)
        return COMPLAIN(reason, "there are no rows%s%.400s%s",
                        rows->refused > 0 ? " that the model takes (" : "", rows->first_refusal,
                        rows->refused > 0 ? ")" : "");
    take_all(rows);
    return true;
}

/* ---- life ---- */

static bool begin(struct validate_rows *rows, const char *path, const char *target, bool needed, size_t most,
                  char *reason)
{
    rows->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (rows->fd == -1)
        return COMPLAIN(reason, "%s", strerror(errno));
    rows->builder = row_builder_new(rows->schema, most);
    if (rows->builder == NULL)
        return COMPLAIN(reason, "the model does not take rows of values");
    rows->csv = csv_new(&(struct csv_options){
        .delimiter = ',', .max_field_bytes = FIELD_BYTES_MAX, .max_fields = FIELDS_MAX});
    rows->piece = object_alloc(PIECE_BYTES + 1);
    csv_begin(rows->csv);
    return feed(rows, reason) && read_head(rows, target, needed, reason) && read_rows(rows, most, reason);
}

static struct validate_rows *read_file(const char *path, const struct schema *schema, const char *target,
                                       bool needed, size_t most, char *reason)
{
    struct validate_rows *rows = object_alloc(sizeof *rows);
    rows->magic = ROWS_MAGIC;
    rows->schema = schema;
    rows->fd = -1;
    bool good = begin(rows, path, target, needed, most, reason);
    if (rows->csv != NULL)
        csv_free(rows->csv);
    free(rows->piece);
    rows->csv = NULL;
    rows->piece = NULL;
    if (rows->fd != -1)
        close(rows->fd);
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

struct validate_rows *validate_rows_of(const struct schema *schema, struct row_builder *builder)
{
    struct validate_rows *rows = object_alloc(sizeof *rows);
    rows->magic = ROWS_MAGIC;
    rows->schema = schema;
    rows->fd = -1;
    rows->builder = builder;
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
    free(rows->values);
    free(rows->truths);
    free(rows->field_of);
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
