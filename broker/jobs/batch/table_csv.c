/* table_csv: rows of a CSV file, in its order. A row's position is how many bytes, rows and lines stand
 * before what follows it. Columns are found by the names in the first line; a model whose features have no
 * names takes them by their place, and then the first line may be a row. SPDX-License-Identifier: MIT */
#include "cell.h"
#include "csv.h"
#include "draft.h"
#include "reading_file.h"
#include "table.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { SOURCE_MAGIC = 0x0c5f7001, PIECE_BYTES = 1 << 18, FIELD_BYTES_MAX = 1 << 20, FIELDS_MAX = 65536 };
#define ABSENT SIZE_MAX

struct source {
    unsigned magic;
    const struct table_job *job;
    struct reading_file *file;
    struct csv *csv;
    char delimiter;
    char *piece;
    uint64_t piece_at; /* where it begins in the file */
    uint64_t rows, line_base;
    _Atomic uint64_t taken; /* bytes of the rows that were taken */
    size_t fields;          /* of a record */
    size_t *field_of;       /* of each value; ABSENT: nowhere */
    size_t key_field;       /* ABSENT: rows have numbers */
    bool named;             /* the first line is none of the rows */
    bool ended;             /* the file is read */
    struct draft head, original;
    struct draft words; /* the names of the first line, each with a zero byte behind it */
    const char **names;
    struct row_value *values;
};

#define COMPLAIN(reason, ...) (snprintf((reason), TABLE_REASON_MAX, __VA_ARGS__), false)

/* ---- records ---- */

static bool feed(struct source *source, char *reason)
{
    source->piece_at = reading_offset(source->file);
    ssize_t length = reading_read(source->file, source->piece, PIECE_BYTES, reason);
    if (length < 0)
        return false;
    source->piece[length] = '\0';
    source->ended = length == 0;
    if (length == 0)
        csv_finish(source->csv);
    else
        csv_feed(source->csv, source->piece, (size_t)length);
    return true;
}

static enum csv_result next_record(struct source *source, struct csv_record *record, char *reason)
{
    enum csv_result result;
    char words[READING_REASON_MAX];
    while ((result = csv_next(source->csv, record)) == CSV_MORE)
        if (!feed(source, words)) {
            (void)table_fault(source->job->from, words, reason);
            return CSV_WRONG;
        }
    if (result == CSV_WRONG) {
        const struct csv_error *error = csv_error(source->csv);
        (void)COMPLAIN(reason, "%s: line %" PRIu64 ", field %" PRIu64 ": %s", source->job->from->at,
                       error->line + source->line_base, error->field, error->complaint);
    }
    return result;
}

static void write_record(struct draft *draft, const struct csv_record *record, char delimiter)
{
    draft->length = 0;
    for (size_t i = 0; i < record->count; i++) {
        struct text text = csv_text(record, i);
        if (i > 0)
            draft_add_char(draft, delimiter);
        draft_add_field(draft, text, delimiter, record->fields[i].quoted && text.length == 0);
    }
}

/* ---- the first line: nobody else reads it ---- */

static void keep_names(struct source *source, const struct csv_record *record)
{
    source->names = object_alloc(record->count * sizeof *source->names);
    for (size_t i = 0; i < record->count; i++) {
        struct text name = text_trim(csv_text(record, i));
        draft_add(&source->words, name.at, name.length);
        draft_add_char(&source->words, '\0');
    }
    const char *at = source->words.bytes;
    for (size_t i = 0; i < record->count; i++, at += strlen(at) + 1)
        source->names[i] = at;
}

static size_t find_field(const struct csv_record *record, const char *name)
{
    for (size_t i = 0; i < record->count; i++)
        if (text_is(text_trim(csv_text(record, i)), name))
            return i;
    return ABSENT;
}

static bool missing(struct source *source, const struct csv_record *record, const char *name, char *reason)
{
    write_record(&source->original, record, source->delimiter);
    return COMPLAIN(reason, "%s: the first line has no column %s; it is: %.*s", source->job->from->at, name,
                    (int)(source->original.length < 200 ? source->original.length : 200),
                    source->original.bytes);
}

static bool find_names(struct source *source, const struct csv_record *record, char *reason)
{
    const struct table_job *job = source->job;
    for (size_t i = 0; i < job->width; i++) {
        source->field_of[i] = find_field(record, job->columns[i]);
        if (source->field_of[i] == ABSENT && !job->optional[i])
            return missing(source, record, job->columns[i], reason);
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

/* Values by their place; the key's column is none of them. */
static bool find_places(struct source *source, const struct csv_record *record, char *reason)
{
    size_t width = source->job->width, others = source->key_field == ABSENT ? 0 : 1;
    if (record->count != width + others)
        return COMPLAIN(reason, "%s: the model takes rows of %zu values, and the first line has %zu",
                        source->job->from->at, width, record->count - others);
    for (size_t i = 0, field = 0; i < width; i++, field++) {
        field += field == source->key_field;
        source->field_of[i] = field;
    }
    source->named = others > 0 || !holds_number(record);
    return true;
}

static bool read_first(struct source *source, char *reason)
{
    const struct table_job *job = source->job;
    struct csv_record record;
    enum csv_result result = next_record(source, &record, reason);
    if (result == CSV_END)
        return COMPLAIN(reason, "%s: the file is empty", job->from->at);
    if (result != CSV_RECORD)
        return false;
    source->fields = record.count;
    source->named = true;
    source->key_field = job->from->key == NULL ? ABSENT : find_field(&record, job->from->key);
    if (job->from->key != NULL && source->key_field == ABSENT)
        return missing(source, &record, job->from->key, reason);
    if (job->columns == NULL ? !find_places(source, &record, reason) : !find_names(source, &record, reason))
        return false;
    if (source->named) {
        write_record(&source->head, &record, source->delimiter);
        draft_add_char(&source->head, '\0');
        keep_names(source, &record);
    }
    return true;
}

/* ---- life ---- */

static void source_close(void *self)
{
    struct source *source = self;
    CHECK_OBJECT(source, SOURCE_MAGIC);
    if (source->csv != NULL)
        csv_free(source->csv);
    reading_free(source->file);
    draft_free(&source->head);
    draft_free(&source->original);
    draft_free(&source->words);
    free(source->names);
    free(source->piece);
    free(source->field_of);
    free(source->values);
    source->magic = 0;
    free(source);
}

static bool read_delimiter(struct source *source, char *reason)
{
    const char *said = source->job->from->delimiter;
    source->delimiter = said == NULL ? ',' : strcmp(said, "tab") == 0 ? '\t' : *said;
    unsigned char delimiter = (unsigned char)source->delimiter;
    if ((said != NULL && strcmp(said, "tab") != 0 && strlen(said) != 1) || delimiter == '"' ||
        delimiter == '\r' || delimiter == '\n' || delimiter == '\0' || delimiter >= 0x80)
        return COMPLAIN(reason, "delimiter: expected a character, or tab, got \"%.20s\"", said);
    return true;
}

static bool begin(struct source *source, char *reason)
{
    const struct place *from = source->job->from;
    if (!read_delimiter(source, reason))
        return false;
    source->file = reading_open(from->at, from->packed, source->job->stopping, source->job->self, reason);
    if (source->file == NULL)
        return false;
    source->csv = csv_new(&(struct csv_options){
        .delimiter = source->delimiter, .max_field_bytes = FIELD_BYTES_MAX, .max_fields = FIELDS_MAX});
    csv_begin(source->csv);
    return read_first(source, reason);
}

static void *source_open(const struct table_job *job, enum table_part part, char reason[TABLE_REASON_MAX])
{
    ENSURE(part == TABLE_SOURCE);
    struct source *source = object_alloc(sizeof *source);
    source->magic = SOURCE_MAGIC;
    source->job = job;
    source->piece = object_alloc(PIECE_BYTES + 1);
    source->field_of = object_alloc(job->width * sizeof *source->field_of);
    source->values = object_alloc(job->width * sizeof *source->values);
    if (begin(source, reason))
        return source;
    source_close(source);
    return NULL;
}

static struct table_head source_head(void *self)
{
    struct source *source = self;
    return (struct table_head){.key = source->job->from->key,
                               .line = source->head.bytes,
                               .names = source->names,
                               .count = source->named ? source->fields : 0};
}

static double source_part_read(void *self)
{
    struct source *source = self;
    return reading_part(source->file, atomic_load_explicit(&source->taken, memory_order_relaxed));
}

/* ---- rows ---- */

static struct row_value value_of(const struct csv_record *record, size_t field)
{
    if (field == ABSENT)
        return (struct row_value){.kind = ROW_MISSING};
    return (struct row_value){
        .kind = ROW_TEXT, .quoted = record->fields[field].quoted, .text = csv_text(record, field)};
}

static void add_record(struct source *source, struct chunk *chunk, const struct csv_record *record)
{
    const struct table_job *job = source->job;
    struct row_value key = {.kind = ROW_INTEGER, .integer = (int64_t)++source->rows};
    write_record(&source->original, record, source->delimiter);
    struct text original = draft_text(&source->original);
    if (record->count != source->fields) {
        char words[128];
        snprintf(words, sizeof words, "line %" PRIu64 ": it has %zu fields, and the first one %zu",
                 record->line + source->line_base, record->count, source->fields);
        chunk_refuse(chunk, &key, original, words);
        return;
    }
    if (source->key_field != ABSENT)
        key = (struct row_value){.kind = ROW_STRING, .text = csv_text(record, source->key_field)};
    for (size_t i = 0; i < job->width; i++)
        source->values[i] = value_of(record, source->field_of[i]);
    chunk_add(chunk, &key, original, source->values);
}

/* The first line, which opening read, once more: as a row. */
static bool begin_again(struct source *source, char *reason)
{
    char words[READING_REASON_MAX];
    source->line_base = 0;
    source->ended = false;
    csv_begin(source->csv);
    if (!reading_seek(source->file, 0, words))
        return COMPLAIN(reason,
                        "%s: without names in its first line it must be a file that can be read twice",
                        source->job->from->at);
    return true;
}

/* A record with quotes may stand on several lines. */
static uint64_t line_ends(struct text text)
{
    uint64_t count = 0;
    for (const char *at = text.at; (at = memchr(at, '\n', text.length - (size_t)(at - text.at))) != NULL;
         at++)
        count++;
    return count;
}

static enum table_taken source_take(void *self, unsigned lane, struct chunk *chunk, size_t most,
                                    char reason[TABLE_REASON_MAX])
{
    struct source *source = self;
    struct csv_record record;
    enum csv_result result = CSV_RECORD;
    uint64_t line = source->line_base;
    (void)lane;
    if (source->rows == 0 && !source->named && reading_offset(source->file) > 0 &&
        !begin_again(source, reason))
        return TABLE_STOPPED;
    while (chunk->count < most && (result = next_record(source, &record, reason)) == CSV_RECORD) {
        add_record(source, chunk, &record);
        line = source->line_base + record.line + line_ends(draft_text(&source->original));
    }
    if (result == CSV_WRONG)
        return TABLE_STOPPED;
    uint64_t offset = source->ended ? reading_offset(source->file) : source->piece_at + csv_read(source->csv);
    atomic_store_explicit(&source->taken, offset, memory_order_relaxed);
    snprintf(chunk->position, sizeof chunk->position, "%" PRIu64 " %" PRIu64 " %" PRIu64, offset,
             source->rows, line);
    return chunk->count > 0 ? TABLE_ROWS : TABLE_END;
}

static bool source_seek(void *self, const char *position, char reason[TABLE_REASON_MAX])
{
    struct source *source = self;
    uint64_t offset, rows, line;
    char words[READING_REASON_MAX];
    if (sscanf(position, "%" SCNu64 " %" SCNu64 " %" SCNu64, &offset, &rows, &line) != 3)
        return COMPLAIN(reason, "\"%.60s\" is no position in a CSV file", position);
    if (reading_offset(source->file) > offset && source->job->from->packed) { /* its first lines were read */
        reading_free(source->file);
        source->file =
            reading_open(source->job->from->at, true, source->job->stopping, source->job->self, words);
        if (source->file == NULL)
            return COMPLAIN(reason, "%s", words);
    }
    if (!reading_seek(source->file, offset, words))
        return table_fault(source->job->from, words, reason);
    csv_begin(source->csv);
    source->ended = false;
    source->piece_at = offset;
    source->rows = rows;
    source->line_base = line;
    return true;
}

const struct table table_csv = {.open = source_open,
                                .head = source_head,
                                .part_read = source_part_read,
                                .take = source_take,
                                .seek = source_seek,
                                .close = source_close};
