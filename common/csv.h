/* csv: a reader of comma-separated values (RFC 4180) whose bytes come in any pieces. Pure: no I/O.
 *
 *     csv_feed(csv, piece, length);                      as often as there is more
 *     while (csv_next(csv, &record) == CSV_RECORD) ...   until it wants more
 *     csv_finish(csv); ...                               and what csv_next has then
 *
 * A record is what stands on a line, or on several if its quotes hold line ends. Lines end with CR LF or LF,
 * the last one need not; an empty line is no record (a lone empty field is written ""); a byte order mark of
 * UTF-8 in front is passed over. Fields are as they stand, with their blanks; quotes are taken off and
 * doubled ones made single. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CSV_H
#define OUTRIGGER_CSV_H

#include "object.h"

enum { CSV_COMPLAINT_MAX = 96 };

struct csv_options {
    char delimiter;         /* any byte of ASCII but a quote, CR, LF and NUL */
    size_t max_field_bytes; /* of a field as it stands, with its quotes; at most UINT32_MAX */
    size_t max_fields;      /* of a record. What is kept of one between two pieces is bounded by both */
};

struct csv_field {
    size_t begin; /* in the record's bytes */
    uint32_t length;
    bool quoted;
    bool doubled; /* the reader's own: there are doubled quotes in it */
};

/* A view: good until the next csv_next, csv_begin or csv_free, and as long as the piece. */
struct csv_record {
    const char *bytes;
    const struct csv_field *fields;
    size_t count;  /* fields, at least one */
    uint64_t line; /* on which it begins; the first one is 1 */
};

/* A field's text. What stands behind it is no part of a number, so that one may be read without looking for
 * the end: a delimiter, quote, CR, LF or NUL; behind the last byte of the last piece it is for the caller to
 * have a NUL there. */
static inline struct text csv_text(const struct csv_record *record, size_t field)
{
    return (struct text){record->bytes + record->fields[field].begin, record->fields[field].length};
}

enum csv_result {
    CSV_RECORD,
    CSV_MORE, /* the piece is read: csv_feed the next one, or csv_finish */
    CSV_END,  /* after csv_finish: there is nothing more */
    CSV_WRONG /* see csv_error; stays so */
};

/* Where the text is no CSV. */
struct csv_error {
    uint64_t line;
    uint64_t field;                    /* of its record; the first one is 1 */
    char complaint[CSV_COMPLAINT_MAX]; /* "a quote within a field that does not begin with one" */
};

struct csv;
struct csv *csv_new(const struct csv_options *options);
void csv_free(struct csv *csv);
/* Forgets all: the next piece is the beginning of a text. Memory is kept. */
void csv_begin(struct csv *csv);

/* The next piece. It stays the caller's, who leaves it as it is until csv_next has returned CSV_MORE or is
 * not called any more. Only when there is none: first, or after CSV_MORE. */
void csv_feed(struct csv *csv, const char *bytes, size_t length);
/* There are no more pieces. */
void csv_finish(struct csv *csv);
enum csv_result csv_next(struct csv *csv, struct csv_record *record);
/* Bytes of the piece that are read: behind the line of the record that csv_next has given. */
size_t csv_read(const struct csv *csv);
/* After CSV_WRONG. */
const struct csv_error *csv_error(const struct csv *csv);

#endif
