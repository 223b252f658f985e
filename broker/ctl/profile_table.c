/* profile_table: see profile_table.h. Used by `outrigger profile` (profile_command.c).
 *
 * The file is read in pieces, so that it may be as large as it likes. Of each input of the model there is a
 * buffer, which the values of a row are put behind; a row that is refused in the middle is cut off again.
 * SPDX-License-Identifier: MIT */
#include "profile_table.h"

#include "cell.h"
#include "columns.h"
#include "csv.h"
#include "element.h"
#include "schema_fields.h"
#include "utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TABLE_MAGIC = 0x0c5f0001,
    PIECE_BYTES = 1 << 20,
    FIELD_BYTES_MAX = 1 << 20,
    FIELDS_MAX = 65536,
    SHOWN_MAX = 64 /* bytes of a name in a complaint */
};
#define ABSENT SIZE_MAX

struct buffer {
    uint8_t *bytes;
    size_t length, room;
};

struct profile_table {
    unsigned magic;
    const struct schema *schema;
    struct layout *layout;
    int fd;
    struct csv *csv;
    char *piece;
    double size, read;
    size_t width;
    size_t *field_of; /* where each column stands in the file; ABSENT: nowhere */
    size_t score_field;
    bool first_is_row; /* the first record, which was read already, is one */
    bool ended;
    struct buffer inputs[TENSOR_COUNT_MAX];
    struct buffer payload;
    double scores[PROFILE_ROWS_AT_A_TIME];
    uint64_t refused;
    char first_refusal[PROFILE_REASON_MAX];
};

#define COMPLAIN(reason, ...) (snprintf((reason), PROFILE_REASON_MAX, __VA_ARGS__), false)

static void add(struct buffer *buffer, const void *bytes, size_t length)
{
    if (buffer->room - buffer->length < length) {
        buffer->room = 2 * (buffer->length + length);
        buffer->bytes = realloc(buffer->bytes, buffer->room);
        ENSURE(buffer->bytes != NULL);
    }
    if (length > 0)
        memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

/* ---- the file ---- */

/* False when it cannot be read. */
static bool feed(struct profile_table *table, char reason[PROFILE_REASON_MAX])
{
    ssize_t length = read(table->fd, table->piece, PIECE_BYTES);
    if (length < 0)
        return COMPLAIN(reason, "%s", strerror(errno));
    table->piece[length] = '\0';
    table->read += (double)length;
    if (length == 0)
        csv_finish(table->csv);
    else
        csv_feed(table->csv, table->piece, (size_t)length);
    return true;
}

/* CSV_RECORD or CSV_END, or CSV_WRONG with `reason`. */
static enum csv_result next_record(struct profile_table *table, struct csv_record *record,
                                   char reason[PROFILE_REASON_MAX])
{
    enum csv_result result;
    while ((result = csv_next(table->csv, record)) == CSV_MORE)
        if (!feed(table, reason))
            return CSV_WRONG;
    if (result == CSV_WRONG) {
        const struct csv_error *error = csv_error(table->csv);
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

static bool is_optional(const struct profile_table *table, size_t column)
{
    const struct schema *schema = table->schema;
    return (schema->fields != NULL && schema->fields[column].optional) ||
           (schema->allow_nan && (datatype_is_float(layout_datatype(table->layout, column)) ||
                                  layout_datatype(table->layout, column) == DATATYPE_BYTES));
}

static bool find_columns(struct profile_table *table, const struct csv_record *record,
                         char reason[PROFILE_REASON_MAX])
{
    for (size_t column = 0; column < table->width; column++) {
        struct text name = table->layout->names[column];
        table->field_of[column] = find_field(record, name);
        if (table->field_of[column] == ABSENT && !is_optional(table, column))
            return COMPLAIN(reason, "the first line has no column \"%.*s\"",
                            (int)(name.length < SHOWN_MAX ? name.length : SHOWN_MAX), name.at);
    }
    return true;
}

static bool holds_number(const struct csv_record *record)
{
    for (size_t i = 0; i < record->count; i++)
        if (cell_is_value(DATATYPE_FP64, csv_text(record, i)))
            return true;
    return false;
}

static bool find_score(struct profile_table *table, const struct csv_record *record, const char *score,
                       char reason[PROFILE_REASON_MAX])
{
    table->score_field = score == NULL ? ABSENT : find_field(record, text_of(score));
    return score == NULL || table->score_field != ABSENT ||
           COMPLAIN(reason, "the first line has no column \"%.*s\"", SHOWN_MAX, score);
}

static bool take_columns(struct profile_table *table, const struct csv_record *record, const char *score,
                         char reason[PROFILE_REASON_MAX])
{
    table->width = table->layout->width != 0 ? table->layout->width : record->count - (score != NULL);
    if (table->width == 0 || table->width > FIELDS_MAX)
        return COMPLAIN(reason, "rows of %zu values are not profiled", table->width);
    table->field_of = object_alloc(table->width * sizeof *table->field_of);
    if (!find_score(table, record, score, reason))
        return false;
    if (table->layout->names != NULL)
        return find_columns(table, record, reason);
    for (size_t column = 0, field = 0; column < table->width; column++, field++) {
        field += field == table->score_field;
        table->field_of[column] = field;
    }
    table->first_is_row = score == NULL && holds_number(record);
    return true;
}

static bool read_head(struct profile_table *table, const char *score, char reason[PROFILE_REASON_MAX])
{
    struct csv_record record;
    enum csv_result result = next_record(table, &record, reason);
    if (result == CSV_END)
        return COMPLAIN(reason, "the file is empty");
    if (result != CSV_RECORD || !take_columns(table, &record, score, reason))
        return false;
    if (!table->first_is_row)
        return true;
    /* The record is gone with the next call: from the beginning again. */
    if (lseek(table->fd, 0, SEEK_SET) != 0)
        return COMPLAIN(reason, "a table without a head must be a file that can be read twice");
    csv_begin(table->csv);
    table->read = 0;
    return feed(table, reason);
}

/* ---- life ---- */

static bool begin(struct profile_table *table, const char *path, const char *score,
                  char reason[PROFILE_REASON_MAX])
{
    struct stat status;
    table->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (table->fd == -1 || fstat(table->fd, &status) != 0)
        return COMPLAIN(reason, "%s", strerror(errno));
    table->size = S_ISREG(status.st_mode) ? (double)status.st_size : 0;
    table->layout = layout_new(table->schema);
    if (table->layout == NULL)
        return COMPLAIN(reason, "the model does not take rows of values");
    table->csv = csv_new(&(struct csv_options){
        .delimiter = ',', .max_field_bytes = FIELD_BYTES_MAX, .max_fields = FIELDS_MAX});
    table->piece = object_alloc(PIECE_BYTES + 1);
    csv_begin(table->csv);
    return feed(table, reason) && read_head(table, score, reason);
}

struct profile_table *profile_table_new(const char *path, const struct schema *schema, const char *score,
                                        char reason[PROFILE_REASON_MAX])
{
    struct profile_table *table = object_alloc(sizeof *table);
    table->magic = TABLE_MAGIC;
    table->schema = schema;
    table->fd = -1;
    if (begin(table, path, score, reason))
        return table;
    profile_table_free(table);
    return NULL;
}

void profile_table_free(struct profile_table *table)
{
    if (table == NULL)
        return;
    CHECK_OBJECT(table, TABLE_MAGIC);
    for (size_t i = 0; i < TENSOR_COUNT_MAX; i++)
        free(table->inputs[i].bytes);
    free(table->payload.bytes);
    free(table->field_of);
    free(table->piece);
    if (table->csv != NULL)
        csv_free(table->csv);
    layout_free(table->layout);
    if (table->fd != -1)
        close(table->fd);
    table->magic = 0;
    free(table);
}

/* ---- one value ---- */

/* What is being read, for complaints. */
struct position {
    uint64_t line;
    size_t column;
};

static bool refuse(struct profile_table *table, struct position position, const char *why)
{
    char name[SHOWN_MAX + 1] = "";
    if (table->layout->names != NULL)
        text_copy(table->layout->names[position.column], name, sizeof name);
    if (table->refused == 0)
        snprintf(table->first_refusal, sizeof table->first_refusal, "line %" PRIu64 ", column %s%s%zu%s: %s",
                 position.line, name, *name == '\0' ? "" : " (", position.column + 1,
                 *name == '\0' ? "" : ")", why);
    return false;
}

static void add_text(struct buffer *buffer, struct text text)
{
    uint32_t length = (uint32_t)text.length;
    add(buffer, &length, sizeof length);
    add(buffer, text.at, text.length);
}

/* A number is written as a value of JSON, which the datatype must hold. */
static bool add_number(struct profile_table *table, struct buffer *buffer, double number,
                       struct position position)
{
    uint8_t place[ELEMENT_BYTES_MAX];
    enum datatype datatype = layout_datatype(table->layout, position.column);
    yyjson_val value = {.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL, .uni.f64 = number};
    if (!element_write(datatype, &value, true, place))
        return refuse(table, position, "the number is not of its datatype");
    add(buffer, place, datatype_bytes(datatype));
    return true;
}

/* What a row has where nothing stands. */
static bool add_missing(struct profile_table *table, struct buffer *buffer, struct position position)
{
    const struct schema_field *field =
        table->schema->fields == NULL ? NULL : &table->schema->fields[position.column];
    enum datatype datatype = layout_datatype(table->layout, position.column);
    if (field != NULL && field->optional) {
        if (datatype != DATATYPE_BYTES)
            return add_number(table, buffer, field->standard.number, position);
        add_text(buffer, text_of(field->standard.text == NULL ? "" : field->standard.text));
        return true;
    }
    if (!is_optional(table, position.column))
        return refuse(table, position, "there is no value, and the model wants one");
    if (datatype != DATATYPE_BYTES)
        return add_number(table, buffer, NAN, position);
    add_text(buffer, (struct text){"", 0});
    return true;
}

static bool add_string(struct profile_table *table, struct buffer *buffer, struct text text,
                       struct position position)
{
    char words[SCHEMA_FAULT_MAX];
    const char *wrong = utf8_ok(text) ? NULL : "it is no UTF-8";
    if (wrong == NULL && table->schema->fields != NULL)
        wrong = schema_field_text_fault(&table->schema->fields[position.column], text, words);
    if (wrong != NULL)
        return refuse(table, position, wrong);
    add_text(buffer, text);
    return true;
}

static bool check_number(struct profile_table *table, enum datatype datatype, const uint8_t *place,
                         struct position position)
{
    char words[SCHEMA_FAULT_MAX];
    const struct tensor one = {.datatype = datatype, .rank = 1, .shape = {1}, .data = place};
    const char *wrong =
        table->schema->fields == NULL
            ? NULL
            : schema_field_number_fault(&table->schema->fields[position.column], datatype,
                                        columns_value(&one, 0, 0, &(struct columns_cursor){0}).number, words);
    return wrong == NULL || refuse(table, position, wrong);
}

static bool add_value(struct profile_table *table, struct buffer *buffer, struct text text,
                      struct position position)
{
    uint8_t place[ELEMENT_BYTES_MAX];
    char words[CELL_TEXT_MAX];
    bool truth;
    enum datatype datatype = layout_datatype(table->layout, position.column);
    bool is_boolean = table->schema->fields != NULL &&
                      schema_field_type(&table->schema->fields[position.column]) == SCHEMA_BOOLEAN;
    if (is_boolean && cell_read_truth(text, &truth))
        return add_number(table, buffer, truth, position);
    if (!cell_write(datatype, text, table->schema->allow_nan, place)) {
        const char *why =
            cell_explain(datatype, (struct cell){.text = text}, table->schema->allow_nan, words);
        return refuse(table, position, why == NULL ? "it is no value" : why);
    }
    if (!check_number(table, datatype, place, position))
        return false;
    add(buffer, place, datatype_bytes(datatype));
    return true;
}

/* ---- rows ---- */

static bool add_cell(struct profile_table *table, const struct csv_record *record, struct buffer *buffer,
                     size_t column)
{
    const struct position position = {record->line, column};
    size_t field = table->field_of[column];
    if (field == ABSENT || (csv_text(record, field).length == 0 && !record->fields[field].quoted))
        return add_missing(table, buffer, position);
    if (layout_datatype(table->layout, column) == DATATYPE_BYTES)
        return add_string(table, buffer, csv_text(record, field), position);
    struct text text = text_trim(csv_text(record, field));
    return text.length == 0 ? add_missing(table, buffer, position) : add_value(table, buffer, text, position);
}

static bool add_cells(struct profile_table *table, const struct csv_record *record)
{
    size_t column = 0;
    for (size_t input = 0; input < table->layout->input_count; input++)
        for (size_t left = layout_columns(table->layout, input, table->width); left > 0; left--, column++) {
            if (table->field_of[column] != ABSENT && table->field_of[column] >= record->count)
                return refuse(table, (struct position){record->line, column}, "the line ends before it");
            if (!add_cell(table, record, &table->inputs[input], column))
                return false;
        }
    return true;
}

static bool read_score(struct profile_table *table, const struct csv_record *record, double *score)
{
    uint8_t place[ELEMENT_BYTES_MAX];
    *score = NAN;
    if (table->score_field == ABSENT || table->score_field >= record->count)
        return table->score_field == ABSENT;
    if (!cell_write(DATATYPE_FP64, csv_text(record, table->score_field), true, place))
        return false;
    memcpy(score, place, sizeof *score);
    return true;
}

/* False, and nothing is added: the row is refused. */
static bool add_row(struct profile_table *table, const struct csv_record *record, double *score)
{
    size_t lengths[TENSOR_COUNT_MAX], inputs = table->layout->input_count;
    for (size_t i = 0; i < inputs; i++)
        lengths[i] = table->inputs[i].length;
    bool good = add_cells(table, record);
    if (good && !read_score(table, record, score))
        good = refuse(table, (struct position){record->line, 0}, "the score is no number");
    for (size_t i = 0; !good && i < inputs; i++)
        table->inputs[i].length = lengths[i];
    table->refused += !good;
    return good;
}

static void encode(struct profile_table *table, struct profile_rows *rows)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count = table->layout->input_count;
    layout_tensors(table->layout, rows->rows, table->width, tensors);
    for (size_t i = 0; i < count; i++) {
        tensors[i].data = table->inputs[i].bytes;
        tensors[i].bytes = table->inputs[i].length;
    }
    rows->bytes = tensors_encoded_size(tensors, count);
    table->payload.length = 0;
    if (table->payload.room < rows->bytes) {
        free(table->payload.bytes);
        table->payload.bytes = object_alloc(table->payload.room = rows->bytes);
    }
    ENSURE(tensors_encode(tensors, count, table->payload.bytes, rows->bytes, NULL) == rows->bytes);
    rows->payload = table->payload.bytes;
    rows->scores = table->score_field == ABSENT ? NULL : table->scores;
}

bool profile_table_next(struct profile_table *table, size_t most, struct profile_rows *rows,
                        char reason[PROFILE_REASON_MAX])
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    struct csv_record record;
    most = most < PROFILE_ROWS_AT_A_TIME ? most : PROFILE_ROWS_AT_A_TIME;
    *rows = (struct profile_rows){0};
    for (size_t i = 0; i < table->layout->input_count; i++)
        table->inputs[i].length = 0;
    while (rows->rows < most && !table->ended) {
        enum csv_result result = next_record(table, &record, reason);
        if (result == CSV_WRONG)
            return false;
        if (result == CSV_END)
            table->ended = true;
        else if (add_row(table, &record, &table->scores[rows->rows]))
            rows->rows++;
    }
    if (rows->rows > 0)
        encode(table, rows);
    return true;
}

const struct layout *profile_table_layout(const struct profile_table *table)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    return table->layout;
}

size_t profile_table_width(const struct profile_table *table)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    return table->width;
}

uint64_t profile_table_refused(const struct profile_table *table, const char **first)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    *first = table->first_refusal;
    return table->refused;
}

double profile_table_progress(const struct profile_table *table)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    return table->size > 0 ? fmin(1, table->read / table->size) : 0;
}
