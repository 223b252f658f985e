/* row_file: see row_file.h. Used by the commands that go by a table of rows: `outrigger profile`
 * (profile_table.c), `outrigger validate` and `outrigger optimize` (validate_rows.c).
 *
 * The file is read in pieces, so that it may be as large as it likes. Which field is which value is said by
 * the first line; the row_builder makes tensors of them, as it does for jobs. SPDX-License-Identifier: MIT */
#include "row_file.h"

#include "cell.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_MAGIC = 0x0a11da01,
    PIECE_BYTES = 1 << 20,
    FIELD_BYTES_MAX = 1 << 20,
    FIELDS_MAX = 65536,
    SHOWN_MAX = 64 /* bytes of a name in a complaint */
};
#define ABSENT SIZE_MAX

struct row_file {
    unsigned magic;
    struct row_builder *builder;
    int fd;
    struct csv *csv;
    char *piece;
    double size, read;
    size_t fields;            /* of the first line */
    size_t *field_of;         /* where each column stands in the file; ABSENT: nowhere */
    size_t apart_field;       /* ABSENT: there is none */
    struct csv_record record; /* of the row that is read */
    struct row_value *values; /* its */
    uint64_t refused;
    char first_refusal[ROW_FILE_REASON_MAX];
};

#define COMPLAIN(reason, ...) (snprintf((reason), ROW_FILE_REASON_MAX, __VA_ARGS__), false)

/* ---- records ---- */

static bool feed(struct row_file *file, char *reason)
{
    ssize_t length = read(file->fd, file->piece, PIECE_BYTES);
    if (length < 0)
        return COMPLAIN(reason, "%s", strerror(errno));
    file->piece[length] = '\0'; /* what stands behind a number is none of it */
    file->read += (double)length;
    if (length == 0)
        csv_finish(file->csv);
    else
        csv_feed(file->csv, file->piece, (size_t)length);
    return true;
}

static enum csv_result next_record(struct row_file *file, char *reason)
{
    enum csv_result result;
    while ((result = csv_next(file->csv, &file->record)) == CSV_MORE)
        if (!feed(file, reason))
            return CSV_WRONG;
    if (result == CSV_WRONG) {
        const struct csv_error *error = csv_error(file->csv);
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

static bool has_no_column(struct text name, char *reason)
{
    return COMPLAIN(reason, "the first line has no column \"%.*s\"",
                    (int)(name.length < SHOWN_MAX ? name.length : SHOWN_MAX), name.at);
}

static bool find_names(struct row_file *file, const struct text *names, char *reason)
{
    for (size_t column = 0; column < row_builder_width(file->builder); column++) {
        file->field_of[column] = find_field(&file->record, names[column]);
        if (file->field_of[column] == ABSENT && !row_builder_optional(file->builder, column))
            return has_no_column(names[column], reason);
    }
    return true;
}

/* `columns`: how many there are but the one apart. */
static bool find_places(struct row_file *file, size_t columns, char *reason)
{
    size_t width = row_builder_width(file->builder);
    for (size_t column = 0, field = 0; column < width; column++, field++) {
        field += field == file->apart_field;
        file->field_of[column] = field;
    }
    return width <= columns ||
           COMPLAIN(reason, "the first line has %zu columns, and a row of the model %zu", columns, width);
}

static bool find_columns(struct row_file *file, const char *apart, bool needed, char *reason)
{
    const struct text *names = row_builder_layout(file->builder)->names;
    file->fields = file->record.count;
    file->apart_field = apart == NULL ? ABSENT : find_field(&file->record, text_of(apart));
    if (file->apart_field == ABSENT && needed)
        return has_no_column(text_of(apart), reason);
    size_t columns = file->fields - (file->apart_field != ABSENT);
    if (row_builder_width(file->builder) == 0 && !row_builder_widen(file->builder, columns))
        return COMPLAIN(reason, "rows of %zu values are not taken", columns);
    file->field_of = object_alloc((row_builder_width(file->builder) + 1) * sizeof *file->field_of);
    file->values = object_alloc((row_builder_width(file->builder) + 1) * sizeof *file->values);
    return names != NULL ? find_names(file, names, reason) : find_places(file, columns, reason);
}

static bool holds_number(const struct csv_record *record)
{
    for (size_t i = 0; i < record->count; i++)
        if (cell_is_value(DATATYPE_FP64, csv_text(record, i)))
            return true;
    return false;
}

static bool read_head(struct row_file *file, const char *apart, bool needed, char *reason)
{
    enum csv_result result = next_record(file, reason);
    if (result == CSV_END)
        return COMPLAIN(reason, "the file is empty");
    if (result != CSV_RECORD || !find_columns(file, apart, needed, reason))
        return false;
    if (row_builder_layout(file->builder)->names != NULL || file->apart_field != ABSENT ||
        !holds_number(&file->record))
        return true;
    /* It is a row. The record is gone with the next call: from the beginning again. */
    if (lseek(file->fd, 0, SEEK_SET) != 0)
        return COMPLAIN(reason, "a table without a head must be a file that can be read twice");
    csv_begin(file->csv);
    file->read = 0;
    return feed(file, reason);
}

/* ---- life ---- */

static bool begin(struct row_file *file, const char *path, const char *apart, bool needed, char *reason)
{
    struct stat status;
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd == -1 || fstat(file->fd, &status) != 0)
        return COMPLAIN(reason, "%s", strerror(errno));
    if (file->builder == NULL)
        return COMPLAIN(reason, "the model does not take rows of values");
    file->size = S_ISREG(status.st_mode) ? (double)status.st_size : 0;
    file->csv = csv_new(&(struct csv_options){
        .delimiter = ',', .max_field_bytes = FIELD_BYTES_MAX, .max_fields = FIELDS_MAX});
    file->piece = object_alloc(PIECE_BYTES + 1);
    csv_begin(file->csv);
    return feed(file, reason) && read_head(file, apart, needed, reason);
}

struct row_file *row_file_new(const char *path, struct row_builder *builder, const char *apart, bool needed,
                              char reason[ROW_FILE_REASON_MAX])
{
    struct row_file *file = object_alloc(sizeof *file);
    file->magic = FILE_MAGIC;
    file->builder = builder;
    if (begin(file, path, apart, needed, reason))
        return file;
    row_file_free(file);
    return NULL;
}

void row_file_free(struct row_file *file)
{
    if (file == NULL)
        return;
    CHECK_OBJECT(file, FILE_MAGIC);
    if (file->csv != NULL)
        csv_free(file->csv);
    if (file->fd != -1)
        close(file->fd);
    free(file->piece);
    free(file->field_of);
    free(file->values);
    file->magic = 0;
    free(file);
}

/* ---- rows ---- */

static bool pass_over(struct row_file *file, const char *why)
{
    if (file->refused++ == 0)
        (void)COMPLAIN(file->first_refusal, "line %" PRIu64 ": %.*s", file->record.line,
                       ROW_FILE_REASON_MAX - 32, why);
    return false;
}

static bool add_row(struct row_file *file)
{
    const struct csv_record *record = &file->record;
    char faults[ROW_FAULTS_MAX];
    if (record->count != file->fields) {
        snprintf(faults, sizeof faults, "%zu fields, and the first line has %zu", record->count,
                 file->fields);
        return pass_over(file, faults);
    }
    for (size_t column = 0; column < row_builder_width(file->builder); column++) {
        size_t field = file->field_of[column];
        file->values[column] = (struct row_value){.kind = ROW_MISSING};
        if (field != ABSENT)
            file->values[column] = (struct row_value){
                .kind = ROW_TEXT, .quoted = record->fields[field].quoted, .text = csv_text(record, field)};
    }
    return row_builder_add(file->builder, file->values, faults) || pass_over(file, faults);
}

enum csv_result row_file_next(struct row_file *file, char reason[ROW_FILE_REASON_MAX])
{
    CHECK_OBJECT(file, FILE_MAGIC);
    enum csv_result result;
    do
        result = next_record(file, reason);
    while (result == CSV_RECORD && !add_row(file));
    return result;
}

const struct row_value *row_file_values(const struct row_file *file)
{
    CHECK_OBJECT(file, FILE_MAGIC);
    return file->values;
}

struct text row_file_apart(const struct row_file *file)
{
    CHECK_OBJECT(file, FILE_MAGIC);
    return file->apart_field == ABSENT ? text_of("") : text_trim(csv_text(&file->record, file->apart_field));
}

void row_file_refuse(struct row_file *file, const char *why)
{
    CHECK_OBJECT(file, FILE_MAGIC);
    row_builder_drop(file->builder);
    (void)pass_over(file, why);
}

/* ---- what there is ---- */

uint64_t row_file_refused(const struct row_file *file, const char **first)
{
    CHECK_OBJECT(file, FILE_MAGIC);
    *first = file->first_refusal;
    return file->refused;
}

double row_file_progress(const struct row_file *file)
{
    CHECK_OBJECT(file, FILE_MAGIC);
    return file->size > 0 ? fmin(1, file->read / file->size) : 0;
}
