/* csv_rows: a body of CSV as the tensors of the model's inputs. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CSV_ROWS_H
#define OUTRIGGER_CSV_ROWS_H

#include "plain.h"
#include "record.h"

/* What the request says of the first line (RFC 4180 section 3: the parameter "header" of text/csv). */
enum csv_header {
    CSV_HEADER_UNKNOWN, /* nothing: it is looked at */
    CSV_HEADER_PRESENT,
    CSV_HEADER_ABSENT
};

/* The first six are given; the rest csv_rows_measure finds out. Large: belongs to a thread, not to a stack.
 */
struct csv_rows {
    const struct layout *layout;
    const struct fields *fields; /* of the same version; NULL: none */
    bool allow_nan;
    bool batch; /* any number of rows; else one */
    enum csv_header header;
    struct text text; /* a NUL must stand behind it */

    struct csv *csv;
    struct columns columns;
    struct plain plain; /* the rows, when they are `short_cut`, which is a batch of nothing but numbers */
    bool short_cut;
    bool has_header;
    size_t count; /* rows; counted to the end also when they are refused, unless the text is no CSV */
    struct tensor tensors[TENSOR_COUNT_MAX]; /* one for each input, without data */
};

/* Bytes of the tensors payload (PROTOCOL.md section 6) that the table makes. 0 when it does not fit the
 * model: `faults` says why.
 *
 * The first line is the header when its fields are the names of the model's features, in any order, but for
 * those that may be left out. If not:
 * when one of them is a value, it is the first row, whose values stand in the model's order; when none is, it
 * is a header that does not fit. For a model whose features have no names, a header must only have as many
 * fields as there are columns. If such a model takes nothing but strings, nobody can tell, and the request
 * must. */
size_t csv_rows_measure(struct csv_rows *table, struct problem_faults *faults);
/* Writes the payload of `bytes` bytes, which csv_rows_measure returned. False when a value is refused:
 * `faults` says which, and what was written is of no use. */
bool csv_rows_write(struct csv_rows *table, uint8_t *payload, size_t bytes, struct problem_faults *faults);
/* Gives up what the other two needed. */
void csv_rows_end(struct csv_rows *table);

#endif
