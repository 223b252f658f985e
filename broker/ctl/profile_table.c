/* profile_table: see profile_table.h. Used by `outrigger profile` (profile_command.c).
 *
 * The file is read in pieces, so that it may be as large as it likes. Which field is which value is said by
 * the first line; the row_builder makes tensors of them, as it does for jobs. SPDX-License-Identifier: MIT */
#include "profile_table.h"

#include "cell.h"
#include "csv.h"

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

struct profile_table {
    unsigned magic;
    struct row_builder *builder;
    int fd;
    struct csv *csv;
    char *piece;
    double size, read;
    size_t width;
    size_t *field_of; /* where each column stands in the file; ABSENT: nowhere */
    size_t score_field;
    bool first_is_row; /* the first record, which was read already, is one */
    bool ended;
    struct row_value *values; /* of the row that is read */
    double scores[PROFILE_ROWS_AT_A_TIME];
    uint64_t refused;
    char first_refusal[PROFILE_REASON_MAX];
};

#define COMPLAIN(reason, ...) (snprintf((reason), PROFILE_REASON_MAX, __VA_ARGS__), false)

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

static bool find_columns(struct profile_table *table, const struct csv_record *record,
                         char reason[PROFILE_REASON_MAX])
{
    for (size_t column = 0; column < table->width; column++) {
        struct text name = profile_table_layout(table)->names[column];
        table->field_of[column] = find_field(record, name);
        if (table->field_of[column] == ABSENT && !row_builder_optional(table->builder, column))
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
    size_t width = row_builder_width(table->builder);
    if (width == 0)
        width = record->count - (score != NULL);
    if (width > FIELDS_MAX || !row_builder_widen(table->builder, width))
        return COMPLAIN(reason, "rows of %zu values are not profiled", width);
    table->width = width;
    table->field_of = object_alloc(width * sizeof *table->field_of);
    table->values = object_alloc(width * sizeof *table->values);
    if (!find_score(table, record, score, reason))
        return false;
    if (profile_table_layout(table)->names != NULL)
        return find_columns(table, record, reason);
    for (size_t column = 0, field = 0; column < width; column++, field++) {
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

static bool begin(struct profile_table *table, const char *path, const struct schema *schema,
                  const char *score, char reason[PROFILE_REASON_MAX])
{
    struct stat status;
    table->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (table->fd == -1 || fstat(table->fd, &status) != 0)
        return COMPLAIN(reason, "%s", strerror(errno));
    table->size = S_ISREG(status.st_mode) ? (double)status.st_size : 0;
    table->builder = row_builder_new(schema, PROFILE_ROWS_AT_A_TIME);
    if (table->builder == NULL)
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
    table->fd = -1;
    if (begin(table, path, schema, score, reason))
        return table;
    profile_table_free(table);
    return NULL;
}

void profile_table_free(struct profile_table *table)
{
    if (table == NULL)
        return;
    CHECK_OBJECT(table, TABLE_MAGIC);
    row_builder_free(table->builder);
    free(table->field_of);
    free(table->values);
    free(table->piece);
    if (table->csv != NULL)
        csv_free(table->csv);
    if (table->fd != -1)
        close(table->fd);
    table->magic = 0;
    free(table);
}

/* ---- rows ---- */

static bool refuse(struct profile_table *table, const struct csv_record *record, const char *why)
{
    if (table->refused == 0)
        (void)COMPLAIN(table->first_refusal, "line %" PRIu64 ": %.*s", record->line, PROFILE_REASON_MAX - 32,
                       why);
    table->refused++;
    return false;
}

/* False when the line ends before one of them. */
static bool take_values(struct profile_table *table, const struct csv_record *record)
{
    for (size_t column = 0; column < table->width; column++) {
        size_t field = table->field_of[column];
        struct row_value *value = &table->values[column];
        *value = (struct row_value){.kind = ROW_MISSING};
        if (field == ABSENT)
            continue;
        if (field >= record->count)
            return false;
        *value = (struct row_value){
            .kind = ROW_TEXT, .quoted = record->fields[field].quoted, .text = csv_text(record, field)};
    }
    return true;
}

static bool read_score(const struct profile_table *table, const struct csv_record *record, double *score)
{
    *score = NAN;
    if (table->score_field == ABSENT || table->score_field >= record->count)
        return table->score_field == ABSENT;
    return cell_write(DATATYPE_FP64, csv_text(record, table->score_field), true, (uint8_t *)score);
}

/* A row that the model would not take, or without a score, is passed over. */
static bool add_row(struct profile_table *table, const struct csv_record *record)
{
    char faults[ROW_FAULTS_MAX];
    double score;
    if (!take_values(table, record))
        return refuse(table, record, "it has too few values");
    if (!read_score(table, record, &score))
        return refuse(table, record, "the score is no number");
    if (!row_builder_add(table->builder, table->values, faults))
        return refuse(table, record, faults);
    table->scores[row_builder_rows(table->builder) - 1] = score;
    return true;
}

bool profile_table_next(struct profile_table *table, size_t most, struct profile_rows *rows,
                        char reason[PROFILE_REASON_MAX])
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    struct csv_record record;
    most = most < PROFILE_ROWS_AT_A_TIME ? most : PROFILE_ROWS_AT_A_TIME;
    *rows = (struct profile_rows){0};
    row_builder_clear(table->builder);
    while (rows->rows < most && !table->ended) {
        enum csv_result result = next_record(table, &record, reason);
        if (result == CSV_WRONG)
            return false;
        if (result == CSV_END)
            table->ended = true;
        else
            rows->rows += add_row(table, &record);
    }
    if (rows->rows == 0)
        return true;
    rows->payload = row_builder_payload(table->builder, 0, rows->rows, &rows->bytes);
    rows->scores = table->score_field == ABSENT ? NULL : table->scores;
    return true;
}

const struct layout *profile_table_layout(const struct profile_table *table)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    return row_builder_layout(table->builder);
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
