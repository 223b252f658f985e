/* fuzz_csv: a text of comma-separated values, in one piece and in pieces of any sizes: the records, and what
 * is wrong where, must be the same. The first four bytes are the delimiter, the bounds and what the sizes are
 * made of; the rest is the text. SPDX-License-Identifier: MIT */
#include "csv.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 4 };

/* All that a reader says of a text, one behind the other. */
struct log {
    uint8_t *bytes;
    size_t length, capacity;
};

static void note(struct log *log, const void *bytes, size_t length)
{
    if (log->length + length > log->capacity) {
        log->capacity = 2 * (log->length + length);
        log->bytes = realloc(log->bytes, log->capacity);
        ENSURE(log->bytes != NULL);
    }
    if (length > 0)
        memcpy(log->bytes + log->length, bytes, length);
    log->length += length;
}

static void note_number(struct log *log, uint64_t number)
{
    note(log, &number, sizeof number);
}

static void note_record(struct log *log, const struct csv_record *record, const struct csv_options *options)
{
    ENSURE(record->count > 0 && record->count <= options->max_fields);
    note_number(log, record->line);
    note_number(log, record->count);
    for (size_t i = 0; i < record->count; i++) {
        struct text text = csv_text(record, i);
        ENSURE(text.length <= options->max_field_bytes);
        note_number(log, text.length * 2 + record->fields[i].quoted);
        note(log, text.at, text.length);
    }
}

/* What there is by now. */
static enum csv_result read_records(struct csv *csv, const struct csv_options *options, struct log *log)
{
    struct csv_record record;
    enum csv_result result;
    while ((result = csv_next(csv, &record)) == CSV_RECORD)
        note_record(log, &record, options);
    if (result == CSV_WRONG) {
        note_number(log, csv_error(csv)->line);
        note_number(log, csv_error(csv)->field);
        note(log, csv_error(csv)->complaint, strlen(csv_error(csv)->complaint));
    }
    return result;
}

/* In pieces of sizes that `seed` makes, each in memory of its own; 0: in one. */
static void read_text(struct csv *csv, const struct csv_options *options, const uint8_t *text, size_t size,
                      unsigned seed, struct log *log)
{
    enum csv_result result = CSV_MORE;
    log->length = 0;
    csv_begin(csv);
    for (size_t at = 0; at < size && result == CSV_MORE;) {
        size_t length = seed == 0 ? size : (size_t)rand_r(&seed) % (1 + (size_t)rand_r(&seed) % 80);
        length = length < size - at ? length : size - at;
        char *piece = object_alloc(length);
        if (length > 0)
            memcpy(piece, text + at, length);
        at += length;
        csv_feed(csv, piece, length);
        result = read_records(csv, options, log);
        free(piece);
    }
    csv_finish(csv);
    if (result == CSV_MORE)
        result = read_records(csv, options, log);
    ENSURE(result == CSV_END || result == CSV_WRONG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char delimiters[] = ",;\t|";
    if (size < HEAD)
        return 0;
    const struct csv_options options = {
        .delimiter = delimiters[data[0] % 4], .max_field_bytes = data[1], .max_fields = 1 + data[2]};
    struct csv *csv = csv_new(&options);
    struct log whole = {0}, pieces = {0};
    read_text(csv, &options, data + HEAD, size - HEAD, 0, &whole);
    for (unsigned i = 1; i <= 4; i++) {
        read_text(csv, &options, data + HEAD, size - HEAD, data[3] * 4u + i, &pieces);
        ENSURE(pieces.length == whole.length);
        ENSURE(whole.length == 0 || memcmp(pieces.bytes, whole.bytes, whole.length) == 0);
    }
    free(whole.bytes);
    free(pieces.bytes);
    csv_free(csv);
    return 0;
}
